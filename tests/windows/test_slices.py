"""Slices and the totals over them, beside totals counted by brute force."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.additions import LATE_MS, Addition, amounts_of, put, readable, restored
from support.build import DAY_MS, HOUR_MS, MINUTE_MS, ms

from streamproc.windows.calendar import ALL, WINDOWS, Calendar
from streamproc.windows.slices import LEVEL, SliceKey, Slices

START = ms("2026-03-28 20:00")  # hours before Berlin's summer time begins, days before a quarter ends


def expected(additions: Iterable[Addition], group: str, window: str, clock_ms: int, zone: str) -> dict[str, Any]:
    start = Calendar(zone).window_start(window, clock_ms)
    return amounts_of(
        one
        for one in additions
        if one.group == group and (start is None or start <= one.minute_ms) and one.minute_ms < clock_ms
    )


def check(slices: Slices, additions: list[Addition], zone: str) -> None:
    for group in ("", "rep=ann"):
        for window in WINDOWS:
            found, wanted = (
                readable(slices.window(group, window)),
                expected(additions, group, window, slices.clock_ms, zone),
            )
            assert found == wanted, f"{group} {window} at {slices.clock_ms}"
        level = sum(one.level for one in additions if one.group == group and one.minute_ms < slices.clock_ms)
        assert slices.levels(group).get("l", 0) == level


steps = st.sampled_from(
    [
        0,
        MINUTE_MS,
        2 * MINUTE_MS,
        14 * MINUTE_MS,
        HOUR_MS,
        2 * HOUR_MS,
        5 * HOUR_MS,
        DAY_MS,
        6 * DAY_MS,
        31 * DAY_MS,
        91 * DAY_MS,
    ]
)
behind = st.sampled_from(
    [
        1,
        2,
        15,
        59,
        60,
        61,
        24 * 60 - 1,
        24 * 60,
        24 * 60 + 15,
        7 * 1440,
        7 * 1440 + 60,
        30 * 1440,
        90 * 1440,
        91 * 1440,
        400 * 1440,
    ]
)
offsets = st.one_of(behind.map(lambda minutes: -minutes), st.sampled_from([0, 1, 5, 61, 1441]), st.integers(-3000, 100))
amounts = st.builds(
    Addition,
    minute_ms=offsets,  # minutes from the clock
    count=st.integers(-2, 3),
    duration=st.none() | st.tuples(st.sampled_from([0, 1, 5000, 4_000_000]), st.sampled_from([1, 1, -1])),
    identity=st.none() | st.integers(0, 5),
    level=st.integers(-2, 2),
    group=st.sampled_from(["", "", "rep=ann"]),
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Havana"]),
    script=st.lists(
        st.one_of(st.lists(amounts, min_size=1, max_size=5), steps, st.just("restart")), min_size=1, max_size=14
    ),
)
def test_totals_are_those_of_brute_force(zone: str, script: list[list[Addition] | int | str]) -> None:
    slices = Slices(Calendar(zone), LATE_MS)
    slices.advance(START)
    additions: list[Addition] = []
    for step in script:
        if isinstance(step, list):
            added = [one._replace(minute_ms=slices.clock_ms + one.minute_ms * MINUTE_MS) for one in step]
            additions += added
            put(added, slices)
        elif isinstance(step, int):
            slices.advance(slices.clock_ms + step)
        else:
            slices = restored(slices, zone)
        check(slices, additions, zone)


def test_distinct_counts_of_several_slices_leave_at_once() -> None:
    """A clock that jumps (a worker that was down) takes several slices out of a window in one go."""
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    for minute in ("09:30", "09:31"):
        Addition(ms(minute), identity=1).to(slices)
    slices.advance(ms("12:00"))
    assert slices.window("", "1h") == {}
    assert readable(slices.window("", ALL)) == {"c": 1}


def test_what_lies_ahead_is_held_until_the_clock_passes_it() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    Addition(ms("10:00"), count=2, level=7).to(slices)
    Addition(ms("10:01"), count=1, level=-3).to(slices)
    assert slices.window("", "1h") == {}
    assert slices.levels("") == {}
    slices.advance(ms("10:01"))
    assert (slices.window("", "1h"), slices.levels("")) == ({"n": 2}, {"l": 7})
    slices.advance(ms("10:02"))
    assert (slices.window("", "1h"), slices.levels("")) == ({"n": 3}, {"l": 4})


def test_what_was_held_and_is_passed_by_far_counts_only_where_it_belongs() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    Addition(ms("10:30"), count=1).to(slices)
    slices.advance(ms("2026-03-10 10:00"))
    assert slices.window("", "1h") == {}
    assert slices.window("", "7d") == {}
    assert slices.window("", "month") == {"n": 1}


def test_the_clock_never_goes_back() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    slices.advance(ms("09:00"))
    assert slices.clock_ms == ms("10:00")


def test_slices_are_forgotten_with_their_last_window() -> None:
    slices = Slices(Calendar(), max_age_ms=LATE_MS)
    slices.advance(ms("10:00"))
    Addition(ms("09:59"), count=1).to(slices)
    kept = {key.tier for key in slices.slices}
    assert kept == {"minute", "quarter", "hour", "day", ALL}
    for clock, gone in (("12:00", "minute"), ("2026-03-04 10:00", "quarter"), ("2026-05-31 10:00", "hour")):
        slices.changes.slices.clear()
        slices.advance(ms(clock))
        kept.remove(gone)
        assert {key.tier for key in slices.slices} == kept
        assert {key.tier for key in slices.changes.slices} == {gone}
    slices.advance(ms("2026-03-02") + LATE_MS)
    assert {key.tier for key in slices.slices} == {ALL}


def test_withdrawing_what_has_left_a_window_changes_only_the_longer_ones() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    Addition(ms("09:30"), count=1).to(slices)
    slices.advance(ms("11:00"))
    Addition(ms("09:30"), count=-1).to(slices)
    assert all(slices.window("", window) == {} for window in WINDOWS)


def test_a_group_of_which_everything_is_withdrawn_leaves_no_slices() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    for sign in (1, -1):
        Addition(ms("09:30"), count=sign, level=sign).to(slices)
    slices.advance(ms("10:00") + LATE_MS)
    assert slices.slices == {}


def test_changes_name_what_to_evaluate() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    Addition(ms("09:30"), count=1, level=1, group="rep=ann").to(slices)
    assert slices.changes.facts == {"rep=ann": {"n", "l"}}
    slices.changes.facts.clear()
    slices.advance(ms("10:30"))
    assert slices.changes.windows == {}  # nothing has left, no period turned
    slices.advance(ms("10:31"))
    assert slices.changes.windows == {("rep=ann", "1h"): {"n"}}
    assert SliceKey("rep=ann", "minute", ms("09:30")) in slices.changes.slices
    slices.changes.windows.clear()
    slices.advance(ms("11:30"))
    assert slices.changes.windows == {}
    slices.advance(ms("11:31"))
    assert slices.changes.windows == {("rep=ann", "1h"): {"n"}}  # it has left the hour before, too
    slices.changes.windows.clear()
    slices.advance(ms("2026-03-03 00:01"))
    assert slices.changes.windows == {("rep=ann", "today"): {"n"}}
    slices.changes.windows.clear()
    slices.advance(ms("2026-03-03 09:45"))
    assert slices.changes.windows == {("rep=ann", "24h"): {"n"}}
    slices.changes.windows.clear()
    slices.advance(ms("2026-03-04 00:01"))
    assert slices.changes.windows == {("rep=ann", "today"): {"n"}}  # yesterday is another day


def test_restoring_touches_everything_for_a_first_evaluation() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    Addition(ms("09:30"), count=1, level=1).to(slices)
    again = restored(slices, "UTC")
    assert again.changes.facts == {"": {"n", "l"}}
    assert again.changes.slices == set()  # nothing of it has to be written again
    assert SliceKey("", LEVEL, 0) in again.slices


def test_a_slice_is_packed_when_it_is_over_and_again_an_hour_after_what_comes_late() -> None:
    slices = Slices(Calendar())
    slices.advance(ms("10:00"))
    key = SliceKey("", "hour", ms("09:00"))
    Addition(ms("09:59"), count=1).to(slices)
    for clock, late, packed in (
        ("10:59", 0, False),
        ("11:00", 0, True),
        ("11:30", 2, False),
        ("12:29", 0, False),
        ("12:31", 0, True),
    ):
        slices.advance(ms(clock))
        if late:
            Addition(ms("09:30"), count=late).to(slices)
        assert isinstance(slices.slices[key], bytes) is packed, clock
    assert slices.bag(key) == {"n": 3}
    assert slices.window("", "7d") == {"n": 3}
    slices.advance(ms("10:00") + 90 * DAY_MS + HOUR_MS)
    assert slices.window("", "90d") == {}
    assert key not in slices.slices
