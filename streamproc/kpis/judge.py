"""Judge: what each value of one task stands against, and what is to be told when its band changes.

Only series with a target, a limit, a benchmark or a previous window to compare with are looked at. What must outlive a
restart, so that nothing is told twice, is the band of a series and the period in which its target was reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streamproc.kpis.against import NO_LIMITS, Against, Band, Judgement, Limits
from streamproc.kpis.catalogue.judgement import headlines, judgements
from streamproc.kpis.compare import REACHED, Beside, against, is_flow
from streamproc.kpis.evaluate import Evaluator, Series, series_of
from streamproc.kpis.kpi import Kpi, KpiValue, Parts, Totals
from streamproc.kpis.limits import limits_of
from streamproc.kpis.working_time import WorkingTime
from streamproc.windows.calendar import ALL, CALENDAR

PREFIX = "band/"  # of its keys in the changelog
BAD = ("warning", "critical")
UNDEFINED = Parts(None, None, None, 0)
UNKNOWN = Judgement("none")  # of a KPI that the table does not have

_pack = msgspec.msgpack.Encoder().encode


class Kept(Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of a series. `reached_ms`: start of the latest period in which its target was reached."""

    band: Band = "none"
    reached_ms: int = -1


_unpack = msgspec.msgpack.Decoder(tuple[str, int]).decode


class Alert(NamedTuple):
    """A series has come into another band than `before`; `value.against` has the one that it is in."""

    value: KpiValue
    before: Band


class Judged(NamedTuple):
    """What came of judging. `reached`: values that came up to the target of their period for the first time."""

    values: list[KpiValue]
    alerts: list[Alert]
    reached: list[KpiValue]
    state: list[tuple[str, bytes | None]]


