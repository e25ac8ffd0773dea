"""Kpi: a KPI is data of few kinds, one class each; KpiValue: what comes out.

Every kind computes its `Parts` from `Totals`: bags of totals (fact name → amount) of a window, of the window before it,
and of the levels now. Amounts are integers (counts; money in 1/10,000), `Durations` or sketches; division happens only
here, at output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import Struct

from streamproc.kpis.against import Against
from streamproc.windows.aggregates import THRESHOLDS_S, Durations
from streamproc.windows.aggregates import Distinct as Sketch

MONEY = 10_000  # units of 1/10,000
Bag = Mapping[str, Any]
NOTHING: Bag = {}


class Totals(NamedTuple):
    """What a KPI of a group is computed from, as of a time. Bags map names of facts to amounts."""

    window: Bag
    levels: Bag = NOTHING
    previous: Bag = NOTHING  # of the window before, for kinds that ask for it (`reads_previous`)
    length_ms: int | None = None  # of the window; None for levels and `all`
    reps: int = 0  # active reps of the group
    target: float | None = None  # of the KPI that `target_of` names, for the same group and window


class Parts(Struct, frozen=True, gc=False):
    """A value with its parts. `value` is None where undefined; `n` says how much stands behind it."""

    value: float | int | None
    numerator: float | int | None
    denominator: float | int | None
    n: int
    buckets: tuple[int, ...] | None = None  # cumulative counts per `THRESHOLDS_S`, for mean durations


class KpiValue(Struct, frozen=True, kw_only=True, gc=False):
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
    against: Against | None = None


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
    means_de: str = ""  # `means` in German; "" where nobody has written it

    reads_previous = False
    reads_reps = False
    reads_length = False  # of the window: the value moves with the clock even where nothing happens
    target_of = ""  # name of a KPI whose target it reads

    @property
    def windowed(self) -> bool:
        """Whether it has a value for each window, or is a level that only has one now."""
        return bool(self.facts)

    @property
    def facts(self) -> tuple[str, ...]:
        """Facts of windows that the KPI reads."""
        raise NotImplementedError

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels that the KPI reads."""
        return ()

    def parts(self, now: Totals) -> Parts:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Count(Kpi):
    """Number of facts of one or more names."""

    of: tuple[str, ...]
    unit: str = "count"

    @property
    def facts(self) -> tuple[str, ...]:
        return self.of

    def parts(self, now: Totals) -> Parts:
        n = sum(now.window.get(name, 0) for name in self.of)
        return Parts(n, n, None, n)


@dataclass(frozen=True, kw_only=True)
class Distinct(Kpi):
    """Number of different identities: exact below 4,096, else a theta sketch's estimate."""

    of: str
    unit: str = "count"

    @property
    def facts(self) -> tuple[str, ...]:
        return (self.of,)

    def parts(self, now: Totals) -> Parts:
        sketch: Sketch | None = now.window.get(self.of)
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

    def parts(self, now: Totals) -> Parts:
        part, whole = now.window.get(self.part, 0), sum(now.window.get(name, 0) for name in self.whole)
        return Parts(part / whole if whole else None, part, whole, whole)


@dataclass(frozen=True, kw_only=True)
class Weighted(Kpi):
    """Points: so many for each fact of a name."""

    weights: tuple[tuple[str, int], ...]
    unit: str = "points"

    @property
    def facts(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.weights)

    def parts(self, now: Totals) -> Parts:
        points = sum(weight * now.window.get(name, 0) for name, weight in self.weights)
        return Parts(points, points, None, points)


@dataclass(frozen=True, kw_only=True)
class Sum(Kpi):
    """Sum of amounts kept in 1/`scale` of the unit; `n` counts what they came from."""

    total: tuple[str, ...]
    count: tuple[str, ...]
    scale: int = MONEY

    @property
    def facts(self) -> tuple[str, ...]:
        return (*self.total, *self.count)

    def parts(self, now: Totals) -> Parts:
        total = added(now.window, self.total) / self.scale
        return Parts(total, total, None, added(now.window, self.count))


