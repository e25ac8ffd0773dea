"""Working time: Monday to Friday, 8 to 18 o'clock in the business time zone, but for the region's holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from streamproc.windows.calendar import CALENDAR, MINUTE_MS, Calendar

FIRST_HOUR, LAST_HOUR = 8, 18
SATURDAY = 5


class UnknownRegion(ValueError):
    """A region of which no holidays are known."""


class WorkingTime:
    """Working time of one region. `region`: a country such as DE, or a part of it such as DE-BY; "" has no holidays.

    Raises UnknownRegion.
    """

    def __init__(self, calendar: Calendar, region: str = "") -> None:
        self.calendar = calendar
        self._holidays = _holidays(region)
        self.of_day = lru_cache(maxsize=4096)(self._of_day)
        self._shares = lru_cache(maxsize=64)(self._shares_at)

    def between(self, start_ms: int, end_ms: int) -> int:
        """Milliseconds of working time from a time to a later one."""
        total, day = 0, self._date(start_ms)
        while (start_of_day_ms := self._at(day, time())) < end_ms:
            begin_ms, finish_ms = self.of_day(day)
            if start_ms <= start_of_day_ms and finish_ms <= end_ms:
                total += finish_ms - begin_ms
            else:
                total += max(0, min(finish_ms, end_ms) - max(begin_ms, start_ms))
            day += timedelta(days=1)
        return total

    def period(self, window: str, as_of_ms: int) -> tuple[int, int]:
        """Start and end of the calendar window that holds the instant before a time."""
        start_ms = self.calendar.window_start(window, as_of_ms)
        if window not in CALENDAR or start_ms is None:
            raise ValueError(f"{window} is no calendar window")
        return start_ms, self.calendar.window_end(window, as_of_ms)

    def now(self, window: str, as_of_ms: int) -> tuple[float | None, float | None]:
        """How far a calendar window has come, by the whole minute: two shares, None where nothing can be shared.

        The share of its own working time that is over, and the share that this has of it and the working time of the
        previous window together.
        """
        start_ms = self.calendar.window_start(window, as_of_ms)
        return self._shares(window, max((start_ms or 0) + 1, as_of_ms // MINUTE_MS * MINUTE_MS))

    def _shares_at(self, window: str, as_of_ms: int) -> tuple[float | None, float | None]:
        start_ms, end_ms = self.period(window, as_of_ms)
        previous = self.calendar.previous(window, as_of_ms)
        over, whole = self.between(start_ms, as_of_ms), self.between(start_ms, end_ms)
        both = over + (self.between(*previous) if previous else 0)
        return over / whole if whole else None, over / both if both else None

    def _of_day(self, day: date) -> tuple[int, int]:
        """Start and end of a day's working time: the same instant on days without any."""
        begin_ms = self._at(day, time(FIRST_HOUR))
        if day.weekday() >= SATURDAY or (self._holidays is not None and day in self._holidays):
            return begin_ms, begin_ms
        return begin_ms, self._at(day, time(LAST_HOUR))

    def _date(self, time_ms: int) -> date:
        return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(self.calendar.zone).date()

    def _at(self, day: date, at: time) -> int:
        return int(datetime.combine(day, at, self.calendar.zone).timestamp()) * 1000


def check_region(region: str) -> str:
    """The region. Raises UnknownRegion if no holidays of it are known."""
    _holidays(region)
    return region


def _holidays(region: str) -> dict[date, str] | None:
    if not region:
        return None
    import holidays  # takes half a second

    country, _, part = region.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None)
    except (NotImplementedError, KeyError):
        raise UnknownRegion(f"no holidays of '{region}' are known; expected a country such as DE, or DE-BY") from None
