"""The life of an e-mail or message: sent → bounced | opened → clicked → replied.

Each counts once per kind, at the time of sending with the dimensions of the sending, whatever the order of arrival.
Only the response time counts at its end, the first reply, and `reply_received` beside it. A mail that bounced or was
rejected was not reached and counts in no numerator but its bounce.
"""

from __future__ import annotations

from msgspec import Struct

from streamproc.event_data import EmailClicked, EmailOpened
from streamproc.events import EVENTS, Event
from streamproc.facts.dims import Roster, packed
from streamproc.facts.fact import Dims, Fact

ENGAGEMENT_MS = 90 * 86_400_000  # opens, clicks and replies later than this after sending are ignored

_KIND = {name: name.partition(".")[2] for name in EVENTS}
_LATER = frozenset(("bounced", "rejected", "opened", "clicked", "replied"))
_BY_MACHINES = (EmailOpened, EmailClicked)

# kind of engagement → name of its fact; messages can only be answered
_ENGAGED = {
    "email": (
        ("opened", "email_opened"),
        ("clicked", "email_clicked"),
        ("replied", "email_replied"),
        ("machine_opened", "email_machine_opened"),
        ("machine_clicked", "email_machine_clicked"),
    ),
    "message": (("replied", "message_replied"),),
}


class Outreach(Struct, array_like=True, tag="o", gc=False):
    """Earliest time of each kind (epoch ms). Without `sent_ms` the others wait for the sending."""

    family: str
    sent_ms: int | None = None
    source: str = ""
    id: str = ""
    dims: Dims = ()
    bounced: int | None = None
    rejected: int | None = None
    opened: int | None = None
    clicked: int | None = None
    replied: int | None = None
    machine_opened: int | None = None
    machine_clicked: int | None = None

    def apply(self, event: Event, time_ms: int, roster: Roster) -> None:
        kind = _KIND[event.type]
        if kind == "sent":
            before = self.sent_ms is not None and (self.sent_ms, self.source, self.id) <= (
                time_ms,
                event.source,
                event.id,
            )
            if not before:
                channel = "email" if self.family == "email" else None
                self.sent_ms, self.source, self.id = time_ms, event.source, event.id
                self.dims = packed(event.data, time_ms, roster, channel)
            return
        if kind not in _LATER:
            return
        if isinstance(event.data, _BY_MACHINES) and event.data.machine:
            kind = f"machine_{kind}"
        earliest = getattr(self, kind)
        if earliest is None or time_ms < earliest:
            setattr(self, kind, time_ms)

    def facts(self, roster: Roster) -> list[Fact]:
        sent_ms, dims, family = self.sent_ms, self.dims, self.family
        if sent_ms is None:
            return []
        facts = [Fact(f"{family}_sent", sent_ms, 1, dims)]
        if self.bounced is not None:
            facts.append(Fact("email_bounced", sent_ms, 1, dims))
        if self.bounced is not None or self.rejected is not None:
            if self.opened is not None or self.clicked is not None or self.replied is not None:
                facts.append(Fact("anomaly/engaged_unreached", sent_ms, 1, ()))
            return facts
        if family == "email":
            facts.append(Fact("email_reached", sent_ms, 1, dims))
        for kind, name in _ENGAGED[family]:
            at = getattr(self, kind)
            if at is not None and at - sent_ms <= ENGAGEMENT_MS:
                facts.append(Fact(name, sent_ms, 1, dims))
                if kind == "replied":
                    facts.append(Fact("reply_received", at, 1, dims))
        return facts + self._response(sent_ms)

    def _response(self, sent_ms: int) -> list[Fact]:
        if self.family != "email" or self.replied is None:
            return []
        taken_ms = self.replied - sent_ms
        if taken_ms < 0:
            return [Fact("anomaly/replied_before_sent", sent_ms, 1, ())]
        return [Fact("email_response", self.replied, taken_ms, self.dims)] if taken_ms <= ENGAGEMENT_MS else []

    @property
    def orphan(self) -> bool:
        """Whether something happened to a mail whose sending never came."""
        return self.sent_ms is None
