"""A target set by command while workers run: the band changes and `kpi.alerts` tells, within seconds; once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.workers import Cluster, publish, records, values

from streamproc.bus.publish import record
from streamproc.outputs.topics import rfc3339

CALLS = 4
SOON_S = 30.0  # a limit for a busy machine, not a measurement
Row = dict[str, Any]


@pytest.fixture
def cluster(fresh_topics: Any, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(fresh_topics.bootstrap, fresh_topics.app, tmp_path, clock="wall")
    yield cluster
    cluster.kill_all()


def event(kind: str, subject: str, time_ms: int, **data: Any) -> bytes:
    body = {"id": f"{subject}-{time_ms}", "source": "test", "type": kind, "time": rfc3339(time_ms), "subject": subject}
    return orjson.dumps({"specversion": "1.0", **body, "data": data})


def set_(cluster: Cluster, *words: str) -> None:
    command = [sys.executable, "-m", "streamproc", "reference", *words, "--bootstrap-servers", cluster.bootstrap]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)


def await_(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SOON_S
    while not (result := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)
    return result


def rows(cluster: Cluster, topic: str) -> list[Row]:
    return [orjson.loads(one.value) for one in records(cluster.bootstrap, topic) if one.value is not None]


def test_a_target_by_command_changes_the_band_and_alerts_once(cluster: Cluster) -> None:
    now_ms = int(time.time() * 1000)
    calls = [event("call.logged", f"call/{n}", now_ms - 120_000 - n, rep="ann") for n in range(CALLS)]
    won = event("deal.won", "deal/d1", now_ms - 120_000, deal="d1", rep="ann", amount=500, currency="EUR")
    publish(cluster.bootstrap, map(record, [*calls, won]))
    for stage in ("facts", "kpis"):
        cluster.start(stage, stage)
    cluster.settle()

    def value() -> Row:
        row = values(cluster.bootstrap).get(("calls", "rep=ann", "24h"), {})
        return row if row.get("value") == CALLS else {}

    assert "band" not in await_(value, "the calls")
    (deal,) = await_(lambda: rows(cluster, "kpi.events"), "the deal that was won")
    assert (deal["type"], deal["deal"], deal["amount"]) == ("deal.won", "d1", 500)

    set_(cluster, "set-target", "calls", "8", "--group", "rep=ann", "--window", "24h")
    judged = await_(lambda: row if "target" in (row := value()) else None, "the target")
    assert (judged["target"], judged["attainment"], judged["band"]) == (8, 0.5, "critical")
    assert [(a["kpi"], a["group"], a["previous_band"], a["band"]) for a in rows(cluster, "kpi.alerts")] == [
        ("calls", {"rep": "ann"}, "none", "critical")
    ]
    page = await_(lambda: text if "kpi_target{" in (text := cluster.get("kpis", "/metrics")) else "", "kpi_target")
    assert 'kpi_target{unit="count",kpi="calls",scope="rep",rep="ann",window="24h"} 8' in page

    cluster.kill("kpis")
    cluster.start("kpis", "kpis")
    cluster.wait_ready("kpis")
    set_(cluster, "set-target", "calls", str(CALLS), "--group", "rep=ann", "--window", "24h")
    await_(lambda: value().get("band") == "ok", "the band ok")
    alerts = rows(cluster, "kpi.alerts")
    assert [(a["previous_band"], a["band"]) for a in alerts] == [("none", "critical"), ("critical", "ok")]
    assert len({a["id"] for a in alerts}) == len(alerts)
    assert len(rows(cluster, "kpi.events")) == 1


def test_a_target_of_another_producer_that_does_not_fit_is_ignored(cluster: Cluster) -> None:
    now_ms = int(time.time() * 1000)
    wrong = event("target.set", "target/x", now_ms, kpi="no_such_kpi", window="7d", value=3)
    publish(cluster.bootstrap, [record(wrong), record(event("call.logged", "call/1", now_ms - 120_000, rep="ann"))])
    for stage in ("facts", "kpis"):
        cluster.start(stage, stage)
    cluster.settle()
    await_(lambda: values(cluster.bootstrap), "values")
    for stage in ("facts", "kpis"):
        assert "streamproc_reference_ignored_total 1.0" in cluster.get(stage, "/metrics")
        assert "unknown KPI 'no_such_kpi'" in cluster.log(stage)
    assert cluster.stop() == {"facts": 0, "kpis": 0}
