"""The owner of the tasks, without a broker: what it lets through, holds back, gives up and fails of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, cast

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from streamproc.bus import host as module
from streamproc.bus import task as task_module
from streamproc.bus.batches import Batch
from streamproc.bus.connection import Broker
from streamproc.bus.host import Inputs, TaskHost
from streamproc.bus.task import Connection, Gap, Task
from streamproc.outputs.own_metrics import OwnMetrics

TOPIC = "in"
DEADLINE_S = 20.0


class Rec(NamedTuple):
    offset: int
    value: bytes = b"x"
    timestamp: int = 0


class Collector:
    """A stage that remembers what it was given."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def on_batch(self, batch: Batch) -> None:
        self.offsets += [record.offset for record in batch.records]

    def on_tick(self, now_ms: int, read_until_ms: int) -> None:
        pass

    def take_cut(self) -> None:
        return None

    def restore(self, state: Any) -> None:
        pass


def batch(start: int, end: int, size: int = 1, partition: int = 0) -> Batch:
    records: Any = [Rec(offset, b"x" * size) for offset in range(start, end)]
    return Batch(TP(TOPIC, partition), records, start, end)


def a_task(next_offset: int = 0, partition: int = 0) -> Task:
    tp = TopicPartition(TOPIC, partition)
    task = Task(partition, Collector(), [tp], Connection(Broker(""), "g", "c"))
    task.next = {tp: next_offset}
    task.running = True
    return task


