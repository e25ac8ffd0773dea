"""The oracle: every KPI value straight from the formulas, in SQL (DuckDB), sharing no code with the pipeline.

It knows the event vocabulary (`streamproc.events`) and the catalogue's names and groups, nothing else of the project.
roster.sql finds teams, deals.py replays deals, facts.sql makes facts of the other events, values.sql values of facts.
Floats agree with the pipeline's up to the last bits; quantiles are exact elements, the pipeline's are within 1 %.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import msgspec

from oracle import deals
from streamproc.events import EVENT_TOPICS, MAX_EVENT_BYTES, REFERENCE, decoder, subject_error, to_ms
from streamproc.kpis.catalogue import catalogue

Series = tuple[str, str, str | None]  # kpi, group, window


class Row(NamedTuple):
    value: float | None
    numerator: float | None
    denominator: float | None
    n: int


MINUTE = 60_000
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
ROLLING = {"1h": (HOUR, MINUTE), "24h": (DAY, 15 * MINUTE)} | {f"{n}d": (n * DAY, HOUR) for n in (7, 30, 90)}
ALWAYS_MS = -(2**62)
RANKS = {
    "deal.created": 0, "deal.updated": 1, "quote.sent": 1, "deal.stage_changed": 2,
    "deal.won": 3, "deal.lost": 3, "deal.reopened": 4, "deal.deleted": 5,
}  # fmt: skip
_EVENT, _REFERENCE = decoder(*EVENT_TOPICS).decode, decoder(REFERENCE).decode
_DUCKDB = duckdb.connect(config={"threads": 1})
_DIM_TYPES = dict.fromkeys(deals.DIMS, "VARCHAR")
_TABLES = {
    "events": {
        "seq": "BIGINT", "type": "VARCHAR", "subject": "VARCHAR", "time_ms": "BIGINT", **_DIM_TYPES,
        "medium": "VARCHAR", "machine": "BOOLEAN", "direction": "VARCHAR", "contact": "VARCHAR", "recipient": "VARCHAR",
    },
    "reps": {
        "position": "BIGINT", "valid_from_ms": "BIGINT", "rep": "VARCHAR", "team": "VARCHAR", "region": "VARCHAR",
    },
    "teams": {"position": "BIGINT", "valid_from_ms": "BIGINT", "team": "VARCHAR", "region": "VARCHAR"},
    "deal_fact": {
        "name": "VARCHAR", "time_ms": "BIGINT", "amount": "HUGEINT", "identity": "VARCHAR", **_DIM_TYPES,
        "deal_stage": "VARCHAR",
    },
    "open_deal": {
        "amount": "HUGEINT", "weighted": "HUGEINT", "qualified": "BOOLEAN", "is_now": "BOOLEAN", **_DIM_TYPES,
        "deal_stage": "VARCHAR",
    },
    "windows": {"window_name": "VARCHAR", "start_ms": "BIGINT"},
    "kpi_by": {"kpi": "VARCHAR", "dimension": "VARCHAR"},
}  # fmt: skip


def values(
    lines: Iterable[bytes],
    at_ms: int,
    *,
    kpis: Collection[str] | None = None,
    reference: Iterable[bytes] = (),
    zone: str = "UTC",
    currency: str = "EUR",
    windows: Collection[str] | None = None,
) -> dict[Series, Row]:
    """The KPI values as of `at_ms` (a whole minute, epoch ms) by (kpi, group, window).

    `lines` are canonical events (NDJSON) in any order; invalid and repeated ones and those from `at_ms` on are left
    out. Reference events among them count as `reference` does. `kpis` and `windows` narrow the answer (None: all);
    levels have the window None and are not narrowed by `windows`.
    """
    if at_ms % MINUTE:
        raise ValueError(f"at_ms must be a whole minute, got {at_ms}")
    lines = list(lines)
    settings = Reference([*reference, *lines], currency)
    ordered = _events(lines, at_ms, settings)
    by = {kpi.name: ("", *kpi.by) for kpi in catalogue(currency).kpis if kpis is None or kpi.name in kpis}
    starts = _window_starts(at_ms, ZoneInfo(zone))
    with _DUCKDB.cursor() as db:  # its temporary tables live as long as the cursor
        db.execute("SET VARIABLE currency = ?", [currency.lower()])
        _load(db, "reps", settings.reps)
        _load(db, "teams", settings.teams)
        _load(db, "windows", _rows(starts, windows))
        _load(db, "kpi_by", [{"kpi": kpi, "dimension": dim} for kpi, dims in by.items() for dim in dims])
        _load(db, "events", ordered)
        db.execute(_sql("roster"))
        _replay_deals(db, ordered, settings)
        db.execute(_sql("facts"))
        db.execute(_sql("values"))
        answers = db.execute("SELECT kpi, group_name, window_name, value, numerator, denominator, n FROM answers")
        return {(kpi, group, window): Row(*parts) for kpi, group, window, *parts in answers.fetchall()}


class Reference:
    """Roster, stages and rates of the reference events among `lines`."""

    def __init__(self, lines: Iterable[bytes], currency: str) -> None:
        self.currency = currency
        self.reps: list[dict[str, Any]] = []
        self.teams: list[dict[str, Any]] = []
        self.stages = deals.Stages()
        self._rates: dict[str, dict[int, Decimal]] = {}
        for position, (event, _) in enumerate(_decoded(lines, _REFERENCE)):
            row = _fields(event.data) | {"position": position}
            if event.type == "rep.defined":
                self.reps.append(row)
            elif event.type == "team.defined":
                self.teams.append(row)
            elif event.type == "stage.defined":
                self.stages.add(row)
            elif event.type == "fx.rate":
                self._rates.setdefault(row["currency"], {})[row["valid_from_ms"]] = Decimal(repr(row["rate"]))

    def rate(self, currency: str, time_ms: int) -> Decimal | None:
        if currency == self.currency:
            return Decimal(1)
        rates = self._rates.get(currency, {})
        valid_from = max((since for since in rates if since <= time_ms), default=None)
        return None if valid_from is None else rates[valid_from]

    def convert(self, amount: float, currency: str, time_ms: int) -> int | None:
        """`amount` in 1/10,000 of the reporting currency, half-even; None without a rate."""
        rate = self.rate(currency, time_ms)
        return None if rate is None else deals.times(rate * 10_000, amount)


def _decoded(lines: Iterable[bytes], decode: Callable[[bytes], Any]) -> Iterator[tuple[Any, bytes]]:
    """The valid events among `lines`, each with its line."""
    for line in lines:
        try:
            event = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if len(line) <= MAX_EVENT_BYTES and subject_error(event) is None:
            yield event, line


def _events(lines: Iterable[bytes], at_ms: int, settings: Reference) -> list[dict[str, Any]]:
    """The events that exist at `at_ms`, once each, in order."""
    found = []
    for event, line in _decoded(lines, _EVENT):
        named = getattr(event.data, "currency", None)
        if event.time_ms < at_ms and (named is None or settings.rate(named, event.time_ms) is not None):
            found.append(((event.time_ms, RANKS.get(event.type, 0), event.source, event.id, line), event))
    found.sort(key=lambda pair: pair[0])
    first: dict[tuple[str, str], Any] = {}
    for _, event in found:
        first.setdefault((event.source, event.id), event)
    return [
        {**_fields(event.data), "seq": seq, "type": event.type, "subject": event.subject, "time_ms": event.time_ms}
        for seq, event in enumerate(first.values())
    ]


def _fields(data: Any) -> dict[str, Any]:
    """Fields of event data; instants become `…_ms` (`first_contact_at` → `first_contact_ms`)."""
    row = {name: getattr(data, name) for name in data.__struct_fields__}
    for name, renamed in (("valid_from", "valid_from_ms"), ("first_contact_at", "first_contact_ms")):
        if name in row:
            instant = row.pop(name)
            row[renamed] = None if instant is None else to_ms(instant)
    if "valid_from_ms" in row and row["valid_from_ms"] is None:
        row["valid_from_ms"] = ALWAYS_MS
    return row


def _replay_deals(db: duckdb.DuckDBPyConnection, ordered: list[dict[str, Any]], settings: Reference) -> None:
    teams = db.execute("SELECT seq, team, region FROM resolved WHERE subject LIKE 'deal/%'").fetchall()
    resolved = {seq: {"team": team, "region": region} for seq, team, region in teams}
    events = [event | resolved[event["seq"]] for event in ordered if event["type"] in RANKS]
    facts: list[dict[str, Any]] = []
    open_periods: list[dict[str, Any]] = []
    for _, life in groupby(sorted(events, key=lambda e: (e["subject"], e["seq"])), key=lambda e: e["subject"]):
        deal = deals.Life(settings.stages, settings.currency, settings.convert)
        of_deal, periods = deals.replay(deal, life)
        facts += of_deal
        open_periods += periods
    _load(db, "deal_fact", facts)
    _load(db, "open_deal", open_periods)


def _window_starts(at_ms: int, zone: ZoneInfo) -> dict[str, int]:
    """Start of every window as of `at_ms`, by its name."""
    starts = {name: (at_ms - length) // step * step for name, (length, step) in ROLLING.items()}
    today = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms - 1)).astimezone(zone).date()
    days: dict[str, date] = {
        "today": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "quarter": today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1),
        "year": today.replace(month=1, day=1),
    }
    midnights = {name: to_ms(datetime.combine(day, time(), zone)) for name, day in days.items()}
    return {**starts, **midnights, "all": ALWAYS_MS}


def _rows(starts: dict[str, int], wanted: Collection[str] | None) -> list[dict[str, Any]]:
    return [
        {"window_name": name, "start_ms": start} for name, start in starts.items() if wanted is None or name in wanted
    ]


def _sql(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text()


def _load(db: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    """Creates `table` from `rows`; unknown fields are dropped, missing ones null."""
    columns = _TABLES[table]
    document = msgspec.json.encode([{name: row.get(name) for name in columns} for row in rows]).decode()
    shape = msgspec.json.encode([columns]).decode()
    db.execute(
        f"CREATE TEMP TABLE {table} AS SELECT unnest(from_json(?::JSON, '{shape}'), recursive := true)", [document]
    )
