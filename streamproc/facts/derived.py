"""Derived events: what one event tells about an entity of another partition, as an event for that partition.

A call to a lead is a touch of the lead; a deal won makes a customer. Each follows from a single event, whatever is
known of its entity, and has an id made from the origin's: so a repeated origin makes a repeated event, not a new one.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from streamproc.event_data import Dims
from streamproc.events import EVENTS, Event
from streamproc.facts.activity import touches

SOURCE = "derived"
TYPES = ("lead.touched", "customer.won")


class Derived(NamedTuple):
    """A record of an event topic."""

    topic: str
    key: bytes
    value: bytes


def derive(event: Event) -> Derived | None:
    """The event that follows from an event, if any."""
    data = event.data
    if touches(event):
        if data.lead:
            return _record(event, "lead.touched", f"lead/{data.lead}", {"lead": data.lead})
    elif event.type == "deal.won" and data.customer:
        return _record(
            event, "customer.won", f"customer/{data.customer}", {"customer": data.customer, "deal": data.deal}
        )
    return None


def _record(origin: Event, kind: str, subject: str, data: dict[str, Any]) -> Derived:
    dims = {name: value for name in Dims.__struct_fields__ if (value := getattr(origin.data, name)) is not None}
    body = {
        "specversion": "1.0",
        "id": blake2b(f"{origin.source}\n{origin.id}".encode(), digest_size=16).hexdigest(),
        "source": SOURCE,
        "type": kind,
        "time": origin.time,
        "subject": subject,
        "data": {**dims, **data},
    }
    return Derived(EVENTS[kind].topic, subject.encode(), orjson.dumps(body))
