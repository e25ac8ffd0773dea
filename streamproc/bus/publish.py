"""Publishing canonical events: to the topic of their type, by their subject, in prebuilt batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from itertools import islice
from typing import Self

import msgspec
from aiokafka import AIOKafkaProducer

from streamproc.bus.connection import CONNECT_TIMEOUT_S, Broker, quiet_connect, reaching
from streamproc.bus.record_batches import Content, Headers, batches, partition_of
from streamproc.bus.topics import TopicError
from streamproc.codec import Rejection, decode_reference
from streamproc.events import EVENTS, MAX_EVENT_BYTES, REFERENCE, to_ms
from streamproc.outputs.topics import rfc3339

CHUNK = 20_000  # records in flight; more would only cost memory
MAX_BATCH_BYTES = 512 * 1024

Record = tuple[str, bytes, bytes]  # topic, key, value


class Unroutable(ValueError):
    """A line of which it cannot be told where it belongs; the message says why."""


class _Envelope(msgspec.Struct):
    type: str
    subject: str


_envelope = msgspec.json.Decoder(_Envelope).decode


def record(line: bytes) -> Record:
    """Topic, key and value of an event, told by its `type` and `subject`; the rest of it is not checked here.

    Raises Unroutable.
    """
    if len(line) > MAX_EVENT_BYTES:
        raise Unroutable(f"expected at most {MAX_EVENT_BYTES} bytes, found {len(line)}")
    try:
        envelope = _envelope(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unroutable(f"expected an event as JSON, with type and subject: {error}") from None
    row = EVENTS.get(envelope.type)
    if row is None:
        raise Unroutable(f"`$.type`: unknown event type '{envelope.type}'; known types are in schemas/")
    key = envelope.subject.encode()
    return row.topic, _reference_key(key, line) if row.topic == REFERENCE else key, line


def _reference_key(subject: bytes, line: bytes) -> bytes:
    """The topic keeps only the latest record of a key, but what held earlier is still needed for events of then."""
    event = decode_reference(line)
    valid_from = None if isinstance(event, Rejection) else getattr(event.data, "valid_from", None)
    return subject if valid_from is None else b"%s@%s" % (subject, rfc3339(to_ms(valid_from)).encode())


class Publisher:
    """Publishes records; those of one key keep their order, and none is written twice by a repeated request.

    Async context manager. Entering raises BrokerUnavailable.
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._producer: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._route = lru_cache(maxsize=65_536)(partition_of)

    async def __aenter__(self) -> Self:
        producer = AIOKafkaProducer(
            **self.broker.client(),
            enable_idempotence=True,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=8 * 1024 * 1024,
        )
        try:
            async with reaching(self.broker):
                with quiet_connect():
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        await producer.start()
                        # All topics, since asking for one by name makes it on a broker with automatic creation.
                        cluster = await producer.client.fetch_all_metadata()
        except BaseException:
            await producer.stop()
            raise
        self._partitions = {topic: len(cluster.partitions_for_topic(topic)) for topic in cluster.topics()}
        self._producer = producer
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def publish(self, records: Iterable[Record]) -> int:
        """Publish all records; returns their number when the broker has them.

        Raises TopicError for a topic that is not there, BrokerUnavailable when the broker stops answering.
        """
        if self._producer is None:
            raise RuntimeError("not connected: use `async with Publisher(…)`")
        sent = 0
        for chunk in iter(partial(_take, iter(records)), []):
            async with reaching(self.broker):
                await self._send(self._producer, chunk)
            sent += len(chunk)
        return sent

    async def _send(self, producer: AIOKafkaProducer, chunk: list[Record]) -> None:
        targets: dict[str, list[list[Content]]] = {}
        route = self._route
        no_headers: Headers = []
        for topic, key, value in chunk:
            contents = targets.get(topic)
            if contents is None:
                contents = targets[topic] = [[] for _ in range(self._count(topic))]
            contents[route(key, len(contents))].append((key, value, no_headers))
        await asyncio.gather(
            *(
                self._deliver(producer, topic, partition, found)
                for topic, contents in targets.items()
                for partition, found in enumerate(contents)
                if found
            )
        )

    def _count(self, topic: str) -> int:
        if topic not in self._partitions:
            raise TopicError(f"no topic {topic}: run `streamproc topics create` first")
        return self._partitions[topic]

    async def _deliver(self, producer: AIOKafkaProducer, topic: str, partition: int, found: list[Content]) -> None:
        delivered = [await producer.send_batch(one, topic, partition=partition) for one in batches(producer, found)]
        await asyncio.gather(*delivered)


def _take(records: Iterator[Record]) -> list[Record]:
    return list(islice(records, CHUNK))
