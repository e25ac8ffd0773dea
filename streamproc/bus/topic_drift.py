"""Where the broker's topics differ from the table, and bringing their configuration in line with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from streamproc.bus.connection import Broker
from streamproc.bus.topics import TopicError, TopicSpec, connected

TOPIC, PARTITIONS, REPLICATION = "topic", "partitions", "replication"
APPLY = "run `streamproc topics diff --apply`, same options"
_SET_ON_THE_TOPIC = 1  # Kafka's source of a value: the topic's own, not the broker's or a default
_MIN_INSYNC, _RETENTION = "min.insync.replicas", "retention.ms"
_FOR_EVER = -1  # of a retention
_BY_HAND = {
    TOPIC: "run `streamproc topics create`",
    PARTITIONS: "cannot be changed in place, since keys are bound to partitions: see docs/operations.md",
    REPLICATION: "add or move copies with Kafka's kafka-reassign-partitions",
    _MIN_INSYNC: "bring the copies up first: with fewer in sync than this, nobody could write",
    _RETENTION: "keeps more than is needed, and less deletes it: change it with Kafka's kafka-configs if that is meant",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the broker has it: `config` in effect, `own` the part of it that was set on the topic itself."""

    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that differs; `what` is topic (missing), partitions, replication or the name of a configuration.

    `todo` says what to do about it; "" if it has been done.
    """

    topic: str
    what: str
    found: str | None
    expected: str
    applied: bool = False
    todo: str = APPLY

    @property
    def can_apply(self) -> bool:
        """Whether `apply` changes it: nothing is lost by that, and whoever could write still can."""
        return self.todo == APPLY


def drift(spec: TopicSpec, found: Found | None) -> list[Drift]:
    """What differs in one topic. Configuration that the table does not name is left to whoever set it."""
    if found is None:
        return [Drift(spec.name, TOPIC, None, "is there", todo=_BY_HAND[TOPIC])]
    pairs: list[tuple[str, str | None, str]] = [
        (PARTITIONS, str(found.partitions), str(spec.partitions)),
        (REPLICATION, str(found.replication), str(spec.replication)),
        *((name, found.config.get(name), value) for name, value in spec.config.items()),
    ]
    by_hand = {PARTITIONS, REPLICATION}
    if found.replication < spec.replication:
        by_hand.add(_MIN_INSYNC)
    if _keeps_more(found.config.get(_RETENTION), spec):
        by_hand.add(_RETENTION)
    return [
        Drift(spec.name, what, is_, should, todo=_BY_HAND[what] if what in by_hand else APPLY)
        for what, is_, should in pairs
        if is_ != should
    ]


def _keeps_more(retention_ms: str | None, spec: TopicSpec) -> bool:
    if retention_ms is None or spec.retention_ms is None:
        return False
    return int(retention_ms) == _FOR_EVER or int(retention_ms) > spec.retention_ms


async def compare(broker: Broker, specs: Sequence[TopicSpec], apply: bool = False) -> list[Drift]:
    """What differs, in the order of `specs`; with `apply`, what can be applied has been changed.

    Raises BrokerUnavailable; TopicError where the broker refuses to tell or to change.
    """
    async with connected(broker) as admin:
        found = await _found(admin, specs)
        drifts = [one for spec in specs for one in drift(spec, found.get(spec.name))]
        if not apply:
            return drifts
        changes: dict[str, dict[str, str]] = {}
        for one in drifts:
            if one.can_apply:
                changes.setdefault(one.topic, dict(found[one.topic].own))[one.what] = one.expected
        await _apply(admin, changes)
        return [replace(one, applied=True, todo="") if one.can_apply else one for one in drifts]


async def _found(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, Found]:
    names = {spec.name for spec in specs}
    # All topics, since asking for one by name makes it on a broker with automatic creation.
    parts = {one["topic"]: one["partitions"] for one in await admin.describe_topics() if one["topic"] in names}
    entries = await _configs(admin, list(parts)) if parts else {}
    return {
        name: Found(
            len(partitions),
            min((len(one["replicas"]) for one in partitions), default=0),
            {key: value for key, value, *_ in entries[name]},
            {key: value for key, value, _, source, *_ in entries[name] if source == _SET_ON_THE_TOPIC},
        )
        for name, partitions in parts.items()
    }


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, list[Any]]:
    """Configuration entries (name, value, read-only, source, …) by topic."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = {}
    for answer in await admin.describe_configs(asked):
        for code, message, _, name, entries in answer.resources:
            _refuse(code, message, f"tell the configuration of topic {name}")
            found[name] = entries
    return found


async def _apply(admin: AIOKafkaAdminClient, configs: Mapping[str, dict[str, str]]) -> None:
    # Kafka takes the whole configuration, and what is not named goes back to its default: so what was set goes along.
    if not configs:
        return
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, config) for name, config in configs.items()]
    for answer in await admin.alter_configs(wanted):
        for code, message, _, name in answer.resources:
            _refuse(code, message, f"change the configuration of topic {name}")


def _refuse(code: int, message: str | None, what: str) -> None:
    if code:
        raise TopicError(f"the broker refuses to {what}: {message or for_code(code).__name__}")
