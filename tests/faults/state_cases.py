"""The topics that state and offsets belong to: compacted, or not the same any more. And clocks that jump."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from aiokafka import AIOKafkaProducer

from faults.history import HOUR_MS
from faults.site import PARTITIONS, Site
from faults.trial import MINUTE_MS, Outcome, Trial
from streamproc.bus.topics import partials_topic, table
from streamproc.events import EVENT_TOPICS
from streamproc.supervise import NEEDS_PERSON

EVENTS = 10_000
BOTH = ("facts", "kpis")
COMPACT = {
    "cleanup.policy": "compact",
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
}
TOMBSTONES, NO_KEY = 50, b"seen/no-such-"
COMPACTED_S = 60.0


async def compacted(site: Site, seed: int) -> Outcome:
    """The changelogs are compacted while the workers are down, and end with tombstones that are then compacted too."""
    history = site.simulated(EVENTS)
    await site.clear(history)
    async with Trial(site, f"compacted-{seed}", history) as trial:
        changelogs = [f"{trial.app}-{stage}-changelog" for stage in BOTH]
        for topic in changelogs:
            await site.configure(topic, COMPACT)
        await site.publish(history.part(0, 2))
        trial.start(*BOTH)
        await trial.settled()
        assert [await trial.stop(stage) for stage in BOTH] == [0, 0]
        for topic in changelogs:
            await _end_with_tombstones(trial, topic)
        await site.publish(history.part(1, 2))
        trial.start(*BOTH)
        return await trial.outcome()


async def _end_with_tombstones(trial: Trial, topic: str) -> None:
    """Deletions of keys that are not there; then wait until only the latest record of each key is left."""
    producer = AIOKafkaProducer(bootstrap_servers=trial.site.bootstrap)
    await producer.start()
    deadline = time.monotonic() + COMPACTED_S
    try:
        while True:
            for partition in range(PARTITIONS):
                for number in range(TOMBSTONES):
                    await producer.send(topic, None, key=b"%s%d" % (NO_KEY, number), partition=partition)
            await producer.flush()
            found = [one for one in await trial.read(topic) if not one.key.startswith(NO_KEY)]
            if len(found) == len({(one.partition, one.key) for one in found if one.value is not None}):
                return
            assert time.monotonic() < deadline, f"{topic} is not compacted: {len(found)} records"
            await asyncio.sleep(1)  # the next deletions close the segment that these are in
    finally:
        await producer.stop()


async def recreated(site: Site, seed: int, refilled: bool = False) -> Outcome:
    """A topic is deleted and made anew while the workers are down: they refuse to start and say what to do.

    `refilled`: the event topics, with as many records as before, so that the offsets fit.
    """
    history = site.simulated(2_000)
    await site.clear(history)
    async with Trial(site, f"recreated-{refilled}-{seed}", history) as trial:
        stage, topics = (
            ("facts", EVENT_TOPICS),
            ("kpis", (partials_topic(trial.app),)),
            ("facts", (f"{trial.app}-facts-changelog",)),
            ("kpis", (f"{trial.app}-kpis-changelog",)),
        )[0 if refilled else seed % 4]
        await site.publish(history.events)
        trial.start(*BOTH)
        outcome = await trial.outcome()
        assert [await trial.stop(name) for name in BOTH] == [0, 0]
        await site.delete(topics)
        await site.create(spec for spec in table(trial.app, PARTITIONS) if spec.name in topics)
        if refilled:
            await site.publish(history.events)
        trial.start(stage)
        await trial.until(lambda: bool(trial.cluster.ends), f"{stage} refuses to start")
        wrong = trial.not_said(stage, "made anew", "STREAMPROC_APP")
        if [(end.name, end.code) for end in trial.cluster.ends] != [(stage, NEEDS_PERSON)]:
            wrong.append(f"ended: {trial.ends()}, expected {stage} {NEEDS_PERSON}")
        return outcome._replace(wrong=outcome.wrong + wrong, ends=trial.ends())


AHEAD_S, BEHIND_S, TOO_FAR_S = 3_000, -7_200, 7_200
SEEN_S = 1  # after so long a process sees that its clock has jumped


async def clock_jumps(site: Site, seed: int) -> Outcome:
    """The system clock of both workers jumps 50 min forward, two hours behind, two hours forward, and comes back.

    Windows slide by the wall clock here. The clock record in `kpi.values` says how far, it never goes back, and values
    hold as of then. Kafka refuses records stamped more than an hour ahead, so with such a clock nothing is committed.
    """
    minute = int(time.time()) // 60 - seed
    history = site.simulated(EVENTS, end_ms=minute * MINUTE_MS - 3 * HOUR_MS)  # not ahead of any of these clocks
    await site.clear(history)
    clock = site.folder / f"clock-{seed}.txt"
    _set(clock, 0)
    env = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": str(SEEN_S),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with Trial(site, f"clock-{seed}", history, clock="wall", **env) as trial:
        trial.start(*BOTH)
        for index, jump_s in enumerate((0, AHEAD_S, BEHIND_S, TOO_FAR_S, 0)):
            _set(clock, jump_s)
            await asyncio.sleep(2 * SEEN_S)
            await site.publish(history.part(index, 5))
            if jump_s == TOO_FAR_S:
                for stage in BOTH:
                    await trial.ended(stage, 1)
            else:
                await trial.settled()
        outcome = await trial.outcome()
        ahead_s = (await trial.clock_ms()) / 1000 - time.time()
        wrong = (
            [] if AHEAD_S - 600 < ahead_s <= AHEAD_S else [f"the clock record is {ahead_s:.0f} s ahead, not {AHEAD_S}"]
        )
        return outcome._replace(wrong=outcome.wrong + wrong)


def _set(clock: Path, jump_s: int) -> None:
    """In one step: the workers read it all the time."""
    new = clock.with_suffix(".new")
    new.write_text(f"{jump_s:+d}")
    new.replace(clock)


def library() -> Path:
    """Where Debian's package faketime has its library. Raises FileNotFoundError."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise FileNotFoundError("no libfaketimeMT.so.1 under /usr/lib: apt install faketime")
    return found[0]
