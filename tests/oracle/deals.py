"""The oracle's replay of a deal's life: from its ordered events to facts and open periods.

Written from definitions.md §6 and the decisions of the project; shares nothing with the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oracle.dims import DIMS, Convert, Row, times
from oracle.stages import Stages

# Naming another stage in one of these moves an open deal; in a decision it only says where a reopened deal stands.
MOVES = {"deal.created", "deal.stage_changed", "deal.updated", "quote.sent"}


@dataclass
class Stay:
    """A deal's stay in a stage: what held when it entered."""

    since_ms: int
    dims: Row
    order: int | None


class Life:
    """One deal."""

    def __init__(self, stages: Stages, currency: str, convert: Convert) -> None:
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
                self._decide(kind.removeprefix("deal."), event["time_ms"], event.get("direct_cost"))
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

    def _decide(self, decision: str, time_ms: int, direct_cost: float | None = None) -> None:
        self.decision = [{"name": f"deal_{decision}", "time_ms": time_ms, "amount": self.amount, **self.dims}]
        if direct_cost is not None:
            cost = self.convert(direct_cost, self.currency, time_ms)
            self.decision.append({"name": "deal_cost", "time_ms": time_ms, "amount": cost or 0, **self.dims})
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
        if self.open_periods and self.open_periods[-1]["end_ms"] is None:
            self.open_periods[-1]["end_ms"] = time_ms
        if self.state != "open":
            return
        probability = self.stages.probability(self.pipeline, self.stage, self.probability)
        period = {
            "amount": self.amount,
            "weighted": times(self.amount, probability),
            "qualified": self.stages.is_opportunity(self.pipeline, self.stage),
            "start_ms": time_ms,
            "end_ms": None,
        }
        self.open_periods.append({"name": "deal", "deal_stage": self.stage, **period, **self.dims})


def replay(life: Life, events: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Facts and open periods of a deal after its events, which must be in order."""
    for event in events:
        life.add(event)
    facts = life.facts + life.decision
    if life.state == "won":
        facts += [{**fact, "name": "deal_quoted_won"} for fact in life.facts if fact["name"] == "deal_quoted"]
    return facts, life.open_periods
