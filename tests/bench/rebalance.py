"""How long partitions pause when workers come and go: `make bench-rebalance` or `python tests/bench/rebalance.py`.

16 partitions, steady input of 600 events/s, facts workers 1 → 2 → 3 → 2 (SIGTERM) → 1 (SIGKILL). A partition pauses
while it has input and none of its checkpoints is committed; the group's offsets are looked at every 0.1 s. Prints, for
each change, the longest pause of the partitions that stayed with their worker and of those that moved.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import orjson
from aiokafka.admin import AIOKafkaAdminClient
from support.workers import Cluster

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.publish import Publisher
from streamproc.bus.topics import create, table
from streamproc.events import EVENT_TOPICS
from streamproc.simulate import Organisation

APP = "rebalance"
PARTITIONS = 16
RATE = 600.0
LOOK_S = 0.1
AROUND_S = 8.0  # steady input before and after each change


class Watch:
    """The longest time without progress, by partition, since `begin`. All partitions always have input."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.longest: dict[int, float] = {}
        self._offsets: dict[int, int] = {}
        self._moved_at: dict[int, float] = {}

    def begin(self) -> None:
        self.longest = dict.fromkeys(range(PARTITIONS), 0.0)

    async def run(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            while True:
                offsets = dict.fromkeys(range(PARTITIONS), 0)
                for tp, found in (await admin.list_consumer_group_offsets(f"{APP}-facts")).items():
                    if tp.topic in EVENT_TOPICS:
                        offsets[tp.partition] += found.offset
                self._note(offsets, time.monotonic())
                await asyncio.sleep(LOOK_S)
        finally:
            await admin.close()

    def _note(self, offsets: dict[int, int], now: float) -> None:
        for partition, offset in offsets.items():
            if offset != self._offsets.get(partition):
                self._offsets[partition] = offset
                self._moved_at[partition] = now
            pause = now - self._moved_at[partition]
            self.longest[partition] = max(self.longest.get(partition, 0.0), pause)


async def feed(bootstrap: str) -> None:
    organisation = Organisation(seed=1, start_ms=int(time.time() * 1000))
    async with Publisher(Broker(bootstrap)) as publisher:
        while True:
            events = organisation.events(int(time.time() * 1000), RATE)
            await publisher.publish((topic, key, line) for _, topic, key, line in events)
            await asyncio.sleep(0.05)


def owners(cluster: Cluster) -> dict[int, str]:
    found = {}
    for name in cluster.workers:
        try:
            answer = cluster.get(name, "/ready")
        except OSError:
            continue
        found |= dict.fromkeys(orjson.loads(answer)["partitions"], name)
    return found


async def settled(cluster: Cluster, workers: int) -> dict[int, str]:
    """Wait until all partitions are shared out among so many workers."""
    while True:
        found = await asyncio.to_thread(owners, cluster)
        if len(found) == PARTITIONS and len(set(found.values())) == workers:
            return found
        await asyncio.sleep(0.2)


async def change(cluster: Cluster, watch: Watch, what: str, workers: int, act: Callable[[], object]) -> None:
    before = await settled(cluster, len(cluster.workers)) if cluster.workers else {}
    await asyncio.sleep(AROUND_S)
    watch.begin()
    await asyncio.to_thread(act)
    after = await settled(cluster, workers)
    await asyncio.sleep(AROUND_S)
    pauses: dict[str, list[float]] = {"stayed": [], "moved": []}
    for partition, pause in watch.longest.items():
        pauses["stayed" if before.get(partition) == after[partition] else "moved"].append(pause)
    told = ", ".join(f"{len(p)} {kind}: at most {max(p, default=0):.1f} s" for kind, p in pauses.items())
    print(f"{what:<24} {told}", flush=True)


async def run(cluster: Cluster) -> None:
    watch = Watch(cluster.bootstrap)
    cluster.start("a", "facts")
    await asyncio.to_thread(cluster.wait_ready, "a")
    background = [asyncio.create_task(feed(cluster.bootstrap)), asyncio.create_task(watch.run())]
    try:
        await change(cluster, watch, "nothing", 1, lambda: None)
        await change(cluster, watch, "1 → 2", 2, lambda: cluster.start("b", "facts"))
        await change(cluster, watch, "2 → 3", 3, lambda: cluster.start("c", "facts"))
        await change(cluster, watch, "3 → 2, SIGTERM", 2, lambda: terminate(cluster, "c"))
        await change(cluster, watch, "2 → 1, SIGKILL", 1, lambda: cluster.kill("b"))
        for task in background:
            assert not task.done(), task.exception()
    finally:
        for task in background:
            task.cancel()


def terminate(cluster: Cluster, name: str) -> None:
    process = cluster.workers.pop(name)
    process.terminate()
    assert process.wait(40) == 0, cluster.log(name)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka() as kafka:
        asyncio.run(create(Broker(kafka.bootstrap), table(APP, PARTITIONS)))
        cluster = Cluster(kafka.bootstrap, APP, Path(folder), clock="wall")
        try:
            asyncio.run(run(cluster))
            for name in ("a", "b", "c"):
                print(name, re.findall(r"restored in .*", cluster.log(name)))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
