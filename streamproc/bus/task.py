"""A task: one partition number of one stage, with its state, transactional producer, changelog and input offsets.

Checkpoint, in one Kafka transaction: changed state with the input offsets that it is of, outputs, and the group's
offsets for the eyes of tools. Whatever was not committed did not happen: a task that starts fences its predecessor,
reads the changelog to its end and goes on at the offsets in it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from msgspec import Struct

from streamproc.bus.batches import Batch
from streamproc.bus.connection import Broker
from streamproc.bus.handover import HANDOVER, PUBLISHED, TAKING_OVER, check_retired
from streamproc.bus.kill_points import passing
from streamproc.bus.offsets import OFFSETS, Kept, find, packed
from streamproc.bus.record_batches import batches
from streamproc.pipeline import State

log = logging.getLogger(__name__)

VALUES = "kpi.values"
MAX_BATCH_BYTES = 512 * 1024
ANSWER_MS = 20_000  # a connection that says nothing for so long is dead; TCP alone would not tell
TRANSACTION_S = 60.0  # after that the broker gives a transaction up, so waiting on is of no use


Headers = Sequence[tuple[str, bytes]]


class Output(Struct, frozen=True, gc=False):
    """One record to publish."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Headers = ()


class Cut(NamedTuple):
    """What one checkpoint writes. `committed` is called after it has been committed."""

    changelog: State
    outputs: list[Output]
    committed: Callable[[], None]


class Stage(Protocol):
    """What a task drives: one stage of the pipeline with its topics."""

    def on_batch(self, batch: Batch) -> None: ...
    def on_tick(self, now_ms: int, read_until_ms: int) -> None: ...
    def take_cut(self) -> Cut | None: ...
    def restore(self, state: Mapping[str, bytes]) -> None: ...


class Gap(RuntimeError):
    """Records went missing between the broker and a task. Nothing of what follows is committed: start again."""


@dataclass
class Connection:
    """How every client of a worker connects, and the names of its group and changelog."""

    broker: Broker
    group: str
    changelog: str

    def consumer(self, **extra: Any) -> AIOKafkaConsumer:
        return self.broker.consumer(auto_offset_reset="none", request_timeout_ms=ANSWER_MS, **extra)

    def producer(self, transactional_id: str) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self.broker.client(),
            transactional_id=transactional_id,
            transaction_timeout_ms=int(TRANSACTION_S * 1000),
            request_timeout_ms=ANSWER_MS,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=8 * 1024 * 1024,
        )


