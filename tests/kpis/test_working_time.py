"""Working time by hand: Monday to Friday, 8 to 18, without the region's holidays, in the business time zone."""

from __future__ import annotations

import pytest
from support.build import HOUR_MS, ms

from streamproc.kpis.working_time import UnknownRegion, WorkingTime
from streamproc.windows.calendar import CALENDAR, Calendar

BERLIN = "Europe/Berlin"


def at(time: str) -> int:
    return ms(time, zone=BERLIN)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-02", "2026-03-03", 10),  # a Monday
        ("2026-03-02 07:00", "2026-03-02 08:30", 0.5),
        ("2026-03-02 17:00", "2026-03-03 09:00", 2),
        ("2026-03-02 18:00", "2026-03-03 08:00", 0),
        ("2026-03-06 12:00", "2026-03-09 09:00", 7),  # over a weekend
        ("2026-03-01", "2026-04-01", 220),  # 22 working days, and the clocks go forward
        ("2026-03-02 09:00", "2026-03-02 09:00", 0),
    ],
)
def test_without_holidays(start: str, end: str, hours: float) -> None:
    assert WorkingTime(Calendar(BERLIN)).between(at(start), at(end)) == hours * HOUR_MS


@pytest.mark.parametrize(
    ("region", "days"),
    # June 2026 has 22 working days; Corpus Christi, Thursday the 4th, is a holiday in Bavaria, but not in Hamburg.
    [("", 22), ("DE", 22), ("DE-HH", 22), ("DE-BY", 21)],
)
def test_holidays_of_a_region(region: str, days: int) -> None:
    assert WorkingTime(Calendar(BERLIN), region).between(at("2026-06-01"), at("2026-07-01")) == days * 10 * HOUR_MS


def test_the_next_year_has_holidays_too() -> None:
    new_year = WorkingTime(Calendar(BERLIN), "DE").between(at("2026-12-31"), at("2027-01-02"))
    assert new_year == 10 * HOUR_MS  # the Thursday; the Friday is New Year's Day


@pytest.mark.parametrize("region", ["XX", "DE-XX", "Bayern"])
def test_a_region_that_is_not_known(region: str) -> None:
    with pytest.raises(UnknownRegion, match="such as DE"):
        WorkingTime(Calendar(), region)


@pytest.mark.parametrize(
    ("window", "time", "elapsed", "exposure"),
    [
        ("today", "2026-03-03 13:00", 0.5, 5 / 15),
        ("today", "2026-03-03 07:00", 0.0, 0.0),
        ("today", "2026-03-03 22:00", 1.0, 0.5),
        ("today", "2026-03-07 12:00", None, 0.0),  # a Saturday
        ("today", "2026-03-08 12:00", None, None),  # a Sunday, after a Saturday
        ("week", "2026-03-04 13:00", 25 / 50, 25 / 55),
        ("month", "2026-03-03 13:00", 15 / 220, 15 / 35),  # beside the 1st to 3rd of February, the 1st a Sunday
        ("quarter", "2026-04-01 08:00", 0.0, 0.0),
        ("year", "2027-01-01", 1.0, 0.5),  # the instant at which 2026 ends; 261 working days as in 2025
    ],
)
def test_shares_of_a_period(window: str, time: str, elapsed: float | None, exposure: float | None) -> None:
    found = WorkingTime(Calendar(BERLIN)).now(window, at(time))
    assert found == pytest.approx((elapsed, exposure))


def test_shares_move_by_the_minute() -> None:
    time = WorkingTime(Calendar(BERLIN))
    assert time.now("today", at("2026-03-03 13:00:59")) == time.now("today", at("2026-03-03 13:00"))
    assert time.now("today", at("2026-03-03 13:01")) != time.now("today", at("2026-03-03 13:00"))


def test_seconds_after_midnight_belong_to_the_new_period() -> None:
    assert WorkingTime(Calendar(BERLIN)).now("month", at("2026-04-01 00:00:30"))[0] == 0


@pytest.mark.parametrize("window", CALENDAR)
def test_a_period_ends_where_the_next_begins(window: str) -> None:
    calendar = Calendar(BERLIN)
    for time in ("2026-02-28 12:00", "2026-03-29 12:00", "2026-12-31 23:00", "2026-10-25 01:00"):
        start_ms, end_ms = WorkingTime(calendar).period(window, at(time))
        assert start_ms == calendar.window_start(window, at(time)) == calendar.window_start(window, end_ms)
        assert calendar.window_start(window, end_ms + 1) == end_ms
