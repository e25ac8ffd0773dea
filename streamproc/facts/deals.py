"""The life of a deal, replayed from its set of events in their order.

The order is (time, rank, source, id), not that of arrival, so late and reordered events give the same facts. All
transitions are in `TRANSITIONS`; what is not there is an anomaly and changes nothing.
"""

from __future__ import annotations

from bisect import insort
from decimal import Decimal
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from streamproc.events import Event, to_ms
from streamproc.facts.dims import pack, resolve
from streamproc.facts.fact import Dims, Fact
from streamproc.facts.reference import Lookups, Reference, rounded

NONE, OPEN, WON, LOST, DELETED = "none", "open", "won", "lost", "deleted"
DECIDED = (WON, LOST)

RANKS = {
    "created": 0,
    "updated": 1,
    "quote": 1,
    "stage": 2,
    "won": 3,
    "lost": 3,
    "reopened": 4,
    "deleted": 5,
}
_KINDS = {
    "deal.created": "created",
    "deal.updated": "updated",
    "quote.sent": "quote",
    "deal.stage_changed": "stage",
    "deal.won": "won",
    "deal.lost": "lost",
    "deal.reopened": "reopened",
    "deal.deleted": "deleted",
}

# (state, kind) → state after it; "back" is open where a creation had opened it, else none. A quote changes no state.
TRANSITIONS = {
    (NONE, "created"): OPEN,
    (NONE, "updated"): NONE,
    (NONE, "stage"): NONE,
    (NONE, "won"): WON,
    (NONE, "lost"): LOST,
    (OPEN, "updated"): OPEN,
    (OPEN, "stage"): OPEN,
    (OPEN, "won"): WON,
    (OPEN, "lost"): LOST,
    (OPEN, "deleted"): DELETED,
    (WON, "reopened"): "back",
    (LOST, "reopened"): "back",
    (DELETED, "reopened"): "back",
}


class Entry(Struct, array_like=True, frozen=True):
    """One event of a deal, as its history keeps it. `data` holds only the fields that were given."""

    time_ms: int
    rank: int
    source: str
    id: str
    kind: str
    data: dict[str, Any]
    dims: dict[str, str]

    def __lt__(self, other: Entry) -> bool:
        return self.key < other.key

    @property
    def key(self) -> tuple[int, int, str, str]:
        return (self.time_ms, self.rank, self.source, self.id)


class Deal(Struct, array_like=True, tag="d"):
    """The history of a deal in order, and the look-ups made for it (`Lookups`)."""

    history: list[Entry] = []
    kept: dict[str, Any] = {}

    def apply(self, event: Event, time_ms: int, reference: Reference) -> None:
        kind = _KINDS[event.type]
        look = Lookups(reference, self.kept)
        data = {
            name: to_ms(value) if name == "first_contact_at" else value
            for name in _ATTRIBUTES
            if (value := getattr(event.data, name, None)) is not None
        }
        dims = resolve(event.data, time_ms, look)
        entry = Entry(time_ms, RANKS[kind], event.source, event.id, kind, data, dims)
        if all((entry.source, entry.id) != (known.source, known.id) for known in self.history):
            insort(self.history, entry)

    def facts(self, reference: Reference) -> list[Fact]:
        replay = _Replay(Lookups(reference, self.kept))
        for entry in self.history:
            replay.on(entry)
        return replay.result()

    @property
    def orphan(self) -> bool:
        return False


_ATTRIBUTES = ("amount", "currency", "pipeline", "stage", "probability", "first_contact_at", "direct_cost")


class _Stay(Struct):
    """A stay in a stage: since when, with which dimensions it was entered, and the stage's place in its pipeline."""

    name: str
    since_ms: int
    dims: Dims
    order: int | None


