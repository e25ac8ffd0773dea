"""The oracle's replay of a deal's life: from its ordered events to facts and open periods.

Written from definitions.md §6 and the decisions of the project; shares nothing with the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

DIMS = (
    "rep", "team", "region", "product", "channel", "campaign",
    "partner", "lead_source", "account", "segment", "variant",
)  # fmt: skip
# Naming another stage in one of these moves an open deal; in a decision it only says where a reopened deal stands.
MOVES = {"deal.created", "deal.stage_changed", "deal.updated", "quote.sent"}
_EXACT = Context(prec=80)

Row = dict[str, Any]


def times(units: int | Decimal, factor: float) -> int:
    """`units` × `factor` (the factor's shortest decimal), rounded half-even."""
    product = _EXACT.multiply(Decimal(units), Decimal(repr(float(factor))))
    return int(product.to_integral_value(ROUND_HALF_EVEN, _EXACT))


@dataclass
class Stages:
    """stage.defined by (pipeline, stage); the last definition holds, the first one gives the position."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        key = (row["pipeline"], row["stage"])
        position = sum(pipeline == row["pipeline"] for pipeline, _ in self.rows)
        self.rows[key] = {**row, "position": self.rows[key]["position"] if key in self.rows else position}

    def order(self, pipeline: str, stage: str) -> int | None:
        row = self.rows.get((pipeline, stage))
        return None if row is None else row["position"] if row["order"] is None else row["order"]

    def probability(self, pipeline: str, stage: str | None, told: float | None) -> float:
        defined = self.rows.get((pipeline, stage or ""), {}).get("probability")
        return next((p for p in (defined, told) if p is not None), 0.5)

    def decision(self, pipeline: str, stage: str | None) -> str | None:
        row = self.rows.get((pipeline, stage or ""), {})
        return "won" if row.get("is_won") else "lost" if row.get("is_lost") else None

    def is_opportunity(self, pipeline: str, stage: str | None) -> bool:
        marked = {name for (of, name), row in self.rows.items() if of == pipeline and row["qualified"]}
        return not marked or stage in marked


@dataclass
class Stay:
    """A deal's stay in a stage: what held when it entered."""

    since_ms: int
    dims: Row
    order: int | None


class Life:
    """One deal. `convert(amount, currency, time_ms)` gives units of 1/10,000, or None where no rate is known."""

    def __init__(self, stages: Stages, currency: str, convert: Callable[[float, str, int], int | None]) -> None:
        self.stages, self.convert = stages, convert
        self.state = "none"
        self.dims: Row = {}
        self.pipeline = "default"
        self.currency = currency
        self.amount = 0
        self.stage: str | None = None
        self.undecided_stage: str | None = None  # the last one that is not marked won or lost
        self.probability: float | None = None
        self.first_contact_ms: int | None = None
        self.opened_ms: int | None = None
        self.stay: Stay | None = None
        self.facts: list[Row] = []
        self.decision: list[Row] = []  # facts that a reopening withdraws
        self.open_periods: list[Row] = []

    def add(self, event: Row) -> None:
        kind = event["type"]
        if kind == "deal.created":
            self._created(event)
        elif kind in ("deal.won", "deal.lost"):
            if self.state in ("none", "open"):
                self._learn(event)
                self._decide(kind.removeprefix("deal."), event["time_ms"])
        elif kind == "deal.reopened":
            self._reopened(event)
        elif kind == "deal.deleted":
            if self.state == "open":
                self._learn(event)
                self.state, self.stay = "deleted", None
        elif self.state in ("none", "open"):
            self._changed(event)
        if kind == "quote.sent" and not any(fact["name"] == "deal_quoted" for fact in self.facts):
            self._fact("deal_quoted", event["time_ms"])
        if self.state == "open":
            self._note_open_period(event["time_ms"])

    def _created(self, event: Row) -> None:
        time_ms, opens = event["time_ms"], self.state == "none"
        if opens:
            self._learn(event)
        if not any(fact["name"] == "deal_created" for fact in self.facts):
            self._fact("deal_created", time_ms)
        if opens:
            self.state, self.opened_ms = "open", time_ms
            self._enter(time_ms)

    def _changed(self, event: Row) -> None:
        before = self.stage
        self._learn(event)
        if self.stage == before or event["type"] not in MOVES:
            return
        if self.state == "open":
            self._enter(event["time_ms"])
        elif decision := self.stages.decision(self.pipeline, self.stage):
            self._decide(decision, event["time_ms"])

    def _reopened(self, event: Row) -> None:
        if self.state not in ("won", "lost", "deleted"):
            return
        self.decision.clear()
        self._learn(event)
        if self.stages.decision(self.pipeline, self.stage):
            self._name_stage(self.undecided_stage, event["probability"])
        if self.opened_ms is None:
            self.state = "none"
        else:
            self.state = "open"
            self._enter(event["time_ms"])

    def _enter(self, time_ms: int) -> None:
        """An open deal is in its stage from now on: ends the stay before and begins one, or decides."""
        if decision := self.stages.decision(self.pipeline, self.stage):
            self._decide(decision, time_ms)
            return
        order = None if self.stage is None else self.stages.order(self.pipeline, self.stage)
        if (left := self.stay) is not None:
            self.facts.append(self._dwell(left, time_ms))
            if left.order is not None and order is not None and order > left.order:
                self.facts.append({"name": "stage_advanced", "time_ms": left.since_ms, **left.dims})
        if self.stage is not None:
            self.stay = Stay(time_ms, {**self.dims, "deal_stage": self.stage}, order)
            self.facts.append({"name": "stage_entered", "time_ms": time_ms, **self.stay.dims})

    def _decide(self, decision: str, time_ms: int) -> None:
        self.decision = [{"name": f"deal_{decision}", "time_ms": time_ms, "amount": self.amount, **self.dims}]
        if decision == "won" and self.opened_ms is not None:
            since_ms = self.opened_ms if self.first_contact_ms is None else self.first_contact_ms
            if time_ms >= since_ms:
                cycle = {"name": "sales_cycle", "time_ms": time_ms, "amount": time_ms - since_ms}
                self.decision.append(cycle | self.dims)
        if (left := self.stay) is not None:
            self.decision.append(self._dwell(left, time_ms))
            if decision == "won":
                self.decision.append({"name": "stage_advanced", "time_ms": left.since_ms, **left.dims})
        self.state, self.stay = decision, None

    def _learn(self, event: Row) -> None:
        """Takes over what the event says of the deal."""
        if event["rep"] is not None:  # whoever takes over brings team and region, or none
            self.dims |= {"team": None, "region": None}
        self.dims |= {dim: event[dim] for dim in DIMS if event[dim] is not None}
        self.pipeline = event["pipeline"] or self.pipeline
        self.currency = event["currency"] or self.currency
        if event["first_contact_ms"] is not None:
            self.first_contact_ms = event["first_contact_ms"]
        if event["amount"] is not None:
            amount = self.convert(event["amount"], self.currency, event["time_ms"])
            self.amount = self.amount if amount is None else amount
        self._name_stage(event["stage"] or self.stage, event["probability"])

    def _name_stage(self, stage: str | None, probability: float | None) -> None:
        if stage != self.stage:
            self.stage, self.probability = stage, None
        if probability is not None:
            self.probability = probability
        if not self.stages.decision(self.pipeline, stage):
            self.undecided_stage = stage

    def _fact(self, name: str, time_ms: int) -> None:
        self.facts.append({"name": name, "time_ms": time_ms, **self.dims})

    @staticmethod
    def _dwell(left: Stay, time_ms: int) -> Row:
        return {"name": "stage_dwell", "time_ms": time_ms, "amount": time_ms - left.since_ms, **left.dims}

    def _note_open_period(self, time_ms: int) -> None:
        probability = self.stages.probability(self.pipeline, self.stage, self.probability)
        period = {
            "amount": self.amount,
            "weighted": times(self.amount, probability),
            "qualified": self.stages.is_opportunity(self.pipeline, self.stage),
            "is_now": False,
        }
        self.open_periods.append({"time_ms": time_ms, "deal_stage": self.stage, **period, **self.dims})


def replay(life: Life, events: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """(facts, open periods) of a deal after its events, which must be in order."""
    for event in events:
        life.add(event)
    facts = life.facts + life.decision
    if life.state == "won":
        facts += [{**fact, "name": "deal_quoted_won"} for fact in life.facts if fact["name"] == "deal_quoted"]
    if life.state == "open":
        life.open_periods[-1]["is_now"] = True
    was_open = [
        {"name": "deal_was_open", **{key: period.get(key) for key in ("time_ms", "deal_stage", *DIMS)}}
        for period in life.open_periods
    ]
    return facts + was_open, life.open_periods
