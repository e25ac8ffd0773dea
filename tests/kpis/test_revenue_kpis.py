"""Revenue KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

import pytest
from support.replay import replay

from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import Totals


def test_revenue_is_of_deals_won_and_orders() -> None:
    day = replay("""
        08:00 deal.created d1 rep=ann amount=100
        09:10 deal.won     d1
        09:20 order.placed c1 order=o1 rep=ann amount=40.5
        09:30 order.placed c1 order=o2 rep=bob amount=9.5
        09:40 order.placed c2 order=o3 rep=bob
    """)
    row = day.row("revenue_eur", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (150, 150, None, 4)
    assert day.value("revenue_eur", "1h", at="10:00", rep="ann") == 140.5
    row = day.row("order_value_eur", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (50 / 3, 50, 3, 3)  # one without an amount
    assert day.value("order_value_eur", "1h", at="10:00", rep="ann") == 40.5
    row = day.row("purchase_value_eur", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (37.5, 150, 4, 4)
    assert day.value("deal_size_eur", "1h", at="10:00") == 100  # of deals only
    assert day.value("orders", "1h", at="10:00") == 3
    assert day.value("orders", "1h", at="10:00", rep="bob") == 2


def test_an_order_counts_once_at_its_earliest_placing() -> None:
    day = replay("""
        09:30 order.placed c1 order=o1 rep=bob amount=70
        09:10 order.placed c1 order=o1 rep=ann amount=50
        09:20 order.placed c1 order=o1 rep=cy  amount=60
    """)
    assert day.groups("orders", "today", at="10:00") == {"": 1, "rep=ann": 1}
    assert day.value("revenue_eur", "today", at="10:00") == 50


def test_orders_are_converted_at_their_time() -> None:
    day = replay(
        """
        08:30 order.placed c1 order=o1 amount=100 currency=USD direct_cost=10
        09:00 order.placed c1 order=o2 amount=100 currency=USD direct_cost=10
        """,
        reference="""
        fx.rate USD rate=0.5
        fx.rate USD rate=0.8 valid_from=09:00
        """,
    )
    assert day.value("revenue_eur", "today", at="10:00") == 130
    assert day.value("gross_margin_ratio", "today", at="10:00") == 117 / 130  # costs of 5 and 8


def test_returns_count_at_the_order() -> None:
    day = replay("""
        08:10 order.placed   c1 order=o1 product=crm
        08:20 order.placed   c1 order=o2 product=crm
        08:30 order.placed   c2 order=o3
        08:40 order.placed   c2 order=o4
        09:30 order.returned c1 order=o1 product=other
        09:40 order.returned c1 order=o1
        09:50 order.returned c2 order=o9
    """)
    row = day.row("return_ratio", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.25, 1, 4, 4)
    assert day.value("return_ratio", "today", at="10:00", product="crm") == 0.5
    assert day.value("return_ratio", "today", at="09:30", product="crm") == 0
    assert day.value("return_ratio", "1h", at="10:00") is None  # placed longer ago than that
    assert not day.has("return_ratio", "today", at="10:00", product="other")


def test_margins() -> None:
    day = replay("""
        08:00 deal.created  d1 rep=ann amount=100
        09:00 deal.won      d1 amount=200 direct_cost=80
        09:10 order.placed  c1 order=o1 rep=ann amount=50 direct_cost=20
        09:20 order.placed  c1 order=o2 rep=bob amount=50 direct_cost=70
        09:30 cost.recorded k1 kind=sales amount=45 currency=EUR rep=ann
        09:40 cost.recorded k2 amount=10 currency=EUR
        09:50 deal.won      d9 rep=cy direct_cost=5
    """)
    row = day.row("gross_margin_ratio", "today", at="09:50")
    assert (row.value, row.numerator, row.denominator, row.n) == (130 / 300, 130, 300, 3)
    assert day.value("gross_margin_ratio", "today", at="10:00", rep="ann") == 150 / 250
    assert day.value("gross_margin_ratio", "today", at="10:00", rep="bob") == -20 / 50
    row = day.row("gross_margin_ratio", "today", at="10:00", rep="cy")
    assert (row.value, row.numerator, row.denominator, row.n) == (None, -5, 0, 1)
    row = day.row("net_margin_ratio", "today", at="09:50")
    assert (row.value, row.numerator, row.denominator, row.n) == (75 / 300, 75, 300, 3)
    assert day.value("net_margin_ratio", "today", at="10:00", rep="ann") == 105 / 250
    assert day.value("net_margin_ratio", "today", at="10:00", rep="bob") == -20 / 50


def test_a_reopening_withdraws_the_direct_cost() -> None:
    day = replay("""
        08:00 deal.created  d1 amount=100
        08:30 deal.won      d1 direct_cost=80
        08:40 deal.won      d1 direct_cost=99
        09:00 deal.reopened d1
        09:30 deal.won      d1 direct_cost=60
    """)
    assert day.value("gross_margin_ratio", "today", at="09:00") == 0.2  # only the deciding win's
    assert not day.has("gross_margin_ratio", "today", at="09:30")
    assert day.value("gross_margin_ratio", "today", at="10:00") == 0.4


def test_direct_cost_of_a_deal_is_in_its_currency_at_the_decision() -> None:
    day = replay(
        """
        08:00 deal.created d1 amount=100 currency=USD
        09:30 deal.won     d1 direct_cost=80
        """,
        reference="""
        fx.rate USD rate=0.5
        fx.rate USD rate=0.25 valid_from=09:00
        """,
    )
    # The amount was said at 08:00, and is what it was worth then: 50. The cost was said at 09:30: 20.
    assert day.value("gross_margin_ratio", "1h", at="10:00") == 30 / 50


def test_costs_are_of_all_kinds() -> None:
    day = replay(
        """
        09:00 cost.recorded k1 kind=campaign  amount=100 currency=EUR campaign=q1
        09:10 cost.recorded k2 kind=sales     amount=50  currency=USD rep=ann
        09:20 cost.recorded k3 kind=marketing amount=30  currency=EUR campaign=q1
        09:30 cost.recorded k4 kind=other     amount=7   currency=EUR
        09:40 cost.recorded k5                amount=-3  currency=EUR
        """,
        reference="""
        fx.rate USD rate=0.5
        rep.defined ann team=north region=dach
        """,
    )
    row = day.row("costs_eur", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (159, 159, None, 5)
    assert day.value("costs_eur", "today", at="10:00", campaign="q1") == 130
    assert day.value("costs_eur", "today", at="10:00", team="north") == 25
    assert day.value("costs_eur", "today", at="10:00", region="dach") == 25


def test_acquisition_costs_leave_others_out() -> None:
    day = replay("""
        08:00 cost.recorded k1 kind=campaign  amount=100 currency=EUR campaign=q1
        08:10 cost.recorded k2 kind=sales     amount=50  currency=EUR
        08:20 cost.recorded k3 kind=marketing amount=30  currency=EUR
        08:30 cost.recorded k4 kind=other     amount=700 currency=EUR
        09:00 customer.won  c1 campaign=q1
        09:10 order.placed  c2 order=o1
        09:20 order.placed  c2 order=o2
    """)
    row = day.row("cac_eur", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (90, 180, 2, 2)
    assert day.value("cac_eur", "today", at="10:00", campaign="q1") == 100
    assert day.value("cac_eur", "today", at="09:00", campaign="q1") is None  # no new customer yet
    assert day.value("cac_eur", "1h", at="10:00") == 0  # all costs are older


def test_acquisition_cost_is_undefined_where_costs_of_nothing_are_all_there_is() -> None:
    day = replay("""
        09:00 cost.recorded k1 kind=sales amount=0 currency=EUR product=crm
        09:10 cost.recorded k2 kind=other amount=9 currency=EUR product=mail
    """)
    row = day.row("cac_eur", "today", at="10:00", product="crm")
    assert (row.value, row.numerator, row.denominator, row.n) == (None, 0, 0, 0)
    assert not day.has("cac_eur", "today", at="10:00", product="mail")


def test_growth_against_the_window_before() -> None:
    """On bags: 150 of two sales now, 100 of four then."""
    growth = catalogue()["revenue_growth_ratio"]
    now = {"revenue": 1_000_000, "order_revenue": 500_000, "deal_won": 1, "order_placed": 1}
    then = {"revenue": 250_000, "order_revenue": 750_000, "deal_won": 1, "order_placed": 3}
    parts = growth.parts(Totals(now, previous=then))
    assert (parts.value, parts.numerator, parts.denominator, parts.n) == (0.5, 50, 100, 6)
    assert growth.parts(Totals({}, previous=then)).value == -1
    assert growth.parts(Totals(now)).value is None
    day = replay("09:10 order.placed c1 order=o1 amount=40")
    assert day.value("revenue_growth_ratio", "1h", at="10:00") is None  # nothing before


def test_revenue_against_its_target() -> None:
    day = replay(
        """
        09:10 deal.won     d1 rep=ann amount=100
        09:20 order.placed c1 order=o1 rep=bob amount=50
        """,
        reference="""
        target.set revenue_eur group=rep=ann window=7d value=400
        target.set revenue_eur group=rep=ann window=7d value=80 valid_from=10:00
        target.set revenue_eur period=day value=300
        target.set revenue_eur group=rep=bob window=1h value=0
        target.set deals_won   group=rep=bob window=7d value=1
        """,
    )
    row = day.row("revenue_attainment_ratio", "7d", at="09:30", rep="ann")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.25, 100, 400, 1)
    assert day.value("revenue_attainment_ratio", "7d", at="10:00", rep="ann") == 1.25
    assert day.value("revenue_attainment_ratio", "today", at="10:00") == 0.5
    row = day.row("revenue_attainment_ratio", "7d", at="10:00", rep="bob")
    assert (row.value, row.numerator, row.denominator, row.n) == (None, 50, None, 1)
    assert day.value("revenue_attainment_ratio", "1h", at="10:00", rep="bob") is None
    assert day.value("revenue_attainment_ratio", "30d", at="10:00", rep="ann") is None  # the target is for 7 days


def test_per_rep() -> None:
    day = replay(
        """
        09:00 call.logged  k1 rep=ann
        09:10 email.sent   m1 rep=bob
        09:20 call.logged  k2 rep=cy
        09:20 deal.won     d1 rep=ann amount=90
        09:30 order.placed c1 order=o1 rep=bob amount=30
        09:40 deal.won     d2 rep=cy amount=60
        09:50 call.logged  k3 rep=stranger
        """,
        reference="""
        rep.defined ann team=north
        rep.defined bob team=north
        rep.defined bob team=north active=false valid_from=10:00
        rep.defined cy  team=south
        rep.defined dee team=south active=false
        rep.defined cy  active=false valid_from=11:00
        team.defined north region=dach
        team.defined south region=uk
        """,
    )
    row = day.row("activities_per_rep", "today", at="09:55")
    assert (row.value, row.numerator, row.denominator, row.n) == (4 / 3, 4, 3, 3)
    assert day.groups("activities_per_rep", "today", at="09:55") == {
        "": 4 / 3, "team=north": 1, "team=south": 1, "region=dach": 1, "region=uk": 1,
    }  # fmt: skip
    assert day.value("activities_per_rep", "today", at="10:00", team="north") == 2  # bob left
    assert day.value("deals_won_per_rep", "today", at="09:55", team="north") == 0.5
    assert day.value("deals_won_per_rep", "today", at="09:55") == 2 / 3
    row = day.row("revenue_eur_per_rep", "today", at="09:55", team="north")
    assert (row.value, row.numerator, row.denominator, row.n) == (60, 120, 2, 2)
    assert day.value("revenue_eur_per_rep", "today", at="09:55", region="uk") == 60
    row = day.row("revenue_eur_per_rep", "today", at="11:00", region="uk")
    assert (row.value, row.numerator, row.denominator, row.n) == (None, 60, 0, 0)  # nobody is left
    assert day.value("revenue_eur_per_rep", "today", at="11:00") == 180


def test_new_customers_of_a_deal_are_derived_from_it() -> None:
    day = replay("""
        08:00 deal.created d1 customer=c1 rep=ann
        09:00 deal.won     d1 customer=c1 rep=ann campaign=q1
        09:10 cost.recorded k1 kind=campaign amount=70 currency=EUR campaign=q1
    """)
    assert day.value("cac_eur", "today", at="10:00", campaign="q1") == 70


@pytest.mark.parametrize("at", ["10:00", "11:00"])
def test_money_kpis_carry_the_reporting_currency(at: str) -> None:
    day = replay("09:30 order.placed c1 order=o1 amount=10", currency="USD")
    for kpi in ("revenue_usd", "order_value_usd", "purchase_value_usd", "revenue_usd_per_rep"):
        assert day.has(kpi, "today", at=at), kpi
