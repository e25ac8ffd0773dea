"""The tasks of one worker process: started and stopped as partitions come and go, committed together, ticked."""

from __future__ import annotations

import asyncio
import gc
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

TURNS = 4  # a quarter of the tasks is committed at a time: values need not wait for those of all others
IDLE_S, BUSY_S, MOST_S = 0.1, 0.5, 2.0  # pauses in a round of turns
BUSY_RECORDS = 2_000  # records in a round that count as load
TICK_S = 1.0
REVOKE_S = 20.0  # for the last checkpoint before partitions move; the group waits 60 s for us
MAX_UNCOMMITTED_BYTES = 64 * 1024 * 1024  # of input; beyond that, reading waits for the broker to take a checkpoint
PRESSING_S = 1.0  # a checkpoint that takes longer gets the worker for itself: reading waits until it is done
PROGRESS_S = 2.0  # between log lines while state is restored


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
        self._assigned = False
        self._moves = 0  # counts assignments and revocations: what began before the last one is out of date
        self._taking_over: asyncio.Task[None] | None = None
        self._starts: dict[int, asyncio.Task[None]] = {}
        self._gone: list[Task] = []  # moved elsewhere, to be stopped: never taken up again, for they may be outdated
        self._stopping = False
        self._rebalancing_since: float | None = None
        self._restoring: dict[int, Task] = {}
        self._progress_due = 0.0
        self._records = 0
        self._uncommitted: dict[int, int] = {}  # bytes of input, by partition
        self._room = asyncio.Event()
        self._room.set()
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._runner = asyncio.create_task(self._run())
        self._runner.add_done_callback(lambda runner: self._watch(runner, "checkpoint loop"))

    async def stop(self) -> None:
        """Take no more, commit what is processed and let all tasks go."""
        self._stopping = True
        if self._runner is not None:
            await asyncio.gather(self._runner, return_exceptions=True)  # not cancelled: it may be in a transaction
        await self._give_up_starts()
        await self._checkpoint([*self.tasks.values()])
        await asyncio.gather(*(task.stop() for task in self.tasks.values()), return_exceptions=True)
        self.tasks.clear()

    # Called by the consumer (`bus.batches.Host`).

    def assign(self, assigned: set[TP]) -> None:
        """Begin to take over partitions. Tasks that came back to this worker go on with the state they have."""
        self.metrics.rebalances_total.inc()
        self._assigned = True
        self._rebalancing_since = self._rebalancing_since or time.monotonic()
        self._moves += 1
        partitions = {tp.partition for tp in assigned}
        self._gone += [self.tasks.pop(partition) for partition in [*self.tasks] if partition not in partitions]
        self._uncommitted = {one: size for one, size in self._uncommitted.items() if one in self.tasks}
        if self._filled() <= 1:
            self._room.set()
        previous = self._taking_over
        self._taking_over = asyncio.create_task(self._take_over(assigned, self._moves, previous))
        self._taking_over.add_done_callback(lambda done: self._watch(done, "assignment"))

    def positions(self) -> dict[TP, int]:
        """Where the tasks that run go on."""
        return {
            TP(tp.topic, tp.partition): offset
            for task in self.tasks.values()
            if task.running and not self.failed.done()
            for tp, offset in task.next.items()
        }

    async def revoke(self) -> None:
        """Commit what is processed: by the time others take over, it is there for them to read.

        A task still starting is given up: begun later, its fencing would hit the partition's next owner.
        """
        self._assigned = False
        self._moves += 1
        self._rebalancing_since = time.monotonic()
        passing("revoke")
        await self._give_up_starts()
        try:
            async with asyncio.timeout(REVOKE_S):
                await self._checkpoint([*self.tasks.values()])
        except TimeoutError:
            self.fail(TimeoutError(f"no checkpoint within {REVOKE_S:g} s"), "giving up partitions")
        for task in self.tasks.values():
            task.running = False

    @property
    def is_leaving(self) -> bool:
        """Whether this worker ends in order. After a failure it will be back within its session, and is waited for."""
        return self._stopping and not self.failed.done()

    @property
    def is_ready(self) -> bool:
        """Whether this worker takes part: assigned, and all its tasks run."""
        taking_over = self._taking_over is not None and not self._taking_over.done()
        running = all(task.running for task in self.tasks.values())
        return self._assigned and running and not taking_over and not self.failed.done()

    async def room(self) -> None:
        """Wait while much is processed but not committed, or a checkpoint takes long.

        So a slow broker slows the input and does not fill memory, and batches that take long do not keep a commit,
        which goes to and fro with the broker, from its end within the time of a transaction.
        """
        await self._room.wait()

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
        size = sum(len(record.value or b"") for record in batch.records)
        self._uncommitted[task.partition] = self._uncommitted.get(task.partition, 0) + size
        if self._filled() > 1:
            self._room.clear()
        self.metrics.event_processing_seconds.labels(self.connection.group).observe(time.perf_counter() - began)

    def _filled(self) -> float:
        """How much of what may be processed and not committed is; over 1, reading waits."""
        filled = sum(self._uncommitted.values()) / MAX_UNCOMMITTED_BYTES
        self.metrics.stream_buffer_ratio.set(filled)
        return filled

    async def _take_over(self, assigned: set[TP], move: int, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.gather(previous, return_exceptions=True)
        gone, self._gone = self._gone, []
        for task in gone:
            self.inputs.dropped(task.partition)
        await asyncio.gather(*(task.stop() for task in gone))
        if move != self._moves:
            return  # moved on meanwhile: the assignment that counts comes after this one
        wanted: dict[int, set[str]] = {}
        for tp in assigned:
            wanted.setdefault(tp.partition, set()).add(tp.topic)
        self._check_together(wanted)
        began = time.monotonic()
        for task in self.tasks.values():
            task.running = True
        new = [partition for partition in wanted if partition not in self.tasks]
        if new:
            await self._start_tasks(new)
        if move == self._moves:
            self._taken_over(time.monotonic() - began)

    def _taken_over(self, took_s: float) -> None:
        self.metrics.recovery_duration_seconds.observe(took_s)
        if self._rebalancing_since is not None:
            self.metrics.rebalance_duration_seconds.observe(time.monotonic() - self._rebalancing_since)
            self._rebalancing_since = None
        for topic in self.inputs.topics:
            self.metrics.assigned_partitions.labels(topic, "active").set(len(self.tasks))
        log.info("%s: partitions %s, restored in %.1f s", self.connection.group, sorted(self.tasks), took_s)

    def _check_together(self, wanted: dict[int, set[str]]) -> None:
        for partition, topics in wanted.items():
            missing = set(self.inputs.topics) - topics
            if missing:
                error = RuntimeError(
                    f"partition {partition} of {', '.join(sorted(missing))} went to another worker; "
                    "expected the same partition count in all topics of a stage"
                )
                self.fail(error, "assignment")

    async def _start_tasks(self, partitions: list[int]) -> None:
        self.metrics.recovering.set(1)
        gc.disable()  # nothing of what is restored is garbage: looking for it would take a fifth of the time
        try:
            self._starts = {partition: asyncio.create_task(self._start_task(partition)) for partition in partitions}
            await asyncio.gather(*self._starts.values(), return_exceptions=True)
        finally:
            gc.enable()
            gc.freeze()  # and later collections need not look through it either
        self.metrics.recovering.set(0)

    async def _start_task(self, partition: int) -> None:
        """A task that is ready is served at once, while others are still restored."""
        inputs = [TopicPartition(topic, partition) for topic in self.inputs.topics]
        task = Task(partition, self.inputs.new_stage(partition), inputs, self.connection)
        self._restoring[partition] = task
        try:
            await task.start()
            self.tasks[partition] = task
        except asyncio.CancelledError:
            await task.stop()
            raise
        except Exception as error:
            await task.stop()
            self.fail(error, f"start of task {partition}")
        finally:
            del self._restoring[partition]

    async def _give_up_starts(self) -> None:
        for start in self._starts.values():
            start.cancel()
        await asyncio.gather(*self._starts.values(), return_exceptions=True)

    async def _run(self) -> None:
        """Checkpoints and ticks until stopped or failed."""
        next_tick = time.monotonic()
        turn, worked_s = 0, 0.0
        while not self.failed.done() and not self._stopping:
            turns = min(TURNS, max(1, len(self.tasks)))
            pause_s = pause_after(worked_s, self._records, turns)
            await asyncio.sleep(pause_s)
            late = time.monotonic() - self.loop_beat_at - pause_s
            self.metrics.event_loop_lag_seconds.observe(max(0.0, late))
            self._records = 0
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_S
                self._tick(int(time.time() * 1000))
            began = time.thread_time()
            turn = (turn + 1) % turns
            await self._checkpoint([*self.tasks.values()][turn::turns])
            worked_s = time.thread_time() - began
            self._tell_progress()
            self.loop_beat_at = time.monotonic()

    def _tell_progress(self) -> None:
        unread = {partition: task.unread for partition, task in self._restoring.items()}
        self.metrics.recovery_remaining_records.labels("changelog").set(sum(unread.values()))
        if unread and time.monotonic() >= self._progress_due:
            self._progress_due = time.monotonic() + PROGRESS_S
            log.info("%s: restoring partitions, changelog records left: %s", self.connection.group, unread)

    def _tick(self, now_ms: int) -> None:
        for task in self.tasks.values():
            try:
                task.tick(now_ms)
            except Exception as error:
                self.fail(error, f"tick of task {task.partition}")

    async def _checkpoint(self, tasks: list[Task]) -> None:
        if self.failed.done():
            return
        taken = {task.partition: self._uncommitted.get(task.partition, 0) for task in tasks}
        pressing = asyncio.get_running_loop().call_later(PRESSING_S, self._room.clear)
        try:
            results = await asyncio.gather(*(task.checkpoint() for task in tasks), return_exceptions=True)
        finally:
            pressing.cancel()
            for partition, size in taken.items():
                self._uncommitted[partition] = max(0, self._uncommitted.get(partition, 0) - size)
            if self._filled() <= 1 or self.failed.done():
                self._room.set()
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
            self._room.set()


def pause_after(worked_s: float, records: int, turns: int) -> float:
    """How long to wait after one of so many turns of a round, since the last of which so many records came.

    At least as long as the worker's thread worked during the turn (up to its part of `MOST_S`): in a backlog, half of
    the time is for evaluating values that are out of date with the next batch. Waiting for the broker is no work.
    """
    least_s = BUSY_S if records * turns >= BUSY_RECORDS else IDLE_S
    return max(least_s / turns, min(worked_s, MOST_S / turns))
