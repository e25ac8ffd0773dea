"""Slices per group, and the totals of all windows over them, kept up as the clock moves.

A group's facts arrive as bags per minute. Each is added to the slices of every tier and to the totals of the windows
that hold it; when the clock passes, slices leave windows and are subtracted, and enter previous windows. So an event
costs the same whatever the length of a window, and an empty slice costs nothing. Slices are the state; totals follow
from them.
A slice whose time is long over is kept packed, as it is persisted: a fifth of the memory.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec

from streamproc.windows.aggregates import Bag, Distinct, add, dump, load, subtract, total
from streamproc.windows.blocks import Blocks, merge
from streamproc.windows.calendar import ALL, DAY, DAY_MS, HOUR_MS, PREVIOUS, TIERS, Calendar, next_minute
from streamproc.windows.spans import ENTERS, LAST, STAYS_MS, WINDOW_OF, Span, Spans

LEVEL = "level"  # running totals; minutes ahead of the clock wait in PENDING and PENDING_LEVEL
PENDING, PENDING_LEVEL = "pending", "pending-level"
_TIER = {tier.name: tier for tier in TIERS}
_BEFORE = frozenset(PREVIOUS.values())
_PACK = "pack"  # not a span: the time after which a slice is packed

_encode = msgspec.msgpack.Encoder().encode
_decode: Any = msgspec.msgpack.Decoder().decode


class SliceKey(NamedTuple):
    """Names a slice: its group, tier and start (epoch ms; 0 for `all` and `level`)."""

    group: str
    tier: str
    start_ms: int


Minute = tuple[int, Bag, Bag]  # start (epoch ms), facts and changes of levels


class Changes:
    """What changed since it was last taken: facts of a group in all windows, in single windows, and its levels.

    `turned`: groups and windows of which the window before has got a first fact of any name, or lost its last.
    """

    def __init__(self) -> None:
        self.facts: dict[str, set[str]] = {}
        self.windows: dict[tuple[str, str], set[str]] = {}
        self.turned: set[tuple[str, str]] = set()
        self.slices: set[SliceKey] = set()


class Slices:
    """All groups of one task. `clock_ms` is the evaluation clock; it never goes back.

    Days are kept for `max_age_ms`: more than two years, for the year before.
    """

    def __init__(self, calendar: Calendar, max_age_ms: int = 800 * DAY_MS) -> None:
        self.calendar = calendar
        self.max_age_ms = max_age_ms
        self.clock_ms = 0
        self.slices: dict[SliceKey, Bag | bytes] = {}
        self.groups: Counter[str] = Counter()  # number of slices of each group that has any
        self.totals: dict[str, dict[str, Bag]] = {name: {} for name in WINDOW_OF}  # by span and group
        self.changes = Changes()
        self._spans = Spans(calendar)
        self._days: dict[int, list[SliceKey]] = {}  # start → slices of that day
        self._leaving: dict[int, list[tuple[SliceKey, str]]] = {}
        self._leave_times: list[int] = []
        self._pending: list[tuple[int, SliceKey]] = []
        self._distinct: dict[tuple[str, str, str], Blocks] = {}  # (group, tier, name)
        self._recounts: set[tuple[str, str, str, str]] = set()  # (group, tier, span, name) that lost a slice

    def add(self, group: str, minutes: Iterable[Minute]) -> None:
        """Add facts and level changes of a group by the minute that they count in."""
        passed: list[tuple[int, Bag]] = []
        for minute_ms, bag, levels in minutes:
            ahead = minute_ms >= self.clock_ms
            if bag and ahead:
                self._put(SliceKey(group, PENDING, minute_ms), bag)
            elif bag:
                passed.append((minute_ms, bag))
            if levels and ahead:
                self._put(SliceKey(group, PENDING_LEVEL, minute_ms), levels)
            elif levels:
                self._level(group, levels)
        self._count(group, passed)

    def window(self, group: str, window: str) -> Bag:
        """Totals of a window of a group."""
        if window == ALL:
            return self.bag(SliceKey(group, ALL, 0))
        return self.totals[window].get(group, {})

    def previous(self, group: str, window: str) -> Bag:
        """Totals of a group in the window before a window (`Calendar.previous`); nothing for `all`."""
        return self.totals[PREVIOUS[window]].get(group, {}) if window in PREVIOUS else {}

    def levels(self, group: str) -> Bag:
        return self.bag(SliceKey(group, LEVEL, 0))

    def bag(self, key: SliceKey) -> Bag:
        """What a slice holds; nothing if there is none."""
        held = self.slices.get(key, {})
        return load(_decode(held)) if isinstance(held, bytes) else held

    def packed(self, key: SliceKey) -> bytes | None:
        """A slice as it is persisted, None if there is none."""
        held = self.slices.get(key)
        return held if held is None or isinstance(held, bytes) else _encode(dump(held))

    def advance(self, clock_ms: int) -> None:
        """Move the clock: slices leave their windows, what lay ahead of the clock begins to count."""
        if clock_ms <= self.clock_ms:
            return
        self.clock_ms = clock_ms
        for old, new in self._spans.move(clock_ms):
            self._move_days(old, new)
        while self._leave_times and self._leave_times[0] <= clock_ms:
            for key, span in self._leaving.pop(heapq.heappop(self._leave_times)):
                self._leave(key, span)
        self._recount()
        self._release()

    def restore(self, clock_ms: int, slices: Iterator[tuple[SliceKey, bytes]]) -> None:
        """Take over persisted slices, packed; totals are made anew. The clock is that of the persisted state."""
        self.clock_ms = clock_ms
        self._spans.move(clock_ms)
        for key, packed in slices:
            bag = load(_decode(packed))
            self.slices[key] = bag
            self.groups[key.group] += 1
            if key.tier in (PENDING, PENDING_LEVEL):
                heapq.heappush(self._pending, (key.start_ms, key))
            elif key.tier not in (ALL, LEVEL):
                self._enrol(key)
                self._note_distinct(key, bag)
                if self._is_over(key):
                    self.slices[key] = packed
                else:
                    self._pack_later(key)
                for span in self._spans.holding(key.tier, key.start_ms):
                    self._add_total(key.group, span, bag)
            self._touch(key.group, bag)
        self.changes.slices.clear()
        self.changes.turned.clear()  # everything is looked at anew

    def _put(self, key: SliceKey, bag: Bag) -> None:
        is_rolling = key.tier in _TIER or key.tier == DAY
        if is_rolling and not isinstance(self.slices.get(key), dict):  # new, or packed
            self._pack_later(key)
        if key in self.slices:
            held = self.slices[key] = self.bag(key)
        else:
            held = self.slices[key] = {}
            self.groups[key.group] += 1
            if key.tier in (PENDING, PENDING_LEVEL):
                heapq.heappush(self._pending, (key.start_ms, key))
            elif is_rolling:
                self._enrol(key)
        add(held, bag)
        if not held and key.tier in (ALL, LEVEL):  # everything was withdrawn; other slices go when they leave
            self._delete(key)
        self.changes.slices.add(key)
        self._note_distinct(key, bag)

    def _delete(self, key: SliceKey) -> None:
        self.groups[key.group] -= 1
        if not self.groups[key.group]:
            del self.groups[key.group]
        self.changes.slices.add(key)
        del self.slices[key]

    def _count(self, group: str, minutes: list[tuple[int, Bag]]) -> None:
        """Bags of minutes that the clock has passed. What shares a slice is added up before: a backlog has hours of
        minutes for a group in one batch, and each slice is in several spans."""
        days = _by_slice(minutes, self.calendar.day_start)
        found = minutes
        for tier in TIERS:
            found = _by_slice(found, partial(_floor, tier.step_ms))
            for start_ms, bag in found:
                self._add_slice(SliceKey(group, tier.name, start_ms), bag)
        for start_ms, bag in days:
            self._add_slice(SliceKey(group, DAY, start_ms), bag)
        for _, bag in _by_slice(days, lambda _: 0):
            self._put(SliceKey(group, ALL, 0), bag)
        for _, bag in minutes:
            self._touch(group, bag)

    def _add_slice(self, key: SliceKey, bag: Bag) -> None:
        spans = self._spans.holding(key.tier, key.start_ms)
        if spans or (key.tier == DAY and key.start_ms + self.max_age_ms > self.clock_ms):
            self._put(key, bag)
        for span in spans:
            self._add_total(key.group, span, bag)

    def _add_total(self, group: str, span: str, bag: Bag) -> None:
        add(self._total(group, span), bag)
        self._drop_if_empty(group, span)

    def _subtract_total(self, key: SliceKey, span: str, bag: Bag) -> None:
        left = subtract(self._total(key.group, span), bag)
        self._recounts.update((key.group, key.tier, span, name) for name in left)
        self._drop_if_empty(key.group, span)

    def _total(self, group: str, span: str) -> Bag:
        totals = self.totals[span]
        if group not in totals:
            totals[group] = {}
            self._turn(group, span)
        return totals[group]

    def _drop_if_empty(self, group: str, span: str) -> None:
        if not self.totals[span][group]:
            del self.totals[span][group]
            self._turn(group, span)

    def _turn(self, group: str, span: str) -> None:
        if span in _BEFORE:
            self.changes.turned.add((group, WINDOW_OF[span]))

    def _level(self, group: str, levels: Bag) -> None:
        self._put(SliceKey(group, LEVEL, 0), levels)
        self._touch(group, levels)

    def _touch(self, group: str, bag: Bag) -> None:
        self.changes.facts.setdefault(group, set()).update(bag)

    def _touch_window(self, group: str, span: str, bag: Bag) -> None:
        self.changes.windows.setdefault((group, WINDOW_OF[span]), set()).update(bag)

    def _enrol(self, key: SliceKey) -> None:
        """Note when a new slice leaves the spans that hold it; with the last one (or by age) it is dropped."""
        if key.tier == DAY:
            self._days.setdefault(key.start_ms, []).append(key)
            self._leave_at(key.start_ms + self.max_age_ms, key, DAY)
            return
        for span in self._spans.holding(key.tier, key.start_ms):
            self._leave_at(key.start_ms + STAYS_MS[span], key, span)

    def _is_over(self, key: SliceKey) -> bool:
        """Whether little more is to be expected for a slice: its time and as much again have passed."""
        return self.clock_ms >= key.start_ms + 2 * _step_ms(key)

    def _pack_later(self, key: SliceKey) -> None:
        """Once it is over; what comes late finds it unpacked for an hour."""
        again_ms = next_minute(self.clock_ms) + HOUR_MS if self._is_over(key) else 0
        self._leave_at(max(key.start_ms + 2 * _step_ms(key), again_ms), key, _PACK)

    def _leave_at(self, time_ms: int, key: SliceKey, span: str) -> None:
        if time_ms not in self._leaving:
            self._leaving[time_ms] = []
            heapq.heappush(self._leave_times, time_ms)
        self._leaving[time_ms].append((key, span))

    def _leave(self, key: SliceKey, span: str) -> None:
        if span == _PACK:
            if packed := self.packed(key):
                self.slices[key] = packed
            return
        if span == DAY:
            self._days.pop(key.start_ms, None)  # its slices leave together
            self._delete(key)
            return
        bag = self.bag(key)
        self._subtract_total(key, span, bag)
        self._touch_window(key.group, span, bag)
        if span in LAST:
            self._delete(key)
            self._forget_distinct(key, bag)
        elif span in ENTERS:
            self._add_total(key.group, ENTERS[span], bag)
            self._leave_at(key.start_ms + STAYS_MS[ENTERS[span]], key, ENTERS[span])

    def _move_days(self, old: Span, new: Span) -> None:
        """At a day's turn days enter and leave a span; where none stays, as at a period's edge, it begins anew."""
        if old.end_ms <= new.start_ms or new.end_ms <= old.start_ms:
            for group, total in self.totals[old.name].items():
                self._touch_window(group, old.name, total)
                self._turn(group, old.name)
            self.totals[old.name] = {}
            old = Span(old.name, 0, 0)
        before, now = self._days_in(old), self._days_in(new)
        for start_ms in before ^ now:
            for key in self._days[start_ms]:
                bag = self.bag(key)
                if start_ms in now:
                    self._add_total(key.group, new.name, bag)
                else:
                    self._subtract_total(key, new.name, bag)
                self._touch_window(key.group, new.name, bag)

    def _days_in(self, span: Span) -> set[int]:
        _, first_ms, end_ms = span
        return {start_ms for start_ms in self._days if first_ms <= start_ms < end_ms}

    def _note_distinct(self, key: SliceKey, bag: Bag) -> None:
        if key.tier in _TIER:
            for name, amount in bag.items():
                if isinstance(amount, Distinct):
                    place = (key.group, key.tier, name)
                    if place not in self._distinct:
                        self._distinct[place] = Blocks(_step_ms(key))
                    self._distinct[place].note(key.start_ms)

    def _forget_distinct(self, key: SliceKey, bag: Bag) -> None:
        for name, amount in bag.items():
            if isinstance(amount, Distinct):
                place = (key.group, key.tier, name)
                self._distinct[place].forget(key.start_ms)
                if not len(self._distinct[place]):
                    del self._distinct[place]

    def _recount(self) -> None:
        """Distinct counts cannot be subtracted from: count what is still inside, once for all slices that left."""
        for group, tier, span, name in self._recounts:
            total = self._total(group, span)
            total.pop(name, None)
            found = self._counted(group, tier, name, self._spans.span(tier, span))
            if found is not None:
                total[name] = found
            self._drop_if_empty(group, span)
        self._recounts.clear()

    def _counted(self, group: str, tier: str, name: str, span: Span) -> Distinct | None:
        """A distinct count of all slices in a span; None if there are none."""
        if tier == DAY:
            days = (self._count_of(group, DAY, name, start_ms) for start_ms in self._days_in(span))
            parts = [part for part in days if part is not None]
            return merge(parts) if parts else None
        blocks = self._distinct.get((group, tier, name))
        if blocks is None:
            return None
        return blocks.total(span.start_ms, span.end_ms, partial(self._count_of, group, tier, name))

    def _count_of(self, group: str, tier: str, name: str, start_ms: int) -> Any:
        """A distinct count of a slice, None if it has none. Nothing else of it is unpacked."""
        held = self.slices.get(SliceKey(group, tier, start_ms), {})
        if not isinstance(held, bytes):
            return held.get(name)
        packed = _decode(held)
        return load({name: packed[name]})[name] if name in packed else None

    def _release(self) -> None:
        """What waited for the clock and is passed by it begins to count."""
        passed: dict[str, list[tuple[int, Bag]]] = {}
        while self._pending and self._pending[0][0] < self.clock_ms:
            key = heapq.heappop(self._pending)[1]
            bag = self.bag(key)
            self._delete(key)
            if key.tier == PENDING:
                passed.setdefault(key.group, []).append((key.start_ms, bag))
            else:
                self._level(key.group, bag)
        for group, minutes in passed.items():
            self._count(group, minutes)


def _floor(step_ms: int, at_ms: int) -> int:
    return at_ms // step_ms * step_ms


def _by_slice(bags: Iterable[tuple[int, Bag]], start_of: Callable[[int], int]) -> list[tuple[int, Bag]]:
    """Bags by the start of the slice that each falls into, added up; none that come to nothing."""
    found: dict[int, list[Bag]] = {}
    for at_ms, bag in bags:
        found.setdefault(start_of(at_ms), []).append(bag)
    sums = ((start_ms, some[0] if len(some) == 1 else total(some)) for start_ms, some in found.items())
    return [(start_ms, bag) for start_ms, bag in sums if bag]


def _step_ms(key: SliceKey) -> int:
    return DAY_MS if key.tier == DAY else _TIER[key.tier].step_ms
