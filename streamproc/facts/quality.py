"""Data quality by source and topic: plain counts of what came in and what was wrong with it.

Kept as one counter with keys (what, source, topic) or (what, source, topic, detail), so that it adds up over batches,
tasks and workers. A source is told by the first segment of the event's `source`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from streamproc.event_data import Dims
from streamproc.events import EVENTS, Event
from streamproc.facts.dims import Roster
from streamproc.facts.fact import FACTS, Fact

LATE_MS = 86_400_000  # an event that arrives longer than this after it happened is late
MAX_SOURCES = 50
OTHER = "other"  # all sources beyond the cap
UNKNOWN = "unknown"  # source of what cannot be read
_LABEL = 64  # characters of a source that are kept

# Events whose own dimensions decide where something counts; those that follow in an entity's life take them over.
PLACING = frozenset(
    (
        "call.logged", "meeting.booked", "meeting.held", "message.sent", "webinar.registered", "research.logged",
        "lead.created", "deal.created", "email.sent", "order.placed", "subscription.started",
    )
)  # fmt: skip
DIMENSIONS = ("rep", "team", "region", "product", "campaign")  # whose absence is counted

Origin = tuple[str, str]  # source, topic
NOWHERE: Origin = (UNKNOWN, UNKNOWN)
Counts = Counter[tuple[str, ...]]


class _Taken:
    """Counts of the events of one source and type, with attributes since this is done for every event."""

    __slots__ = ("delay_ms", "early", "early_ms", "events", "is_placing", "late", "missing")

    def __init__(self, is_placing: bool) -> None:
        self.is_placing = is_placing
        self.events = self.delay_ms = self.late = self.early = self.early_ms = 0
        self.missing = dict.fromkeys(DIMENSIONS, 0)


class Quality:
    """What came in since the last `take`."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], _Taken] = {}  # by full source and type
        self._counts: Counts = Counter()  # of what is rarer

    def taken(self, event: Event, time_ms: int, arrival_ms: int, roster: Roster) -> None:
        """An event was taken in. `arrival_ms`: 0 where it is not known, as in files."""
        sent_by = (event.source, event.type)
        found = self._taken.get(sent_by)
        if found is None:
            found = self._taken[sent_by] = _Taken(event.type in PLACING)
        found.events += 1
        if arrival_ms > 0:
            delay_ms = arrival_ms - time_ms
            if delay_ms < 0:
                found.early += 1
                found.early_ms -= delay_ms
            else:
                found.delay_ms += delay_ms
                if delay_ms > LATE_MS:
                    found.late += 1
        if found.is_placing:
            _count_missing(found.missing, event.data, time_ms, roster)

    def repeated(self, event: Event) -> None:
        self._counts["duplicates", *origin(event.source, event.type)] += 1

    def rejected(self, raw: bytes | None, topic: str, reason: str) -> None:
        self._counts["rejected", source_of(raw), topic, reason] += 1

    def emitted(self, fact: Fact, times: int, source: str, type_: str) -> None:
        """A fact was emitted because of an event of this source and type; anomalies are counted."""
        if times > 0 and fact.name not in FACTS:
            self._counts["anomalies", *origin(source, type_), fact.name[8:]] += times

    def orphans(self, origins: Iterable[Origin | None]) -> None:
        """Entities dropped whose first event never came, by where their last came from (None: not kept)."""
        for at in origins:
            self._counts["orphans", *(at or NOWHERE)] += 1

    def take(self) -> Counts:
        """Everything since the last time."""
        counts, self._counts = self._counts, Counter()
        for sent_by, found in self._taken.items():
            at = origin(*sent_by)
            for what in ("events", "delay_ms", "late", "early", "early_ms"):
                counts[what, *at] += getattr(found, what)
            if found.is_placing:
                counts["placed", *at] += found.events
                for dimension, n in found.missing.items():
                    counts["missing", *at, dimension] += n
        self._taken.clear()
        return +counts


def origin(source: str, type_: str) -> Origin:
    """Source as it is told, and topic, of an event."""
    return label(source), EVENTS[type_].topic


def label(source: str) -> str:
    """The first segment of a source: of `//host/app`, `https://host/app` and `urn:a:b`, host, host and `urn:a:b`."""
    rest = source.partition("://")[2] or source
    return rest.strip("/").partition("/")[0][:_LABEL] or UNKNOWN


class _Envelope(Struct):
    source: str = ""


_envelope = Decoder(_Envelope)


def source_of(raw: bytes | None) -> str:
    """The source of a record that may be anything."""
    try:
        return label(_envelope.decode(raw or b"").source)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return UNKNOWN


class Sources:
    """The first `MAX_SOURCES` sources keep their names, all others are `OTHER`: whoever sends decides how many."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def name(self, source: str) -> str:
        if source not in self._known:
            if len(self._known) >= MAX_SOURCES:
                return OTHER
            self._known.add(source)
        return source


def _count_missing(counts: dict[str, int], data: Dims, time_ms: int, roster: Roster) -> None:
    """Count which of DIMENSIONS an event lacks after the roster."""
    rep, team, region = data.rep, data.team, data.region
    if (rep or team) and not (team and region):
        their_team, their_region = roster.roster(rep, team, time_ms)
        team, region = team or their_team, region or their_region
    if rep is None:
        counts["rep"] += 1
    if team is None:
        counts["team"] += 1
    if region is None:
        counts["region"] += 1
    if data.product is None:
        counts["product"] += 1
    if data.campaign is None:
        counts["campaign"] += 1
