"""The oracle: every KPI value straight from the formulas, in SQL (DuckDB) and plain Python, sharing no code with the
pipeline.

It knows the event vocabulary (`streamproc.events`) and the catalogue's names and groups, nothing else of the project.
reading.py orders events, roster.sql finds teams; facts.sql makes facts of activities, deals.py, leads.py, customers.py
and singles.py of the other events; totals.py sums them by group and window, formulas.py has the formula of every KPI.
Floats agree with the pipeline's up to the last bits; quantiles are exact elements, the pipeline's are within 1 %.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from oracle import customers, deals, leads, singles
from oracle.dims import Row as Fields
from oracle.formulas import Cell, Row, formulas
from oracle.reading import Found, Reference, fields, ordered_events
from oracle.totals import Totals
from oracle.windows import MINUTE, spans
from streamproc.kpis.catalogue import catalogue

Series = tuple[str, str, str | None]  # kpi, group, window
LIVES = {  # types that make a life → their family
    "deal": "deal", "quote": "deal", "lead": "lead", "customer": "customer", "order": "customer",
    "subscription": "customer",
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
    with Oracle(lines, reference=reference, zone=zone, currency=currency) as oracle:
        return oracle.at(at_ms, kpis=kpis, windows=windows)


class Oracle:
    """The answers for one set of events, at any times: for several times cheaper than `values` for each."""

    def __init__(
        self,
        lines: Iterable[bytes],
        *,
        reference: Iterable[bytes] = (),
        zone: str = "UTC",
        currency: str = "EUR",
    ) -> None:
        lines = list(lines)
        self.settings = Reference([*reference, *lines], currency)
        self.zone = ZoneInfo(zone)
        self.formulas = formulas(currency)
        self.by = {kpi.name: ("", *kpi.by) for kpi in catalogue(currency).kpis}
        ordered = ordered_events(lines, self.settings)
        self.totals = Totals(ordered, self.settings.reps, self.settings.teams)
        lives, self.singles = self._rows(ordered)
        self.lives = {family: _by_subject(rows) for family, rows in lives.items()}

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_: object) -> None:
        self.totals.close()

    def at(
        self, at_ms: int, *, kpis: Collection[str] | None = None, windows: Collection[str] | None = None
    ) -> dict[Series, Row]:
        """As `values`."""
        if at_ms % MINUTE:
            raise ValueError(f"at_ms must be a whole minute, got {at_ms}")
        wanted = {kpi: dims for kpi, dims in self.by.items() if kpis is None or kpi in kpis}
        names = {(fact, dim) for kpi, dims in wanted.items() for fact in self.formulas[kpi].reads for dim in dims}
        facts, periods = self._replayed(at_ms)
        sums = self.totals.sums(at_ms, spans(at_ms, self.zone), facts, periods, names)
        reps = self.settings.active_reps(at_ms)
        answer: dict[Series, Row] = {}
        for kpi, dims in wanted.items():
            formula = self.formulas[kpi]
            groups = {group for name in formula.reads for group in sums.groups(name) if group.partition("=")[0] in dims}
            for group in groups:
                for window in sums.spans if formula.windowed else (None,):
                    if window is None or windows is None or window in windows:
                        cell = Cell(sums, group, window or "all", reps.get(group, 0), self.settings)
                        answer[kpi, group, window] = formula.row(cell)
        return answer

    def _rows(self, ordered: list[Found]) -> tuple[dict[str, list[Fields]], list[Fields]]:
        """Events that are replayed in Python, by family of life, and facts of single events; with team and region."""
        lives: dict[str, list[Fields]] = {"deal": [], "lead": [], "customer": []}
        facts: list[Fields] = []
        resolved = self.totals.resolved()
        for seq, event in enumerate(ordered):
            family = LIVES.get(event.type.partition(".")[0])
            if family is None and event.type not in singles.OF:
                continue
            team, region = resolved[seq]
            row = {**fields(event.data), "type": event.type, "subject": event.subject, "time_ms": event.time_ms}
            row |= {"team": team, "region": region}
            if family is None:
                facts += singles.facts(row, self.settings.convert)
            else:
                lives[family].append(row)
        return lives, facts

    def _replayed(self, at_ms: int) -> tuple[list[Fields], list[Fields]]:
        """Facts and periods of all lives, from the events before a time."""
        facts = [fact for fact in self.singles if fact["time_ms"] < at_ms]
        periods: list[Fields] = []
        for family, lives in self.lives.items():
            for events in lives:
                if known := [event for event in events if event["time_ms"] < at_ms]:
                    of_one, spells = self._replay(family, known)
                    facts += of_one
                    periods += spells
        return facts, [period for period in periods if period["start_ms"] < at_ms]

    def _replay(self, family: str, events: list[Fields]) -> tuple[list[Fields], list[Fields]]:
        settings = self.settings
        if family == "deal":
            return deals.replay(deals.Life(settings.stages, settings.currency, settings.convert), events)
        return leads.replay(events) if family == "lead" else customers.replay(events, settings.convert)


def _by_subject(rows: list[Fields]) -> list[list[Fields]]:
    found: Iterator[tuple[Any, Iterator[Fields]]] = groupby(
        sorted(rows, key=itemgetter("subject")), key=itemgetter("subject")
    )
    return [list(life) for _, life in found]
