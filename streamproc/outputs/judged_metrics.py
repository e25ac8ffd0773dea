"""What KPI values stand against, as gauges: targets, limits, attainment, pace, bands, and how far periods have come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streamproc.facts.targets import PERIODS
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.gauge import Gauge, escape
from streamproc.outputs.scopes import BRIEF, scope_of

Key = tuple[str, str, str | None]  # KPI, group, window

BANDS = {"ok": 0, "warning": 1, "critical": 2}
_PERIOD_OF = {window: period for period, window in PERIODS.items()}


class Period(NamedTuple):
    """A calendar period. `elapsed`: share of its working time that is over, None if it has none."""

    elapsed: float | None
    end_s: float


class JudgedExposition:
    """Families over all KPIs, told apart by the label `kpi`. Only series that are judged or compared have lines."""

    def __init__(self) -> None:
        self._target = Gauge("kpi_target", "Target of a KPI, in its unit.")
        self._threshold = Gauge(
            "kpi_threshold", "Limit of a KPI, in its unit: values lt (below) or gt (above) it are of that severity."
        )
        self._clear = Gauge("kpi_threshold_clear", "Where a KPI's value that was beyond a limit is good again.")
        self._samples = Gauge("kpi_samples", "How many things are behind a KPI's value that has limits.")
        self._least = Gauge("kpi_min_samples", "With fewer behind a KPI's value its band stays as it is.")
        self._attainment = Gauge(
            "kpi_attainment_ratio", "Value / target of a KPI; target / value where lower is better, at most 10."
        )
        self._pace = Gauge(
            "kpi_target_pace_ratio", "Attainment against the elapsed share of the period's working time; 1 is on track."
        )
        self._band = Gauge("kpi_band", "Band of a KPI's value: 0 ok, 1 warning, 2 critical.")
        self._previous = Gauge("kpi_previous", "A KPI's value in the window before, in its unit.")
        self._change = Gauge("kpi_change_ratio", "Change of a KPI's value against the window before, as a share.")
        self._all = (
            self._target, self._threshold, self._clear, self._samples, self._least, self._attainment, self._pace,
            self._band, self._previous, self._change,
        )  # fmt: skip
        self._shown: set[Key] = set()

    @property
    def names(self) -> set[str]:
        """Names of all families."""
        return {family.name for family in (*self._all, *_of_periods({}))}

    def counts(self) -> dict[str, int]:
        """Number of series by family."""
        return {family.name: family.count() for family in self._all}

    def put(self, key: Key, labels: str, value: KpiValue) -> None:
        """Show what a value stands against; `labels` are those of the value."""
        found = value.against
        if key in self._shown:
            self.remove(key)
        is_compared = found is not None and found.previous is not None and scope_of(value.group) not in BRIEF
        if found is None or (found.target is None and found.limits is None and not is_compared):
            return
        self._shown.add(key)
        name, _, window = key
        labels = f'kpi="{escape(name)}",{labels}'
        unit = f'unit="{escape(value.unit)}",{labels}'
        period = f',period="{_PERIOD_OF[window]}"' if window in _PERIOD_OF else ""
        self._target.put(key, unit + period, found.target)
        self._attainment.put(key, labels, found.attainment)
        self._pace.put(key, labels, found.pace)
        self._band.put(key, labels, BANDS.get(found.band))
        self._previous.put(key, unit, found.previous if is_compared else None)
        self._change.put(key, labels, found.change if is_compared else None)
        if found.limits is not None:
            op = f'op="{"lt" if found.is_below else "gt"}"'
            for severity in ("warning", "critical"):
                limit = getattr(found.limits, severity)
                self._threshold.put((key, severity), f'{unit},severity="{severity}",{op}', limit)
            self._clear.put(key, f"{unit},{op}", found.limits.clear)
            self._samples.put(key, labels, value.n)
            self._least.put(key, labels, found.limits.min_samples)

    def remove(self, key: Key) -> None:
        """Forget a series."""
        if key in self._shown:
            self._shown.discard(key)
            for family in self._all:
                for line in (key, (key, "warning"), (key, "critical")):
                    family.lines.pop(line, None)

    def families(self, periods: Mapping[str, Period]) -> list[Gauge]:
        """Families that have any line."""
        return [family for family in (*self._all, *_of_periods(periods)) if family.lines]


def _of_periods(periods: Mapping[str, Period]) -> tuple[Gauge, Gauge]:
    elapsed = Gauge("kpi_period_elapsed_ratio", "Share of a period's working time that is over.")
    end = Gauge("kpi_period_end_timestamp_seconds", "When a period ends (Unix time).")
    for name, period in periods.items():
        elapsed.put(name, f'period="{name}"', period.elapsed)
        end.put(name, f'period="{name}"', period.end_s)
    return elapsed, end
