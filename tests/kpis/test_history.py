"""What past weeks say, from the slices of drawn timelines: days, hours, zones; and stages as they are now."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from support.build import DAY_MS, HOUR_MS, event, ms
from support.replay import roster

from streamproc.backtest import Backtest
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.history import Running, adds_up, open_stage, running
from streamproc.kpis.kpi import Catalogue
from streamproc.windows.slices import Slices

WEEK_MS = 7 * DAY_MS
MONDAY = ms("2026-06-01")


def line(kind: str, name: str, time_ms: int, **data: object) -> bytes:
    return orjson.dumps(event(kind, name, time_ms, **data))


def slices(lines: list[bytes], at_ms: int, zone: str = "UTC", reference: Reference | None = None) -> Slices:
    test = Backtest(lines, catalogue(), reference or Reference(), zone)
    list(test.at([at_ms]))
    return test.kpis.slices


def calls(*times_ms: int, rep: str = "ann") -> list[bytes]:
    return [line("call.logged", f"{rep}-{time_ms}", time_ms, rep=rep) for time_ms in times_ms]


def week_of(calls_read: Slices, group: str = "", period: str = "week") -> Running:
    return running(catalogue()["calls"], group, period, calls_read)


def test_weeks_begin_on_this_weekday_and_stretches_at_this_time_of_day() -> None:
    """Every Wednesday a call at 9 and two at 15, every Friday one, every Monday one; now it is a Wednesday, 12:00."""
    lines = []
    for week in range(6):
        wednesday = MONDAY + week * WEEK_MS + 2 * DAY_MS
        hours = (-39, 9, 15, 15.5, 48 + 10)  # from Wednesday's midnight; Monday 09:00 is 39 hours before
        lines += calls(*(int(wednesday + hour * HOUR_MS) for hour in hours))
    now_ms = MONDAY + 5 * WEEK_MS + 2 * DAY_MS + 12 * HOUR_MS
    found = week_of(slices(lines, now_ms))
    assert found.end_ms == MONDAY + 6 * WEEK_MS
    assert found.so_far == 2
    assert found.past.whole_weeks == 0
    assert found.past.weeks == [5] * 5
    assert found.past.stretches == [3] * 5  # 15:00 and 15:30, and Friday
    assert found.past.things == 25


def test_a_month_is_whole_weeks_and_a_stretch() -> None:
    """Noon of June 10, a Wednesday: 20 days are left after it, two weeks and six days."""
    lines = calls(*(MONDAY - 9 * DAY_MS * week for week in range(8)), MONDAY + 8 * DAY_MS)
    found = week_of(slices(lines, MONDAY + 9 * DAY_MS + 12 * HOUR_MS), period="month")
    assert (found.past.whole_weeks, found.end_ms, found.so_far) == (2, ms("2026-07-01"), 2)


def test_an_hour_under_way_counts_by_its_share() -> None:
    lines = calls(
        *(MONDAY + week * WEEK_MS + 10 * HOUR_MS + minute * 60_000 for week in range(6) for minute in (5, 50))
    )
    at_ms = MONDAY + 5 * WEEK_MS + 10 * HOUR_MS + 45 * 60_000
    assert week_of(slices(lines, at_ms), period="today").past.stretches == [pytest.approx(0.5)] * 4  # a quarter of two


def test_history_begins_after_the_first_day_of_the_kpi_in_its_group() -> None:
    early = calls(*(MONDAY + day * DAY_MS for day in range(7 * 9)))
    late = calls(*(MONDAY + 4 * WEEK_MS + day * DAY_MS + HOUR_MS for day in range(7 * 5)), rep="bob")
    read = slices(early + late, MONDAY + 9 * WEEK_MS + HOUR_MS)
    assert week_of(read).past.weeks == [7] * 3 + [14] * 5
    assert week_of(read, "rep=ann").past.weeks == [7] * 8  # the first Monday may be half a day
    assert week_of(read, "rep=bob").past.weeks == [7] * 4
    assert week_of(read, "rep=nobody").past.weeks == []
    assert running(catalogue()["deals_won"], "", "week", read).past.weeks == []


def test_days_are_those_of_the_business_zone_also_when_clocks_change() -> None:
    """Daily at 23:30 in Berlin, across the end of summer time on October 25; now it is 23:00 on a Sunday."""
    zone = "Europe/Berlin"
    days = [f"2026-09-{day:02}" for day in range(20, 31)] + [f"2026-10-{day:02}" for day in range(1, 32)]
    lines = calls(*(ms(f"{day} 23:30", zone=zone) for day in days))
    read = slices(lines, ms("2026-11-01 23:00", zone=zone), zone)
    found = week_of(read, period="today")
    assert found.end_ms == ms("2026-11-02", zone=zone)
    assert found.past.weeks == [7] * 5
    assert len(found.past.stretches) == 5
    assert set(found.past.stretches) == {1}


def test_at_the_end_of_a_period_nothing_is_left_of_it() -> None:
    found = week_of(slices(calls(*(MONDAY + day * DAY_MS for day in range(42))), MONDAY + 6 * WEEK_MS))
    assert (found.end_ms, found.so_far, found.past.whole_weeks) == (MONDAY + 6 * WEEK_MS, 7, 0)
    assert set(found.past.stretches) == {0}


def test_money_is_in_its_currency_and_things_are_deals() -> None:
    lines = [
        line(
            kind, f"{week}", MONDAY + week * WEEK_MS + HOUR_MS, **({"amount": 250.0} if kind == "deal.created" else {})
        )
        for week in range(6)
        for kind in ("deal.created", "deal.won")
    ]
    found = running(catalogue()["revenue_eur"], "", "week", slices(lines, MONDAY + 5 * WEEK_MS + 2 * HOUR_MS))
    assert (found.so_far, found.past.weeks, found.past.things) == (250.0, [250.0] * 4, 4)


def test_flows_are_what_adds_up() -> None:
    flows = {kpi.name for kpi in catalogue().kpis if adds_up(kpi)}
    assert {"calls", "deals_won", "revenue_eur"} <= flows
    assert not flows & {"win_ratio", "deal_size_eur", "open_deals", "contacts_touched", "sales_cycle_seconds"}


STAGES = """
    stage.defined new   pipeline=default order=1 probability=0.2
    stage.defined offer pipeline=default order=2 probability=0.5
