"""How far a worker is behind: end offsets asked of the broker, since a stalled consumer shows no lag of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamproc.bus.offsets import OffsetsLost
from streamproc.bus.task import Task
from streamproc.outputs.own_metrics import OwnMetrics

log = logging.getLogger(__name__)

INTERVAL_S = 5.0
ANSWER_S = 10.0  # a broker that takes longer to tell the end offsets does not answer
STALLED_S = 60.0  # lag, and nothing committed for so long: something hangs


class LagMeter:
    """Sets the lag metrics of all running tasks every few seconds, and knows whether broker and tasks get on.

    `failed` is told when a topic ends before what was read of it.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        tasks: Callable[[], Iterable[Task]],
        metrics: OwnMetrics,
        failed: Callable[[BaseException], None],
    ) -> None:
        self.consumer = consumer
        self.tasks = tasks
        self.metrics = metrics
        self.failed = failed
        self._answered_at = time.monotonic()
        self._progress: dict[TopicPartition, tuple[int, float]] = {}  # committed offset, and since when it lags there
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.consumer.start()
        self._answered_at = time.monotonic()
        self._runner = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self.consumer.stop()

    @property
    def broker_silent_s(self) -> float:
        """Seconds since the broker told the end offsets, beyond the time between two questions."""
        return max(0.0, time.monotonic() - self._answered_at - INTERVAL_S)

    @property
    def stalled_s(self) -> float:
        """Seconds for which some partition has had lag without a commit, as of the last answer."""
        return max((self._answered_at - since for _, since in self._progress.values()), default=0.0)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._measure()
            except Exception as error:  # whatever it is, it must not end the measuring; `broker_silent_s` tells
                log.warning("end offsets cannot be read: %s: %s", type(error).__name__, error)

    async def _measure(self) -> None:
        tasks = [task for task in self.tasks() if task.running]
        ends = await self.consumer.end_offsets([tp for task in tasks for tp in task.inputs])
        self._answered_at = time.monotonic()
        now_ms, before, self._progress = int(time.time() * 1000), self._progress, {}
        for task in tasks:
            if not task.running:  # revoked meanwhile: its gauges belong to the new owner
                continue
            task.ends = {tp: ends[tp] for tp in task.inputs}
            for tp in task.inputs:
                self._tell(task, tp, ends[tp], now_ms)
                if ends[tp] > task.committed.get(tp, 0):
                    offset, since = before.get(tp, (-1, self._answered_at))
                    same = offset == task.committed.get(tp, 0)
                    self._progress[tp] = task.committed.get(tp, 0), since if same else self._answered_at

    def _tell(self, task: Task, tp: TopicPartition, end: int, now_ms: int) -> None:
        offset = task.next.get(tp, 0)
        if end < task.committed.get(tp, 0):
            self.failed(OffsetsLost(f"{tp.topic} partition {tp.partition}: offset {offset} was read, it ends at {end}"))
        behind = max(0, end - offset)
        arrived_ms = task.arrived_ms.get(tp)
        seconds = (now_ms - arrived_ms) / 1000 if behind and arrived_ms is not None else 0.0
        self.metrics.lag(tp.topic, tp.partition, records=behind, seconds=max(0.0, seconds), now_ms=now_ms)
