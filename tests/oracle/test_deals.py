"""The oracle on deals: small timelines whose values are worked out by hand here."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.oracle import Row
from oracle.timelines import DAY_S, ROSTER, ask, created, ev, stage

# --- deals -----------------------------------------------------------------------------------------------------------


def test_decisions_revenue_size_and_cycle() -> None:
    events = [
        created("2026-05-01T10:00", "1", 300, rep="a"),
        created("2026-05-02T10:00", "2", 100, rep="a", first_contact_at="2026-05-01T10:00:00+02:00"),
        created("2026-05-03T10:00", "3", 70, rep="a"),
        ev("deal.updated", "2026-05-04T10:00", "1", amount=400),
        ev("deal.won", "2026-05-11T10:00", "1"),  # 10 days
        ev("deal.won", "2026-05-05T08:00", "2", amount=200),  # 4 days since the first contact
        ev("deal.lost", "2026-05-12T10:00", "3"),
        ev("deal.won", "2026-05-12T11:00", "3"),  # decided already
        ev("deal.won", "2026-05-12T10:00", "4", rep="a"),  # never created: no amount, no cycle
    ]
    answer = ask(events)
    expected = {
        "deals_created": Row(3, 3, None, 3),
        "deals_won": Row(3, 3, None, 3),
        "deals_lost": Row(1, 1, None, 1),
        "win_ratio": Row(3 / 4, 3, 4, 4),
        "revenue_eur": Row(600, 600, None, 3),
        "deal_size_eur": Row(200, 600, 3, 3),
        "sales_cycle_seconds": Row(7 * DAY_S, 14 * DAY_S, 2, 2),
        "sales_cycle_p50_seconds": Row(4 * DAY_S, None, None, 2),
        "sales_cycle_p90_seconds": Row(10 * DAY_S, None, None, 2),
    }
    for kpi, row in expected.items():
        assert answer[kpi, "rep=a", "30d"] == row, kpi
    assert answer["win_ratio", "", "24h"] == Row(None, 0, 0, 0)
    assert answer["revenue_eur", "", "7d"] == Row(400, 400, None, 2)
    assert answer["deal_size_eur", "", "1h"] == Row(None, 0, 0, 0)


def test_a_cycle_of_nothing_counts_and_a_negative_one_does_not() -> None:
    events = [
        created("10:00", "1"),
        ev("deal.won", "10:00", "1"),
        created("10:00", "2", first_contact_at="2026-05-13T11:00Z"),
        ev("deal.won", "10:30", "2"),
    ]
    answer = ask(events)
    assert answer["deals_won", "", "today"].n == 2
    assert answer["sales_cycle_seconds", "", "today"] == Row(0, 0, 1, 1)


def test_money_is_converted_at_its_time_half_even() -> None:
    rates = [
        ev("fx.rate", "2020-01-01T00:00", currency="USD", rate=0.5),
        ev("fx.rate", "2020-01-01T00:00", currency="USD", rate=0.25, valid_from="2026-05-13T10:00Z"),
        ev("fx.rate", "2020-01-01T00:00", currency="GBP", rate=2, valid_from="2026-05-13T10:00Z"),
    ]
    events = [
        created("09:00", "1", 0.0005, "USD", rep="a"),  # 2.5 units: 2
        created("09:00", "2", 0.0007, "USD", rep="b"),  # 3.5 units: 4
        created("09:00", "3", 8, "USD", rep="c"),
        ev("deal.updated", "10:00", "3", amount=10),  # still dollars, at the new rate
        created("09:00", "4", 8, "USD", rep="d"),
        ev("deal.updated", "10:00", "4", currency="EUR"),  # holds for amounts to come
        created("09:00", "5", 8, "GBP", rep="e"),  # no rate yet: left out
        created("10:00", "6", 8, "GBP", rep="f"),
    ]
    answer = ask(events, reference=rates)
    found = {group: row.value for (kpi, group, _), row in answer.items() if kpi == "pipeline_value_eur"}
    assert found == {
        "rep=a": 0.0002, "rep=b": 0.0004, "rep=c": 2.5, "rep=d": 4, "rep=f": 16, "": 22.5006,
    }  # fmt: skip
    dollars = ask([created("09:00", amount=3, currency="USD")], currency="USD")
    assert dollars["pipeline_value_usd", "", None].value == 3


def test_reopening_withdraws_the_decision() -> None:
    events = [
        created("2026-05-10T09:00", amount=50),
        ev("deal.won", "2026-05-11T09:00"),
        ev("deal.updated", "2026-05-11T10:00", amount=999),  # after the decision: ignored
        ev("deal.reopened", "2026-05-12T09:00"),
    ]
    answer = ask(events)
    assert ("deals_won", "", "all") not in answer
    assert answer["open_deals", "", None] == Row(1, 1, None, 1)
    assert answer["pipeline_value_eur", "", None] == Row(50, 50, None, 1)
    answer = ask([*events, ev("deal.lost", "10:00")])
    assert answer["win_ratio", "", "all"] == Row(0, 0, 1, 1)
    assert answer["open_deals", "", None] == Row(0, 0, None, 0)


def test_deleting_ends_the_level_only() -> None:
    events = [created("09:00", rep="a"), ev("deal.deleted", "10:00"), ev("deal.won", "11:00")]
    answer = ask(events)
    assert answer["deals_created", "rep=a", "today"].n == 1
    assert answer["open_deals", "rep=a", None].value == 0
    assert ("deals_won", "", "all") not in answer
    assert ask([*events, ev("deal.reopened", "11:30")])["open_deals", "rep=a", None].value == 1


@pytest.mark.parametrize("earlier", ["deal.won", "deal.updated"])
def test_created_late(earlier: str) -> None:
    """Before its creation a deal may be decided or learn; a creation after a decision counts, but opens nothing."""
    events = [ev(earlier, "09:00", rep="a"), created("10:00")]
    answer = ask(events)
    assert answer["deals_created", "rep=a", "today"].n == 1
    assert (("open_deals", "", None) in answer) == (earlier == "deal.updated")
    assert (("deals_won", "rep=a", "all") in answer) == (earlier == "deal.won")


def test_events_of_one_time_go_by_rank() -> None:
    events = [
        ev("deal.reopened", "09:00"),
        ev("deal.won", "09:00"),
        ev("deal.updated", "09:00", amount=7),
        created("09:00", amount=5),
    ]
    answer = ask(events)
    assert answer["pipeline_value_eur", "", None].value == 7
    assert ("deals_won", "", "all") not in answer


def test_a_deal_that_moves_takes_team_and_region_along() -> None:
    events = [
        created("09:00", rep="a", product="p"),
        ev("deal.updated", "09:30", rep="stranger"),
    ]
    answer = ask(events, reference=ROSTER)
    levels = {group: row.value for (kpi, group, _), row in answer.items() if kpi == "open_deals"}
    assert levels == {
        "": 1, "product=p": 1, "rep=a": 0, "team=north": 0, "region=dach": 0, "rep=stranger": 1,
    }  # fmt: skip
    assert answer["deals_created", "team=north", "today"].n == 1


# --- stages ----------------------------------------------------------------------------------------------------------

STAGES = [
    stage("new", order=1, probability=0.1),
    stage("demo", order=2, qualified=True),
    stage("offer", order=3, probability=0.5, qualified=True),
    stage("signed", order=9, is_won=True),
    stage("dead", order=10, is_lost=True),
]


def test_stage_stays_and_conversion() -> None:
    events = [
        created("2026-05-10T00:00", "1", stage="new", rep="a"),
        ev("deal.stage_changed", "2026-05-11T00:00", "1", stage="demo"),  # forward after 1 day
        ev("deal.stage_changed", "2026-05-11T12:00", "1", stage="demo", rep="b"),  # no change of stage
        ev("deal.stage_changed", "2026-05-13T00:00", "1", stage="new"),  # back after 2 days
        ev("deal.won", "2026-05-13T06:00", "1"),  # forward after a quarter of a day
        created("2026-05-10T00:00", "2", stage="new", rep="a"),
        ev("deal.stage_changed", "2026-05-10T12:00", "2", stage="unknown"),  # no order: not forward
        ev("deal.lost", "2026-05-12T12:00", "2"),
    ]
    answer = ask(events, reference=STAGES)
    conversion = {group: row for (kpi, group, w), row in answer.items() if (kpi, w) == ("stage_conversion_ratio", "7d")}
    assert conversion == {
        "": Row(2 / 5, 2, 5, 5),
        "rep=a": Row(1 / 4, 1, 4, 4),
        "rep=b": Row(1, 1, 1, 1),
        "deal_stage=new": Row(2 / 3, 2, 3, 3),
        "deal_stage=demo": Row(0, 0, 1, 1),
        "deal_stage=unknown": Row(0, 0, 1, 1),
    }
    assert answer["stage_conversion_ratio", "", "today"] == Row(1, 1, 1, 1)  # dated at the entry
    dwell = {group: row.n for (kpi, group, w), row in answer.items() if (kpi, w) == ("stage_dwell_seconds", "7d")}
    assert dwell == {"": 5, "rep=a": 4, "rep=b": 1, "deal_stage=new": 3, "deal_stage=demo": 1, "deal_stage=unknown": 1}
    new = 1.75 * DAY_S  # 1 + 0.25 + 0.5 days
    assert answer["stage_dwell_seconds", "deal_stage=new", "7d"] == Row(new / 3, new, 3, 3)
    assert answer["stage_dwell_p50_seconds", "deal_stage=new", "7d"] == Row(DAY_S / 2, None, None, 3)
    assert answer["stage_dwell_p90_seconds", "", "7d"].value == 2 * DAY_S  # 0.25 0.5 1 2 2
    assert answer["stage_dwell_seconds", "", "today"] == Row(1.125 * DAY_S, 2.25 * DAY_S, 2, 2)  # dated at leaving


def test_positions_are_the_order_where_none_is_given() -> None:
    events = [created("09:00", stage="x"), ev("deal.stage_changed", "10:00", stage="y")]
    for names, advanced in (("xy", 1), ("yx", 0)):
        answer = ask(events, reference=[stage(name) for name in names])
        assert answer["stage_conversion_ratio", "deal_stage=x", "all"] == Row(advanced, advanced, 1, 1)


def test_a_reopened_deal_enters_its_stage_again() -> None:
    events = [created("08:00", stage="new"), ev("deal.won", "09:00"), ev("deal.reopened", "10:00")]
    answer = ask(events, reference=STAGES)
    assert answer["stage_conversion_ratio", "deal_stage=new", "all"] == Row(0, 0, 2, 2)
    assert ("stage_dwell_seconds", "", "all") not in answer
    answer = ask([*events, ev("deal.stage_changed", "11:30", stage="offer")], reference=STAGES)
    assert answer["stage_conversion_ratio", "deal_stage=new", "all"] == Row(1 / 2, 1, 2, 2)
    assert answer["stage_dwell_seconds", "deal_stage=new", "all"] == Row(5400, 5400, 1, 1)


def test_stages_marked_won_and_lost_decide() -> None:
    events = [
        created("08:00", "1", 10, stage="new"),
        ev("deal.stage_changed", "09:00", "1", stage="signed"),
        created("08:00", "2", 20, stage="new"),
        ev("deal.stage_changed", "09:00", "2", stage="dead"),
        created("08:00", "3", 30, stage="signed"),
    ]
    answer = ask(events, reference=STAGES)
    assert answer["win_ratio", "", "all"] == Row(2 / 3, 2, 3, 3)
    assert answer["revenue_eur", "", "all"] == Row(40, 40, None, 2)
    assert answer["stage_conversion_ratio", "", "all"] == Row(1 / 2, 1, 2, 2)
    assert not [key for key in answer if key[1] in ("deal_stage=signed", "deal_stage=dead")]
    reopened = ask([*events, ev("deal.reopened", "10:00", "1")], reference=STAGES)
    assert reopened["open_deals", "deal_stage=new", None].value == 1
    assert reopened["revenue_eur", "", "all"].value == 30


def test_weights_come_from_the_stage_else_the_event_else_a_half() -> None:
    events = [
        created("08:00", "1", 100, stage="new", probability=0.9, rep="a"),  # the stage's 0.1
        created("08:00", "2", 100, stage="demo", probability=0.9, rep="b"),
        created("08:00", "3", 100, stage="other", rep="c"),
        created("08:00", "4", 100, stage="other", probability=0.9, rep="d"),
        ev("deal.stage_changed", "09:00", "4", stage="demo"),  # forgets the 0.9
        created("08:00", "5", 0.0005, rep="e"),  # 2.5 units: 2
        created("08:00", "6", 100, stage="new", pipeline="elsewhere", rep="f"),
    ]
    answer = ask(events, reference=STAGES)
    weighted = {group: row.value for (kpi, group, _), row in answer.items() if kpi == "pipeline_weighted_eur"}
    assert weighted == {
        "rep=a": 10, "rep=b": 90, "rep=c": 50, "rep=d": 50, "rep=e": 0.0002, "rep=f": 50, "": 250.0002,
        "deal_stage=new": 60, "deal_stage=demo": 140, "deal_stage=other": 50,
    }  # fmt: skip
    assert answer["pipeline_value_eur", "deal_stage=demo", None] == Row(200, 200, None, 2)
    assert answer["open_deals", "deal_stage=other", None] == Row(1, 1, None, 1)


def test_a_quote_counts_once_a_deal_and_closes_when_it_is_won() -> None:
    events = [
        created("2026-05-10T00:00", "1", rep="a"),
        ev("quote.sent", "2026-05-11T00:00", "1", rep="b"),
        ev("quote.sent", "11:30", "1", rep="c"),
        ev("deal.won", "11:45", "1"),
        created("08:00", "2", rep="b"),
        ev("quote.sent", "11:30", "2"),
        ev("quote.sent", "11:30", "3", rep="b"),  # not created yet
    ]
    answer = ask(events)
    assert answer["quote_close_ratio", "rep=b", "7d"] == Row(1 / 3, 1, 3, 3)
    assert answer["quote_close_ratio", "rep=b", "1h"] == Row(0, 0, 2, 2)
    assert ("quote_close_ratio", "rep=c", "all") not in answer


def test_pipeline_velocity() -> None:
    events = [
        created("2026-05-01T00:00", "1", 900, rep="a"),
        ev("deal.won", "2026-05-11T00:00", "1"),  # 10 days
        created("2026-05-01T00:00", "2", 300, rep="a"),
        ev("deal.won", "2026-05-07T00:00", "2"),  # 6 days
        created("2026-05-01T00:00", "3", rep="b"),
        ev("deal.lost", "2026-05-07T00:00", "3"),
        *(created("09:00", name, stage=at, rep="a") for name, at in (("4", "new"), ("5", "demo"), ("6", "offer"))),
    ]
    # 2 qualified × 2/3 won × 600 a deal / 8 days
    answer = ask(events, reference=STAGES)
    kpi = "pipeline_velocity_eur_per_day"
    assert answer[kpi, "", "30d"] == pytest.approx((100, 800, 8, 3))
    assert answer[kpi, "rep=a", "30d"] == pytest.approx((150, 1200, 8, 2))
    assert answer[kpi, "rep=b", "30d"] == Row(None, None, None, 1)
    assert answer[kpi, "", "1h"] == Row(None, None, None, 0)
    assert ask(events)[kpi, "", "30d"].value == pytest.approx(150)  # no stage marked: all three are opportunities


@pytest.mark.parametrize("first", [[], [created("10:00")]])  # without a cycle, and with one of nothing
def test_pipeline_velocity_needs_a_cycle(first: list[dict[str, Any]]) -> None:
    answer = ask([*first, ev("deal.won", "10:00", amount=5), created("10:00", "2")])
    assert answer["pipeline_velocity_eur_per_day", "", "all"] == Row(None, None, None, 1)


def test_an_update_that_names_another_stage_moves_the_deal() -> None:
    events = [created("08:00", stage="new"), ev("deal.updated", "09:00", stage="demo")]
    answer = ask(events, reference=STAGES)
    assert answer["stage_dwell_seconds", "deal_stage=new", "all"] == Row(3600, 3600, 1, 1)
    assert answer["open_deals", "deal_stage=demo", None].value == 1


def test_a_reopening_may_say_how_probable_the_deal_is_now() -> None:
    events = [
        created("08:00", "1", 100, stage="signed", rep="a"),  # decided at once: no stage to come back to
        ev("deal.reopened", "09:00", "1", probability=0.0),
        created("08:00", "2", 100, stage="demo", probability=0.9, rep="b"),
        ev("deal.stage_changed", "08:30", "2", stage="signed"),
        ev("deal.reopened", "09:00", "2"),  # forgets the 0.9 with the stage left
    ]
    answer = ask(events, reference=STAGES)
    assert answer["pipeline_weighted_eur", "rep=a", None].value == 0
    assert answer["pipeline_weighted_eur", "rep=b", None].value == 50
