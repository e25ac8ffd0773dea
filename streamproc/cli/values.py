"""`values`: the KPI values that the workers have published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import arguments, show, views
from streamproc.cli.errors import wrong_use
from streamproc.cli.options import (
    Bootstrap,
    Currency,
    Format,
    Kpis,
    KpisFile,
    Output,
    Timezone,
    Windows,
    broker,
    catalogue_of,
    examples,
    make_settings,
    run_async,
    set_up_logging,
)

if TYPE_CHECKING:
    from streamproc.bus.connection import Broker
    from streamproc.kpis.kpi import Catalogue
    from streamproc.kpis.views import View
    from streamproc.windows.calendar import Calendar

TOPIC = "kpi.values"
KEYS = ("kpi", "group", "window", "value", "numerator", "denominator", "n", "unit", "window_start", "as_of")
Row = dict[str, Any]

ShowTable = Callable[[list[Row]], None]

Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="GROUP", help="Only this group: rep=ann, or company (repeatable)."),
]
Reps = Annotated[list[str] | None, typer.Option("--rep", metavar="NAME", help="Short for --where rep=NAME.")]
Teams = Annotated[list[str] | None, typer.Option("--team", metavar="NAME", help="Short for --where team=NAME.")]
Role = Annotated[
    str | None,
    typer.Option("--view", metavar="ROLE", help="Headline KPIs of a role (`kpis views`), groups side by side."),
]
Follow = Annotated[bool, typer.Option("--follow", help="Go on with changes as they come, until Ctrl-C.")]
Against = Annotated[
    bool, typer.Option("--against", help="Beside each value what it stands against: previous, target, pace, band.")
]

cli = typer.Typer()


@cli.command(
    epilog=examples(
        "streamproc values --kpi win_ratio --where rep=ann",
        "streamproc values --where company --window 7d --format json",
        "streamproc values --where company --window month --against",
        "streamproc values --kpi calls --follow",
        "streamproc values --view rep --rep ann",
        "streamproc values --view team_lead --team dach-1 --lang de",
    )
)
def values(
    kpi: Kpis = None,
    where: Where = None,
    rep: Reps = None,
    team: Teams = None,
    window: Windows = None,
    view: Role = None,
    lang: views.Language = views.Lang.EN,
    follow: Follow = False,
    against: Against = False,
    currency: Currency = None,
    kpis: KpisFile = None,
    timezone: Timezone = None,
    bootstrap_servers: Bootstrap = None,
    output: Output = Format.TABLE,
) -> None:
    """KPI values as the workers last published them.

    A view shows a rep beside the team and the company; for a team, its reps, too, as the reference data have them.
    """
    settings = make_settings(
        bootstrap_servers=bootstrap_servers, currency=currency, kpis_file=kpis, business_timezone=timezone
    )
    set_up_logging()
    from streamproc.windows.calendar import Calendar

    found, to = catalogue_of(settings), broker(settings)
    groups = arguments.groups(
        [*(where or ()), *(f"rep={name}" for name in rep or ()), *(f"team={name}" for name in team or ())]
    )
    if view is None:
        wanted = Wanted(set(arguments.known_kpis(kpi, found)), set(groups), set(arguments.known_windows(window)))
        show_table = partial(_table, against)
    elif kpi or window:
        raise wrong_use("--view: says which KPIs and windows; leave out --kpi and --window")
    else:
        shown = views.known_view(view, settings.currency, "--view")
        columns = views.side_by_side(shown, groups, run_async(views.read_members(to)) if groups else [])
        wanted = Wanted(set(), set(columns), set(), frozenset(shown.headlines))
        show_table = partial(_view_table, shown, found, columns, lang)
    board = Board(Calendar(settings.business_timezone), wanted)
    run_async(_read(to, board, follow, lambda rows, first: _print(rows, first, output, show_table)))


@dataclass(frozen=True)
class Wanted:
    """Which values are asked for; an empty set asks for all."""

    kpis: set[str]
    groups: set[str]
    windows: set[str | None]
    headlines: frozenset[tuple[str, str | None]] = frozenset()  # of a view: KPI and window

    def has(self, row: Row) -> bool:
        group = "=".join(next(iter(row["group"].items()))) if row["group"] else ""
        return (
            (not self.kpis or row["kpi"] in self.kpis)
            and (not self.groups or group in self.groups)
            and (not self.windows or row["window"] in self.windows)
            and (not self.headlines or (row["kpi"], row["window"]) in self.headlines)
        )


@dataclass
class Board:
    """The latest value of every series that is wanted.

    A value holds until it changes, so it holds as of the latest clock record of its partition.
    """

    calendar: Calendar
    wanted: Wanted
    latest: dict[bytes, tuple[int, Row]] = field(default_factory=dict)
    clocks: dict[int, str] = field(default_factory=dict)
    ceased: dict[bytes, tuple[int, Row]] = field(default_factory=dict)

    def take(self, partition: int, key: bytes, value: bytes | None) -> bool:
        """Take in a record; whether a value that is wanted has changed."""
        if value is None:
            last = self.latest.pop(key, None)
            if last is None:
                return False
            undefined = {"value": None, "numerator": None, "denominator": None, "n": 0}
            self.ceased[key] = partition, {name: last[1][name] for name in KEYS} | undefined
            return True
        row: Row = json.loads(value)
        if "clock" in row:
            self.clocks[partition] = row["as_of"]
            return False
        if not self.wanted.has(row):
            return False
        self.latest[key] = partition, row
        self.ceased.pop(key, None)
        return True

    def rows(self, keys: Iterable[bytes] | None = None) -> list[Row]:
        """Values in order: all, or those of some keys (those that have ceased, too, as undefined)."""
        if keys is None:
            found = list(self.latest.values())
        else:
            found = [self.latest.get(key) or self.ceased[key] for key in keys]
        return sorted((self._as_of(*item) for item in found), key=show.row_order)

    def _as_of(self, partition: int, row: Row) -> Row:
        from streamproc.outputs.topics import AGAINST, rfc3339

        as_of: str = self.clocks.get(partition) or row["as_of"]
        start_ms = None
        if row["window"] is not None:
            as_of_ms = round(datetime.fromisoformat(as_of).timestamp() * 1000)
            start_ms = self.calendar.window_start(row["window"], as_of_ms)
        start = None if start_ms is None else rfc3339(start_ms)
        known = {name: row[name] for name in KEYS} | {name: row[name] for name in AGAINST if name in row}
        return known | {"window_start": start, "as_of": as_of}


async def _read(to: Broker, board: Board, follow: bool, show_rows: Callable[[list[Row], bool], None]) -> None:
    from streamproc.bus.follow import read
    from streamproc.bus.reading import reader

    async with reader(to, TOPIC) as consumer:
        at_end = False
        async for records in read(consumer, TOPIC, follow=follow):
            changed = {r.key: None for r in records if board.take(r.partition, r.key, r.value)}
            if not at_end and not records:
                at_end = True
                show_rows(board.rows(), True)
            elif at_end and changed:
                show_rows(board.rows(changed), False)
                board.ceased.clear()


def _print(rows: list[Row], first: bool, output: Format, show_table: ShowTable) -> None:
    if output is Format.JSON:
        show.json_lines(rows)
    elif not first:
        for row in rows:
            group, window = show.group_text(row["group"]), row["window"] or show.NOTHING
            value = show.amount(row["value"], row["unit"])
            print(
                f"{show.time_text(row['as_of'])}  {row['kpi']}  {group}  {window}  {value}  (n {row['n']:,})",
                flush=True,
            )
    elif not rows:
        show.note("no values yet: run `streamproc worker`, and see that events come in")
    else:
        show_table(rows)


def _table(against: bool, rows: list[Row]) -> None:
    show.console().print(show.value_rows(rows, _as_of(rows), against))


def _view_table(view: View, catalogue: Catalogue, groups: list[str], lang: views.Lang, rows: list[Row]) -> None:
    show.console().print(views.table(view, catalogue, groups, rows, lang, _as_of(rows)))


def _as_of(rows: list[Row]) -> str:
    return f"as of {show.time_text(min(row['as_of'] for row in rows))}"
