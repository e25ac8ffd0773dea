"""What a group's past weeks say about the rest of its running period: slices of days and hours → `Past`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streamproc.kpis.forecast import WEEKS, OpenStage, Past
from streamproc.kpis.kpi import MONEY, Bag, Count, Kpi, Sum, Totals, Weighted
from streamproc.windows.aggregates import Durations
from streamproc.windows.calendar import DAY, HOUR_MS
from streamproc.windows.slices import SliceKey, Slices

HOUR_WEEKS = 12  # for which slices of hours are kept: 90 days


class Running(NamedTuple):
    """A calendar period as of the clock: when it ends (epoch ms), its value so far, and the past."""

    end_ms: int
    so_far: float
    past: Past


def adds_up(kpi: Kpi) -> bool:
    """Whether values of parts of a period add up to that of the period, as counts and sums do."""
    return type(kpi) in (Count, Sum, Weighted)


def running(kpi: Kpi, group: str, period: str, slices: Slices) -> Running:
    """The running calendar period of a KPI of a group, for KPIs that are flows."""
    return _Reader(kpi, group, slices).running(period)


def open_stage(name: str, slices: Slices) -> OpenStage:
    """The deals open in a stage as of the clock, and the stays in it that ended in the last 90 days."""
    group = f"deal_stage={name}"
    levels: Bag = slices.levels(group)
    window: Bag = slices.window(group, "90d")
    value, weighted = levels.get("pipeline_value", 0) / MONEY, levels.get("pipeline_weighted", 0) / MONEY
    now = OpenStage(name, levels.get("open_deals", 0), value, weighted)
    stays: Durations | None = window.get("stage_dwell")
    if stays is None or stays.count <= 0:
        return now
    mean_s, p50_s, p90_s = (ms / 1000 for ms in (stays.sum_ms / stays.count, *map(stays.quantile_ms, (0.5, 0.9))))
    return now._replace(stays=stays.count, mean_s=mean_s, p50_s=p50_s, p90_s=p90_s)


class _Reader:
    """Values of stretches of the past of one series. `now_ms`: the last millisecond before the clock."""

    def __init__(self, kpi: Kpi, group: str, slices: Slices) -> None:
        self.kpi = kpi
        self.group = group
        self.slices = slices
        self.calendar = slices.calendar
        self.now_ms = slices.clock_ms - 1

    def running(self, period: str) -> Running:
        end_ms = self.calendar.window_end(period, self.slices.clock_ms)
        days_left = 0
        while self.calendar.days_on(self.now_ms, days_left + 1) < end_ms:
            days_left += 1
        whole_weeks, rest_days = divmod(days_left, 7)
        known = list(self._weeks_back(max(WEEKS, whole_weeks)))
        weeks = [self._days(-7 * back, 7) for back in known]
        past = Past(
            whole_weeks,
            [value for value, _ in weeks],
            [self._stretch(-7 * back, rest_days) for back in known if back <= HOUR_WEEKS],
            sum(n for _, n in weeks),
        )
        so_far = self.kpi.parts(Totals(self.slices.window(self.group, period))).value or 0
        return Running(end_ms, so_far, past)

    def _weeks_back(self, most: int) -> Iterator[int]:
        """How many weeks ago the weeks of history began, the oldest first. The very first day may be half a day."""
        first_ms = self._first_day()
        for back in range(most, 0, -1):
            if first_ms is not None and self.calendar.days_on(self.now_ms, -7 * back) > first_ms:
                yield back

    def _first_day(self) -> int | None:
        """The first local day that anything of the KPI counts on."""
        facts = self.kpi.facts
        starts = sorted(key.start_ms for key in self.slices.slices if key.tier == DAY and key.group == self.group)
        return next((start for start in starts if not self._bag(DAY, start).keys().isdisjoint(facts)), None)

    def _days(self, first: int, count: int) -> tuple[float, int]:
        """Value and number of things of whole days; `first` counts from today."""
        value, n = 0.0, 0
        for day in range(first, first + count):
            parts = self.kpi.parts(Totals(self._bag(DAY, self.calendar.days_on(self.now_ms, day))))
            value, n = value + (parts.value or 0), n + parts.n
        return value, n

    def _stretch(self, day: int, more_days: int) -> float:
        """Value of a day from this time of day on, and of some days after it."""
        today_ms = self.calendar.days_on(self.now_ms, 0)
        from_ms = self.calendar.days_on(self.now_ms, day) + self.slices.clock_ms - today_ms
        until_ms = self.calendar.days_on(self.now_ms, day + 1)
        value = 0.0
        for hour_ms in range(from_ms // HOUR_MS * HOUR_MS, until_ms, HOUR_MS):
            share = max(0, min(until_ms, hour_ms + HOUR_MS) - max(from_ms, hour_ms)) / HOUR_MS
            value += share * (self.kpi.parts(Totals(self._bag("hour", hour_ms))).value or 0)
        return value + self._days(day + 1, more_days)[0]

    def _bag(self, tier: str, start_ms: int) -> Bag:
        return self.slices.bag(SliceKey(self.group, tier, start_ms))
