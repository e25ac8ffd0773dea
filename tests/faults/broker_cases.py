"""A broker that is away, crashes, has no room or refuses records, and a network between that fails."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Callable

from faults.proxy import Proxy
from faults.site import Site
from faults.trial import Outcome, Trial
from streamproc.bus.topics import partials_topic, table

BACKLOG = 15_000
BOTH = ("facts", "kpis")


async def stopped(site: Site, seed: int, for_s: float) -> Outcome:
    """The broker is stopped in the middle of the work, stays away for a time, and comes back with its data."""
    history = site.simulated(3 * BACKLOG)  # so that something is left to do: its stop takes seconds
    await site.hold(history)
    async with Trial(site, f"broker-stopped-{for_s:g}s-{seed}", history) as trial:
        trial.start(*BOTH)
        await trial.facts_at(random.Random(seed).uniform(0, 0.7))
        await asyncio.to_thread(site.broker.stop)
        await asyncio.sleep(for_s)
        await asyncio.to_thread(site.broker.start)
        return await trial.outcome()


async def killed(site: Site, seed: int) -> Outcome:
    """SIGKILL to the broker while checkpoints are being committed, twice; it starts again at once."""
    rng = random.Random(seed)
    history = site.simulated(BACKLOG)
    await site.hold(history)
    async with Trial(site, f"broker-killed-{seed}", history) as trial:
        trial.start(*BOTH)
        for _ in range(2):
            await trial.facts_at(rng.uniform(0, 0.6))
            await asyncio.sleep(rng.uniform(0, 2))
            await asyncio.to_thread(site.broker.kill)
            await asyncio.to_thread(site.broker.start)
        return await trial.outcome()


async def out_of_disk(site: Site, seed: int) -> Outcome:
    """Nothing more can be written to the broker's files: it ends, and starts again when there is room.

    A limit of the size of its files stands for the full disk: the broker gets an error from the same writes.
    """
    history = site.simulated(BACKLOG)
    await site.hold(history)
    async with Trial(site, f"out-of-disk-{seed}", history) as trial:
        trial.start(*BOTH)
        await trial.facts_at(random.Random(seed).uniform(0, 0.6))
        assert site.broker.pid is not None
        _, hard = resource.prlimit(site.broker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(site.broker.pid, resource.RLIMIT_FSIZE, (64 * 1024, hard))
        await trial.until(lambda: not site.broker.is_running, "the broker ends for want of room")
        await asyncio.to_thread(site.broker.stop)
        await asyncio.to_thread(site.broker.start)
        return await trial.outcome()


async def refuses(site: Site, seed: int) -> Outcome:
    """The broker refuses what is produced to one topic for a while: the worker ends, and goes on when it is mended."""
    history = site.simulated(BACKLOG)
    await site.clear(history)
    app = f"refuses-{seed}"
    of_facts = ("facts", partials_topic(app)), ("facts", f"{app}-facts-changelog")
    stage, topic = (*of_facts, ("kpis", "kpi.values"))[seed % 3]
    async with Trial(site, app, history) as trial:
        (config,) = (spec.config for spec in table(app) if spec.name == topic)
        trial.start(*BOTH)
        await site.publish(history.part(0, 2))
        await trial.facts_at(0)
        await site.configure(topic, config | {"max.message.bytes": "10"})
        try:
            await site.publish(history.part(1, 2))
            await trial.ended(stage, 1)
        finally:
            await site.configure(topic, config)
        return await trial.outcome()


def _slow(proxy: Proxy) -> None:
    proxy.delay_s = 0.3


FAULTS: dict[str, tuple[Callable[[Proxy], None], float]] = {  # what happens to the network, and for how long (s)
    "slow": (_slow, 10),
    "cut": (Proxy.cut, 5),
    "half-open": (Proxy.swallow, 15),
}


async def network(site: Site, seed: int, fault: str) -> Outcome:
    """The network between workers and broker is slow, cut, or half open: everything is accepted, nothing answered."""
    apply, for_s = FAULTS[fault]
    history = site.simulated(BACKLOG)
    await site.hold(history)
    async with site.proxy() as proxy, Trial(site, f"network-{fault}-{seed}", history, bootstrap=site.proxied) as trial:
        trial.start(*BOTH)
        await trial.facts_at(random.Random(seed).uniform(0, 0.6))
        apply(proxy)
        await asyncio.sleep(for_s)
        proxy.mend()
        return await trial.outcome()
