"""Which slices there are and which window is where: tiers, rolling and calendar windows. Half-open, in epoch ms."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
EVER = -(2**62)  # start of the window that has none


class Rolling(NamedTuple):
    """Covers [floor(T - length, step), T)."""

    name: str
    length_ms: int


class Tier(NamedTuple):
    """Slices of one length, aligned in UTC, and the rolling windows made of them. Kept until the longest has passed."""

    name: str
    step_ms: int
    windows: tuple[Rolling, ...]


TIERS = (
    Tier("minute", MINUTE_MS, (Rolling("1h", HOUR_MS),)),
    Tier("quarter", 15 * MINUTE_MS, (Rolling("24h", DAY_MS),)),
    Tier("hour", HOUR_MS, (Rolling("7d", 7 * DAY_MS), Rolling("30d", 30 * DAY_MS), Rolling("90d", 90 * DAY_MS))),
)
DAY = "day"  # tier of local days, for the calendar windows
ALL = "all"
CALENDAR = ("today", "week", "month", "quarter", "year")
_LONGEST_DAYS = {"today": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
ROLLING = {window.name: (window, tier) for tier in TIERS for window in tier.windows}
WINDOWS = (*ROLLING, *CALENDAR, ALL)
PREVIOUS = {window: f"previous {window}" for window in WINDOWS if window != ALL}  # names of the previous windows
PREVIOUS_DAYS = 90  # the previous window of 90d is of local days: its slices are kept anyway, older hours are not


def rolling_start(window: str, as_of_ms: int) -> int:
    """Start of a rolling window as of a time: at a step of its slices."""
    rolling, tier = ROLLING[window]
    return (as_of_ms - rolling.length_ms) // tier.step_ms * tier.step_ms


def next_minute(time_ms: int) -> int:
    """The next whole minute strictly after a time: the event clock's step."""
    return (time_ms // MINUTE_MS + 1) * MINUTE_MS


class Calendar:
    """Windows of a business time zone."""

    def __init__(self, zone: str = "UTC") -> None:
        self.zone = ZoneInfo(zone)
        self.day_start = lru_cache(maxsize=65_536)(self._day_start)
        self.window_start = lru_cache(maxsize=256)(self._window_start)
        self.previous = lru_cache(maxsize=256)(self._previous)

    def _day_start(self, minute_ms: int) -> int:
        return self._midnight(self._local_date(minute_ms))

    def _local_date(self, time_ms: int) -> date:
        return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(self.zone).date()

    def _midnight(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * 1000

    def days_on(self, time_ms: int, days: int) -> int:
        """Start of the local day that is so many days after (before, if negative) that of a time."""
        return self._midnight(self._local_date(time_ms) + timedelta(days=days))

    def window_end(self, window: str, as_of_ms: int) -> int:
        """End of the calendar window that runs as of a time."""
        first = _period_start(window, self._local_date(as_of_ms - 1))
        return self._midnight(_period_start(window, first + timedelta(days=_LONGEST_DAYS[window])))

    def _window_start(self, window: str, as_of_ms: int) -> int | None:
        """Start of a window as of a time; None for `all`."""
        if window == ALL:
            return None
        if window in ROLLING:
            return rolling_start(window, as_of_ms)
        return self._midnight(_period_start(window, self._local_date(as_of_ms - 1)))

    def _previous(self, window: str, as_of_ms: int) -> tuple[int, int] | None:
        """Start and end of the window before a window, as of a time; None for `all`.

        Rolling: as long, ending where the window starts; of 90d whole local days, 180 to 90 before the present one.
        Calendar: the period before, over as many local days as the present one has begun, at most all of them.
        """
        if window == ALL:
            return None
        day = self._local_date(as_of_ms - 1)
        if window == "90d":
            first, end = (day - timedelta(days=days) for days in (2 * PREVIOUS_DAYS, PREVIOUS_DAYS))
        elif window in ROLLING:
            start_ms = rolling_start(window, as_of_ms)
            return start_ms - ROLLING[window][0].length_ms, start_ms
        else:
            present = _period_start(window, day)
            first = _period_start(window, present - timedelta(days=1))
            end = min(first + (day - present) + timedelta(days=1), present)
        return self._midnight(first), self._midnight(end)

    def day_end(self, as_of_ms: int) -> int:
        """End of the local day that the present windows are in: of the one that holds the instant before."""
        return self._midnight(self._local_date(as_of_ms - 1) + timedelta(days=1))


def _period_start(window: str, day: date) -> date:
    match window:
        case "today":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case _:
            return day.replace(month=1, day=1)
