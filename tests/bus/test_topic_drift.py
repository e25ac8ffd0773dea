"""What differs between a topic of the broker and the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamproc.bus.topic_drift import Drift, Found, drift
from streamproc.bus.topics import PROFILES, TopicSpec, table

SPEC = TopicSpec("sales.crm", 12, "subject", 86_400_000, log_append_time=True, replication=3)
AS_IT_SHOULD_BE = Found(12, 3, {**SPEC.config, "max.message.bytes": "1048588"})


def test_nothing_differs_where_all_is_as_it_should_be() -> None:
    assert drift(SPEC, AS_IT_SHOULD_BE) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("retention.ms", "3600000"), ("message.timestamp.type", "CreateTime"), ("cleanup.policy", "compact,delete")],
)
def test_configuration_that_differs_is_told(name: str, value: str) -> None:
    found = replace(AS_IT_SHOULD_BE, config={**AS_IT_SHOULD_BE.config, name: value})
    assert drift(SPEC, found) == [Drift("sales.crm", name, value, SPEC.config[name])]


def test_configuration_that_the_table_does_not_name_is_nobodys_business() -> None:
    found = replace(AS_IT_SHOULD_BE, config={**SPEC.config, "max.message.bytes": "5000000"})
    assert drift(SPEC, found) == []


def test_counts_that_differ_are_told() -> None:
    found = replace(AS_IT_SHOULD_BE, partitions=4, replication=1)
    assert [(one.what, one.found, one.expected) for one in drift(SPEC, found)] == [
        ("partitions", "4", "12"),
        ("replication", "1", "3"),
    ]


def test_a_topic_that_is_not_there_is_told_once() -> None:
    (one,) = drift(SPEC, None)
    assert (one.topic, one.what, one.found) == ("sales.crm", "topic", None)
    assert "topics create" in one.todo


def test_only_configuration_can_be_applied() -> None:
    found = replace(AS_IT_SHOULD_BE, partitions=4, config={**SPEC.config, "retention.ms": "1"})
    assert {one.what: one.can_apply for one in drift(SPEC, found)} == {"partitions": False, "retention.ms": True}


def test_more_copies_in_sync_than_there_are_copies_cannot_be_applied() -> None:
    """A topic with one copy of which two must be in sync takes no records."""
    found = replace(AS_IT_SHOULD_BE, replication=1, config={**SPEC.config, "min.insync.replicas": "1"})
    assert {one.what: one.can_apply for one in drift(SPEC, found)} == {
        "replication": False,
        "min.insync.replicas": False,
    }
    (enough,) = drift(SPEC, replace(found, replication=3))
    assert enough.can_apply


@pytest.mark.parametrize(("retention_ms", "can_apply"), [("-1", False), ("86400001", False), ("86399999", True)])
def test_a_retention_is_made_longer_only(retention_ms: str, can_apply: bool) -> None:
    """What is kept longer was asked for by somebody, and what is deleted is gone."""
    (one,) = drift(SPEC, replace(AS_IT_SHOULD_BE, config={**SPEC.config, "retention.ms": retention_ms}))
    assert one.can_apply == can_apply


def test_the_production_profile() -> None:
    specs = table("streamproc", *PROFILES["production"])
    assert {spec.partitions for spec in specs if spec.name != "sales.reference"} == {12}
    assert {(spec.replication, spec.config["min.insync.replicas"]) for spec in specs} == {(3, "2")}
