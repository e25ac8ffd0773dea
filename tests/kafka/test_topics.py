"""The topic table, and making and checking topics on a real broker."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streamproc.bus import topic_drift, topics
from streamproc.bus.connection import Broker, BrokerUnavailable
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.topics import TopicError
from streamproc.events import EVENTS

DAY_MS = 24 * 3600 * 1000


def by_name(app: str = "app", partitions: int = 4, replication: int = 1) -> dict[str, topics.TopicSpec]:
    return {spec.name: spec for spec in topics.table(app, partitions, replication)}


def test_every_event_type_has_its_topic() -> None:
    assert {row.topic for row in EVENTS.values()} <= by_name().keys()


def test_partitions_are_those_of_the_stages_except_for_reference_data() -> None:
    assert {name: spec.partitions for name, spec in by_name(partitions=12).items() if spec.partitions != 12} == {
        "sales.reference": 1
    }


def test_state_and_partial_sums_belong_to_the_application() -> None:
    own = {"blue-facts-changelog", "blue-kpis-changelog", "kpi.partials.blue"}
    assert by_name("blue").keys() - by_name("green").keys() == own
    assert "kpi.partials" in by_name("streamproc")


def test_whatever_is_deleted_by_age_is_stamped_on_arrival() -> None:
    for spec in by_name().values():
        is_kept_by_age = "retention.ms" in spec.config
        assert is_kept_by_age == (spec.config["cleanup.policy"] == "delete")
        assert is_kept_by_age == ("message.timestamp.type" in spec.config)


def test_replicated_topics_need_two_copies_in_sync() -> None:
    assert all("min.insync.replicas" not in spec.config for spec in by_name(replication=1).values())
    assert all(spec.config["min.insync.replicas"] == "2" for spec in by_name(replication=3).values())


@pytest.mark.parametrize(("partitions", "replication"), [(0, 1), (4, 0)])
def test_senseless_counts_are_refused(partitions: int, replication: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        topics.table("app", partitions, replication)


def test_create_then_exists_then_describe(no_topics: str, app_name: str) -> None:
    specs = topics.table(app_name, 3)

    async def scenario() -> None:
        before = await topics.describe(Broker(no_topics), specs)
        assert {row.found for row in before} == {None}
        assert await topics.create(Broker(no_topics), specs[:2]) == [(spec.name, "created") for spec in specs[:2]]
        states = [state for _name, state in await topics.create(Broker(no_topics), specs)]
        assert states == ["exists"] * 2 + ["created"] * (len(specs) - 2)
        after = await topics.describe(Broker(no_topics), specs)
        assert [(row.name, row.found) for row in after] == [(spec.name, spec.partitions) for spec in specs]
        assert all(row.is_ok for row in after)

    asyncio.run(scenario())


def test_the_broker_holds_the_configuration(fresh_topics: tuple[str, str]) -> None:
    bootstrap, app = fresh_topics

    async def read(name: str) -> dict[str, str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        finally:
            await admin.close()
        (resource,) = answer.resources
        return {entry[0]: entry[1] for entry in resource[4]}

    crm = asyncio.run(read("sales.crm"))
    assert crm["message.timestamp.type"] == "LogAppendTime"
    assert int(crm["retention.ms"]) == 800 * DAY_MS
    changelog = asyncio.run(read(f"{app}-facts-changelog"))
    assert changelog["cleanup.policy"] == "compact"
    assert changelog["message.timestamp.type"] == "CreateTime"


def test_another_partition_count_is_refused_and_nothing_made(fresh_topics: tuple[str, str]) -> None:
    bootstrap, _app = fresh_topics
    specs = topics.table("other", 5)
    with pytest.raises(TopicError, match=r"sales\.crm \(found 4, expected 5\)") as caught:
        asyncio.run(topics.create(Broker(bootstrap), specs))
    assert "sales.reference" not in str(caught.value)
    rows = {row.name: row for row in asyncio.run(topics.describe(Broker(bootstrap), specs))}
    assert rows["other-facts-changelog"].found is None
    assert not rows["sales.crm"].is_ok


def test_a_refusal_of_the_broker_names_the_topic(kafka: EmbeddedKafka) -> None:
    three_copies = topics.TopicSpec("three.copies", 1, "any", None, replication=3)
    with pytest.raises(TopicError, match=r"three\.copies.*[Rr]eplication"):
        asyncio.run(topics.create(Broker(kafka.bootstrap), [three_copies]))


@pytest.mark.parametrize("call", [topics.create, topics.describe])
def test_no_broker_is_one_line_and_no_log_noise(call: object, caplog: pytest.LogCaptureFixture) -> None:
    address = "127.0.0.1:1"
    assert callable(call)
    with caplog.at_level(logging.WARNING), pytest.raises(BrokerUnavailable, match=f"{address}: start it") as caught:
        asyncio.run(call(Broker(address), topics.table("app")))
    assert "\n" not in str(caught.value)
    assert caught.value.address == address
    assert isinstance(caught.value, ConnectionError)
    assert caplog.records == []


def test_a_malformed_address_is_explained() -> None:
    with pytest.raises(ValueError, match=r"'foo:bar': expected host:port"):
        asyncio.run(topics.describe(Broker("foo:bar"), []))


def test_diff_tells_what_was_changed_and_applies_it_when_told(no_topics: str, app_name: str) -> None:
    broker, specs = Broker(no_topics), topics.table(app_name, 3)
    crm = next(spec for spec in specs if spec.name == "sales.crm")

    async def eventually(wanted: Callable[[list[topic_drift.Drift]], object]) -> list[topic_drift.Drift]:
        """What differs, once it is as wanted: a broker answers for a moment with the configuration of before."""
        async with asyncio.timeout(30):
            while not wanted(found := await topic_drift.compare(broker, specs)):  # noqa: ASYNC110 (the broker tells nobody)
                await asyncio.sleep(0.1)
            return found

    async def scenario() -> None:
        assert {one.what for one in await topic_drift.compare(broker, specs)} == {"topic"}
        await topics.create(broker, specs)
        assert await topic_drift.compare(broker, specs) == []
        async with topics.connected(broker) as admin:
            config = {**crm.config, "retention.ms": "1000", "max.message.bytes": "2000000"}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, crm.name, config)])
        (told,) = await eventually(lambda found: found)
        assert (told.topic, told.what, told.found) == ("sales.crm", "retention.ms", "1000")
        assert not told.applied
        (again,) = await topic_drift.compare(broker, specs, apply=True)
        assert (again.found, again.applied) == ("1000", True)
        assert await eventually(lambda found: not found) == []
        async with topics.connected(broker) as admin:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, crm.name)])
        config = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        assert config["max.message.bytes"] == "2000000"  # what somebody else has set is kept

    asyncio.run(scenario())


def test_diff_knows_counts_that_differ(fresh_topics: tuple[str, str]) -> None:
    bootstrap, app = fresh_topics
    found = asyncio.run(topic_drift.compare(Broker(bootstrap), topics.table(app, 5, 3), apply=True))
    crm = {one.what: one for one in found if one.topic == "sales.crm"}
    assert (crm["partitions"].found, crm["partitions"].expected) == ("4", "5")
    assert (crm["replication"].found, crm["replication"].expected) == ("1", "3")
    assert (crm["min.insync.replicas"].found, crm["min.insync.replicas"].expected) == ("1", "2")
    assert not any(one.applied for one in crm.values())
