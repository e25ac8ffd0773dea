"""Contradicting histories of a few customers: few ids, colliding times, every kind of event."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from support.build import HOUR_MS, event, ms

KINDS = (
    "subscription.started",
    "subscription.changed",
    "subscription.cancelled",
    "order.placed",
    "order.returned",
    "customer.won",
)
START_MS = ms("00:00")
HOURS = 12

_dims = st.fixed_dictionaries(
    {},
    optional={
        "rep": st.sampled_from(("ann", "bob", "cy")),
        "team": st.sampled_from(("north", "south")),
        "segment": st.sampled_from(("small", "large")),
    },
)


@st.composite
def _one(draw: st.DrawFn, kinds: tuple[str, ...]) -> dict[str, Any]:
    kind = draw(st.sampled_from(kinds))
    data: dict[str, Any] = dict(draw(_dims))
    if kind.startswith("subscription."):
        data["subscription"] = draw(st.sampled_from(("s1", "s2")))
        data |= draw(st.fixed_dictionaries({}, optional={"mrr": st.sampled_from((0, 10, 25.5))}))
    elif kind.startswith("order."):
        data["order"] = draw(st.sampled_from(("o1", "o2", "o3")))
        data |= draw(
            st.fixed_dictionaries({}, optional={"amount": st.sampled_from((0, 10)), "direct_cost": st.just(4)})
        )
    if kind != "customer.won":
        data |= draw(st.fixed_dictionaries({}, optional={"currency": st.sampled_from(("EUR", "USD"))}))
    time_ms = START_MS + draw(st.integers(0, HOURS)) * HOUR_MS
    return event(kind, draw(st.sampled_from(("c1", "c2", "c3"))), time_ms, source=draw(st.sampled_from("ab")), **data)


@st.composite
def customer_lines(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> list[bytes]:
    """Canonical events in no order; ids do not follow the order of time."""
    events = draw(st.lists(_one(kinds), min_size=1, max_size=14))
    for one, number in zip(events, draw(st.permutations(range(len(events)))), strict=True):
        one["id"] = f"n{number}"
    return [json.dumps(one).encode() for one in events]
