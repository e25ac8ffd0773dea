"""The life of a customer: won, orders placed and returned, subscriptions.

Who is a customer at a time is told by levels: `customers`, `subscriptions` and `mrr` change with the events of
subscriptions. Retention and churn need to know who of those active at S is still active at T, for windows [S, T) that
slide; no list of customers is needed for that, only sums:

- Every change of the level `customers` is also a fact `customers_change` (same time, value and dimensions), which adds
  up in windows. So customers at S = the level at T - sum of `customers_change` in [S, T), exactly, for every group.
- A customer that is not active after its last event emits the same changes negated, as `customers_lost`; one that is
  active emits none. Those of one customer in [S, T) add up to its level at S - its level at T: it is not active at T,
  so this is 1 in the groups that it had at S if it was active then, else 0. Hence the sum of `customers_lost` in
  [S, T) = customers active at S and not at T, whatever happened between, also where it was lost and won back.
- `mrr_change` and `mrr_lost` are the same of money: `mrr_lost` negates the changes of all subscriptions of a customer
  that is not active.

When a customer comes back, its lost facts are withdrawn; when it leaves, they are emitted for its whole past. "After
its last event" is T as long as no event lies ahead of the clock; one that does (at most 5 minutes live) shows early.
Alternatives: docs/decisions/0008-retention-from-sums.md.
"""

from __future__ import annotations

from bisect import insort
from typing import Any

from msgspec import Struct

from streamproc.event_data import Order as OrderData
from streamproc.event_data import Subscription as SubscriptionData
from streamproc.events import Event
from streamproc.facts.dims import merge, pack, packed, resolve
from streamproc.facts.fact import Dims, Fact
from streamproc.facts.reference import Lookups, Reference

STARTED, CHANGED, CANCELLED = range(3)  # in the order in which they count at the same time
_STEPS = {"subscription.started": STARTED, "subscription.changed": CHANGED, "subscription.cancelled": CANCELLED}
NONE, ACTIVE, ENDED = "none", "active", "ended"

# Levels of which windows know what was there at their start and what of it was lost, with the facts that tell it.
_COMPARED = {"customers": ("customers_change", "customers_lost"), "mrr": ("mrr_change", "mrr_lost")}

Level = tuple[int, Dims]  # value and dimensions of what a customer or subscription adds to a level
NOTHING: Level = (0, ())


class Order(Struct, array_like=True, frozen=True, gc=False):
    """The earliest placing of an order; amounts in 1/10,000 of the reporting currency."""

    time_ms: int
    source: str
    id: str
    order: str
    dims: Dims
    amount: int
    cost: int

    def __lt__(self, other: Order) -> bool:
        return self.key < other.key

    @property
    def key(self) -> tuple[int, str, str]:
        return (self.time_ms, self.source, self.id)


class Step(Struct, array_like=True, frozen=True, gc=False):
    """One event of a subscription."""

    time_ms: int
    rank: int
    source: str
    id: str
    subscription: str
    dims: dict[str, str]
    mrr: float | None
    currency: str | None

    def __lt__(self, other: Step) -> bool:
        return self.key < other.key

    @property
    def key(self) -> tuple[int, int, str, str]:
        return (self.time_ms, self.rank, self.source, self.id)


class Customer(Struct, array_like=True, tag="c"):
    """What is known of a customer, each list in order of time, and the rates looked up for it (`Lookups`)."""

    won: tuple[int, str, str, Dims] | None = None  # the earliest
    orders: list[Order] = []
    returned: list[str] = []  # ids of orders
    steps: list[Step] = []
    kept: dict[str, Any] = {}

    def apply(self, event: Event, time_ms: int, reference: Reference) -> None:
        data = event.data
        if event.type == "customer.won":
            found = (time_ms, event.source, event.id, packed(data, time_ms, reference))
            self.won = found if self.won is None else min(self.won, found)
        elif event.type == "order.placed":
            self._place(event, data, time_ms, reference)
        elif event.type == "order.returned":
            if data.order not in self.returned:
                insort(self.returned, data.order)
        elif event.type in _STEPS:
            self._step(event, data, time_ms, reference)

    def facts(self, reference: Reference) -> list[Fact]:
        replay = _Replay(Lookups(reference, self.kept))
        for step in self.steps:
            replay.on(step)
        return self._orders() + replay.result() + self._firsts()

    @property
    def orphan(self) -> bool:
        """Whether nothing is known but returns of orders that never came, or what no KPI reads."""
        return not (self.won or self.orders or self.steps)

    def _place(self, event: Event, data: OrderData, time_ms: int, reference: Reference) -> None:
        look = Lookups(reference, {})  # converted once, here; an event in a currency without a rate is refused

        def money(amount: float | None) -> int:
            return (look.money(amount, data.currency, time_ms) or 0) if amount is not None else 0

        dims = packed(data, time_ms, reference)
        found = Order(time_ms, event.source, event.id, data.order, dims, money(data.amount), money(data.direct_cost))
        known = next((order for order in self.orders if order.order == found.order), None)
        if known is not None and known.key <= found.key:
            return
        if known is not None:
            self.orders.remove(known)
        insort(self.orders, found)

    def _step(self, event: Event, data: SubscriptionData, time_ms: int, reference: Reference) -> None:
        if any(step.id == event.id and step.source == event.source for step in self.steps):
            return
        rank, dims = _STEPS[event.type], resolve(data, time_ms, reference)
        step = Step(time_ms, rank, event.source, event.id, data.subscription, dims, data.mrr, data.currency)
        insort(self.steps, step)

    def _orders(self) -> list[Fact]:
        facts: list[Fact] = []
        returned = set(self.returned)
        last_ms: int | None = None
        for order in self.orders:
            t, dims = order.time_ms, order.dims
            facts.append(Fact("order_placed", t, 1, dims))
            if order.amount:
                facts.append(Fact("order_revenue", t, order.amount, dims))
            if order.cost:
                facts.append(Fact("order_cost", t, order.cost, dims))
            if order.order in returned:
                facts.append(Fact("order_returned", t, 1, dims))
            if last_ms is not None:
                facts.append(Fact("order_gap", t, t - last_ms, dims))
            last_ms = t
        return facts

    def _firsts(self) -> list[Fact]:
        """When it became a customer, and whether it ordered again."""
        facts: list[Fact] = []
        first = self.orders[0] if self.orders else None
        if first is not None:
            facts.append(Fact("customer_ordered", first.time_ms, 1, first.dims))
            if len(self.orders) > 1:
                facts.append(Fact("customer_reordered", first.time_ms, 1, first.dims))
        if self.won is not None and (first is None or self.won[:3] < first.key):
            facts.append(Fact("customer_new", self.won[0], 1, self.won[3]))
        elif first is not None:
            facts.append(Fact("customer_new", first.time_ms, 1, first.dims))
        return facts


