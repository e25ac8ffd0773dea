"""Fact: one counted thing, with the time it counts for and its dimensions; and the list of all fact names.

A fact is immutable. Lives (`deals`, `emails`, …) return the facts of an entity as a list; what a batch emits is the
signed difference between the facts now and the facts before (`definitions`: facts are a function of the set of events).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple


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
    "meeting_held": Kind.COUNT,
    "contact_touched": Kind.DISTINCT,
    # e-mail: everything at the time of sending, but the response time at the reply
    "email_sent": Kind.COUNT,
    "email_reached": Kind.COUNT,
    "email_bounced": Kind.COUNT,
    "email_opened": Kind.COUNT,
    "email_clicked": Kind.COUNT,
    "email_replied": Kind.COUNT,
    "email_response": Kind.DURATION,
    # messages: at the time of sending
    "message_sent": Kind.COUNT,
    "message_replied": Kind.COUNT,
    # deals
    "deal_created": Kind.COUNT,
    "deal_won": Kind.COUNT,
    "deal_lost": Kind.COUNT,
    "revenue": Kind.SUM,
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
}

# Dimensions that facts may carry, in the order in which they are kept. `deal_stage` comes from a deal's life.
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
)

Dims = tuple[tuple[str, str], ...]  # (dimension, value) pairs in the order of DIMENSIONS, only those known


class Fact(NamedTuple):
    """One counted thing. `value`: 1, an integer amount, milliseconds or a hash, by the fact's kind."""

    name: str
    time_ms: int
    value: int
    dims: Dims


def difference(before: list[Fact], after: list[Fact]) -> Iterator[tuple[Fact, int]]:
    """What must be emitted to turn `before` into `after`: facts with a signed number of times."""
    if not before:
        for fact in after:
            yield fact, 1
        return
    if before == after:
        return
    times = Counter(after)
    times.subtract(before)
    for fact, n in times.items():
        if n:
            yield fact, n


def hash64(text: str) -> int:
    """Stable 64-bit hash of an identity (the odds that two of n collide are n² / 2^65)."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
