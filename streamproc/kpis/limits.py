"""Targets and thresholds against the catalogue: what is wrong with one, and the limits that it sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

from streamproc.event_data import Target
from streamproc.events import Event
from streamproc.facts.targets import PERIODS, target_key
from streamproc.kpis.against import NO_LIMITS, Direction, Judgement, Limits
from streamproc.kpis.check import hint
from streamproc.kpis.kpi import Catalogue, Kpi
from streamproc.windows.calendar import ALL, WINDOWS

TARGET, THRESHOLD = "target.set", "threshold.set"
_LIMITS = ("warning", "critical", "clear")
_OTHERS = {TARGET: (*_LIMITS, "min_samples"), THRESHOLD: ("value",)}  # fields that only the other type has


def limits_of(data: Target) -> Limits:
    """The limits of a threshold; one without any takes away those that the catalogue has."""
    if data.warning is None and data.critical is None:
        return NO_LIMITS
    return Limits(data.warning, data.critical, data.clear, 1 if data.min_samples is None else data.min_samples)


class TargetCheck:
    """Whether targets and thresholds fit the KPIs in force."""

    def __init__(self, catalogue: Catalogue, judgements: Mapping[str, Judgement]) -> None:
        self._kpis = {kpi.name: kpi for kpi in catalogue.kpis}
        self._judgements = judgements

    def wrong(self, event: Event) -> str | None:
        """Why an event of reference data cannot be used, or None; only targets and thresholds are looked at."""
        if not isinstance(event.data, Target):
            return None
        found = self.problems(event.type, event.data)
        return "; ".join(f"`$.data.{field}`: {text}" for field, text in found) or None

    def problems(self, kind: str, data: Target) -> Iterator[tuple[str, str]]:
        """Everything wrong with a target or threshold: field, and what was expected."""
        kpi = self._kpis.get(data.kpi)
        if kpi is None:
            yield "kpi", f"unknown KPI '{data.kpi}'{hint(data.kpi, self._kpis)}; `streamproc kpis list` shows all"
            return
        yield from _group(data, kpi)
        yield from _window(data, kpi)
        for name in _OTHERS[kind]:
            if getattr(data, name) is not None:
                other = TARGET if kind == THRESHOLD else THRESHOLD
                yield name, f"a {kind} has none; expected in a {other}"
        for name in ("value", *_LIMITS):
            number = getattr(data, name)
            if number is not None and not isfinite(number):
                yield name, "expected a finite number"
        direction = self._judgements[kpi.name].direction if kpi.name in self._judgements else "none"
        if kind == THRESHOLD:
            yield from _order(data, direction)
        elif direction == "none" and data.value is not None:
            yield "kpi", f"{kpi.name} is neither better when higher nor when lower; expected a KPI with a direction"


def _group(data: Target, kpi: Kpi) -> Iterator[tuple[str, str]]:
    if len(data.group) > 1:
        yield "group", "expected one dimension"
    for dimension in data.group:
        if dimension not in kpi.by:
            expected = f"expected one of {', '.join(kpi.by)}" if kpi.by else "expected none"
            yield "group", f"{kpi.name} is not kept by '{dimension}'{hint(dimension, kpi.by)}; {expected}"


def _window(data: Target, kpi: Kpi) -> Iterator[tuple[str, str]]:
    if data.window is not None and data.period is not None:
        yield "period", f"expected a window or a period, found both: {data.window} and {data.period}"
        return
    if data.period is not None and data.period not in PERIODS:
        yield "period", f"unknown period '{data.period}'{hint(data.period, PERIODS)}; expected {', '.join(PERIODS)}"
    elif data.window is not None and data.window not in WINDOWS:
        yield "window", f"unknown window '{data.window}'{hint(data.window, WINDOWS)}; expected {', '.join(WINDOWS)}"
    elif not kpi.windowed and (data.window or data.period):
        field = "window" if data.window else "period"
        yield field, f"{kpi.name} is a level, which has a value now and none in windows; expected neither"
    elif kpi.windowed and not (data.window or data.period):
        yield "window", f"{kpi.name} has values in windows; expected a window or a period, such as `period: month`"
    elif kpi.reads_previous and target_key(data)[2] == ALL:
        yield "window", f"{kpi.name} has no value in the window all; expected another"


def _order(data: Target, direction: Direction) -> Iterator[tuple[str, str]]:
    warning, critical, clear = data.warning, data.critical, data.clear
    if warning is None and critical is None:
        if clear is not None:
            yield "clear", "expected together with warning or critical"
        return
    if direction == "none":
        if warning is None or critical is None:
            yield "kpi", f"{data.kpi} has no direction; expected both warning and critical, which tell it"
            return
        direction = "up" if critical < warning else "down"
    beyond, better = ("below", "higher") if direction == "up" else ("above", "lower")
    sign = 1 if direction == "up" else -1
    if warning is not None and critical is not None and sign * critical >= sign * warning:
        yield "critical", f"{critical:g} with warning {warning:g}: {better} is better, so expected critical {beyond} it"
        return
    mildest = warning if warning is not None else critical
    if clear is not None and mildest is not None and sign * clear < sign * mildest:
        side = "at or above" if direction == "up" else "at or below"
        yield "clear", f"{clear:g}: {better} is better, so expected {side} {mildest:g}"
