"""Nasty histories for property tests: few entities, colliding times, contradicting lives.

Everything is drawn through a `Pick` (choose one of some options; the first is the simplest), so that Hypothesis and a
seeded random generator share one description: `histories()` is the strategy, `history(seed, …)` the generator.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from hypothesis import strategies as st

from oracle import makers, makers_lives
from oracle.dims import DIMS
from oracle.picks import Event, Made, Pick, T, maybe, text

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class History:
    """Canonical events (NDJSON lines) with the reference they were made for and a time to look at them."""

    lines: list[bytes]
    reference: list[bytes]
    at_ms: int
    zone: str

    def __repr__(self) -> str:
        events = b"\n".join([*self.reference, *self.lines]).decode()
        return f"History as of {text(self.at_ms, 0)} in {self.zone}:\n{events}"


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


ZONES = ("UTC", "Europe/Berlin", "America/St_Johns")
# Whole minutes: within an hour; summer time begins and ends (Europe/Berlin); month, quarter, year turn.
AS_OF = tuple(
    _ms(text)
    for text in (
        "2026-05-13T12:34:00Z", "2026-03-29T01:00:00Z", "2026-03-29T22:00:00Z", "2026-10-25T00:59:00Z",
        "2026-10-25T01:00:00Z", "2026-10-25T23:01:00Z", "2026-04-01T00:00:00Z", "2026-06-30T22:00:00Z",
        "2026-06-30T22:01:00Z", "2027-01-01T00:00:00Z", "2026-12-31T23:00:00Z", "2028-02-29T23:59:00Z",
    )
)  # fmt: skip
_LENGTHS = ((HOUR, MINUTE), (DAY, 15 * MINUTE), *((n * DAY, HOUR) for n in (7, 30, 90)))


def edges(at_ms: int) -> list[int]:
    """Times where a window as of `at_ms` begins or ends, and those a millisecond beside them."""
    found = [at_ms - HOUR // 2, at_ms]
    for length, step in _LENGTHS:
        start = (at_ms - length) // step * step
        found += [start, at_ms - length, start - length]
    for days in (0, 1, 2, 7, 14, 31, 61, 90, 92, 180, 184, 366, 731):
        day = at_ms // DAY * DAY - days * DAY
        found += [day + hours * HOUR for hours in (0, -1, -2, 2)] + [day + 3 * HOUR + HOUR // 2]
    return [edge + beside for edge in found for beside in (0, -1, 1)]


RATES = (0.92, 1.1, 0.5, 1.00005)
OFFSETS = (0, 120, -150, 330)


# --- lives -----------------------------------------------------------------------------------------------------------


class Family(NamedTuple):
    """`subject`: the fields that name the entity; the first of them that an event does not say is the entity's name."""

    make: Callable[[Pick], Made]
    subject: tuple[str, ...] = ()


_FAMILIES = {
    "deal": Family(makers_lives.deal, ("deal",)), "email": Family(makers.email, ("message_id",)),
    "lead": Family(makers_lives.lead, ("lead",)), "customer": Family(makers_lives.customer, ("customer",)),
    "meeting": Family(makers.meeting, ("meeting_id",)), "message": Family(makers.message, ("message_id",)),
    "call": Family(makers.call), "cost": Family(makers.cost), "survey": Family(makers.survey),
    "webinar": Family(makers.webinar, ("webinar_id", "contact")), "rep": Family(makers.research, ("rep",)),
    "web": Family(makers.web),
}  # fmt: skip
_FAMILY_ODDS = (
    *["deal"] * 4, *["lead"] * 4, *["customer"] * 4, *["email"] * 3, "meeting", "meeting", "cost", "cost", "call",
    "message", "webinar", "rep", "survey", "web",
)  # fmt: skip
_STEPS = (
    0, 1, MINUTE, -1, 10 * MINUTE, HOUR, HOUR + 1, DAY, DAY + 1, DAY - 1, 3 * DAY, -HOUR, 30 * DAY, 90 * DAY,
    90 * DAY + 1, 90 * DAY - 1, -DAY, -40 * DAY,
)  # fmt: skip


