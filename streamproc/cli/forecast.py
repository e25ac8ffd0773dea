"""`forecast`: what counts and sums will come to at the end of the running period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import CliError, wrong_use
from streamproc.cli.options import (
    App,
    AsOf,
    Bootstrap,
    Currency,
    Format,
    Kpis,
    MaybeFile,
    Output,
    ReferenceFile,
    Timezone,
    catalogue_of,
    examples,
    make_settings,
)
from streamproc.cli.state import Groups, Source

if TYPE_CHECKING:
    from streamproc.kpis.forecast import Forecast
    from streamproc.kpis.kpi import Catalogue, Kpi

MONTH = "month"
PACE, PIPELINE = "pace", "pipeline"  # methods
WON = "deals_won"

cli = typer.Typer()


@cli.command(
    epilog=examples(
        "streamproc forecast --kpi revenue_eur --kpi deals_won",
        "streamproc forecast --kpi calls --where team=south --period week",
        "streamproc forecast events.ndjson --at 2018-01-20 --period quarter --format json",
    )
)
def forecast(
    file: MaybeFile = None,
    kpi: Kpis = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="GROUP", help="This group: rep=ann (repeatable).", show_default="company"),
    ] = None,
    period: Annotated[
        list[str] | None,
        typer.Option("--period", metavar="NAME", help="today, week, month, quarter or year.", show_default=MONTH),
    ] = None,
    at: AsOf = None,
    reference: ReferenceFile = None,
    timezone: Timezone = None,
    currency: Currency = None,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
    output: Output = Format.TABLE,
) -> None:
    """What counts and sums will come to at the end of the running period, with an 80 % interval.

    Method pace: the value so far, plus past weeks at their mean pace. Method pipeline, for won deals and revenue of
    the company: the value so far, plus what the deals open now bring in time. Where too little is known, there is none.
    """
    settings = make_settings(
        business_timezone=timezone, currency=currency, bootstrap_servers=bootstrap_servers, app=app
    )
    from streamproc.windows.calendar import CALENDAR

    periods = arguments.known(period or [MONTH], CALENDAR, "--period", "period")
    groups = arguments.groups(where) or [""]
    full = catalogue_of(settings)
    kpis = _flows(full, kpi, groups)
    needed = [replace(one, by=tuple(name for name in one.by if name in _dimensions(groups))) for one in kpis]
    source = Source(settings, file, at, reference)
    found = source.groups(
        _with_pipeline(needed, full, settings.currency),
        lambda group: group in groups or group.startswith("deal_stage="),
    )
    wanted = [(one, group, name) for one in kpis for group in groups if _has(one, group) for name in periods]
    _print(list(_rows(wanted, found, settings.currency)), output)


def _dimensions(groups: list[str]) -> set[str]:
    return {group.partition("=")[0] for group in groups}


def _has(kpi: Kpi, group: str) -> bool:
    return not group or group.partition("=")[0] in kpi.by


def _flows(full: Catalogue, names: list[str] | None, groups: list[str]) -> list[Kpi]:
    """The KPIs named, or all that add up over time, of at least one of the groups."""
    from streamproc.kpis.history import adds_up

    chosen = [full[name] for name in arguments.known_kpis(names, full)]
    for kpi in chosen:
        if not adds_up(kpi):
            raise wrong_use(f"--kpi: {kpi.name} does not add up over time; expected a count or a sum, such as {WON}")
        for group in groups:
            if not _has(kpi, group):
                have = ", ".join(("company", *kpi.by))
                raise wrong_use(f"--where: {kpi.name} is not kept by {group.partition('=')[0]}, but by {have}")
    return chosen or [kpi for kpi in full.kpis if adds_up(kpi) and any(_has(kpi, group) for group in groups)]


def _with_pipeline(kpis: list[Kpi], full: Catalogue, currency: str) -> Catalogue:
    """The KPIs, and those that the pipeline method reads."""
    from streamproc.kpis.kpi import Catalogue

    names = (f"pipeline_value_{currency.lower()}", f"pipeline_weighted_{currency.lower()}", "stage_dwell_seconds")
    return Catalogue((*kpis, *(replace(full[name], by=("deal_stage",)) for name in names)))


def _rows(wanted: list[tuple[Kpi, str, str]], found: Groups, currency: str) -> Iterator[dict[str, Any]]:
    from streamproc.kpis.forecast import Thin, at_end, from_pipeline
    from streamproc.kpis.history import open_stage, running

    for kpi, group, period in wanted:
        slices = found.slices(group)
        if slices is None:
            raise CliError(f"there is nothing of {group or 'the company'} yet")
        now = running(kpi, group, period, slices)
        row = _row(kpi, group, period, slices.clock_ms, now.end_ms) | {"so_far": now.so_far}
        try:
            yield row | _estimate(at_end(now.so_far, now.past))
        except Thin as why:
            yield row | {"why_none": str(why)}
        if group or kpi.name not in (WON, f"revenue_{currency.lower()}"):
            continue
        row |= {"method": PIPELINE}
        try:
            stages = [open_stage(name, found.slices(f"deal_stage={name}") or slices) for name in _stages(found)]
            brought = from_pipeline(stages, (now.end_ms - slices.clock_ms) / 1000)
            yield row | _plus(now.so_far, brought.wins if kpi.name == WON else brought.money)
        except Thin as why:
            yield row | {"why_none": str(why)}


def _stages(found: Groups) -> list[str]:
    """Stages in order. Raises Thin where that of the open deals' stages is not known, or ambiguous."""
    from streamproc.kpis.forecast import Thin

    pipelines = found.reference.open_stages()
    if len(pipelines) > 1:
        raise Thin(
            f"there are several pipelines ({', '.join(sorted(pipelines))}), and stages are kept for all together"
        )
    ordered = next(iter(pipelines.values()), [])
    unknown = [name for name in found.members("deal_stage") if name not in ordered and _open_deals(found, name)]
    if unknown or not ordered:
        raise Thin(f"the order of stages is not known ({', '.join(unknown) or 'no deal has one'}): define them")
    return ordered


