"""A second application is filled beside the first on a real broker, and takes over: nothing missing, nothing left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.history import History, simulated
from support.workers import Cluster, free_port, publish, records, values

from streamproc.backtest import Backtest, load_reference
from streamproc.bus import topics
from streamproc.bus.connection import Broker
from streamproc.facts.reference import Reference
from streamproc.ingest.kpis_file import full_catalogue
from streamproc.kpis.kpi import KpiValue

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "kpis.example.yaml"
FORMER = """
kpis:
  - {name: former_calls, kind: count, of: call, title_en: t, title_de: t, means: m, events: call.logged, by: rep}
"""
WAIT_S = 120.0


@pytest.fixture
def cluster(fresh_topics: Any, tmp_path: Path) -> Iterator[Cluster]:
    """The application that is there already, with a KPI that the next one does not have."""
    (tmp_path / "former.yaml").write_text(FORMER)
    cluster = Cluster(
        fresh_topics.bootstrap, fresh_topics.app, tmp_path, env={"STREAMPROC_KPIS_FILE": str(tmp_path / "former.yaml")}
    )
    asyncio.run(topics.create(Broker(cluster.bootstrap), topics.table(f"{cluster.app}-2")))
    yield cluster
    cluster.kill_all()


class Backfill:
    """A running `streamproc backfill` and what it says."""

    def __init__(self, cluster: Cluster, *options: str) -> None:
        self.log = cluster.folder / "backfill.log"
        command = [sys.executable, "-m", "streamproc", "backfill", "--app", f"{cluster.app}-2", "--old", cluster.app]
        command += ["--kpis", str(EXAMPLE), "--clock", "event", "--port", str(free_port())]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--bootstrap-servers", cluster.bootstrap, *options], stdout=log, stderr=log, env=os.environ
            )

    def wait_for(self, text: str, cluster: Cluster | None = None) -> None:
        """Until it has said this; workers of the cluster are kept running meanwhile."""
        deadline = time.monotonic() + WAIT_S
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            if cluster is not None:
                cluster.keep_running()
            time.sleep(0.2)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def expected(history: History) -> dict[Any, KpiValue]:
    """Values of backtest at the end, with the KPIs of the example."""
    lines = [line for *_, line in history.events]
    reference = load_reference(history.reference, Reference())
    run = Backtest(lines, full_catalogue("EUR", str(EXAMPLE)), reference)
    (_, found), *_ = run.at([run.end_ms()])
    return {(value.kpi, value.group, value.window): value for value in found}


def wrong(found: dict[Any, dict[str, Any]], expected: dict[Any, KpiValue]) -> dict[Any, tuple[Any, Any]]:
    """Series that differ, or that only one side has."""
    parts = ("value", "numerator", "denominator", "n")
    mine = {key: tuple(row[part] for part in parts) for key, row in found.items()}
    theirs = {key: tuple(getattr(value, part) for part in parts) for key, value in expected.items()}
    keys = mine.keys() | theirs.keys()
    return {key: (mine.get(key), theirs.get(key)) for key in keys if mine.get(key) != theirs.get(key)}


def assert_one_after_the_other(cluster: Cluster) -> None:
    """In each partition of `kpi.values`, nothing of the former application stands after something of its successor."""
    former: dict[int, int] = {}
    successor: dict[int, int] = {}
    for found in records(cluster.bootstrap, "kpi.values"):
        key = (found.key or b"").decode()
        if key.startswith("former_calls|") and found.value is not None:
            former[found.partition] = max(found.offset, former.get(found.partition, -1))
        if key.startswith("effort_points|"):
            successor.setdefault(found.partition, found.offset)
    assert len(former) > 1
    assert len(successor) > 1
    assert {p: (former[p], successor[p]) for p in former if p in successor and former[p] > successor[p]} == {}


@pytest.mark.parametrize("fenced", [False, True], ids=["the former one is stopped", "the former one still runs"])
def test_it_takes_over(cluster: Cluster, fenced: bool) -> None:
    history = simulated(3_000, days=2)
    publish(cluster.bootstrap, history.setup + history.part(0, 3))
    for stage in ("facts", "kpis"):
        cluster.start(stage, stage)
    cluster.settle()
    before = values(cluster.bootstrap)
    assert [key for key in before if key[0] == "former_calls"]
    backfill = Backfill(cluster, *(["--take-over"] if fenced else []))
    try:
        publish(cluster.bootstrap, history.part(1, 3))
        if fenced:
            backfill.wait_for("has taken over from", cluster)
        else:
            backfill.wait_for("caught up. Stop the workers")
            cluster.settle()
            assert not [key for key in values(cluster.bootstrap) if key[0] == "effort_points"]
            assert cluster.stop() == {"facts": 0, "kpis": 0}
            backfill.wait_for("has taken over from")
        publish(cluster.bootstrap, history.part(2, 3))
        if fenced:
            wait_until_retired(cluster)
        Cluster(cluster.bootstrap, f"{cluster.app}-2", cluster.folder).settle()
        assert wrong(values(cluster.bootstrap), expected(history)) == {}
        assert_one_after_the_other(cluster)
        assert backfill.stop() == 0
    finally:
        if backfill.process.poll() is None:
            backfill.stop()
    refuses_to_start(cluster)


def wait_until_retired(cluster: Cluster) -> None:
    """The facts worker of the former application ends for good with its next checkpoint, though it is started again.

    With the event clock the kpis worker has nothing more to commit, since nothing comes from the facts worker.
    """
    deadline = time.monotonic() + WAIT_S
    while "facts" not in {end.name for end in cluster.ends if end.code == 3}:
        assert time.monotonic() < deadline, (cluster.ends, cluster.log("facts"))
        cluster.keep_running()
        time.sleep(0.2)
    assert [end for end in cluster.ends if end.code == 3 and "has taken over" not in end.why] == []


def refuses_to_start(cluster: Cluster) -> None:
    """Whoever starts a worker of the former application by mistake is told."""
    if "kpis" in cluster.workers and cluster.workers["kpis"].poll() is None:
        cluster.kill("kpis")
    cluster.start("late", "kpis")
    assert cluster.workers["late"].wait(WAIT_S) == 3
    assert f"application {cluster.app}-2 has taken over" in cluster.log("late")
