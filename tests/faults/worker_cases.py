"""Workers that are killed, stopped, held and multiplied."""

from __future__ import annotations

import asyncio
import random
import signal

from faults.history import simulated
from faults.site import Site
from faults.trial import Outcome, Trial

BACKLOG = 20_000  # events: some seconds of work, so that a kill falls in the middle


async def sigkill(site: Site, seed: int) -> Outcome:
    """SIGKILL at random times, to either stage or both at once, in work, in recovery or at start-up."""
    rng = random.Random(seed)
    history = simulated(BACKLOG)
    await site.hold(history)
    async with Trial(site, f"sigkill-{seed}", history) as trial:
        trial.start("facts", "kpis")
        for share in sorted(rng.uniform(0, 0.9) for _ in range(rng.randint(1, 2))):
            await trial.facts_at(share)
            await asyncio.sleep(rng.uniform(0, 0.7))  # the random time is the case, nothing is waited for
            trial.kill(*rng.choice((("facts",), ("kpis",), ("facts", "kpis"))))
        return await trial.outcome()


async def kill_point(site: Site, seed: int, stage: str, point: str) -> Outcome:
    """SIGKILL at a marked point of the code (`streamproc/bus/kill_points.py`): the worker must have died just there."""
    history = simulated(BACKLOG)
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