def life(pick: Pick, at_ms: int, entities: int = 3) -> list[Event]:
    """Some events of one of so many entities of a family, in no particular order, without ids."""
    family = pick(_FAMILY_ODDS)
    make, subject = _FAMILIES[family]
    name = str(pick(range(1, entities + 1)))
    time_ms = pick(edges(at_ms))
    events = []
    for _ in range(pick(range(1, 9))):
        kind, data = make(pick)
        if subject:
            data.setdefault(subject[0], name)
        named = "/".join([family, *(data[field] for field in subject)] if subject else [family, name])
        if family == "deal":
            maybe(pick, data, "first_contact_at", (text(time_ms - 5 * DAY, 0), text(time_ms + DAY, 60)), 8)
        events.append({"type": kind, "time": text(time_ms, pick(OFFSETS)), "subject": named, "data": data})
        step_ms = pick(_STEPS)
        time_ms = pick((*[time_ms + step_ms] * 3, pick(edges(at_ms))))
    return events


# --- the reference ---------------------------------------------------------------------------------------------------


def _reference_event(index: int, kind: str, data: Event) -> Event:
    subject = f"{kind}/{index}"
    return {"id": str(index), "source": "ref", "type": kind, "time": "2025-01-01T00:00:00Z", "subject": subject} | {
        "data": data
    }


def reference(pick: Pick, at_ms: int) -> list[Event]:
    """A roster with moves, rates that change, and stages with and without order, probability and marks."""
    early, moved = text(at_ms - 800 * DAY, 0), text(pick(edges(at_ms)), 60)
    rows: list[tuple[str, Event]] = [
        ("rep.defined", {"rep": "ann", "team": "north", "region": "dach"}),
        ("rep.defined", {"rep": "ann", "team": "south", "valid_from": moved}),
        ("rep.defined", {"rep": "bob", "team": "south"}),
        ("rep.defined", {"rep": "bob", "team": "north", "region": "uk", "valid_from": moved}),
        ("rep.defined", {"rep": "cy", "valid_from": moved}),
        ("rep.defined", {"rep": "dee", "team": "south", "active": pick((True, False))}),
        ("rep.defined", {"rep": "dee", "team": "south", "active": False, "valid_from": moved}),
        ("team.defined", {"team": "south", "region": "uk"}),
        ("team.defined", {"team": "south", "region": "dach", "valid_from": moved}),
        ("fx.rate", {"currency": "USD", "rate": pick(RATES)}),
        ("fx.rate", {"currency": "USD", "rate": pick(RATES), "valid_from": moved}),
        ("fx.rate", {"currency": "GBP", "rate": pick(RATES), "valid_from": pick((early, moved))}),
    ]
    if pick((True, True, True, False)):
        rows += [("stage.defined", data) for data in _stages(pick)]
    rows += _targets(pick, moved)
    return [_reference_event(index, kind, data) for index, (kind, data) in enumerate(rows)]


def _targets(pick: Pick, moved: str) -> list[tuple[str, Event]]:
    """Targets of revenue, some of which end or change; and some of other things."""
    rows: list[tuple[str, Event]] = [
        ("target.set", {"kpi": "deals_won", "period": "month", "value": 3.0}),
        ("threshold.set", {"kpi": "revenue_eur", "period": "month", "value": 4.0}),
    ]
    groups = ({}, {"team": "north"}, {"rep": "bob"}, {"product": "crm"}, {"region": "uk"})
    windows = ({"period": "quarter"}, {"window": "30d"}, {"period": "year"}, {"window": "90d"}, {"period": "day"})
    for _ in range(pick(range(4, 14))):
        data = {"kpi": "revenue_eur", "group": pick(groups), "value": pick((1000.0, 250.5, 0.0, 1e6)), **pick(windows)}
        rows.append(("target.set", data))
        later = pick((None, {"valid_from": moved, "value": 500.0}, {"valid_from": moved, "value": None}))
        if later:
            rows.append(("target.set", data | later))
    return rows


