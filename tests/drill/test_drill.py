"""The short form of `make drill`: what docs/operations.md says of disasters holds.

To save time, it has one worker a stage, and the lost cluster and the one that replaces it are one broker, emptied.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from drill.disasters import Drill, delete
from streamproc.bus.topics import table


def test_values_come_back_after_every_disaster(no_topics: str, tmp_path: Path) -> None:
    drill = Drill(tmp_path, 400, 1, print)
    backup = drill.lose_workers_and_state(no_topics)
    asyncio.run(delete(no_topics, {spec.name for app in ("drill", "drill-2") for spec in table(app)}))
    drill.restore_cluster(no_topics, backup)
    assert [row.disaster for row in drill.rows] == ["workers", "state", "cluster"]
    assert all(row.series > 1_000 for row in drill.rows)
    assert {row.disaster: row.wrong for row in drill.rows if row.wrong} == {}
