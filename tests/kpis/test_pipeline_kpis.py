"""Deal and pipeline KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

import pytest
from support.replay import replay

HOUR_S = 3600
DAY_S = 24 * HOUR_S

STAGES = """
    stage.defined new    order=1 probability=0.1
    stage.defined demo   order=2 qualified=true
    stage.defined offer  order=3 probability=0.6 qualified=true
    stage.defined signed order=4 is_won=true
    stage.defined dead   order=5 is_lost=true
"""


def test_deals_created_won_lost_and_their_ratio() -> None:
    day = replay("""
        08:00 deal.created d1 rep=ann
        08:10 deal.created d2 rep=ann
        08:20 deal.created d3 rep=bob
        08:30 deal.created d4 rep=ann
        09:10 deal.won     d1
        09:20 deal.won     d2
        09:30 deal.lost    d3
        09:40 deal.lost    d3
        09:50 deal.won     d3
    """)
    assert day.value("deals_created", "today", at="10:00") == 4
    assert day.value("deals_created", "today", at="10:00", rep="ann") == 3
    assert day.value("deals_won", "1h", at="10:00", rep="ann") == 2
    assert day.value("deals_lost", "1h", at="10:00", rep="bob") == 1  # the first decision stands
    row = day.row("win_ratio", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (2 / 3, 2, 3, 3)
    assert day.value("win_ratio", "1h", at="10:00", rep="bob") == 0
    assert day.value("win_ratio", "1h", at="11:00") is None
    assert day.counts("10:00")["anomaly", "deal_won_when_lost"] == 1


def test_a_second_creation_is_an_anomaly() -> None:
    day = replay("""
        09:00 deal.created d1 rep=ann amount=100
        09:10 deal.created d1 rep=bob amount=900
    """)
    assert day.value("deals_created", "1h", at="10:00") == 1
    assert day.value("pipeline_value_eur", at="10:00", rep="ann") == 100
    assert day.counts("10:00")["anomaly", "deal_created_when_open"] == 1


def test_revenue_and_deal_size() -> None:
    day = replay("""
        08:00 deal.created d1 rep=ann amount=100
        08:00 deal.created d2 rep=ann amount=300.5
        08:30 deal.updated d2 amount=350
        09:10 deal.won     d1
        09:20 deal.won     d2 amount=400.25
        09:30 deal.won     d3 rep=bob
    """)
    row = day.row("revenue_eur", "1h", at="10:00", rep="ann")
    assert (row.value, row.numerator, row.denominator, row.n) == (500.25, 500.25, None, 2)
    row = day.row("deal_size_eur", "1h", at="10:00", rep="ann")
    assert (row.value, row.numerator, row.denominator) == (250.125, 500.25, 2)
    assert day.value("revenue_eur", "1h", at="10:00", rep="bob") == 0  # won without an amount
    assert day.value("deal_size_eur", "1h", at="11:00", rep="ann") is None
    assert day.value("revenue_eur", "1h", at="11:00", rep="ann") == 0


def test_the_amount_valid_at_the_win_counts() -> None:
    day = replay("""
        08:00 deal.created d1 amount=100
        08:30 deal.updated d1 amount=350
        09:10 deal.won     d1
        09:20 deal.updated d1 amount=999
    """)
    assert day.value("revenue_eur", "1h", at="10:00") == 350


def test_won_without_created_has_revenue_but_no_cycle_and_no_level() -> None:
    day = replay("""
        09:10 deal.won d1 rep=ann amount=70 first_contact_at=08:00
    """)
    assert day.value("deals_won", "1h", at="10:00", rep="ann") == 1
    assert day.value("revenue_eur", "1h", at="10:00", rep="ann") == 70
    assert day.value("win_ratio", "1h", at="10:00", rep="ann") == 1
    for kpi in ("sales_cycle_seconds", "sales_cycle_p50_seconds", "sales_cycle_p90_seconds"):
        assert not day.has(kpi, "1h", at="10:00"), kpi
    assert not day.has("open_deals", at="10:00")
    assert not day.has("deals_created", "1h", at="10:00")


def test_money_is_converted_at_the_time_of_the_event_half_even() -> None:
    day = replay(
        """
        08:00 deal.created d1 rep=ann amount=0.00005 currency=EUR
        08:00 deal.created d2 rep=bob amount=0.00015 currency=EUR
        08:00 deal.created d3 rep=cy  amount=100     currency=USD
        08:00 deal.created d4 rep=dee amount=0.0003  currency=USD
        09:05 deal.updated d3 amount=100
        09:10 deal.won     d3
        09:20 deal.created d5 rep=eve amount=10      currency=USD
        """,
        reference="""
        fx.rate USD rate=0.5
        fx.rate USD rate=0.8 valid_from=09:00
        """,
    )
    value = {group: row for group, row in day.groups("pipeline_value_eur", at="08:30").items() if group}
    assert value == {"rep=ann": 0, "rep=bob": 0.0002, "rep=cy": 50, "rep=dee": 0.0002}  # 0.5 and 1.5 units; 1.5 units
    assert day.value("pipeline_value_eur", at="09:01", rep="cy") == 50  # a new rate changes nothing by itself
    assert day.value("revenue_eur", "1h", at="10:00", rep="cy") == 80
    assert day.value("pipeline_value_eur", at="10:00", rep="eve") == 8


def test_a_currency_without_a_rate_is_refused() -> None:
    day = replay(
        """
        08:59:59.999 deal.created d1 amount=10 currency=USD
        09:00        deal.created d2 amount=10 currency=USD
        09:00        deal.created d3 amount=10 currency=GBP
        """,
        reference="fx.rate USD rate=2 valid_from=09:00",
        rejects=True,
    )
    assert day.value("pipeline_value_eur", at="10:00") == 20
    assert day.counts("10:00")["rejected", "file", "unknown_currency"] == 2


def test_money_kpis_carry_the_reporting_currency() -> None:
    day = replay("08:00 deal.created d1 amount=10 currency=USD", currency="USD")
    assert day.value("pipeline_value_usd", at="10:00") == 10


def test_sales_cycle_from_first_contact_else_from_creation() -> None:
    day = replay("""
        2026-02-20 09:00 deal.created d1 rep=ann
        2026-02-24 09:00 deal.created d2 rep=ann first_contact_at=2026-02-18T09:00Z
        2026-03-01 09:00 deal.created d3 rep=bob first_contact_at=2026-03-01T09:30Z
        2026-03-01 09:00 deal.updated d4 first_contact_at=2026-02-01T09:00Z
        09:00            deal.won     d1
        09:00            deal.won     d2
        09:00            deal.lost    d3
        09:00            deal.won     d4
    """)
    row = day.row("sales_cycle_seconds", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (11 * DAY_S, 22 * DAY_S, 2, 2)  # 10 and 12 days
    assert day.value("sales_cycle_p50_seconds", "1h", at="10:00") == pytest.approx(10 * DAY_S, rel=0.01)
    assert day.value("sales_cycle_p90_seconds", "1h", at="10:00") == pytest.approx(12 * DAY_S, rel=0.01)


def test_a_win_before_the_first_contact_has_no_cycle() -> None:
    day = replay("""
        08:00 deal.created d1 first_contact_at=10:00
        09:00 deal.won     d1
    """)
    assert day.value("deals_won", "1h", at="09:30") == 1
    assert not day.has("sales_cycle_seconds", "1h", at="09:30")
    assert day.counts("09:30")["anomaly", "won_before_first_contact"] == 1


def test_reopening_withdraws_the_decision() -> None:
    day = replay("""
        08:00 deal.created  d1 rep=ann amount=100
        09:00 deal.won      d1
        09:30 deal.reopened d1
        10:30 deal.lost     d1
        10:40 deal.reopened d1
        10:50 deal.won      d1 amount=60
    """)
    assert day.value("deals_won", "today", at="09:30") == 1
    assert day.value("open_deals", at="09:30") == 0
    for kpi in ("deals_won", "revenue_eur", "win_ratio", "sales_cycle_seconds", "sales_cycle_p90_seconds"):
        assert not day.has(kpi, "today", at="10:00"), kpi
    assert day.value("open_deals", at="10:00", rep="ann") == 1
    assert day.value("pipeline_value_eur", at="10:00", rep="ann") == 100
    assert day.value("win_ratio", "today", at="10:31") == 0
    assert not day.has("deals_lost", "today", at="10:41")
    assert day.value("win_ratio", "today", at="11:00") == 1
    assert day.value("revenue_eur", "today", at="11:00") == 60
    assert day.value("sales_cycle_seconds", "today", at="11:00") == 2 * HOUR_S + 50 * 60


def test_deleting_ends_the_open_level_only() -> None:
    day = replay("""
        08:00 deal.created  d1 rep=ann amount=100
        08:10 quote.sent    d1
        09:00 deal.deleted  d1
        09:10 deal.won      d1
        08:00 deal.created  d2 rep=ann amount=30
        08:30 deal.won      d2
        09:00 deal.deleted  d2
    """)
    assert day.value("deals_created", "today", at="10:00") == 2
    assert day.value("open_deals", at="10:00") == 0
    assert day.value("pipeline_value_eur", at="10:00") == 0
    assert day.value("deals_won", "today", at="10:00") == 1  # d2's: a decided deal stays decided
    assert day.value("revenue_eur", "today", at="10:00") == 30
    assert day.value("quote_close_ratio", "today", at="10:00") == 0
    assert day.counts("10:00")["anomaly", "deal_won_when_deleted"] == 1


def test_quote_to_close_counts_a_deal_once_at_its_first_quote() -> None:
    day = replay("""
        08:00 deal.created d1 rep=ann
        08:10 quote.sent   d1 quote=q1
        09:20 quote.sent   d1 quote=q2
        08:00 deal.created d2 rep=ann
        09:10 quote.sent   d2
        08:00 deal.created d3 rep=ann
        09:30 deal.won     d1
        09:40 deal.lost    d2
        09:45 deal.won     d3
    """)
    row = day.row("quote_close_ratio", "today", at="10:00", rep="ann")
    assert (row.value, row.numerator, row.denominator) == (0.5, 1, 2)  # d3 had no quote
    assert day.value("quote_close_ratio", "1h", at="10:00") == 0  # d1's first quote is older
    assert day.value("quote_close_ratio", "today", at="09:25") == 0


def test_a_reopened_deal_is_no_longer_quoted_and_won() -> None:
    day = replay("""
        08:10 quote.sent    d1
        08:00 deal.created  d1
        09:00 deal.won      d1
        09:30 deal.reopened d1
    """)
    assert day.value("quote_close_ratio", "today", at="09:10") == 1
    assert day.value("quote_close_ratio", "today", at="10:00") == 0


def test_stage_conversion_forward_back_and_won() -> None:
    day = replay(
        """
        08:00 deal.created       d1 rep=ann stage=new
        08:30 deal.stage_changed d1 stage=offer
        09:00 deal.stage_changed d1 stage=demo
        09:30 deal.won           d1
        08:00 deal.created       d2 rep=ann stage=new
        08:30 deal.lost          d2
        08:00 deal.created       d3 rep=ann stage=new
        """,
        reference=STAGES,
    )
    conversion = {g: v for g, v in day.groups("stage_conversion_ratio", "today", at="10:00").items() if "stage" in g}
    assert conversion == {
        "deal_stage=new": 1 / 3,  # d1 went on, d2 was lost, d3 stays
        "deal_stage=offer": 0,  # back to demo
        "deal_stage=demo": 1,  # won
    }
    row = day.row("stage_conversion_ratio", "today", at="10:00", rep="ann")
    assert (row.numerator, row.denominator) == (2, 5)
    row = day.row("stage_conversion_ratio", "1h", at="10:00")
    assert (row.numerator, row.denominator) == (1, 1)  # only the entry at 09:00
    assert day.value("stage_conversion_ratio", "today", at="08:30", deal_stage="new") == 0


def test_time_in_stage_counts_at_leaving_with_what_held_at_entering() -> None:
    day = replay(
        """
        08:00 deal.created       d1 rep=ann stage=new
        08:10 deal.updated       d1 rep=bob
        08:40 deal.stage_changed d1 stage=demo
        08:50 deal.stage_changed d1 stage=demo rep=cy
        09:40 deal.lost          d1
        09:00 deal.created       d2 rep=ann stage=new
        """,
        reference=STAGES,
    )
    row = day.row("stage_dwell_seconds", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator) == (50 * 60, 100 * 60, 2)
    assert day.value("stage_dwell_seconds", "today", at="10:00", rep="ann") == 40 * 60
    assert day.value("stage_dwell_seconds", "today", at="10:00", rep="bob") == 60 * 60
    assert day.value("stage_dwell_seconds", "1h", at="10:00", deal_stage="demo") == 60 * 60
    assert day.value("stage_dwell_seconds", "1h", at="10:00", deal_stage="new") is None
    assert day.value("stage_dwell_p50_seconds", "today", at="10:00") == pytest.approx(40 * 60, rel=0.01)
    assert day.value("stage_dwell_p90_seconds", "1h", at="10:00") == pytest.approx(60 * 60, rel=0.01)


def test_a_reopening_withdraws_the_stay_that_the_decision_ended() -> None:
    day = replay(
        """
        08:00 deal.created  d1 stage=new
        08:30 deal.won      d1
        09:00 deal.reopened d1
        """,
        reference=STAGES,
    )
    assert day.value("stage_conversion_ratio", "today", at="08:40", deal_stage="new") == 1
    assert day.value("stage_conversion_ratio", "today", at="10:00", deal_stage="new") == 0
    assert not day.has("stage_dwell_seconds", "today", at="10:00")


def test_entering_a_won_stage_wins() -> None:
    day = replay(
        """
        08:00 deal.created       d1 rep=ann stage=new amount=70
        09:00 deal.stage_changed d1 stage=signed
        08:00 deal.created       d2 rep=ann stage=new
        09:00 deal.stage_changed d2 stage=dead
        """,
        reference=STAGES,
    )
    assert day.value("win_ratio", "1h", at="09:30", rep="ann") == 0.5
    assert day.value("revenue_eur", "1h", at="09:30") == 70
    assert day.value("open_deals", at="09:30") == 0
    assert day.value("stage_conversion_ratio", "today", at="09:30", deal_stage="new") == 0.5


def test_levels_are_those_at_the_time_asked_for() -> None:
    day = replay(
        """
        08:00 deal.created       d1 rep=ann stage=new amount=100 product=crm
        08:00 deal.created       d2 rep=ann stage=new amount=50
        08:30 deal.updated       d1 amount=120
        09:00 deal.stage_changed d1 stage=demo
        09:30 deal.updated       d1 rep=bob
        10:00 deal.won           d1
        10:30 deal.lost          d2
        """,
        reference=STAGES,
    )
    assert not day.has("open_deals", at="08:00")
    assert day.value("open_deals", at="08:01") == 2
    assert day.value("pipeline_value_eur", at="08:01") == 150
    assert day.value("pipeline_value_eur", at="08:31", product="crm") == 120
    assert day.groups("open_deals", at="09:31") == {
        "": 2, "rep=ann": 1, "rep=bob": 1, "product=crm": 1, "deal_stage=new": 1, "deal_stage=demo": 1,
    }  # fmt: skip
    row = day.row("pipeline_value_eur", at="09:31", rep="bob")
    assert (row.value, row.numerator, row.denominator, row.n, row.window) == (120, 120, None, 1, None)
    assert day.value("open_deals", at="10:01") == 1
    assert day.value("open_deals", at="2030-01-01 00:00") == 0
    assert day.row("pipeline_value_eur", at="11:00").n == 0


def test_weighted_pipeline_takes_the_stage_then_the_event_then_a_half() -> None:
    day = replay(
        """
        08:00 deal.created       d1 rep=ann stage=offer amount=100 probability=0.9
        08:00 deal.created       d2 rep=bob stage=demo  amount=100 probability=0.25
        08:00 deal.created       d3 rep=cy  stage=demo  amount=100
        08:00 deal.created       d4 rep=dee amount=0.0003
        08:00 deal.created       d5 rep=eve amount=0.0001
        08:30 deal.stage_changed d2 stage=elsewhere
        08:40 deal.stage_changed d2 stage=elsewhere probability=1
        """,
        reference=STAGES,
    )
    by_rep = day.groups("pipeline_weighted_eur", at="08:10")
    assert by_rep["rep=ann"] == 60  # the stage says 0.6, whatever the event says
    assert by_rep["rep=bob"] == 25  # the stage says nothing
    assert by_rep["rep=cy"] == 50
    assert by_rep["rep=dee"] == 0.0002  # 1.5 units, half-even
    assert by_rep["rep=eve"] == 0  # 0.5 units, half-even
    assert day.value("pipeline_weighted_eur", at="08:31", rep="bob") == 50  # a new stage, and nothing is said of it
    assert day.value("pipeline_weighted_eur", at="08:41", rep="bob") == 100
    assert day.value("pipeline_weighted_eur", at="08:10", deal_stage="demo") == 75


def test_velocity_by_hand() -> None:
    day = replay("""
        2026-02-20 09:30 deal.created d1 rep=ann amount=1000
        2026-02-26 09:30 deal.created d2 rep=ann amount=500
        2026-02-26 09:30 deal.created d3 rep=ann
        08:00            deal.created d4 rep=ann
        08:00            deal.created d5 rep=ann
        08:00            deal.created d6 rep=bob
        09:30            deal.won     d1
        09:30            deal.won     d2
        09:30            deal.lost    d3
    """)
    # ann: 2 open, 2 of 3 won, mean size 750, mean cycle (10 + 4) / 2 = 7 days
    row = day.row("pipeline_velocity_eur_per_day", "24h", at="10:00", rep="ann")
    assert row.value == pytest.approx(2 * (2 / 3) * 750 / 7)
    assert (row.numerator, row.denominator, row.n) == (1000, 7, 3)
    assert day.value("pipeline_velocity_eur_per_day", "24h", at="10:00") == pytest.approx(3 * (2 / 3) * 750 / 7)
    assert day.value("pipeline_velocity_eur_per_day", "24h", at="10:00", rep="bob") is None  # no win
    assert day.value("pipeline_velocity_eur_per_day", "1h", at="11:00", rep="ann") is None


def test_velocity_counts_qualified_deals_where_stages_are_marked() -> None:
    day = replay(
        """
        2026-03-01 09:00 deal.created d1 stage=new amount=100
        08:00            deal.created d2 stage=new
        08:00            deal.created d3 stage=demo
        08:00            deal.created d4 stage=offer
        08:00            deal.created d5
        09:00            deal.won     d1
        """,
        reference=STAGES,
    )
    assert day.value("pipeline_velocity_eur_per_day", "1h", at="09:30") == 2 * 100 / 1  # demo and offer, a day's cycle


def test_velocity_is_undefined_at_a_cycle_of_nothing() -> None:
    day = replay("""
        09:00 deal.created d1
        09:00 deal.won     d1
        09:00 deal.created d2
    """)
    assert day.value("sales_cycle_seconds", "1h", at="10:00") == 0
    assert day.value("pipeline_velocity_eur_per_day", "1h", at="10:00") is None


def test_a_rep_who_moves_does_not_rewrite_a_deals_history() -> None:
    day = replay(
        """
        08:00 deal.created d1 rep=ann amount=10
        08:00 deal.created d2 rep=ann amount=20
        09:30 deal.won     d1
        09:30 deal.updated d2 rep=ann
        """,
        reference="""
        rep.defined ann team=north
        rep.defined ann team=south valid_from=09:00
        """,
    )
    created = {g: v for g, v in day.groups("deals_created", "today", at="10:00").items() if g.startswith("team")}
    assert created == {"team=north": 2}
    # d1's win names no rep, so what its creation said still holds; d2 is said anew to be ann's, in her new team
    won = {g: v for g, v in day.groups("deals_won", "today", at="10:00").items() if g.startswith("team")}
    assert won == {"team=north": 1}
    levels = {g: v for g, v in day.groups("open_deals", at="10:00").items() if g.startswith("team")}
    assert levels == {"team=north": 0, "team=south": 1}


def test_late_and_shuffled_events_give_what_an_ordered_replay_gives() -> None:
    drawn = """
        08:00 deal.created       d1 rep=ann stage=new amount=100 id=e1
        08:30 deal.stage_changed d1 stage=demo id=e2
        08:40 deal.updated       d1 amount=70 id=e3
        09:00 deal.won           d1 id=e4
        09:10 deal.reopened      d1 id=e5
        09:20 deal.lost          d1 id=e6
    """
    backwards = "\n".join(reversed(drawn.strip().splitlines()))
    kpis = ("win_ratio", "stage_conversion_ratio", "stage_dwell_seconds", "deals_created")
    there, back = replay(drawn, reference=STAGES), replay(backwards, reference=STAGES)
    for kpi in kpis:
        assert there.groups(kpi, "today", at="10:00") == back.groups(kpi, "today", at="10:00")
        assert there.groups(kpi, "today", at="10:00")


def test_deals_won_per_conversation() -> None:
    day = replay("""
        09:00 call.logged  c1 rep=ann outcome=connected
        09:01 call.logged  c2 rep=ann outcome=busy
        09:02 call.logged  c3 rep=ann
        09:03 meeting.held v1 rep=ann product=crm
        09:04 meeting.booked v2 rep=ann
        09:05 call.logged  c4 rep=bob outcome=connected direction=inbound
        09:10 deal.won     d1 rep=ann product=crm
        09:11 deal.won     d2 rep=bob
        09:12 deal.won     d3 rep=bob
        09:13 deal.won     d4 rep=cy
        09:14 deal.lost    d5 rep=ann
    """)
    row = day.row("closing_ratio", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (4 / 3, 4, 3, 3)
    assert day.value("closing_ratio", "1h", at="10:00", rep="ann") == 0.5
    assert day.value("closing_ratio", "1h", at="10:00", rep="bob") == 2  # not a share: it may exceed 1
    assert day.value("closing_ratio", "1h", at="10:00", product="crm") == 1
    assert day.value("closing_ratio", "1h", at="10:00", rep="cy") is None  # no conversation


def test_pipeline_growth_compares_with_the_windows_start() -> None:
    day = replay("""
        2026-03-01 12:00 deal.created       d1 rep=ann stage=new amount=100
        2026-03-01 12:00 deal.created       d2 rep=bob stage=new amount=300
        09:10            deal.updated       d1 amount=150
        09:20            deal.created       d3 rep=ann stage=new amount=50
        09:30            deal.stage_changed d1 stage=demo
        09:40            deal.won           d2
    """)
    # 400 at nine; then + 50 + 50 - 300
    row = day.row("pipeline_growth_ratio", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (-0.5, -200, 400, 2)
    row = day.row("pipeline_growth_ratio", "1h", at="10:00", rep="ann")
    assert (row.value, row.numerator, row.denominator, row.n) == (1, 100, 100, 2)
    assert day.value("pipeline_growth_ratio", "1h", at="10:00", rep="bob") == -1
    row = day.row("pipeline_growth_ratio", "1h", at="10:00", deal_stage="new")  # d1 went on, d2 was won, d3 came
    assert (row.value, row.numerator, row.denominator, row.n) == (-0.875, -350, 400, 1)
    assert day.value("pipeline_growth_ratio", "1h", at="10:00", deal_stage="demo") is None  # nothing in it at nine
    assert day.value("pipeline_growth_ratio", "today", at="10:00") == -0.5
    assert day.value("pipeline_growth_ratio", "7d", at="10:00") is None  # nothing a week ago
    row = day.row("pipeline_growth_ratio", "all", at="10:00")
    assert (row.value, row.numerator, row.denominator) == (None, 200, 0)
    row = day.row("pipeline_growth_ratio", "1h", at="10:35")  # since 09:35 only the win
    assert (row.numerator, row.denominator) == (-300, 500)
    row = day.row("pipeline_growth_ratio", "1h", at="11:00")
    assert (row.value, row.numerator, row.denominator) == (0, 0, 200)


def test_what_a_reopening_says_of_the_probability_holds() -> None:
    day = replay(
        """
        08:00 deal.created       d1 rep=ann amount=100 stage=signed
        08:00 deal.created       d2 rep=bob amount=100 stage=demo probability=0.9
        08:10 deal.stage_changed d2 stage=signed
        09:00 deal.reopened      d1 probability=0.0
        09:00 deal.reopened      d2
        """,
        reference=STAGES,
    )
    assert day.value("pipeline_weighted_eur", at="10:00", rep="ann") == 0
    assert day.value("pipeline_weighted_eur", at="10:00", rep="bob") == 50  # the 0.9 went with the stage left
