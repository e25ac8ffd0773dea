"""What is sent in a trial, and what must come of it: the oracle's values, once for each history."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from oracle.oracle import Reference, Row, Series, values

from streamproc.bus.publish import Record, record
from streamproc.codec import Rejection, decode, decode_reference
from streamproc.simulate import Organisation
from streamproc.windows.calendar import next_minute

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
START_MS = 1_774_000_000_000  # 2026-03-20
FLAWS = 0.02  # share of events that come again, late, out of order or malformed


@dataclass(frozen=True, eq=False)
class History:
    """Reference data and events, in the order in which they are sent."""

    reference: list[bytes]
    events: list[Record]
    _expected: dict[int, dict[Series, Row]] = field(default_factory=dict, init=False)

    def end_ms(self) -> int:
        """The event clock when everything is in."""
        events = (decode(line) for *_, line in self.events)
        return next_minute(max(event.time_ms for event in events if not isinstance(event, Rejection)))

    def expected(self, at_ms: int) -> dict[Series, Row]:
        """The oracle's values as of a time (a whole minute)."""
        if at_ms not in self._expected:
            self._expected[at_ms] = values([line for *_, line in self.events], at_ms, reference=self.reference)
        return self._expected[at_ms]

    def refused(self) -> Counter[tuple[bytes, bytes]]:
        """Key and value of the records that cannot be taken, and how often each is sent."""
        rates = Reference(self.reference, "EUR")
        found: Counter[tuple[bytes, bytes]] = Counter()
        for _, key, line in self.events:
            event = decode(line)
            currency = getattr(getattr(event, "data", None), "currency", None)
            if isinstance(event, Rejection) or (currency and rates.rate(currency, event.time_ms) is None):
                found[key, line] += 1
        return found

    @property
    def setup(self) -> list[Record]:
        """Records of the reference data."""
        return [record(line) for line in self.reference]

    def part(self, index: int, of: int) -> list[Record]:
        """One of `of` parts of the events, in order."""
        return self.events[index * len(self.events) // of : (index + 1) * len(self.events) // of]


@lru_cache(maxsize=8)
def simulated(events: int, days: float, end_ms: int | None = None) -> History:
    """About so many events of a made-up organisation; the last of them happen before `end_ms`."""
    start_ms = START_MS if end_ms is None else end_ms - int(days * DAY_MS)
    organisation = Organisation(seed=events, start_ms=start_ms, flaws=FLAWS)
    reference = organisation.reference()
    assert not any(isinstance(decode_reference(line), Rejection) for line in reference)
    rate_per_s = events / (days * DAY_MS / 1000)
    found = organisation.events(start_ms + int(days * DAY_MS), rate_per_s)
    return History(reference, [(topic, key, line) for _, topic, key, line in found])


def repeated(history: History, share: float, seed: int) -> History:
    """The same events, a share of them delivered again some time later."""
    rng = random.Random(seed)
    keyed = [(float(index), sent) for index, sent in enumerate(history.events)]
    again = [(index + rng.uniform(0, len(keyed) / 10), sent) for index, sent in keyed if rng.random() < share]
    return History(history.reference, in_order([*keyed, *again]))


def reordered(history: History, by_ms: int, seed: int) -> History:
    """The same events, each delayed by up to `by_ms` of event time."""
    rng = random.Random(seed)
    delayed = []
    time_ms = 0
    for sent in history.events:
        event = decode(sent[2])
        if not isinstance(event, Rejection):
            time_ms = event.time_ms
        delayed.append((time_ms + rng.uniform(0, by_ms), sent))
    return History(history.reference, in_order(delayed))


def in_order(timed: Sequence[tuple[float, Record]]) -> list[Record]:
    return [sent for _, sent in sorted(timed, key=lambda pair: pair[0])]
