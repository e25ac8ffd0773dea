"""How far topics and groups are: ends and committed offsets, asked again and again over connections that stay open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from streamproc.bus.follow import topic_partitions

ANSWER_S = 5.0  # a broker that takes longer is away

Found = dict[TopicPartition, int]


class Away(Exception):
    """The broker did not answer."""


class Offsets:
    """Async context manager. Every question raises Away when the broker does not answer; ask again later."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._clients: tuple[AIOKafkaConsumer, AIOKafkaAdminClient] | None = None
        self._partitions: dict[str, list[TopicPartition]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._close()

    async def ends(self, topics: Iterable[str]) -> Found:
        """High watermarks: records of open transactions are counted too."""

        async def ask(consumer: AIOKafkaConsumer, _admin: Any) -> Found:
            for topic in topics:
                if topic not in self._partitions:
                    self._partitions[topic] = await topic_partitions(consumer, topic)
            return dict(await consumer.end_offsets([tp for topic in topics for tp in self._partitions[topic]]))

        return await self._ask(ask)

    async def committed(self, group: str, topics: Iterable[str]) -> Found:
        """Committed offsets of a group; nothing for partitions without one."""

        async def ask(_consumer: Any, admin: AIOKafkaAdminClient) -> Found:
            try:
                found = await admin.list_consumer_group_offsets(group)
            except GroupCoordinatorNotAvailableError:  # nobody has formed a group on this broker yet
                return {}
            return {tp: meta.offset for tp, meta in found.items() if tp.topic in set(topics) and meta.offset >= 0}

        return await self._ask(ask)

    async def _ask(self, question: Any) -> Found:
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._clients is None:
                    await self._open()
                assert self._clients is not None
                found: Found = await question(*self._clients)
                return found
        except (KafkaError, OSError, TimeoutError, LookupError) as error:
            await self._close()
            raise Away(f"{type(error).__name__}: {error}") from error

    async def _open(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, isolation_level="read_uncommitted")
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        self._clients = consumer, admin
        await consumer.start()
        await admin.start()

    async def _close(self) -> None:
        if self._clients is not None:
            clients, self._clients = self._clients, None
            self._partitions = {}
            for end in (clients[0].stop, clients[1].close):
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    await asyncio.wait_for(end(), ANSWER_S)
