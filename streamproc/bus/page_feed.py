"""Fills the live page from `kpi.values`, `kpi.alerts` and `kpi.events`, hence with the groups of all workers.

Only from the first open page on: a worker that nobody looks at reads nothing (docs/decisions/0011).
"""

from __future__ import annotations

import asyncio
import logging
import math
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
FETCH_BYTES = 4 * 1024 * 1024  # that wait to be read, of each topic
AGAIN_S = 10.0  # pages ask every 2 s, and reading anew reads everything

Read = Callable[[str], AsyncIterator[list[ConsumerRecord]]]  # a topic's records from its beginning, [] at its end


class PageFeed:
    """Reads the topics into a board. `ended` is called when reading fails; a `fill` after AGAIN_S starts anew."""

    def __init__(self, board: Board, records: Read, ended: Callable[[], None]) -> None:
        self._board = board
        self._records = records
        self._ended = ended
        self._tasks: list[asyncio.Task[None]] = []
        self._full: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None  # the latest, `_failed_s` by the loop's clock
        self._failed_s = 0.0
        self._bad = 0  # records that could not be used

    async def fill(self) -> None:
        """Start, if it does not run; returns when all topics are read to their ends. Raises what reading raised."""
        if self._full is None:
            loop = asyncio.get_running_loop()
            if self._failure is not None and loop.time() - self._failed_s < AGAIN_S:
                raise RuntimeError(f"{self._failure}; not tried again yet")
            self._full = loop.create_future()
            reached = {topic: asyncio.Event() for topic in TOPICS}
            self._tasks = [asyncio.create_task(self._follow(topic, reached[topic])) for topic in TOPICS]
            for task in self._tasks:
                task.add_done_callback(self._on_end)
            self._tasks.append(asyncio.create_task(_when_all(reached.values(), self._full)))
        await asyncio.shield(self._full)

    async def stop(self) -> None:
        """Stop reading, for good; whoever waits for it to be full is sent away."""
        await asyncio.gather(*self._end(RuntimeError("the worker stops"), math.inf), return_exceptions=True)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task not in self._tasks:
            return
        error = task.exception() or RuntimeError("a topic is no longer followed")
        log.warning("the live page is no longer filled, until it is opened anew: %s", error)
        self._end(error, asyncio.get_running_loop().time())
        self._ended()

    def _end(self, failure: BaseException, failed_s: float) -> list[asyncio.Task[None]]:
        """Send away who waits for it to be full; returns the tasks, which are cancelled."""
        self._failure, self._failed_s = failure, failed_s
        tasks, self._tasks, full, self._full = self._tasks, [], self._full, None
        for task in tasks:
            task.cancel()
        if full is not None and not full.done():
            full.set_exception(failure)
            full.exception()  # not to be complained about where nobody waits
        return tasks

    async def _follow(self, topic: str, reached: asyncio.Event) -> None:
        async for records in self._records(topic):
            for record in records:
                try:
                    self._take(topic, record)
                except Exception as error:  # such as one of a later version; the page can do without
                    self._pass_over(record, error)
            await asyncio.sleep(0)
            if not records:
                reached.set()

    def _take(self, topic: str, record: ConsumerRecord) -> None:
        if topic == VALUES:
            self._board.take_value(record.key or b"", record.value)
        elif record.value is not None:
            take = self._board.take_alert if topic == ALERTS else self._board.take_event
            take(record.value)

    def _pass_over(self, record: ConsumerRecord, error: Exception) -> None:
        self._bad += 1
        if self._bad == 1:
            log.warning(
                "the live page passes over %s partition %d offset %d, and all others that it cannot use: %s: %s",
                record.topic, record.partition, record.offset, type(error).__name__, error,
            )  # fmt: skip


async def _when_all(events: Iterable[asyncio.Event], full: asyncio.Future[None]) -> None:
    for event in events:
        await event.wait()
    if not full.done():
        full.set_result(None)


def reading(consumer: Callable[..., AIOKafkaConsumer]) -> Read:
    """Each topic with a consumer of its own."""

    async def records(topic: str) -> AsyncIterator[list[ConsumerRecord]]:
        one = consumer(max_poll_records=SLICE, fetch_max_bytes=FETCH_BYTES)
        try:
            await one.start()
            async for found in read(one, topic, follow=True):
                yield found
        finally:
            await one.stop()

    return records
