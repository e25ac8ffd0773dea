"""Reading whole topics: the reference data that every worker holds, and what others want to see of `kpi.values`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streamproc.codec import Rejection, decode_reference
from streamproc.events import REFERENCE, Event
from streamproc.facts.reference import Reference

log = logging.getLogger(__name__)

Changed = Callable[[], None]
Wrong = Callable[[Event], str | None]  # why an event cannot be used, if it cannot
Failed = Callable[[BaseException], None]


async def read(consumer: AIOKafkaConsumer, topic: str, *, follow: bool) -> AsyncIterator[list[ConsumerRecord]]:
    """All records of a topic from its beginning, in chunks; an empty chunk when the end is reached.

    With `follow` it goes on after that, waiting for more. Raises LookupError if there is no such topic.
    """
    partitions = await topic_partitions(consumer, topic)
    ends = await consumer.end_offsets(partitions)  # first: behind a fetch that waits for records it takes as long
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    while True:
        positions = [await consumer.position(tp) >= ends[tp] for tp in partitions]
        if all(positions):
            yield []
            break
        for records in (await consumer.getmany(timeout_ms=500)).values():
            yield records
    while follow:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            yield records


async def topic_partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic. Raises LookupError if there is no such topic."""
    await consumer._client.force_metadata_update()
    found = consumer._client.cluster.partitions_for_topic(topic)
    if not found:
        await consumer._client._wait_on_metadata(topic)
        found = consumer._client.cluster.partitions_for_topic(topic)
    if not found:
        raise LookupError(f"no topic {topic}: run `streamproc topics create` first")
    return [TopicPartition(topic, partition) for partition in sorted(found)]


class ReferenceFollower:
    """Keeps a `Reference` up to date from `sales.reference`; `loaded` is set when it has been read to its end."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        reference: Reference,
        wrong: Wrong,
        changed: Changed,
        ignored: Changed,
        failed: Failed,
    ) -> None:
        self.consumer = consumer
        self.reference = reference
        self.wrong = wrong
        self.changed = changed
        self.ignored = ignored  # told of each record that cannot be used
        self.failed = failed  # told when following ends by an error: stale reference data would go unnoticed
        self.loaded = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the topic to its end, then follow it in the background."""
        await self.consumer.start()
        self._task = asyncio.create_task(self._follow())
        waiting = asyncio.create_task(self.loaded.wait())
        await asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            waiting.cancel()
            self._task.result()
        self._task.add_done_callback(self._on_end)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.failed(task.exception() or RuntimeError("the reference data is no longer followed"))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.consumer.stop()

    async def _follow(self) -> None:
        async for records in read(self.consumer, REFERENCE, follow=True):
            for record in records:
                if record.value is None:
                    continue
                event = decode_reference(record.value)
                error = event.error if isinstance(event, Rejection) else self.wrong(event)
                if isinstance(event, Rejection) or error:
                    log.warning("%s offset %d is not used: %s", REFERENCE, record.offset, error)
                    self.ignored()
                else:
                    self.reference.apply(event)
            self.changed()
            if not records:
                self.loaded.set()
