"""Three disasters, each mended from what is left: workers lost, state lost, the whole cluster lost.

Every time the values of `kpi.values` must be those of `streamproc backtest` over all events. What a person would do is
done with the commands that docs/operations.md names; only SIGKILL, the deletion of topics and the backup are not.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from faults.history import History, simulated
from support.offsets import Away, Offsets
from support.workers import Cluster, publish, records, values

from streamproc.backtest import Backtest, load_reference
from streamproc.bus.connection import Broker
from streamproc.bus.topics import connected, partials_topic
from streamproc.events import EVENT_TOPICS
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue

PARTITIONS = 3
WAIT_S = 180.0
STAGES = ("facts", "kpis")
PARTS = ("value", "numerator", "denominator", "n")
Values = dict[Any, tuple[Any, ...]]


class Row(NamedTuple):
    """One disaster: seconds until all values were there again, how many, and how many were wrong."""

    disaster: str
    left: str
    mended_with: str
    seconds: float = 0.0
    series: int = 0
    wrong: int = 0


class Drill:
    """`folder`: data, logs, the backup. `workers` of each stage. `note` is told what happens."""

    def __init__(self, folder: Path, events: int, workers: int, note: Callable[[str], None]) -> None:
        self._folder = folder
        self._workers_each = workers
        self._note = note
        self.history: History = simulated(events, days=3)
        self.rows: list[Row] = []
        self._expected = _backtest(self.history)

    def lose_workers_and_state(self, bootstrap: str) -> Path:
        """Of an empty cluster; returns the backup that is made at the end. Raises where something cannot go on."""
        with self._workers(bootstrap, "drill", "first") as first:
            publish(bootstrap, self.history.setup + self.history.part(0, 2))
            while not values(bootstrap):
                first.keep_running()
                time.sleep(0.5)
            self._note("values of the first half of the events come")
            for process in first.workers.values():
                process.kill()
        self._workers_lost(bootstrap)
        self._state_lost(bootstrap)
        return self._backup(bootstrap)

    def restore_cluster(self, bootstrap: str, backup: Path) -> None:
        """Into an empty cluster."""
        self._note("the cluster is lost; an empty one gets the backup")
        began = time.monotonic()
        with self._workers(bootstrap, "drill-3", "fourth") as cluster:
            at = ("--bootstrap-servers", bootstrap)
            self._command("reference", "load", str(backup / "reference.ndjson"), *at)
            self._command("replay", str(backup / "events.ndjson"), "--skip-bad", *at)
            self._row(Row("cluster", "a backup", "reference load; replay"), began, cluster)

    def _workers_lost(self, bootstrap: str) -> None:
        self._note("all workers are killed; others, on other hosts, go on with the second half")
        publish(bootstrap, self.history.part(1, 2))
        began = time.monotonic()
        with self._workers(bootstrap, "drill", "second") as cluster:
            self._row(Row("workers", "all topics", "streamproc worker"), began, cluster)

    def _state_lost(self, bootstrap: str) -> None:
        self._note("all but the event topics is deleted; a second application begins with them")
        # The values too: else those of before would stand for right ones.
        lost = ["drill-facts-changelog", "drill-kpis-changelog", partials_topic("drill"), "kpi.values"]
        asyncio.run(delete(bootstrap, lost))
        began = time.monotonic()
        with self._workers(bootstrap, "drill-2", "third") as cluster:
            self._row(Row("state", "event topics", "topics create; worker --app NEW"), began, cluster)

    def _backup(self, bootstrap: str) -> Path:
        """Values of the event topics and of sales.reference, a line each: as the console consumer writes them."""
        folder = self._folder / "backup"
        folder.mkdir()
        for name, topics in (("events.ndjson", EVENT_TOPICS), ("reference.ndjson", ("sales.reference",))):
            found = [one.value for topic in topics for one in records(bootstrap, topic) if one.value]
            (folder / name).write_bytes(b"".join(line.replace(b"\n", b" ") + b"\n" for line in found))
        return folder

    @contextmanager
    def _workers(self, bootstrap: str, app: str, host: str) -> Iterator[Cluster]:
        """Workers of both stages, with names that no worker had before."""
        self._command(
            "topics", "create", "--bootstrap-servers", bootstrap, "--app", app, "--partitions", str(PARTITIONS)
        )
        cluster = Cluster(bootstrap, app, self._folder)
        try:
            for stage in STAGES:
                for number in range(self._workers_each):
                    cluster.start(f"{host}-{stage}-{number}", stage)
            yield cluster
        finally:
            for process in cluster.workers.values():
                process.terminate()
            for process in cluster.workers.values():
                process.wait(60)

    def _command(self, *words: str) -> None:
        done = subprocess.run([sys.executable, "-m", "streamproc", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"streamproc {' '.join(words)}: exit code {done.returncode}: {done.stderr}")

    def _row(self, row: Row, began: float, cluster: Cluster) -> None:
        """Wait until everything is committed and all values are right, or the time is over.

        What fails is started again, as supervisors do.
        """
        deadline = time.monotonic() + WAIT_S
        while True:
            cluster.keep_running()
            settled, out_of_time = asyncio.run(_is_settled(cluster)), time.monotonic() > deadline
            if settled or out_of_time:
                found = {key: tuple(one[part] for part in PARTS) for key, one in values(cluster.bootstrap).items()}
                wrong = sum(found.get(key) != self._expected.get(key) for key in found.keys() | self._expected.keys())
                if out_of_time or not wrong:
                    break
            time.sleep(0.5)
        if not settled:
            raise RuntimeError(f"not everything was committed within {WAIT_S:g} s: {row.disaster}; {cluster.ends}")
        self.rows.append(row._replace(seconds=time.monotonic() - began, series=len(found), wrong=wrong))
        self._note(f"{len(found):,} series after {self.rows[-1].seconds:.1f} s, {wrong} of them wrong")
        for end in cluster.ends:
            self._note(f"{end.name} ended with exit code {end.code} and was started again: {end.why}")


def _backtest(history: History) -> Values:
    run = Backtest([line for *_, line in history.events], catalogue(), load_reference(history.reference, Reference()))
    (_, found), *_ = run.at([run.end_ms()])
    return {(one.kpi, one.group, one.window): tuple(getattr(one, part) for part in PARTS) for one in found}


async def _is_settled(cluster: Cluster) -> bool:
    """Whether both stages have committed all that is in their topics: facts first, since they write what kpis read."""
    async with Offsets(cluster.bootstrap) as offsets:
        with suppress(Away):
            return all([(await cluster.progress(offsets, stage)).lag == 0 for stage in STAGES])
    return False


async def delete(bootstrap: str, topics: Iterable[str]) -> None:
    """Delete topics that are there; returns when they are gone."""
    async with connected(Broker(bootstrap)) as admin:
        while left := sorted(set(topics).intersection(await admin.list_topics())):
            await admin.delete_topics(left)
            await asyncio.sleep(0.1)
