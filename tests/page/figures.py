"""Figures for the page: a month of a simulated organisation through the real pipeline, as records of the topics."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from streamproc.backtest import Backtest, load_reference
from streamproc.demo import TARGETS, THRESHOLDS
from streamproc.facts.reference import Reference
from streamproc.facts.won import Won
from streamproc.ingest.reference_file import reference_event
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.judge import BAD, Alert
from streamproc.kpis.kpi import Catalogue, KpiValue
from streamproc.outputs.news import alert_record, won_record
from streamproc.outputs.page_board import Board, Channel
from streamproc.outputs.topics import clock_record, encode_value, rfc3339, value_key
from streamproc.simulate import Organisation
from streamproc.windows.calendar import DAY_MS, MINUTE_MS

DAYS, RATE, REPS, SEED = 30, 0.002, 12, 7
HISTORY_MIN = 40
MORE_TARGETS = (
    {"kpi": "revenue_eur", "period": "quarter", "value": 300_000},
    {"kpi": "mrr_eur", "value": 20_000},
    {"kpi": "pipeline_weighted_eur", "value": 90_000},
    {"kpi": "revenue_eur", "group": {"team": "us-1"}, "period": "quarter", "value": 90_000},
    {"kpi": "revenue_eur", "group": {"rep": "rep-001"}, "period": "month", "value": 10_000},
)
MORE_THRESHOLDS = (
    {"kpi": "win_ratio", "window": "90d", "warning": 0.35, "critical": 0.3, "min_samples": 10},
    {"kpi": "gross_margin_ratio", "window": "quarter", "warning": 0.5, "critical": 0.4},
)


class Figures(NamedTuple):
    """What the topics have as of a time (epoch ms), and the roster behind it."""

    values: list[KpiValue]
    reference: Reference
    at_ms: int
    records: list[tuple[bytes, bytes]]  # of kpi.values, with the course of the last minutes


def figures(at_ms: int) -> Figures:
    organisation = Organisation(SEED, at_ms - DAYS * DAY_MS, REPS)
    lines = organisation.reference()
    rows = [("targets", data) for data in (*TARGETS, *MORE_TARGETS)]
    rows += [("thresholds", data) for data in (*THRESHOLDS, *MORE_THRESHOLDS)]
    lines += [reference_event(section, data, at_ms - DAYS * DAY_MS, "test") for section, data in rows]
    reference = load_reference(lines, Reference())
    events = (line for _, _, _, line in organisation.events(at_ms, RATE))
    ((_, values),) = Backtest(events, shown_kpis(), reference).at([at_ms])
    past = [then for minute in range(HISTORY_MIN, 0, -1) for then in _before(values, minute)]
    records = [(value_key(value), encode_value(value)) for value in (*past, *values)]
    return Figures(values, reference, at_ms, records)


def shown_kpis() -> Catalogue:
    """The KPIs that the page shows: others would only take time."""
    board = Board(catalogue())
    names = {name for role in board.views for name, _, _ in board.wanted(Channel(role, None))}
    return Catalogue(tuple(kpi for kpi in catalogue().kpis if kpi.name in names))


def _before(values: list[KpiValue], minute: int) -> list[KpiValue]:
    """The company's values some minutes ago, made up: they grow, with ups and downs."""
    share = 1 - minute / 400 - 0.02 * ((minute * 7) % 5)
    return [
        msgspec.structs.replace(value, as_of_ms=value.as_of_ms - minute * MINUTE_MS, value=value.value * share)
        for value in values
        if value.group == "" and value.value is not None
    ]


def fill(board: Board, found: Figures, now_ms: int) -> None:
    """What the feed would take in."""
    roster(board, found.reference, found.at_ms)
    for key, value in found.records:
        board.take_value(key, value)
    clock(board, now_ms)
    bad = [value for value in found.values if value.against and value.against.band in BAD]
    for n, value in enumerate(bad[:5]):
        past = msgspec.structs.replace(value, as_of_ms=found.at_ms - n * 7 * MINUTE_MS)
        board.take_alert(alert_record(Alert(past, "ok"), catalogue())[1])


def put(board: Board, value: KpiValue) -> None:
    board.take_value(value_key(value), encode_value(value))


def clock(board: Board, at_ms: int) -> None:
    board.take_value(*clock_record(0, at_ms))


def won(board: Board, at_ms: int, currency: str | None = "EUR") -> None:
    found = Won("test", "w1", "deal-1", "rep-001", "dach-1", "dach", 48_000.0, currency, at_ms)
    board.take_event(won_record(found)[1])


def iso(time_ms: int) -> str:
    return rfc3339(time_ms)


def roster(board: Board, reference: Reference, at_ms: int) -> None:
    stages = [name for names in reference.open_stages().values() for name in names]
    board.set_people(reference.members(), reference.headcounts(at_ms), stages)
