"""A made-up group over 30 days, stated as totals of every fact: what the examples in docs/kpis.md are computed from."""

from __future__ import annotations

from typing import Any, NamedTuple

from streamproc.facts.fact import AMOUNTS, FACTS, Kind
from streamproc.kpis.kpi import Kpi, Parts, Totals
from streamproc.windows.aggregates import Distinct, Durations

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
LENGTH_MS = 30 * DAY_S * 1000
REPS = 4
TARGET = 120_000.0

# Sums and levels in whole units (money, points), research in hours, durations in seconds.
TOTALS: dict[str, int | tuple[int, ...]] = {
    "call": 40,
    "call_connected": 16,
    "meeting_held": 12,
    "meeting_demo": 5,
    "meeting_onboarding": 2,
    "meeting_video": 7,
    "contact_touched": 55,
    "webinar_registered": 20,
    "webinar_showed_up": 12,
    "webinar_attended": 13,
    "research": 5,
    "research_logged": 6,
    "reply_received": 10,
    "email_sent": 100,
    "email_reached": 95,
    "email_bounced": 4,
    "email_opened": 38,
    "email_clicked": 19,
    "email_replied": 9,
    "email_machine_opened": 30,
    "email_machine_clicked": 6,
    "email_response": (HOUR_S // 2, 2 * HOUR_S, DAY_S),
    "message_sent": 20,
    "message_replied": 5,
    "deal_created": 10,
    "deal_won": 3,
    "deal_lost": 5,
    "revenue": 90_000,
    "deal_cost": 36_000,
    "sales_cycle": (20 * DAY_S, 40 * DAY_S, 60 * DAY_S),
    "stage_entered": 16,
    "stage_advanced": 10,
    "stage_dwell": (2 * DAY_S, 5 * DAY_S, 11 * DAY_S),
    "deal_quoted": 6,
    "deal_quoted_won": 2,
    "open_deals": 12,
    "opportunities": 8,
    "pipeline_value": 360_000,
    "pipeline_weighted": 140_000,
    "pipeline_change": 60_000,
    "lead_created": 50,
    "lead_online": 30,
    "lead_converted": 8,
    "lead_stage_entered": 40,
    "lead_mql": 20,
    "lead_sal": 12,
    "lead_sql": 8,
    "lead_touch": (HOUR_S // 2, HOUR_S, 6 * HOUR_S),
    "lead_offered": 16,
    "lead_taken": 12,
    "lead_accepted": 12,
    "lead_fed_back": 9,
    "lead_partner_won": 3,
    "lead_acceptance": (HOUR_S // 4, HOUR_S // 2, 3 * HOUR_S),
    "lead_contact": (HOUR_S // 2, HOUR_S, 4 * HOUR_S),
    "lead_handling": (DAY_S, 5 * DAY_S, 9 * DAY_S),
    "leads_escalated": 2,
    "customer_new": 4,
    "customer_ordered": 10,
    "customer_reordered": 3,
    "order_placed": 12,
    "order_returned": 1,
    "order_revenue": 24_000,
    "order_cost": 12_000,
    "order_gap": (10 * DAY_S, 30 * DAY_S),
    "customers": 42,
    "subscriptions": 50,
    "mrr": 21_000,
    "customers_change": 2,
    "mrr_change": 1_000,
    "customers_lost": 2,
    "mrr_lost": 500,
    "cost_recorded": 6,
    "cost_campaign_recorded": 3,
    "cost_sales_recorded": 1,
    "cost_marketing_recorded": 1,
    "cost_other_recorded": 1,
    "cost_campaign": 5_000,
    "cost_sales": 8_000,
    "cost_marketing": 3_000,
    "cost_other": 2_000,
    "nps_answered": 20,
    "nps_promoter": 11,
    "nps_detractor": 4,
    "enps_answered": 10,
    "enps_promoter": 5,
    "enps_detractor": 2,
    "csat_answered": 25,
    "csat_satisfied": 20,
    "csat_score": 105,
    "web_visit": 1_200,
    "web_impression": 40_000,
    "web_click": 800,
}
# The 30 days before, of what is compared with them.
PREVIOUS = {"deal_won": 2, "revenue": 80_000, "order_placed": 10, "order_revenue": 20_000}


class Example(NamedTuple):
    """What goes into a KPI, as text, and what comes out."""

    given: list[str]
    parts: Parts


def example(kpi: Kpi) -> Example:
    """The KPI of the made-up group, computed as everywhere. Raises KeyError for a fact without a total."""
    given = [f"`{name}` {_text(name, TOTALS[name])}" for name in dict.fromkeys((*kpi.facts, *kpi.levels))]
    if kpi.reads_previous:
        given += [f"before `{name}` {_text(name, PREVIOUS[name])}" for name in kpi.facts]
    if kpi.reads_reps:
        given.append(f"{REPS} reps")
    if kpi.target_of:
        given.append(f"target {TARGET:,.0f}")
    totals = Totals(
        {name: _amount(name, TOTALS[name]) for name in kpi.facts},
        {name: _amount(name, TOTALS[name]) for name in kpi.levels},
        {name: _amount(name, PREVIOUS[name]) for name in kpi.facts} if kpi.reads_previous else {},
        LENGTH_MS if kpi.windowed else None,
        REPS,
        TARGET,
    )
    return Example(given, kpi.parts(totals))


def _amount(name: str, total: int | tuple[int, ...]) -> Any:
    if isinstance(total, tuple):
        durations = Durations()
        for seconds in total:
            durations.add_ms(seconds * 1000)
        return durations
    match FACTS[name]:
        case Kind.DISTINCT:
            sketch = Distinct()
            sketch.add(range(total))
            return sketch
        case Kind.SUM | Kind.LEVEL:
            _, scale = AMOUNTS.get(name, ("", 1))
            return total * scale * (HOUR_S if name == "research" else 1)
        case _:
            return total


def _text(name: str, total: int | tuple[int, ...]) -> str:
    if isinstance(total, tuple):
        return " + ".join(f"{seconds:,} s" for seconds in total)
    return f"{total:,} h" if name == "research" else f"{total:,}"
