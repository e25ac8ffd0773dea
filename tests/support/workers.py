"""Worker processes on a real broker: start, kill, wait until everything is committed, read the values."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.structs import ConsumerRecord

from streamproc.bus.connection import Broker
from streamproc.bus.follow import read
from streamproc.bus.publish import Publisher, Record
from streamproc.bus.topics import partials_topic
from streamproc.events import EVENT_TOPICS

SETTLE_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Cluster:
    """Workers of one app id on one broker; logs go to `folder`."""

    bootstrap: str
    app: str
    folder: Path
    clock: str = "event"
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def start(self, name: str, stage: str) -> None:
        """Start a worker, or start it again under the same name: the same member of its group."""
        port = self.ports.setdefault(name, free_port())
        command = [sys.executable, "-m", "streamproc", "worker", "--stage", stage, "--port", str(port)]
        command += ["--clock", self.clock, "--bootstrap-servers", self.bootstrap, "--app", self.app]
        env = {**os.environ, "STREAMPROC_INSTANCE": name}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(command, stdout=log, stderr=log, env=env)

    def kill(self, name: str) -> None:
        process = self.workers.pop(name)
        assert process.poll() is None, f"{name} had ended before it was killed: {self.log(name)}"
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; returns exit codes."""
        for process in self.workers.values():
            process.terminate()
        return {name: process.wait(40) for name, process in self.workers.items()}

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def get(self, name: str, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=10) as response:
            return str(response.read().decode())

    def wait_ready(self, name: str) -> dict[str, Any]:
        """Wait until /ready answers with 200; returns what it says."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return dict(orjson.loads(self.get(name, "/ready")))
            except OSError:
                assert self.workers[name].poll() is None, f"{name} ended: {self.log(name)}"
                assert time.monotonic() < deadline, f"{name} is not ready: {self.log(name)}"
                time.sleep(0.1)

    def settle(self) -> None:
        """Wait until both stages have committed everything that is in their input topics."""
        asyncio.run(asyncio.wait_for(self._settle(), SETTLE_S))

    async def _settle(self) -> None:
        await _caught_up(self.bootstrap, f"{self.app}-facts", EVENT_TOPICS)
        await _caught_up(self.bootstrap, f"{self.app}-kpis", (partials_topic(self.app),))

    def committed(self, stage: str, topics: Iterable[str]) -> int:
        """Sum of the stage's committed offsets: how far it has come."""
        return sum((asyncio.run(_committed(self.bootstrap, f"{self.app}-{stage}", topics))).values())


def publish(bootstrap: str, found: Iterable[Record]) -> None:
    """Records to their topics, in order."""

    async def run() -> None:
        async with Publisher(Broker(bootstrap)) as publisher:
            await publisher.publish(found)

    asyncio.run(run())


def values(bootstrap: str) -> dict[tuple[str, str, str | None], dict[str, Any]]:
    """The latest record of every series in `kpi.values`, by (kpi, group, window)."""
    rows = {}
    for found in records(bootstrap, "kpi.values"):
        kpi, _, rest = (found.key or b"").decode().partition("|")
        window, _, group = rest.partition("|")
        if kpi == "clock":
            continue
        key = (kpi, group, window or None)
        if found.value is None:
            rows.pop(key, None)
        else:
            rows[key] = orjson.loads(found.value)
    return rows


def records(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Everything committed in a topic."""

    async def run() -> list[ConsumerRecord]:
        consumer = Broker(bootstrap).consumer(auto_offset_reset="none")
        await consumer.start()
        try:
            return [found async for chunk in read(consumer, topic, follow=False) for found in chunk]
        finally:
            await consumer.stop()

    return asyncio.run(run())


async def _caught_up(bootstrap: str, group: str, topics: Iterable[str]) -> None:
    while True:
        ends = await _ends(bootstrap, topics)
        committed = await _committed(bootstrap, group, topics)
        if all(committed.get(tp, 0) >= end for tp, end in ends.items()) and committed:
            return
        await asyncio.sleep(0.3)


async def _ends(bootstrap: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    await consumer.start()
    try:
        partitions = []
        for topic in topics:
            await consumer._client._wait_on_metadata(topic)
            partitions += [TopicPartition(topic, p) for p in consumer._client.cluster.partitions_for_topic(topic)]
        return dict(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()


async def _committed(bootstrap: str, group: str, topics: Iterable[str]) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        try:
            found = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # nobody has formed a group on this broker yet
            return {}
        return {tp: meta.offset for tp, meta in found.items() if tp.topic in set(topics) and meta.offset >= 0}
    finally:
        await admin.close()
