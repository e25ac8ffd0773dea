"""Memory and lag over a long run: `make soak` or `python tests/bench/soak.py [--minutes 30] [--days 250] [--rate N]`.

An embedded broker, one worker of each stage, a simulated organisation at half of the rate that the machine manages
(measured first, or `--rate`). To come past the horizons of what there is much of (ids 7 days, longest rolling window
90, e-mails and meetings 97), time runs faster: the run covers `--days` of arrival and event time, told to the broker as
the records' times; windows slide by the events' clock. Warm is what is older than `WARM_DAYS`. Deals and packed day
slices are kept for 800 days, so they go on growing; that they are few is what the verdict must show, too.

Prints a line a minute, and at the end the verdict: memory of the second half after warming up against the first, and
the largest lag. Exit code 1 if memory grew by more than 5 % or the lag by more than 20 s of input.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiokafka import AIOKafkaProducer
from support.workers import Cluster, publish

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.publish import record
from streamproc.bus.record_batches import partition_of
from streamproc.bus.topics import create, table
from streamproc.events import EVENT_TOPICS
from streamproc.simulate import Organisation

APP = "soak"
PARTITIONS = 4
DAY_MS = 86_400_000
START_MS = 1_750_000_000_000
REPS = 4  # few groups: at 10,000 times the speed of time, each second has the work of three full hours for each group
PROBE_EVENTS = 60_000  # to find out what the machine manages
WARM_DAYS = 120
GROWTH, LAG_S = 0.05, 20.0
STEP_S = 0.2


class Sample(NamedTuple):
    """How things stood `at_s` seconds into the run: resident memory in MB, events not read yet."""

    at_s: float
    sent: int
    facts_mb: float
    kpis_mb: float
    lag: float


async def send(producer: AIOKafkaProducer, found: Iterable[tuple[int, str, bytes, bytes]]) -> int:
    """Events with their simulated arrival as the record's time; returns their number."""
    targets: dict[tuple[str, int], list[tuple[int, bytes, bytes]]] = {}
    for arrival_ms, topic, key, line in found:
        targets.setdefault((topic, partition_of(key, PARTITIONS)), []).append((arrival_ms, key, line))
    delivered: list[Any] = []
    for (topic, partition), records in targets.items():
        batch = producer.create_batch()
        for arrival_ms, key, line in records:
            if batch.append(timestamp=arrival_ms, key=key, value=line) is None:
                delivered.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=arrival_ms, key=key, value=line)
        delivered.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*delivered)
    return sum(map(len, targets.values()))


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def sample(cluster: Cluster, began: float, sent: int) -> Sample:
    lag = 0.0
    for name in ("facts", "kpis"):
        assert cluster.workers[name].poll() is None, f"{name} ended: {cluster.why(name)}"
        page = cluster.get(name, "/metrics")
        lag = max(lag, sum(map(float, re.findall(r"streamproc_consumer_lag_records\{.*\} (\S+)", page))))
    facts, kpis = (resident_mb(cluster.workers[name].pid) for name in ("facts", "kpis"))
    return Sample(time.monotonic() - began, sent, facts, kpis, lag)


async def probe(cluster: Cluster, producer: AIOKafkaProducer, organisation: Organisation, sim_rate: float) -> float:
    """Events a second that the workers manage when there is a backlog."""
    until_ms = organisation.now_ms + int(PROBE_EVENTS / sim_rate * 1000)
    began = time.monotonic()
    sent = await send(producer, organisation.events(until_ms, sim_rate))
    await cluster._settle()
    return sent / (time.monotonic() - began)


async def run(cluster: Cluster, minutes: float, days: float, rate: float | None) -> list[Sample]:
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        organisation = Organisation(seed=1, start_ms=START_MS, reps=REPS, flaws=0.002)
        speed = days * 86_400 / (minutes * 60)
        if rate is None:
            most = await probe(cluster, producer, organisation, 2_000 / speed)
            rate = most / 2
            print(f"the machine manages {most:,.0f} events/s; going on at {rate:,.0f}/s for {minutes:g} minutes")
        begin_ms, began = organisation.now_ms, time.monotonic()
        sent, samples, next_at = 0, [], 0.0
        while (passed := time.monotonic() - began) < minutes * 60:
            sent += await send(producer, organisation.events(begin_ms + int(passed * speed * 1000), rate / speed))
            if passed >= next_at:
                samples.append(await asyncio.to_thread(sample, cluster, began, sent))
                tell(samples[-1], speed)
                next_at += min(60.0, minutes * 2)
            await asyncio.sleep(STEP_S)
        return samples
    finally:
        await producer.stop()


def tell(s: Sample, speed: float) -> None:
    print(
        f"{s.at_s / 60:5.1f} min, day {s.at_s * speed / 86_400:5.0f}: {s.sent:>10,} sent, facts {s.facts_mb:6.0f} MB, "
        f"kpis {s.kpis_mb:6.0f} MB, lag {s.lag:8,.0f}",
        flush=True,
    )


def verdict(samples: list[Sample], speed: float) -> bool:
    """Compare the halves of the time after warming up."""
    warm = [s for s in samples if s.at_s * speed >= WARM_DAYS * 86_400]
    first, last = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    well = True
    for name, of in (("facts", 2), ("kpis", 3)):
        before, after = (sum(s[of] for s in part) / len(part) for part in (first, last))
        print(f"{name}: {before:.0f} MB in the first half after day {WARM_DAYS}, {after:.0f} MB in the second", end="")
        print(f" ({after / before - 1:+.1%})")
        well &= after <= before * (1 + GROWTH)
    most, rate = max(s.lag for s in samples), samples[-1].sent / samples[-1].at_s
    print(f"rate {rate:,.0f}/s, largest lag {most:,.0f} events ({most / rate:.1f} s of input)")
    return well and most / rate <= LAG_S


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--days", type=float, default=250)
    parser.add_argument("--rate", type=float)
    asked = parser.parse_args()
    if asked.days < 2 * WARM_DAYS:
        parser.error(f"--days {asked.days:g}: expected at least {2 * WARM_DAYS}, for it takes {WARM_DAYS} to warm up")
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka() as kafka:
        specs = [
            replace(spec, log_append_time=False) if spec.name in EVENT_TOPICS else spec
            for spec in table(APP, PARTITIONS)
        ]
        asyncio.run(create(Broker(kafka.bootstrap), specs))
        publish(
            kafka.bootstrap, [record(line) for line in Organisation(seed=1, start_ms=START_MS, reps=REPS).reference()]
        )
        cluster = Cluster(kafka.bootstrap, APP, Path(folder), clock="event")
        try:
            for stage in ("kpis", "facts"):
                cluster.start(stage, stage)
                cluster.wait_ready(stage)
            samples = asyncio.run(run(cluster, asked.minutes, asked.days, asked.rate))
            well = verdict(samples, asked.days * 86_400 / (asked.minutes * 60))
        finally:
            codes = cluster.stop()
        print(f"workers ended with {codes}")
        return 0 if well and set(codes.values()) == {0} else 1


if __name__ == "__main__":
    sys.exit(main())
