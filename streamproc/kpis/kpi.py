"""Kpi: a KPI is data of few kinds, one class each; KpiValue: what comes out.

Every kind computes its `Parts` from two bags of totals (fact name → amount): those of a window and the levels now.
Amounts are integers (counts; money in 1/10,000), `Durations` or sketches; division happens only here, at output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import Struct

from streamproc.windows.aggregates import Distinct as Sketch
from streamproc.windows.aggregates import Durations

MONEY = 10_000  # units of 1/10,000
Bag = Mapping[str, Any]


class Parts(NamedTuple):
    """A value with its parts. `value` is None where undefined; `n` says how much stands behind it."""

    value: float | int | None
    numerator: float | int | None
    denominator: float | int | None
    n: int
    buckets: tuple[int, ...] | None = None  # cumulative counts per `THRESHOLDS_S`, for mean durations


class KpiValue(Struct, frozen=True, kw_only=True):
    """One value of a KPI for a group, as of a time. `window` is None for levels; times are epoch ms (UTC)."""

    kpi: str
    group: str  # "" is the company, else "dimension=value"
    window: str | None
    value: float | int | None
    numerator: float | int | None
    denominator: float | int | None
    n: int
    unit: str
    window_start_ms: int | None
    as_of_ms: int
    buckets: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """What every KPI declares. `by`: its grouping dimensions besides the company."""

    name: str
    means: str  # one sentence: what it says, and for ratios the cohort rule
    formula: str
    events: tuple[str, ...]
    source: str  # letters of the source articles
    by: tuple[str, ...]
    unit: str
    title_de: str
    title_en: str

    windowed = True

    @property
    def facts(self) -> tuple[str, ...]:
        """Facts of windows that the KPI reads."""
        raise NotImplementedError

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels that the KPI reads."""
        return ()

    def parts(self, window: Bag, levels: Bag) -> Parts:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Count(Kpi):
    """Number of facts of one or more names."""

    of: tuple[str, ...]
    unit: str = "count"

    @property
    def facts(self) -> tuple[str, ...]:
        return self.of

    def parts(self, window: Bag, levels: Bag) -> Parts:
        n = sum(window.get(name, 0) for name in self.of)
        return Parts(n, n, None, n)


@dataclass(frozen=True, kw_only=True)
class Distinct(Kpi):
    """Number of different identities: exact below 4,096, else a theta sketch's estimate."""

    of: str
    unit: str = "count"

    @property
    def facts(self) -> tuple[str, ...]:
        return (self.of,)

    def parts(self, window: Bag, levels: Bag) -> Parts:
        sketch: Sketch | None = window.get(self.of)
        n = round(sketch.estimate()) if sketch else 0
        return Parts(n, n, None, n)


@dataclass(frozen=True, kw_only=True)
class Ratio(Kpi):
    """Share of `whole` that is also `part`, 0..1; undefined without a whole."""

    part: str
    whole: tuple[str, ...]
    unit: str = "ratio"

    @property
    def facts(self) -> tuple[str, ...]:
        return (self.part, *self.whole)

    def parts(self, window: Bag, levels: Bag) -> Parts:
        part, whole = window.get(self.part, 0), sum(window.get(name, 0) for name in self.whole)
        return Parts(part / whole if whole else None, part, whole, whole)


@dataclass(frozen=True, kw_only=True)
class Money(Kpi):
    """Sum of money; `n` counts what it came from."""

    total: str
    count: str

    @property
    def facts(self) -> tuple[str, ...]:
        return (self.total, self.count)

    def parts(self, window: Bag, levels: Bag) -> Parts:
        total = window.get(self.total, 0) / MONEY
        return Parts(total, total, None, window.get(self.count, 0))


@dataclass(frozen=True, kw_only=True)
class MeanMoney(Money):
    """Mean money per counted thing."""

    def parts(self, window: Bag, levels: Bag) -> Parts:
        total, count = window.get(self.total, 0), window.get(self.count, 0)
        return Parts(total / (MONEY * count) if count else None, total / MONEY, count, count)


@dataclass(frozen=True, kw_only=True)
class MeanDuration(Kpi):
    """Mean of durations that ended in the window."""

    of: str
    unit: str = "seconds"

    @property
    def facts(self) -> tuple[str, ...]:
        return (self.of,)

    def parts(self, window: Bag, levels: Bag) -> Parts:
        d: Durations | None = window.get(self.of)
        if d is None or not d.count:
            return Parts(None, 0, 0, 0)
        return Parts(d.sum_ms / (1000 * d.count), d.sum_ms / 1000, d.count, d.count, tuple(d.cumulative()))


@dataclass(frozen=True, kw_only=True)
class QuantileDuration(Kpi):
    """Quantile of durations that ended in the window, within 1 %."""

    of: str
    q: float
    unit: str = "seconds"

    @property
    def facts(self) -> tuple[str, ...]:
        return (self.of,)

    def parts(self, window: Bag, levels: Bag) -> Parts:
        d: Durations | None = window.get(self.of)
        if d is None or not d.count:
            return Parts(None, None, None, 0)
        return Parts(d.quantile_ms(self.q) / 1000, None, None, d.count)


@dataclass(frozen=True, kw_only=True)
class Level(Kpi):
    """A running total now; never summed over time."""

    of: str
    count: str
    scale: int = 1
    windowed = False

    @property
    def facts(self) -> tuple[str, ...]:
        return ()

    @property
    def levels(self) -> tuple[str, ...]:
        return (self.of, self.count)

    def parts(self, window: Bag, levels: Bag) -> Parts:
        total = levels.get(self.of, 0)
        value = total / self.scale if self.scale != 1 else total
        return Parts(value, value, None, levels.get(self.count, 0))


@dataclass(frozen=True, kw_only=True)
class Derived(Kpi):
    """Computed from other facts and levels by a function (no expression language: types check it)."""

    of: tuple[str, ...]
    of_levels: tuple[str, ...] = field(default=())
    compute: Callable[[Bag, Bag], Parts]

    @property
    def facts(self) -> tuple[str, ...]:
        return self.of

    @property
    def levels(self) -> tuple[str, ...]:
        return self.of_levels

    def parts(self, window: Bag, levels: Bag) -> Parts:
        return self.compute(window, levels)


@dataclass(frozen=True)
class Catalogue:
    """The KPIs in force, indexed by what they read."""

    kpis: tuple[Kpi, ...]

    def __post_init__(self) -> None:
        by_fact: dict[str, list[Kpi]] = {}
        sets: dict[str, set[str]] = {}
        for kpi in self.kpis:
            for name in {*kpi.facts, *kpi.levels}:
                by_fact.setdefault(name, []).append(kpi)
                sets.setdefault(name, set()).update(kpi.by)
        object.__setattr__(self, "_by_name", {kpi.name: kpi for kpi in self.kpis})
        object.__setattr__(self, "_by_fact", by_fact)
        object.__setattr__(self, "_sets", {name: frozenset(found) for name, found in sets.items()})

    def reading(self, fact: str) -> list[Kpi]:
        """KPIs that read a fact or level."""
        return self._by_fact.get(fact, [])  # type: ignore[attr-defined, no-any-return]

    def dimensions(self, fact: str) -> frozenset[str] | None:
        """Grouping dimensions that some KPI needs of a fact; None if no KPI reads it."""
        return self._sets.get(fact)  # type: ignore[attr-defined, no-any-return]

    def __getitem__(self, name: str) -> Kpi:
        return self._by_name[name]  # type: ignore[attr-defined, no-any-return]
