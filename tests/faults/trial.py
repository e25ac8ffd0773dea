"""One trial: workers of an app id of its own, kept running by a supervisor, watched, and judged at the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, Self

import orjson
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord
from oracle.oracle import Row, Series
from support.compare import differences
from support.offsets import Away, Offsets
from support.workers import Cluster, Progress

from faults.history import History
from faults.pauses import Pauses
from faults.site import PARTITIONS, Site
from streamproc.bus.connection import Broker
from streamproc.bus.publish import Publisher, Record
from streamproc.bus.record_batches import partition_of
from streamproc.bus.topics import TopicSpec, table
from streamproc.events import EVENT_TOPICS, to_ms
from streamproc.outputs.topics import CLOCK_KEY

LOOK_S = 0.1  # between two looks at workers and offsets
SETTLE_S = 300.0  # a broker and its workers that share two cores with another trial may need minutes after a fault
MINUTE_MS = 60_000
VALUES, REJECTED = "kpi.values", "sales.rejected"


class Outcome(NamedTuple):
    """What a trial came to. `wrong` has a line for each entry of `kpi.values` that is not the oracle's."""

    events: int
    wrong: list[str]
    pause_s: float
    ends: list[str]  # workers that ended: name, exit code (< 0: signal), and why if they failed


class Trial:
    """Async context manager. `bootstrap`: where the workers go, if not straight to the broker."""

    def __init__(
        self, site: Site, app: str, history: History, *, clock: str = "event", bootstrap: str = "", **env: str
    ) -> None:
        self.site = site
        self.history = history
        self.folder = site.folder / app
        self.folder.mkdir()
        self.cluster = Cluster(bootstrap or site.bootstrap, app, self.folder, clock, env)
        self._pauses = Pauses()
        self.progress: dict[str, Progress] = {}
        self._offsets = Offsets(site.bootstrap)
        self._since: dict[TopicPartition, int] = {}
        self._looks = 0
        self._watcher: asyncio.Task[None] | None = None

    @property
    def app(self) -> str:
        return self.cluster.app

    @property
    def topics(self) -> list[TopicSpec]:
        """The topics of this app alone."""
        return [spec for spec in table(self.app, PARTITIONS) if self.app in spec.name]

    async def __aenter__(self) -> Self:
        await self.site.create(self.topics)
        self._since = await self._offsets.ends([VALUES, REJECTED])
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._watcher is not None
        self._watcher.cancel()
        await asyncio.gather(self._watcher, return_exceptions=True)
        self.cluster.kill_all()
        await self._offsets.__aexit__(*exc)
        if self.site.broker.is_running:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await self.site.delete(spec.name for spec in self.topics)

    # What a case does.

    def start(self, *names: str, **env: str) -> None:
        """Start workers; a name begins with its stage: `facts`, `kpis-2`. `env` is for this start only."""
        for name in names:
            self.cluster.start(name, name.partition("-")[0], **env)

    def kill(self, *names: str) -> None:
        """SIGKILL to those that run; they are started again soon."""
        for name in names:
            self.cluster.signal(name, signal.SIGKILL)

    async def stop(self, name: str, within_s: float = 40) -> int:
        """SIGTERM; returns the exit code when it has ended, and does not start it again."""
        process = self.cluster.workers.pop(name)
        process.terminate()
        return await asyncio.to_thread(process.wait, within_s)

    async def feed(self, records: Sequence[Record], per_s: float, until: asyncio.Event | None = None) -> None:
        """Publish at a steady rate; when `until` is set, the rest at once."""
        began, sent = time.monotonic(), 0
        async with Publisher(Broker(self.site.bootstrap)) as publisher:
            while sent < len(records):
                due = min(len(records), int((time.monotonic() - began) * per_s) + 1)
                if until is not None and until.is_set():
                    due = len(records)
                await publisher.publish(records[sent:due])
                sent = due
                await asyncio.sleep(LOOK_S)

    # What a case waits for.

    async def until(self, condition: Callable[[], Any], what: str, timeout_s: float = 60) -> None:
        """Wait for a condition; AssertionError with `what` when it does not come."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self._watcher is not None
            if self._watcher.done():
                self._watcher.result()
            assert time.monotonic() < deadline, f"{self.app}: not within {timeout_s:g} s: {what}. {self.describe()}"
            await asyncio.sleep(LOOK_S / 5)

    async def facts_at(self, share: float) -> None:
        """Wait until the facts stage has committed this share of the events, and at least one."""

        def reached() -> bool:
            found = self.progress.get("facts")
            return found is not None and found.done > share * len(self.history.events)

        await self.until(reached, f"{share:.0%} of the facts", SETTLE_S)

    async def settled(self) -> None:
        """Wait until both stages have committed everything that is in their input topics by now."""
        looks = self._looks + 1  # a look that is under way may have begun before

        def done() -> bool:
            return self._looks > looks and all(found.lag == 0 for found in self.progress.values())

        await self.until(done, "everything committed", SETTLE_S)

    async def shared(self, *names: str) -> None:
        """Wait until these workers of one stage take part, and hold all partitions together, none twice."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            held = [await asyncio.to_thread(self._partitions, name) for name in names]
            ready = [one for one in held if one is not None]  # one of them may hold nothing: four on three are 2, 2, 0
            if len(ready) == len(names) and sorted(chain.from_iterable(ready)) == list(range(PARTITIONS)):
                return
            assert time.monotonic() < deadline, f"{names} do not share the partitions: {held}. {self.describe()}"
            await asyncio.sleep(LOOK_S)

    def _partitions(self, name: str) -> list[int] | None:
        try:
            return list(orjson.loads(self.cluster.get(name, "/ready"))["partitions"])
        except OSError:  # not there yet, or 503
            return None

    async def ended(self, name: str, *codes: int) -> None:
        """Wait until a worker has ended with one of these exit codes."""
        await self.until(
            lambda: any(end.name == name and end.code in codes for end in self.cluster.ends),
            f"{name} ends with {codes}",
            SETTLE_S,
        )

    async def taken(self) -> int:
        """Number of event records below the committed offsets of the facts stage, asked now.

        Derived events are among them. Offsets are more: each transaction that wrote some took one for its marker.
        """
        committed = (await self.cluster.progress(self._offsets, "facts")).committed
        found = [await self.read(topic) for topic in EVENT_TOPICS]
        return sum(one.offset < committed.get(TopicPartition(one.topic, one.partition), 0) for one in chain(*found))

    async def outcome(self) -> Outcome:
        """Wait until all is committed, and compare every entry with the oracle's."""
        await self.settled()
        wrong = await self._compare()
        return Outcome(len(self.history.events), wrong, self._pauses.longest_s, self.ends())

    def ends(self) -> list[str]:
        """The workers that ended without being asked to, each with the first failure of that run."""
        return [f"{end.name} {end.code} {end.why}".strip() for end in self.cluster.ends]

    def not_said(self, name: str, *words: str) -> list[str]:
        """What should be in the log of a worker, and is not."""
        said = self.cluster.log(name)
        return [f"the log of {name} does not have {word!r}: {said}" for word in words if word not in said]

    def describe(self) -> str:
        """Where the trial is, and what its workers said last."""
        progress = {stage: (found.done, found.lag) for stage, found in self.progress.items()}
        logs = "\n".join(f"--- {name}: {self.cluster.log(name)}" for name in self.cluster.stages)
        return f"Committed and lag: {progress}; ended: {self.cluster.ends}\n{logs}"

    async def _watch(self) -> None:
        while True:
            self.cluster.keep_running()
            with contextlib.suppress(Away):
                found = {stage: await self.cluster.progress(self._offsets, stage) for stage in ("facts", "kpis")}
                for stage, progress in found.items():
                    for partition in range(PARTITIONS):
                        self._pauses.see((stage, partition), *progress.of(partition), time.monotonic())
                self.progress = found
                self._looks += 1
            await asyncio.sleep(LOOK_S)

    async def clock_ms(self) -> int:
        """The latest of the clock records in `kpi.values`."""
        return max((await self._values())[1].values())

    async def rows(self) -> dict[int, dict[Series, Row]]:
        """The entries of `kpi.values` by partition, as committed by now."""
        return (await self._values())[0]

    async def _values(self) -> tuple[dict[int, dict[Series, Row]], dict[int, int]]:
        """Entries of `kpi.values` and the clock, by partition."""
        rows: dict[int, dict[Series, Row]] = {partition: {} for partition in range(PARTITIONS)}
        clocks: dict[int, int] = {}
        for found in await self.read(VALUES):
            _apply(found, rows[found.partition], clocks)
        return rows, clocks

    async def _compare(self) -> list[str]:
        rows, clocks = await self._values()
        wrong = [] if len(clocks) == PARTITIONS else [f"clock records of partitions {sorted(clocks)} only"]
        at_ms = self.history.end_ms()
        if self.cluster.clock == "event":
            wrong += [f"partition {p} is as of {ms}, not {at_ms}" for p, ms in clocks.items() if ms != at_ms]
        for partition, clock_ms in clocks.items():
            expected = await asyncio.to_thread(self.history.expected, clock_ms // MINUTE_MS * MINUTE_MS)
            mine = {key: row for key, row in expected.items() if partition_of(key[1].encode(), PARTITIONS) == partition}
            wrong += differences(rows[partition], mine)
        return wrong + await self._compare_rejected()

    async def _compare_rejected(self) -> list[str]:
        """Each record that cannot be taken must be in the dead-letter topic just once."""
        found = Counter((record.key, record.value) for record in await self.read(REJECTED))
        sent = self.history.refused()
        wrong = {one: found[one] for one in found | sent if found[one] != sent[one]}
        return [f"refused {times} times, sent {sent[one]} times: {one}" for one, times in wrong.items()]

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """What is committed in a topic since the trial began."""
        since = {TopicPartition(topic, p): self._since.get(TopicPartition(topic, p), 0) for p in range(PARTITIONS)}
        consumer = Broker(self.site.bootstrap).consumer(auto_offset_reset="none")
        await consumer.start()
        try:
            consumer.assign(list(since))
            ends = await consumer.end_offsets(list(since))
            first = await consumer.beginning_offsets(list(since))
            for tp, offset in since.items():
                consumer.seek(
                    tp, offset if first[tp] <= offset <= ends[tp] else first[tp]
                )  # it may have been made anew
            found = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return found
        finally:
            await consumer.stop()


def _apply(found: ConsumerRecord, rows: dict[Series, Row], clocks: dict[int, int]) -> None:
    kpi, _, rest = found.key.decode().partition("|")
    row = None if found.value is None else orjson.loads(found.value)
    if kpi == CLOCK_KEY:
        clocks[found.partition] = to_ms(datetime.fromisoformat(row["as_of"]))
        return
    window, _, group = rest.partition("|")
    key = (kpi, group, window or None)
    if row is None:
        rows.pop(key, None)
    else:
        rows[key] = Row(row["value"], row["numerator"], row["denominator"], row["n"])