"""


def test_a_stage_with_its_open_deals_and_the_stays_that_ended() -> None:
    lines = [line("deal.created", f"{n}", MONDAY, amount=100.0 * n, stage="new") for n in (1, 2, 3)]
    lines.append(line("deal.stage_changed", "1", MONDAY + DAY_MS, stage="offer"))
    lines.append(line("deal.lost", "2", MONDAY + 3 * DAY_MS))
    read = slices(lines, MONDAY + 4 * DAY_MS, reference=roster(STAGES))
    new, offer = open_stage("new", read), open_stage("offer", read)
    assert (new.deals, new.value, new.weighted, new.stays, new.mean_s) == (1, 300.0, 60.0, 2, 2 * 86_400)
    assert new.p50_s == pytest.approx(86_400, rel=0.01)
    assert new.p90_s == pytest.approx(3 * 86_400, rel=0.01)
    assert (offer.deals, offer.value, offer.weighted, offer.stays) == (1, 100.0, 50.0, 0)
    assert open_stage("nowhere", read).deals == 0


def test_only_the_facts_of_a_catalogue_are_read() -> None:
    """A catalogue cut down to one KPI gives the same."""
    lines = calls(*(MONDAY + day * DAY_MS for day in range(42)))
    test = Backtest(lines, Catalogue((replace(catalogue()["calls"], by=()),)), Reference())
    at_ms = MONDAY + 5 * WEEK_MS + HOUR_MS
    list(test.at([at_ms]))
    assert week_of(test.kpis.slices) == week_of(slices(lines, at_ms))
