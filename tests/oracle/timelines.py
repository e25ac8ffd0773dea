"""Short notation for hand-made timelines, with a roster that they share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

from oracle.formulas import Row
from oracle.oracle import values

DAY_S = 86_400
AT = "2026-05-13T12:00Z"  # a Wednesday
_NUMBERS = count()
FAMILIES = {"quote": "deal", "order": "customer", "subscription": "customer", "research": "rep"}
FIELDS = {
    "email": "message_id", "message": "message_id", "meeting": "meeting_id", "deal": "deal", "lead": "lead",
    "customer": "customer", "rep": "rep", "webinar": "webinar_id",
}  # fmt: skip


INSTANTS = ("valid_from", "first_contact_at")


def rfc3339(text: str) -> str:
    """Times without a zone are UTC, those like "10:00" on the day of AT."""
    instant = datetime.fromisoformat(text if len(text) > 12 else f"2026-05-13T{text}")
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat(timespec="milliseconds")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def ev(kind: str, time: str, name: str = "1", /, **data: Any) -> dict[str, Any]:
    """An event with a fresh id; `name` is that of the entity (the customer of an order, the rep of research)."""
    family = FAMILIES.get(kind.split(".")[0], kind.split(".")[0])
    if field := FIELDS.get(family):
        data.setdefault(field, name)
    if kind == "quote.sent":
        data["quote"] = "q"
    return {
        "id": f"n{next(_NUMBERS)}",
        "source": "test",
        "type": kind,
        "time": rfc3339(time),
        "subject": f"webinar/{name}/{data['contact']}" if family == "webinar" else f"{family}/{name}",
        "data": {key: rfc3339(value) if key in INSTANTS else value for key, value in data.items()},
    }


def created(time: str, name: str = "1", amount: float = 100, currency: str = "EUR", **data: Any) -> dict[str, Any]:
    return ev("deal.created", time, name, amount=amount, currency=currency, **data)


def stage(name: str, **data: Any) -> dict[str, Any]:
    return ev("stage.defined", "2020-01-01T00:00", stage=name, pipeline="default", **data)


def ask(events: list[dict[str, Any]], at: str = AT, reference: Any = (), **options: Any) -> dict[Any, Row]:
    return values(
        [json.dumps(event).encode() for event in events],
        ms(at),
        reference=[json.dumps(event).encode() for event in reference],
        **options,
    )


def groups(answer: dict[Any, Row], kpi: str, window: str | None = "all") -> dict[str, float | None]:
    """The KPI's value in every group."""
    return {group: row.value for (name, group, w), row in answer.items() if (name, w) == (kpi, window)}


ROSTER = [
    ev("rep.defined", "2020-01-01T00:00", rep="a", team="north", region="dach"),
    ev("rep.defined", "2020-01-01T00:00", rep="a", team="south", valid_from="2026-05-13T10:00Z"),
    ev("team.defined", "2020-01-01T00:00", team="south", region="uk"),
    ev("team.defined", "2020-01-01T00:00", team="south", region="fr", valid_from="2026-05-13T11:00Z"),
]
