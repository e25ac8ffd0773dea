"""KPI values as records of `kpi.values`, and back: JSON for people and downstream services."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Struct, UnsetType

from streamproc.kpis.against import Against
from streamproc.kpis.evaluate import Series
from streamproc.kpis.kpi import KpiValue

CLOCK_KEY = "clock"  # key prefix of the record that says how far a task's values have come


class _Row(Struct, gc=False):
    """A value as people and services read it. Made and written in half of the time that a dict takes."""

    kpi: str
    group: dict[str, str]
    window: str | None
    value: float | int | None
    numerator: float | int | None
    denominator: float | int | None
    n: int
    unit: str
    window_start: str | None
    as_of: str
    buckets: tuple[int, ...] | UnsetType = UNSET
    # What it stands against; what is undefined is left out.
    previous: float | int | UnsetType = UNSET
    change: float | UnsetType = UNSET
    target: float | UnsetType = UNSET
    attainment: float | UnsetType = UNSET
    pace: float | UnsetType = UNSET
    elapsed: float | UnsetType = UNSET
    benchmark: float | UnsetType = UNSET
    band: str | UnsetType = UNSET
    trend: str | UnsetType = UNSET
    test: str | UnsetType = UNSET


AGAINST = tuple(name for name in _Row.__struct_fields__ if name in Against.__struct_fields__)
_encode = msgspec.json.Encoder().encode


def value_key(one: Series | KpiValue) -> bytes:
    """Key of a series in `kpi.values`: kpi, window ("" for levels) and group, separated by `|`."""
    return f"{one.kpi}|{one.window or ''}|{one.group}".encode()


def value_row(value: KpiValue) -> dict[str, Any]:
    """A value as people and services read it; times in RFC 3339 (UTC), `value` None where undefined."""
    row: dict[str, Any] = msgspec.to_builtins(_row(value))
    return row


def encode_value(value: KpiValue) -> bytes:
    return _encode(_row(value))


def _row(value: KpiValue) -> _Row:
    row = _Row(
        value.kpi,
        _group(value.group),
        value.window,
        value.value,
        value.numerator,
        value.denominator,
        value.n,
        value.unit,
        None if value.window_start_ms is None else rfc3339(value.window_start_ms),
        rfc3339(value.as_of_ms),
        UNSET if value.buckets is None else value.buckets,
    )
    if value.against is not None:
        for name in AGAINST:
            found = getattr(value.against, name)
            if found is not None and found != "none":
                setattr(row, name, found)
    return row


@lru_cache(10_000)
def _group(group: str) -> dict[str, str]:
    dimension, _, member = group.partition("=")
    return {dimension: member} if dimension else {}


def clock_record(partition: int, clock_ms: int) -> tuple[bytes, bytes]:
    """Key and value of a task's clock record: its values hold as of this time, changed or not."""
    row = {"clock": partition, "as_of": rfc3339(clock_ms)}
    return f"{CLOCK_KEY}|{partition}".encode(), orjson.dumps(row)


@lru_cache(1_000)  # the values of a cut have their clock and windows in common
def rfc3339(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
