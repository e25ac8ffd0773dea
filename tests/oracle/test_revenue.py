"""Revenue, margins, growth, targets and costs: timelines whose values are worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from oracle.formulas import Row
from oracle.timelines import AT, ask, created, ev, groups, ms, stage
from oracle.windows import spans

USD = ev("fx.rate", "2020-01-01T00:00", currency="USD", rate=0.5)


def order(time: str, name: str, amount: float, **data: Any) -> dict[str, Any]:
    return ev("order.placed", time, "c", order=name, amount=amount, **data)


def cost(time: str, amount: float, kind: str | None = None, **data: Any) -> dict[str, Any]:
    return ev("cost.recorded", time, amount=amount, currency="EUR", **({"kind": kind} if kind else {}), **data)


def test_revenue_is_of_deals_and_orders() -> None:
    events = [created("08:00", amount=300, rep="a"), ev("deal.won", "09:00"), order("09:00", "o", 100, rep="b")]
    answer = ask(events)
    assert answer["revenue_eur", "", "today"] == Row(400, 400, None, 2)
    assert answer["deal_size_eur", "", "today"] == Row(300, 300, 1, 1)
    assert ("deal_size_eur", "rep=b", "today") not in answer
    assert answer["purchase_value_eur", "", "today"] == Row(200, 400, 2, 2)
    assert answer["purchase_value_eur", "rep=a", "1h"] == Row(None, 0, 0, 0)


def test_margins() -> None:
    events = [
        created("08:00", "1", 300, rep="a"),
        ev("deal.won", "09:00", "1", direct_cost=100, currency="USD"),  # 50
        ev("deal.won", "09:30", "1", direct_cost=77),  # decides nothing
        created("08:00", "2", 100, rep="b", stage="new"),
        ev("deal.stage_changed", "09:00", "2", stage="signed"),  # decides, before the winning is told
        ev("deal.won", "09:30", "2", direct_cost=10),
        ev("order.placed", "09:00", "c", order="o", amount=100, currency="USD", direct_cost=20, rep="b"),  # 50, 10
        cost("09:00", 30, "other", rep="b"),
        cost("09:00", 10, rep="c"),
    ]
    answer = ask(events, reference=[USD, stage("signed", is_won=True)])
    assert answer["gross_margin_ratio", "", "all"] == pytest.approx((390 / 450, 390, 450, 3))
    assert answer["gross_margin_ratio", "rep=a", "all"] == pytest.approx((250 / 300, 250, 300, 1))
    assert answer["gross_margin_ratio", "rep=b", "all"] == pytest.approx((140 / 150, 140, 150, 2))
    assert ("gross_margin_ratio", "rep=c", "all") not in answer
    assert answer["net_margin_ratio", "", "all"] == pytest.approx((350 / 450, 350, 450, 3))
    assert answer["net_margin_ratio", "rep=b", "all"] == pytest.approx((110 / 150, 110, 150, 2))
    assert answer["net_margin_ratio", "rep=c", "all"] == Row(None, -10, 0, 0)
    assert answer["gross_margin_ratio", "", "1h"] == Row(None, 0, 0, 0)


def test_a_reopened_deal_takes_its_cost_with_it() -> None:
    events = [created("08:00", amount=300), ev("deal.won", "09:00", direct_cost=100), ev("deal.reopened", "10:00")]
    assert ("gross_margin_ratio", "", "all") not in ask(events)
    again = ask([*events, ev("deal.won", "11:00", direct_cost=30)])
    assert again["gross_margin_ratio", "", "today"] == Row(0.9, 270, 300, 1)


@pytest.mark.parametrize(
    ("window", "at", "start", "end"),
    [
        ("1h", "2026-05-13T12:07Z", "2026-05-13T10:07Z", "2026-05-13T11:07Z"),
        ("24h", "2026-05-13T12:07Z", "2026-05-11T12:00Z", "2026-05-12T12:00Z"),
        ("7d", "2026-05-13T12:07Z", "2026-04-29T12:00Z", "2026-05-06T12:00Z"),
        ("30d", "2026-05-13T12:07Z", "2026-03-14T12:00Z", "2026-04-13T12:00Z"),
        ("90d", "2026-05-13T12:07Z", "2025-11-13T23:00Z", "2026-02-11T23:00Z"),  # local days
        ("90d", "2026-05-12T22:00Z", "2025-11-12T23:00Z", "2026-02-10T23:00Z"),  # at midnight: the day before
        ("today", "2026-05-13T12:07Z", "2026-05-11T22:00Z", "2026-05-12T22:00Z"),  # all of yesterday
        ("today", "2026-03-30T12:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),  # of 23 hours
        ("week", "2026-05-13T12:07Z", "2026-05-03T22:00Z", "2026-05-06T22:00Z"),  # Monday to Wednesday
        ("month", "2026-05-12T12:00Z", "2026-03-31T22:00Z", "2026-04-12T22:00Z"),  # the first 12 days
        ("month", "2026-03-31T12:00Z", "2026-01-31T23:00Z", "2026-02-28T23:00Z"),  # all of February
        ("quarter", "2026-05-13T12:07Z", "2025-12-31T23:00Z", "2026-02-12T23:00Z"),  # 43 days
        ("quarter", "2026-06-30T12:00Z", "2025-12-31T23:00Z", "2026-03-31T22:00Z"),  # 91 days, but it has 90
        ("year", "2026-05-13T12:07Z", "2024-12-31T23:00Z", "2025-05-13T22:00Z"),
        ("year", "2024-12-31T12:00Z", "2022-12-31T23:00Z", "2023-12-31T23:00Z"),  # 366 days, but it has 365
    ],
)
def test_the_window_before(window: str, at: str, start: str, end: str) -> None:
    span = spans(ms(at), ZoneInfo("Europe/Berlin"))[window]
    assert (span.before_ms, span.before_end_ms) == (ms(start), ms(end))
    inside = [ms(start), ms(end) - 1]
    outside = [ms(start) - 1, ms(end)] if ms(end) != span.start_ms else [ms(start) - 1]
    events = [order(_text(time), f"o{time}", 1, rep="in") for time in inside]
    events += [order(_text(time), f"o{time}", 10, rep="out") for time in outside]
    answer = ask(events, at, zone="Europe/Berlin")
    assert answer["revenue_growth_ratio", "rep=in", window] == Row(-1, -2, 2, 2)
    assert answer["revenue_growth_ratio", "rep=out", window].denominator == 0


def _text(time_ms: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat()


def test_revenue_growth() -> None:
    events = [order("2026-05-12T10:00", "1", 100), order("09:00", "2", 30, rep="a"), order("10:00", "3", 40)]
    answer = ask(events)
    assert answer["revenue_growth_ratio", "", "today"] == Row(-0.3, -30, 100, 3)
    assert answer["revenue_growth_ratio", "rep=a", "today"] == Row(None, 30, 0, 1)
    assert answer["revenue_growth_ratio", "", "all"] == Row(None, 170, 0, 3)
    assert answer["revenue_growth_ratio", "", "1h"] == Row(-1, -40, 40, 1)


def test_pipeline_growth() -> None:
    events = [
        created("2026-05-10T10:00", "1", 100, rep="a", stage="new"),
        ev("deal.updated", "2026-05-13T10:00", "1", amount=150),
        created("2026-05-10T10:00", "2", 100, rep="b", stage="new"),
        ev("deal.lost", "2026-05-13T10:00", "2"),
        created("2026-05-13T11:00", "3", 30, rep="b", stage="demo"),  # the hour begins: not yet there
        created("2026-05-01T00:00", "4", 900, rep="c"),
        ev("deal.won", "2026-05-02T00:00", "4"),
    ]
    answer = ask(events)
    assert answer["pipeline_growth_ratio", "", "24h"] == Row(-0.1, -20, 200, 2)
    assert answer["pipeline_growth_ratio", "rep=a", "24h"] == Row(0.5, 50, 100, 1)
    assert answer["pipeline_growth_ratio", "rep=b", "24h"] == Row(-0.7, -70, 100, 1)
    assert answer["pipeline_growth_ratio", "rep=c", "24h"] == Row(None, 0, 0, 0)
    assert answer["pipeline_growth_ratio", "deal_stage=demo", "24h"] == Row(None, 30, 0, 1)
    assert answer["pipeline_growth_ratio", "", "1h"] == Row(0.2, 30, 150, 2)
    assert answer["pipeline_growth_ratio", "", "all"] == Row(None, 180, 0, 2)


def target(value: float | None, since: str | None = None, kpi: str = "revenue_eur", **data: Any) -> dict[str, Any]:
    data |= {"valid_from": since} if since else {}
    return ev("target.set", "2020-01-01T00:00", kpi=kpi, value=value, **data)


def test_attainment_of_targets() -> None:
    events = [order("2026-05-12T13:00", "1", 100, rep="a"), order("09:00", "2", 50, team="t", product="p")]
    reference = [
        target(1000, period="month"),
        target(500, "2026-05-13T12:00Z", period="month"),
        target(1, "2026-05-13T12:01Z", period="month"),  # not yet
        target(300, window="24h"),
        target(7, window="24h", kpi="deals_won"),
        target(200, group={"rep": "a"}, period="month"),
        target(400, group={"rep": "a"}, period="month"),  # the last of equal ones
        target(100, "2026-05-01T00:00Z", group={"team": "t"}, period="day"),
        target(None, "2026-05-02T00:00Z", group={"team": "t"}, period="day"),  # ended
        target(0, group={"product": "p"}, period="year"),
        target(10, group={"product": "p", "team": "t"}, period="day"),  # no group of ours
        ev("threshold.set", "2020-01-01T00:00", kpi="revenue_eur", period="week", value=3),
    ]
    answer = ask(events, reference=reference)
    kpi = "revenue_attainment_ratio"
    assert answer[kpi, "", "month"] == Row(150 / 500, 150, 500, 2)
    assert answer[kpi, "", "24h"] == Row(150 / 300, 150, 300, 2)
    assert answer[kpi, "rep=a", "month"] == Row(100 / 400, 100, 400, 1)
    for window in ("today", "week", "30d", "all"):
        assert answer[kpi, "", window].value is answer[kpi, "", window].denominator is None
    assert answer[kpi, "rep=a", "24h"] == Row(None, 100, None, 1)
    assert answer[kpi, "team=t", "today"] == Row(None, 50, None, 1)
    assert answer[kpi, "product=p", "year"] == Row(None, 50, 0, 1)
    assert answer[kpi, "product=p", "today"] == Row(None, 50, None, 1)
    earlier = ask(events, "2026-05-13T11:59Z", reference)
    assert earlier[kpi, "", "month"].denominator == 1000


def test_costs_and_acquisition() -> None:
    events = [
        cost("09:00", 100, "campaign", campaign="x"),
        cost("09:00", 20, "sales", campaign="x"),
        cost("11:30", 3.5, "marketing"),
        cost("09:00", 1000, "other", campaign="y"),
        ev("cost.recorded", "09:00", amount=500, currency="USD", campaign="y"),
        ev("customer.won", "10:00", "1", campaign="x"),
        order("10:00", "o", 1, campaign="z"),
    ]
    answer = ask(events, reference=[USD])
    assert answer["costs_eur", "", "today"] == Row(1373.5, 1373.5, None, 5)
    assert groups(answer, "costs_eur") == {"": 1373.5, "campaign=x": 120, "campaign=y": 1250}
    assert answer["cac_eur", "", "today"] == Row(123.5 / 2, 123.5, 2, 2)
    assert answer["cac_eur", "", "1h"] == Row(None, 3.5, 0, 0)
    assert answer["cac_eur", "campaign=x", "today"] == Row(120, 120, 1, 1)
    assert answer["cac_eur", "campaign=z", "today"] == Row(0, 0, 1, 1)
    assert ("cac_eur", "campaign=y", "today") not in answer


@pytest.mark.parametrize("at", [AT, "2026-05-13T09:30Z"])
def test_per_rep_counts_those_active_now(at: str) -> None:
    def rep(name: str, **data: Any) -> dict[str, Any]:
        return ev("rep.defined", "2020-01-01T00:00", name, **data)

    reference = [
        rep("a", team="north"),
        rep("b", team="north", region="uk"),
        rep("b", team="north", active=False, valid_from="2026-05-13T10:00Z"),
        rep("c"),
        rep("d", team="north", valid_from="2026-05-13T12:01Z"),  # not yet
        rep("e", team="empty", active=False),
        ev("team.defined", "2020-01-01T00:00", team="north", region="dach"),
    ]
    events = [
        ev("call.logged", "09:00", "1", rep="a"),
        ev("call.logged", "09:00", "2", rep="b"),
        ev("email.sent", "09:00", "1", rep="b"),
        created("08:00", amount=100, rep="e"),
        ev("deal.won", "09:00"),
    ]
    answer = ask(events, at, reference)
    later = at == AT
    n, north = (2, 1) if later else (3, 2)
    assert answer["activities_per_rep", "", "all"] == Row(3 / n, 3, n, n)
    assert answer["activities_per_rep", "team=north", "all"] == Row(3 / north, 3, north, north)
    assert answer["activities_per_rep", "region=dach", "all"] == Row(1, 1, 1, 1)
    assert answer["activities_per_rep", "region=uk", "all"] == (Row(None, 2, 0, 0) if later else Row(2, 2, 1, 1))
    assert answer["deals_won_per_rep", "", "all"] == Row(1 / n, 1, n, n)
    assert answer["revenue_eur_per_rep", "team=empty", "all"] == Row(None, 100, 0, 0)
    assert {group for kpi, group, _ in answer if kpi == "deals_won_per_rep"} == {"", "team=empty"}
