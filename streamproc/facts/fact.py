"""Fact: one counted thing, with the time it counts for and its dimensions; and the list of all fact names.

A fact is immutable. Lives (`deals`, `emails`, …) return the facts of an entity as a list; what a batch emits is the
signed difference between the facts now and the facts before (`definitions`: facts are a function of the set of events).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from hashlib import blake2b

from msgspec import Struct


class Kind(Enum):
    """How values of a fact add up."""

    COUNT = "count"  # value 1
    SUM = "sum"  # integer; money in 1/10,000 of the reporting currency
    LEVEL = "level"  # integer change of a running total
    DURATION = "duration"  # milliseconds, kept in logarithmic buckets
    DISTINCT = "distinct"  # 64-bit hash of an identity; add-only


FACTS: dict[str, Kind] = {
    # activities
    "call": Kind.COUNT,
    "call_connected": Kind.COUNT,
    "meeting_held": Kind.COUNT,
    "meeting_demo": Kind.COUNT,
    "meeting_onboarding": Kind.COUNT,
    "meeting_video": Kind.COUNT,
    "contact_touched": Kind.DISTINCT,
    "webinar_registered": Kind.COUNT,
    "webinar_showed_up": Kind.COUNT,  # at the registration
    "webinar_attended": Kind.COUNT,
    "research": Kind.SUM,  # milliseconds
    "research_logged": Kind.COUNT,
    "reply_received": Kind.COUNT,  # at the reply, unlike email_replied and message_replied
    # e-mail: everything at the time of sending, but the response time at the reply
    "email_sent": Kind.COUNT,
    "email_reached": Kind.COUNT,
    "email_bounced": Kind.COUNT,
    "email_opened": Kind.COUNT,
    "email_clicked": Kind.COUNT,
    "email_replied": Kind.COUNT,
    "email_machine_opened": Kind.COUNT,
    "email_machine_clicked": Kind.COUNT,
    "email_response": Kind.DURATION,
    # messages: at the time of sending
    "message_sent": Kind.COUNT,
    "message_replied": Kind.COUNT,
    # deals
    "deal_created": Kind.COUNT,
    "deal_won": Kind.COUNT,
    "deal_lost": Kind.COUNT,
    "revenue": Kind.SUM,  # of deals won
    "deal_cost": Kind.SUM,
    "sales_cycle": Kind.DURATION,
    "stage_entered": Kind.COUNT,
    "stage_advanced": Kind.COUNT,
    "stage_dwell": Kind.DURATION,
    "deal_quoted": Kind.COUNT,
    "deal_quoted_won": Kind.COUNT,
    "open_deals": Kind.LEVEL,
    "opportunities": Kind.LEVEL,
    "pipeline_value": Kind.LEVEL,
    "pipeline_weighted": Kind.LEVEL,
    "pipeline_change": Kind.SUM,  # the changes of pipeline_value, so that a window knows its value at the start
    # leads and partner offers
    "lead_created": Kind.COUNT,
    "lead_online": Kind.COUNT,
    "lead_converted": Kind.COUNT,  # at the creation
    "lead_stage_entered": Kind.COUNT,
    "lead_mql": Kind.COUNT,
    "lead_sal": Kind.COUNT,
    "lead_sql": Kind.COUNT,
    "lead_touch": Kind.DURATION,
    "lead_offered": Kind.COUNT,
    "lead_taken": Kind.COUNT,  # offers accepted, at the offer
    "lead_accepted": Kind.COUNT,
    "lead_fed_back": Kind.COUNT,  # at the acceptance
    "lead_partner_won": Kind.COUNT,  # at the acceptance
    "lead_acceptance": Kind.DURATION,
    "lead_contact": Kind.DURATION,
    "lead_handling": Kind.DURATION,
    "leads_escalated": Kind.LEVEL,
    # customers
    "customer_new": Kind.COUNT,
    "customer_ordered": Kind.COUNT,  # at the first order
    "customer_reordered": Kind.COUNT,  # at the first order
    "order_placed": Kind.COUNT,
    "order_returned": Kind.COUNT,  # at the order
    "order_revenue": Kind.SUM,
    "order_cost": Kind.SUM,
    "order_gap": Kind.DURATION,
    "customers": Kind.LEVEL,
    "subscriptions": Kind.LEVEL,
    "mrr": Kind.LEVEL,
    "customers_change": Kind.SUM,  # the changes of the level
    "mrr_change": Kind.SUM,
    "customers_lost": Kind.SUM,  # sums over [S, T) to those active at S and not at T (`facts.customers`)
    "mrr_lost": Kind.SUM,
    # costs, surveys, web
    "cost_recorded": Kind.COUNT,
    "cost_campaign_recorded": Kind.COUNT,
    "cost_sales_recorded": Kind.COUNT,
    "cost_marketing_recorded": Kind.COUNT,
    "cost_other_recorded": Kind.COUNT,
    "cost_campaign": Kind.SUM,
    "cost_sales": Kind.SUM,
    "cost_marketing": Kind.SUM,
    "cost_other": Kind.SUM,
    "nps_answered": Kind.COUNT,
    "nps_promoter": Kind.COUNT,
    "nps_detractor": Kind.COUNT,
    "enps_answered": Kind.COUNT,
    "enps_promoter": Kind.COUNT,
    "enps_detractor": Kind.COUNT,
    "csat_answered": Kind.COUNT,
    "csat_satisfied": Kind.COUNT,
    "csat_score": Kind.SUM,  # 1/10,000 points of 5
    "web_visit": Kind.COUNT,
    "web_impression": Kind.COUNT,
    "web_click": Kind.COUNT,
}

# Dimensions that facts may carry, in the order in which they are kept. The last two come from lives of deals and leads.
DIMENSIONS = (
    "rep",
    "team",
    "region",
    "product",
    "channel",
    "campaign",
    "partner",
    "lead_source",
    "account",
    "segment",
    "variant",
    "deal_stage",
    "lead_stage",
)

# Facts that carry a stage. Every fact may carry all other dimensions: they are those of events and of the roster.
_STAGED: dict[str, tuple[str, ...]] = {
    "deal_stage": (
        "stage_entered", "stage_advanced", "stage_dwell",
        "open_deals", "opportunities", "pipeline_value", "pipeline_weighted", "pipeline_change",
    ),
    "lead_stage": ("lead_stage_entered", "lead_mql", "lead_sal", "lead_sql"),
}  # fmt: skip

# Amounts that are not whole numbers: unit, and in which part of it they are kept. "money": the reporting currency.
_MONEY = (
    "revenue", "deal_cost", "pipeline_value", "pipeline_weighted", "pipeline_change", "order_revenue", "order_cost",
    "mrr", "mrr_change", "mrr_lost", "cost_campaign", "cost_sales", "cost_marketing", "cost_other",
)  # fmt: skip
AMOUNTS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(_MONEY, ("money", 10_000)),
    "research": ("seconds", 1_000),
    "csat_score": ("points", 10_000),
}


def may_carry(fact: str) -> tuple[str, ...]:
    """Dimensions that facts of a name may carry, in their order."""
    return tuple(name for name in DIMENSIONS if fact in _STAGED.get(name, (fact,)))


Dims = tuple[tuple[str, str], ...]  # (dimension, value) pairs in the order of DIMENSIONS, only those known


class Fact(Struct, array_like=True, frozen=True, gc=False):
    """One counted thing. `value`: 1, an integer amount, milliseconds or a hash, by the fact's kind."""

    name: str
    time_ms: int
    value: int
    dims: Dims


def difference(before: list[Fact], after: list[Fact]) -> Iterator[tuple[Fact, int]]:
    """What must be emitted to turn `before` into `after`: facts with a signed number of times."""
    same = 0  # at the start: most events only add to what is there
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        same += 1
    if same == len(before):
        for fact in after[same:]:
            yield fact, 1
        return
    times = Counter(after[same:])
    times.subtract(before[same:])
    for fact, n in times.items():
        if n:
            yield fact, n


def hash64(text: str) -> int:
    """Stable 64-bit hash of an identity (the odds that two of n collide are n² / 2^65)."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
