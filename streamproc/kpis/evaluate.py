"""Changed slices and the catalogue → changed KPI values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from streamproc.facts.reference import Reference
from streamproc.facts.targets import Key
from streamproc.kpis.kpi import Bag, Catalogue, Kpi, KpiValue, Parts, Totals
from streamproc.windows.calendar import ALL, WINDOWS
from streamproc.windows.slices import Slices

CHANGES = ".changes"  # suffix of the counter that tells whether a level of a group has ever been touched


class Series(NamedTuple):
    """Names one series of values; `window` is None for levels."""

    kpi: str
    group: str
    window: str | None


_Name = tuple[str, str | None]  # a KPI and a window


class Latest(Mapping[Series, Parts]):
    """The latest parts of each series. Kept by group: names of KPIs and windows are the same ones for all groups,
    where a Series each would take half of the memory."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[_Name, Parts]] = {}

    def of(self, group: str) -> dict[_Name, Parts]:
        """A group's parts by KPI and window, to be changed in place, and given to `drop_empty` after that."""
        return self._groups.setdefault(group, {})

    def drop_empty(self, group: str) -> None:
        if not self._groups[group]:
            del self._groups[group]

    def __getitem__(self, series: Series) -> Parts:
        return self._groups[series.group][series.kpi, series.window]

    def __iter__(self) -> Iterator[Series]:
        return (Series(kpi, group, window) for group, found in self._groups.items() for kpi, window in found)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))


class _Row(NamedTuple):
    """A KPI and what is asked of it again and again. `changes`: counters of the levels that it reads."""

    kpi: Kpi
    facts: tuple[str, ...]
    changes: tuple[str, ...]
    names: Mapping[str | None, _Name]  # by window


class _Found(NamedTuple):
    """What an evaluation has come to."""

    values: list[KpiValue]
    ceased: list[Series]


