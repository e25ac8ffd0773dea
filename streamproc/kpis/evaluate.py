"""Changed slices and the catalogue → changed KPI values."""

from __future__ import annotations

from typing import NamedTuple

from streamproc.kpis.kpi import Catalogue, Kpi, KpiValue, Parts
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

    def __init__(self, catalogue: Catalogue, slices: Slices) -> None:
        self.catalogue = catalogue
        self.slices = slices
        self.latest: dict[Series, Parts] = {}

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
        changes.facts.clear()
        changes.windows.clear()
        return values, ceased

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
        dimension = group.partition("=")[0]
        found = {kpi.name: kpi for fact in facts for kpi in self.catalogue.reading(fact.removesuffix(CHANGES))}
        return [kpi for kpi in found.values() if not dimension or dimension in kpi.by]

    def _evaluate(self, kpi: Kpi, group: str, window: str | None, values: list[KpiValue], ceased: list[Series]) -> None:
        series = Series(kpi.name, group, window)
        levels = self.slices.levels(group)
        ever = self.slices.window(group, ALL)
        if not any(name in ever for name in kpi.facts) and not any(name + CHANGES in levels for name in kpi.levels):
            if self.latest.pop(series, None) is not None:
                ceased.append(series)
            return
        parts = kpi.parts(self.slices.window(group, window) if window else {}, levels)
        if parts != self.latest.get(series):
            self.latest[series] = parts
            values.append(self.value(series, parts))
