"""One broker for all trials: its topics and what is in them, its process, and a second way in through a proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from support.workers import free_port

from faults.history import History, simulated
from faults.proxy import Proxy
from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.publish import Publisher, Record
from streamproc.bus.topics import TopicSpec, create, table

HOST = "127.0.0.1"
# The cleaner looks twice a second, for the case of the compacted changelog.
CONFIG = """\
listeners=BROKER://{{host}}:{{port}},PROXIED://{{host}}:{inner},CONTROLLER://{{host}}:{{controller_port}}
advertised.listeners=BROKER://{{host}}:{{port}},PROXIED://{{host}}:{proxy}
listener.security.protocol.map=BROKER:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
log.cleaner.backoff.ms=500
"""
PARTITIONS = 4
GONE_S = 30.0


class Site:
    """`broker` may be stopped, killed and started again: its port and data stay. As a context manager it runs.

    `size`: share of their events that the trials send.
    """

    def __init__(self, folder: Path, size: float = 1.0) -> None:
        self.folder = folder
        self.size = size
        self.inner_port, self.proxy_port = free_port(), free_port()
        port = free_port()
        self.bootstrap = f"{HOST}:{port}"
        self.proxied = f"{HOST}:{self.proxy_port}"  # who begins here is sent through the proxy for everything
        config = CONFIG.format(inner=self.inner_port, proxy=self.proxy_port)
        self.broker = EmbeddedKafka(folder / "kafka", port, config=config)
        self._held: History | None = None

    def __enter__(self) -> Site:
        self.broker.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.broker.stop()

    def proxy(self) -> Proxy:
        """The way of `proxied`; to be entered before anyone uses it."""
        return Proxy(self.proxy_port, self.inner_port)

    def simulated(self, events: int, end_ms: int | None = None) -> History:
        """Two days of about so many events, in this site's size."""
        return simulated(round(events * self.size), days=2, end_ms=end_ms)

    async def hold(self, history: History) -> None:
        """Have exactly this history in the event topics, for as many trials as want to read it."""
        if self._held is not history:
            await self.clear()
            await self.publish([*history.setup, *history.events])
            self._held = history

    async def clear(self, history: History | None = None) -> None:
        """Have empty event topics, and the reference data of a history if it is given."""
        self._held = None
        async with self.admin() as admin:
            names = [name for name in await admin.list_topics() if not name.startswith("__")]
        await self.delete(names)
        await self.create(spec for spec in table("no", PARTITIONS) if not spec.name.startswith(("no-", "kpi.partials")))
        if history is not None:
            await self.publish(history.setup)

    async def publish(self, records: Iterable[Record]) -> None:
        self._held = None
        async with Publisher(Broker(self.bootstrap)) as publisher:
            await publisher.publish(records)

    async def create(self, specs: Iterable[TopicSpec]) -> None:
        await create(Broker(self.bootstrap), list(specs))

    async def delete(self, names: Iterable[str]) -> None:
        """Delete topics; returns when they are gone."""
        wanted = set(names)
        async with self.admin() as admin, asyncio.timeout(GONE_S):
            while found := wanted & set(await admin.list_topics()):
                await admin.delete_topics(list(found))

    async def configure(self, topic: str, config: dict[str, str]) -> None:
        """Set the configuration of a topic; what is not named goes back to Kafka's defaults."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)
        async with self.admin() as admin:
            (answer,) = await admin.alter_configs([resource])
            assert not answer.resources[0][0], answer

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()
