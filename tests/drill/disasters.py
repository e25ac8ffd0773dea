"""Three disasters, each mended from what is left: workers lost, state lost, the whole cluster lost.

Every time the values of `kpi.values` must be those of `streamproc backtest` over all events. What a person would do is
done with the commands that docs/operations.md names; only SIGKILL, the deletion of topics and the backup are not.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from faults.history import History, simulated
from support.workers import Cluster, publish, records, values

from streamproc.backtest import Backtest, load_reference
from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.topics import connected, partials_topic
from streamproc.events import EVENT_TOPICS
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue

PARTITIONS = 3
STAGES = ("facts", "kpis")
PARTS = ("value", "numerator", "denominator", "n")
Values = dict[Any, tuple[Any, ...]]


class Row(NamedTuple):
    """One disaster: seconds until all values were there again, how many, and how many were wrong."""

    disaster: str
    left: str
    mended_with: str
    seconds: float
    series: int
    wrong: int


class Drill:
    """`folder`: data, logs, the backup. `note` is told what happens."""

    def __init__(self, folder: Path, events: int, note: Callable[[str], None]) -> None:
        self._folder = folder
        self._note = note
        self.history: History = simulated(events, days=3)
        self.rows: list[Row] = []

    def run(self) -> None:
        """All three, one after the other. Raises where something cannot go on."""
        expected = self._expected()
        with EmbeddedKafka(self._folder / "kafka") as kafka:
            with self._workers(kafka.bootstrap, "drill", "first") as first:
                publish(kafka.bootstrap, self.history.setup + self.history.part(0, 2))
                first.settle()
                self._note(f"{len(values(kafka.bootstrap)):,} series from the first half of the events")
                for name in list(first.workers):
                    first.kill(name)
            self._workers_lost(kafka.bootstrap, expected)
            self._state_lost(kafka.bootstrap, expected)
            backup = self._backup(kafka.bootstrap)
        self._cluster_lost(backup, expected)

    def _workers_lost(self, bootstrap: str, expected: Values) -> None:
        self._note("all workers are killed; others, on other hosts, go on with the second half")
        publish(bootstrap, self.history.part(1, 2))
        began = time.monotonic()
        with self._workers(bootstrap, "drill", "second") as cluster:
            cluster.settle()
            self._row("workers", "all topics", "streamproc worker", began, bootstrap, expected)

    def _state_lost(self, bootstrap: str, expected: Values) -> None:
        self._note("changelogs and partial sums are deleted; a second application begins with the events")
        lost = ["drill-facts-changelog", "drill-kpis-changelog", partials_topic("drill")]
        asyncio.run(_delete(bootstrap, lost))
        began = time.monotonic()
        with self._workers(bootstrap, "drill-2", "third") as cluster:
            cluster.settle()
            self._row("state", "event topics", "topics create; worker --app NEW", began, bootstrap, expected)

    def _backup(self, bootstrap: str) -> Path:
        """Values of the event topics and of sales.reference, a line each: as the console consumer writes them."""
        folder = self._folder / "backup"
        folder.mkdir()
        for name, topics in (("events.ndjson", EVENT_TOPICS), ("reference.ndjson", ("sales.reference",))):
            found = [one.value for topic in topics for one in records(bootstrap, topic) if one.value]
            (folder / name).write_bytes(b"".join(line.replace(b"\n", b" ") + b"\n" for line in found))
        return folder

    def _cluster_lost(self, backup: Path, expected: Values) -> None:
        self._note("the cluster is lost; an empty one gets the backup")
        with EmbeddedKafka(self._folder / "kafka-2") as kafka:
            began = time.monotonic()
            with self._workers(kafka.bootstrap, "drill", "fourth") as cluster:
                at = ("--bootstrap-servers", kafka.bootstrap)
                self._command("reference", "load", str(backup / "reference.ndjson"), *at)
                self._command("replay", str(backup / "events.ndjson"), "--skip-bad", *at)
                cluster.settle()
                self._row("cluster", "a backup", "reference load; replay", began, kafka.bootstrap, expected)

    @contextmanager
    def _workers(self, bootstrap: str, app: str, host: str) -> Iterator[Cluster]:
        """Two workers of each stage, with names that no worker had before."""
        self._command(
            "topics", "create", "--bootstrap-servers", bootstrap, "--app", app, "--partitions", str(PARTITIONS)
        )
        cluster = Cluster(bootstrap, app, self._folder)
        try:
            for stage in STAGES:
                for number in range(2):
                    cluster.start(f"{host}-{stage}-{number}", stage)
            for name in cluster.workers:
                cluster.wait_ready(name)
            yield cluster
        finally:
            for process in cluster.workers.values():
                process.send_signal(signal.SIGTERM)
            for process in cluster.workers.values():
                process.wait(60)

    def _command(self, *words: str) -> None:
        done = subprocess.run([sys.executable, "-m", "streamproc", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"streamproc {' '.join(words)}: exit code {done.returncode}: {done.stderr}")

    def _row(self, disaster: str, left: str, mended_with: str, began: float, bootstrap: str, expected: Values) -> None:
        seconds = time.monotonic() - began
        found = {key: tuple(row[part] for part in PARTS) for key, row in values(bootstrap).items()}
        wrong = sum(found.get(key) != expected.get(key) for key in found.keys() | expected.keys())
        self.rows.append(Row(disaster, left, mended_with, seconds, len(found), wrong))
        self._note(f"{len(found):,} series after {seconds:.1f} s, {wrong} of them wrong")

    def _expected(self) -> Values:
        lines = [line for *_, line in self.history.events]
        run = Backtest(lines, catalogue(), load_reference(self.history.reference, Reference()))
        (_, found), *_ = run.at([run.end_ms()])
        return {(one.kpi, one.group, one.window): tuple(getattr(one, part) for part in PARTS) for one in found}


async def _delete(bootstrap: str, topics: list[str]) -> None:
    async with connected(Broker(bootstrap)) as admin:
        await admin.delete_topics(topics)