@dataclass
class Task:
    """One partition of one stage. `next` holds, per input topic partition, the first offset not yet processed."""

    partition: int
    stage: Stage
    inputs: list[TopicPartition]
    connection: Connection
    next: dict[TopicPartition, int] = field(default_factory=dict)
    arrived_ms: dict[TopicPartition, int] = field(default_factory=dict)  # arrival of the last record processed
    ends: dict[TopicPartition, int] = field(default_factory=dict)  # end offsets when last asked for
    running: bool = False
    unread: int = 0  # changelog records still to read, about
    broken: bool = False  # a batch, tick or checkpoint failed half way: what is in memory may never be committed
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    _last: dict[TopicPartition, int] = field(default_factory=dict)  # offset of the last record processed
    _producer: AIOKafkaProducer | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Fence a predecessor, restore, find the offsets. Raises OffsetsLost where they do not fit the topics."""
        self._producer = self.connection.producer(f"{self.connection.group}-{self.partition}")
        # Two consumers: aiokafka's group coordinator may fail of an assertion when one assignment follows another.
        reader = self.connection.consumer()
        inputs = self.connection.consumer(group_id=self.connection.group)
        try:
            # InitProducerId is in the producer's start: from here on no predecessor can commit.
            await asyncio.gather(self._producer.start(), reader.start(), inputs.start())
            state = await self._read(reader, self.connection.changelog)
            passing("recovery")
            check_retired(state.get(HANDOVER), self.connection.group)
            offsets = state.pop(OFFSETS, None)
            has_state = bool(state.keys() - {HANDOVER})
            found = await find(inputs, self.inputs, offsets, has_state, self.connection.changelog)
            if state.get(HANDOVER) == TAKING_OVER:
                state |= {PUBLISHED + key: b"" for key in await self._read(reader, VALUES)}
        finally:
            await asyncio.gather(reader.stop(), inputs.stop())
        await asyncio.to_thread(self.stage.restore, state)  # seconds for a large state; other tasks go on meanwhile
        self.next = {tp: kept.offset for tp, kept in found.kept.items()}
        self.arrived_ms = {tp: kept.arrived_ms for tp, kept in found.kept.items() if kept.last >= 0}
        self._last = {tp: kept.last for tp, kept in found.kept.items()}
        self.committed, self.ends = dict(self.next), found.ends
        self.running = True

    async def stop(self) -> None:
        """Let go without committing; what was not committed will be read again."""
        self.running = False
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    def tick(self, now_ms: int) -> None:
        """Let the stage see the clock."""
        if self.running:
            with self._whole():
                self.stage.on_tick(now_ms, self.read_until_ms)

    @property
    def read_until_ms(self) -> int:
        """Arrival time up to which all inputs have been read: in a backlog, that of the input furthest behind."""
        behind = [tp for tp in self.inputs if self.next[tp] < self.ends.get(tp, 0)]
        latest_ms = max(self.arrived_ms.values(), default=-1)
        return min([latest_ms, *(self.arrived_ms.get(tp, -1) for tp in behind)])

    def process(self, batch: Batch) -> int:
        """Process a batch; records below the next offset were seen before and are skipped. Returns their number.

        Raises Gap.
        """
        tp = TopicPartition(batch.tp.topic, batch.tp.partition)
        start = self.next.get(tp)
        if not self.running or start is None:
            return 0  # its partition is moving: it will be read again where its task goes on
        if batch.from_offset > start:
            raise Gap(f"{tp.topic} partition {tp.partition}: expected offset {start}, got {batch.from_offset}")
        if batch.records and batch.records[0].offset < start:
            later = [record for record in batch.records if record.offset >= start]
            batch = Batch(batch.tp, later, start, batch.next_offset)
        if batch.records:
            with self._whole():
                self.stage.on_batch(batch)
            passing("batch")
            self.arrived_ms[tp], self._last[tp] = batch.records[-1].timestamp, batch.records[-1].offset
        self.next[tp] = max(start, batch.next_offset)
        return len(batch.records)

    async def checkpoint(self) -> float | None:
        """Commit what changed since the last one; returns the seconds it took, None if there was nothing.

        A failure leaves nothing behind, and must end the process. Raises TimeoutError after TRANSACTION_S.
        """
        async with self._lock:
            if self.broken or not self.running or self._producer is None:
                return None
            with self._whole():  # a cut that was taken is gone with its transaction
                async with asyncio.timeout(TRANSACTION_S):
                    return await self._commit(self._producer)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What fails in here has been done in part: the task is broken from then on."""
        try:
            yield
        except BaseException:
            self.broken = True
            raise

    async def _commit(self, producer: AIOKafkaProducer) -> float | None:
        began = time.monotonic()
        cut, offsets = self.stage.take_cut(), dict(self.next)  # one consistent cut: no await in between
        if cut is None and offsets == self.committed:
            return None
        prepared = self._prepared(producer, cut)
        await asyncio.sleep(0)  # other tasks take their cuts now, not while our transaction is open
        await producer.begin_transaction()
        sent = [await producer.send_batch(batch, topic, partition=partition) for topic, partition, batch in prepared]
        await asyncio.gather(*sent)
        await producer.send_offsets_to_transaction(offsets, self.connection.group)
        passing("transaction")
        await producer.commit_transaction()
        passing("committed")
        self.committed = offsets
        if cut is not None:
            cut.committed()
        return time.monotonic() - began

    def _prepared(self, producer: AIOKafkaProducer, cut: Cut | None) -> list[tuple[str, int, Any]]:
        """Topic, partition and batch of everything that a checkpoint writes."""
        state = [*cut.changelog] if cut is not None else []
        kept = {tp: Kept(at, self._last.get(tp, -1), self.arrived_ms.get(tp, -1)) for tp, at in self.next.items()}
        state.append((OFFSETS, packed(kept)))
        changelog = self.connection.changelog
        records = [Output(changelog, self.partition, key.encode(), value) for key, value in state]
        targets: dict[tuple[str, int], list[Output]] = {}
        for output in (*records, *(cut.outputs if cut is not None else ())):
            targets.setdefault((output.topic, output.partition), []).append(output)
        return [
            (topic, partition, batch)
            for (topic, partition), outputs in targets.items()
            for batch in batches(producer, ((one.key, one.value, list(one.headers)) for one in outputs))
        ]

    async def _read(self, consumer: AIOKafkaConsumer, topic: str) -> dict[str, bytes]:
        """The newest value of every key of its partition, to the end by position: control records occupy offsets."""
        tp = TopicPartition(topic, self.partition)
        end = (await consumer.end_offsets([tp]))[tp]  # first: behind a fetch that waits for records it takes as long
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        state: dict[str, bytes] = {}
        while (position := await consumer.position(tp)) < end:
            self.unread = end - position
            for record in (await consumer.getmany(tp, timeout_ms=500)).get(tp, ()):
                key = record.key.decode()
                if record.value is None:
                    state.pop(key, None)
                else:
                    state[key] = record.value
        self.unread = 0
        return state
