"""Workers that are killed, stopped, held and multiplied."""

from __future__ import annotations

import asyncio
import random
import signal

from faults.site import Site
from faults.trial import Outcome, Trial

BACKLOG = 15_000  # events: some seconds of work, so that a kill falls in the middle
LIVE, PER_S = 8_000, 1_500  # events that are sent while the workers run, and how many a second
BOTH = ("facts", "kpis")


async def sigkill(site: Site, seed: int, live: bool = False) -> Outcome:
    """SIGKILL at random times, to either stage or both at once: in work, in recovery, at start-up.

    On a backlog (few large checkpoints) or under live load (many small ones).
    """
    rng = random.Random(seed)
    history = site.simulated(LIVE if live else BACKLOG)
    await (site.clear(history) if live else site.hold(history))
    async with Trial(site, f"sigkill{'-live' if live else ''}-{seed}", history) as trial:
        trial.start(*BOTH)
        async with asyncio.TaskGroup() as group:
            if live:
                group.create_task(trial.feed(history.events, PER_S))
            for share in sorted(rng.uniform(0, 0.9) for _ in range(rng.randint(1, 2))):
                await trial.facts_at(share)
                victims = rng.choice((("facts",), ("kpis",), BOTH))
                # The random time is the case, nothing is waited for; the kpis stage comes after the facts.
                await asyncio.sleep(rng.uniform(0, 0.7 if "facts" in victims else 3))
                trial.kill(*victims)
        return await trial.outcome()


async def kill_point(site: Site, seed: int, stage: str, point: str) -> Outcome:
    """SIGKILL at a marked point of the code (`streamproc/bus/kill_points.py`): the worker must have died just there."""
    history = site.simulated(BACKLOG)
    await site.hold(history)
    async with Trial(site, f"kill-{stage}-{point}-{seed}", history) as trial:
        other = "kpis" if stage == "facts" else "facts"
        trial.start(other)
        passage = f"{point}:{random.Random(seed).randint(1, 6)}"
        if point == "recovery":
            trial.start(stage)
            await trial.facts_at(0.2)
            await trial.stop(stage)
            passage = f"{point}:{(seed - 1) % 4 + 1}"  # each of the four tasks recovers
        if point == "revoke":
            passage = f"{point}:2"  # the first one is that of joining, without partitions
        trial.start(stage, STREAMPROC_KILL_AT=passage)
        if point == "revoke":
            await trial.facts_at(0.05)
            trial.start(f"{stage}-2")
        await trial.ended(stage, -signal.SIGKILL)
        return await trial.outcome()


async def sigterm(site: Site, seed: int) -> Outcome:
    """SIGTERM to the facts worker under load: exit code 0 within 30 s, and nothing is processed a second time.

    What the old worker has processed is exactly what it has committed, and its successor takes in only the rest.
    """
    history = site.simulated(BACKLOG)
    await site.hold(history)
    async with Trial(site, f"sigterm-{seed}", history) as trial:
        trial.start(*BOTH)
        await trial.facts_at(random.Random(seed).uniform(0.01, 0.6))
        taken = asyncio.create_task(asyncio.to_thread(_taken_at_last, trial))
        code = await trial.stop("facts", within_s=30)
        processed = await taken
        committed = await trial.taken()
        wrong = [] if code == 0 else [f"exit code {code}, expected 0"]
        if processed != committed:
            wrong.append(f"the worker had processed {processed} records and committed {committed}")
        trial.start("facts")
        outcome = await trial.outcome()
        again = await asyncio.to_thread(_taken, trial)
        if committed + again != (everything := await trial.taken()):
            wrong.append(f"{committed} records before and {again} after are not {everything}")
        return outcome._replace(wrong=wrong + outcome.wrong)


def _taken(trial: Trial) -> int:
    """Records that the running facts worker has processed, by its metrics."""
    names = ("events_total", "events_rejected_total", "events_duplicate_total")
    page = trial.cluster.get("facts", "/metrics").splitlines()
    return round(
        sum(float(line.split()[-1]) for line in page if line.startswith(tuple(f"streamproc_{n}{{" for n in names)))
    )


def _taken_at_last(trial: Trial) -> int:
    """The same, the last time that the worker could be asked: /metrics is served until all is committed."""
    found = 0
    while True:
        try:
            found = _taken(trial)
        except OSError:
            return found


async def scale(site: Site, seed: int, rounds: int = 5) -> Outcome:
    """Workers of both stages 1 → 3 → 2 → 1 under load, again and again."""
    history = site.simulated(30_000)
    await site.clear(history)
    async with Trial(site, f"scale-{seed}", history) as trial:
        trial.start(*BOTH)
        scaled = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(trial.feed(history.events, 100, scaled))
            for _ in range(rounds):
                trial.start("facts-2", "kpis-2", "facts-3", "kpis-3")
                await _shared(trial, "", "-2", "-3")
                assert await _stop(trial, "-2") == [0, 0]
                await _shared(trial, "", "-3")
                assert await _stop(trial, "-3") == [0, 0]
                await _shared(trial, "")
            scaled.set()
        return await trial.outcome()


async def _shared(trial: Trial, *names: str) -> None:
    for stage in BOTH:
        await trial.shared(*(stage + name for name in names))


async def _stop(trial: Trial, name: str) -> list[int]:
    return list(await asyncio.gather(*(trial.stop(stage + name) for stage in BOTH)))


async def sigstop(site: Site, seed: int) -> Outcome:
    """SIGSTOP past the session timeout, then SIGCONT: the zombie wakes up after others have taken over its tasks."""
    history = site.simulated(LIVE)
    await site.clear(history)
    victims = (("facts",), ("kpis",), BOTH)[seed % 3]
    async with Trial(site, f"sigstop-{seed}", history) as trial:
        trial.start("facts", "facts-2", "kpis", "kpis-2")
        await _shared(trial, "", "-2")
        async with asyncio.TaskGroup() as group:
            group.create_task(trial.feed(history.events, PER_S / 3))
            await trial.facts_at(random.Random(seed).uniform(0.05, 0.5))
            for victim in victims:
                trial.cluster.signal(victim, signal.SIGSTOP)
            for victim in victims:
                await trial.shared(f"{victim}-2")
            for victim in victims:
                trial.cluster.signal(victim, signal.SIGCONT)
        return await trial.outcome()
