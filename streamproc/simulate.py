"""A simulated B2B sales organisation: a realistic, endless and repeatable stream of canonical events.

A discrete-event simulation. `simulate_lives` tells each life (an e-mail, a deal, a customer …) as a generator
of steps; here a heap wakes them in time order and slots at the wanted rate begin new ones:

    sales = Organisation(seed=7, start_ms=start_ms)
    history = sales.events(start_ms + 30 * 86_400_000, rate_per_s=0.05)
    live = sales.events(sales.now_ms + 1_000, rate_per_s=2_000)
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any

import orjson

from streamproc import simulate_lives as lives
from streamproc.events import EVENTS
from streamproc.simulate_world import DEAL, QUICK, SLOW, Step, Story, World, instant, reference

# Lives that begin, per thousand slots. With all their follow-ups they make up about four fifths of the stream.
SHARES = (
    (220, lives.email, QUICK),
    (30, lives.message, QUICK),
    (15, lives.meeting, QUICK),
    (6, lives.webinar, QUICK),
    (12, lives.lead, SLOW),
    (4, lives.partner_lead, SLOW),
    (6, lives.new_deal, DEAL),
    (1, lives.shop_order, SLOW),
    (2, lives.cost, QUICK),
    (1, lives.rep_survey, QUICK),
)
BEGINNINGS = tuple((begin, kind) for share, begin, kind in SHARES for _ in range(share))
# Slots per thousand in which somebody takes up an open deal: it is then decided within minutes.
# Thus a stream that speeds up decides deals sooner too, and a live demo closes deals of its history.
PUSHES = 2
# Single events that fill the stream up to the wanted rate.
FILLERS = (*(lives.call,) * 14, *(lives.web,) * 5, lives.research)

PUSHED_PACE = 2e-5  # 20 days become 35 s
DEEPEST_DEBT = -1_000.0  # slots; follow-ups of a busier time must not keep fillers away for ever
TOPICS = {row.name: row.topic for row in EVENTS.values()}

Delivery = tuple[str, bytes, bytes]  # topic, key, line


class _Life:
    """A story under way: the step that comes next, and when."""

    __slots__ = ("due_ms", "kind", "order", "pace", "place", "step", "story")

    def __init__(self, story: Story, kind: int) -> None:
        self.story = story
        self.kind = kind
        self.pace = 1.0
        self.place = -1  # in the list of open deals
        self.due_ms = 0
        self.order = 0  # of its valid entry in the heap; 0 = the life is over
        self.step: Step


class Organisation:
    """A sales organisation whose clock is moved by `events`.

    seed: same seed and same calls, same bytes. start_ms: its first moment (epoch ms). reps: number of sales reps.
    flaws: share of events that arrive repeated, late or out of order, or with a malformed record beside them; without
    repeats and malformed records, the events are the same for any `flaws`.
    max_alive: soft cap on lives under way, for quick (e-mails …) and slow ones (deals, leads, customers) each; towards
    the cap follow-ups come ever sooner, so lives end as fast as new ones begin.
    """

    def __init__(
        self, seed: int, start_ms: int, reps: int = 24, *, flaws: float = 0.002, max_alive: int = 50_000
    ) -> None:
        if reps < 1 or max_alive < 1 or not 0 <= flaws <= 1:
            raise ValueError(
                f"reps={reps}, max_alive={max_alive}, flaws={flaws}: expected reps and max_alive of at least 1 "
                "and flaws between 0 and 1"
            )
        self._world = World(seed, start_ms, reps)
        self._start_ms = start_ms
        self._flaws = flaws
        self._flaw_dice = Random(seed + 1)  # its own, so that flaws do not change what happens
        self._max_alive = max_alive
        self._heap: list[tuple[int, int, _Life | Delivery]] = []
        self._order = 0
        self._stale = 0  # heap entries of lives that were woken earlier
        self._alive = [0, 0]  # quick, slow
        self._open_deals: list[_Life] = []
        self._credit = 0.0  # slots earned less events emitted
        self._events = 0
        self._malformed = 0
        self._second = -1
        self._second_text = ""

    @property
    def now_ms(self) -> int:
        """The organisation's current time, epoch milliseconds."""
        return self._world.now_ms

    @property
    def alive(self) -> int:
        """Lives under way."""
        return sum(self._alive)

    def reference(self) -> list[bytes]:
        """Roster, teams, stages and exchange rates (to EUR) as CloudEvents, for `sales.reference`."""
        return [
            orjson.dumps(_envelope(f"r{n}-{self._world.tag}", kind, instant(self._start_ms), subject, data))
            for n, (kind, subject, data) in enumerate(reference(self._world))
        ]

    def events(self, until_ms: int, rate_per_s: float) -> Iterator[tuple[int, str, bytes, bytes]]:
        """Events from the current time up to, not including, `until_ms`: about `rate_per_s` a simulated second.

        Yields (time of arrival in epoch ms, topic, key, line), never back in time. The arrival is the event's own
        `time`, but for late, reordered and repeated ones, which arrive after it. Follow-ups of earlier calls come
        when they are due, also above the rate. Raises ValueError for a negative rate.
        """
        if rate_per_s < 0:
            raise ValueError(f"rate_per_s={rate_per_s}: expected 0 or more events a second")
        return self._run(until_ms, 1000 / rate_per_s if rate_per_s else float("inf"))

    def _run(self, until_ms: int, gap_ms: float) -> Iterator[tuple[int, str, bytes, bytes]]:
        world, heap = self._world, self._heap
        gap = world.rng.expovariate
        slot_ms = world.now_ms + gap_ms * gap(1.0)
        while True:
            if heap and heap[0][0] <= slot_ms:
                due_ms, order, what = heap[0]
                if due_ms >= until_ms:
                    break
                heappop(heap)
                if isinstance(what, tuple):
                    world.now_ms = due_ms
                    yield due_ms, *what
                    continue
                if what.order != order:
                    self._stale -= 1
                    continue
                life: _Life | None = what
            else:
                if slot_ms >= until_ms:
                    break
                due_ms = world.now_ms = int(slot_ms)
                slot_ms += gap_ms * gap(1.0)
                life = self._slot()
            if life is None:
                continue
            world.now_ms = due_ms
            delivery = self._happen(life)
            if self._flaws and self._flaw_dice.random() < self._flaws:
                for flawed in self._flawed(delivery, life):
                    yield due_ms, *flawed
            else:
                yield due_ms, *delivery
        world.now_ms = max(world.now_ms, until_ms)

    def _slot(self) -> _Life | None:
        """A life that begins now, or, where follow-ups leave room, a filler; or nothing new, but perhaps a push."""
        self._credit = max(self._credit, DEEPEST_DEBT) + 1
        n = int(self._world.random() * 1000)
        if n < len(BEGINNINGS):
            begin, kind = BEGINNINGS[n]
            return self._born(begin(self._world), kind)
        if n < len(BEGINNINGS) + PUSHES:
            self._push_deal()
        elif self._credit >= 1:
            return self._born(self._world.pick(FILLERS)(self._world), QUICK)
        return None

    def _born(self, story: Story, kind: int) -> _Life:
        life = _Life(story, kind)
        self._alive[kind != QUICK] += 1
        if kind == DEAL:
            life.place = len(self._open_deals)
            self._open_deals.append(life)
        life.step = next(story)
        return life

    def _happen(self, life: _Life) -> Delivery:
        """The event of a life's step, now; the life goes on or is forgotten, and lives that it started begin."""
        _, kind, subject, data = life.step
        delivery = TOPICS[kind], subject.encode(), self._line(kind, subject, data)
        self._credit -= 1
        following = next(life.story, None)
        if following is None:
            self._forget(life)
        else:
            life.step = following
            self._wake(life, 1)
        if self._world.newborn:
            for story, begun in self._world.newborn:
                self._wake(self._born(story, begun), 0)
            self._world.newborn.clear()
        return delivery

    def _wake(self, life: _Life, least_ms: int) -> None:
        """Set the alarm for a life's next step."""
        crowd = self._alive[life.kind != QUICK] / self._max_alive
        haste = 1.0 - crowd * crowd
        wait_ms = int(life.step[0] * 1000 * haste * life.pace)
        life.due_ms = self._world.now_ms + (wait_ms if wait_ms > least_ms else least_ms)
        self._order += 1
        life.order = self._order
        heappush(self._heap, (life.due_ms, life.order, life))

    def _forget(self, life: _Life) -> None:
        life.order = 0
        self._alive[life.kind != QUICK] -= 1
        if life.place >= 0:
            last = self._open_deals.pop()
            if last is not life:
                last.place = life.place
                self._open_deals[life.place] = last

    def _line(self, kind: str, subject: str, data: dict[str, Any]) -> bytes:
        self._events += 1
        second, ms = divmod(self._world.now_ms, 1000)
        if second != self._second:
            self._second, self._second_text = second, instant(second * 1000)[:-4]
        time = f"{self._second_text}{ms:03d}Z"
        return orjson.dumps(_envelope(f"e{self._events}-{self._world.tag}", kind, time, subject, data))

    def _push_deal(self) -> None:
        """Have the longest untouched of a few open deals go on now, and fast."""
        candidates = [self._world.pick(self._open_deals) for _ in range(4)] if self._open_deals else []
        resting = [life for life in candidates if life.pace == 1.0]
        if not resting:
            return
        life = min(resting, key=lambda deal: deal.order)
        life.pace = PUSHED_PACE
        self._stale += 1
        self._wake(life, 1)
        if self._stale > 1_000 and self._stale * 2 > len(self._heap):
            # In place: `_run` holds the list.
            self._heap[:] = [entry for entry in self._heap if isinstance(entry[2], tuple) or entry[2].order == entry[1]]
            heapify(self._heap)
            self._stale = 0

    def _flawed(self, delivery: Delivery, life: _Life) -> list[Delivery]:
        """What arrives now in place of `delivery`; what arrives later goes into the heap."""
        dice = self._flaw_dice
        flaw = dice.random()
        if flaw < 0.35:
            self._deliver_later(delivery, int(dice.expovariate(1 / 60_000)))
            return [delivery]
        if flaw < 0.6:
            self._deliver_later(delivery, int(min(86_400_000, dice.lognormvariate(13.0, 1.5))))
            return []
        if flaw < 0.85:
            # Just behind the next event of the same life, where that comes soon: a reply before its message.
            wait_ms = life.due_ms - self._world.now_ms + 1 if life.order else 3_600_000
            self._deliver_later(delivery, wait_ms if wait_ms < 3_600_000 else int(dice.expovariate(1 / 2_000)))
            return []
        self._malformed += 1
        return [delivery, _malformed(delivery, dice, f"f{self._malformed}-{self._world.tag}")]

    def _deliver_later(self, delivery: Delivery, wait_ms: int) -> None:
        self._order += 1
        heappush(self._heap, (self._world.now_ms + wait_ms, self._order, delivery))


def _envelope(event_id: str, kind: str, time: str, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "simulator",
        "type": kind,
        "time": time,
        "subject": subject,
        "data": data,
    }


def _malformed(delivery: Delivery, dice: Random, event_id: str) -> Delivery:
    """A record of its own that must be rejected: not JSON, unknown type, missing field or unknown currency."""
    topic, key, line = delivery
    event = orjson.loads(line) | {"id": event_id}
    fault = int(dice.random() * 4)
    if fault == 0:
        return topic, key, line[: len(line) // 2]
    if fault == 1:
        event["type"] = "sales.mystery"
    elif fault == 2:
        del event[dice.choice(("id", "time", "subject", "data"))]
    else:
        data = {"deal": f"d-{event_id}", "amount": 1_000.0, "currency": "ZZZ"}
        event |= {"type": "deal.created", "subject": f"deal/d-{event_id}", "data": data}
        topic, key = TOPICS["deal.created"], event["subject"].encode()
    return topic, key, orjson.dumps(event)
