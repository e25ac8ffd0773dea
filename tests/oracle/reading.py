"""What the oracle reads: the events that count, in order, with those derived from them; and the reference data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from oracle.dims import DIMS, Row, times
from oracle.stages import Stages
from streamproc.events import EVENT_TOPICS, MAX_EVENT_BYTES, REFERENCE, decoder, subject_error, to_ms

ALWAYS_MS = -(2**62)
# Order of what happens at the same moment; types that are not here come first.
RANKS = {
    "deal.created": 0, "deal.updated": 1, "quote.sent": 1, "deal.stage_changed": 2,
    "deal.won": 3, "deal.lost": 3, "deal.reopened": 4, "deal.deleted": 5,
    "subscription.started": 0, "subscription.changed": 1, "subscription.cancelled": 2,
}  # fmt: skip
DERIVED = "derived"
TOUCHING = {"call.logged", "email.sent", "meeting.held", "message.sent"}
PERIODS = {"day": "today", "week": "week", "month": "month", "quarter": "quarter", "year": "year"}
_EVENT, _REFERENCE = decoder(*EVENT_TOPICS).decode, decoder(REFERENCE).decode


class Found(NamedTuple):
    """An event that counts. `data` has the fields of its data."""

    time_ms: int
    rank: int
    source: str
    id: str
    line: bytes
    type: str
    subject: str
    data: Any


class Reference:
    """Roster, stages, rates and targets of the reference events among `lines`."""

    def __init__(self, lines: Iterable[bytes], currency: str) -> None:
        self.currency = currency
        self.reps: list[Row] = []
        self.teams: list[Row] = []
        self.targets: list[Row] = []
        self.stages = Stages()
        self._rates: dict[str, dict[int, Decimal]] = {}
        for position, (event, _) in enumerate(_decoded(lines, _REFERENCE)):
            row = fields(event.data) | {"position": position}
            if event.type == "rep.defined":
                self.reps.append(row)
            elif event.type == "team.defined":
                self.teams.append(row)
            elif event.type == "stage.defined":
                self.stages.add(row)
            elif event.type == "target.set":
                self.targets.append(row)
            elif event.type == "fx.rate":
                self._rates.setdefault(row["currency"], {})[row["valid_from_ms"]] = Decimal(repr(row["rate"]))

    def rate(self, currency: str, time_ms: int) -> Decimal | None:
        if currency == self.currency:
            return Decimal(1)
        rates = self._rates.get(currency, {})
        valid_from = max((since for since in rates if since <= time_ms), default=None)
        return None if valid_from is None else rates[valid_from]

    def convert(self, amount: float, currency: str | None, time_ms: int) -> int | None:
        """`amount` in 1/10,000 of the reporting currency, half-even; None without a rate."""
        rate = self.rate(currency or self.currency, time_ms)
        return None if rate is None else times(rate * 10_000, amount)

    def active_reps(self, at_ms: int) -> dict[str, int]:
        """How many reps are active at a time, by group."""
        found: dict[str, int] = {"": 0}
        teams = _valid(self.teams, "team", at_ms)
        for rep in _valid(self.reps, "rep", at_ms).values():
            if rep["active"]:
                team = rep["team"]
                region = rep["region"] or (teams[team]["region"] if team in teams else None)
                groups = ["", *([f"team={team}"] if team else []), *([f"region={region}"] if region else [])]
                for group in groups:
                    found[group] = found.get(group, 0) + 1
        return found

    def target(self, kpi: str, group: str, window: str, at_ms: int) -> float | None:
        """The target that holds at a time for exactly this group and window."""
        dimension, _, member = group.partition("=")
        of = {dimension: member} if group else {}
        holding = [
            row
            for row in self.targets
            if (row["kpi"], row["group"]) == (kpi, of) and row["valid_from_ms"] <= at_ms and _is_for(row, window)
        ]
        return max(holding, key=lambda row: (row["valid_from_ms"], row["position"]))["value"] if holding else None


def _is_for(target: Row, window: str) -> bool:
    return target["window"] == window or PERIODS.get(target["period"]) == window


def _valid(rows: list[Row], key: str, at_ms: int) -> dict[str, Row]:
    """The definition of each that holds at a time: the latest, of equal ones the last."""
    ordered = sorted(rows, key=lambda row: (row["valid_from_ms"], row["position"]))
    return {row[key]: row for row in ordered if row["valid_from_ms"] <= at_ms}


def ordered_events(lines: Iterable[bytes], settings: Reference) -> list[Found]:
    """The events that count, once each, in order."""
    found = []
    for event, line in _decoded(lines, _EVENT):
        named = getattr(event.data, "currency", None)
        if named is None or settings.rate(named, event.time_ms) is not None:
            rank = RANKS.get(event.type, 0)
            found.append(
                Found(event.time_ms, rank, event.source, event.id, line, event.type, event.subject, event.data)
            )
    first: dict[tuple[str, str], Found] = {}
    for event in sorted(found, key=lambda one: one[:5]):
        _take(event, first)
    return sorted(first.values(), key=lambda one: one[:5])


def _take(event: Found, first: dict[tuple[str, str], Found]) -> None:
    """An event counts unless there is an earlier one of its id; so does what follows from it, at the same time."""
    if (event.source, event.id) in first:
        return
    first[event.source, event.id] = event
    if (following := derived(event)) is not None:
        _take(following, first)


class _Data:
    """Data of a derived event: what is not given is not there."""

    def __init__(self, data: Row) -> None:
        self.__dict__ = data
        self.__struct_fields__ = tuple(data)


def derived(event: Found) -> Found | None:
    """What follows from an event for another entity: a touched lead, a customer won."""
    if event.type in TOUCHING and event.data.lead is not None:
        if getattr(event.data, "direction", None) == "inbound":
            return None
        return _derived(event, "lead.touched", "lead", {"lead": event.data.lead})
    if event.type == "deal.won" and event.data.customer is not None:
        return _derived(event, "customer.won", "customer", {"customer": event.data.customer, "deal": event.data.deal})
    return None


def _derived(origin: Found, kind: str, family: str, data: Row) -> Found:
    name = blake2b(f"{origin.source}\n{origin.id}".encode(), digest_size=16).hexdigest()
    dims = {dim: getattr(origin.data, dim) for dim in DIMS}
    return Found(origin.time_ms, 0, DERIVED, name, b"", kind, f"{family}/{data[family]}", _Data({**dims, **data}))


def _decoded(lines: Iterable[bytes], decode: Callable[[bytes], Any]) -> Iterator[tuple[Any, bytes]]:
    """The valid events among `lines`, each with its line."""
    for line in lines:
        try:
            event = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if len(line) <= MAX_EVENT_BYTES and subject_error(event) is None:
            yield event, line


def fields(data: Any) -> Row:
    """Fields of event data; instants become `…_ms` (`first_contact_at` → `first_contact_ms`)."""
    row = {name: getattr(data, name) for name in data.__struct_fields__}
    for name, renamed in (("valid_from", "valid_from_ms"), ("first_contact_at", "first_contact_ms")):
        if name in row:
            instant = row.pop(name)
            row[renamed] = None if instant is None else to_ms(instant)
    if "valid_from_ms" in row and row["valid_from_ms"] is None:
        row["valid_from_ms"] = ALWAYS_MS
    return row
