"""KPI values as records of `kpi.values`, and back: JSON for people and downstream services."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from streamproc.kpis.evaluate import Series
from streamproc.kpis.kpi import KpiValue

# What a value stands against, in the order of its record; what is undefined is left out.
AGAINST = (
    "previous", "change", "target", "attainment", "pace", "elapsed", "benchmark", "band", "trend", "test",
)  # fmt: skip
CLOCK_KEY = "clock"  # key prefix of the record that says how far a task's values have come


def value_key(series: Series) -> bytes:
    """Key of a series in `kpi.values`: kpi, window ("" for levels) and group, separated by `|`."""
    return f"{series.kpi}|{series.window or ''}|{series.group}".encode()


def value_row(value: KpiValue) -> dict[str, Any]:
    """A value as people and services read it; times in RFC 3339 (UTC), `value` None where undefined."""
    dimension, _, member = value.group.partition("=")
    row: dict[str, Any] = {
        "kpi": value.kpi,
        "group": {dimension: member} if dimension else {},
        "window": value.window,
        "value": value.value,
        "numerator": value.numerator,
        "denominator": value.denominator,
        "n": value.n,
        "unit": value.unit,
        "window_start": None if value.window_start_ms is None else rfc3339(value.window_start_ms),
        "as_of": rfc3339(value.as_of_ms),
    }
    if value.buckets is not None:
        row["buckets"] = value.buckets
    if value.against is not None:
        row |= {name: found for name in AGAINST if (found := getattr(value.against, name)) not in (None, "none")}
    return row


def encode_value(value: KpiValue) -> bytes:
    return orjson.dumps(value_row(value))


def clock_record(partition: int, clock_ms: int) -> tuple[bytes, bytes]:
    """Key and value of a task's clock record: its values hold as of this time, changed or not."""
    row = {"clock": partition, "as_of": rfc3339(clock_ms)}
    return f"{CLOCK_KEY}|{partition}".encode(), orjson.dumps(row)


@lru_cache(1_000)  # the values of a cut have their clock and windows in common
def rfc3339(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
