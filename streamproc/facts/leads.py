"""The life of a lead: created, touched, in stages, converted; and with each partner offered … closed.

Each kind (a stage's first entry, and everything of a partner, being kinds of their own) counts at its earliest event
by (time, source, id). What an event says of dimensions is merged onto what its offer, then what the creation says.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from streamproc.event_data import LeadClosed, LeadCreated, LeadStageChanged, PartnerLead
from streamproc.events import Event
from streamproc.facts.dims import Roster, merge, pack, resolve
from streamproc.facts.fact import Dims, Fact

ESCALATION_MS = 86_400_000  # an offer that nobody has answered so long after it is escalated

_STAGE_FACTS = {"mql": "lead_mql", "sal": "lead_sal", "sql": "lead_sql"}

Mark = tuple[int, str, int]  # time (epoch ms) and id of an event, and place of its source and dimensions in `said`


class _Happened(NamedTuple):
    """An event that may be the earliest of its kind. `own`: the dimensions of its data."""

    time_ms: int
    source: str
    id: str
    own: dict[str, str]

    @property
    def key(self) -> tuple[int, str, str]:
        return self[:3]


class Offer(Struct, array_like=True):
    """A lead with one partner."""

    offered: Mark | None = None
    accepted: Mark | None = None
    contacted: Mark | None = None
    closed: Mark | None = None
    won: bool = False  # outcome of `closed`
    fed_back: bool = False
    refused_ms: int | None = None  # first declined or expired

    @property
    def answered_ms(self) -> int | None:
        """When the offer was first accepted, closed, declined or expired; None while it waits."""
        times = [mark[0] for mark in (self.accepted, self.closed) if mark is not None]
        return min([*times, *([] if self.refused_ms is None else [self.refused_ms])], default=None)


class Lead(Struct, array_like=True, tag="l"):
    """The earliest event of each kind. `said`: source and dimensions of events, each once, since they repeat."""

    said: list[tuple[str, dict[str, str]]] = []
    created: Mark | None = None
    converted: bool = False
    stages: dict[str, Mark] = {}
    touches: list[Mark] = []  # in order, up to the first since the creation
    offers: dict[str, Offer] = {}  # by partner

    def apply(self, event: Event, time_ms: int, roster: Roster) -> None:
        data, kind = event.data, event.type.partition(".")[2]
        new = _Happened(time_ms, event.source, event.id, resolve(data, time_ms, roster))
        if isinstance(data, PartnerLead):
            self._with_partner(kind, data, new)
        elif kind == "converted":
            self.converted = True
        elif kind == "touched":
            self._touch(new)
        elif kind == "created":
            self.created = self._first(self.created, new)
            self._forget_later_touches()
        if isinstance(data, LeadCreated | LeadStageChanged) and data.stage is not None:
            self.stages[data.stage] = self._first(self.stages.get(data.stage), new)

    def facts(self, roster: Roster) -> list[Fact]:
        base = self._own(self.created) if self.created is not None else {}
        facts = self._own_facts(self.created[0], base) if self.created is not None else []
        for stage, mark in self.stages.items():
            dims = pack({**merge(base, self._own(mark)), "lead_stage": stage})
            facts.append(Fact("lead_stage_entered", mark[0], 1, dims))
            if (name := _STAGE_FACTS.get(stage.lower())) is not None:
                facts.append(Fact(name, mark[0], 1, dims))
        for offer in self.offers.values():
            facts += self._offer_facts(offer, base)
        return facts

    @property
    def orphan(self) -> bool:
        return False

    def _first(self, known: Mark | None, new: _Happened) -> Mark:
        return known if known is not None and self._key(known) <= new.key else self._mark(new)

    def _mark(self, new: _Happened) -> Mark:
        said = (new.source, new.own)
        if said not in self.said:
            self.said.append(said)
        return new.time_ms, new.id, self.said.index(said)

    def _key(self, mark: Mark) -> tuple[int, str, str]:
        return mark[0], self.said[mark[2]][0], mark[1]

    def _own(self, mark: Mark) -> dict[str, str]:
        return self.said[mark[2]][1]

    def _touch(self, new: _Happened) -> None:
        """Keep a touch if it may be the first since the creation, which may yet turn out to have been earlier."""
        keys = [self._key(mark) for mark in self.touches]
        is_late = bool(keys) and self.created is not None and self.created[0] <= keys[-1][0] and keys[-1] <= new.key
        if not is_late and new.key not in keys:
            insort(self.touches, self._mark(new), key=self._key)
            self._forget_later_touches()

    def _forget_later_touches(self) -> None:
        if self.created is not None:
            first = bisect_left(self.touches, self.created[0], key=lambda mark: mark[0])
            del self.touches[first + 1 :]

    def _with_partner(self, kind: str, data: PartnerLead, new: _Happened) -> None:
        offer = self.offers.setdefault(data.partner, Offer())
        if kind == "feedback":
            offer.fed_back = True
        elif kind in ("declined", "expired"):
            offer.refused_ms = new.time_ms if offer.refused_ms is None else min(offer.refused_ms, new.time_ms)
        else:
            before = getattr(offer, kind)
            first = self._first(before, new)
            setattr(offer, kind, first)
            if isinstance(data, LeadClosed) and first is not before:
                offer.won = data.outcome == "won"

    def _own_facts(self, created_ms: int, base: dict[str, str]) -> list[Fact]:
        dims = pack(base)
        facts = [Fact("lead_created", created_ms, 1, dims)]
        if base.get("lead_source") == "web":
            facts.append(Fact("lead_online", created_ms, 1, dims))
        if self.converted:
            facts.append(Fact("lead_converted", created_ms, 1, dims))
        if self.touches and (touch := self.touches[-1])[0] >= created_ms:
            touch_dims = pack(merge(base, self._own(touch)))
            facts.append(Fact("lead_touch", touch[0], touch[0] - created_ms, touch_dims))
        return facts

    def _offer_facts(self, offer: Offer, base: dict[str, str]) -> Iterator[Fact]:
        offered = self._own(offer.offered) if offer.offered is not None else {}

        def dims_of(mark: Mark) -> Dims:
            return pack(merge(base, merge(offered, self._own(mark))))

        if offer.offered is not None:
            dims = dims_of(offer.offered)
            yield Fact("lead_offered", offer.offered[0], 1, dims)
            if offer.accepted is not None:
                yield Fact("lead_taken", offer.offered[0], 1, dims)
            yield from _escalation(offer.offered[0], offer.answered_ms, dims)
        if offer.accepted is not None:
            accepted_ms, dims = offer.accepted[0], dims_of(offer.accepted)
            yield Fact("lead_accepted", accepted_ms, 1, dims)
            if offer.fed_back:
                yield Fact("lead_fed_back", accepted_ms, 1, dims)
            if offer.won:
                yield Fact("lead_partner_won", accepted_ms, 1, dims)
            if offer.offered is not None:
                yield _duration("lead_acceptance", "accepted_before_offered", offer.offered[0], accepted_ms, dims)
            if (one := offer.contacted) is not None:
                yield _duration("lead_contact", "contacted_before_accepted", accepted_ms, one[0], dims_of(one))
            if (one := offer.closed) is not None:
                yield _duration("lead_handling", "closed_before_accepted", accepted_ms, one[0], dims_of(one))


def _escalation(offered_ms: int, answered_ms: int | None, dims: Dims) -> Iterator[Fact]:
    """The level rises when an offer has waited too long, and falls with the answer."""
    escalated_ms = offered_ms + ESCALATION_MS
    if answered_ms is None or answered_ms > escalated_ms:
        yield Fact("leads_escalated", escalated_ms, 1, dims)
        if answered_ms is not None:
            yield Fact("leads_escalated", answered_ms, -1, dims)


def _duration(name: str, anomaly: str, start_ms: int, end_ms: int, dims: Dims) -> Fact:
    if end_ms < start_ms:
        return Fact(f"anomaly/{anomaly}", end_ms, 1, ())
    return Fact(name, end_ms, end_ms - start_ms, dims)
