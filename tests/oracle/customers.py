"""The oracle's replay of a customer's life: orders and subscriptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from oracle.dims import Convert, Row, merge, own


@dataclass
class Subscription:
    """What holds of a subscription. Money in 1/10,000."""

    active: bool = False
    mrr: int = 0
    currency: str | None = None
    dims: Row = field(default_factory=dict)


def replay(events: Iterable[Row], convert: Convert) -> tuple[list[Row], list[Row]]:
    """Facts and periods (of subscriptions, and of being a customer) after events, which must be in order."""
    events = list(events)
    new = next((event for event in events if event["type"] in ("customer.won", "order.placed")), None)
    facts = _orders(events, convert)
    if new is not None:
        facts.append(_fact("new_customer", new))
    return facts, _periods([event for event in events if event["type"].startswith("subscription.")], convert)


def _fact(name: str, event: Row, amount: int | None = None) -> Row:
    return {"name": name, "time_ms": event["time_ms"], "amount": amount, **own(event)}


def _orders(events: list[Row], convert: Convert) -> list[Row]:
    placed: dict[str, Row] = {}
    for event in events:
        if event["type"] == "order.placed":
            placed.setdefault(event["order"], event)
    returned = {event["order"] for event in events if event["type"] == "order.returned"}
    facts = []
    for order, event in placed.items():
        facts.append(_fact("order", event, _money(event, "amount", convert)))
        facts.append(_fact("order_cost", event, _money(event, "direct_cost", convert)))
        if order in returned:
            facts.append(_fact("order_returned", event))
    orders = list(placed.values())
    if orders:
        facts.append(_fact("first_order", orders[0]))
    if len(orders) > 1:
        facts.append(_fact("first_order_repeated", orders[0]))
    for earlier, later in pairwise(orders):
        facts.append(_fact("order_gap", later, later["time_ms"] - earlier["time_ms"]))
    return facts


def _money(event: Row, name: str, convert: Convert) -> int:
    amount = None if event[name] is None else convert(event[name], event["currency"], event["time_ms"])
    return amount or 0


def _periods(events: list[Row], convert: Convert) -> list[Row]:
    """Spells of subscriptions and of the customer, each of constant money and dimensions."""
    known: dict[str, Subscription] = {}
    customer: Row = {}  # dimensions
    periods: list[Row] = []
    open_ones: dict[str, Row] = {}  # by subscription, the customer's own under ""

    def turn(key: str, time_ms: int, now: Row | None) -> None:
        if key in open_ones:
            open_ones.pop(key)["end_ms"] = time_ms
        if now is not None:
            open_ones[key] = {"start_ms": time_ms, "end_ms": None, **now}
            periods.append(open_ones[key])

    for event in events:
        time_ms, key = event["time_ms"], event["subscription"]
        one = known.setdefault(key, Subscription())
        if not _apply(one, event, convert):
            continue
        if one.active:
            customer = merge(customer, own(event))
        turn(key, time_ms, {"name": "subscription", "amount": one.mrr, **one.dims} if one.active else None)
        is_customer = any(other.active for other in known.values())
        if one.active or not is_customer:
            turn("", time_ms, {"name": "customer", "amount": 0, **customer} if is_customer else None)
    stays = "" in open_ones
    return [{**period, "stays": stays} for period in periods]


def _apply(one: Subscription, event: Row, convert: Convert) -> bool:
    """Whether the event changes something."""
    kind = event["type"].removeprefix("subscription.")
    if kind == "cancelled" or (kind == "changed" and not one.active):
        applies, one.active = one.active, False
        return applies
    one.active = True
    one.dims = merge(one.dims, own(event))
    one.currency = event["currency"] or one.currency
    if event["mrr"] is not None:
        mrr = convert(event["mrr"], one.currency, event["time_ms"])
        one.mrr = one.mrr if mrr is None else mrr
    return True
