"""Reading topics for people: a consumer without a group, the last records of a topic, the reference data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streamproc.bus.connection import CONNECT_TIMEOUT_S, Broker, quiet_connect, reaching
from streamproc.bus.follow import read, topic_partitions
from streamproc.bus.topics import TopicError
from streamproc.codec import Rejection, decode_reference
from streamproc.events import REFERENCE
from streamproc.facts.reference import Reference


@asynccontextmanager
async def reader(broker: Broker, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer of what is committed, for a topic that is there. Raises BrokerUnavailable, TopicError."""
    consumer = broker.consumer(auto_offset_reset="earliest")
    try:
        async with reaching(broker):
            with quiet_connect():
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await consumer.start()
                    topics = await consumer.topics()
        if topic not in topics:
            raise TopicError(f"no topic {topic}: run `streamproc topics create` first")
        yield consumer
    finally:
        await consumer.stop()


async def read_reference(broker: Broker, known: Reference) -> Reference:
    """Apply the reference data in their topic; records that cannot be read are left out."""
    async with reader(broker, REFERENCE) as consumer:
        async for records in read(consumer, REFERENCE, follow=False):
            for record in records:
                event = decode_reference(record.value)
                if not isinstance(event, Rejection):
                    known.apply(event)
    return known


async def last(consumer: AIOKafkaConsumer, topic: str, count: int) -> list[ConsumerRecord]:
    """The latest `count` records of a topic, by arrival."""
    partitions = await topic_partitions(consumer, topic)
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    firsts = await consumer.beginning_offsets(partitions)
    found: list[ConsumerRecord] = []
    for tp in partitions:
        # Every transaction ends with a control record, so that up to half of the offsets hold nothing to read.
        back = 2 * count + 1
        while True:
            start = max(firsts[tp], ends[tp] - back)
            records = await _range(consumer, tp, start, ends[tp])
            if len(records) >= count or start == firsts[tp]:
                break
            back *= 4  # aborted transactions are there as well
        found += records[-count:]
    return sorted(found, key=lambda record: record.timestamp)[-count:]


async def _range(consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int) -> list[ConsumerRecord]:
    consumer.seek(tp, start)
    records: list[ConsumerRecord] = []
    while await consumer.position(tp) < end:
        records += (await consumer.getmany(tp, timeout_ms=500)).get(tp, ())
    return records
