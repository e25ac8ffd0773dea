"""`compare-variants`: whether variants of a sales technique differ in a ratio."""

from __future__ import annotations

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
    from streamproc.kpis.kpi import Catalogue, Kpi
    from streamproc.kpis.variants import Comparison

cli = typer.Typer()


@cli.command(
    "compare-variants",
    epilog=examples(
        "streamproc compare-variants email_response_ratio",
        "streamproc compare-variants email_open_ratio events.ndjson --window quarter --baseline a",
    ),
)
def compare_variants(
    kpi: Annotated[str, typer.Argument(metavar="KPI", help="A ratio, such as email_response_ratio.")],
    file: MaybeFile = None,
    window: Annotated[
        str, typer.Option("--window", metavar="NAME", help="all, today, week, month, quarter or year.")
    ] = "all",
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="VARIANT", help="Others are compared with it; else the first.")
    ] = None,
    at: AsOf = None,
    reference: ReferenceFile = None,
    timezone: Timezone = None,
    currency: Currency = None,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
    output: Output = Format.TABLE,
) -> None:
    """Whether variants (dimension `variant`) differ in a ratio, by how much, and how sure that is.

    One may look as often as one likes: all intervals of all looks hold together with 95 %. So only windows with a
    fixed beginning will do.
    """
    settings = make_settings(
        business_timezone=timezone, currency=currency, bootstrap_servers=bootstrap_servers, app=app
    )
    from streamproc.kpis.kpi import Catalogue

    ratio = _ratio(kpi, catalogue_of(settings))
    _fixed(window)
    found = Source(settings, file, at, reference).groups(
        Catalogue((replace(ratio, by=("variant",)),)), lambda group: group.startswith("variant=")
    )
    compared = _compared(ratio, window, found, baseline)
    slices = [task.slices for task in found.tasks]
    as_of_ms = min(one.clock_ms for one in slices)
    rows = [_variant_row(ratio, window, one) | _times(window, as_of_ms, found) for one in compared]
    _print_variants(rows, output)


def _times(window: str, as_of_ms: int, found: Groups) -> dict[str, Any]:
    from streamproc.outputs.topics import rfc3339

    start_ms = found.tasks[0].calendar.window_start(window, as_of_ms)
    return {"window_start": None if start_ms is None else rfc3339(start_ms), "as_of": rfc3339(as_of_ms)}


def _ratio(name: str, full: Catalogue) -> Kpi:
    from streamproc.kpis.kpi import Ratio

    arguments.known_kpis([name], full, "KPI")
    if not isinstance(full[name], Ratio):
        raise wrong_use(f"KPI: {name} is not a share of a whole; expected one, such as email_response_ratio")
    return full[name]


def _fixed(window: str) -> None:
    from streamproc.windows.calendar import ALL, CALENDAR, ROLLING

    arguments.known_windows([window])
    if window not in (ALL, *CALENDAR):
        slides = "slides: what leaves it spoils the count of looks" if window in ROLLING else "is not a window"
        raise wrong_use(f"--window: {window} {slides}; expected one of {', '.join((ALL, *CALENDAR))}")


def _compared(kpi: Kpi, window: str, found: Groups, baseline: str | None) -> list[Comparison]:
    from streamproc.kpis.kpi import Totals
    from streamproc.kpis.variants import Variant, compare

    variants = {}
    for name in found.members("variant"):
        slices = found.slices(f"variant={name}")
        assert slices is not None
        parts = kpi.parts(Totals(slices.window(f"variant={name}", window)))
        variants[name] = Variant(name, int(parts.numerator or 0), int(parts.denominator or 0))
    if len(variants) < 2:
        have = ", ".join(variants) or "none"
        raise CliError(f"{kpi.name}: expected at least two variants, found {have}; events name them in `variant`")
    first = (
        arguments.known([baseline], list(variants), "--baseline", "variant")[0] if baseline else next(iter(variants))
    )
    try:
        return compare(variants[first], [one for name, one in variants.items() if name != first])
    except ValueError as error:
        raise CliError(f"{kpi.name}: {error}") from None


def _variant_row(kpi: Kpi, window: str, found: Comparison) -> dict[str, Any]:
    from streamproc.kpis.variants import ERROR

    return {
        "kpi": kpi.name,
        "window": window,
        "variant": found.variant.name,
        "value": found.variant.ratio,
        "n": found.variant.whole,
        "baseline": found.baseline.name,
        "baseline_value": found.baseline.ratio,
        "baseline_n": found.baseline.whole,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "confidence": 1 - ERROR,
        "distinguishable": found.is_distinguishable,
    }


def _print_variants(rows: list[dict[str, Any]], output: Format) -> None:
    if output is Format.JSON:
        show.json_lines(rows)
        return
    columns = (
        "variant",
        "value",
        "n",
        "baseline",
        "value of it",
        "n of it",
        "difference",
        "95 % between",
        "and",
        "differs",
    )
    cells = [
        (
            row["variant"],
            show.amount(row["value"], "ratio"),
            f"{row['n']:,}",
            row["baseline"],
            show.amount(row["baseline_value"], "ratio"),
            f"{row['baseline_n']:,}",
            *(_points(row[name]) for name in ("difference", "low", "high")),
            "yes" if row["distinguishable"] else "too little data" if row["difference"] is None else "not yet known",
        )
        for row in rows
    ]
    title = f"{rows[0]['kpi']}, {rows[0]['window']}, as of {show.time_text(rows[0]['as_of'])}"
    show.console().print(show.table(columns, cells, right=(*columns[1:3], *columns[4:9]), title=title))


def _points(share: float | None) -> str:
    return show.NOTHING if share is None else f"{share * 100:+.2f} points"
