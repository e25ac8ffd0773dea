"""Private names of Faust and aiokafka that `streamproc/bus/batches.py` builds on: an upgrade that moves them fails."""

from __future__ import annotations

import inspect

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, TopicPartitionState
from faust.app.base import App
from faust.tables.manager import TableManager
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import AppT
from mode import Service

from streamproc.bus import batches


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (
            driver.AIOKafkaConsumerThread._fetch_records,
            ["self", "consumer", "active_partitions", "timeout", "max_records"],
        ),
        (driver.Consumer._new_consumer_thread, ["self"]),
        (driver.AIOKafkaConsumerThread.on_thread_stop, ["self"]),
        (driver.AIOKafkaConsumerThread._stopped_set, ["self"]),
        (Consumer._getmany, ["self", "active_partitions", "timeout"]),
        (Consumer.seek_wait, ["self", "partitions"]),
        (Consumer.getmany, ["self", "timeout"]),
        (Consumer._wait_next_records, ["self", "timeout"]),
        (Consumer._add_gap, ["self", "tp", "offset_from", "offset_to"]),
        (Consumer.on_buffer_full, ["self", "tp"]),
        (Consumer.on_partitions_assigned, ["self", "assigned", "generation_id"]),
        (Consumer.on_partitions_revoked, ["self", "revoked"]),
        (Consumer.perform_seek, ["self"]),
    ],
)
def test_overridden_methods_keep_their_signatures(function: object, expected: list[str]) -> None:
    assert parameters(inspect.unwrap(function)) == expected  # type: ignore[arg-type]


def test_the_consumer_takes_its_settings_from_the_attributes_that_are_set() -> None:
    source = inspect.getsource(AIOKafkaConsumer)
    assert "isolation_level=self._isolation_level" in source
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in source
    assert "fetch_min_bytes=self._fetch_min_bytes" in source


def test_a_member_without_an_instance_id_leaves_its_group_at_the_end() -> None:
    assert "self._group_instance_id is None" in inspect.getsource(GroupCoordinator._maybe_leave_group)
    assert "_coordinator" in inspect.getsource(AIOKafkaConsumer)


def test_what_faust_does_at_its_start_is_what_is_done_without_tables() -> None:
    lines = [line.strip() for line in inspect.getsource(TableManager.on_start).splitlines()]
    assert lines[-4:] == [
        "await self.sleep(1.0)",
        "if not self.should_stop:",
        "await self._update_channels()",
        "await self.recovery.start()",
    ]


def test_positions_are_where_they_are_read() -> None:
    assert isinstance(TopicPartitionState.has_valid_position, property)
    assert isinstance(TopicPartitionState.position, property)
    assert parameters(Assignment.state_value) == ["self", "tp"]
    assert isinstance(Assignment.tps, property)


def test_a_crash_is_seen_by_its_event() -> None:
    assert "self._crashed.set()" in inspect.getsource(Service)
    assert "crash_reason" in inspect.getsource(Service)


def test_faust_finds_the_transport_by_its_scheme() -> None:
    from faust.transport import by_url

    assert by_url("kpi://127.0.0.1:9092") is batches.Transport
    assert batches.Transport.Consumer is batches.Consumer
    assert "consumer_generation_id" in App.__annotations__ or "consumer_generation_id" in dir(AppT)
