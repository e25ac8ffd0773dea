"""Records of `kpi.alerts` (changes of bands) and `kpi.events` (celebrations): all that a receiver needs, as JSON.

Ids follow from what a record tells, so a receiver that gets one twice can tell.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from streamproc.facts.won import Won
from streamproc.kpis.against import Against
from streamproc.kpis.judge import Alert
from streamproc.kpis.kpi import Catalogue, KpiValue
from streamproc.outputs.texts import alert_text, reached_text, won_text
from streamproc.outputs.topics import rfc3339, value_key

ALERTS, EVENTS = "kpi.alerts", "kpi.events"
Record = tuple[bytes, bytes]  # key and value


def alert_record(alert: Alert, catalogue: Catalogue) -> Record:
    """A change of band."""
    value, found = alert.value, alert.value.against or Against()
    kpi, series = catalogue[value.kpi], value_key(value)
    row = {
        "id": _id(series, str(value.as_of_ms).encode(), found.band.encode()),
        "kpi": value.kpi,
        "title_en": kpi.title_en,
        "title_de": kpi.title_de,
        "group": _group(value.group),
        "window": value.window,
        "value": value.value,
        "n": value.n,
        "unit": value.unit,
        "band": found.band,
        "previous_band": alert.before,
        "limit": found.crossed._asdict() if found.crossed else None,
        "target": found.target,
        "attainment": found.attainment,
        "pace": found.pace,
        "as_of": rfc3339(value.as_of_ms),
        "text_en": alert_text(kpi, value, found, alert.before, "en"),
        "text_de": alert_text(kpi, value, found, alert.before, "de"),
    }
    return series, orjson.dumps(row)


def reached_record(value: KpiValue, catalogue: Catalogue) -> Record:
    """The target of a period was reached: told once a period and series."""
    kpi, found = catalogue[value.kpi], value.against or Against()
    start_ms = value.window_start_ms or 0
    row = {
        "id": _id(b"target.reached", value_key(value), str(start_ms).encode()),
        "type": "target.reached",
        "kpi": value.kpi,
        "title_en": kpi.title_en,
        "title_de": kpi.title_de,
        "group": _group(value.group),
        "window": value.window,
        "value": value.value,
        "unit": value.unit,
        "target": found.target,
        "attainment": found.attainment,
        "period_start": rfc3339(start_ms),
        "as_of": rfc3339(value.as_of_ms),
        "text_en": reached_text(kpi, value, "en"),
        "text_de": reached_text(kpi, value, "de"),
    }
    return value.group.encode(), orjson.dumps(row)


def won_record(won: Won) -> Record:
    """A deal was won."""
    row: dict[str, Any] = {
        "id": _id(b"deal.won", won.source.encode(), won.id.encode()),
        "type": "deal.won",
        **{name: getattr(won, name) for name in ("deal", "rep", "team", "region", "amount", "currency")},
        "time": rfc3339(won.time_ms),
        "text_en": won_text(won, "en"),
        "text_de": won_text(won, "de"),
    }
    return (f"rep={won.rep}" if won.rep else "").encode(), orjson.dumps(row)


def _id(*parts: bytes) -> str:
    return blake2b(b"\n".join(parts), digest_size=16).hexdigest()


def _group(group: str) -> dict[str, str]:
    dimension, _, member = group.partition("=")
    return {dimension: member} if dimension else {}
