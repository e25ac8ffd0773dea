"""Where windows, and those before them, begin and end."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from oracle.reading import ALWAYS_MS
from streamproc.events import to_ms

MINUTE = 60_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
ROLLING = {"1h": (HOUR, MINUTE), "24h": (DAY, 15 * MINUTE)} | {f"{n}d": (n * DAY, HOUR) for n in (7, 30, 90)}


class Span(NamedTuple):
    """A window's start, and start and end of the one before it (both ALWAYS_MS where there is none); epoch ms."""

    start_ms: int
    before_ms: int
    before_end_ms: int


def spans(at_ms: int, zone: ZoneInfo) -> dict[str, Span]:
    """All windows as of `at_ms`, by name."""
    today = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms - 1)).astimezone(zone).date()

    def midnight(day: date) -> int:
        return to_ms(datetime.combine(day, time(), zone))

    found = {"all": Span(ALWAYS_MS, ALWAYS_MS, ALWAYS_MS)}
    for name, (length, step) in ROLLING.items():
        start = (at_ms - length) // step * step
        found[name] = Span(start, start - length, start)
    found["90d"] = Span(
        found["90d"].start_ms, midnight(today - timedelta(days=180)), midnight(today - timedelta(days=90))
    )
    for name, first in _firsts(today).items():
        before = _firsts(first - timedelta(days=1))[name]
        end = min(before + (today - first) + timedelta(days=1), first)
        found[name] = Span(midnight(first), midnight(before), midnight(end))
    return found


def _firsts(day: date) -> dict[str, date]:
    """First day of every calendar window that holds a day."""
    return {
        "today": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "quarter": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "year": day.replace(month=1, day=1),
    }
