"""Previous windows: where they lie, and their totals beside what brute force finds in the facts, by local dates."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.additions import LATE_MS, Addition, amounts_of, put, readable, restored
from support.build import DAY_MS, HOUR_MS, MINUTE_MS, ms

from streamproc.windows.aggregates import Bag
from streamproc.windows.calendar import ALL, PREVIOUS, WINDOWS, Calendar
from streamproc.windows.slices import SliceKey, Slices

ZONES = ("UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe")
LENGTH_AND_STEP_MS = {
    "1h": (HOUR_MS, MINUTE_MS),
    "24h": (DAY_MS, 15 * MINUTE_MS),
    "7d": (7 * DAY_MS, HOUR_MS),
    "30d": (30 * DAY_MS, HOUR_MS),
}
GROUPS = ("", "rep=ann")


@cache
def local_date(time_ms: int, zone: str) -> date:
    return datetime.fromtimestamp(time_ms / 1000, ZoneInfo(zone)).date()


def is_before(window: str, minute_ms: int, clock_ms: int, zone: str) -> bool:
    """Whether a minute lies in the window before a window, from the rule and by dates alone."""
    if window in LENGTH_AND_STEP_MS:
        length_ms, step_ms = LENGTH_AND_STEP_MS[window]
        start_ms = (clock_ms - length_ms) // step_ms * step_ms
        return start_ms - length_ms <= minute_ms < start_ms
    day, today = local_date(minute_ms, zone), local_date(clock_ms - 1, zone)
    ago = (today - day).days
    match window:
        case "today":
            return ago == 1
        case "week":
            return 7 <= ago <= 7 + today.weekday()
        case "month":
            return _months(today) - _months(day) == 1 and day.day <= today.day
        case "quarter":
            return _months(today) // 3 - _months(day) // 3 == 1 and _day_of_quarter(day) <= _day_of_quarter(today)
        case "year":
            return today.year - day.year == 1 and day.timetuple().tm_yday <= today.timetuple().tm_yday
        case "90d":
            return 90 < ago <= 180
    return False


def _months(day: date) -> int:
    return 12 * day.year + day.month - 1


def _day_of_quarter(day: date) -> int:
    return (day - date(day.year, (day.month - 1) // 3 * 3 + 1, 1)).days


def check(slices: Slices, additions: Iterable[Addition], zone: str) -> None:
    clock_ms = slices.clock_ms
    for group in GROUPS:
        mine = [one for one in additions if one.group == group and one.minute_ms < clock_ms]
        for window in WINDOWS:
            wanted = amounts_of(one for one in mine if is_before(window, one.minute_ms, clock_ms, zone))
            assert readable(slices.previous(group, window)) == wanted, f"{group} before {window} at {clock_ms}"


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("zone", "window", "as_of", "start", "end"),
    [
        ("UTC", "1h", "2026-03-02T09:44Z", "2026-03-02T07:44", "2026-03-02T08:44"),
        ("UTC", "24h", "2026-03-02T09:44Z", "2026-02-28T09:30", "2026-03-01T09:30"),
        ("UTC", "7d", "2026-03-02T09:44Z", "2026-02-16T09:00", "2026-02-23T09:00"),
        ("Asia/Kathmandu", "30d", "2026-03-02T09:44Z", "2026-01-01T09:00", "2026-01-31T09:00"),
        ("UTC", "90d", "2026-06-30T09:44Z", "2026-01-01T00:00", "2026-04-01T00:00"),
        ("UTC", "90d", "2026-06-30T00:00Z", "2025-12-31T00:00", "2026-03-31T00:00"),
        ("Europe/Berlin", "90d", "2026-06-30T09:44Z", "2025-12-31T23:00", "2026-03-31T22:00"),
        # T - 1 ms decides which day is the present one; the present day counts as one
        ("UTC", "today", "2026-03-02T00:00Z", "2026-02-28T00:00", "2026-03-01T00:00"),
        ("UTC", "today", "2026-03-02T00:01Z", "2026-03-01T00:00", "2026-03-02T00:00"),
        ("UTC", "week", "2026-03-02T09:00Z", "2026-02-23T00:00", "2026-02-24T00:00"),
        ("UTC", "week", "2026-03-08T09:00Z", "2026-02-23T00:00", "2026-03-02T00:00"),
        ("UTC", "month", "2026-03-12T09:00Z", "2026-02-01T00:00", "2026-02-13T00:00"),
        ("UTC", "month", "2026-03-28T09:00Z", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("UTC", "month", "2026-03-31T09:00Z", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("UTC", "month", "2026-02-28T09:00Z", "2026-01-01T00:00", "2026-01-29T00:00"),
        ("UTC", "month", "2026-01-02T09:00Z", "2025-12-01T00:00", "2025-12-03T00:00"),
        ("UTC", "quarter", "2026-04-01T09:00Z", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("UTC", "quarter", "2026-06-30T09:00Z", "2026-01-01T00:00", "2026-04-01T00:00"),
        ("UTC", "quarter", "2026-02-01T09:00Z", "2025-10-01T00:00", "2025-11-02T00:00"),
        ("UTC", "year", "2028-12-31T09:00Z", "2027-01-01T00:00", "2028-01-01T00:00"),
        ("UTC", "year", "2029-12-31T09:00Z", "2028-01-01T00:00", "2028-12-31T00:00"),
        ("UTC", "year", "2026-01-01T09:00Z", "2025-01-01T00:00", "2025-01-02T00:00"),
        # days of 23 and 25 hours count as days
        ("Europe/Berlin", "today", "2026-03-30T09:00Z", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("Europe/Berlin", "week", "2026-03-30T09:00Z", "2026-03-22T23:00", "2026-03-23T23:00"),
        ("Europe/Berlin", "week", "2026-04-05T09:00Z", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("Europe/Berlin", "quarter", "2026-04-02T09:00Z", "2025-12-31T23:00", "2026-01-02T23:00"),
        ("America/Havana", "today", "2026-03-09T12:00Z", "2026-03-08T05:00", "2026-03-09T04:00"),
    ],
)
def test_previous_windows(zone: str, window: str, as_of: str, start: str, end: str) -> None:
    found = Calendar(zone).previous(window, ms(as_of))
    assert found is not None
    assert (iso(found[0]), iso(found[1])) == (start, end)


def test_there_is_nothing_before_all() -> None:
    assert Calendar().previous(ALL, ms("09:00")) is None
    assert set(PREVIOUS) == set(WINDOWS) - {ALL}
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    Addition(ms("09:00"), count=1).to(slices)
    assert slices.previous("", ALL) == {}


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    window=st.sampled_from(sorted(PREVIOUS)),
    clock=st.integers(ms("2024-01-01"), ms("2029-01-01")),
    ago=st.integers(1, 800 * 1440),
)
def test_a_minute_is_in_a_previous_window_as_its_date_is(zone: str, window: str, clock: int, ago: int) -> None:
    minute_ms = clock // MINUTE_MS * MINUTE_MS - ago * MINUTE_MS
    edges = Calendar(zone).previous(window, clock)
    assert edges is not None
    assert (edges[0] <= minute_ms < edges[1]) == is_before(window, minute_ms, clock, zone)


# --- totals ----------------------------------------------------------------------------------------------------------

DAYS = (1, 2, 6, 7, 8, 13, 14, 27, 30, 31, 59, 60, 61, 89, 90, 91, 92, 179, 180, 181, 365, 366, 400, 730)
moves = st.one_of(
    st.sampled_from([1, 30_500, MINUTE_MS, 14 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 23 * HOUR_MS]),
    st.sampled_from([days * DAY_MS for days in DAYS]),
    st.integers(1, 100 * 1440).map(lambda minutes: minutes * MINUTE_MS),
)
minutes_behind = st.one_of(
    st.builds(
        lambda unit, n, more: unit * n + more, st.sampled_from([60, 1440]), st.integers(0, 50), st.integers(-1, 1)
    ),
    st.builds(lambda days, more: 1440 * days + more, st.sampled_from(DAYS), st.integers(-1500, 1500)),
    st.integers(-200, 740 * 1440),  # some lie ahead of the clock
)
amounts = st.builds(
    Addition,
    minute_ms=minutes_behind,
    count=st.integers(-2, 3),
    duration=st.none() | st.tuples(st.sampled_from([0, 5000, 4_000_000]), st.sampled_from([1, 1, -1])),
    identity=st.none() | st.integers(0, 5),
    group=st.sampled_from(["", "", "rep=ann"]),
)
STARTS = [ms(start) for start in ("2026-03-28 20:00", "2025-12-30 22:00", "2028-02-28 12:00", "2026-10-24 03:00")]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    zone=st.sampled_from(ZONES),
    start_ms=st.sampled_from(STARTS),
    script=st.lists(
        st.one_of(st.lists(amounts, min_size=1, max_size=4), moves, st.just("restart")), min_size=1, max_size=16
    ),
)
def test_previous_totals_are_those_of_brute_force(
    zone: str, start_ms: int, script: list[list[Addition] | int | str]
) -> None:
    slices = Slices(Calendar(zone), LATE_MS)
    slices.advance(start_ms)
    additions: list[Addition] = []
    for step in script:
        if isinstance(step, list):
            minute = slices.clock_ms // MINUTE_MS
            added = [one._replace(minute_ms=(minute - one.minute_ms) * MINUTE_MS) for one in step]
            additions += added
            put(added, slices)
        elif isinstance(step, int):
            slices.advance(slices.clock_ms + step)
        else:
            slices = restored(slices, zone)
        check(slices, additions, zone)


@pytest.mark.parametrize(
    ("zone", "step_days"), [("UTC", 9), ("Europe/Berlin", 1), ("America/Havana", 9), ("Australia/Lord_Howe", 23)]
)
def test_two_and_a_half_years_of_facts_on_time_and_late(zone: str, step_days: int) -> None:
    """Across all turns of months, quarters, years (one of 366 days) and clocks, with a restart now and then."""
    rng, slices, additions = random.Random(7 + step_days), Slices(Calendar(zone), LATE_MS), list[Addition]()
    slices.advance(ms("2027-06-20"))
    for step in range(920 // step_days):
        slices.advance(slices.clock_ms + round(rng.uniform(0.7, 1.3) * step_days * DAY_MS))
        for behind_days in (0.02, 2, step_days, rng.choice([45, 120, 400])):
            minute_ms = (slices.clock_ms - round(rng.uniform(0, behind_days) * DAY_MS)) // MINUTE_MS * MINUTE_MS
            identity, duration = rng.randrange(20), (rng.randrange(10**8), 1)
            additions.append(Addition(minute_ms, 1, duration, identity, group=rng.choice(GROUPS)))
            additions[-1].to(slices)
        if step * step_days % 50 < step_days:
            slices = restored(slices, zone)
        today = local_date(slices.clock_ms - 1, zone)
        if today.day == 1 or step % 41 == 0:
            check(slices, additions, zone)


def test_a_slice_goes_from_the_window_to_the_one_before_and_then_away() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    Addition(ms("09:30"), count=1, identity=7).to(slices)
    found = []
    for clock in ("10:30", "10:31", "11:30", "11:31"):
        slices.advance(ms(clock))
        found.append((readable(slices.window("", "1h")), readable(slices.previous("", "1h"))))
    one = {"n": 1, "c": 1}
    assert found == [(one, {}), ({}, one), ({}, one), ({}, {})]
    assert SliceKey("", "minute", ms("09:30")) not in slices.slices


def test_a_late_fact_counts_at_once_in_the_previous_windows_that_hold_its_day() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("2026-05-12 10:00"))
    slices.changes.facts.clear()
    Addition(ms("2026-04-12 23:59"), count=1).to(slices)
    Addition(ms("2026-04-13 00:00"), count=2).to(slices)  # day 13: not before day 12 of May, but it is 29 days ago
    assert slices.previous("", "month") == {"n": 1}
    assert slices.window("", "30d") == {"n": 3}
    assert slices.changes.facts == {"": {"n"}}
    slices.advance(ms("2026-05-13 00:01"))
    assert slices.previous("", "month") == {"n": 3}
    assert ("", "month") in slices.changes.windows


def test_every_change_of_a_previous_total_is_told() -> None:
    """A window whose previous total a move of the clock has changed is named among the changes, with what changed.

    So is one before which there was nothing and now is something, or the other way round.
    """
    rng, told, turned = random.Random(5), set[str](), set[str]()
    for move_ms in (MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 7 * HOUR_MS, DAY_MS, 30 * DAY_MS):
        slices = Slices(Calendar("Europe/Berlin"))
        slices.advance(ms("2026-02-20 12:00"))
        for _ in range(200):
            ago = rng.choice([90, 3000, 21 * 1440, 70 * 1440, 200 * 1440, 500 * 1440])
            minute_ms = slices.clock_ms - rng.randrange(1, ago) * MINUTE_MS
            Addition(minute_ms, count=1, identity=rng.randrange(9)).to(slices)
        for _ in range(60):
            before = {window: _copy(slices.previous("", window)) for window in WINDOWS}
            slices.changes.windows.clear()
            slices.changes.turned.clear()
            slices.advance(slices.clock_ms + move_ms)
            for window in WINDOWS:
                after = _copy(slices.previous("", window))
                names = {name for name in "nc" if before[window].get(name) != after.get(name)}
                assert names <= slices.changes.windows.get(("", window), set()), window
                told |= {window} if names else set()
                if bool(before[window]) != bool(after):
                    assert ("", window) in slices.changes.turned
                    turned.add(window)
    assert told == turned == set(PREVIOUS)


def _copy(bag: Bag) -> dict[str, object]:
    return dict(readable(bag))


def test_a_restart_begins_with_the_previous_totals() -> None:
    slices = Slices(Calendar(), LATE_MS)
    slices.advance(ms("10:00"))
    for ago_ms in (90 * MINUTE_MS, 30 * HOUR_MS, 10 * DAY_MS, 45 * DAY_MS, 120 * DAY_MS, 365 * DAY_MS):
        Addition(slices.clock_ms - ago_ms, count=1, identity=ago_ms).to(slices)
    again = restored(slices, "UTC")
    wanted = {window: readable(slices.previous("", window)) for window in WINDOWS}
    assert {window for window, total in wanted.items() if total} >= {"1h", "24h", "7d", "30d", "90d", "year"}
    assert {window: readable(again.previous("", window)) for window in WINDOWS} == wanted


def test_the_year_before_is_whole_on_the_last_day_of_a_year() -> None:
    """The oldest slice that a previous window needs is of a day 730 days ago or more."""
    slices = Slices(Calendar())
    slices.advance(ms("2027-01-01 12:00"))
    Addition(ms("2027-01-01 09:00"), count=1).to(slices)
    slices.advance(ms("2028-12-31 12:00"))
    assert slices.previous("", "year") == {"n": 1}
    assert readable(restored(slices, "UTC").previous("", "year")) == {"n": 1}


def test_counts_of_days_that_left_are_merged_anew() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("2026-01-10 12:00"))
    for day, identity in (("2026-01-01", 1), ("2026-01-02", 2), ("2026-01-03", 1)):
        Addition(ms(f"{day} 10:00"), identity=identity, count=1).to(slices)
    edge = ms("2026-01-01") + 181 * DAY_MS  # the first of January leaves
    found = []
    for clock_ms in (edge, edge + MINUTE_MS, edge + DAY_MS + MINUTE_MS, edge + 2 * DAY_MS + MINUTE_MS):
        slices.advance(clock_ms)
        found.append(readable(slices.previous("", "90d")))
    assert found == [{"n": 3, "c": 2}, {"n": 2, "c": 2}, {"n": 1, "c": 1}, {}]


def test_within_a_day_nothing_changes_in_windows_of_days() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("12:00"))
    Addition(ms("2026-02-02 10:00"), count=1).to(slices)
    slices.changes.windows.clear()
    slices.advance(ms("23:59"))
    assert slices.changes.windows == {}


def test_groups_do_not_mix() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("12:00"))
    for count, group in ((1, ""), (2, "rep=ann")):
        Addition(ms("10:30"), count=count, group=group).to(slices)
    assert [slices.previous(group, "1h") for group in GROUPS] == [{"n": 1}, {"n": 2}]
    assert slices.previous("rep=bob", "1h") == {}


def test_weeks_are_compared_day_by_day() -> None:
    slices, monday = Slices(Calendar()), date(2026, 3, 2)
    slices.advance(ms("2026-03-02 00:01"))
    for n in range(7):
        Addition(ms(f"{monday - timedelta(days=7 - n)} 10:00"), count=10**n).to(slices)
    found = []
    for n in range(8):
        slices.advance(ms(f"{monday + timedelta(days=n)} 12:00"))
        found.append(slices.previous("", "week").get("n", 0))
    assert found == [1, 11, 111, 1111, 11111, 111111, 1111111, 0]
