"""What comes in: repeated, rewound, out of order, not to be read, and dead letters that cannot be written."""

from __future__ import annotations

import random

from aiokafka import AIOKafkaProducer, TopicPartition

from faults.history import HOUR_MS, History, reordered, repeated
from faults.site import Site
from faults.trial import REJECTED, Outcome, Trial
from streamproc.bus.publish import Record
from streamproc.bus.topics import table
from streamproc.supervise import NEEDS_PERSON

EVENTS = 10_000
BOTH = ("facts", "kpis")
POISON = (
    b"",
    b"\xff\xfe\x00",
    b'{"specversion": "1.0", "id": ',
    b"[" * 50_000,
    b'{"id": "' + b"x" * 300_000 + b'"}',
    b'{"specversion":"1.0","id":"p","source":"t","type":"no.such","time":"2026-03-20T10:00:00Z","subject":"a/b","data":{}}',
)


async def duplicates(site: Site, seed: int) -> Outcome:
    """A tenth of the events is delivered twice, and the facts worker is killed in between."""
    return await _with_a_kill(site, f"duplicates-{seed}", repeated(site.simulated(EVENTS), 0.1, seed))


async def disorder(site: Site, seed: int) -> Outcome:
    """Events come up to six hours late, each by another time, and the facts worker is killed in between."""
    return await _with_a_kill(site, f"disorder-{seed}", reordered(site.simulated(EVENTS), 6 * HOUR_MS, seed))


async def _with_a_kill(site: Site, app: str, history: History) -> Outcome:
    await site.clear()
    await site.publish([*history.setup, *history.events])
    async with Trial(site, app, history) as trial:
        trial.start(*BOTH)
        await trial.facts_at(0.2)
        trial.kill("facts")
        return await trial.outcome()


async def rewind(site: Site, seed: int, stage: str) -> Outcome:
    """Somebody sets back the committed offsets of a stage while it is down: what the state has is not added again."""
    history = site.simulated(EVENTS)
    await site.clear(history)
    async with Trial(site, f"rewind-{stage}-{seed}", history) as trial:
        await site.publish(history.part(0, 2))
        trial.start(*BOTH)
        await trial.settled()
        assert await trial.stop(stage) == 0
        rng = random.Random(seed)
        found = trial.progress[stage].committed
        await _set_offsets(trial, stage, {tp: rng.randint(0, offset) for tp, offset in found.items()})
        await site.publish(history.part(1, 2))
        trial.start(stage)
        return await trial.outcome()


async def _set_offsets(trial: Trial, stage: str, offsets: dict[TopicPartition, int]) -> None:
    """As an administrator would, but in a transaction: so it need not wait until the group has no members."""
    producer = AIOKafkaProducer(bootstrap_servers=trial.site.bootstrap, transactional_id=f"rewind-{trial.app}")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_offsets_to_transaction(offsets, f"{trial.app}-{stage}")
    finally:
        await producer.stop()


async def poison(site: Site, seed: int) -> Outcome:
    """Records that cannot be read, among good ones: they go to the dead letters once each, and nothing stops."""
    rng = random.Random(seed)
    good = site.simulated(EVENTS)
    events = list(good.events)
    for line in POISON:
        sent = (rng.choice(("sales.crm", "sales.email")), b"p%d" % len(events), line)
        events.insert(rng.randrange(len(events)), sent)
    return await _with_a_kill(site, f"poison-{seed}", History(good.reference, events))


async def only_poison(site: Site, seed: int) -> Outcome:
    """Nothing but unreadable records for a while: the worker stops with exit code 3 and says why; nothing is lost.

    With the limit lifted by a person it goes on, and comes to the same values.
    """
    good = site.simulated(EVENTS)
    bad: list[Record] = [("sales.crm", b"broken", b'{"broken": %d}' % n) for n in range(6_000)]
    history = History(good.reference, [*good.part(0, 2), *bad, *good.part(1, 2)])
    await site.clear()
    await site.publish([*history.setup, *history.events])
    async with Trial(site, f"only-poison-{seed}", history) as trial:
        trial.start(*BOTH)
        await trial.ended("facts", NEEDS_PERSON)
        wrong = trial.not_said("facts", "sales.crm partition", "STREAMPROC_REJECT_LIMIT")
        trial.cluster.env["STREAMPROC_REJECT_LIMIT"] = "1"
        trial.start("facts")
        outcome = await trial.outcome()
        return outcome._replace(wrong=wrong + outcome.wrong)


async def no_dead_letters(site: Site, seed: int) -> Outcome:
    """The topic of dead letters is deleted, or refuses records: the worker ends, and loses nothing of it."""
    history = site.simulated(EVENTS)
    (spec,) = (spec for spec in table("none") if spec.name == REJECTED)
    await site.clear(history)
    async with Trial(site, f"no-dead-letters-{seed}", history) as trial:
        trial.start(*BOTH)
        await trial.shared("facts")
        if seed % 2:
            await site.delete([REJECTED])
        else:
            await site.configure(REJECTED, spec.config | {"max.message.bytes": "10"})
        await site.publish(history.events)
        await trial.ended("facts", 1, 2)
        if seed % 2:
            await site.create([spec])
        else:
            await site.configure(REJECTED, spec.config)
        return await trial.outcome()
