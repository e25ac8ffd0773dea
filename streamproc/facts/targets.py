"""Targets and thresholds: what a KPI of a group should come to in a window, by the time they hold from."""

from __future__ import annotations

from collections.abc import Iterator

from streamproc.event_data import Target
from streamproc.facts.history import History

# A target for a period is one for the calendar window that it fills.
PERIODS = {"day": "today", "week": "week", "month": "month", "quarter": "quarter", "year": "year"}

Key = tuple[str, str, str | None]  # KPI, group ("" or "dimension=value"), window (None for levels)


def target_key(data: Target) -> Key:
    """What a target or threshold is for."""
    group = ",".join(f"{dimension}={member}" for dimension, member in data.group.items())
    return data.kpi, group, PERIODS.get(data.period, data.period) if data.period else data.window


class Targets:
    """All targets, or all thresholds, set so far. One without a value (or limit) ends the one before."""

    def __init__(self) -> None:
        self._targets: dict[Key, History[Target]] = {}

    def put(self, from_ms: int, data: Target) -> None:
        self._targets.setdefault(target_key(data), History()).put(from_ms, data)

    def at(self, time_ms: int) -> Iterator[tuple[Key, Target]]:
        """The latest of each at a time."""
        for key, history in self._targets.items():
            found = history.at(time_ms)
            if found is not None:
                yield key, found

    def current(self, time_ms: int) -> Iterator[tuple[Key, float]]:
        """Everything that has a target at a time."""
        for key, found in self.at(time_ms):
            if found.value is not None:
                yield key, found.value
