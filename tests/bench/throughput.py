"""Events a second through the workers, catching up on a backlog: wall clock, exactly once, all outputs.

A tenth of the events is warm-up. "Facts" is the rate until stage 1 has committed everything, "whole path" until stage 2
has, too. Until then goes the processor time, too.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from processor import cpu_s
from support.build import line
from support.offsets import Offsets
from support.workers import Cluster, publish

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.publish import Record, record
from streamproc.bus.topics import create, table
from streamproc.events import CRM
from streamproc.simulate import Organisation

APP = "bench"
RATE = 2_000.0  # events a second of event time: how densely they lie
WARM_UP = 1 / 10
LOOK_S = 0.1
REPS = 200
ONE_KPI = (str(Path(__file__).with_name("one_kpi.py")),)


class Rates(NamedTuple):
    """Events a second, and µs of processor time an event by process."""

    facts: float
    whole: float
    cpu_us: dict[str, float]


@dataclass
class Measured(Cluster):
    """`broker`: id of its process."""

    broker: int = 0


@contextmanager
def cluster_of(program: tuple[str, ...] = ("-m", "streamproc"), partitions: int = 4) -> Iterator[Measured]:
    """Workers to be, on a broker of their own with all topics. Those that run at the end are stopped."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka() as kafka:
        asyncio.run(create(Broker(kafka.bootstrap), table(APP, partitions)))
        cluster = Measured(kafka.bootstrap, APP, Path(folder), clock="wall", program=program, broker=kafka.pid or 0)
        try:
            yield cluster
        finally:
            cluster.stop()


def simulated(events: int) -> tuple[list[Record], list[Record]]:
    """Reference data, and about so many events of all types until now."""
    end_ms = int(time.time() * 1000)
    organisation = Organisation(seed=1, start_ms=end_ms - int(events / RATE * 1000), flaws=0)
    found = [(topic, key, raw) for _, topic, key, raw in organisation.events(end_ms, RATE)]
    return [record(raw) for raw in organisation.reference()], found


def calls(events: int) -> Iterator[Record]:
    """Calls of 200 reps until now, as their only events; a rep's have the same key, so that no peer must sort them."""
    begin_ms = int(time.time() * 1000 - events / RATE * 1000)
    for n in range(events):
        rep = f"rep-{n * 7919 % REPS:03d}"
        data = {"rep": rep, "direction": "outbound", "outcome": "connected", "duration_s": 180}
        at_ms = begin_ms + int(n / RATE * 1000)
        yield CRM, f"call/{rep}".encode(), line("call.logged", rep, at_ms, id=f"call-{n:09d}", **data)


def whole_path(events: int) -> Rates:
    """All KPIs over simulated events of all types."""
    with cluster_of() as cluster:
        reference, found = simulated(events)
        publish(cluster.bootstrap, reference)
        publish(cluster.bootstrap, found)
        start(cluster, "kpis", "facts")
        return measure(cluster, len(found))


def one_kpi(events: int) -> Rates:
    """One KPI by rep over calls."""
    with cluster_of(ONE_KPI) as cluster:
        publish(cluster.bootstrap, calls(events))
        start(cluster, "kpis", "facts")
        return measure(cluster, events)


def facts_alone(events: int, workers: int) -> float:
    """Events a second through stage 1 of all KPIs, in so many processes; stage 2 does not run."""
    with cluster_of() as cluster:
        reference, found = simulated(events)
        publish(cluster.bootstrap, reference)
        start(cluster, *(f"facts-{n}" for n in range(workers)))
        publish(cluster.bootstrap, found)
        return measure(cluster, len(found), ("facts",)).facts


def start(cluster: Cluster, *names: str) -> None:
    """Workers named after their stages, ready."""
    for name in names:
        cluster.start(name, name.partition("-")[0])
    for name in names:
        cluster.wait_ready(name)


def measure(cluster: Measured, events: int, stages: tuple[str, ...] = ("facts", "kpis")) -> Rates:
    """After the warm-up until each of the stages, one after the other, has committed everything."""
    pids = {name: process.pid for name, process in cluster.workers.items()} | {"broker": cluster.broker}

    async def run() -> Rates:
        async with Offsets(cluster.bootstrap) as offsets:
            while (done := (await cluster.progress(offsets, "facts")).done) < events * WARM_UP:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            began, rates = time.monotonic(), []
            spent_s = {name: cpu_s(pid) for name, pid in pids.items()}
            for stage in stages:
                while (await cluster.progress(offsets, stage)).lag != 0:  # noqa: ASYNC110 (the broker tells nobody)
                    await asyncio.sleep(LOOK_S)
                rates.append((events - done) / (time.monotonic() - began))
            cpu_us = {name: (cpu_s(pid) - spent_s[name]) / (events - done) * 1e6 for name, pid in pids.items()}
            return Rates(rates[0], rates[-1], cpu_us)

    return asyncio.run(run())
