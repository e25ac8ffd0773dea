"""The disaster recovery drill: `make drill`, or `python tests/drill/run.py [EVENTS]`.

Brings its own Kafka. Ends with a table of what was lost, what mended it, and after how long all values were right
again. Exit code 1 if a value was wrong.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from drill.disasters import Drill

EVENTS = 10_000


def main(events: int) -> int:
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="streamproc-drill-") as folder:
        drill = Drill(Path(folder), events, lambda text: console.print(text, highlight=False))
        drill.run()
    table = Table("lost", "left", "mended with", "seconds", "series", "wrong", title=f"{events:,} events")
    for row in drill.rows:
        table.add_row(*row[:3], f"{row.seconds:.1f}", f"{row.series:,}", str(row.wrong))
    Console(width=100).print(table)
    return int(any(row.wrong for row in drill.rows))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS))
