"""Entities and their lives: events in, signed differences of facts out.

Each family of subjects that has a life is one row of `LIVES`. An entity's facts are a function of its set of events;
a batch emits the facts after it minus the facts before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice, takewhile
from typing import NamedTuple

import msgspec

from streamproc.events import EVENTS, Event
from streamproc.facts.activity import MeetingLife, WebinarLife
from streamproc.facts.customers import Customer
from streamproc.facts.deals import Deal
from streamproc.facts.fact import Fact, difference
from streamproc.facts.leads import Lead
from streamproc.facts.outreach import Outreach
from streamproc.facts.quality import Origin, Quality, origin
from streamproc.facts.reference import Reference
from streamproc.facts.seen import HORIZON_DAYS

DAY_MS = 86_400_000
Life = Outreach | MeetingLife | WebinarLife | Deal | Lead | Customer


class Family(NamedTuple):
    """How a family's life begins, and how many days after the last arrival it is kept."""

    new: Callable[[], Life]
    keep_days: int


LIVES = {
    "email": Family(lambda: Outreach("email"), 97),  # 90 days of engagement and the horizon of repeats
    "message": Family(lambda: Outreach("message"), 97),
    "meeting": Family(MeetingLife, 97),
    "webinar": Family(WebinarLife, 97),
    "deal": Family(Deal, 800),
    "lead": Family(Lead, 400),
    "customer": Family(Customer, 800),
}
# A life takes the events of its family only: a survey may have any subject, such as a deal, and is no event of one.
_FAMILIES = {row.name: row.subject.partition("/")[0] for row in EVENTS.values()}


class _Packed(msgspec.Struct, array_like=True):
    """An entity's record in the changelog. The first release wrote neither of the last fields."""

    day: int  # of the last arrival
    life: msgspec.Raw
    orphan: bool | None = None
    origin: Origin | None = None  # of the last event, for orphans


_encode = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Packed).decode
_decode_life: Callable[[msgspec.Raw], Life] = msgspec.msgpack.Decoder(Life).decode
_DECODED = 10_000  # lives kept decoded, those touched last: decoding takes 5 to 50 µs, and follow-ups come soon


