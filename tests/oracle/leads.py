"""The oracle's replay of a lead's life: its own events, and its offers to partners."""

from __future__ import annotations

from collections.abc import Iterable

from oracle.dims import Row, merge, own

DAY_MS = 86_400_000
ESCALATION_MS = DAY_MS
STAGES = {"mql", "sal", "sql"}
ENDS = ("accepted", "declined", "expired", "closed")  # of an offer that waits


def replay(events: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Facts and escalated periods of a lead after its events, which must be in order of (time, source, id)."""
    events = list(events)
    first: dict[str, Row] = {}
    stages: dict[str, Row] = {}
    offers: dict[str, dict[str, Row]] = {}
    for event in events:
        kind = event["type"].removeprefix("lead.")
        if kind in ("created", "stage_changed") and event["stage"] is not None:
            stages.setdefault(event["stage"], event)
        if kind in ("offered", "contacted", "feedback", *ENDS):
            offers.setdefault(event["partner"], {}).setdefault(kind, event)
        else:
            first.setdefault(kind, event)
    created = first.get("created")
    base = own(created) if created else {}
    facts = _entries(stages, base)
    if created is not None:
        facts += _created(created, "converted" in first)
        touches = (e for e in events if e["type"] == "lead.touched" and e["time_ms"] >= created["time_ms"])
        if (touch := next(touches, None)) is not None:
            facts.append(_between("lead_touch", created, touch, merge(base, own(touch))))
    periods: list[Row] = []
    for offer in offers.values():
        of_offer, waiting = _offer(offer, base)
        facts += of_offer
        periods += waiting
    return facts, periods


def _created(created: Row, converted: bool) -> list[Row]:
    names = ["lead_created"]
    if created["lead_source"] == "web":
        names.append("lead_online")
    if converted:
        names.append("lead_created_converted")
    return [{"name": name, "time_ms": created["time_ms"], **own(created)} for name in names]


def _entries(stages: dict[str, Row], base: Row) -> list[Row]:
    facts = []
    for stage, event in stages.items():
        names = ["lead_entered", *([f"lead_{stage.lower()}"] if stage.lower() in STAGES else [])]
        dims = {**merge(base, own(event)), "lead_stage": stage}
        facts += [{"name": name, "time_ms": event["time_ms"], **dims} for name in names]
    return facts


def _between(name: str, since: Row, until: Row, dims: Row) -> Row:
    return {"name": name, "time_ms": until["time_ms"], "amount": until["time_ms"] - since["time_ms"], **dims}


def _offer(kinds: dict[str, Row], created: Row) -> tuple[list[Row], list[Row]]:
    """Facts and escalated periods of a lead's offer to one partner."""
    offered = own(kinds["offered"]) if "offered" in kinds else {}
    dims = {kind: merge(created, merge(offered, own(event))) for kind, event in kinds.items()}
    facts: list[Row] = []

    def at(name: str, kind: str) -> None:
        facts.append({"name": name, "time_ms": kinds[kind]["time_ms"], **dims[kind]})

    def duration(name: str, since: str, until: str) -> None:
        if since in kinds and until in kinds and kinds[until]["time_ms"] >= kinds[since]["time_ms"]:
            fact = _between(name, kinds[since], kinds[until], dims[until])
            facts.append(fact)
            if fact["amount"] <= 3_600_000:
                facts.append({**fact, "name": f"{name}_hour", "amount": None})

    if "offered" in kinds:
        at("lead_offered", "offered")
        if "accepted" in kinds:
            at("lead_offered_accepted", "offered")
    if "accepted" in kinds:
        at("lead_accepted", "accepted")
        if "feedback" in kinds:
            at("lead_accepted_feedback", "accepted")
        if "closed" in kinds and kinds["closed"]["outcome"] == "won":
            at("lead_accepted_won", "accepted")
    duration("lead_acceptance", "offered", "accepted")
    duration("lead_contact", "accepted", "contacted")
    duration("lead_handling", "accepted", "closed")
    return facts, _escalated(kinds, dims)


def _escalated(kinds: dict[str, Row], dims: dict[str, Row]) -> list[Row]:
    if "offered" not in kinds:
        return []
    start_ms = kinds["offered"]["time_ms"] + ESCALATION_MS
    end_ms = min((kinds[kind]["time_ms"] for kind in ENDS if kind in kinds), default=None)
    if end_ms is not None and end_ms <= start_ms:
        return []
    return [{"name": "escalated", "start_ms": start_ms, "end_ms": end_ms, "amount": 0, **dims["offered"]}]
