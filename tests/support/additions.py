"""What is added to slices in tests, and what a window should hold of it, counted by brute force."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from streamproc.windows.aggregates import Bag, Distinct, Durations, dump
from streamproc.windows.calendar import Calendar
from streamproc.windows.slices import Minute, Slices
from support.build import DAY_MS

LATE_MS = 800 * DAY_MS


class Addition(NamedTuple):
    """What is added for a minute: a signed count, a duration (and how often), an identity, a level."""

    minute_ms: int
    count: int = 0
    duration: tuple[int, int] | None = None
    identity: int | None = None
    level: int = 0
    group: str = ""

    def bag(self) -> Bag:
        bag: Bag = {"n": self.count} if self.count else {}
        if self.duration is not None:
            bag["d"] = Durations()
            bag["d"].add_ms(*self.duration)  # type: ignore[union-attr]
        if self.identity is not None:
            bag["c"] = Distinct()
            bag["c"].add([self.identity])  # type: ignore[union-attr]
        return bag

    def to(self, slices: Slices) -> None:
        slices.add(self.group, [self.minute()])

    def minute(self) -> Minute:
        return self.minute_ms, self.bag(), {"l": self.level} if self.level else {}


def put(additions: Iterable[Addition], slices: Slices) -> None:
    """Additions as one record a group."""
    minutes: dict[str, list[Minute]] = {}
    for one in additions:
        minutes.setdefault(one.group, []).append(one.minute())
    for group, found in minutes.items():
        slices.add(group, found)


def readable(bag: Bag) -> dict[str, Any]:
    return {
        name: found.estimate() if isinstance(found, Distinct) else dump({name: found})[name]
        for name, found in bag.items()
    }


def amounts_of(additions: Iterable[Addition]) -> dict[str, Any]:
    """What they come to, as `readable` shows it."""
    count, durations, identities = 0, Durations(), set()
    for one in additions:
        count += one.count
        if one.duration is not None:
            durations.add_ms(*one.duration)
        if one.identity is not None:
            identities.add(one.identity)
    found = {"n": count, "d": durations.dump() if durations else None, "c": len(identities)}
    return {name: amount for name, amount in found.items() if amount}


def restored(slices: Slices, zone: str) -> Slices:
    """A copy by way of what is persisted."""
    found = Slices(Calendar(zone), LATE_MS)
    packed = {key: slices.packed(key) or b"" for key in slices.slices}
    found.restore(slices.clock_ms, iter(packed.items()))
    return found