class Judge:
    """Judges the values that an evaluator finds changed, and those whose target, limit or pace has changed."""

    def __init__(
        self, evaluator: Evaluator, working_time: WorkingTime, table: Mapping[str, Judgement] | None = None
    ) -> None:
        self.evaluator = evaluator
        self.working_time = working_time
        currency = evaluator.reference.currency
        self.judgements = judgements(currency) if table is None else table
        self.headlines = frozenset(
            kpi.name for kpi in evaluator.catalogue.kpis if kpi.name in headlines(currency) and _can_compare(kpi)
        )
        evaluator.watched = self.headlines
        self._always = self.headlines | {name for name, one in self.judgements.items() if one.benchmark or one.limits}
        self._kpis = self._always
        self._targets: dict[Series, float] = {}
        self._limits: dict[Series, Limits] = {}
        self._again: set[Series] = set()
        self._kept: dict[Series, Kept] = {}
        self._shown: dict[Series, int] = {}  # hash of what was published with the latest value

    def look_up(self) -> None:
        """Look up targets and limits at the clock; what has changed, and what moves with time, is judged anew."""
        reference, now_ms = self.evaluator.reference, self.evaluator.slices.clock_ms
        targets = {Series(*key): value for key, value in reference.targets.current(now_ms)}
        limits = {Series(*key): limits_of(data) for key, data in reference.thresholds.at(now_ms)}
        self._again |= _differing(self._targets, targets) | _differing(self._limits, limits)
        self._again.update(series for series in targets if series.window in CALENDAR)
        self._targets, self._limits = targets, limits
        self._kpis = self._always | {series.kpi for series in (*targets, *limits)}

    def take(self, values: list[KpiValue], ceased: Iterable[Series]) -> Judged:
        """Judge values that changed, and what else is due. Values of series that are not judged come back as given."""
        judged = Judged([], [], [], [])
        self._again |= self.evaluator.touched
        self.evaluator.touched.clear()
        for value in values:
            if value.kpi in self._kpis:
                series = series_of(value)
                self._again.discard(series)
                self._judge(series, value, judged, is_new=True)
            else:
                judged.values.append(value)
        for series in self._again:
            parts = self.evaluator.latest.get(series)
            if parts is not None:
                self._judge(series, self.evaluator.value(series, parts), judged, is_new=False)
        self._again.clear()
        for series in ceased:
            self._shown.pop(series, None)
            if series in self._kept:
                self._note(series, self.evaluator.value(series, UNDEFINED), Against(), judged)
        return judged

    def against(self, series: Series, parts: Parts) -> Against | None:
        """What a value stands against; None for a series that has nothing to be judged by."""
        if series.kpi not in self._kpis:
            return None
        judgement = self.judgements.get(series.kpi, UNKNOWN)
        target, limits = self._targets.get(series), self._limits.get(series)
        if limits is None and series.window == judgement.window:
            limits = judgement.limits
        limits = None if limits == NO_LIMITS else limits
        is_headline = series.kpi in self.headlines and series.window not in (None, ALL)
        if target is None and limits is None and judgement.benchmark is None and not is_headline:
            return None
        kpi = self.evaluator.catalogue[series.kpi]
        previous = self._previous(kpi, series) if is_headline else None
        is_period = series.window in CALENDAR
        elapsed, exposure = None, None if is_period else 0.5
        if is_period and not (target is None and previous is None):
            elapsed, exposure = self.working_time.now(series.window or "", self.evaluator.slices.clock_ms)
        band = self._kept[series].band if series in self._kept else "none"
        beside = Beside(judgement, previous, target, limits, is_period, elapsed, exposure, band)
        return against(kpi, parts, beside)

    def value(self, series: Series, parts: Parts) -> KpiValue:
        """A value as of the clock, with what it stands against."""
        value, found = self.evaluator.value(series, parts), self.against(series, parts)
        return value if found is None else replace(value, against=found)

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take over what a predecessor wrote: bands that were told are not told again."""
        for key, packed in state.items():
            if key.startswith(PREFIX):
                kpi, window, group = key.removeprefix(PREFIX).split("|", 2)
                band: Any
                band, reached_ms = _unpack(packed)
                series = Series(kpi, group, window or None)
                self._kept[series] = Kept(band, reached_ms)
                self._again.add(series)  # what it was judged by may be gone since

    def _judge(self, series: Series, value: KpiValue, judged: Judged, *, is_new: bool) -> None:
        found = self.against(series, self.evaluator.latest[series])
        shown = hash(found)
        if is_new or shown != self._shown.get(series, hash(None)):
            value = value if found is None else replace(value, against=found)
            judged.values.append(value)
        if found is None:
            self._shown.pop(series, None)
        else:
            self._shown[series] = shown
        if found is not None or series in self._kept:
            self._note(series, value, found or Against(), judged)

    def _note(self, series: Series, value: KpiValue, found: Against, judged: Judged) -> None:
        before = self._kept.get(series, Kept())
        reached_ms = self._reached(series, value, found, before.reached_ms)
        if reached_ms > before.reached_ms:
            judged.reached.append(value)
        if found.band != before.band and (found.band in BAD or before.band in BAD):
            judged.alerts.append(Alert(replace(value, against=found), before.band))
        after = Kept(found.band, reached_ms)
        if after == before:
            return
        key = f"{PREFIX}{series.kpi}|{series.window or ''}|{series.group}"
        if after == Kept():
            del self._kept[series]
            judged.state.append((key, None))
        else:
            self._kept[series] = after
            judged.state.append((key, _pack(after)))

    def _reached(self, series: Series, value: KpiValue, found: Against, before_ms: int) -> int:
        """Start of the period in which the target was reached; before that of the latest in which it was."""
        if (found.attainment or 0) < REACHED or series.window not in CALENDAR or value.window_start_ms is None:
            return before_ms
        is_goal = found.is_below and is_flow(self.evaluator.catalogue[series.kpi])  # a ratio may fall again
        return max(before_ms, value.window_start_ms) if is_goal else before_ms

    def _previous(self, kpi: Kpi, series: Series) -> Parts | None:
        bag = self.evaluator.slices.previous(series.group, series.window or "")
        return kpi.parts(Totals(bag)) if bag else None


def _can_compare(kpi: Kpi) -> bool:
    """Whether a KPI's value in the previous window follows from that window's totals alone."""
    return kpi.windowed and not (kpi.levels or kpi.reads_previous or kpi.reads_reps or kpi.target_of)


def _differing(one: Mapping[Series, Any], other: Mapping[Series, Any]) -> set[Series]:
    return {series for series in {*one, *other} if one.get(series) != other.get(series)}
