"""Roster, stages and rates by the time they hold from, and money in units of 1/10,000."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import decoded, ms
from support.replay import roster

from streamproc.facts.dims import pack, resolve
from streamproc.facts.reference import Lookups, Reference, to_units

ROSTER = """
    rep.defined  ann team=north region=dach
    rep.defined  ann team=south valid_from=10:00
    rep.defined  bob team=south
    rep.defined  cy  team=north valid_from=10:00
    rep.defined  dee
    team.defined south region=uk
    team.defined south region=fr valid_from=11:00
"""


@pytest.mark.parametrize(
    ("rep", "team", "time", "expected"),
    [
        ("ann", None, "09:59:59.999", ("north", "dach")),
        ("ann", None, "10:00", ("south", "uk")),
        ("ann", None, "11:00", ("south", "fr")),
        ("bob", None, "1999-01-01", ("south", "uk")),
        ("cy", None, "09:00", (None, None)),  # not yet
        ("cy", None, "10:00", ("north", None)),
        ("dee", None, "09:00", (None, None)),
        ("stranger", None, "09:00", (None, None)),
        (None, "south", "09:00", ("south", "uk")),
        (None, "nowhere", "09:00", ("nowhere", None)),
        ("ann", "south", "09:00", ("south", "dach")),  # a team that is given; the region is the rep's
        (None, None, "09:00", (None, None)),
    ],
)
def test_roster(rep: str | None, team: str | None, time: str, expected: tuple[str | None, str | None]) -> None:
    assert roster(ROSTER).roster(rep, team, ms(time)) == expected


def test_the_latest_definition_for_a_time_replaces_an_earlier_one() -> None:
    reference = roster(ROSTER + "\nrep.defined bob team=east\nrep.defined ann team=west valid_from=10:00")
    assert reference.roster("bob", None, ms("09:00")) == ("east", None)
    assert reference.roster("ann", None, ms("10:30")) == ("west", None)
    assert reference.roster("ann", None, ms("09:30")) == ("north", "dach")


def test_definitions_may_come_in_any_order_of_time() -> None:
    reference = roster(
        "fx.rate USD rate=3 valid_from=12:00\nfx.rate USD rate=1 valid_from=10:00\nfx.rate USD rate=2 valid_from=11:00"
    )
    assert [reference.rate("USD", ms(time)) for time in ("09:00", "10:30", "11:30", "12:30")] == [None, 1, 2, 3]


def test_members_are_the_active_reps() -> None:
    reference = roster(
        """
        rep.defined ann team=north name=Ann
        rep.defined bob active=false
        rep.defined cy team=south
        team.defined south region=uk
        """
    )
    assert sorted(reference.members()) == [("ann", "Ann", "north", ""), ("cy", "", "south", "uk")]


def test_rates() -> None:
    reference = roster("fx.rate USD rate=0.92")
    assert reference.rate("USD", 0) == Decimal("0.92")
    assert reference.rate("EUR", 0) == 1
    assert reference.rate("GBP", 0) is None


def test_stages_in_the_order_of_definition_where_none_is_stated() -> None:
    reference = roster("stage.defined a\nstage.defined b\nstage.defined c order=7\nstage.defined a probability=0.2")
    assert [reference.stage("default", name).order for name in "abc"] == [0, 1, 7]
    assert reference.stage("default", "a").probability == 0.2
    assert reference.stage("default", "unknown").order is None
    assert reference.stage("other", "a").order is None
    assert not reference.marks_qualified("default")


def test_the_order_in_settings_counts_only_where_nothing_is_defined() -> None:
    reference = roster("stage.defined a pipeline=known", stages=("x", "y"))
    assert reference.stage("default", "y").order == 1
    assert reference.stage("known", "y").order is None


@pytest.mark.parametrize(
    ("amount", "rate", "units"),
    [
        (0.00005, "1", 0),
        (0.00015, "1", 2),
        (0.00025, "1", 2),
        (-0.00015, "1", -2),
        (0.1, "1", 1000),
        (1e11, "1", 10**15),
        (99_999_999_999.9999, "1", 999_999_999_999_999),
        (2.675, "0.5", 13375),
        (0.0001, "0.5", 0),
        (0.0003, "0.5", 2),
    ],
)
def test_money_is_rounded_half_even(amount: float, rate: str, units: int) -> None:
    assert to_units(amount, Decimal(rate)) == units


@settings(max_examples=150, deadline=None)
@given(amount=st.floats(-1e11, 1e11), rate=st.floats(1e-6, 1e6))
def test_money_is_exact(amount: float, rate: float) -> None:
    exact = Fraction(repr(amount)) * Fraction(repr(rate)) * 10_000
    assert to_units(amount, Decimal(repr(rate))) == round(exact)


def test_money_is_rounded_once() -> None:
    """15 digits of an amount times 17 of a rate are more than the 28 that decimal arithmetic keeps by default."""
    rate = 12_345_678_901_234_567  # in 1/10^16
    for above in range(1, 400):  # amounts (in 1/10,000) whose value is so little above an even number and a half
        amount = (5 * 10**15 + above) * pow(rate, -1, 10**16) % 10**16
        if 10**14 <= amount < 10**15 and amount * rate // 10**16 % 2 == 0:
            exact = amount * rate // 10**16 + 1
            assert to_units(amount / 10_000, Decimal(rate).scaleb(-16)) == exact
            return
    raise AssertionError("no such amount")


def test_lookups_are_made_once() -> None:
    reference, kept = roster(ROSTER + "\nstage.defined a order=1 probability=0.5\nfx.rate USD rate=2"), {}
    look = Lookups(reference, kept)
    first = (
        look.roster("ann", None, 0),
        look.stage("default", "a"),
        look.marks_qualified("default"),
        look.money(1, "USD", 0),
    )
    changed = Lookups(Reference(), kept)  # all of it gone since
    again = (
        changed.roster("ann", None, 0),
        changed.stage("default", "a"),
        changed.marks_qualified("default"),
        changed.money(1, "USD", 0),
    )
    assert again == first
    assert changed.roster("bob", None, 0) == (None, None)  # what was not asked before is new


def test_lookups_of_different_stages_are_kept_apart() -> None:
    look = Lookups(roster("stage.defined c pipeline='a|b' order=7"), {})
    assert look.stage("a|b", "c").order == 7
    assert look.stage("a", "b|c").order is None


def test_lookups_of_a_rep_called_none_are_kept_apart() -> None:
    look = Lookups(roster("rep.defined None team=north region=dach"), {})
    assert look.roster("None", "east", 0) == ("east", "dach")
    assert look.roster(None, "east", 0) == ("east", None)


def test_dimensions_keep_their_order_and_own_values() -> None:
    event = decoded("call.logged", "1", "09:00", rep="ann", campaign="q4", region="moon")
    found = resolve(event.data, event.time_ms, roster(ROSTER), "phone")
    assert found == {"rep": "ann", "team": "north", "region": "moon", "channel": "phone", "campaign": "q4"}
    assert pack(found) == (
        ("rep", "ann"), ("team", "north"), ("region", "moon"), ("channel", "phone"), ("campaign", "q4"),
    )  # fmt: skip


def test_headcounts_are_of_active_reps_at_the_time() -> None:
    reference = roster(
        ROSTER + "\nrep.defined eve team=north region=dach\nrep.defined eve active=false valid_from=10:30"
    )
    assert reference.headcounts(ms("09:00")) == {
        "": 4,
        "team=north": 2,
        "team=south": 1,
        "region=dach": 2,
        "region=uk": 1,
    }
    assert reference.headcounts(ms("10:00")) == {
        "": 5,
        "team=north": 2,
        "team=south": 2,
        "region=dach": 1,
        "region=uk": 2,
    }
    assert reference.headcounts(ms("10:30"))["team=north"] == 1


TARGETS = [
    ("target.set", {"value": 10, "period": "month"}),
    ("target.set", {"value": 7, "window": "7d"}),
    ("target.set", {"value": 20, "period": "month", "group": {"team": "x"}}),
    ("target.set", {"value": 30, "period": "month", "group": {"team": "x"}, "valid_from": "2026-03-02T10:00:00Z"}),
    ("target.set", {"value": 12, "period": "month"}),  # the later of two from the same time
    ("target.set", {"period": "month", "valid_from": "2026-03-02T12:00:00Z"}),  # ends it
    ("threshold.set", {"value": 99, "period": "year"}),
]


@pytest.mark.parametrize(
    ("time", "company", "team"), [("09:00", 12, 20), ("10:00", 12, 30), ("11:59", 12, 30), ("12:00", None, 30)]
)
def test_targets_hold_from_their_time(time: str, company: float | None, team: float) -> None:
    reference = Reference()
    for number, (kind, data) in enumerate(TARGETS):
        reference.apply(decoded(kind, str(number), kpi="calls", **data))
    found = dict(reference.targets.current(ms(time)))
    assert found.get(("calls", "", "month")) == company
    assert found["calls", "team=x", "month"] == team
    assert found["calls", "", "7d"] == 7
    assert ("calls", "", "year") not in found
