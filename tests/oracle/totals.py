"""Sums of facts by group and window, in DuckDB. Facts of activities are made here, the others are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from oracle.dims import ALL_DIMS, DIMS, Row
from oracle.reading import Found
from oracle.windows import Span

_DUCKDB = duckdb.connect(config={"threads": 1})
_TEXT, _TIME, _MONEY = "VARCHAR", "BIGINT", "HUGEINT"
_DIM_TYPES = dict.fromkeys(ALL_DIMS, _TEXT)
_TABLES = {
    "events": {
        "seq": _TIME, "type": _TEXT, "subject": _TEXT, "time_ms": _TIME, **dict.fromkeys(DIMS, _TEXT),
        "medium": _TEXT, "machine": "BOOLEAN", "direction": _TEXT, "contact": _TEXT, "recipient": _TEXT,
        "kind": _TEXT, "outcome": _TEXT,
    },
    "reps": {"position": _TIME, "valid_from_ms": _TIME, "rep": _TEXT, "team": _TEXT, "region": _TEXT},
    "teams": {"position": _TIME, "valid_from_ms": _TIME, "team": _TEXT, "region": _TEXT},
    "given_fact": {"name": _TEXT, "time_ms": _TIME, "amount": _MONEY, "identity": _TEXT, **_DIM_TYPES},
    "period": {
        "name": _TEXT, "start_ms": _TIME, "end_ms": _TIME, "amount": _MONEY, "weighted": _MONEY,
        "qualified": "BOOLEAN", "stays": "BOOLEAN", **_DIM_TYPES,
    },
    "moment": {"moment": _TEXT, "time_ms": _TIME},
    "edge": {"edge_ms": _TIME},
    "span": {"span": _TEXT, "is_before": "BOOLEAN", "start_ms": _TIME, "end_ms": _TIME},
    "needed": {"name": _TEXT, "dimension": _TEXT},
}  # fmt: skip
NOW = "now"


class Stock(NamedTuple):
    """Periods that hold at a moment. Money in 1/10,000; `stay`: those whose owner is still there at the end."""

    count: int = 0
    amount: int = 0
    weighted: int = 0
    qualified: int = 0
    stay: int = 0
    amount_leaving: int = 0


class Sums(NamedTuple):
    """What a time is asked for: everything by (name, group, …)."""

    at_ms: int
    spans: dict[str, Span]
    counts: dict[tuple[str, str, str, bool], tuple[int, int]]  # …, window, is the one before: number and amount
    identities: dict[tuple[str, str, str], int]  # different ones
    durations: dict[tuple[str, str, str], tuple[int, int]]  # p50 and p90
    stocks: dict[tuple[str, str, str], Stock]  # …, window (at its start) or NOW
    by_name: dict[str, set[str]]

    def groups(self, name: str) -> set[str]:
        """Groups in which there ever was such a fact or period."""
        return self.by_name.get(name, set())


class Totals:
    """The events, loaded once."""

    def __init__(self, ordered: list[Found], reps: list[Row], teams: list[Row]) -> None:
        self.db = _DUCKDB.cursor()  # its temporary tables live as long as the cursor
        self._load_columns("events", _columns(ordered))
        self._load("reps", reps)
        self._load("teams", teams)
        self.db.execute("SET VARIABLE at_ms = 0")
        self.db.execute(_sql("roster"))
        self.db.execute(_sql("facts"))

    def close(self) -> None:
        self.db.close()

    def resolved(self) -> list[tuple[str | None, str | None]]:
        """Team and region of every event, in order."""
        return self.db.execute("SELECT team, region FROM resolved ORDER BY seq").fetchall()

    def sums(
        self, at_ms: int, spans: dict[str, Span], facts: list[Row], periods: list[Row], needed: set[tuple[str, str]]
    ) -> Sums:
        """Everything as of `at_ms`; `needed` has the (name, dimension) pairs that are wanted."""
        self.db.execute("SET VARIABLE at_ms = ?", [at_ms])
        self._load("given_fact", facts)
        self._load("period", periods)
        self._load("needed", ({"name": name, "dimension": dim} for name, dim in needed))
        bounds = [(name, False, span.start_ms, at_ms) for name, span in spans.items()]
        bounds += [(name, True, span.before_ms, span.before_end_ms) for name, span in spans.items()]
        self._load("span", (dict(zip(_TABLES["span"], bound, strict=True)) for bound in bounds))
        self._load("edge", ({"edge_ms": edge} for edge in {edge for *_, start, end in bounds for edge in (start, end)}))
        moments = {NOW: at_ms} | {name: span.start_ms for name, span in spans.items()}
        self._load("moment", ({"moment": name, "time_ms": time_ms} for name, time_ms in moments.items()))
        self.db.execute(_sql("totals").format(grouped=_grouped("fact"), spells=_grouped("period")))
        return self._fetched(at_ms, spans)

    def _fetched(self, at_ms: int, spans: dict[str, Span]) -> Sums:
        counts = {tuple(key): tuple(found) for *key, found in _split(self.db, "counts", 4)}
        identities = {tuple(key): found[0] for *key, found in _split(self.db, "identities", 3)}
        durations = {tuple(key): tuple(found) for *key, found in _split(self.db, "durations", 3)}
        stocks = {tuple(key): Stock(*found) for *key, found in _split(self.db, "stocks", 3)}
        by_name: dict[str, set[str]] = {}
        for name, group in self.db.execute("SELECT name, group_name FROM ever").fetchall():
            by_name.setdefault(name, set()).add(group)
        return Sums(at_ms, spans, counts, identities, durations, stocks, by_name)  # type: ignore[arg-type]

    def _load(self, table: str, rows: Iterable[Row]) -> None:
        """Creates `table` from `rows`; unknown fields are dropped, missing ones null."""
        rows = list(rows)
        self._load_columns(table, {name: [row.get(name) for row in rows] for name in _TABLES[table]})

    def _load_columns(self, table: str, cells: dict[str, list[Any]]) -> None:
        columns = _TABLES[table]
        shape = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.db.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({shape})")
        if not any(cells.values()):
            return
        # Money is wider than the integers of numpy: as text.
        arrays = {
            name: np.array([_text(cell) for cell in column] if columns[name] is _MONEY else column, dtype=object)
            for name, column in cells.items()
        }
        self.db.register("arrays", arrays)
        self.db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arrays")
        self.db.unregister("arrays")


def _text(cell: int | None) -> str | None:
    return None if cell is None else str(cell)


def _columns(ordered: list[Found]) -> dict[str, list[Any]]:
    own = {name: [getattr(event, name) for event in ordered] for name in ("type", "subject", "time_ms")}
    said = [name for name in _TABLES["events"] if name not in own and name != "seq"]
    cells: dict[str, list[Any]] = {name: [getattr(event.data, name, None) for event in ordered] for name in said}
    return {"seq": list(range(len(ordered))), **own, **cells}


def _grouped(table: str) -> str:
    """Every row once for the company and once for each of its dimensions, as far as needed."""
    parts = [("", "''"), *((dim, f"'{dim}=' || {dim}") for dim in ALL_DIMS)]
    return " UNION ALL ".join(
        f"SELECT {table}.*, {group} AS group_name FROM {table} JOIN needed USING (name) WHERE dimension = '{dim}'"
        + (f" AND {dim} IS NOT NULL" if dim else "")
        for dim, group in parts
    )


def _split(db: duckdb.DuckDBPyConnection, table: str, keys: int) -> Iterator[tuple[Any, ...]]:
    for row in db.execute(f"FROM {table}").fetchall():
        yield (*row[:keys], row[keys:])


def _sql(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text()
