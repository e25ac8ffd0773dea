"""Amounts: the small algebra that slices and windows are made of. Knows nothing about sales.

Three kinds: plain integers (counts, money, levels), `Durations` and `Distinct`. Integers and durations add and
subtract exactly, so grouping and order do not matter; distinct counts only add. A bag maps names to amounts.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

import datasketches as ds

# Durations are counted exactly against these limits (seconds): they become histogram buckets and limits of KPIs.
THRESHOLDS_S = (
    60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 259_200, 604_800, 1_209_600, 2_592_000,
    5_184_000, 7_776_000, 15_552_000, 31_536_000,
)  # fmt: skip
_THRESHOLDS_MS = tuple(s * 1000 for s in THRESHOLDS_S)
_GAMMA = 1.02  # neighbouring bucket bounds; the middle of a bucket is within 1 % of everything in it
_LOG_GAMMA = math.log(_GAMMA)
_ZERO = -1  # bucket of durations under a millisecond
LG_K = 12  # theta sketches: exact below 4,096 identities


class Durations:
    """Signed counts of durations: logarithmic buckets (1 % relative error), exact count, sum and counts per limit."""

    __slots__ = ("buckets", "count", "limits", "sum_ms")

    def __init__(self) -> None:
        self.count = 0
        self.sum_ms = 0
        self.limits: dict[int, int] = {}  # index into THRESHOLDS_S (first limit >= duration; len = above all) → n
        self.buckets: dict[int, int] = {}

    def add_ms(self, duration_ms: int, times: int = 1) -> None:
        self.count += times
        self.sum_ms += duration_ms * times
        _bump(self.limits, bisect_left(_THRESHOLDS_MS, duration_ms), times)
        _bump(self.buckets, math.ceil(math.log(duration_ms) / _LOG_GAMMA) if duration_ms > 0 else _ZERO, times)

    def merge(self, other: Durations, sign: int = 1) -> None:
        self.count += sign * other.count
        self.sum_ms += sign * other.sum_ms
        for index, n in other.limits.items():
            _bump(self.limits, index, sign * n)
        for index, n in other.buckets.items():
            _bump(self.buckets, index, sign * n)

    def cumulative(self) -> Iterable[int]:
        """Number of durations up to each of THRESHOLDS_S."""
        total = 0
        for index in range(len(THRESHOLDS_S)):
            total += self.limits.get(index, 0)
            yield total

    def quantile_ms(self, q: float) -> float:
        """The shortest duration that a share `q` of all do not exceed (nearest rank), within 1 %."""
        rank, seen = max(0, math.ceil(round(q * self.count, 6)) - 1), 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen > rank:
                return 2 * _GAMMA**index / (_GAMMA + 1) if index != _ZERO else 0.0
        raise ValueError("quantile of no durations")

    def __bool__(self) -> bool:
        return bool(self.count or self.sum_ms or self.limits or self.buckets)

    def dump(self) -> list[Any]:
        return [self.count, self.sum_ms, self.limits, self.buckets]

    @classmethod
    def load(cls, dumped: list[Any]) -> Durations:
        found = cls()
        found.count, found.sum_ms, found.limits, found.buckets = dumped
        return found


class Hashes(set[int]):
    """Hashes of identities on their way to a `Distinct`: cheap to collect, sent as eight bytes each."""

    def dump(self) -> dict[str, bytes]:
        return {"hashes": array("Q", sorted(self)).tobytes()}


class Distinct:
    """Distinct count of 64-bit hashes: add-only theta sketch, exact below 4,096."""

    __slots__ = ("_sketch",)

    def __init__(self) -> None:
        self._sketch = ds.theta_union(LG_K)

    def _result(self) -> ds.compact_theta_sketch:
        """Hashes in no order, which nobody needs: sorting them takes up to eight times as long as all the rest."""
        return self._sketch.get_result(ordered=False)

    def add(self, hashes: Iterable[int]) -> None:
        fresh = ds.update_theta_sketch(LG_K)
        for value in hashes:
            fresh.update(value - 2**64 if value >= 2**63 else value)  # the sketch takes larger integers for floats
        self._sketch.update(fresh)

    def merge(self, other: Distinct) -> None:
        self._sketch.update(other._result())

    def estimate(self) -> float:
        return float(self._result().get_estimate())

    def bounds(self, deviations: int = 3) -> tuple[float, float]:
        """Interval that holds the true number within so many standard deviations."""
        result = self._result()
        return float(result.get_lower_bound(deviations)), float(result.get_upper_bound(deviations))

    def __bool__(self) -> bool:
        return True  # add-only: never comes to nothing

    def dump(self) -> bytes:
        return bytes(self._result().serialize())

    @classmethod
    def load(cls, dumped: bytes) -> Distinct:
        found = cls()
        found._sketch.update(ds.compact_theta_sketch.deserialize(dumped))
        return found


Amount = int | Durations | Distinct
Bag = dict[str, Amount]


def _bump(counts: dict[int, int], index: int, times: int) -> None:
    n = counts.get(index, 0) + times
    if n:
        counts[index] = n
    else:
        counts.pop(index, None)


def add(bag: Bag, delta: Mapping[str, Amount]) -> None:
    """Add a bag to another; entries that come to nothing disappear."""
    for name, amount in delta.items():
        if type(amount) is int:
            total: Any = bag.get(name, 0) + amount  # type: ignore[operator]
        else:
            total = bag.get(name) or type(amount)()
            total.merge(amount)
        if total:
            bag[name] = total
        else:
            bag.pop(name, None)


def total(bags: Iterable[Mapping[str, Amount]]) -> Bag:
    """The sum of bags."""
    found: Bag = {}
    for bag in bags:
        add(found, bag)
    return found


def subtract(bag: Bag, delta: Mapping[str, Amount]) -> list[str]:
    """Take a bag away from another. Returns the names of distinct counts, which must be merged anew instead."""
    left = []
    for name, amount in delta.items():
        if isinstance(amount, int):
            add(bag, {name: -amount})
        elif isinstance(amount, Durations):
            mine = bag.setdefault(name, Durations())
            mine.merge(amount, -1)  # type: ignore[union-attr, arg-type, call-arg]
            if not mine:
                del bag[name]
        else:
            left.append(name)
    return left


def dump(bag: Mapping[str, Amount | Hashes]) -> dict[str, Any]:
    """A bag as plain values for MessagePack."""
    return {name: _dump_int(amount) if isinstance(amount, int) else amount.dump() for name, amount in bag.items()}


def _dump_int(amount: int) -> int | str:
    """MessagePack has integers of 64 bits; sums of absurd amounts may be wider."""
    return amount if -(2**63) <= amount < 2**63 else str(amount)


def load(dumped: Mapping[str, Any]) -> Bag:
    """Inverse of `dump`."""
    bag: Bag = {}
    for name, value in dumped.items():
        match value:
            case int():
                bag[name] = value
            case str():
                bag[name] = int(value)
            case bytes():
                bag[name] = Distinct.load(value)
            case {"hashes": packed}:
                bag[name] = found = Distinct()
                found.add(array("Q", packed))
            case _:
                bag[name] = Durations.load(value)
    return bag
