"""The life of a customer: orders, subscriptions, and the sums that tell who was lost, against brute force."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import HOUR_MS, decoded, ms, parse
from support.customer_events import HOURS, START_MS, customer_lines
from support.replay import roster

from streamproc.events import Event
from streamproc.facts.customers import Customer
from streamproc.facts.fact import Fact
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import Totals

SUBSCRIPTION = ("subscription.started", "subscription.changed", "subscription.cancelled")
RATES = "fx.rate USD rate=0.5"


def life(events: list[Event], reference: Reference | None = None) -> list[Fact]:
    """Facts of one customer to which these happened."""
    customer, reference = Customer(), reference or Reference()
    for one in events:
        customer.apply(one, one.time_ms, reference)
    return customer.facts(reference)


def found(facts: list[Fact], name: str) -> list[tuple[int, int]]:
    return [(fact.time_ms, fact.value) for fact in facts if fact.name == name]


def test_at_the_same_time_a_subscription_is_started_then_changed_then_cancelled() -> None:
    events = [
        decoded("subscription.cancelled", "c1", "09:00", id="1", subscription="s1"),
        decoded("subscription.changed", "c1", "09:00", id="2", subscription="s1", mrr=7),
        decoded("subscription.started", "c1", "09:00", id="3", subscription="s1", mrr=5),
    ]
    for order in (events, events[::-1]):
        facts = life(order)
        at = ms("09:00")
        assert found(facts, "mrr") == [(at, 50_000), (at, 20_000), (at, -70_000)]
        assert not [fact for fact in facts if fact.name.startswith("anomaly/")]


@pytest.mark.parametrize("kind", ["started", "changed", "cancelled"])
@pytest.mark.parametrize(("state", "before"), [("none", ()), ("active", (0,)), ("ended", (0, 2))])
def test_every_state_with_every_kind(state: str, before: tuple[int, ...], kind: str) -> None:
    kinds = [*(SUBSCRIPTION[n] for n in before), f"subscription.{kind}"]
    events = [decoded(k, "c1", START_MS + n * HOUR_MS, subscription="s1", mrr=n + 1) for n, k in enumerate(kinds)]
    facts = life(events)
    active = kind == "started" or (kind, state) == ("changed", "active")
    assert sum(fact.value for fact in facts if fact.name == "subscriptions") == int(active)
    assert sum(fact.value for fact in facts if fact.name == "mrr") == (len(kinds) * 10_000 if active else 0)
    refused = kind != "started" and state != "active"
    anomalies = [fact.name for fact in facts if fact.name.startswith("anomaly/")]
    assert anomalies == ([f"anomaly/subscription_{kind}_while_{state}"] if refused else [])


def test_without_a_rate_the_old_mrr_stays() -> None:
    """The currency goes on from the start; the rate that there was then is gone when the customer is looked at anew."""
    events = [
        decoded("subscription.started", "c1", "08:00", subscription="s1", mrr=100),
        decoded("subscription.changed", "c1", "08:30", subscription="s1", currency="USD"),
        decoded("subscription.changed", "c1", "09:00", subscription="s1", mrr=10),
    ]
    facts = life(events)
    assert found(facts, "mrr") == [(ms("08:00"), 1_000_000)]
    assert found(facts, "anomaly/subscription_mrr_without_rate") == [(ms("09:00"), 1)]
    assert found(life(events, roster(RATES)), "mrr") == [(ms("08:00"), 1_000_000), (ms("09:00"), -950_000)]


def test_a_repeated_event_changes_nothing() -> None:
    events = [
        decoded("customer.won", "c1", "08:00"),
        decoded("order.placed", "c1", "08:30", order="o1", amount=10),
        decoded("order.returned", "c1", "08:40", order="o1"),
        decoded("subscription.started", "c1", "09:00", subscription="s1", mrr=5),
        decoded("subscription.cancelled", "c1", "09:30", subscription="s1"),
    ]
    assert life(events + events) == life(events)


def test_the_order_of_arrival_means_nothing() -> None:
    """One order is placed twice, the earlier placing counts; o1 and o2 are placed at the same time."""
    events = [
        decoded("order.placed", "c1", "09:00", order="o1", amount=10, rep="ann", id="1"),
        decoded("order.placed", "c1", "08:30", order="o1", amount=20, rep="bob", id="2"),
        decoded("order.placed", "c1", "08:30", order="o2", amount=30, rep="cy", id="3"),
        decoded("order.returned", "c1", "08:00", order="o2", id="4"),
        decoded("customer.won", "c1", "08:30", rep="dee", id="5"),
    ]
    lives = {tuple(life(list(arrived))) for arrived in permutations(events)}
    assert len(lives) == 1
    facts = lives.pop()
    first, second = (("rep", "bob"),), (("rep", "cy"),)
    at = ms("08:30")
    assert Counter(facts) == Counter(
        [
            Fact("order_placed", at, 1, first),
            Fact("order_revenue", at, 200_000, first),
            Fact("order_placed", at, 1, second),
            Fact("order_revenue", at, 300_000, second),
            Fact("order_returned", at, 1, second),
            Fact("order_gap", at, 0, second),
            Fact("customer_ordered", at, 1, first),
            Fact("customer_reordered", at, 1, first),
            Fact("customer_new", at, 1, first),
        ]
    )


def test_what_no_kpi_reads_makes_an_orphan() -> None:
    for kind, data in (("invoice.paid", {"invoice": "i1"}), ("order.returned", {"order": "o1"})):
        customer, one = Customer(), decoded(kind, "c1", "09:00", **data)
        customer.apply(one, one.time_ms, Reference())
        assert customer.orphan
        assert customer.facts(Reference()) == []
    one = decoded("order.placed", "c1", "08:00", order="o1")
    customer.apply(one, one.time_ms, Reference())
    assert not customer.orphan
    assert found(customer.facts(Reference()), "order_returned") == [(ms("08:00"), 1)]


def test_a_customer_that_is_there_has_lost_nothing_and_one_that_went_has() -> None:
    started = decoded("subscription.started", "c1", "08:00", subscription="s1", mrr=5)
    cancelled = decoded("subscription.cancelled", "c1", "09:00", subscription="s1")
    again = decoded("subscription.started", "c1", "10:00", subscription="s2", mrr=7)
    assert found(life([started]), "customers_lost") == []
    facts = life([started, cancelled])
    assert found(facts, "customers_change") == [(ms("08:00"), 1), (ms("09:00"), -1)]
    assert found(facts, "customers_lost") == [(ms("08:00"), -1), (ms("09:00"), 1)]
    assert found(facts, "mrr_lost") == [(ms("08:00"), -50_000), (ms("09:00"), 50_000)]
    facts = life([started, cancelled, again])
    assert found(facts, "customers_lost") == found(facts, "mrr_lost") == []
    assert found(facts, "customers_change") == [(ms("08:00"), 1), (ms("09:00"), -1), (ms("10:00"), 1)]


# --- retention and churn against brute force ----------------------------------------------------------------------


class State(NamedTuple):
    """A customer at a time, as told from its events alone."""

    active: bool
    dims: dict[str, str]
    paying: list[tuple[float, dict[str, str]]]  # MRR and dimensions of each active subscription


def told(base: dict[str, str], data: Any) -> dict[str, str]:
    """Dimensions after an event: another rep's team is not theirs."""
    own = {name: getattr(data, name) for name in ("rep", "team", "segment") if getattr(data, name) is not None}
    kept = {k: v for k, v in base.items() if k != "team" or own.get("rep", base.get("rep")) == base.get("rep")}
    return kept | own


