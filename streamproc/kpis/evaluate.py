"""Changed slices and the catalogue → changed KPI values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streamproc.facts.reference import Reference
from streamproc.facts.targets import Key
from streamproc.kpis.kpi import Catalogue, Kpi, KpiValue, Parts, Totals
from streamproc.windows.calendar import ALL, WINDOWS
from streamproc.windows.slices import Slices

CHANGES = ".changes"  # suffix of the counter that tells whether a level of a group has ever been touched


class Series(NamedTuple):
    """Names one series of values; `window` is None for levels."""

    kpi: str
    group: str
    window: str | None


class Evaluator:
    """Keeps the latest value of every series and tells what changed."""

    def __init__(self, catalogue: Catalogue, slices: Slices, reference: Reference) -> None:
        self.catalogue = catalogue
        self.slices = slices
        self.reference = reference
        self.latest: dict[Series, Parts] = {}
        self.watched: frozenset[str] = frozenset()  # names of KPIs that are compared with the previous window
        self.touched: set[Series] = set()  # series of those that are as they were, but perhaps not what was before
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
        values: list[KpiValue] = []
        ceased: list[Series] = []
        for group, facts in changes.facts.items():
            for kpi in self._reading(group, facts):
                for window in WINDOWS if kpi.windowed else (None,):
                    self._evaluate(kpi, group, window, values, ceased)
        for (group, window), facts in changes.windows.items():
            for kpi in self._reading(group, facts):
                self._evaluate(kpi, group, window, values, ceased)
        for name, group in self._again:
            kpi = self.catalogue[name]
            for window in WINDOWS if kpi.windowed else (None,):
                self._evaluate(kpi, group, window, values, ceased)
        for group, window in changes.turned:  # from nothing before, which is None, to 0 of a KPI, or back
            series = (Series(name, group, window) for name in self.watched)
            self.touched.update(one for one in series if one in self.latest)
        self._again.clear()
        changes.facts.clear()
        changes.windows.clear()
        changes.turned.clear()
        return values, ceased

    def unchanged(self, values: list[KpiValue], changed: list[KpiValue]) -> list[KpiValue]:
        """Those of earlier values that still hold: none of the changed ones, and of series that have not ceased."""
        again = {series_of(value) for value in changed} if values else set()
        return [value for value in values if (series := series_of(value)) in self.latest and series not in again]

    def value(self, series: Series, parts: Parts) -> KpiValue:
        """A series' value as of the clock."""
        as_of = self.slices.clock_ms
        start = self.slices.calendar.window_start(series.window, as_of) if series.window else None
        return KpiValue(
            kpi=series.kpi,
            group=series.group,
            window=series.window,
            value=parts.value,
            numerator=parts.numerator,
            denominator=parts.denominator,
            n=parts.n,
            unit=self.catalogue[series.kpi].unit,
            window_start_ms=start,
            as_of_ms=as_of,
            buckets=parts.buckets,
        )

    def _reading(self, group: str, facts: set[str]) -> list[Kpi]:
        found = {kpi.name: kpi for fact in facts for kpi in self.catalogue.reading(fact.removesuffix(CHANGES))}
        return [kpi for kpi in found.values() if _has_group(kpi, group)]

    def _evaluate(self, kpi: Kpi, group: str, window: str | None, values: list[KpiValue], ceased: list[Series]) -> None:
        series = Series(kpi.name, group, window)
        levels = self.slices.levels(group)
        ever = self.slices.window(group, ALL)
        if not any(name in ever for name in kpi.facts) and not any(name + CHANGES in levels for name in kpi.levels):
            if self.latest.pop(series, None) is not None:
                ceased.append(series)
            return
        parts = kpi.parts(self._totals(kpi, group, window))
        if kpi.reads_length and parts.value is not None:
            self._moving.add(series)
        if parts != self.latest.get(series):
            self.latest[series] = parts
            values.append(self.value(series, parts))
        elif kpi.name in self.watched:
            self.touched.add(series)

    def _totals(self, kpi: Kpi, group: str, window: str | None) -> Totals:
        levels = self.slices.levels(group)
        if window is None:
            return Totals({}, levels)
        start_ms = self.slices.calendar.window_start(window, self.slices.clock_ms)
        return Totals(
            self.slices.window(group, window),
            levels,
            self.slices.previous(group, window) if kpi.reads_previous else {},
            None if start_ms is None else self.slices.clock_ms - start_ms,
            self._reps.get(group, 0),
            self._targets.get((kpi.target_of, group, window)) if kpi.target_of else None,
        )


def series_of(value: KpiValue) -> Series:
    """The series that a value is of."""
    return Series(value.kpi, value.group, value.window)


def _has_group(kpi: Kpi, group: str) -> bool:
    return not group or group.partition("=")[0] in kpi.by
