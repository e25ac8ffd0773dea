"""Bytes → Event or a rejection with the right reason; never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import event, line, ms

from streamproc.codec import REASONS, Rejection, decode, decode_reference
from streamproc.events import EVENTS, MAX_EVENT_BYTES, REFERENCE, Event

CALL = {
    "specversion": "1.0",
    "id": "1",
    "source": "crm",
    "type": "call.logged",
    "time": "2026-03-02T10:00:00+01:00",
    "subject": "call/c1",
    "data": {"rep": "ann"},
}


def call(**changes: Any) -> bytes:
    return json.dumps({**CALL, **changes}).encode()


def patched(field: str, raw: bytes) -> bytes:
    """A call whose data has a field with raw JSON."""
    return call(data={"rep": "ann", field: "HERE"}).replace(b'"HERE"', raw)


def rejected(raw: bytes | None) -> Rejection:
    found = decode(raw)
    assert isinstance(found, Rejection), found
    assert found.reason in REASONS
    assert found.error
    return found


def taken(raw: bytes) -> Event:
    found = decode(raw)
    assert not isinstance(found, Rejection), found
    return found


def test_a_canonical_event() -> None:
    found = taken(call(time="2026-03-02T10:00:00.123999+01:00"))
    assert (found.type, found.id, found.source, found.subject) == ("call.logged", "1", "crm", "call/c1")
    assert found.time_ms == ms("09:00:00.123")  # to the millisecond, rounded down
    assert found.data.rep == "ann"


@pytest.mark.parametrize("name", [name for name, row in EVENTS.items() if row.topic != REFERENCE and row.subject])
def test_every_type_names_what_it_lacks(name: str) -> None:
    fields = EVENTS[name].subject.split("/")[1:]
    if fields:
        body = {**event("deal.created"), "type": name, "subject": "x", "data": {}}
        found = rejected(json.dumps(body).encode())
        assert found.reason == "schema"
        assert "missing required field" in found.error


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "not_json"),
        (b"", "not_json"),
        (b"   ", "not_json"),
        (b"{", "not_json"),
        (b"hello", "not_json"),
        (call()[:-1], "not_json"),
        (call() + b" x", "not_json"),
        (b"\xef\xbb\xbf" + call(), "not_json"),  # a byte order mark
        (call().decode().encode("utf-16"), "not_utf8"),
        (call(id="HERE").replace(b"HERE", b"\xff"), "not_utf8"),
        (call(data={"rep": "ann", "unknown": "HERE"}).replace(b"HERE", b"\xc3\x28"), "not_utf8"),
        (call(unknown="HERE").replace(b"HERE", b"\xed\xa0\x80"), "not_utf8"),  # a surrogate in UTF-8
        (call(id="HERE").replace(b"HERE", b"\\ud800"), "not_json"),  # half a surrogate pair
        (patched("duration_s", b"NaN"), "not_json"),
        (patched("duration_s", b"Infinity"), "not_json"),
        (patched("unknown", b"NaN"), "not_json"),
        (patched("unknown", b"[" * 50_000 + b"]" * 50_000), "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a":' * 40_000, "not_json"),
        (call(data={"rep": "x" * MAX_EVENT_BYTES}), "too_large"),
        (b"\xff" * (MAX_EVENT_BYTES + 1), "too_large"),
        (call(type="call.forgotten"), "unknown_type"),
        (call(type=""), "unknown_type"),
        (b'{"type": "no.such"}', "unknown_type"),
        (b"[]", "schema"),
        (b"null", "schema"),
        (b"12", "schema"),
        (b'"text"', "schema"),
        (b"{}", "schema"),
        (line("fx.rate", currency="USD", rate=1.0), "schema"),  # belongs to another topic
    ],
)
def test_bad_input_has_its_reason(raw: bytes | None, reason: str) -> None:
    assert rejected(raw).reason == reason


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"specversion": "0.3"}, "specversion", "0.3"),
        ({"id": ""}, "id", ">= 1"),
        ({"id": "x" * 129}, "id", "<= 128"),
        ({"id": 1}, "id", "`str`"),
        ({"source": ""}, "source", ">= 1"),
        ({"time": "yesterday"}, "time", "RFC3339"),
        ({"time": "2026-03-02T10:00:00"}, "time", "timezone"),
        ({"time": 1_772_442_000}, "time", "`datetime`"),
        ({"time": "2026-02-30T10:00:00Z"}, "time", "RFC3339"),
        ({"type": 5}, "type", "`str`"),
        ({"subject": ""}, "subject", ">= 1"),
        ({"subject": "email/c1"}, "subject", "`call`"),
        ({"partitionkey": "other"}, "partitionkey", "subject"),
        ({"data": None}, "data", "`object`"),
        ({"data": {}}, "data", "`rep`"),
        ({"data": {"rep": "ann", "direction": "up"}}, "data.direction", "up"),
        ({"data": {"rep": "ann", "channel": "fax"}}, "data.channel", "fax"),
        ({"data": {"rep": "ann", "duration_s": "long"}}, "data.duration_s", "`float"),
        ({"data": {"rep": "ann", "duration_s": -1}}, "data.duration_s", ">= 0"),
        ({"data": {"rep": "ann", "duration_s": 1e300}}, "data.duration_s", "<="),
        ({"data": {"rep": ["ann"]}}, "data.rep", "`str`"),
    ],
)
def test_schema_violations_name_field_and_expectation(changes: dict[str, Any], field: str, expected: str) -> None:
    found = rejected(call(**changes))
    assert found.reason == "schema"
    assert f"$.{field}`" in found.error
    assert expected in found.error


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type", "time", "subject", "data"])
def test_missing_attributes_are_named(missing: str) -> None:
    found = decode(json.dumps({key: value for key, value in CALL.items() if key != missing}).encode())
    if missing == "specversion":  # the only one with a default
        assert not isinstance(found, Rejection)
    else:
        assert isinstance(found, Rejection)
        assert (found.reason, f"`{missing}`" in found.error) == ("schema", True)


@pytest.mark.parametrize(
    ("kind", "data", "subject", "fits"),
    [
        ("call.logged", {"rep": "ann"}, "call/x/y", True),
        ("call.logged", {"rep": "ann"}, "call/", False),
        ("call.logged", {"rep": "ann"}, "call", False),
        ("call.logged", {"rep": "ann"}, "caller/1", False),
        ("email.sent", {"message_id": "m1"}, "email/m1", True),
        ("email.sent", {"message_id": "m1"}, "email/m2", False),
        ("email.sent", {"message_id": "a/b"}, "email/a/b", True),
        ("quote.sent", {"deal": "d", "quote": "q"}, "deal/d", True),
        ("quote.sent", {"deal": "d", "quote": "q"}, "quote/q", False),
        ("webinar.attended", {"webinar_id": "w", "contact": "p"}, "webinar/w/p", True),
        ("webinar.attended", {"webinar_id": "w", "contact": "p"}, "webinar/w", False),
        ("order.placed", {"order": "o", "customer": "k"}, "customer/k", True),
        ("order.placed", {"order": "o", "customer": "k"}, "order/o", False),
        ("web.visited", {"page": "/"}, "anything", True),
    ],
)
def test_the_subject_names_the_entity(kind: str, data: dict[str, str], subject: str, fits: bool) -> None:
    found = decode(call(type=kind, data=data, subject=subject))
    assert isinstance(found, Rejection) != fits
    if isinstance(found, Rejection):
        assert found.reason == "schema"
        assert "`$.subject`" in found.error


def test_the_partition_key_may_repeat_the_subject() -> None:
    assert taken(call(partitionkey="call/c1")).partitionkey == "call/c1"


@pytest.mark.parametrize("raw", [b"1e400", b"-1e400", b"9" * 5000])
def test_numbers_beyond_all_bounds(raw: bytes) -> None:
    found = rejected(patched("duration_s", raw))
    assert "out of range" in found.error
    assert not isinstance(decode(patched("unknown", raw)), Rejection)  # what is not known is not looked at


def test_unknown_fields_are_ignored() -> None:
    found = taken(call(extension={"a": [1]}, data={"rep": "ann", "mood": {"good": True}}))
    assert found.data.rep == "ann"


def test_of_a_field_given_twice_the_last_holds() -> None:
    assert taken(call()[:-1] + b', "id": "2"}').id == "2"
    found = rejected(call()[:-1] + b', "type": "email.sent"}')  # but a type given twice is a contradiction
    assert (found.reason, "$.type" in found.error) == ("schema", True)


def test_exactly_the_largest_event_is_taken() -> None:
    padding = MAX_EVENT_BYTES - len(call(data={"rep": "ann", "unknown": ""}))
    raw = call(data={"rep": "ann", "unknown": "x" * padding})
    assert len(raw) == MAX_EVENT_BYTES
    taken(raw)
    assert rejected(raw + b" ").reason == "too_large"


def test_reference_events_have_their_own_decoder() -> None:
    rate = line("fx.rate", currency="USD", rate=0.9)
    assert not isinstance(decode_reference(rate), Rejection)
    found = decode_reference(call())
    assert isinstance(found, Rejection)
    assert found.reason == "schema"
    for bad in (0, -1, "NaN"):
        assert isinstance(decode_reference(line("fx.rate", currency="USD", rate=bad)), Rejection)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from([*CALL, "partitionkey", "traceparent", "extra"])
KINDS = st.sampled_from(list(EVENTS))


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    assert isinstance(decode(raw), Event | Rejection)


@settings(max_examples=100, deadline=None)
@given(
    kind=KINDS,
    changes=st.dictionaries(FIELDS, ANYTHING, max_size=3),
    data=st.dictionaries(st.text(), ANYTHING, max_size=3),
)
def test_any_json(kind: str, changes: dict[str, Any], data: dict[str, Any]) -> None:
    body = {**CALL, "type": kind, **changes}
    if isinstance(body["data"], dict):
        body["data"] = {**body["data"], **data}
    for found in (decode(json.dumps(body).encode()), decode_reference(json.dumps(body).encode())):
        assert isinstance(found, Event) or found.reason in REASONS


@settings(max_examples=200, deadline=None)
@given(kind=KINDS, at=st.integers(0, 400), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_events(kind: str, at: int, byte: int, cut: bool) -> None:
    raw = bytearray(
        json.dumps(CALL | {"type": kind, "data": {"rep": "ann", "message_id": "m1", "deal": "d1"}}).encode()
    )
    if cut:
        del raw[at:]
    else:
        raw[at % len(raw)] = byte
    found = decode(bytes(raw))
    assert isinstance(found, Event) or found.reason in REASONS
