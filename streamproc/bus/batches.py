"""Batch transport for Faust (URL scheme `kpi://`): whole fetched chunks travel as one message.

Faust costs about 100 µs a message; a message here is up to 2,000 records of one partition. This module is the only
one that uses private Faust and aiokafka names; `tests/kafka/test_faust_contract.py` checks that they still exist.
Offsets are not Faust's business: topics are declared with `acks=False` and tasks commit theirs in transactions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import faust
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError
from aiokafka.structs import ConsumerRecord
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

CHUNK = 2_000  # records a message: in stage 1, 0.2 s of work, in which the event loop does nothing else
LOOK_S = 0.2  # how long a fetch may keep a task that has just been restored waiting
FETCH_BYTES, FETCH_MS = 64 * 1024, 50  # the broker waits for so much or so long: each answer has its fixed costs


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition, all that lie between two positions of the consumer (control records included)."""

    tp: TP
    records: list[ConsumerRecord]
    from_offset: int
    next_offset: int


class Host(Protocol):
    """What the consumer asks of the owner of the tasks."""

    def assign(self, assigned: set[TP]) -> None:
        """Begin to take over partitions; called before Faust goes on."""

    def positions(self) -> dict[TP, int]:
        """Where the tasks that run go on. Partitions whose task is still restored are not in it."""

    @property
    def is_leaving(self) -> bool:
        """Whether this worker ends as it should: others may take its partitions at once."""

    async def revoke(self) -> None:
        """Finish and commit what is processed: the partitions may go elsewhere."""


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Reads only committed records, and tells positions together with the records."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it only in its own exactly-once mode
        consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = FETCH_BYTES, FETCH_MS
        return consumer

    async def on_thread_stop(self) -> None:
        if self._consumer is not None and self.consumer.host.is_leaving:
            # A static member only vanishes, and its partitions would stay unread until its session has timed out.
            self._consumer._coordinator._group_instance_id = None
        await super().on_thread_stop()

    def _stopped_set(self) -> None:
        with suppress(RuntimeError):  # the loop of a thread that ended by itself is closed: it has stopped
            super()._stopped_set()

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        try:
            records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        except NoOffsetForPartitionError:
            # A fetch that began before a rebalance, of a partition that the new assignment has not been sought in yet
            # and whose group has committed nothing: told to nobody, as `Consumer` seeks each partition before it reads.
            return {}, {}
        # No await in between: the positions are those right behind these records.
        positions = {}
        assignment = consumer._subscription.subscription and consumer._subscription.subscription.assignment
        for tp in assignment.tps if assignment else ():
            state = assignment.state_value(tp)
            if state.has_valid_position:
                positions[tp] = state.position
        return records, positions


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Yields one message per chunk; an empty chunk tells of a position moved by control records alone.

    `_told` has the partitions that are read, with the position told last. It begins empty at each rebalance; a
    partition joins it when its task runs, by a seek to where the task goes on. So what is restored is served while
    other tasks are still restored, and Faust, which would seek to the group's offsets, decides no position.
    """

    _told: dict[TP, int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told = {}

    @property
    def host(self) -> Host:
        host: Host = self.app.host
        return host

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        told, generation = self._told, self.app.consumer_generation_id
        await self._seek_new(told)
        if not told:
            await self.sleep(0.05)  # nothing to read yet
            return
        fetched = await self._getmany(set(told), min(timeout, LOOK_S))
        if not fetched:
            return
        records, positions = fetched
        for tp, batch in self._chunks(told, records, positions):
            if told is not self._told or self.app.consumer_generation_id != generation or self.should_stop:
                return  # fetched in vain: a rebalance began
            yield tp, self._message(tp, batch, generation)

    async def _seek_new(self, told: dict[TP, int]) -> None:
        found = {tp: offset for tp, offset in self.host.positions().items() if tp not in told}
        if not found:
            return
        try:
            await self.seek_wait(found)
        except (IllegalStateError, AssertionError, TimeoutError):  # the partitions move meanwhile: sought anew then
            await self.sleep(0.05)
            return
        told.update(found)

    def _chunks(self, told: dict[TP, int], records: dict[Any, list[ConsumerRecord]], positions: dict[Any, int]) -> Any:
        for topic_partition, position in positions.items():
            tp = TP(topic_partition.topic, topic_partition.partition)
            found = records.get(topic_partition, [])
            start = told.get(tp)
            if start is None or (not found and start == position):
                continue
            told[tp] = position
            for first in range(0, max(len(found), 1), CHUNK):
                chunk = found[first : first + CHUNK]
                end = position if first + CHUNK >= len(found) else chunk[-1].offset + 1
                yield tp, Batch(tp, chunk, start, end)
                start = end

    def _message(self, tp: TP, batch: Batch, generation: int) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.next_offset - 1,
            0.0,
            0,
            [],
            None,
            batch,
            None,
            0,
            0,
            tp,
            generation_id=generation,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """No gaps to bridge: Faust does not track these offsets."""

    def on_buffer_full(self, tp: TP) -> None:
        """Back-pressure is the blocking put into the agent's queue; Faust's own would sleep a second."""

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._told = {}
        self.host.assign(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._told = {}
        await super().on_partitions_revoked(revoked)
        await self.host.revoke()

    async def perform_seek(self) -> None:
        """Nothing at once: each partition is sought when its task runs, which may take longer than Faust waits."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Entry point `faust.transports: kpi`."""

    Consumer = Consumer


class NoTables(TableManager):  # type: ignore[misc]
    """There are none to wait for: Faust gives them a second at each start."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class BatchSchema(faust.Schema):  # type: ignore[misc]
    """Hands keys and values through untouched; decoding is the pipeline's."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return message.value
