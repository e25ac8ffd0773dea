"""Local sums: facts per group and minute until the checkpoint, so that a busy group costs stage 2 one record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from streamproc.facts.fact import FACTS, Dims, Fact, Kind
from streamproc.windows.aggregates import Durations, Hashes, dump
from streamproc.windows.calendar import MINUTE_MS

_encode = msgspec.msgpack.Encoder().encode
_PROJECTIONS = 10_000  # remembered projections, about 1.5 kB each; forgotten all at once when there are more


class Sums:
    """Signed sums by group and minute. `dimensions`: grouping dimensions that KPIs need of a fact, None if none do."""

    def __init__(self, dimensions: Callable[[str], frozenset[str] | None]) -> None:
        self._dimensions = {name: dimensions(name) for name in FACTS}
        self._groups: dict[tuple[Dims, frozenset[str]], tuple[str, ...]] = {}
        self._sums: dict[str, dict[int, tuple[dict[str, Any], dict[str, int]]]] = {}

    def add(self, fact: Fact, times: int) -> None:
        needed = self._dimensions[fact.name]
        if needed is None:
            return
        name, minute = fact.name, fact.time_ms - fact.time_ms % MINUTE_MS
        kind = FACTS[name]
        for group in self._project(fact.dims, needed):
            minutes = self._sums.get(group)
            if minutes is None:
                minutes = self._sums[group] = {}
            pair = minutes.get(minute)
            if pair is None:
                pair = minutes[minute] = ({}, {})
            bag, levels = pair
            if kind is Kind.COUNT or kind is Kind.SUM:
                bag[name] = bag.get(name, 0) + fact.value * times
            elif kind is Kind.DURATION:
                if name not in bag:
                    bag[name] = Durations()
                bag[name].add_ms(fact.value, times)
            elif kind is Kind.LEVEL:
                levels[name] = levels.get(name, 0) + fact.value * times
                levels[name + ".changes"] = levels.get(name + ".changes", 0) + times
            elif times > 0:  # distinct counts only add
                bag.setdefault(name, Hashes()).add(fact.value)

    def take(self) -> list[tuple[str, bytes]]:
        """One record per group: (group, packed [[minute, facts, levels], …])."""
        records = [
            (group, _encode([(minute, dump(bag), dump(levels)) for minute, (bag, levels) in minutes.items()]))
            for group, minutes in self._sums.items()
        ]
        self._sums.clear()
        return records

    def __len__(self) -> int:
        return len(self._sums)

    def _project(self, dims: Dims, needed: frozenset[str]) -> tuple[str, ...]:
        key = (dims, needed)
        groups = self._groups.get(key)
        if groups is None:
            if len(self._groups) >= _PROJECTIONS:
                self._groups.clear()
            groups = self._groups[key] = ("", *(f"{name}={value}" for name, value in dims if name in needed))
        return groups
