"""From an event's sending to its value in `kpi.values`, under load: calls of a rep of their own among many events.

Each probe is one more call of the rep; its value has come when a record with that many calls can be read (committed).
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition
from support.build import line
from support.workers import Cluster, publish
from throughput import cluster_of, start

from streamproc.bus.connection import Broker
from streamproc.bus.publish import record
from streamproc.bus.record_batches import partition_of
from streamproc.events import CRM
from streamproc.simulate import Organisation

PARTITIONS = 4
REP = "rep-of-probes"
LOAD_S, WARM_S = 60.0, 20.0  # of load, of which the beginning is not measured
GENERATING = 1 / 10_000  # seconds that an event takes to be simulated, at most
STEP_S, PROBE_S = 0.02, 0.25
LAST_S = 30.0  # for the last values to come


class Latency(NamedTuple):
    """Seconds: median and 99th percentile, and the longest. `lost`: probes without a value in time."""

    p50: float
    p99: float
    longest: float
    lost: int


class Send(NamedTuple):
    """What is to be sent, and when (epoch ms)."""

    at_ms: int
    topic: str
    key: bytes
    value: bytes


def latency(events_per_s: float) -> Latency:
    with cluster_of(partitions=PARTITIONS) as cluster:
        begin_ms = int((time.time() + 20 + LOAD_S * events_per_s * GENERATING) * 1000)
        organisation = Organisation(seed=1, start_ms=begin_ms, flaws=0)
        publish(cluster.bootstrap, [record(raw) for raw in organisation.reference()])
        found = organisation.events(begin_ms + int(LOAD_S * 1000), events_per_s)
        load = sorted([*(Send(*one) for one in found), *probes(begin_ms)], key=lambda one: one.at_ms)
        start(cluster, "kpis", "facts")
        assert time.time() * 1000 < begin_ms, "it took too long to simulate the events"
        return asyncio.run(run(cluster, load, begin_ms))


def probes(begin_ms: int) -> Iterator[Send]:
    for n in range(int(LOAD_S / PROBE_S)):
        at_ms = begin_ms + int(n * PROBE_S * 1000)
        name = f"probe-{n}"
        yield Send(at_ms, CRM, f"call/{name}".encode(), line("call.logged", name, at_ms, rep=REP, outcome="connected"))


async def run(cluster: Cluster, load: list[Send], begin_ms: int) -> Latency:
    came: list[tuple[int, float]] = []  # calls counted so far, and when that could be read (epoch s)
    reader = asyncio.create_task(read(cluster.bootstrap, came))
    sent = await play(cluster.bootstrap, load)
    last, until = len(sent), time.time() + LAST_S
    while (not came or came[-1][0] < last) and time.time() < until:  # noqa: ASYNC110 (short, and for a bench)
        await asyncio.sleep(STEP_S)
    reader.cancel()
    counts = [count for count, _ in came]
    found, lost = [], 0
    for n, at_s in enumerate(sent, 1):
        if at_s * 1000 < begin_ms + WARM_S * 1000:
            continue
        place = bisect.bisect_left(counts, n)
        if place == len(came):
            lost += 1
        else:
            found.append(came[place][1] - at_s)
    cuts = quantiles(found, n=100)
    return Latency(cuts[49], cuts[98], max(found), lost)


async def play(bootstrap: str, load: list[Send]) -> list[float]:
    """Send everything when it is due; returns when each probe was sent (epoch s)."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=2)
    await producer.start()
    sent: list[float] = []
    try:
        at = 0
        while at < len(load):
            now_ms = time.time() * 1000
            while at < len(load) and load[at].at_ms <= now_ms:
                _, topic, key, value = load[at]
                await producer.send(topic, value, key=key, partition=partition_of(key, PARTITIONS))
                if key.startswith(b"call/probe-"):
                    sent.append(time.time())
                at += 1
            await asyncio.sleep(STEP_S)
        return sent
    finally:
        await producer.stop()


async def read(bootstrap: str, came: list[tuple[int, float]]) -> None:
    """Note each new value of the rep's calls."""
    wanted = f"calls|all|rep={REP}".encode()
    consumer: Any = Broker(bootstrap).consumer(auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition("kpi.values", partition_of(f"rep={REP}".encode(), PARTITIONS))])
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                now_s = time.time()
                came += [(int(orjson.loads(one.value)["value"]), now_s) for one in records if one.key == wanted]
    finally:
        await consumer.stop()
