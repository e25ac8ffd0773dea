"""Window starts: rolling ones by their steps, calendar ones in the business zone, also on odd days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import DAY_MS, HOUR_MS, MINUTE_MS, ms

from streamproc.windows.calendar import CALENDAR, ROLLING, TIERS, WINDOWS, Calendar, next_minute

# Havana and Beirut have days without a midnight, Lord Howe shifts by half an hour, Kathmandu is off by 45 minutes.
ZONES = ("UTC", "Europe/Berlin", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu")


def iso(time_ms: int | None) -> str | None:
    return None if time_ms is None else datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("time", "then"),
    [("09:00", "09:01"), ("09:00:59.999", "09:01"), ("09:00:00.001", "09:01"), ("08:59:59.999", "09:00")],
)
def test_the_event_clock_goes_to_the_next_whole_minute(time: str, then: str) -> None:
    assert next_minute(ms(time)) == ms(then)


@pytest.mark.parametrize(
    ("window", "as_of", "start"),
    [
        ("1h", "2026-03-02T09:44Z", "2026-03-02T08:44"),
        ("24h", "2026-03-02T09:44Z", "2026-03-01T09:30"),
        ("24h", "2026-03-02T09:45Z", "2026-03-01T09:45"),
        ("7d", "2026-03-02T09:44Z", "2026-02-23T09:00"),
        ("30d", "2026-03-02T09:44Z", "2026-01-31T09:00"),
        ("90d", "2026-03-02T10:00Z", "2025-12-02T10:00"),
        ("all", "2026-03-02T09:44Z", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
def test_rolling_windows_know_no_zone(window: str, as_of: str, start: str | None, zone: str) -> None:
    assert iso(Calendar(zone).window_start(window, ms(as_of))) == start


@pytest.mark.parametrize(
    ("zone", "window", "as_of", "start"),
    [
        # T - 1 ms decides: at midnight exactly it is still the period before
        ("UTC", "today", "2026-03-02T00:00Z", "2026-03-01T00:00"),
        ("UTC", "today", "2026-03-02T00:01Z", "2026-03-02T00:00"),
        ("UTC", "week", "2026-03-02T00:00Z", "2026-02-23T00:00"),
        ("UTC", "week", "2026-03-02T00:01Z", "2026-03-02T00:00"),
        ("UTC", "week", "2026-03-08T23:59Z", "2026-03-02T00:00"),
        ("UTC", "week", "2027-01-01T12:00Z", "2026-12-28T00:00"),
        ("UTC", "month", "2028-03-01T00:00Z", "2028-02-01T00:00"),
        ("UTC", "month", "2028-02-29T12:00Z", "2028-02-01T00:00"),
        ("UTC", "quarter", "2026-04-01T00:00Z", "2026-01-01T00:00"),
        ("UTC", "quarter", "2026-04-01T00:01Z", "2026-04-01T00:00"),
        ("UTC", "quarter", "2026-06-30T23:59Z", "2026-04-01T00:00"),
        ("UTC", "quarter", "2026-09-30T23:59Z", "2026-07-01T00:00"),
        ("UTC", "quarter", "2026-12-31T23:59Z", "2026-10-01T00:00"),
        ("UTC", "year", "2027-01-01T00:00Z", "2026-01-01T00:00"),
        ("UTC", "year", "2027-01-01T00:01Z", "2027-01-01T00:00"),
        # Berlin: a day of 23 hours, a day of 25, and weeks, months and years begun in the other offset
        ("Europe/Berlin", "today", "2026-03-29T12:00Z", "2026-03-28T23:00"),
        ("Europe/Berlin", "today", "2026-03-29T22:00Z", "2026-03-28T23:00"),
        ("Europe/Berlin", "today", "2026-03-29T22:01Z", "2026-03-29T22:00"),
        ("Europe/Berlin", "today", "2026-10-25T22:59Z", "2026-10-24T22:00"),
        ("Europe/Berlin", "today", "2026-10-25T23:01Z", "2026-10-25T23:00"),
        ("Europe/Berlin", "week", "2026-03-29T21:00Z", "2026-03-22T23:00"),
        ("Europe/Berlin", "month", "2026-03-31T21:59Z", "2026-02-28T23:00"),
        ("Europe/Berlin", "quarter", "2026-03-31T22:00Z", "2025-12-31T23:00"),
        ("Europe/Berlin", "quarter", "2026-03-31T22:01Z", "2026-03-31T22:00"),
        ("Europe/Berlin", "year", "2026-07-01T00:00Z", "2025-12-31T23:00"),
        # Havana, 8 March 2026: midnight does not exist, the day begins at 1:00; 1 November has 0:00 to 1:00 twice
        ("America/Havana", "today", "2026-03-08T05:00Z", "2026-03-07T05:00"),
        ("America/Havana", "today", "2026-03-08T05:01Z", "2026-03-08T05:00"),
        ("America/Havana", "today", "2026-03-09T04:00Z", "2026-03-08T05:00"),
        ("America/Havana", "week", "2026-03-08T12:00Z", "2026-03-02T05:00"),
        ("America/Havana", "today", "2026-11-01T05:30Z", "2026-11-01T04:00"),
        ("America/Havana", "month", "2026-11-01T05:30Z", "2026-11-01T04:00"),
        ("America/Havana", "month", "2026-11-01T04:00Z", "2026-10-01T04:00"),
        # Beirut, 29 March 2026: no midnight; 25 October 2026: 23:00 to 24:00 of the day before comes twice
        ("Asia/Beirut", "today", "2026-03-28T22:00Z", "2026-03-27T22:00"),
        ("Asia/Beirut", "today", "2026-03-28T22:01Z", "2026-03-28T22:00"),
        ("Asia/Beirut", "today", "2026-10-24T21:30Z", "2026-10-23T21:00"),
        ("Asia/Beirut", "today", "2026-10-24T22:01Z", "2026-10-24T22:00"),
    ],
)
def test_calendar_windows(zone: str, window: str, as_of: str, start: str) -> None:
    assert iso(Calendar(zone).window_start(window, ms(as_of))) == start


@pytest.mark.parametrize("zone", ZONES)
def test_days_join_without_gap_or_overlap(zone: str) -> None:
    """Every half-hour of two years belongs to the local day that its date names, and days begin where others end."""
    calendar, start, found = Calendar(zone), ms("2026-01-01"), []
    for half in range(2 * 365 * 48):
        minute_ms = start + half * HOUR_MS // 2
        day = calendar.day_start(minute_ms)
        if not found or found[-1] != day:
            found.append(day)
        assert day <= minute_ms < day + 25 * HOUR_MS
    assert found == sorted(set(found))
    dates = [datetime.fromtimestamp(day / 1000, ZoneInfo(zone)).date() for day in found]
    assert all(after - before == timedelta(days=1) for before, after in pairwise(dates))
    assert {after - before for before, after in pairwise(found)} <= {n * HOUR_MS // 2 for n in (46, 47, 48, 49, 50)}


@settings(max_examples=200, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    window=st.sampled_from(CALENDAR),
    minute=st.integers(ms("1990-01-01") // MINUTE_MS, ms("2037-12-31") // MINUTE_MS),
)
def test_a_period_holds_the_instant_before_t_and_begins_at_a_local_day(zone: str, window: str, minute: int) -> None:
    calendar, as_of = Calendar(zone), minute * MINUTE_MS
    start = calendar.window_start(window, as_of)
    assert start is not None
    assert start < as_of
    assert calendar.day_start(start) == start
    assert calendar.window_start(window, start + 1) == start  # the instant after its start lies in the same period
    assert calendar.window_start(window, start) != start  # and the one before its start in the one before


def test_tiers_hold_their_windows() -> None:
    assert {**ROLLING}.keys() | set(CALENDAR) | {"all"} == set(WINDOWS)
    for tier in TIERS:
        lengths = [window.length_ms for window in tier.windows]
        assert lengths == sorted(lengths)  # the last is the longest: slices go when they leave it
        assert all(length % tier.step_ms == 0 for length in lengths)
    assert ROLLING["90d"][0].length_ms == 90 * DAY_MS


@pytest.mark.parametrize(
    ("zone", "window", "as_of", "end"),
    [
        ("UTC", "today", "2026-03-02T00:00Z", "2026-03-02T00:00"),
        ("UTC", "today", "2026-03-02T00:01Z", "2026-03-03T00:00"),
        ("UTC", "week", "2026-03-08T23:59Z", "2026-03-09T00:00"),
        ("UTC", "month", "2027-02-28T12:00Z", "2027-03-01T00:00"),
        ("UTC", "month", "2026-12-31T12:00Z", "2027-01-01T00:00"),
        ("UTC", "quarter", "2026-01-01T12:00Z", "2026-04-01T00:00"),
        ("UTC", "quarter", "2026-12-31T12:00Z", "2027-01-01T00:00"),
        ("UTC", "year", "2028-01-01T12:00Z", "2029-01-01T00:00"),
        ("Europe/Berlin", "today", "2026-03-29T12:00Z", "2026-03-29T22:00"),
        ("Europe/Berlin", "month", "2026-03-29T12:00Z", "2026-03-31T22:00"),
    ],
)
def test_a_calendar_window_ends_where_the_next_begins(zone: str, window: str, as_of: str, end: str) -> None:
    assert iso(Calendar(zone).window_end(window, ms(as_of))) == end


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("window", CALENDAR)
@given(as_of_ms=st.integers(ms("2020-01-01"), ms("2035-01-01")))
@settings(max_examples=30, deadline=None)
def test_the_end_is_the_start_of_what_runs_after_it(zone: str, window: str, as_of_ms: int) -> None:
    calendar = Calendar(zone)
    end = calendar.window_end(window, as_of_ms)
    assert end >= as_of_ms
    assert calendar.window_start(window, end + 1) == end
    assert calendar.window_start(window, end) == calendar.window_start(window, as_of_ms)


def test_days_are_counted_on_the_local_calendar() -> None:
    calendar = Calendar("Europe/Berlin")
    noon = ms("2026-03-29T10:00Z")  # the day on which summer time begins
    assert [iso(calendar.days_on(noon, days)) for days in (-1, 0, 1)] == [
        "2026-03-27T23:00",
        "2026-03-28T23:00",
        "2026-03-29T22:00",
    ]