def _open_deals(found: Groups, stage: str) -> int:
    slices = found.slices(f"deal_stage={stage}")
    return 0 if slices is None else slices.levels(f"deal_stage={stage}").get("open_deals", 0)  # type: ignore[return-value]


def _row(kpi: Kpi, group: str, period: str, clock_ms: int, end_ms: int) -> dict[str, Any]:
    from streamproc.kpis.forecast import CONFIDENCE
    from streamproc.outputs.topics import rfc3339

    dimension, _, member = group.partition("=")
    return {
        "kpi": kpi.name,
        "group": {dimension: member} if dimension else {},
        "window": period,
        "method": PACE,
        "so_far": None,
        "expected": None,
        "low": None,
        "high": None,
        "confidence": CONFIDENCE,
        "why_none": None,
        "unit": kpi.unit,
        "window_end": rfc3339(end_ms),
        "as_of": rfc3339(clock_ms),
    }


def _estimate(found: Forecast) -> dict[str, Any]:
    return {"expected": found.expected, "low": found.low, "high": found.high}


def _plus(so_far: float, brought: Forecast | float) -> dict[str, Any]:
    """What open deals bring on top. Of money there is no interval: amounts of single deals are not known here."""
    if isinstance(brought, float):
        return {"expected": so_far + brought}
    return {name: so_far + value for name, value in _estimate(brought).items()}


def _print(rows: list[dict[str, Any]], output: Format) -> None:
    if output is Format.JSON:
        show.json_lines(rows)
        return
    columns = ("KPI", "group", "period", "method", "so far", "expected", "80 % between", "and")
    cells = [
        (
            *(row["kpi"], show.group_text(row["group"]), row["window"], row["method"]),
            *(show.amount(row[name], row["unit"]) for name in ("so_far", "expected", "low", "high")),
        )
        for row in rows
    ]
    title = f"as of {show.time_text(min(row['as_of'] for row in rows))}"
    show.console().print(show.table(columns, cells, right=columns[4:], title=title))
    for row in rows:
        if row["why_none"]:
            place = f"{row['kpi']}, {show.group_text(row['group'])}, {row['window']}, {row['method']}"
            show.note(f"no forecast of {place}: {row['why_none']}")
