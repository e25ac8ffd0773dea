"""Customers, orders and subscriptions: timelines whose values are worked out by hand."""

from __future__ import annotations

import pytest

from oracle.formulas import Row
from oracle.timelines import DAY_S, ROSTER, ask, created, ev, groups

USD = ev("fx.rate", "2020-01-01T00:00", currency="USD", rate=0.5)


def test_orders_count_once_and_repeat() -> None:
    events = [
        ev("order.placed", "2026-05-01T10:00", "c1", order="o1", amount=100, rep="a"),
        ev("order.placed", "2026-05-02T10:00", "c1", order="o1", amount=999, rep="b"),  # the same order
        ev("order.placed", "2026-05-03T10:00", "c1", order="o2", amount=50, currency="USD", product="p"),
        ev("order.placed", "2026-05-07T10:00", "c1", order="o3", rep="a"),  # of no amount
        ev("order.placed", "2026-05-05T10:00", "c2", order="o1", amount=8, rep="b"),  # somebody else's
        ev("order.returned", "2026-05-13T10:00", "c1", order="o2"),
        ev("order.returned", "2026-05-13T10:00", "c2", order="o2"),  # never placed
    ]
    answer = ask(events, reference=[USD])
    assert groups(answer, "orders") == {"": 4, "rep=a": 2, "rep=b": 1, "product=p": 1}
    assert answer["order_value_eur", "", "30d"] == Row(133 / 4, 133, 4, 4)
    assert answer["order_value_eur", "product=p", "30d"] == Row(25, 25, 1, 1)
    assert answer["revenue_eur", "rep=a", "30d"] == Row(100, 100, None, 2)
    assert answer["return_ratio", "", "30d"] == Row(1 / 4, 1, 4, 4)
    assert answer["return_ratio", "", "7d"] == Row(0, 0, 1, 1)  # at the order: only o3
    assert answer["repurchase_ratio", "", "30d"] == Row(1 / 2, 1, 2, 2)
    assert groups(answer, "repurchase_ratio", "30d") == {"": 1 / 2, "rep=a": 1, "rep=b": 0}
    assert answer["repurchase_ratio", "", "7d"] == Row(None, 0, 0, 0)
    assert answer["order_gap_seconds", "", "30d"] == Row(3 * DAY_S, 6 * DAY_S, 2, 2)
    assert groups(answer, "order_gap_p50_seconds", "30d") == {
        "": 2 * DAY_S, "product=p": 2 * DAY_S, "rep=a": 4 * DAY_S,
    }  # fmt: skip
    assert answer["order_gap_p90_seconds", "", "7d"].value == 4 * DAY_S


def test_a_customer_is_new_once() -> None:
    events = [
        created("08:00", "1", rep="a"),
        ev("deal.won", "09:00", "1", customer="c1", rep="b", segment="s"),
        ev("order.placed", "10:00", "c1", order="o1", rep="c"),
        ev("order.placed", "09:30", "c2", order="o1", rep="c"),
        ev("customer.won", "10:00", "c2", rep="d"),
        ev("customer.won", "10:00", "c3", rep="d"),
        ev("deal.won", "09:00", "2"),  # of nobody
        ev("subscription.started", "10:00", "c4", subscription="s"),
    ]
    answer = ask(events)
    assert groups(answer, "new_customers") == {"": 3, "rep=b": 1, "segment=s": 1, "rep=c": 1, "rep=d": 1}


def test_winning_a_deal_again_makes_no_new_customer() -> None:
    events = [
        ev("deal.won", "2026-05-01T09:00", "1", customer="c1", rep="a"),
        ev("deal.won", "2026-05-02T09:00", "1", customer="c1", rep="b"),  # decides nothing
        ev("deal.won", "2026-05-03T09:00", "1", customer="c2", rep="b"),  # but names a customer
    ]
    answer = ask(events)
    assert groups(answer, "new_customers") == {"": 2, "rep=a": 1, "rep=b": 1}
    assert answer["deals_won", "", "all"].n == 1