def _stages(pick: Pick) -> list[Event]:
    marks = {"signed": {"is_won": True}, "dead": {"is_lost": True}, "demo": {"qualified": pick((True, False))}}
    found = []
    for pipeline in pick((("default",), makers_lives.PIPELINES)):
        ordered = pick((True, False))
        for index, stage in enumerate(makers_lives.STAGES[:-1]):
            data = {"pipeline": pipeline, "stage": stage} | marks.get(stage, {})
            if ordered:
                data["order"] = 10 * index
            maybe(pick, data, "probability", (0.1, 0.33335, 0.0, 1.0), 1)
            found.append(data)
    return found


# --- putting it together ---------------------------------------------------------------------------------------------


def encode(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def _identified(events: list[Event]) -> list[Event]:
    """Every event with an id of its own; two sources, so that ids alone are not unique."""
    return [
        {"id": f"e{index // 2}", "source": ("crm", "import/a")[index % 2], **event}
        for index, event in enumerate(events)
    ]


def _derived(event: Event) -> Event | None:
    """What the pipeline itself makes of an event for another entity, as it would be in its output."""
    kind, data = event["type"], event["data"]
    if kind == "deal.won":
        made, family, named = "customer.won", "customer", ("customer", "deal")
    elif kind in ("call.logged", "email.sent", "meeting.held", "message.sent") and data.get("direction") != "inbound":
        made, family, named = "lead.touched", "lead", ("lead",)
    else:
        return None
    if family not in data:
        return None
    name = blake2b(f"{event['source']}\n{event['id']}".encode(), digest_size=16).hexdigest()
    kept = {key: value for key, value in data.items() if key in (*named, *DIMS)}
    return event | {"id": name, "source": "derived", "type": made, "subject": f"{family}/{data[family]}", "data": kept}


def _history(pick: Pick, lives: Sequence[list[Event]], at_ms: int) -> History:
    events = _identified([event for of_one in lives for event in of_one])
    # A file that the pipeline wrote has derived events, too: they count once.
    events += [made for event in events if (made := _derived(event)) and pick((False, False, True))]
    settings = [encode(event) for event in reference(pick, at_ms)]
    return History([encode(event) for event in events], settings, at_ms, pick(ZONES))


def history(seed: int, *, lives: int = 12) -> History:
    """The same history for the same seed; about 4.5 events a life, a tenth as many entities a family as lives."""
    pick = random.Random(seed).choice
    at_ms = pick(AS_OF)
    return _history(pick, [life(pick, at_ms, max(3, lives // 10)) for _ in range(lives)], at_ms)


def shuffled(seed: int, lines: Sequence[bytes]) -> list[bytes]:
    """`lines` in another order, about every fourth of them twice."""
    rng = random.Random(seed)
    again = [line for line in lines if rng.random() < 0.25]
    return rng.sample([*lines, *again], len(lines) + len(again))


@st.composite
def histories(draw: st.DrawFn, *, max_lives: int = 8) -> History:
    """A history of up to `max_lives` lives, as of one of `AS_OF`."""

    def pick(options: Sequence[T]) -> T:
        return draw(st.sampled_from(options))

    at_ms = pick(AS_OF)
    one = st.composite(lambda draw_life: life(lambda options: draw_life(st.sampled_from(options)), at_ms))
    return _history(pick, draw(st.lists(one(), min_size=1, max_size=max_lives)), at_ms)


@st.composite
def deliveries(draw: st.DrawFn, lines: Sequence[bytes]) -> list[bytes]:
    """`lines` as a network delivers them: in any order, some of them again."""
    again = draw(st.lists(st.sampled_from(lines), max_size=10)) if lines else []
    return list(draw(st.permutations([*lines, *again])))


@st.composite
def contradicting(draw: st.DrawFn, lines: Sequence[bytes]) -> list[bytes]:
    """`lines` where some share their (source, id) with another, different event: only the first in time counts."""
    events = [json.loads(line) for line in lines]
    for index in draw(st.lists(st.integers(1, max(1, len(events) - 1)), max_size=4)):
        if index < len(events):
            events[index] |= {name: events[index - 1][name] for name in ("id", "source")}
    return [encode(event) for event in events]
