"""The whole flow on one screen: Event → Fact → Slice → KpiValue.

Stage 1 (`FactsStage`) turns the events of one partition into facts and sums them locally. Stage 2 (`KpisStage`) adds
the sums of one partition of groups to slices, slides the windows and evaluates the catalogue. Both are pure: records
in, a `Cut` of outputs and changed state out; clocks, Kafka and transactions are the shell's (`bus/`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec

from streamproc.codec import FUTURE_MS, Rejection, decode
from streamproc.events import Event
from streamproc.facts.activity import event_facts
from streamproc.facts.derived import Derived, derive
from streamproc.facts.entities import Entities
from streamproc.facts.fact import FACTS, Fact
from streamproc.facts.quality import Quality
from streamproc.facts.records import record_facts
from streamproc.facts.reference import Reference
from streamproc.facts.reject_limit import RejectLimit
from streamproc.facts.seen import Arrived, Seen
from streamproc.facts.sums import Sums
from streamproc.facts.won import Won, won
from streamproc.kpis.evaluate import Evaluator, Series
from streamproc.kpis.fed import Fed
from streamproc.kpis.judge import PREFIX as BANDS
from streamproc.kpis.judge import Alert, Judge
from streamproc.kpis.kpi import Catalogue, KpiValue
from streamproc.kpis.working_time import WorkingTime
from streamproc.windows.aggregates import load
from streamproc.windows.calendar import DAY_MS, MINUTE_MS, Calendar, next_minute
from streamproc.windows.slices import SliceKey, Slices

CLOCK = "clock"  # key of the clock record in `kpi.partials` and in both changelogs
MAX_AGE_MS = 800 * DAY_MS
MAX_WAITING_BYTES = 1024 * 1024  # of partial sums that wait for a cut: a backlog is not added up in one go
NEVER_SHED = ("", "team", "region")  # groups of the company, and of dimensions that only grow with it

_pack = msgspec.msgpack.Encoder().encode
_unpack: Any = msgspec.msgpack.Decoder().decode
_partial = msgspec.msgpack.Decoder(list[tuple[int, dict[str, Any], dict[str, Any]]]).decode

State = list[tuple[str, bytes | None]]  # changelog records; None deletes


class Record(Protocol):
    """What the core reads of a Kafka record. `timestamp` is its arrival (epoch ms)."""

    @property
    def value(self) -> bytes | None: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


class Arrival(NamedTuple):
    """When an event arrived at the broker, and when it had happened (epoch ms)."""

    arrival_ms: int
    event_ms: int


class Rejected(NamedTuple):
    """A record that was not taken: original bytes, and headers that say why and where it came from."""

    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass
class FactsCut:
    """Outputs and changed state of stage 1 since the last cut. `counts`: what happened, by kind and labels.

    `quality`: the same by source, as in `facts.quality`.
    """

    changelog: State
    partials: list[tuple[str, bytes]]
    derived: list[Derived]
    won: list[Won]  # deals won that are news
    rejected: list[Rejected]
    clock: bytes | None
    counts: Counter[tuple[str, ...]]
    quality: Counter[tuple[str, ...]]


@dataclass
class KpisCut:
    """Outputs and changed state of stage 2 since the last cut. `oldest`: the first event behind it to arrive."""

    changelog: State
    values: list[KpiValue]
    ceased: list[Series]
    alerts: list[Alert]
    reached: list[KpiValue]  # values that came up to their target
    clock_ms: int
    oldest: Arrival | None
    shed: int  # partial sums that were not taken, by the cap on groups


class FactsStage:
    """Events of one partition → facts, summed by group and minute until the cut."""

    def __init__(
        self, catalogue: Catalogue, reference: Reference, max_entities: int = 0, reject_limit: float = 1.0
    ) -> None:
        self.reference = reference
        self.limit = RejectLimit(reject_limit)
        self.quality = Quality()
        self.entities = Entities(reference, max_entities, self.quality)
        self.seen = Seen()
        self.sums = Sums(catalogue.dimensions)
        self.max_event_ms = -1
        self._oldest: Arrival | None = None
        self._rejected: list[Rejected] = []
        self._derived: list[Derived] = []
        self._won: list[Won] = []
        self._forgotten: list[str] = []
        self._counts: Counter[tuple[str, ...]] = Counter()
        self.lateness_ms = 0  # largest of the last batch: arrival after happening
        self._clocked = -1
        self._arrival_ms = -1
        # By topic, the offset up to which another application has derived events and told of refused records.
        self.derived_until: Mapping[str, int] = {}
        self.refused_until: Mapping[str, int] = {}
        self._fed = Fed(catalogue)

    def on_batch(self, records: Sequence[Record], now_ms: int | None) -> None:
        """Take records of one topic partition. `now_ms` is the wall clock, None with the event clock.

        Raises TooManyRejected.
        """
        self.lateness_ms = 0
        if records:
            self.limit.taken(records[0].topic, len(records))
        found = [taken for record in records if (taken := self._accepted(record, now_ms)) is not None]
        is_new = self.seen.add(Arrived(event.source, event.id, record.timestamp) for record, event, _ in found)
        for (record, event, time_ms), new in zip(found, is_new, strict=True):
            if new:
                self._on_event(event, time_ms, record)
                if now_ms is not None and (news := won(event, self.reference, now_ms)) is not None:
                    self._won.append(news)
            else:
                self._counts["duplicate", record.topic] += 1
                self.quality.repeated(event)
        for fact, times in self.entities.differences():
            self._emit(fact, times)
        self.entities.shed()

    def on_tick(self, read_until_ms: int) -> None:
        """Forget old ids and entities, whatever the clock of the windows. All that arrived until then has been read.

        So a backlog is judged by how far it has been read, and counts as it would have counted live.
        """
        arrival_ms = min(read_until_ms, self._arrival_ms)
        self._forgotten += self.seen.expire(arrival_ms)
        self.entities.expire(arrival_ms)

    def take_cut(self) -> FactsCut | None:
        """Everything since the last cut, at a batch's boundary; None if nothing happened."""
        state: State = [(f"entity/{key}", value) for key, value in self.entities.take_dirty()]
        state += [(f"seen/{key}", None) for key in self._forgotten]
        state += [(f"seen/{key}", value) for key, value in self.seen.take_dirty()]
        partials = self.sums.take()
        self._count_dropped()
        if not (state or partials or self._derived or self._rejected or self._counts):
            return None
        clock = None
        if partials or self.max_event_ms > self._clocked:
            clock = _pack((self.max_event_ms, self._oldest))
            state.append((CLOCK, _pack(self.max_event_ms)))
        if state:
            state += self._fed.take()
        cut = FactsCut(
            state, partials, self._derived, self._won, self._rejected, clock, self._counts, self.quality.take()
        )
        self._derived, self._won, self._rejected, self._forgotten, self._counts = [], [], [], [], Counter()
        self._oldest, self._clocked = None, self.max_event_ms
        return cut

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take over the state that a predecessor wrote to the changelog. Raises StateVersionError, BackfillNeeded."""
        self._fed.restore(state)
        kinds: dict[str, dict[str, bytes]] = {"entity": {}, "seen": {}}
        for key, value in state.items():
            kind, _, name = key.partition("/")
            if kind in kinds:
                kinds[kind][name] = value
        self.entities.restore(kinds["entity"])
        self.seen.restore(kinds["seen"])
        if CLOCK in state:
            self.max_event_ms = self._clocked = _unpack(state[CLOCK])

    def _accepted(self, record: Record, now_ms: int | None) -> tuple[Record, Event, int] | None:
        """A record, its event and when it happened; None, and rejected, where it cannot be taken."""
        event = decode(record.value)
        if isinstance(event, Rejection):
            self._reject(record, event)
            return None
        self._arrival_ms = max(self._arrival_ms, record.timestamp)
        time_ms = event.time_ms
        wrong = self.refuse(event, time_ms, now_ms)
        if wrong is not None:
            self._reject(record, wrong)
            return None
        return record, event, time_ms

    def _on_event(self, event: Event, time_ms: int, record: Record) -> None:
        self._counts["event", record.topic, event.type] += 1
        self.lateness_ms = max(self.lateness_ms, record.timestamp - time_ms)
        self.max_event_ms = max(self.max_event_ms, time_ms)
        if self._oldest is None or record.timestamp < self._oldest.arrival_ms:
            self._oldest = Arrival(record.timestamp, time_ms)
        self.quality.taken(event, time_ms, record.timestamp, self.reference)
        for fact in event_facts(event, time_ms, self.reference) or record_facts(event, time_ms, self.reference):
            self.quality.emitted(fact, 1, event.source, event.type)
            self._emit(fact, 1)
        if record.offset >= self.derived_until.get(record.topic, 0) and (derived := derive(event)) is not None:
            self._derived.append(derived)
        self.entities.apply(event, time_ms, record.timestamp)

    def _count_dropped(self) -> None:
        """Entities dropped since the last cut, by why."""
        entities = self.entities
        for kind, n in ((("orphans",), entities.orphans), (("shed", "entities"), entities.shed_entities)):
            if n:
                self._counts[kind] += n
        entities.orphans = entities.shed_entities = 0

    def refuse(self, event: Event, time_ms: int, now_ms: int | None) -> Rejection | None:
        """Why a well-formed event is not taken at this time with this reference data, or None."""
        if now_ms is not None:
            if time_ms > now_ms + FUTURE_MS:
                return Rejection(
                    "future", f"`$.time`: {time_ms - now_ms} ms ahead of the clock; expected at most 5 min"
                )
            if time_ms < now_ms - MAX_AGE_MS:
                return Rejection("late", f"`$.time`: expected at most {MAX_AGE_MS // DAY_MS} days ago")
        currency = getattr(event.data, "currency", None)
        if currency is not None and self.reference.rate(currency, time_ms) is None:
            return Rejection("unknown_currency", f"`$.data.currency`: no exchange rate for {currency} at that time")
        return None

    def _reject(self, record: Record, wrong: Rejection) -> None:
        self._counts["rejected", record.topic, wrong.reason] += 1
        self.quality.rejected(record.value, record.topic, wrong.reason)
        self.limit.rejected(record.topic, record.partition, wrong.reason)
        if record.offset < self.refused_until.get(record.topic, 0):
            return
        headers = {
            "reason": wrong.reason,
            "error": wrong.error,
            "source_topic": record.topic,
            "source_partition": str(record.partition),
            "source_offset": str(record.offset),
        }
        self._rejected.append(Rejected(record.value, record.key, [(k, v.encode()) for k, v in headers.items()]))

    def _emit(self, fact: Fact, times: int) -> None:
        if fact.name in FACTS:
            self.sums.add(fact, times)
        elif times > 0:
            self._counts["anomaly", fact.name.removeprefix("anomaly/")] += times


@dataclass
class KpisStage:
    """Partial sums of one partition of groups → slices → values of the catalogue."""

    catalogue: Catalogue
    calendar: Calendar = field(default_factory=Calendar)
    max_groups: int = 0  # cap on the number of groups, 0 never
    reference: Reference = field(default_factory=Reference)
    holidays: str = ""  # region whose holidays are no working time

    def __post_init__(self) -> None:
        self.slices = Slices(self.calendar, MAX_AGE_MS)
        self.evaluator = Evaluator(self.catalogue, self.slices, self.reference)
        self.judge = Judge(self.evaluator, WorkingTime(self.calendar, self.holidays))
        self._looked_up = (-1, -1)  # clock and version of the reference data when it was last looked into
        self._restored: list[KpiValue] = []  # values of the restored state, to be published again
        self.event_clock_ms = 0  # the next whole minute after the latest event of any facts task
        self._clocked = 0
        self._oldest: Arrival | None = None
        self._waiting: dict[str, list[list[Any]]] = {}  # minutes of each partial sum of a group, not yet in the slices
        self._waiting_bytes = 0
        self._shed = 0
        self._fed = Fed(self.catalogue)

    def on_batch(self, records: Iterable[Record]) -> None:
        """Take partial sums. They wait for the next cut, if they are not too many: a group's are cheaper together."""
        for record in records:
            group = (record.key or b"").decode()
            if group == CLOCK:
                self._on_clock(record.value or b"")
            else:
                value = record.value or b"\x90"
                self._waiting.setdefault(group, []).append(_partial(value))
                self._waiting_bytes += len(value)
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._add_waiting()

    def on_tick(self, clock_ms: int) -> None:
        """Slide the windows to the clock: the wall's, or `event_clock_ms`."""
        self.slices.advance(clock_ms)
        self._look_up()

    def take_cut(self) -> KpisCut | None:
        """Everything since the last cut; None if neither state nor a value nor the clock's minute changed."""
        self._add_waiting()
        values, ceased = self.evaluator.changed()
        judged = self.judge.take(self.evaluator.unchanged(self._restored, values) + values, ceased)
        self._restored, values, changes = [], judged.values, self.slices.changes
        state: State = [(_slice_key(key), self.slices.packed(key)) for key in changes.slices]
        state += judged.state
        changes.slices.clear()
        clock_ms = self.slices.clock_ms
        if not (state or values or ceased or self._shed or clock_ms > self._clocked):
            return None
        state.append((CLOCK, _pack((clock_ms, self.event_clock_ms))))
        state += self._fed.take()
        cut = KpisCut(state, values, ceased, judged.alerts, judged.reached, clock_ms, self._oldest, self._shed)
        self._clocked, self._oldest, self._shed = clock_ms, None, 0
        return cut

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take over the state that a predecessor wrote to the changelog. Raises StateVersionError, BackfillNeeded."""
        self._fed.restore(state)
        if CLOCK not in state:
            return
        clock_ms, self.event_clock_ms = _unpack(state[CLOCK])
        self._clocked = clock_ms
        slices = ((parse_key(key), value) for key, value in state.items() if "/" in key and not key.startswith(BANDS))
        self.slices.restore(clock_ms, slices)
        self.judge.restore(state)
        self._look_up()
        self._restored, _ = self.evaluator.changed()  # so that a series that ceases next is known to have been there

    def _add_waiting(self) -> None:
        """Facts at or after the clock are held until it reaches them.

        While there are `max_groups` groups, those of new groups are shed, but never the company's, teams' and regions'.
        """
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        for group, partials in waiting.items():
            if self._is_shed(group):
                self._shed += len(partials)
                continue
            minutes = (minute for partial in partials for minute in partial)
            self.slices.add(group, ((minute_ms, load(bag), load(levels)) for minute_ms, bag, levels in minutes))

    def _look_up(self) -> None:
        """Once a minute, and when reference data came."""
        now = (self.slices.clock_ms // MINUTE_MS, self.reference.version)
        if now != self._looked_up:
            self._looked_up = now
            self.evaluator.look_up()
            self.judge.look_up()

    def _is_shed(self, group: str) -> bool:
        groups = self.slices.groups
        if not self.max_groups or len(groups) < self.max_groups or group in groups:
            return False
        return group.partition("=")[0] not in NEVER_SHED

    def _on_clock(self, value: bytes) -> None:
        event_ms, oldest = _unpack(value)
        self.event_clock_ms = max(self.event_clock_ms, next_minute(event_ms))
        if oldest is not None and (self._oldest is None or oldest[0] < self._oldest.arrival_ms):
            self._oldest = Arrival(*oldest)


def _slice_key(key: SliceKey) -> str:
    return f"{key.tier}/{key.start_ms}/{key.group}"


def parse_key(key: str) -> SliceKey:
    """The slice of a key of stage 2's changelog, of those that have a `/`."""
    tier, start_ms, group = key.split("/", 2)
    return SliceKey(group, tier, int(start_ms))
