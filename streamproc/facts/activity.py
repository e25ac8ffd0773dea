"""Activities: calls, meetings, webinars, research, and whom an outbound activity touched."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from streamproc.event_data import CallLogged, Meeting, ResearchLogged
from streamproc.events import Event
from streamproc.facts.dims import Roster, merge, pack, packed, resolve
from streamproc.facts.fact import Fact, hash64
from streamproc.facts.reference import rounded

_TOUCHING = frozenset(("call.logged", "email.sent", "meeting.held", "message.sent"))
_CHANNELS = {"call.logged": "phone", "email.sent": "email"}


def channel_of(event: Event) -> str | None:
    """The channel that an event's type implies: a call is phone, a meeting by its medium."""
    if isinstance(event.data, Meeting):
        return event.data.medium
    return _CHANNELS.get(event.type)


def touches(event: Event) -> bool:
    """Whether an event is an activity that somebody was addressed by: no inbound call."""
    return event.type in _TOUCHING and getattr(event.data, "direction", None) != "inbound"


def event_facts(event: Event, time_ms: int, roster: Roster) -> list[Fact]:
    """Facts that follow from the single event, whatever else is known of its entity."""
    data = event.data
    if event.type not in _TOUCHING and not isinstance(data, ResearchLogged):
        return []
    dims = packed(data, time_ms, roster, channel_of(event))
    if isinstance(data, ResearchLogged):
        spent_ms = rounded(Decimal(repr(data.duration_s)), Decimal(1000))
        return [Fact("research", time_ms, spent_ms, dims), Fact("research_logged", time_ms, 1, dims)]
    facts = []
    if isinstance(data, CallLogged):
        facts.append(Fact("call", time_ms, 1, dims))
        if data.outcome == "connected":
            facts.append(Fact("call_connected", time_ms, 1, dims))
    person = getattr(data, "contact", None) or getattr(data, "recipient", None)
    if person and touches(event):
        facts.append(Fact("contact_touched", time_ms, hash64(person), dims))
    return facts


Happened = tuple[int, str, str, dict[str, str]]  # time, source, id, dimensions of an event


def _happened(event: Event, time_ms: int, roster: Roster) -> Happened:
    return time_ms, event.source, event.id, resolve(event.data, time_ms, roster, channel_of(event))


class MeetingLife(Struct, array_like=True, tag="m"):
    """Booked → held | cancelled | no_show. A meeting is held once; what its record lacks comes from the booking."""

    held: Happened | None = None
    booked: Happened | None = None
    held_as: tuple[str | None, str | None] = (None, None)  # kind and medium
    booked_as: tuple[str | None, str | None] = (None, None)

    def apply(self, event: Event, time_ms: int, roster: Roster) -> None:
        kind = event.type.partition(".")[2]
        if kind not in ("held", "booked"):
            return
        found, known = _happened(event, time_ms, roster), getattr(self, kind)
        if known is None or found[:3] < known[:3]:
            setattr(self, kind, found)
            setattr(self, f"{kind}_as", (event.data.kind, event.data.medium))

    def facts(self, roster: Roster) -> list[Fact]:
        if self.held is None:
            return []
        dims = pack(merge(self.booked[3] if self.booked else {}, self.held[3]))
        kind, medium = (
            booked if held is None else held for held, booked in zip(self.held_as, self.booked_as, strict=True)
        )
        names = ["meeting_held"]
        if kind in ("demo", "onboarding"):
            names.append(f"meeting_{kind}")
        if medium == "video":
            names.append("meeting_video")
        return [Fact(name, self.held[0], 1, dims) for name in names]

    @property
    def orphan(self) -> bool:
        return False


class WebinarLife(Struct, array_like=True, tag="w"):
    """One person and one webinar: registered and attended count once each, with dimensions of their own."""

    registered: Happened | None = None
    attended: Happened | None = None

    def apply(self, event: Event, time_ms: int, roster: Roster) -> None:
        kind = event.type.partition(".")[2]
        found, known = _happened(event, time_ms, roster), getattr(self, kind)
        if known is None or found[:3] < known[:3]:
            setattr(self, kind, found)

    def facts(self, roster: Roster) -> list[Fact]:
        facts = []
        if self.registered is not None:
            time_ms, _, _, own = self.registered
            facts.append(Fact("webinar_registered", time_ms, 1, pack(own)))
            if self.attended is not None:
                facts.append(Fact("webinar_showed_up", time_ms, 1, pack(own)))
        if self.attended is not None:
            facts.append(Fact("webinar_attended", self.attended[0], 1, pack(self.attended[3])))
        return facts

    @property
    def orphan(self) -> bool:
        return False