class _Replay:
    """State of a deal while its history runs by. `final` facts stand; those of `decision` fall with a reopening."""

    def __init__(self, look: Lookups) -> None:
        self.look = look
        self.state = NONE
        self.dims: dict[str, str] = {}
        self.amount = 0
        self.currency: str | None = None
        self.pipeline = "default"
        self.probability: float | None = None
        self.stage: str | None = None
        self.open_stage: str | None = None  # the last one not marked won or lost
        self.first_contact_ms: int | None = None
        self.created_ms: int | None = None  # of the creation that opened the deal
        self.counted_created = False
        self.stay: _Stay | None = None
        self.quoted: Fact | None = None
        self.level: tuple[Fact, ...] = ()
        self.final: list[Fact] = []
        self.decision: list[Fact] = []

    def on(self, entry: Entry) -> None:
        t = entry.time_ms
        if entry.kind == "created" and not self.counted_created:
            self.counted_created = True
            if self.state == NONE:
                self._attributes(entry)
            self.final.append(Fact("deal_created", t, 1, pack(self.dims)))
        if entry.kind == "quote":
            self._quote(entry)
        elif (after := TRANSITIONS.get((self.state, entry.kind))) is None:
            self.final.append(Fact(f"anomaly/deal_{entry.kind}_when_{self.state}", t, 1, ()))
        else:
            self._move(entry, OPEN if after == "back" and self.created_ms is not None else after)
        self._relevel(t)

    def result(self) -> list[Fact]:
        facts = self.final + self.decision
        if self.quoted is not None:
            facts.append(self.quoted)
            if self.state == WON:
                facts.append(replace(self.quoted, name="deal_quoted_won"))
        return facts

    def _move(self, entry: Entry, after: str) -> None:
        """A legal transition: attributes first, then what it means."""
        t, kind = entry.time_ms, entry.kind
        self._attributes(entry)
        if kind == "deleted":
            self.stay, self.state = None, after
        elif kind == "reopened":
            self._reopen(entry, NONE if after == "back" else after)
        elif after in DECIDED:
            self._decide(t, after)
            self._cost(entry)
        else:
            if kind == "created":
                self.created_ms = t
            self.state = after
            self._enter(t)

    def _attributes(self, entry: Entry) -> None:
        data = entry.data
        if "rep" in entry.dims:
            self.dims = {name: value for name, value in self.dims.items() if name not in ("team", "region")}
        self.dims = {**self.dims, **entry.dims}
        self.pipeline = data.get("pipeline", self.pipeline)
        self.currency = data.get("currency", self.currency)
        self.first_contact_ms = data.get("first_contact_at", self.first_contact_ms)
        if "amount" in data:
            money = self.look.money(data["amount"], self.currency, entry.time_ms)
            if money is None:
                self.final.append(Fact("anomaly/deal_amount_without_rate", entry.time_ms, 1, ()))
            else:
                self.amount = money
        if "stage" in data and data["stage"] != self.stage:
            self.stage, self.probability = data["stage"], None
            self.open_stage = self.open_stage if self._decides(data["stage"]) else data["stage"]
        self.probability = data.get("probability", self.probability)

    def _enter(self, t: int) -> None:
        """Enter the stage valid now, if it differs from that of the stay; entering a won or lost one decides."""
        if self.stage is None or (self.stay is not None and self.stay.name == self.stage):
            return
        stage = self.look.stage(self.pipeline, self.stage)
        if stage.is_won or stage.is_lost:
            self._decide(t, WON if stage.is_won else LOST)
            return
        if self.state != OPEN:
            return
        if self.stay is not None:
            before, after = self.stay.order, stage.order
            self.final += self._leave(self.stay, t, before is not None and after is not None and after > before)
        self._stay(self.stage, t)

    def _stay(self, stage: str, t: int) -> None:
        order = self.look.stage(self.pipeline, stage).order
        self.stay = _Stay(stage, t, pack({**self.dims, "deal_stage": stage}), order)
        self.final.append(Fact("stage_entered", t, 1, self.stay.dims))

    def _leave(self, stay: _Stay, t: int, forward: bool) -> list[Fact]:
        facts = [Fact("stage_dwell", t, t - stay.since_ms, stay.dims)]
        if forward:
            facts.append(Fact("stage_advanced", stay.since_ms, 1, stay.dims))
        return facts

    def _decide(self, t: int, outcome: str) -> None:
        was_open = self.state == OPEN
        dims = pack(self.dims)
        self.decision = [Fact(f"deal_{outcome}", t, 1, dims)]
        if was_open and self.stay is not None:
            self.decision += self._leave(self.stay, t, forward=outcome == WON)
        if outcome == WON:
            self.decision.append(Fact("revenue", t, self.amount, dims))
            if was_open and self.created_ms is not None:
                start = self.created_ms if self.first_contact_ms is None else self.first_contact_ms
                name = "sales_cycle" if t >= start else "anomaly/won_before_first_contact"
                self.decision.append(Fact(name, t, abs(t - start), dims))
        self.state = outcome

    def _cost(self, entry: Entry) -> None:
        """What a win cost directly falls with the decision, as its revenue does."""
        if "direct_cost" not in entry.data:
            return
        money = self.look.money(entry.data["direct_cost"], self.currency, entry.time_ms)
        if money is None:
            self.decision.append(Fact("anomaly/deal_cost_without_rate", entry.time_ms, 1, ()))
        else:
            self.decision.append(Fact("deal_cost", entry.time_ms, money, pack(self.dims)))

    def _reopen(self, entry: Entry, after: str) -> None:
        """Back to the stage it had when decided, or the last one before it that does not itself decide.

        What was probable there is forgotten with the stage left; what the reopening itself says holds.
        """
        self.decision, self.stay, self.state = [], None, after
        if self.stage != self.open_stage:
            self.stage, self.probability = self.open_stage, entry.data.get("probability")
        if after == OPEN and self.stage is not None:
            self._stay(self.stage, entry.time_ms)

    def _decides(self, name: str) -> bool:
        stage = self.look.stage(self.pipeline, name)
        return stage.is_won or stage.is_lost

    def _quote(self, entry: Entry) -> None:
        if self.state in (NONE, OPEN):
            self._attributes(entry)
            self._enter(entry.time_ms)
        if self.quoted is None:
            self.quoted = Fact("deal_quoted", entry.time_ms, 1, pack(self.dims))

    def _relevel(self, t: int) -> None:
        """The open level changes by minus the old and plus the new."""
        now = self._level_facts() if self.state == OPEN else ()
        if now == self.level:
            return
        changes = [replace(fact, time_ms=t, value=-fact.value) for fact in self.level]
        changes += [replace(fact, time_ms=t) for fact in now]
        self.final += changes
        self.final += [replace(fact, name="pipeline_change") for fact in changes if fact.name == "pipeline_value"]
        self.level = now

    def _level_facts(self) -> tuple[Fact, ...]:
        dims = pack({**self.dims, "deal_stage": self.stay.name} if self.stay else self.dims)
        stage = self.look.stage(self.pipeline, self.stay.name) if self.stay else None
        probability = stage.probability if stage else None
        if probability is None:
            probability = 0.5 if self.probability is None else self.probability
        weighted = rounded(Decimal(self.amount), Decimal(repr(probability)))
        qualified = bool(stage and stage.qualified) or not self.look.marks_qualified(self.pipeline)
        return (
            Fact("open_deals", 0, 1, dims),
            Fact("opportunities", 0, int(qualified), dims),
            Fact("pipeline_value", 0, self.amount, dims),
            Fact("pipeline_weighted", 0, weighted, dims),
        )
