"""Picking of what generated events say: choices, times and dimensions that all families share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Event = dict[str, Any]
Made = tuple[str, Event]  # type and data


class Pick(Protocol):
    def __call__(self, options: Sequence[T]) -> T: ...


REPS, TEAMS, REGIONS = ("ann", "bob", "cy", "stranger"), ("north", "south", "lonely"), ("dach", "uk")
PARTNERS = ("acme", "zenit")
CURRENCIES = ("EUR", "USD", "GBP")
AMOUNTS = (1000.0, 0.0, 250.5, 0.00005, 0.0001, 33.3333, -100.0, 99_999_999.99)
LEADS = ("1", "2", "3")


def text(time_ms: int, offset_minutes: int) -> str:
    """A time as RFC 3339."""
    instant = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)
    return instant.astimezone(timezone(timedelta(minutes=offset_minutes))).isoformat(timespec="milliseconds")


def maybe(pick: Pick, data: Event, name: str, options: Sequence[Any], simplest: int = 2) -> None:
    """Sets a field to one of `options`, or (more likely the larger `simplest`) leaves it out."""
    value = pick((*[None] * simplest, *options))
    if value is not None:
        data[name] = value


def dims(pick: Pick) -> Event:
    data: Event = {}
    maybe(pick, data, "rep", REPS)
    maybe(pick, data, "team", TEAMS, 9)
    maybe(pick, data, "region", REGIONS, 9)
    maybe(pick, data, "campaign", ("q1", "q2=x"), 4)
    maybe(pick, data, "product", ("crm", "übung"), 6)
    maybe(pick, data, "channel", ("web", "video", "linkedin"), 9)
    maybe(pick, data, "lead_source", ("web", "fair"), 6)
    maybe(pick, data, "segment", ("new", "existing"), 6)
    maybe(pick, data, "partner", PARTNERS, 9)
    maybe(pick, data, "account", ("a1", "a2"), 6)
    maybe(pick, data, "variant", ("a", "b"), 6)
    return data