SUBSCRIBED = [
    ev("subscription.started", "2026-05-01T10:00", "c1", subscription="s1", mrr=100, rep="a", segment="new"),
    ev("subscription.changed", "2026-05-12T10:00", "c1", subscription="s1", mrr=300, currency="USD", product="p"),
    ev("subscription.changed", "2026-05-12T11:00", "c1", subscription="s1", mrr=400),  # still in USD
    ev("subscription.started", "2026-05-02T10:00", "c1", subscription="s2", mrr=7, rep="b"),
    ev("subscription.cancelled", "2026-05-13T10:00", "c1", subscription="s2"),
    ev("subscription.started", "2026-05-03T10:00", "c2", subscription="s1", mrr=50, rep="b"),
    ev("subscription.cancelled", "2026-05-13T11:00", "c2", subscription="s1", rep="c"),
    ev("subscription.changed", "2026-05-13T11:30", "c2", subscription="s1", mrr=9, rep="d"),  # has ended
    ev("subscription.changed", "2026-05-13T11:30", "c3", subscription="s1", mrr=9),  # never began
    ev("subscription.started", "2026-05-13T11:40", "c4", subscription="s1", rep="b"),  # for nothing
]


def test_levels_of_subscriptions_and_customers() -> None:
    answer = ask(SUBSCRIBED, reference=[USD])
    assert groups(answer, "mrr_eur", None) == {
        "": 200, "rep=a": 200, "segment=new": 200, "product=p": 200, "rep=b": 0,
    }  # fmt: skip
    assert answer["mrr_eur", "", None] == Row(200, 200, None, 2)
    assert answer["mrr_eur", "rep=b", None] == Row(0, 0, None, 1)
    assert answer["arr_eur", "rep=a", None] == Row(2400, 2400, None, 1)
    # c1 went to b with its second subscription, and its product came when it was b's
    assert groups(answer, "customers", None) == {"": 2, "rep=a": 0, "rep=b": 2, "segment=new": 1}
    assert answer["arpa_eur", "", None] == Row(100, 200, 2, 2)
    assert answer["arpa_eur", "rep=a", None] == Row(None, 200, 0, 0)
    assert answer["arpa_eur", "rep=b", None] == Row(0, 0, 2, 2)


def test_a_subscription_starts_again_as_it_was() -> None:
    events = [
        ev("subscription.started", "2026-05-01T10:00", "c", subscription="s", mrr=100, rep="a"),
        ev("subscription.cancelled", "2026-05-02T10:00", "c", subscription="s"),
        ev("subscription.started", "2026-05-03T10:00", "c", subscription="s"),
        ev("subscription.started", "2026-05-04T10:00", "c", subscription="s", segment="x"),  # as a change
        ev("subscription.cancelled", "2026-05-05T10:00", "c", subscription="s"),
        ev("subscription.cancelled", "2026-05-05T11:00", "c", subscription="s"),
    ]
    levels = [ask(events, f"2026-05-0{day}T12:00Z")["mrr_eur", "rep=a", None].value for day in range(1, 6)]
    assert levels == [100, 0, 100, 100, 0]
    assert ask(events, "2026-05-04T12:00Z")["mrr_eur", "segment=x", None].value == 100


def test_events_of_one_time_go_started_changed_cancelled() -> None:
    events = [
        ev(f"subscription.{kind}", "2026-05-01T10:00", "c", subscription="s", mrr=mrr)
        for kind, mrr in (("cancelled", 1), ("changed", 2), ("started", 3))
    ]
    assert ask(events)["mrr_eur", "", None] == Row(0, 0, None, 0)
    assert ask(events[1:])["mrr_eur", "", None] == Row(2, 2, None, 1)


