"""Customer KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

import pytest
from support.build import ms
from support.replay import replay

from streamproc.backtest import Backtest

HOUR_S = 3600
DAY_S = 24 * HOUR_S
MONTH_DAYS = 30.4375


def test_a_customer_is_new_once_at_its_earliest_win_or_order() -> None:
    day = replay("""
        08:00 deal.won             d1 customer=c1 rep=ann
        08:30 deal.won             d2 customer=c1 rep=bob
        09:00 order.placed         c1 order=o1 rep=cy
        09:10 order.placed         c2 order=o2 rep=cy
        09:20 deal.won             d3 customer=c2 rep=ann
        09:30 customer.won         c3 rep=ann
        09:40 deal.won             d4 rep=ann
        09:50 subscription.started c4 subscription=s1 rep=ann
    """)
    assert day.groups("new_customers", "today", at="10:00") == {"": 3, "rep=ann": 2, "rep=cy": 1}
    assert day.value("new_customers", "1h", at="10:00") == 2


def test_an_earlier_event_moves_the_new_customer() -> None:
    day = replay("""
        09:30 order.placed c1 order=o1 rep=ann
        08:30 order.placed c1 order=o2 rep=bob
        08:30 customer.won c1 rep=cy source=z
    """)
    assert day.groups("new_customers", "today", at="10:00") == {"": 1, "rep=bob": 1}  # equal times: by source, id


def test_repurchase_counts_at_the_first_order() -> None:
    day = replay("""
        08:00 order.placed c1 order=o1 rep=ann
        08:30 order.placed c2 order=o2 rep=ann
        09:00 order.placed c3 order=o3 rep=bob
        09:10 order.placed c1 order=o4 rep=bob
        09:20 order.placed c1 order=o5 rep=bob
        09:30 order.placed c2 order=o2 rep=ann
        09:40 customer.won c4 rep=ann
    """)
    row = day.row("repurchase_ratio", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (1 / 3, 1, 3, 3)
    assert day.value("repurchase_ratio", "today", at="10:00", rep="ann") == 0.5
    assert day.value("repurchase_ratio", "today", at="10:00", rep="bob") == 0
    assert day.value("repurchase_ratio", "today", at="09:10", rep="ann") == 0


def test_time_between_orders() -> None:
    day = replay("""
        2026-02-20 09:00 order.placed c1 order=o1 rep=ann
        2026-02-22 09:00 order.placed c1 order=o2 rep=bob
        09:30            order.placed c1 order=o3 rep=ann
        09:40            order.placed c1 order=o4 rep=ann
        09:40            order.placed c2 order=o5 rep=ann
    """)
    row = day.row("order_gap_seconds", "1h", at="10:00", rep="ann")
    first, second = 8 * DAY_S + HOUR_S // 2, 600
    assert (row.value, row.numerator, row.denominator, row.n) == ((first + second) / 2, first + second, 2, 2)
    assert day.value("order_gap_p50_seconds", "1h", at="10:00") == pytest.approx(second, rel=0.01)
    assert day.value("order_gap_p90_seconds", "1h", at="10:00") == pytest.approx(first, rel=0.01)
    assert day.value("order_gap_seconds", "30d", at="10:00", rep="bob") == 2 * DAY_S


def test_recurring_revenue_follows_subscriptions() -> None:
    day = replay("""
        08:00 subscription.started   c1 subscription=s1 rep=ann product=crm mrr=100
        08:10 subscription.started   c1 subscription=s2 product=mail mrr=40
        08:20 subscription.started   c2 subscription=s3 rep=bob mrr=60
        08:30 subscription.changed   c1 subscription=s1 mrr=130
        08:40 subscription.changed   c1 subscription=s2 product=chat
        08:50 subscription.cancelled c2 subscription=s3
        09:00 subscription.cancelled c1 subscription=s1
        09:10 subscription.cancelled c1 subscription=s2
    """)
    row = day.row("mrr_eur", at="08:30")
    assert (row.value, row.numerator, row.denominator, row.n) == (200, 200, None, 3)
    assert day.groups("mrr_eur", at="08:50") == {
        "": 230, "rep=ann": 130, "rep=bob": 60, "product=crm": 130, "product=mail": 0, "product=chat": 40,
    }  # fmt: skip
    row = day.row("arr_eur", at="08:50", product="crm")
    assert (row.value, row.numerator, row.denominator, row.n) == (1560, 1560, None, 1)
    assert day.value("customers", at="08:50") == 2
    assert day.value("customers", at="08:51") == 1
    assert day.value("customers", at="09:10") == 1  # one subscription is enough
    row = day.row("arpa_eur", at="08:50")
    assert (row.value, row.numerator, row.denominator, row.n) == (115, 230, 2, 2)
    assert day.value("arpa_eur", at="08:50", rep="ann") == 130  # c1 is Ann's, of its subscriptions s1
    assert day.value("customers", at="09:11") == 0
    assert day.value("mrr_eur", at="09:11") == 0
    row = day.row("arpa_eur", at="09:11")
    assert (row.value, row.numerator, row.denominator, row.n) == (None, 0, 0, 0)


def test_a_customers_dimensions_are_those_said_last() -> None:
    day = replay(
        """
        08:00 subscription.started   c1 subscription=s1 rep=ann segment=small
        08:30 subscription.started   c1 subscription=s2 rep=bob
        09:00 subscription.changed   c1 subscription=s1 segment=large
        09:10 subscription.cancelled c1 subscription=s1 rep=cy
        """,
        reference="rep.defined ann team=north\nrep.defined bob region=uk",
    )
    assert day.groups("customers", at="08:30") == {"": 1, "rep=ann": 1, "team=north": 1, "segment=small": 1}
    found = {group: n for group, n in day.groups("customers", at="10:00").items() if n}
    assert found == {"": 1, "rep=bob": 1, "region=uk": 1, "segment=large": 1}  # Ann's team went with her


def test_what_an_inactive_subscription_is_told_changes_nothing() -> None:
    day = replay("""
        08:00 subscription.changed   c1 subscription=s1 mrr=10
        08:10 subscription.cancelled c1 subscription=s1
        08:20 subscription.started   c1 subscription=s1 mrr=20
        08:30 subscription.started   c1 subscription=s1 rep=ann
        08:40 subscription.cancelled c1 subscription=s1 mrr=99
        08:50 subscription.changed   c1 subscription=s1 mrr=30
        09:00 subscription.cancelled c1 subscription=s1
        09:10 subscription.started   c1 subscription=s1
    """)
    assert day.value("mrr_eur", at="08:40", rep="ann") == 20
    assert day.value("mrr_eur", at="08:41") == 0
    assert day.value("mrr_eur", at="10:00", rep="ann") == 20  # what was last known
    for anomaly in ("changed_while_none", "cancelled_while_none", "changed_while_ended", "cancelled_while_ended"):
        assert day.counts("10:00")["anomaly", f"subscription_{anomaly}"] == 1, anomaly


def test_the_currency_of_a_subscription_is_that_said_last() -> None:
    day = replay(
        """
        09:00 subscription.started c1 subscription=s1 currency=USD mrr=100
        09:10 subscription.changed c1 subscription=s1 mrr=200
        09:20 subscription.changed c1 subscription=s1 currency=EUR
        09:30 subscription.changed c1 subscription=s1 mrr=300
        """,
        reference="fx.rate USD rate=0.5\nfx.rate USD rate=0.8 valid_from=09:05",
    )
    for at, expected in (("09:10", 50), ("09:11", 160), ("09:21", 160), ("09:31", 300)):
        assert day.value("mrr_eur", at=at) == expected


LOSSES = """
    2026-02-01 00:00 subscription.started   c1 subscription=s1 rep=ann mrr=100
    2026-02-01 00:00 subscription.started   c2 subscription=s2 rep=ann mrr=50
    2026-02-01 00:00 subscription.started   c3 subscription=s3 rep=bob mrr=30
    2026-02-01 00:00 subscription.started   c4 subscription=s4 rep=bob mrr=20
    08:10            subscription.cancelled c1 subscription=s1
    08:20            subscription.cancelled c2 subscription=s2
    08:30            subscription.started   c2 subscription=s5 rep=bob mrr=10
    08:40            subscription.started   c5 subscription=s6 rep=ann mrr=500
    08:50            subscription.cancelled c5 subscription=s6
    09:00            subscription.changed   c4 subscription=s4 mrr=5
