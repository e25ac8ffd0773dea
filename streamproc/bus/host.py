"""The tasks of one worker process: started and stopped as partitions come and go, committed together, ticked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from aiokafka import TopicPartition
from faust.types import TP

from streamproc.bus.batches import Batch
from streamproc.bus.kill_points import passing
from streamproc.bus.task import Connection, Stage, Task
from streamproc.outputs.own_metrics import OwnMetrics

log = logging.getLogger(__name__)

IDLE_S, BUSY_S = 0.1, 0.5  # between checkpoints
BUSY_RECORDS = 2_000  # records since the last checkpoint that count as load
TICK_S = 1.0


class Inputs(NamedTuple):
    """What a stage reads, and how a task of it is made and let go."""

    topics: tuple[str, ...]
    new_stage: Callable[[int], Stage]
    dropped: Callable[[int], None]


class TaskHost:
    """Owner of the tasks. `failed` resolves with the first failure; then nothing more is committed."""

    def __init__(self, inputs: Inputs, connection: Connection, metrics: OwnMetrics) -> None:
        self.inputs = inputs
        self.connection = connection
        self.metrics = metrics
        self.tasks: dict[int, Task] = {}
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.loop_beat_at = time.monotonic()
        self._starting: asyncio.Task[None] | None = None
        self._assigned = False
        self._stopping = False
        self._rebalancing_since: float | None = None
        self._records = 0
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._runner = asyncio.create_task(self._run())
        self._runner.add_done_callback(lambda runner: self._watch(runner, "checkpoint loop"))

    async def stop(self) -> None:
        """Take no more, commit what is processed and let all tasks go."""
        self._stopping = True
        if self._runner is not None:
            await asyncio.gather(self._runner, return_exceptions=True)  # not cancelled: it may be in a transaction
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._checkpoint_all()
        await asyncio.gather(*(task.stop() for task in self.tasks.values()), return_exceptions=True)
        self.tasks.clear()

    # Called by the consumer (`bus.batches.Host`).

    def assign(self, assigned: set[TP]) -> None:
        """Begin to take over partitions. Tasks that came back to this worker go on with the state they have."""
        self.metrics.rebalances_total.inc()
        self._assigned = True
        self._rebalancing_since = self._rebalancing_since or time.monotonic()
        previous = self._starting
        self._starting = asyncio.create_task(self._take_over(assigned, previous))
        self._starting.add_done_callback(lambda starting: self._watch(starting, "assignment"))

    async def ready(self) -> None:
        """Wait until every assigned task is ready. A failure is told by `failed`; then this never returns."""
        while self._starting is not None and not self._starting.done():
            await asyncio.wait([self._starting])
        if self.failed.done():
            await asyncio.Event().wait()

    async def revoke(self) -> None:
        """Commit what is processed: by the time others take over, it is there for them to read."""
        self._assigned = False
        self._rebalancing_since = time.monotonic()
        passing("revoke")
        await self._checkpoint_all()
        for task in self.tasks.values():
            task.running = False

    @property
    def is_ready(self) -> bool:
        """Whether this worker takes part: assigned, and all its tasks run."""
        starting = self._starting is not None and not self._starting.done()
        return (
            self._assigned and not starting and not self.failed.done() and all(t.running for t in self.tasks.values())
        )

    def process(self, batch: Batch) -> None:
        """One batch of one partition, to its task. Synchronous: state is only seen at a batch's boundary."""
        task = self.tasks.get(batch.tp.partition)
        if task is None or self._stopping or self.failed.done():
            return  # its partition is moving, or this worker ends: it will be read again where its task goes on
        began = time.perf_counter()
        try:
            self._records += task.process(batch)
        except Exception as error:
            self.fail(error, f"batch of {batch.tp.topic} partition {batch.tp.partition}")
            return
        self.metrics.event_processing_seconds.labels(self.connection.group).observe(time.perf_counter() - began)

    async def _take_over(self, assigned: set[TP], previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.gather(previous, return_exceptions=True)
        wanted: dict[int, set[str]] = {}
        for tp in assigned:
            wanted.setdefault(tp.partition, set()).add(tp.topic)
        self._check_together(wanted)
        began = time.monotonic()
        self.metrics.recovering.set(1)
        gone = [partition for partition in self.tasks if partition not in wanted]
        for partition in gone:
            self.inputs.dropped(partition)
            await self.tasks.pop(partition).stop()
        for task in self.tasks.values():
            task.running = True
        new = [partition for partition in wanted if partition not in self.tasks]
        await asyncio.gather(*(self._start_task(partition) for partition in new))
        self.metrics.recovering.set(0)
        self.metrics.recovery_duration_seconds.observe(time.monotonic() - began)
        if self._rebalancing_since is not None:
            self.metrics.rebalance_duration_seconds.observe(time.monotonic() - self._rebalancing_since)
            self._rebalancing_since = None
        for topic in self.inputs.topics:
            self.metrics.assigned_partitions.labels(topic, "active").set(len(self.tasks))
        log.info(
            "%s: partitions %s, restored in %.1f s", self.connection.group, sorted(wanted), time.monotonic() - began
        )

    def _check_together(self, wanted: dict[int, set[str]]) -> None:
        for partition, topics in wanted.items():
            missing = set(self.inputs.topics) - topics
            if missing:
                error = RuntimeError(
                    f"partition {partition} of {', '.join(sorted(missing))} went to another worker; "
                    "expected the same partition count in all topics of a stage"
                )
                self.fail(error, "assignment")

    async def _start_task(self, partition: int) -> None:
        inputs = [TopicPartition(topic, partition) for topic in self.inputs.topics]
        task = Task(partition, self.inputs.new_stage(partition), inputs, self.connection)
        try:
            await task.start()
        except asyncio.CancelledError:
            await task.stop()
            raise
        except Exception as error:
            await task.stop()
            self.fail(error, f"start of task {partition}")
            return
        self.tasks[partition] = task

    async def _run(self) -> None:
        """Checkpoints and ticks until stopped or failed."""
        next_tick = time.monotonic()
        while not self.failed.done() and not self._stopping:
            busy = self._records >= BUSY_RECORDS
            await asyncio.sleep(BUSY_S if busy else IDLE_S)
            late = time.monotonic() - self.loop_beat_at - (BUSY_S if busy else IDLE_S)
            self.metrics.event_loop_lag_seconds.observe(max(0.0, late))
            self._records = 0
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_S
                self._tick(int(time.time() * 1000))
            await self._checkpoint_all()
            self.loop_beat_at = time.monotonic()

    def _tick(self, now_ms: int) -> None:
        for task in self.tasks.values():
            try:
                task.tick(now_ms)
            except Exception as error:
                self.fail(error, f"tick of task {task.partition}")

    async def _checkpoint_all(self) -> None:
        if self.failed.done():
            return
        tasks = list(self.tasks.values())
        results = await asyncio.gather(*(task.checkpoint() for task in tasks), return_exceptions=True)
        now_ms = int(time.time() * 1000)
        for task, result in zip(tasks, results, strict=True):
            if isinstance(result, float):
                self.metrics.committed(task.partition, now_ms, result)
            elif isinstance(result, BaseException):
                self.metrics.commit_failures_total.inc()
                self.fail(result, "checkpoint")

    def _watch(self, done: asyncio.Task[None], where: str) -> None:
        """An exception in a background task is a failure of the worker, never silence."""
        if not done.cancelled() and done.exception() is not None:
            self.fail(done.exception() or RuntimeError(where), where)

    def fail(self, error: BaseException, where: str) -> None:
        """The first failure ends the worker; from here on nothing is committed."""
        if not self.failed.done():
            log.error("%s: %s failed: %s: %s", self.connection.group, where, type(error).__name__, error)
            self.failed.set_result(error)
