"""The short form of `make drill`: what docs/operations.md says of disasters holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from drill.disasters import Drill
from streamproc.bus.embedded import is_available


@pytest.mark.kafka
def test_values_come_back_after_every_disaster(tmp_path: Path) -> None:
    if not is_available():
        pytest.skip("embedded Kafka not installed: pip install 'streamproc[embedded]'")
    drill = Drill(tmp_path, 1_500, print)
    drill.run()
    assert [row.disaster for row in drill.rows] == ["workers", "state", "cluster"]
    assert all(row.series > 1_000 for row in drill.rows)
    assert {row.disaster: row.wrong for row in drill.rows if row.wrong} == {}
