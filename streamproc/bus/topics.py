"""The one table of Kafka topics, and making and checking them. Topics are made before a worker starts, never by it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streamproc.bus.connection import CONNECT_TIMEOUT_S, Broker, quiet_connect, reaching

DEFAULT_PARTITIONS = 4
DEFAULT_APP = "streamproc"
# Partitions and copies of each: for trials, and for a cluster of three brokers or more. Twelve can be shared out evenly
# among 2, 3, 4, 6 and 12 workers of a stage.
PROFILES = {"single": (DEFAULT_PARTITIONS, 1), "production": (12, 3)}
_DAY_MS = 86_400_000
_REQUEST_TIMEOUT_MS = 15_000
_VISIBLE_TIMEOUT_S = 30.0

# Kafka compacts closed segments only: small ones keep the log short, hence the restart of a task quick.
_COMPACTION = {
    "segment.ms": str(3_600_000),
    "segment.bytes": str(128 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.2",
}


class TopicError(RuntimeError):
    """A topic cannot be made, or is not as the table says; the message names it, what was found and expected."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic: `key` says what its record keys are, `retention_ms` None keeps the latest record of each key."""

    name: str
    partitions: int
    key: str
    retention_ms: int | None
    log_append_time: bool = False
    replication: int = 1

    @property
    def cleanup(self) -> Literal["compact", "delete"]:
        """Kafka's cleanup policy."""
        return "compact" if self.retention_ms is None else "delete"

    @property
    def config(self) -> dict[str, str]:
        """Kafka's topic configuration."""
        config: dict[str, str] = {"cleanup.policy": self.cleanup}
        if self.retention_ms is None:
            config |= _COMPACTION
        else:
            config["retention.ms"] = str(self.retention_ms)
        if self.log_append_time:
            config["message.timestamp.type"] = "LogAppendTime"
        if self.replication >= 3:
            config["min.insync.replicas"] = "2"
        return config


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic beside its specification: partitions found in the broker, None when the topic is not there."""

    name: str
    found: int | None
    expected: int

    @property
    def is_ok(self) -> bool:
        """Whether the topic is there with the partitions it should have."""
        return self.found == self.expected


def partials_topic(app: str) -> str:
    """Topic of partial sums of an app id: a second app beside the first must not add to the first's sums."""
    return "kpi.partials" if app == DEFAULT_APP else f"kpi.partials.{app}"


def table(app: str, partitions: int = DEFAULT_PARTITIONS, replication: int = 1) -> list[TopicSpec]:
    """Every topic of one application id. `partitions` is that of both stages; only the reference topic has one.

    Topics with a retention stamp records on arrival (LogAppendTime): Kafka deletes by record time, so importing last
    year's events would lose them at once otherwise. Event time is in the event.
    """
    if partitions < 1 or replication < 1:
        raise ValueError(f"partitions and replication must be at least 1, not {partitions} and {replication}")

    def kept(name: str, key: str, days: int) -> TopicSpec:
        return TopicSpec(name, partitions, key, days * _DAY_MS, log_append_time=True, replication=replication)

    def latest(name: str, key: str, count: int = partitions) -> TopicSpec:
        return TopicSpec(name, count, key, None, replication=replication)

    return [
        # Longer than the longest window and the maximum age of an event: all KPIs can be rebuilt from these.
        *(kept(f"sales.{area}", "subject", 800) for area in ("crm", "email", "partner", "revenue")),
        kept("sales.rejected", "key of the refused record", 30),
        latest("sales.reference", "subject", 1),
        kept(partials_topic(app), "group", 7),
        latest("kpi.values", "KPI, group and window"),
        kept("kpi.alerts", "KPI, group and window", 30),
        kept("kpi.events", "group", 30),
        latest(f"{app}-facts-changelog", "state key"),
        latest(f"{app}-kpis-changelog", "state key"),
    ]


async def create(broker: Broker, specs: Sequence[TopicSpec]) -> list[tuple[str, Literal["created", "exists"]]]:
    """Make those topics that are not there; returns when all can be used. The order is that of `specs`.

    Raises TopicError, before anything is made, when a topic exists with another partition count, and when the broker
    refuses one; BrokerUnavailable.
    """
    async with connected(broker) as admin:
        found = await _partition_counts(admin)
        _refuse_mismatch(found, specs)
        missing = [spec for spec in specs if spec.name not in found]
        if missing:
            await _create_missing(admin, missing)
            _refuse_mismatch(await _await_usable(admin, missing), missing)
        return [(spec.name, "exists" if spec.name in found else "created") for spec in specs]


async def describe(broker: Broker, specs: Sequence[TopicSpec]) -> list[TopicRow]:
    """Compare the broker's topics with `specs`, in that order. Raises BrokerUnavailable."""
    async with connected(broker) as admin:
        found = await _partition_counts(admin)
    return [TopicRow(spec.name, found.get(spec.name), spec.partitions) for spec in specs]


def _refuse_mismatch(found: dict[str, int], specs: Sequence[TopicSpec]) -> None:
    wrong = [
        f"{spec.name} (found {found[spec.name]}, expected {spec.partitions})"
        for spec in specs
        if found.get(spec.name, spec.partitions) != spec.partitions
    ]
    if wrong:
        raise TopicError(
            f"these topics exist with another partition count: {', '.join(wrong)}. Keys are bound to partitions, so a "
            "count is never changed in place: use the count found, or another cluster or application id"
        )


async def _create_missing(admin: AIOKafkaAdminClient, missing: Sequence[TopicSpec]) -> None:
    new = [NewTopic(spec.name, spec.partitions, spec.replication, topic_configs=spec.config) for spec in missing]
    answer = await admin.create_topics(new)
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        # Another process may have been quicker; what it made is checked afterwards.
        if code and error is not TopicAlreadyExistsError:
            raise TopicError(f"the broker refuses to make topic {name}: {message or error.__name__}")


async def _await_usable(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, int]:
    """Wait until every partition of the topics has a leader; partition counts by topic."""
    names = {spec.name for spec in specs}
    deadline = asyncio.get_running_loop().time() + _VISIBLE_TIMEOUT_S
    while True:
        topics = [topic for topic in await admin.describe_topics() if topic["topic"] in names]
        ready = {topic["topic"]: len(topic["partitions"]) for topic in topics if _has_leaders(topic)}
        if ready.keys() == names:
            return ready
        if asyncio.get_running_loop().time() > deadline:
            waiting = ", ".join(sorted(names - ready.keys()))
            raise TopicError(f"topics made but without a leader after {_VISIBLE_TIMEOUT_S:g} s: {waiting}")
        await asyncio.sleep(0.05)


def _has_leaders(topic: dict[str, Any]) -> bool:
    return not topic["error_code"] and all(part["leader"] >= 0 for part in topic["partitions"])


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    # All topics, since asking for one by name makes it on a broker with automatic creation.
    return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}


@asynccontextmanager
async def connected(broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for what is asked about topics, or done to them. Raises BrokerUnavailable."""
    admin = AIOKafkaAdminClient(**broker.client(), request_timeout_ms=_REQUEST_TIMEOUT_MS)
    try:
        async with reaching(broker):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await _connect(admin, broker)
            yield admin
    finally:
        await admin.close()


async def _connect(admin: AIOKafkaAdminClient, broker: Broker) -> None:
    try:
        with quiet_connect():
            await admin.start()
    except ValueError as error:  # from parsing the port
        raise ValueError(f"bootstrap servers {broker.bootstrap!r}: expected host:port[,host:port]") from error
