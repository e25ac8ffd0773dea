"""How far a worker is behind: end offsets asked of the broker, since a stalled consumer shows no lag of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streamproc.bus.task import Task
from streamproc.outputs.own_metrics import OwnMetrics

log = logging.getLogger(__name__)

INTERVAL_S = 5.0


class LagMeter:
    """Sets the lag metrics of all running tasks every few seconds."""

    def __init__(self, consumer: AIOKafkaConsumer, tasks: Callable[[], Iterable[Task]], metrics: OwnMetrics) -> None:
        self.consumer = consumer
        self.tasks = tasks
        self.metrics = metrics
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.consumer.start()
        self._runner = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await self.consumer.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self._measure()
            except KafkaError as error:  # the broker is away; the time of the last refresh tells
                log.warning("end offsets cannot be read: %s", error)

    async def _measure(self) -> None:
        tasks = [task for task in self.tasks() if task.running]
        ends = await self.consumer.end_offsets([tp for task in tasks for tp in task.inputs])
        now_ms = int(time.time() * 1000)
        for task in tasks:
            if not task.running:  # revoked meanwhile: its gauges belong to the new owner
                continue
            for tp in task.inputs:
                behind = max(0, ends[tp] - task.next.get(tp, 0))
                arrived_ms = task.arrived_ms.get(tp)
                seconds = (now_ms - arrived_ms) / 1000 if behind and arrived_ms is not None else 0.0
                self.metrics.lag(tp.topic, tp.partition, records=behind, seconds=max(0.0, seconds), now_ms=now_ms)