def test_retention_and_churn() -> None:
    answer = ask(SUBSCRIBED, reference=[USD])
    # 24h begins on May 12 at 12:00: c1 (of b by then, 200 + 7 a month) and c2 (of b, 50); c2 is gone
    assert answer["retention_ratio", "", "24h"] == Row(1 / 2, 1, 2, 2)
    assert answer["churn_ratio", "", "24h"] == Row(1 / 2, 1, 2, 2)
    assert answer["churn_ratio", "segment=new", "24h"] == Row(0, 0, 1, 1)
    assert answer["churn_ratio", "rep=a", "24h"] == Row(None, 0, 0, 0)
    assert answer["revenue_churn_ratio", "", "24h"] == Row(50 / 257, 50, 257, 2)
    assert answer["revenue_churn_ratio", "rep=b", "24h"] == Row(50 / 57, 50, 57, 2)
    assert answer["revenue_churn_ratio", "rep=a", "24h"] == Row(0, 0, 200, 0)
    assert answer["revenue_churn_ratio", "", "7d"] == Row(50 / 157, 50, 157, 2)  # 100 + 7 + 50 on May 6
    assert answer["retention_ratio", "", "30d"] == Row(None, 0, 0, 0)  # nobody yet
    assert answer["retention_ratio", "", "all"] == Row(None, 0, 0, 0)
    # at 11:00, when the hour begins, what happens at 11:00 has not happened yet
    assert answer["churn_ratio", "", "1h"] == Row(1 / 2, 1, 2, 2)
    assert ask(SUBSCRIBED, "2026-05-13T12:01Z", [USD])["churn_ratio", "", "1h"] == Row(0, 0, 1, 1)


def test_whoever_left_and_came_back_stayed() -> None:
    events = [
        ev("subscription.started", "2026-05-01T10:00", "c", subscription="s", mrr=100),
        ev("subscription.cancelled", "2026-05-13T10:00", "c", subscription="s"),
        ev("subscription.started", "2026-05-13T11:00", "c", subscription="other", mrr=1),
    ]
    answer = ask(events)
    assert answer["retention_ratio", "", "today"] == Row(1, 1, 1, 1)
    assert answer["revenue_churn_ratio", "", "today"] == Row(0, 0, 100, 1)


def test_customer_lifetime_value() -> None:
    events = [
        *SUBSCRIBED,
        ev("order.placed", "2026-05-13T09:00", "c1", order="o1", amount=100, direct_cost=25, rep="b"),
        ev("order.placed", "2026-05-13T09:00", "c1", order="o2", amount=100, rep="z"),
    ]
    answer = ask(events, reference=[USD])
    monthly = 1 / 2 * 30.4375  # half of them in a day
    assert answer["clv_eur", "", "24h"] == pytest.approx((100 * 0.875 / monthly, 87.5, monthly, 2))
    assert answer["clv_eur", "rep=b", "24h"] == pytest.approx((0, 0, monthly, 2))
    for group, window, n in (("", "1h", 2), ("segment=new", "24h", 1), ("rep=a", "24h", 0), ("", "all", 0)):
        assert answer["clv_eur", group, window] == Row(None, None, None, n)
    weekly = 1 / 2 * 30.4375 / 7
    assert answer["clv_eur", "", "7d"] == pytest.approx((87.5 / weekly, 87.5, weekly, 2))


def test_dimensions_of_a_subscription_go_with_its_rep() -> None:
    events = [
        ev("subscription.started", "09:00", "c", subscription="s", rep="a", campaign="x"),
        ev("subscription.changed", "10:30", "c", subscription="s", rep="stranger"),
    ]
    assert groups(ask(events, reference=ROSTER), "mrr_eur", None).keys() == {
        "", "rep=a", "team=north", "region=dach", "campaign=x", "rep=stranger",
    }  # fmt: skip
    now = {group: row.n for (kpi, group, _), row in ask(events, reference=ROSTER).items() if kpi == "customers"}
    assert now == {"": 1, "rep=a": 0, "team=north": 0, "region=dach": 0, "rep=stranger": 1}