def run(check: Callable[[TaskHost], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        inputs = Inputs((TOPIC,), lambda _: Collector(), lambda _: None)
        metrics = OwnMetrics("facts", "0", "")
        async with asyncio.timeout(DEADLINE_S):
            await check(TaskHost(inputs, Connection(Broker(""), "g", "c"), metrics))

    asyncio.run(main())


class Silent:
    """A producer of which no answer ever comes."""

    async def begin_transaction(self) -> None:
        await asyncio.Event().wait()

    def create_batch(self) -> Any:
        class Builder:
            def append(self, **_: Any) -> object:
                return self

            def close(self) -> None:
                pass

        return Builder()


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (nothing tells; `run` has a deadline)
        await asyncio.sleep(0)


def seen(task: Task) -> list[int]:
    assert isinstance(task.stage, Collector)
    return task.stage.offsets


def test_what_was_processed_is_skipped_and_the_rest_taken() -> None:
    task = a_task(5)
    assert task.process(batch(0, 4)) == 0
    assert task.process(batch(3, 8)) == 3
    assert task.process(batch(8, 8)) == 0
    assert seen(task) == [5, 6, 7]
    assert task.next == {TopicPartition(TOPIC, 0): 8}


def test_a_backlog_is_read_as_far_as_its_slowest_input() -> None:
    """Else ids and entities of the slow one would be forgotten before their time."""
    fast, slow = TopicPartition("fast", 0), TopicPartition("slow", 0)
    task = Task(0, Collector(), [fast, slow], Connection(Broker(""), "g", "c"))
    task.next, task.ends = {fast: 9, slow: 1}, {fast: 9, slow: 5}
    task.arrived_ms = {fast: 900}
    assert task.read_until_ms == -1
    task.arrived_ms = {fast: 900, slow: 100}
    assert task.read_until_ms == 100
    task.next[slow] = 5
    assert task.read_until_ms == 900


def test_a_gap_fails_and_nothing_of_it_is_taken() -> None:
    task = a_task(5)
    with pytest.raises(Gap, match="expected offset 5, got 6"):
        task.process(batch(6, 8))
    assert seen(task) == []
    assert task.next == {TopicPartition(TOPIC, 0): 5}


def test_a_gap_ends_the_worker() -> None:
    async def check(host: TaskHost) -> None:
        host.tasks[0] = a_task(5)
        host.process(batch(6, 8))
        assert isinstance(host.failed.result(), Gap)
        assert host.positions() == {}

    run(check)


def test_batches_of_partitions_that_moved_are_left_to_their_owner() -> None:
    async def check(host: TaskHost) -> None:
        host.tasks[0] = a_task(0)
        host.process(batch(0, 2, partition=1))
        assert not host.failed.done()
        assert seen(host.tasks[0]) == []

    run(check)


def test_too_much_uncommitted_input_waits_for_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNCOMMITTED_BYTES", 1_000)

    async def check(host: TaskHost) -> None:
        host.tasks[0] = a_task(0)
        host.process(batch(0, 10, size=100))
        await host.room()
        host.process(batch(10, 11, size=100))
        waiting = asyncio.create_task(host.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert host.metrics.registry.get_sample_value("streamproc_stream_buffer_ratio") == 1.1
        await host._checkpoint([*host.tasks.values()])
        await waiting
        assert host.metrics.registry.get_sample_value("streamproc_stream_buffer_ratio") == 0

    run(check)


def test_room_is_for_all_tasks_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNCOMMITTED_BYTES", 1_000)

    async def check(host: TaskHost) -> None:
        host.tasks |= {partition: a_task(0, partition) for partition in (0, 1)}
        host.process(batch(0, 12, size=100))
        host.process(batch(0, 1, size=100, partition=1))
        waiting = asyncio.create_task(host.room())
        await host._checkpoint([host.tasks[1]])
        await asyncio.sleep(0)
        assert not waiting.done()
        await host._checkpoint([host.tasks[0]])
        await waiting

    run(check)


def test_tasks_are_committed_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0)

    async def check(host: TaskHost) -> None:
        host.tasks |= {partition: a_task(0, partition) for partition in range(5)}
        turns: list[list[int]] = []
        checkpoint = host._checkpoint

        async def note(tasks: list[Task]) -> None:
            turns.append([task.partition for task in tasks])
            await checkpoint(tasks)

        monkeypatch.setattr(host, "_checkpoint", note)
        host.start()
        await until(lambda: len(turns) > 5)
        await host.stop()
        assert turns[:5] == [[1], [2], [3], [0, 4], [1]]
        assert turns[-1] == [0, 1, 2, 3, 4]  # what there is, before it ends

    run(check)


def test_what_a_partition_held_that_moved_away_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent may hold a batch in its hand, waiting for room, when partitions are given up."""
    monkeypatch.setattr(module, "MAX_UNCOMMITTED_BYTES", 1_000)

    async def check(host: TaskHost) -> None:
        host.tasks |= {partition: a_task(0, partition) for partition in (0, 1)}
        host.process(batch(0, 12, size=100, partition=1))

        async def agent() -> None:
            await host.room()
            host.process(batch(12, 24, size=100, partition=1))

        waiting = asyncio.create_task(agent())
        await asyncio.sleep(0)
        assert not waiting.done()
        await host.revoke()
        await waiting
        host.assign({TP(TOPIC, 0)})
        await host.room()
        assert host.metrics.registry.get_sample_value("streamproc_stream_buffer_ratio") == 0

    run(check)


def test_what_two_checkpoints_at_once_commit_is_taken_off_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNCOMMITTED_BYTES", 1_000)

    async def check(host: TaskHost) -> None:
        host.tasks[0] = task = a_task(0)
        go_on = asyncio.Event()
        monkeypatch.setattr(task, "checkpoint", go_on.wait)
        host.process(batch(0, 9, size=100))
        both = [asyncio.create_task(host._checkpoint([task])) for _ in range(2)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*both)
        host.process(batch(9, 18, size=100))
        assert host.metrics.registry.get_sample_value("streamproc_stream_buffer_ratio") == 0.9

    run(check)


@pytest.mark.parametrize(
    ("worked_s", "records", "turns", "expected"),
    [
        (0.0, 0, 1, 0.1),
        (0.02, 1_999, 1, 0.1),
        (0.02, 2_000, 1, 0.5),
        (0.3, 0, 1, 0.3),
        (0.9, 5_000, 1, 0.9),
        (30.0, 5_000, 1, 2.0),
        (0.0, 499, 4, 0.025),
        (0.0, 500, 4, 0.125),
        (0.4, 500, 4, 0.4),
        (30.0, 500, 4, 0.5),
    ],
)
def test_at_most_half_of_the_time_goes_into_checkpoints(
    worked_s: float, records: int, turns: int, expected: float
) -> None:
    assert module.pause_after(worked_s, records, turns) == expected


def test_a_pause_is_for_work_and_not_for_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[float] = []
    twice = asyncio.Event()

    def note(worked_s: float, records: int, turns: int) -> float:
        worked.append(worked_s)
        if len(worked) == 2:
            twice.set()
        return 0.0

    async def work() -> None:
        until_s = time.thread_time() + 0.1
        while time.thread_time() < until_s:
            pass

    async def check(host: TaskHost) -> None:
        for checkpoint in (work, lambda: asyncio.sleep(0.5)):
            host = TaskHost(host.inputs, host.connection, host.metrics)
            host.tasks[0] = task = a_task(0)
            monkeypatch.setattr(task, "checkpoint", checkpoint)
            worked.clear()
            twice.clear()
            host.start()
            await twice.wait()
            host.fail(RuntimeError("for this test"), "here")
            await host.stop()
            assert (worked[1] >= 0.1) == (checkpoint is work), worked

    monkeypatch.setattr(module, "pause_after", note)
    run(check)


def test_reading_waits_for_a_checkpoint_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRESSING_S", 0)

    async def check(host: TaskHost) -> None:
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            under_way.set()
            await go_on.wait()

        host.tasks[0] = task = a_task()
        monkeypatch.setattr(task, "checkpoint", slow)
        checkpoint = asyncio.create_task(host._checkpoint([*host.tasks.values()]))
        await under_way.wait()
        await until(lambda: not host._room.is_set())
        waiting = asyncio.create_task(host.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()
        await checkpoint
        await waiting

    run(check)


def test_a_checkpoint_that_was_given_up_lets_nobody_wait_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PRESSING_S", 0)

    async def check(host: TaskHost) -> None:
        host.tasks[0] = task = a_task()
        monkeypatch.setattr(task, "checkpoint", asyncio.Event().wait)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await host._checkpoint([*host.tasks.values()])
        await host.room()

    run(check)


def test_a_failure_lets_nobody_wait_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNCOMMITTED_BYTES", 1)

    async def check(host: TaskHost) -> None:
        host.tasks[0] = a_task(0)
        host.process(batch(0, 10))
        host.fail(RuntimeError("for this test"), "here")
        await host.room()

    run(check)


def test_a_revoke_that_cannot_commit_in_time_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REVOKE_S", 0.01)

    async def check(host: TaskHost) -> None:
        task = host.tasks[0] = a_task(0)

        async def hang() -> float | None:
            await asyncio.Event().wait()
            return None

        monkeypatch.setattr(task, "checkpoint", hang)
        await host.revoke()
        assert isinstance(host.failed.result(), TimeoutError)
        assert not task.running

    run(check)


def test_a_start_is_given_up_when_its_partition_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would fence the next owner; and the same partition assigned again starts anew."""
    began: list[int] = []
    hanging = asyncio.Event()

    async def start(task: Task) -> None:
        began.append(task.partition)
        if len(began) == 1:
            hanging.set()
            await asyncio.Event().wait()
        task.running = True

    monkeypatch.setattr(Task, "start", start)

    async def check(host: TaskHost) -> None:
        host.assign({TP(TOPIC, 0)})
        await hanging.wait()
        assert not host.is_ready
        await host.revoke()
        assert host.tasks == {}
        host.assign({TP(TOPIC, 1)})
        await until(lambda: host.is_ready)
        assert list(host.tasks) == [1]
        assert began == [0, 1]
        assert not host.failed.done()

    run(check)


def test_a_task_that_was_elsewhere_for_a_moment_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state may have moved on there, however quickly the partition came back."""

    async def start(task: Task) -> None:
        task.running = True

    monkeypatch.setattr(Task, "start", start)

    async def check(host: TaskHost) -> None:
        host.assign({TP(TOPIC, 0), TP(TOPIC, 1)})
        await until(lambda: host.is_ready)
        first = dict(host.tasks)
        await host.revoke()
        host.assign({TP(TOPIC, 0)})
        await host.revoke()
        host.assign({TP(TOPIC, 0), TP(TOPIC, 1)})
        await until(lambda: host.is_ready)
        assert host.tasks[0] is first[0]
        assert host.tasks[1] is not first[1]

    run(check)


def test_a_task_is_served_while_another_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    release = asyncio.Event()

    async def start(task: Task) -> None:
        if task.partition == 1:
            await release.wait()
        task.next = {TopicPartition(TOPIC, task.partition): 7}
        task.running = True

    monkeypatch.setattr(Task, "start", start)

    async def check(host: TaskHost) -> None:
        host.assign({TP(TOPIC, 0), TP(TOPIC, 1)})
        await until(host.positions)
        assert host.positions() == {TP(TOPIC, 0): 7}
        assert not host.is_ready
        release.set()
        await until(lambda: host.is_ready)
        assert host.positions() == {TP(TOPIC, 0): 7, TP(TOPIC, 1): 7}

    run(check)


def test_a_checkpoint_that_takes_longer_than_its_transaction_may_last_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_module, "TRANSACTION_S", 0.01)
    task = a_task(5)
    task._producer = cast(Any, Silent())

    async def main() -> None:
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(TimeoutError):
                await task.checkpoint()

    asyncio.run(main())
    assert task.broken
