"""Nasty histories for property tests: few entities, colliding times, contradicting lives.

Everything is drawn through a `Pick` (choose one of some options; the first is the simplest), so that Hypothesis and a
seeded random generator share one description: `histories()` is the strategy, `history(seed, …)` the generator.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Event = dict[str, Any]
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Pick(Protocol):
    def __call__(self, options: Sequence[T]) -> T: ...


@dataclass(frozen=True)
class History:
    """Canonical events (NDJSON lines) with the reference they were made for and a time to look at them."""

    lines: list[bytes]
    reference: list[bytes]
    at_ms: int
    zone: str

    def __repr__(self) -> str:
        events = b"\n".join([*self.reference, *self.lines]).decode()
        return f"History as of {_text(self.at_ms, 0)} in {self.zone}:\n{events}"


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
        found += [(at_ms - length) // step * step, at_ms - length]
    for days in (0, 1, 2, 7, 31, 92, 366):
        day = at_ms // DAY * DAY - days * DAY
        found += [day + hours * HOUR for hours in (0, -1, -2, 2)] + [day + 3 * HOUR + HOUR // 2]
    return [edge + beside for edge in found for beside in (0, -1, 1)]


def _text(time_ms: int, offset_minutes: int) -> str:
    instant = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)
    return instant.astimezone(timezone(timedelta(minutes=offset_minutes))).isoformat(timespec="milliseconds")


# --- what events say -------------------------------------------------------------------------------------------------

REPS, TEAMS, REGIONS = ("ann", "bob", "cy", "stranger"), ("north", "south", "lonely"), ("dach", "uk")
STAGES = ("new", "demo", "offer", "signed", "dead", "unlisted")
PIPELINES = ("default", "partner")
CURRENCIES = ("EUR", "USD", "GBP")
AMOUNTS = (1000.0, 0.0, 250.5, 0.00005, 0.0001, 33.3333, -100.0, 99_999_999.99)
RATES = (0.92, 1.1, 0.5, 1.00005)
OFFSETS = (0, 120, -150, 330)


def _maybe(pick: Pick, data: Event, name: str, options: Sequence[Any], simplest: int = 2) -> None:
    """Sets a field to one of `options`, or (more likely the larger `simplest`) leaves it out."""
    value = pick((*[None] * simplest, *options))
    if value is not None:
        data[name] = value


def _dims(pick: Pick) -> Event:
    data: Event = {}
    _maybe(pick, data, "rep", REPS)
    _maybe(pick, data, "team", TEAMS, 9)
    _maybe(pick, data, "region", REGIONS, 9)
    _maybe(pick, data, "campaign", ("q1", "q2=x"), 4)
    _maybe(pick, data, "product", ("crm", "übung"), 6)
    _maybe(pick, data, "channel", ("web", "video", "linkedin"), 9)
    _maybe(pick, data, "lead_source", ("fair",), 6)
    _maybe(pick, data, "segment", ("new", "existing"), 6)
    return data


def _call(pick: Pick) -> tuple[str, Event]:
    data = {"rep": pick(REPS)} | _dims(pick)
    _maybe(pick, data, "direction", ("outbound", "inbound"))
    _maybe(pick, data, "contact", ("p1", "p2"), 1)
    return "call.logged", data


def _email(pick: Pick) -> tuple[str, Event]:
    kinds = ("sent", "replied", "opened", "clicked", "bounced", "rejected", "delivered", "unsubscribed")
    kind = "email." + pick((*["sent"] * 4, *["replied", "opened", "clicked"] * 2, *kinds))
    data = _dims(pick)
    _maybe(pick, data, "recipient", ("p1", "p3"))
    if kind == "email.bounced":
        _maybe(pick, data, "bounce_type", ("hard", "soft"), 1)
    if kind in ("email.opened", "email.clicked"):
        _maybe(pick, data, "machine", (False, True))
    return kind, data


def _message(pick: Pick) -> tuple[str, Event]:
    data = _dims(pick) | {"channel": pick(("linkedin", "chat"))}
    _maybe(pick, data, "contact", ("p1", "p2"))
    return pick(("message.sent", "message.replied")), data


def _meeting(pick: Pick) -> tuple[str, Event]:
    data = _dims(pick)
    _maybe(pick, data, "medium", ("video", "in_person", "phone"), 1)
    _maybe(pick, data, "contact", ("p2", "p4"))
    return "meeting." + pick(("held", "booked", "held", "booked", "cancelled", "no_show")), data


def _deal(pick: Pick) -> tuple[str, Event]:
    kind = pick(
        (
            *["deal.created"] * 3, *["deal.stage_changed"] * 4, *["deal.updated"] * 2, *["deal.won"] * 2, "deal.lost",
            *["deal.reopened"] * 2, "deal.deleted", *["quote.sent"] * 2,
        )
    )  # fmt: skip
    data = _dims(pick)
    if kind == "deal.created":
        data |= {"amount": pick(AMOUNTS), "currency": pick(CURRENCIES)}
        _maybe(pick, data, "stage", STAGES, 1)
        _maybe(pick, data, "pipeline", PIPELINES, 4)
    else:
        _maybe(pick, data, "amount", AMOUNTS, 8)
        _maybe(pick, data, "currency", CURRENCIES, 16)
        _maybe(pick, data, "pipeline", PIPELINES, 24)
    if kind == "deal.stage_changed":
        data["stage"] = pick(STAGES)
    elif kind != "deal.created":
        _maybe(pick, data, "stage", STAGES, 24)
    _maybe(pick, data, "probability", (0.2, 0.0, 1.0, 0.33335), 8)
    if kind == "quote.sent":
        data["quote"] = pick(("q1", "q2"))
    return kind, data


_FAMILIES = {  # family → (its events, the field that names the entity)
    "deal": (_deal, "deal"), "email": (_email, "message_id"), "call": (_call, None),
    "meeting": (_meeting, "meeting_id"), "message": (_message, "message_id"),
}  # fmt: skip
_FAMILY_ODDS = ("deal", "deal", "deal", "deal", "email", "email", "email", "call", "meeting", "message")
_STEPS = (
    0, 1, MINUTE, -1, HOUR, DAY, 3 * DAY, -HOUR, 30 * DAY, 90 * DAY, 90 * DAY + 1, 90 * DAY - 1, -DAY, -40 * DAY,
)  # fmt: skip


def life(pick: Pick, at_ms: int, entities: int = 3) -> list[Event]:
    """Some events of one of so many entities of a family, in no particular order, without ids."""
    family = pick(_FAMILY_ODDS)
    make, field = _FAMILIES[family]
    name = str(pick(range(1, entities + 1)))
    time_ms = pick(edges(at_ms))
    events = []
    for _ in range(pick(range(1, 9))):
        kind, data = make(pick)
        if field:
            data[field] = name
        if family == "deal":
            _maybe(pick, data, "first_contact_at", (_text(time_ms - 5 * DAY, 0), _text(time_ms + DAY, 60)), 8)
        text = _text(time_ms, pick(OFFSETS))
        events.append({"type": kind, "time": text, "subject": f"{family}/{name}", "data": data})
        time_ms = pick((time_ms + pick(_STEPS), pick(edges(at_ms))))
    return events


# --- the reference ---------------------------------------------------------------------------------------------------


def _reference_event(index: int, kind: str, data: Event) -> Event:
    subject = f"{kind}/{index}"
    return {"id": str(index), "source": "ref", "type": kind, "time": "2025-01-01T00:00:00Z", "subject": subject} | {
        "data": data
    }


def reference(pick: Pick, at_ms: int) -> list[Event]:
    """A roster with moves, rates that change, and stages with and without order, probability and marks."""
    early, moved = _text(at_ms - 800 * DAY, 0), _text(pick(edges(at_ms)), 60)
    rows: list[tuple[str, Event]] = [
        ("rep.defined", {"rep": "ann", "team": "north", "region": "dach"}),
        ("rep.defined", {"rep": "ann", "team": "south", "valid_from": moved}),
        ("rep.defined", {"rep": "bob", "team": "south"}),
        ("rep.defined", {"rep": "bob", "team": "north", "region": "uk", "valid_from": moved}),
        ("rep.defined", {"rep": "cy", "valid_from": moved}),
        ("team.defined", {"team": "south", "region": "uk"}),
        ("team.defined", {"team": "south", "region": "dach", "valid_from": moved}),
        ("fx.rate", {"currency": "USD", "rate": pick(RATES)}),
        ("fx.rate", {"currency": "USD", "rate": pick(RATES), "valid_from": moved}),
        ("fx.rate", {"currency": "GBP", "rate": pick(RATES), "valid_from": pick((early, moved))}),
    ]
    if pick((True, True, True, False)):
        rows += [("stage.defined", data) for data in _stages(pick)]
    return [_reference_event(index, kind, data) for index, (kind, data) in enumerate(rows)]


def _stages(pick: Pick) -> list[Event]:
    marks = {"signed": {"is_won": True}, "dead": {"is_lost": True}, "demo": {"qualified": pick((True, False))}}
    found = []
    for pipeline in pick((("default",), PIPELINES)):
        ordered = pick((True, False))
        for index, stage in enumerate(STAGES[:-1]):
            data = {"pipeline": pipeline, "stage": stage} | marks.get(stage, {})
            if ordered:
                data["order"] = 10 * index
            _maybe(pick, data, "probability", (0.1, 0.33335, 0.0, 1.0), 1)
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


def _history(pick: Pick, lives: Sequence[list[Event]], at_ms: int) -> History:
    events = _identified([event for of_one in lives for event in of_one])
    settings = [encode(event) for event in reference(pick, at_ms)]
    return History([encode(event) for event in events], settings, at_ms, pick(ZONES))


def history(seed: int, *, lives: int = 12) -> History:
    """The same history for the same seed; about 4.5 events a life, a quarter as many entities a family as lives."""
    pick = random.Random(seed).choice
    at_ms = pick(AS_OF)
    return _history(pick, [life(pick, at_ms, max(3, lives // 4)) for _ in range(lives)], at_ms)


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
