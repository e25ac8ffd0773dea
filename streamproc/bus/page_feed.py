"""Fills the live page from `kpi.values`, `kpi.alerts` and `kpi.events`, hence with the groups of all workers.

Only from the first open page on: a worker that nobody looks at reads nothing (docs/decisions/0011).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from streamproc.bus.follow import read
from streamproc.bus.task import VALUES
from streamproc.outputs.news import ALERTS, EVENTS
from streamproc.outputs.page_board import Board

log = logging.getLogger(__name__)

TOPICS = (VALUES, ALERTS, EVENTS)
SLICE = 500  # records between two looks at what else is to be done: some milliseconds

Read = Callable[[str], AsyncIterator[list[ConsumerRecord]]]  # a topic's records from its beginning, [] at its end


class PageFeed:
    """Reads the topics into a board. `ended` is called when reading fails; the next `fill` starts anew."""

    def __init__(self, board: Board, records: Read, ended: Callable[[], None]) -> None:
        self._board = board
        self._records = records
        self._ended = ended
        self._tasks: list[asyncio.Task[None]] = []
        self._full: asyncio.Future[None] | None = None

    async def fill(self) -> None:
        """Start, if it does not run; returns when all topics are read to their ends. Raises what reading raised."""
        if self._full is None:
            self._full = asyncio.get_running_loop().create_future()
            reached = {topic: asyncio.Event() for topic in TOPICS}
            self._tasks = [asyncio.create_task(self._follow(topic, reached[topic])) for topic in TOPICS]
            for task in self._tasks:
                task.add_done_callback(self._on_end)
            self._tasks.append(asyncio.create_task(_when_all(reached.values(), self._full)))
        await asyncio.shield(self._full)

    async def stop(self) -> None:
        """Stop reading; does nothing if not started."""
        tasks, self._tasks, full, self._full = self._tasks, [], self._full, None
        for task in tasks:
            task.cancel()
        if full is not None and not full.done():
            full.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task not in self._tasks:
            return
        error = task.exception() or RuntimeError("a topic is no longer followed")
        log.warning("the live page is no longer filled, until it is opened anew: %s", error)
        tasks, self._tasks, full, self._full = self._tasks, [], self._full, None
        for other in tasks:
            other.cancel()
        if full is not None and not full.done():
            full.set_exception(error)
        self._ended()

    async def _follow(self, topic: str, reached: asyncio.Event) -> None:
        async for records in self._records(topic):
            for start in range(0, len(records), SLICE):
                for record in records[start : start + SLICE]:
                    self._take(topic, record)
                await asyncio.sleep(0)
            if not records:
                reached.set()

    def _take(self, topic: str, record: ConsumerRecord) -> None:
        if topic == VALUES:
            self._board.take_value(record.key or b"", record.value)
        elif record.value is not None:
            take = self._board.take_alert if topic == ALERTS else self._board.take_event
            take(record.value)


async def _when_all(events: Iterable[asyncio.Event], full: asyncio.Future[None]) -> None:
    for event in events:
        await event.wait()
    if not full.done():
        full.set_result(None)


def reading(consumer: Callable[[], AIOKafkaConsumer]) -> Read:
    """Each topic with a consumer of its own."""

    async def records(topic: str) -> AsyncIterator[list[ConsumerRecord]]:
        one = consumer()
        try:
            await one.start()
            async for found in read(one, topic, follow=True):
                yield found
        finally:
            await one.stop()

    return records
