"""Entities and their lives: events in, signed differences of facts out.

Each family of subjects that has a life is one row of `LIVES`. An entity's facts are a function of its set of events;
a batch emits the facts after it minus the facts before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from streamproc.events import Event
from streamproc.facts.activity import MeetingLife
from streamproc.facts.deals import Deal
from streamproc.facts.fact import Fact, difference
from streamproc.facts.outreach import Outreach
from streamproc.facts.reference import Reference
from streamproc.facts.seen import HORIZON_DAYS

DAY_MS = 86_400_000
Life = Outreach | MeetingLife | Deal


class Family(NamedTuple):
    """How a family's life begins, and how many days after the last arrival it is kept."""

    new: Callable[[], Life]
    keep_days: int


LIVES = {
    "email": Family(lambda: Outreach("email"), 97),  # 90 days of engagement and the horizon of repeats
    "message": Family(lambda: Outreach("message"), 97),
    "meeting": Family(MeetingLife, 97),
    "deal": Family(Deal, 800),
}

_decode = msgspec.msgpack.Decoder(tuple[int, Life]).decode
_encode = msgspec.msgpack.Encoder().encode


class Entities:
    """All entities of one task, by subject."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.lives: dict[str, Life] = {}
        self.orphans = 0
        self._day: dict[str, int] = {}  # last arrival
        self._expiry: dict[int, list[str]] = {}
        self._before: dict[str, list[Fact]] = {}
        self._dirty: set[str] = set()

    def apply(self, event: Event, time_ms: int, arrival_ms: int) -> None:
        """Add an event to its entity's set. Families without a life pass."""
        subject = event.subject
        family = LIVES.get(subject.partition("/")[0])
        if family is None:
            return
        life = self.lives.get(subject)
        if life is None:
            life = self.lives[subject] = family.new()
            self._before[subject] = []
            self._expire_on(subject, arrival_ms // DAY_MS + HORIZON_DAYS)
        elif subject not in self._before:
            self._before[subject] = life.facts(self.reference)
        self._day[subject] = arrival_ms // DAY_MS
        life.apply(event, time_ms, self.reference)

    def differences(self) -> Iterator[tuple[Fact, int]]:
        """What changed since the last call, as facts with a signed number of times."""
        for subject, before in self._before.items():
            yield from difference(before, self.lives[subject].facts(self.reference))
        self._dirty.update(self._before)
        self._before.clear()

    def expire(self, arrival_ms: int) -> None:
        """Drop entities that nothing has arrived for in their family's time, orphans within the horizon of repeats.

        What they counted stays counted.
        """
        today = arrival_ms // DAY_MS
        for day in sorted(day for day in self._expiry if day <= today):
            for subject in self._expiry.pop(day):
                keep_days = LIVES[subject.partition("/")[0]].keep_days
                until = self._day[subject] + (HORIZON_DAYS if self.lives[subject].orphan else keep_days)
                if until > today:
                    self._expire_on(subject, until)
                    continue
                self.orphans += self.lives.pop(subject).orphan
                del self._day[subject]
                self._dirty.add(subject)

    def take_dirty(self) -> list[tuple[str, bytes | None]]:
        """Changed entities as (subject, state), None for those dropped."""
        records = [
            (subject, _encode((self._day[subject], self.lives[subject])) if subject in self.lives else None)
            for subject in self._dirty
        ]
        self._dirty.clear()
        return records

    def restore(self, subject: str, state: bytes) -> None:
        self._day[subject], self.lives[subject] = _decode(state)
        self._expire_on(subject, self._day[subject] + HORIZON_DAYS)

    def _expire_on(self, subject: str, day: int) -> None:
        self._expiry.setdefault(day, []).append(subject)
