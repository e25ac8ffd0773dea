"""Lag, progress and the broker's silence, without a broker: what /live and /ready go by."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from streamproc.bus import connection
from streamproc.bus import lag as module
from streamproc.bus.lag import LagMeter
from streamproc.bus.offsets import OffsetsLost
from streamproc.bus.task import Connection, Task
from streamproc.outputs.own_metrics import OwnMetrics

TP = TopicPartition("in", 0)


class Clock:
    """Stands in for the module's `time`."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class Broker:
    """Tells one end offset, or fails."""

    def __init__(self) -> None:
        self.end: int | Exception = 0

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        if isinstance(self.end, Exception):
            raise self.end
        return dict.fromkeys(partitions, self.end)


class Rig:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.broker, self.failures = Clock(), Broker(), list[BaseException]()
        monkeypatch.setattr(module, "time", self.clock)
        stage: Any = None
        self.task = Task(0, stage, [TP], Connection(connection.Broker(""), "g", "c"))
        self.task.running = True
        consumer: Any = self.broker
        self.meter = LagMeter(consumer, lambda: [self.task], OwnMetrics("facts", "0", ""), self.failures.append)

    def after(self, seconds: float, *, end: int | Exception, committed: int) -> None:
        """Time passes, the task has committed, the broker is asked."""
        self.clock.now += seconds
        self.broker.end = end
        self.task.next = self.task.committed = {TP: committed}
        with suppress(KafkaConnectionError):
            asyncio.run(self.meter._measure())


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_lag_without_a_commit_is_a_stall(rig: Rig) -> None:
    rig.after(5, end=10, committed=3)
    rig.after(40, end=12, committed=3)
    rig.after(40, end=12, committed=3)
    assert rig.meter.stalled_s == 80


def test_progress_is_no_stall_however_slow(rig: Rig) -> None:
    for committed in range(20):
        rig.after(50, end=1_000, committed=committed)
    assert rig.meter.stalled_s == 0


def test_no_lag_is_no_stall_however_long(rig: Rig) -> None:
    rig.after(5, end=10, committed=3)
    rig.after(500, end=10, committed=10)
    rig.after(500, end=10, committed=10)
    assert rig.meter.stalled_s == 0


def test_a_silent_broker_is_told_as_that_and_not_as_a_stall(rig: Rig) -> None:
    rig.after(5, end=10, committed=3)
    rig.after(300, end=KafkaConnectionError(), committed=3)
    assert rig.meter.stalled_s == 0
    assert rig.meter.broker_silent_s == 300 - module.INTERVAL_S
    rig.after(5, end=10, committed=10)
    assert rig.meter.broker_silent_s == 0


def test_a_topic_that_ends_before_what_was_read_is_a_failure(rig: Rig) -> None:
    rig.after(5, end=10, committed=10)
    assert rig.failures == []
    rig.after(5, end=4, committed=10)
    assert isinstance(rig.failures[0], OffsetsLost)
