"""Deals won, to be celebrated: what `kpi.events` tells of each new event of the kind while it is news."""

from __future__ import annotations

from typing import NamedTuple

from streamproc.event_data import DealWon
from streamproc.events import Event
from streamproc.facts.dims import resolve
from streamproc.facts.reference import Reference

NEWS_MS = 86_400_000  # an event older than a day is no news


class Won(NamedTuple):
    """A deal won, as its event tells: what it does not say is None. `source` and `id` are the event's."""

    source: str
    id: str
    deal: str
    rep: str | None
    team: str | None
    region: str | None
    amount: float | None
    currency: str | None
    time_ms: int


def won(event: Event, reference: Reference, now_ms: int) -> Won | None:
    """What is to be told of an event at a time of the wall clock, if anything."""
    data = event.data
    if not isinstance(data, DealWon) or (time_ms := event.time_ms) < now_ms - NEWS_MS:
        return None
    dims = resolve(data, time_ms, reference)
    who = dims.get("rep"), dims.get("team"), dims.get("region")
    return Won(event.source, event.id, data.deal, *who, data.amount, data.currency, time_ms)