class _Merged:
    """Dimensions that events add to, with their packed form."""

    def __init__(self) -> None:
        self.dims: dict[str, str] = {}
        self.packed: Dims = ()

    def add(self, own: dict[str, str]) -> None:
        merged = merge(self.dims, own)
        if merged != self.dims:
            self.dims, self.packed = merged, pack(merged)


class _Subscription:
    """State of a subscription while the events of its customer run by, and what it adds to the levels."""

    def __init__(self) -> None:
        self.state = NONE
        self.dims = _Merged()
        self.currency: str | None = None
        self.mrr = 0
        self.counted = NOTHING
        self.paying = NOTHING


class _Replay:
    """All subscriptions of a customer while their events run by, and what that means for the levels."""

    def __init__(self, look: Lookups) -> None:
        self.look = look
        self.subscriptions: dict[str, _Subscription] = {}
        self.dims = _Merged()
        self.active = 0  # number of subscriptions
        self.counted = NOTHING
        self.facts: list[Fact] = []
        self.lost: list[Fact] = []

    def on(self, step: Step) -> None:
        one = self.subscriptions.get(step.subscription)
        if one is None:
            one = self.subscriptions[step.subscription] = _Subscription()
        if one.state != ACTIVE and step.rank != STARTED:
            kind = "changed" if step.rank == CHANGED else "cancelled"
            self.facts.append(Fact(f"anomaly/subscription_{kind}_while_{one.state}", step.time_ms, 1, ()))
            return
        if step.rank == CANCELLED:
            self.active -= 1
            one.state = ENDED
        else:
            self.active += one.state != ACTIVE
            one.state = ACTIVE
            self._attributes(one, step)
        self._relevel(one, step.time_ms)

    def result(self) -> list[Fact]:
        return self.facts if self.active else self.facts + self.lost

    def _attributes(self, one: _Subscription, step: Step) -> None:
        one.dims.add(step.dims)
        self.dims.add(step.dims)
        one.currency = step.currency or one.currency
        if step.mrr is None:
            return
        money = self.look.money(step.mrr, one.currency, step.time_ms)
        if money is None:
            self.facts.append(Fact("anomaly/subscription_mrr_without_rate", step.time_ms, 1, ()))
        else:
            one.mrr = money

    def _relevel(self, one: _Subscription, t: int) -> None:
        """Levels change by what is new less what was there."""
        is_active, dims = one.state == ACTIVE, one.dims.packed
        counted, paying = ((1, dims), (one.mrr, dims)) if is_active else (NOTHING, NOTHING)
        customer = (1, self.dims.packed) if self.active else NOTHING
        self._move("subscriptions", t, one.counted, counted)
        self._move("mrr", t, one.paying, paying)
        self._move("customers", t, self.counted, customer)
        one.counted, one.paying, self.counted = counted, paying, customer

    def _move(self, name: str, t: int, before: Level, after: Level) -> None:
        if before == after:
            return
        (old, gone), (new, dims) = before, after
        for value, where in ((new - old, dims),) if gone == dims else ((-old, gone), (new, dims)):
            if not value:
                continue
            self.facts.append(Fact(name, t, value, where))
            if name in _COMPARED:
                change, lost = _COMPARED[name]
                self.facts.append(Fact(change, t, value, where))
                self.lost.append(Fact(lost, t, -value, where))
