"""The consumer's fetches, without a broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver

from streamproc.bus.batches import ConsumerThread


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`fetch(error)` fetches once; the fetch of aiokafka ends with the error."""

    def once(error: Exception) -> Any:
        async def fail(*_args: object) -> None:
            raise error

        monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fail)
        consumer = SimpleNamespace(_subscription=SimpleNamespace(subscription=None))
        thread = ConsumerThread.__new__(ConsumerThread)
        return asyncio.run(thread._fetch_records(consumer, set(), 0.1))

    return once


def test_a_fetch_across_a_rebalance_may_find_a_partition_that_nobody_has_sought_in(fetch: Any) -> None:
    assert fetch(NoOffsetForPartitionError(TopicPartition("in", 0))) == ({}, {})


def test_other_errors_of_a_fetch_end_the_worker(fetch: Any) -> None:
    with pytest.raises(OffsetOutOfRangeError):
        fetch(OffsetOutOfRangeError({}))
