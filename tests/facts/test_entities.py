"""Entities: what a batch emits, when they are dropped, and that their state is all there is."""

from __future__ import annotations

import json
from collections import Counter

import msgspec
import pytest
from support.build import DAY_MS, decoded, event, ms, parse

from streamproc.facts.entities import LIVES, Entities
from streamproc.facts.reference import Reference

NOW = ms("09:00")


def apply(entities: Entities, kind: str, name: str, time: str = "09:00", arrival: int = NOW, **data: object) -> None:
    found = decoded(kind, name, time, **data)
    entities.apply(found, found.time_ms, arrival)


def emitted(entities: Entities) -> dict[str, int]:
    found: Counter[str] = Counter()
    for fact, times in entities.differences():
        found[fact.name] += times
    return {name: times for name, times in found.items() if times}


def test_a_batch_emits_differences() -> None:
    entities = Entities(Reference())
    apply(entities, "email.sent", "m1")
    assert emitted(entities) == {"email_sent": 1, "email_reached": 1}
    apply(entities, "email.opened", "m1", "09:10")
    assert emitted(entities) == {"email_opened": 1}
    apply(entities, "email.opened", "m1", "09:20")
    assert emitted(entities) == {}
    apply(entities, "email.bounced", "m1", "09:30")
    assert emitted(entities) == {
        "email_bounced": 1, "email_opened": -1, "email_reached": -1, "anomaly/engaged_unreached": 1,
    }  # fmt: skip
    assert emitted(entities) == {}


@pytest.mark.parametrize("subject", ["webinar/w1/c1", "lead/l1", "meeting/v1", "email/m1", "deal/d1"])
def test_what_may_have_any_subject_is_no_event_of_a_life(subject: str) -> None:
    entities = Entities(Reference())
    event = msgspec.structs.replace(decoded("web.clicked", "w1", "09:00"), subject=subject)
    entities.apply(event, event.time_ms, NOW)
    assert len(entities) == 0


def test_families_without_a_life_pass() -> None:
    entities = Entities(Reference())
    apply(entities, "call.logged", "c1", rep="ann")
    apply(entities, "research.logged", "ann", rep="ann", duration_s=1)
    assert (len(entities), emitted(entities), entities.take_dirty()) == (0, {}, [])


@pytest.mark.parametrize("subject", ["deal/d1", "email/m1", "customer/c1"])
@pytest.mark.parametrize(("kind", "data"), [("survey.answered", {"survey": "nps", "score": 9}), ("web.clicked", {})])
def test_what_may_have_any_subject_is_no_event_of_its_life(kind: str, data: dict[str, object], subject: str) -> None:
    entities = Entities(Reference())
    about = parse(json.dumps(event(kind, "1", "09:00", **data) | {"subject": subject}).encode())
    entities.apply(about, about.time_ms, NOW)
    assert (len(entities), emitted(entities)) == (0, {})


@pytest.mark.parametrize(
    ("kind", "days"),
    [("email.sent", 97), ("message.sent", 97), ("meeting.booked", 97), ("deal.created", 800), ("customer.won", 800)],
)
def test_entities_are_dropped_when_nothing_has_arrived_for_long(kind: str, days: int) -> None:
    entities = Entities(Reference())
    apply(entities, kind, "1")
    emitted(entities)
    ((subject, state),) = entities.take_dirty()
    assert state is not None
    assert LIVES[subject.partition("/")[0]].keep_days == days
    entities.expire(NOW + (days - 1) * DAY_MS)
    assert subject in entities
    entities.expire(NOW + days * DAY_MS)
    assert subject not in entities
    assert emitted(entities) == {}  # what it counted stays counted
    assert entities.take_dirty() == [(subject, None)]


def test_an_arrival_keeps_an_entity_whatever_the_time_of_its_event() -> None:
    entities = Entities(Reference())
    apply(entities, "email.sent", "m1")
    apply(entities, "email.opened", "m1", "09:10", arrival=NOW + 60 * DAY_MS)
    emitted(entities)
    entities.expire(NOW + 97 * DAY_MS)
    assert "email/m1" in entities
    entities.expire(NOW + 157 * DAY_MS)
    assert "email/m1" not in entities


