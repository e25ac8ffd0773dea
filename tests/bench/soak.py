"""Memory and lag over a long run: `make soak` or `python tests/bench/soak.py [--minutes 30] [--rate N]`.

An embedded broker, one worker of each stage, a simulated organisation with `PER_DAY` events a day. First a backlog of
`WARM_DAYS`, longer than the horizons of what there is much of (ids 7 days, longest rolling window 90, e-mails and
meetings 97): how fast it is worked off tells what the machine manages with full windows. Then events come at half of
that rate, or `--rate`, for `--minutes`. Time runs as much faster as there are more events than `PER_DAY`; it is told
to the broker as the records' times, and windows slide by the events' clock. Leads are kept for 400 days, deals and
customers for 800, so there will be more of them to the end of the run: the verdict allows `ENTITY_BYTES` for each.

Prints a line a minute, and at the end the verdict: memory and lag of the second half after warming up against the
first, and the largest lag. Exit code 1 if memory grew by more than 5 %, lag by more than half and 5 s, or a stage was
ever more than 60 s of its input behind. Stage 2 takes up what came while it worked on what came before: where hours
pass in a second, one such turn takes seconds, so it is two turns behind at most, and more often one.
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
from statistics import mean
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiokafka import AIOKafkaProducer
from support.workers import Cluster, publish

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.publish import record
from streamproc.bus.record_batches import partition_of
from streamproc.bus.topics import create, partials_topic, table
from streamproc.events import EVENT_TOPICS
from streamproc.simulate import Organisation

APP = "soak"
PARTITIONS = 4
DAY_S = 86_400
DAY_MS = DAY_S * 1000
START_MS = 1_750_000_000_000
REPS = 4  # few groups: time runs thousands of times faster, and each of its minutes has work for each group
PER_DAY = 6_000
WARM_DAYS = 120
GROWTH, LAG_GROWTH, LAG_GROWTH_S, LAG_S = 0.05, 0.5, 5.0, 60.0
ENTITY_BYTES = 600  # a lead, deal or customer at rest (`make bench-memory`)
STEP_S = 0.2


class Sample(NamedTuple):
    """How things stood `at_s` seconds after warming up: resident memory in MB, records that each stage has not read.

    `sent`, `partials`: events, and records that stage 1 has given to stage 2, since then.
    """

    at_s: float
    sent: int
    partials: int
    facts_mb: float
    kpis_mb: float
    facts_lag: int
    kpis_lag: int
    entities: int

    @property
    def lag_s(self) -> tuple[float, float]:
        """What each stage has not read, in seconds of its input."""
        return self.facts_lag / max(1, self.sent) * self.at_s, self.kpis_lag / max(1, self.partials) * self.at_s


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


def sample(cluster: Cluster, began: float, sent: int, before: int) -> Sample:
    pages = {}
    for name in ("facts", "kpis"):
        assert cluster.workers[name].poll() is None, f"{name} ended: {cluster.why(name)}"
        pages[name] = cluster.get(name, "/metrics")
    facts_lag, kpis_lag = (total(pages[name], r"streamproc_consumer_lag_records\{.*\}") for name in pages)
    partials = published(pages["facts"]) - before
    facts, kpis = (resident_mb(cluster.workers[name].pid) for name in pages)
    entities = total(pages["facts"], r'streamproc_state_keys\{table="entities-\d+"\}')
    return Sample(time.monotonic() - began, sent, partials, facts, kpis, facts_lag, kpis_lag, entities)


def published(page: str) -> int:
    """Records that stage 1 has given to stage 2 since its start."""
    return total(page, rf'streamproc_published_total\{{topic="{partials_topic(APP)}"\}}')


def total(page: str, series: str) -> int:
    """Sum of the series of a page of metrics."""
    return int(sum(map(float, re.findall(rf"^{series} (\S+)", page, re.MULTILINE))))


async def warm(cluster: Cluster, producer: AIOKafkaProducer, organisation: Organisation) -> float:
    """Work off the backlog; returns the events a second that the workers managed."""
    print(f"working off {WARM_DAYS} days, {WARM_DAYS * PER_DAY:,} events", flush=True)
    began, sent = time.monotonic(), 0
    for day in range(1, WARM_DAYS + 1):
        sent += await send(producer, organisation.events(START_MS + day * DAY_MS, PER_DAY / DAY_S))
    await cluster._settle()
    return sent / (time.monotonic() - began)


async def run(cluster: Cluster, minutes: float, rate: float | None) -> list[Sample]:
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        organisation = Organisation(seed=1, start_ms=START_MS, reps=REPS, flaws=0.002)
        most = await warm(cluster, producer, organisation)
        rate = rate or most / 2
        print(f"the machine manages {most:,.0f} events/s; {minutes:g} minutes at {rate:,.0f}/s follow", flush=True)
        speed = rate * DAY_S / PER_DAY
        before = published(await asyncio.to_thread(cluster.get, "facts", "/metrics"))
        begin_ms, began = organisation.now_ms, time.monotonic()
        sent, samples, next_at = 0, list[Sample](), 0.0
        while (passed := time.monotonic() - began) < minutes * 60:
            sent += await send(producer, organisation.events(begin_ms + int(passed * speed * 1000), PER_DAY / DAY_S))
            if passed >= next_at:
                samples.append(await asyncio.to_thread(sample, cluster, began, sent, before))
                tell(samples[-1], WARM_DAYS + samples[-1].at_s * speed / DAY_S)
                next_at += min(60.0, minutes * 2)
            await asyncio.sleep(STEP_S)
        return samples
    finally:
        await producer.stop()


def tell(s: Sample, day: float) -> None:
    print(
        f"{s.at_s / 60:5.1f} min, day {day:5.0f}: {s.sent:>10,} sent, facts {s.facts_mb:6.0f} MB, "
        f"{s.entities:,} entities, kpis {s.kpis_mb:6.0f} MB, "
        f"lag {s.facts_lag:7,} events and {s.kpis_lag:7,} of {s.partials:,} partial sums",
        flush=True,
    )


def verdict(samples: list[Sample]) -> bool:
    """Compare the halves."""
    first, last = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    well = True
    for name, of in (("facts", "facts_mb"), ("kpis", "kpis_mb")):
        before, after = (mean(getattr(s, of) for s in part) for part in (first, last))
        more = mean(s.entities for s in last) - mean(s.entities for s in first) if name == "facts" else 0
        kept = more * ENTITY_BYTES / 2**20
        print(f"{name}: {before:.0f} MB in the first half, {after:.0f} MB in the second", end="")
        print(f", of which {kept:.0f} MB are {more:,.0f} more entities" if kept else "", end="")
        print(f" ({(after - kept) / before - 1:+.1%})")
        well &= after - kept <= before * (1 + GROWTH)
    for stage, name in enumerate(("facts", "kpis")):
        before, after = (mean(s.lag_s[stage] for s in part) for part in (first[1:], last))
        most = max(s.lag_s[stage] for s in samples)
        print(f"lag of {name}: {before:.1f} s of its input, then {after:.1f} s; {most:.1f} s at most")
        well &= after <= before * (1 + LAG_GROWTH) + LAG_GROWTH_S and most <= LAG_S
    print(f"rate {samples[-1].sent / samples[-1].at_s:,.0f}/s")
    return well


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float)
    asked = parser.parse_args()
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
            samples = asyncio.run(run(cluster, asked.minutes, asked.rate))
            well = verdict(samples)
        finally:
            codes = cluster.stop()
        print(f"workers ended with {codes}")
        return 0 if well and set(codes.values()) == {0} else 1


if __name__ == "__main__":
    sys.exit(main())