class Entities:
    """All entities of one task, by subject. At rest they are packed, as in the changelog: a tenth of the memory.

    `max_entities`: cap on their number, 0 never; see `shed`.
    """

    def __init__(self, reference: Reference, max_entities: int = 0, quality: Quality | None = None) -> None:
        self.reference = reference
        self.max_entities = max_entities
        self.quality = quality or Quality()  # told of orphans and anomalies
        self.orphans = 0  # dropped so far, those of `shed_entities` apart
        self.shed_entities = 0
        # (family, orphan?) → subject → packed, in the order of last arrival
        self._shelves = {(family, orphan): dict[str, bytes]() for family in LIVES for orphan in (False, True)}
        self._touched: dict[str, int] = {}  # day of last arrival of those that are not on a shelf
        self._lives: dict[str, Life] = {}  # of all that were touched, and of some others
        self._before: dict[str, list[Fact]] = {}
        self._senders: dict[str, tuple[str, str]] = {}  # source and type of the last event of those touched
        self._dirty: set[str] = set()

    def __len__(self) -> int:
        return len(self._touched) + sum(map(len, self._shelves.values()))

    def __contains__(self, subject: str) -> bool:
        return subject in self._touched or any(subject in shelf for shelf in self._shelves.values())

    def apply(self, event: Event, time_ms: int, arrival_ms: int) -> None:
        """Add an event to its entity's set. Families without a life pass."""
        subject, day = event.subject, arrival_ms // DAY_MS
        family = _FAMILIES[event.type]
        if family not in LIVES:
            return
        if subject not in self._touched:
            self._touched[subject] = self._take_down(family, subject)
        life = self._lives[subject]
        if subject not in self._before:
            self._before[subject] = life.facts(self.reference)
        self._touched[subject] = max(day, self._touched[subject])
        self._senders[subject] = (event.source, event.type)
        life.apply(event, time_ms, self.reference)

    def differences(self) -> Iterator[tuple[Fact, int]]:
        """What changed since the last call, as facts with a signed number of times."""
        for subject, before in self._before.items():
            for fact, times in difference(before, self._lives[subject].facts(self.reference)):
                self.quality.emitted(fact, times, *self._senders[subject])
                yield fact, times
        self._before.clear()

    def expire(self, arrival_ms: int) -> None:
        """Drop entities that nothing has arrived for in their family's time, orphans within the horizon of repeats.

        What they counted stays counted.
        """
        today = arrival_ms // DAY_MS
        self._put_back()
        for (family, orphan), shelf in self._shelves.items():
            keep_days = HORIZON_DAYS if orphan else LIVES[family].keep_days
            gone = list(takewhile(lambda one: _unpack(one[1]).day + keep_days <= today, shelf.items()))  # noqa: B023
            self._drop(shelf, [subject for subject, _ in gone])
            if orphan:
                self.orphans += len(gone)
                self.quality.orphans(_unpack(packed).origin for _, packed in gone)

    def shed(self) -> None:
        """Forget down to 99 % of the cap, where there are more: those first that nothing has arrived for longest.

        What they counted stays counted. "Longest" is told by the day; it need not be exact within a day.
        """
        if not self.max_entities or len(self) <= self.max_entities:
            return
        self._put_back()
        excess = len(self) - self.max_entities + self.max_entities // 100
        self.shed_entities += excess
        while excess:
            shelf, day = min(((s, _first_day(s)) for s in self._shelves.values() if s), key=lambda found: found[1])
            oldest = takewhile(lambda one: _unpack(one[1]).day <= day, shelf.items())  # noqa: B023
            gone = [subject for subject, _ in islice(oldest, excess)]
            self._drop(shelf, gone)
            excess -= len(gone)

    def take_dirty(self) -> list[tuple[str, bytes | None]]:
        """Changed entities as (subject, packed), None for those dropped."""
        self._put_back()
        records = [(subject, self._packed(subject)) for subject in self._dirty]
        self._dirty.clear()
        self._senders.clear()
        for subject in list(islice(self._lives, max(0, len(self._lives) - _DECODED))):
            del self._lives[subject]
        return records

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take over all records of the changelog. They are decoded when something arrives for them."""
        days: dict[tuple[int, str, bool], dict[str, bytes]] = {}
        for subject, packed in state.items():
            found = _unpack(packed)
            orphan = _decode_life(found.life).orphan if found.orphan is None else found.orphan
            days.setdefault((found.day, subject.partition("/")[0], orphan), {})[subject] = packed
        for day in sorted(days):
            self._shelves[day[1:]].update(days.pop(day))

    def _take_down(self, family: str, subject: str) -> int:
        """An entity from its shelf, or a new one, into the decoded lives; returns the day of its last arrival."""
        life = self._lives.pop(subject, None)
        packed = self._shelves[family, False].pop(subject, None) or self._shelves[family, True].pop(subject, None)
        if packed is None:
            self._lives[subject] = LIVES[family].new()
            self._before[subject] = []
            return -1
        found = _unpack(packed)
        self._lives[subject] = _decode_life(found.life) if life is None else life  # behind those touched before
        return found.day

    def _put_back(self) -> None:
        """What was touched goes to the end of its shelf."""
        for subject, day in self._touched.items():
            life = self._lives[subject]
            orphan = life.orphan
            record = (day, life, orphan, origin(*self._senders[subject])) if orphan else (day, life, orphan)
            self._shelves[subject.partition("/")[0], orphan][subject] = _encode(record)
        self._dirty.update(self._touched)
        self._touched.clear()

    def _drop(self, shelf: dict[str, bytes], subjects: list[str]) -> None:
        for subject in subjects:
            del shelf[subject]
            self._lives.pop(subject, None)
        self._dirty.update(subjects)

    def _packed(self, subject: str) -> bytes | None:
        family = subject.partition("/")[0]
        return self._shelves[family, False].get(subject) or self._shelves[family, True].get(subject)


def _first_day(shelf: dict[str, bytes]) -> int:
    return _unpack(next(iter(shelf.values()))).day