"""


def test_retention_and_churn_compare_the_start_with_now() -> None:
    """c1 went; c2 went and came back; c5 came and went, and was no customer at the start."""
    day = replay(LOSSES)
    row = day.row("retention_ratio", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.75, 3, 4, 4)
    row = day.row("churn_ratio", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.25, 1, 4, 4)
    assert day.value("churn_ratio", "today", at="08:25") == 0.5  # before c2 came back
    assert day.value("retention_ratio", "today", at="10:00", rep="ann") == 0.5  # c2 was Ann's at the start
    assert day.value("churn_ratio", "today", at="10:00", rep="bob") == 0
    row = day.row("churn_ratio", "all", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (None, 0, 0, 0)  # nobody was there before everything
    assert day.value("retention_ratio", "all", at="10:00") is None
    assert day.value("churn_ratio", "90d", at="10:00") is None  # all began since
    assert day.value("churn_ratio", "1h", at="10:00") == 0  # from 09:00: c2, c3, c4


def test_revenue_churn_is_the_share_of_what_came_from_those_lost() -> None:
    """100 of 200 a month came from c1. A lower price is no churn."""
    day = replay(LOSSES)
    row = day.row("revenue_churn_ratio", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.5, 100, 200, 4)
    assert day.value("revenue_churn_ratio", "today", at="10:00", rep="ann") == 100 / 150
    assert day.value("revenue_churn_ratio", "today", at="10:00", rep="bob") == 0
    assert day.value("revenue_churn_ratio", "today", at="08:25") == 150 / 200


def test_a_lost_customer_leaves_the_windows_that_begin_later() -> None:
    day = replay(LOSSES)
    assert day.value("churn_ratio", "1h", at="09:10") == 1 / 4  # from 08:10 on c1 was there at the start
    assert day.value("churn_ratio", "1h", at="09:11") == 0 / 3
    assert day.value("churn_ratio", "24h", at="2026-03-03 08:00") == 1 / 4
    assert day.value("churn_ratio", "24h", at="2026-03-03 08:14") == 1 / 4  # in steps of 15 minutes
    assert day.value("churn_ratio", "24h", at="2026-03-03 08:15") == 0 / 3


def test_lifetime_value() -> None:
    """At T: two customers with 300 a month. Margin 60 %. One of three lost in 30 days."""
    day = replay("""
        2026-01-01 00:00 subscription.started   c1 subscription=s1 rep=ann mrr=100
        2026-01-01 00:00 subscription.started   c2 subscription=s2 rep=ann mrr=200
        2026-01-01 00:00 subscription.started   c3 subscription=s3 rep=ann mrr=50
        2026-02-20 00:00 subscription.cancelled c3 subscription=s3
        2026-02-25 00:00 order.placed           c1 order=o1 rep=ann amount=1000 direct_cost=400
        2026-01-02 00:00 order.placed           c1 order=o2 rep=ann amount=1000 direct_cost=1000
    """)
    row = day.row("clv_eur", "30d", at="2026-03-03")
    rate = 1 / 3 * MONTH_DAYS / 30
    assert (row.numerator, row.n) == (pytest.approx(90), 3)  # 150 × 0.6
    assert (row.denominator, row.value) == (pytest.approx(rate), pytest.approx(90 / rate))
    assert day.value("clv_eur", "30d", at="2026-03-03", rep="ann") == pytest.approx(90 / rate)
    # A calendar window is as long as it has lasted: quarter from January 1; at its start nobody was there.
    row = day.row("clv_eur", "quarter", at="2026-03-03")
    assert (row.value, row.denominator, row.n) == (None, None, 0)
    assert day.value("clv_eur", "7d", at="2026-03-03") is None  # nobody was lost
    row = day.row("clv_eur", "7d", at="2026-03-03")
    assert (row.numerator, row.denominator, row.n) == (None, None, 2)
    assert day.value("clv_eur", "all", at="2026-03-03") is None
    assert day.value("clv_eur", "24h", at="2026-03-03") is None  # no revenue, no margin


def test_lifetime_value_moves_with_the_clock() -> None:
    """One of two lost on the 2nd: as the month goes on, the same loss is a smaller share a month."""
    day = replay("""
        2026-02-01 00:00 subscription.started   c1 subscription=s1 mrr=100
        2026-02-01 00:00 subscription.started   c2 subscription=s2 mrr=100
        08:00            order.placed           c1 order=o1 amount=100
        09:00            subscription.cancelled c2 subscription=s2
    """)
    expected = {ms(f"2026-03-{1 + days:02}"): 100 / (0.5 * MONTH_DAYS / days) for days in (2, 10)}
    for at, days in (("2026-03-03", 2), ("2026-03-11", 10)):
        assert day.value("clv_eur", "month", at=at) == pytest.approx(100 / (0.5 * MONTH_DAYS / days))
    running = Backtest(day.lines, day.catalogue, day.reference)  # the same in one go, with nothing in between
    for at_ms, values in running.at(list(expected)):
        (found,) = [v for v in values if (v.kpi, v.group, v.window) == ("clv_eur", "", "month")]
        assert found.value == pytest.approx(expected[at_ms])
