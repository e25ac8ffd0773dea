"""Handing `kpi.values` over from one application to another, so that at no time both write it.

A changelog has at most one mark, under the key HANDOVER. The application that is being filled marks its own as FILLING
and publishes nothing. The one it takes over from is retired: with its transactional ids, which fences every running
task of it, a mark is written to its changelogs that none of its tasks starts with. Only then is the new one marked
TAKING_OVER: its next checkpoint publishes all values, and tombstones for series that it does not have.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, ProducerFenced

from streamproc.bus.connection import CONNECT_TIMEOUT_S, Broker, quiet_connect, reaching
from streamproc.bus.follow import read, topic_partitions
from streamproc.bus.topics import partials_topic
from streamproc.events import EVENT_TOPICS
from streamproc.kpis.fed import STATE_VERSION, VERSION

HANDOVER = "handover"  # key of the mark in a changelog
FILLING, TAKING_OVER = b"filling", b"taking over"
RETIRED = b"retired for "  # with the name of the application that took over
PUBLISHED = "published/"  # key prefix under which a task that takes over is told what is in `kpi.values`
STAGES = ("facts", "kpis")
ATTEMPTS = 5  # to write a mark against a task that begins anew

Offsets = dict[TopicPartition, int]


class HandoverError(RuntimeError):
    """The application is not in a state in which it may run like this; the message says what to do."""


def check_retired(mark: bytes | None, group: str) -> None:
    """Raises HandoverError for the changelog of an application that another one took over from."""
    if mark is not None and mark.startswith(RETIRED):
        successor = mark.removeprefix(RETIRED).decode()
        raise HandoverError(
            f"{group}: application {successor} has taken over: run `streamproc worker --app {successor}` instead "
            f"(or STREAMPROC_APP={successor})"
        )


def check_filling(mark: bytes | None, has_state: bool, filling: bool) -> None:
    """Raises HandoverError where a kpis task may not publish, or is to be filled though it is already in use."""
    if mark == FILLING and not filling:
        raise HandoverError(
            "this application is still being filled beside another: run `streamproc backfill` with the same --app again"
        )
    if mark is None and has_state and filling:
        raise HandoverError(
            "this application has values already, and not from a backfill: run its workers (`streamproc worker`), or "
            "`streamproc backfill` with an --app that was never used"
        )


class Stand(NamedTuple):
    """How far a stage of an application has come: committed offsets (else the beginning), beginnings and ends."""

    committed: Offsets
    begins: Offsets
    ends: Offsets

    @property
    def done(self) -> int:
        return sum(self.committed.values()) - sum(self.begins.values())

    @property
    def total(self) -> int:
        return sum(self.ends.values()) - sum(self.begins.values())

    def has_read(self, ends: Offsets) -> bool:
        """Whether everything is read that was there when `ends` were taken."""
        return all(self.committed[tp] >= end for tp, end in ends.items())


@dataclass
class Watch:
    """Asks how far an application is, and who runs another. Use `watching`."""

    broker: Broker
    consumer: AIOKafkaConsumer
    admin: AIOKafkaAdminClient

    async def stand(self, app: str, stage: str) -> Stand:
        topics = EVENT_TOPICS if stage == "facts" else (partials_topic(app),)
        found = [tp for topic in topics for tp in await topic_partitions(self.consumer, topic)]
        begins, ends = await self.consumer.beginning_offsets(found), await self.consumer.end_offsets(found)
        committed = await self.committed(f"{app}-{stage}")
        return Stand({tp: max(begins[tp], committed.get(tp, -1)) for tp in found}, dict(begins), dict(ends))

    async def committed(self, group: str) -> Offsets:
        """Committed offsets of a group, where there are any."""
        try:
            found = await self.admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # nobody has formed a group on this broker yet
            return {}
        return {tp: one.offset for tp, one in found.items() if one.offset >= 0}

    async def members(self, app: str) -> int:
        """How many workers an application has."""
        # One group at a time: aiokafka 0.14 reads an answer of version 3 as version 2, right for the first group only.
        answers = [await self.admin.describe_consumer_groups([f"{app}-{stage}"]) for stage in STAGES]
        return sum(len(group[5]) for answer in answers for one in answer for group in one.groups)

    async def partitions(self, topic: str) -> int:
        """Partition count of a topic, 0 if there is none."""
        found = {one["topic"]: len(one["partitions"]) for one in await self.admin.describe_topics()}
        return found.get(topic, 0)


@asynccontextmanager
async def watching(broker: Broker) -> AsyncIterator[Watch]:
    """Raises BrokerUnavailable."""
    watch = Watch(broker, broker.consumer(auto_offset_reset="none"), AIOKafkaAdminClient(**broker.client()))
    try:
        async with reaching(broker):
            with quiet_connect():
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await asyncio.gather(watch.consumer.start(), watch.admin.start())
            yield watch
    finally:
        await asyncio.gather(watch.consumer.stop(), watch.admin.close())


class Told(NamedTuple):
    """Up to which offsets another application has told what follows from events, so that nobody tells it again.

    `derived`: of events that were derived; `refused`: of records that were refused.
    """

    derived: Mapping[TopicPartition, int]
    refused: Mapping[TopicPartition, int]


NOTHING_TOLD = Told({}, {})


async def told(broker: Broker, app: str) -> Told:
    """What the facts tasks of an application have told. Its changelog is read until its version is known."""
    async with watching(broker) as watch:
        committed = await watch.committed(f"{app}-facts")
        changelog = f"{app}-facts-changelog"
        if not committed or not await watch.partitions(changelog):
            return NOTHING_TOLD
        version = 1
        async for records in read(watch.consumer, changelog, follow=False):
            found = [record.value for record in records if record.key == VERSION.encode() and record.value]
            version = max([version, *map(msgspec.msgpack.decode, found)])
            if version >= STATE_VERSION:
                break
    # Before version 3 nothing was derived.
    return Told(committed if version >= STATE_VERSION else {}, committed)


async def retire(broker: Broker, app: str, successor: str, partitions: int) -> None:
    """Fence all tasks of an application, and mark it so that none of them starts again.

    The version is for releases that do not know marks: they refuse a state that is later than theirs.
    """
    records = {HANDOVER: RETIRED + successor.encode(), VERSION: msgspec.msgpack.encode(STATE_VERSION)}
    for stage in ("kpis", "facts"):
        await _write(broker, f"{app}-{stage}", range(partitions), records)


async def let_take_over(broker: Broker, app: str, partitions: int) -> None:
    """Let an application whose workers have ended publish everything with its next checkpoint."""
    await _write(broker, f"{app}-kpis", range(partitions), {HANDOVER: TAKING_OVER})


async def _write(broker: Broker, group: str, partitions: Iterable[int], records: Mapping[str, bytes]) -> None:
    """To the changelog of a group, each partition in a transaction of its task."""
    for partition in partitions:
        for attempt in range(ATTEMPTS):
            try:
                await _write_one(broker, group, partition, records)
                break
            except ProducerFenced:  # its task began anew just then
                if attempt == ATTEMPTS - 1:
                    raise


async def _write_one(broker: Broker, group: str, partition: int, records: Mapping[str, bytes]) -> None:
    producer = AIOKafkaProducer(**broker.client(), transactional_id=f"{group}-{partition}")
    async with reaching(broker):
        await producer.start()  # fences
        try:
            async with producer.transaction():
                for key, value in records.items():
                    await producer.send(f"{group}-changelog", value, key=key.encode(), partition=partition)
        finally:
            await producer.stop()