def test_orphans_are_counted_when_they_are_dropped() -> None:
    entities = Entities(Reference())
    apply(entities, "email.opened", "m1")
    apply(entities, "email.sent", "m2")
    apply(entities, "message.replied", "x1")
    emitted(entities)
    entities.expire(NOW + 97 * DAY_MS)
    assert entities.orphans == 2


def test_a_dropped_entity_may_begin_anew() -> None:
    entities = Entities(Reference())
    apply(entities, "email.sent", "m1")
    emitted(entities)
    entities.expire(NOW + 97 * DAY_MS)
    apply(entities, "email.sent", "m1", "10:00", arrival=NOW + 97 * DAY_MS)
    assert emitted(entities)["email_sent"] == 1
    ((_, state),) = entities.take_dirty()
    assert state is not None  # not deleted: it lives again
    entities.expire(NOW + 193 * DAY_MS)
    assert "email/m1" in entities
    entities.expire(NOW + 194 * DAY_MS)
    assert "email/m1" not in entities


def test_a_restored_entity_goes_on_and_expires_as_before() -> None:
    kept: dict[str, bytes] = {}
    entities = Entities(Reference())
    for kind, name in (("email.sent", "m1"), ("deal.created", "d1"), ("meeting.booked", "v1"), ("message.sent", "x1")):
        apply(entities, kind, name, rep="ann")
    emitted(entities)
    kept = {subject: state for subject, state in entities.take_dirty() if state is not None}
    again = Entities(Reference())
    again.restore(kept)
    assert emitted(again) == {}
    for one in (entities, again):
        apply(one, "email.replied", "m1", "10:00", arrival=NOW + DAY_MS)
        apply(one, "deal.won", "d1", "10:00")
        apply(one, "meeting.held", "v1", "10:00")
        apply(one, "message.replied", "x1", "10:00")
    assert Counter(again.differences()) == Counter(entities.differences())
    assert dict(again.take_dirty()) == dict(entities.take_dirty())
    for one in (entities, again):
        one.expire(NOW + 97 * DAY_MS)
    for one in (entities, again):
        assert len(one) == 2
        assert "email/m1" in one
        assert "deal/d1" in one


def test_a_restored_entity_is_not_decoded_before_something_arrives_for_it() -> None:
    """A million of them must be there in seconds: whatever is in the life, only its frame is looked at."""
    nonsense = msgspec.msgpack.encode((NOW // DAY_MS, "no life", False))
    entities = Entities(Reference())
    entities.restore({"email/m1": nonsense, "email/m2": nonsense})
    entities.expire(NOW + 96 * DAY_MS)
    assert len(entities) == 2
    entities.expire(NOW + 97 * DAY_MS)
    assert (len(entities), sorted(entities.take_dirty())) == (0, [("email/m1", None), ("email/m2", None)])


def test_an_orphan_of_the_first_release_is_known_as_one() -> None:
    entities = Entities(Reference())
    for kind, name in (("email.opened", "m1"), ("email.sent", "m2")):
        apply(entities, kind, name)
    emitted(entities)
    states = {subject: state for subject, state in entities.take_dirty() if state is not None}
    again = Entities(Reference())
    again.restore(
        {subject: msgspec.msgpack.encode(msgspec.msgpack.decode(state)[:2]) for subject, state in states.items()}
    )
    again.expire(NOW + 7 * DAY_MS)
    assert (len(again), again.orphans, "email/m2" in again) == (1, 1, True)


def test_lives_are_decoded_only_for_those_touched_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.facts.entities._DECODED", 2)
    entities = Entities(Reference())
    for name in ("m1", "m2", "m3"):
        apply(entities, "email.sent", name)
    emitted(entities)
    entities.take_dirty()
    apply(entities, "email.opened", "m2", "10:00")
    emitted(entities)
    apply(entities, "email.sent", "m4")
    emitted(entities)
    entities.take_dirty()
    assert sorted(entities._lives) == ["email/m2", "email/m4"]
    apply(entities, "email.opened", "m1", "10:00")
    assert emitted(entities) == {"email_opened": 1}