class Evaluator:
    """Keeps the latest value of every series and tells what changed."""

    def __init__(self, catalogue: Catalogue, slices: Slices, reference: Reference) -> None:
        self.catalogue = catalogue
        self.slices = slices
        self.reference = reference
        self.latest = Latest()
        self.watched: frozenset[str] = frozenset()  # names of KPIs that are compared with the previous window
        self.touched: set[Series] = set()  # series of those that are as they were, but perhaps not what was before
        self._rows = {kpi.name: _row(kpi) for kpi in catalogue.kpis}
        self._by_dimension: dict[str, dict[str, dict[str, _Row]]] = {}  # dimension → fact → KPIs by name
        self._reps: Mapping[str, int] = {}  # headcounts at the clock
        self._targets: dict[Key, float] = {}  # those that hold at the clock
        self._again: set[tuple[str, str]] = set()  # (KPI, group) whose reference data or length of window changed
        self._moving: set[Series] = set()  # those whose value moves with the clock

    def look_up(self) -> None:
        """Look up what reference data says at the clock; KPIs that read what changed are evaluated anew."""
        reps = self.reference.headcounts(self.slices.clock_ms)
        targets = dict(self.reference.targets.current(self.slices.clock_ms))
        groups = {group for group in {*reps, *self._reps} if reps[group] != self._reps.get(group, 0)}
        keys = {key for key in {*targets, *self._targets} if targets.get(key) != self._targets.get(key)}
        for kpi in self.catalogue.kpis:
            if kpi.reads_reps:
                self._again.update((kpi.name, group) for group in groups if _has_group(kpi, group))
            if kpi.target_of:
                self._again.update(
                    (kpi.name, key[1]) for key in keys if key[0] == kpi.target_of and _has_group(kpi, key[1])
                )
        self._reps, self._targets = reps, targets
        self._again.update((series.kpi, series.group) for series in self._moving)
        self._moving.clear()

    def changed(self) -> tuple[list[KpiValue], list[Series]]:
        """Values that differ from the latest, and series that have ceased (everything of them was withdrawn)."""
        changes = self.slices.changes
        found = _Found([], [])
        for group, facts in changes.facts.items():
            self._evaluate(group, self._reading(group, facts), None, found)
        for (group, window), facts in changes.windows.items():
            others = facts - changes.facts.get(group, set())  # those have been evaluated in all windows
            self._evaluate(group, self._reading(group, others), window, found)
        for name, group in self._again:
            self._evaluate(group, [self._rows[name]], None, found)
        for group, window in changes.turned:  # from nothing before, which is None, to 0 of a KPI, or back
            series = (Series(name, group, window) for name in self.watched)
            self.touched.update(one for one in series if one in self.latest)
        self._again.clear()
        changes.facts.clear()
        changes.windows.clear()
        changes.turned.clear()
        return found.values, found.ceased

    def unchanged(self, values: list[KpiValue], changed: list[KpiValue]) -> list[KpiValue]:
        """Those of earlier values that still hold: none of the changed ones, and of series that have not ceased."""
        again = {series_of(value) for value in changed} if values else set()
        return [value for value in values if (series := series_of(value)) in self.latest and series not in again]

    def value(self, series: Series, parts: Parts) -> KpiValue:
        """A series' value as of the clock."""
        as_of_ms = self.slices.clock_ms
        start_ms = self.slices.calendar.window_start(series.window, as_of_ms) if series.window else None
        return _value(self.catalogue[series.kpi], series.group, series.window, parts, start_ms, as_of_ms)

    def _reading(self, group: str, facts: set[str]) -> Iterable[_Row]:
        """KPIs that read one of these facts and are computed for such groups."""
        dimension = group.partition("=")[0]
        by_fact = self._by_dimension.get(dimension)
        if by_fact is None:
            by_fact = self._by_dimension[dimension] = {}
        found: dict[str, _Row] = {}
        for fact in facts:
            rows = by_fact.get(fact)
            if rows is None:
                reading = self.catalogue.reading(fact.removesuffix(CHANGES))
                rows = by_fact[fact] = {kpi.name: self._rows[kpi.name] for kpi in reading if _has_group(kpi, group)}
            found |= rows
        return found.values()

    def _evaluate(self, group: str, rows: Iterable[_Row], window: str | None, found: _Found) -> None:
        """Evaluate KPIs of a group in a window, or in all that they have."""
        levels, ever = self.slices.levels(group), self.slices.window(group, ALL)
        totals: dict[str | None, Totals] = {}  # the same for all KPIs
        latest, as_of_ms = self.latest.of(group), self.slices.clock_ms
        for kpi, facts, changes, names in rows:
            is_there = any(name in ever for name in facts) or any(name in levels for name in changes)
            asked = (window,) if window else names
            if not is_there:
                ceased = [one for one in asked if latest.pop(names[one], None) is not None]
                found.ceased.extend(Series(kpi.name, group, one) for one in ceased)
                continue
            for one in asked:
                now = totals.get(one)
                if now is None:
                    now = totals[one] = self._totals(group, one, levels)
                if kpi.target_of:
                    now = now._replace(target=self._targets.get((kpi.target_of, group, one)))
                parts = kpi.parts(now)
                if kpi.reads_length and parts.value is not None:
                    self._moving.add(Series(kpi.name, group, one))
                if parts != latest.get(names[one]):
                    latest[names[one]] = parts
                    start_ms = None if now.length_ms is None else as_of_ms - now.length_ms
                    found.values.append(_value(kpi, group, one, parts, start_ms, as_of_ms))
                elif kpi.name in self.watched:
                    self.touched.add(Series(kpi.name, group, one))
        self.latest.drop_empty(group)

    def _totals(self, group: str, window: str | None, levels: Bag) -> Totals:
        if window is None:
            return Totals({}, levels)
        start_ms = self.slices.calendar.window_start(window, self.slices.clock_ms)
        return Totals(
            self.slices.window(group, window),
            levels,
            self.slices.previous(group, window),
            None if start_ms is None else self.slices.clock_ms - start_ms,
            self._reps.get(group, 0),
        )


def series_of(value: KpiValue) -> Series:
    """The series that a value is of."""
    return Series(value.kpi, value.group, value.window)


def _value(kpi: Kpi, group: str, window: str | None, parts: Parts, start_ms: int | None, as_of_ms: int) -> KpiValue:
    return KpiValue(
        kpi=kpi.name,
        group=group,
        window=window,
        value=parts.value,
        numerator=parts.numerator,
        denominator=parts.denominator,
        n=parts.n,
        unit=kpi.unit,
        window_start_ms=start_ms,
        as_of_ms=as_of_ms,
        buckets=parts.buckets,
    )


def _row(kpi: Kpi) -> _Row:
    windows = tuple(WINDOWS) if kpi.windowed else (None,)
    changes = tuple(name + CHANGES for name in kpi.levels)
    return _Row(kpi, kpi.facts, changes, {window: (kpi.name, window) for window in windows})


def _has_group(kpi: Kpi, group: str) -> bool:
    return not group or group.partition("=")[0] in kpi.by
