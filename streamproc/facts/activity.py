"""Activities: calls, meetings, and whom an outbound activity touched."""

from __future__ import annotations

from msgspec import Struct

from streamproc.event_data import Meeting
from streamproc.events import Event
from streamproc.facts.dims import Roster, merge, pack, resolve
from streamproc.facts.fact import Fact, hash64

_TOUCHING = frozenset(("call.logged", "email.sent", "meeting.held", "message.sent"))
_CHANNELS = {"call.logged": "phone", "email.sent": "email"}


def channel_of(event: Event) -> str | None:
    """The channel that an event's type implies: a call is phone, a meeting by its medium."""
    if isinstance(event.data, Meeting):
        return event.data.medium
    return _CHANNELS.get(event.type)


def event_facts(event: Event, time_ms: int, roster: Roster) -> list[Fact]:
    """Facts that follow from the single event, whatever else is known of its entity."""
    if event.type not in _TOUCHING:
        return []
    dims = pack(resolve(event.data, time_ms, roster, channel_of(event)))
    facts = [Fact("call", time_ms, 1, dims)] if event.type == "call.logged" else []
    person = getattr(event.data, "contact", None) or getattr(event.data, "recipient", None)
    if person and getattr(event.data, "direction", None) != "inbound":
        facts.append(Fact("contact_touched", time_ms, hash64(person), dims))
    return facts


class MeetingLife(Struct, array_like=True, tag="m"):
    """Booked → held | cancelled | no_show. A meeting is held once; what its record lacks comes from the booking."""

    held: tuple[int, str, str, dict[str, str]] | None = None  # time, source, id, dimensions
    booked: tuple[int, str, str, dict[str, str]] | None = None

    def apply(self, event: Event, time_ms: int, roster: Roster) -> None:
        kind = event.type.partition(".")[2]
        if kind not in ("held", "booked"):
            return
        found = (time_ms, event.source, event.id, resolve(event.data, time_ms, roster, channel_of(event)))
        known = getattr(self, kind)
        if known is None or found[:3] < tuple(known[:3]):
            setattr(self, kind, found)

    def facts(self, roster: Roster) -> list[Fact]:
        if self.held is None:
            return []
        booked, held = (self.booked[3] if self.booked else {}), self.held[3]
        return [Fact("meeting_held", self.held[0], 1, pack(merge(booked, held)))]

    @property
    def orphan(self) -> bool:
        return False
