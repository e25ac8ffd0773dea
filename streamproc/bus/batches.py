"""Batch transport for Faust (URL scheme `kpi://`): whole fetched chunks travel as one message.

Faust costs about 100 µs a message; a message here is up to 2,000 records of one partition. This module is the only
one that uses private Faust and aiokafka names; `tests/kafka/test_faust_contract.py` checks that they still exist.
Offsets are not Faust's business: topics are declared with `acks=False` and tasks commit theirs in transactions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import faust
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

CHUNK = 2_000  # records a message: 5 to 15 ms of work, so the event loop stays responsive


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition. `next_offset` is the consumer's position behind them (control records included)."""

    tp: TP
    records: list[ConsumerRecord]
    next_offset: int


class Host(Protocol):
    """What the consumer asks of the owner of the tasks."""

    def assign(self, assigned: set[TP]) -> None:
        """Begin to take over partitions; called before Faust goes on."""

    async def ready(self) -> None:
        """Wait until every assigned task is fenced, restored and knows its offsets."""

    async def revoke(self) -> None:
        """Finish and commit what is processed: the partitions may go elsewhere."""


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Reads only committed records, and tells positions together with the records."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it only in its own exactly-once mode
        consumer._fetch_max_wait_ms = 500
        return consumer

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        # No await in between: the positions are those right behind these records.
        positions = {}
        assignment = consumer._subscription.subscription and consumer._subscription.subscription.assignment
        for tp in assignment.tps if assignment else ():
            state = assignment.state_value(tp)
            if state.has_valid_position:
                positions[tp] = state.position
        return records, positions


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Yields one message per chunk; an empty chunk tells of a position moved by control records alone."""

    _told: dict[TP, int]

    @property
    def host(self) -> Host:
        host: Host = self.app.host
        return host

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        fetched, _active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not fetched or self.should_stop:
            return
        records, positions = fetched
        if not self.flow_active:
            await self.perform_seek()  # fetched in vain while a rebalance began: back to what is committed
            return
        for tp, batch in self._chunks(records, positions):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            yield tp, self._message(tp, batch, generation)

    def _chunks(self, records: dict[Any, list[ConsumerRecord]], positions: dict[Any, int]) -> Any:
        for topic_partition, position in positions.items():
            tp = TP(topic_partition.topic, topic_partition.partition)
            found = records.get(topic_partition, [])
            if not found and self._told.get(tp) == position:
                continue
            self._told[tp] = position
            for start in range(0, max(len(found), 1), CHUNK):
                chunk = found[start : start + CHUNK]
                last = start + CHUNK >= len(found)
                yield tp, Batch(tp, chunk, position if last else chunk[-1].offset + 1)

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
        await super().on_partitions_revoked(revoked)
        await self.host.revoke()

    async def perform_seek(self) -> None:
        await self.host.ready()
        self._told = {}
        await super().perform_seek()


class Transport(driver.Transport):  # type: ignore[misc]
    """Entry point `faust.transports: kpi`."""

    Consumer = Consumer


class BatchSchema(faust.Schema):  # type: ignore[misc]
    """Hands keys and values through untouched; decoding is the pipeline's."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        return message.value
