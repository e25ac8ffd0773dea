"""Bytes → Event, or a rejection that says which field is wrong and what was expected. Never an exception."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from streamproc.events import EVENT_TOPICS, EVENTS, MAX_EVENT_BYTES, REFERENCE, Event, decoder, subject_error

# Times that calendars can work with in any time zone; a zero time of some system is not when something happened.
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
FUTURE_MS = 5 * 60_000  # events further ahead of the wall clock than this are rejected

REASONS = ("not_json", "not_utf8", "too_large", "schema", "unknown_type", "unknown_currency", "future", "late")


class Rejection(NamedTuple):
    """Why an event was not taken. `reason` is one of REASONS, `error` says which field and what was expected."""

    reason: str
    error: str


_EVENTS = decoder(*EVENT_TOPICS)
_REFERENCE = decoder(REFERENCE)
_JSON = msgspec.json.Decoder()


def decode(raw: bytes | None) -> Event | Rejection:
    """A canonical event from the bytes of a record."""
    event = _decode(raw, _EVENTS)
    if isinstance(event, Event) and not EARLIEST <= event.time <= LATEST:
        return Rejection("schema", f"`$.time`: expected a time from {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}")
    return event


def decode_reference(raw: bytes | None) -> Event | Rejection:
    """An event of `sales.reference` from the bytes of a record."""
    return _decode(raw, _REFERENCE)


def _decode(raw: bytes | None, typed: msgspec.json.Decoder[Event]) -> Event | Rejection:
    if raw is None:
        return Rejection("not_json", "expected a JSON object, got an empty record")
    if len(raw) > MAX_EVENT_BYTES:
        return Rejection("too_large", f"expected at most {MAX_EVENT_BYTES} bytes, got {len(raw)}")
    try:
        raw.decode()
        event = typed.decode(raw)
    except UnicodeDecodeError as error:
        return Rejection("not_utf8", f"expected UTF-8, got byte {error.object[error.start]:#x} at {error.start}")
    except msgspec.ValidationError as error:
        return _invalid(raw, str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        return Rejection("not_json", f"expected a JSON object: {error}")
    wrong = subject_error(event)
    return Rejection("schema", wrong) if wrong else event


def _invalid(raw: bytes, error: str) -> Rejection:
    try:
        found = _JSON.decode(raw)
    except (msgspec.DecodeError, RecursionError) as malformed:
        return Rejection("not_json", f"expected a JSON object: {malformed}")
    kind = found.get("type") if isinstance(found, dict) else None
    if isinstance(kind, str) and kind not in EVENTS:
        return Rejection("unknown_type", f"{error}; known types are in schemas/")
    return Rejection("schema", error)