def state_at(events: list[Event], until_ms: int) -> State:
    dims: dict[str, str] = {}
    subscriptions: dict[str, dict[str, Any]] = {}
    past = [one for one in events if one.time_ms < until_ms]
    for one in sorted(past, key=lambda e: (e.time_ms, SUBSCRIPTION.index(e.type), e.source, e.id)):
        kind, data = one.type.split(".")[1], one.data
        held = subscriptions.setdefault(data.subscription, {"on": False, "mrr": 0.0, "currency": "EUR", "dims": {}})
        if kind != "started" and not held["on"]:
            continue
        held["on"] = kind != "cancelled"
        if kind == "cancelled":
            continue
        dims, held["dims"] = told(dims, data), told(held["dims"], data)
        held["currency"] = data.currency or held["currency"]
        if data.mrr is not None:
            held["mrr"] = data.mrr * (0.5 if held["currency"] == "USD" else 1)
    paying = [(held["mrr"], held["dims"]) for held in subscriptions.values() if held["on"]]
    return State(bool(paying), dims, paying)


def belongs(dims: dict[str, str], group: tuple[str, str] | None) -> bool:
    return group is None or dims.get(group[0]) == group[1]


GROUPS = (None, ("rep", "ann"), ("rep", "bob"), ("team", "north"), ("segment", "small"))


@settings(max_examples=300, deadline=None)
@given(
    lines=customer_lines(SUBSCRIPTION),
    group=st.sampled_from(GROUPS),
    start=st.integers(0, HOURS),
    length=st.integers(0, HOURS),
)
def test_retention_and_churn_are_those_of_the_customers_themselves(
    lines: list[bytes], group: tuple[str, str] | None, start: int, length: int
) -> None:
    """The window [S, T) of a group: sums of facts beside who was there at S and at T."""
    start_ms, end_ms = START_MS + start * HOUR_MS, START_MS + (start + length) * HOUR_MS
    customers: dict[str, list[Event]] = {}
    for one in map(parse, lines):
        customers.setdefault(one.subject, []).append(one)
    reference, window, levels = roster(RATES), Counter[str](), Counter[str]()
    for events in customers.values():
        for fact in life([one for one in events if one.time_ms < end_ms], reference):
            if belongs(dict(fact.dims), group):
                levels[fact.name] += fact.value
                window[fact.name] += fact.value if fact.time_ms >= start_ms else 0

    then = {name: state_at(events, start_ms) for name, events in customers.items()}
    lost = {name for name, events in customers.items() if not state_at(events, end_ms).active}
    there = {name for name, state in then.items() if state.active and belongs(state.dims, group)}
    kpis, totals = catalogue(), Totals(window, levels, length_ms=end_ms - start_ms)
    for kpi, n in (("retention_ratio", len(there - lost)), ("churn_ratio", len(there & lost))):
        parts = kpis[kpi].parts(totals)
        assert (parts.numerator, parts.denominator, parts.n) == (n, len(there), len(there))
        assert parts.value == (n / len(there) if there else None)
    mrr = {name: sum(amount for amount, dims in s.paying if belongs(dims, group)) for name, s in then.items()}
    parts = kpis["revenue_churn_ratio"].parts(totals)
    assert parts.denominator == sum(mrr.values())
    assert parts.numerator == sum(amount for name, amount in mrr.items() if name in lost)