@dataclass(frozen=True, kw_only=True)
class Mean(Sum):
    """Mean amount per counted thing."""

    def parts(self, now: Totals) -> Parts:
        total, count = added(now.window, self.total), added(now.window, self.count)
        return Parts(total / (self.scale * count) if count else None, total / self.scale, count, count)


@dataclass(frozen=True, kw_only=True)
class Growth(Sum):
    """Change of a sum against the window before, as a share of what it was then; undefined at 0 then."""

    unit: str = "ratio"
    reads_previous = True

    def parts(self, now: Totals) -> Parts:
        then = added(now.previous, self.total)
        change = added(now.window, self.total) - then
        n = added(now.window, self.count) + added(now.previous, self.count)
        return Parts(change / then if then else None, change / self.scale, then / self.scale, n)


@dataclass(frozen=True, kw_only=True)
class OfDurations(Kpi):
    """Something of the durations that ended in the window; undefined without any."""

    of: str
    nothing = Parts(None, 0, 0, 0)  # without any

    @property
    def facts(self) -> tuple[str, ...]:
        return (self.of,)

    def parts(self, now: Totals) -> Parts:
        d: Durations | None = now.window.get(self.of)
        return self.of_some(d) if d is not None and d.count > 0 else self.nothing  # < 0: shed once, then withdrawn

    def of_some(self, d: Durations) -> Parts:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class MeanDuration(OfDurations):
    """Mean of durations."""

    unit: str = "seconds"

    def of_some(self, d: Durations) -> Parts:
        return Parts(d.sum_ms / (1000 * d.count), d.sum_ms / 1000, d.count, d.count, tuple(d.cumulative()))


@dataclass(frozen=True, kw_only=True)
class WithinDuration(OfDurations):
    """Share of durations of at most `limit_s`, one of `THRESHOLDS_S`."""

    limit_s: int
    unit: str = "ratio"

    def of_some(self, d: Durations) -> Parts:
        within = tuple(d.cumulative())[THRESHOLDS_S.index(self.limit_s)]
        return Parts(within / d.count, within, d.count, d.count)


@dataclass(frozen=True, kw_only=True)
class QuantileDuration(OfDurations):
    """Quantile of durations, within 1 %."""

    q: float
    unit: str = "seconds"
    nothing = Parts(None, None, None, 0)

    def of_some(self, d: Durations) -> Parts:
        return Parts(d.quantile_ms(self.q) / 1000, None, None, d.count)


@dataclass(frozen=True, kw_only=True)
class Level(Kpi):
    """A running total now; never summed over time."""

    of: str
    count: str
    scale: int = 1

    @property
    def facts(self) -> tuple[str, ...]:
        return ()

    @property
    def levels(self) -> tuple[str, ...]:
        return (self.of, self.count)

    def parts(self, now: Totals) -> Parts:
        total = now.levels.get(self.of, 0)
        value = total / self.scale if self.scale != 1 else total
        return Parts(value, value, None, now.levels.get(self.count, 0))


@dataclass(frozen=True, kw_only=True)
class Derived(Kpi):
    """Computed from other facts and levels by a function (no expression language: types check it)."""

    of: tuple[str, ...] = ()
    of_levels: tuple[str, ...] = ()
    compute: Callable[[Totals], Parts]
    reads_reps: bool = False
    reads_length: bool = False
    target_of: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        return self.of

    @property
    def levels(self) -> tuple[str, ...]:
        return self.of_levels

    def parts(self, now: Totals) -> Parts:
        return self.compute(now)


def added(bag: Bag, names: tuple[str, ...]) -> int:
    """Sum of some integer amounts of a bag."""
    return sum(bag.get(name, 0) for name in names)


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

    def projection(self) -> dict[str, list[str]]:
        """Facts and levels that some KPI reads, with the grouping dimensions that some KPI needs of each."""
        return {name: sorted(found) for name, found in sorted(self._sets.items())}  # type: ignore[attr-defined]

    def __getitem__(self, name: str) -> Kpi:
        return self._by_name[name]  # type: ignore[attr-defined, no-any-return]
