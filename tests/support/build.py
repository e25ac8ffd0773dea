"""Events and records for tests: canonical events from a few words, and what they arrive in."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from streamproc.codec import Rejection, decode, decode_reference
from streamproc.events import EVENTS, REFERENCE, Event

DAY = "2026-03-02"  # a Monday
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


class Rec(NamedTuple):
    """A Kafka record. `timestamp` is its arrival."""

    value: bytes | None
    timestamp: int = 0
    key: bytes | None = b"key"
    topic: str = "sales.crm"
    partition: int = 0
    offset: int = 0


def ms(time: str, *, day: str = DAY, zone: str = "UTC") -> int:
    """Epoch ms of `09:00`, `09:00:30.5`, `2026-03-05`, `2026-03-05 10:00` (in `zone`), or with an offset."""
    instant = datetime.fromisoformat(time if len(time) > 8 and "-" in time else f"{day} {time}")
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=ZoneInfo(zone))
    return round(instant.timestamp() * 1000)


def rfc3339(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, ZoneInfo("UTC")).isoformat(timespec="milliseconds")


def event(
    kind: str, subject_id: str = "1", time: str | int = "09:00", /, *, id: str = "", source: str = "test", **data: Any
) -> Any:
    """A canonical event as a dict; fields of `data` that must name its subject are filled in."""
    time_ms = ms(time) if isinstance(time, str) else time
    family, *fields = EVENTS[kind].subject.split("/")
    if kind == "deal.created":
        data = {"amount": 100, "currency": "EUR"} | data
    if kind == "quote.sent":
        data = {"quote": f"quote-{subject_id}"} | data
    if kind.startswith("message."):
        data = {"channel": "linkedin"} | data
    for field in fields[:1]:
        data.setdefault(field, subject_id)
    subject = "/".join([family or "any", *((data[field] for field in fields) if fields else [subject_id])])
    return {
        "specversion": "1.0",
        "id": id or f"{kind}-{subject_id}-{time_ms}",
        "source": source,
        "type": kind,
        "time": rfc3339(time_ms),
        "subject": subject,
        "data": data,
    }


def line(*args: Any, **data: Any) -> bytes:
    """A canonical event as bytes."""
    return json.dumps(event(*args, **data)).encode()


def decoded(*args: Any, **data: Any) -> Event:
    """A canonical event, decoded."""
    return parse(line(*args, **data), EVENTS[args[0]].topic)


def parse(raw: bytes, topic: str = "") -> Event:
    found = (decode_reference if topic == REFERENCE else decode)(raw)
    assert not isinstance(found, Rejection), found
    return found


def rec(*args: Any, arrival: int | None = None, **data: Any) -> Rec:
    """A record that arrives (by default) the moment its event happens."""
    raw = line(*args, **data)
    arrival_ms = decoded(*args, **data).time_ms if arrival is None else arrival
    return Rec(raw, arrival_ms, topic=EVENTS[args[0]].topic)
