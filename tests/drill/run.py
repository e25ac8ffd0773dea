"""The disaster recovery drill: `make drill`, or `python tests/drill/run.py [EVENTS]`.

Brings its own Kafka, twice. Ends with a table of what was lost, what mended it, and after how long all values were
right again. Exit code 1 if a value was wrong.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from drill.disasters import Drill
from streamproc.bus.embedded import EmbeddedKafka

EVENTS = 10_000
WORKERS = 2  # of each stage


def main(events: int) -> int:
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="streamproc-drill-") as folder:
        drill = Drill(Path(folder), events, WORKERS, lambda text: console.print(text, highlight=False))
        with EmbeddedKafka(Path(folder) / "kafka") as kafka:
            backup = drill.lose_workers_and_state(kafka.bootstrap)
        with EmbeddedKafka(Path(folder) / "kafka-2") as kafka:
            drill.restore_cluster(kafka.bootstrap, backup)
    table = Table("lost", "left", "mended with", "seconds", "series", "wrong", title=f"{events:,} events")
    for row in drill.rows:
        table.add_row(*row[:3], f"{row.seconds:.1f}", f"{row.series:,}", str(row.wrong))
    Console(width=100).print(table)
    return int(any(row.wrong for row in drill.rows))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS))
