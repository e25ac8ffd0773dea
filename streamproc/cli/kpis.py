"""`kpis`: what is measured, and whether its declarations are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import CliError
from streamproc.cli.options import Currency, Format, KpisFile, Output, catalogue_of, examples, make_settings

if TYPE_CHECKING:
    from streamproc.kpis.kpi import Catalogue, Kpi

kpis = typer.Typer(no_args_is_help=True, help="The KPIs: what they say and how they are computed.")


@kpis.command("list", epilog=examples("streamproc kpis list", "streamproc kpis list --format json"))
def list_(currency: Currency = None, kpis: KpisFile = None, output: Output = Format.TABLE) -> None:
    """All KPIs."""
    rows = [_row(kpi) for kpi in _catalogue(currency, kpis).kpis]
    if output is Format.JSON:
        show.json_lines(rows)
        return
    cells = [(row["kpi"], row["title_en"], row["unit"], row["means"]) for row in rows]
    show.console().print(show.table(("KPI", "title", "unit", "what it says"), cells))


@kpis.command("show", epilog=examples("streamproc kpis show win_ratio"))
def show_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the KPI.")],
    currency: Currency = None,
    kpis: KpisFile = None,
    output: Output = Format.TABLE,
) -> None:
    """One KPI: formula, events, groups."""
    catalogue = _catalogue(currency, kpis)
    arguments.known_kpis([name], catalogue, "NAME")
    row = _row(catalogue[name])
    if output is Format.JSON:
        show.json_lines([row])
        return
    cells = [(key, ", ".join(value) if isinstance(value, list) else str(value)) for key, value in row.items()]
    show.console().print(show.table(("", name), cells))


@kpis.command(epilog=examples("streamproc kpis check", "streamproc kpis check kpis.yaml"))
def check(
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="People's own KPIs, in YAML.")] = None,
    currency: Currency = None,
) -> None:
    """Check the declarations of all KPIs; every mistake is told.

    With a file, those of the file beside the built-in ones.
    """
    from streamproc.ingest.kpis_file import OwnKpiErrors
    from streamproc.kpis import check as checks

    try:
        found = _catalogue(currency, file).kpis
    except OwnKpiErrors as error:
        raise CliError(*str(error).splitlines()) from None
    problems = checks.check(found)
    if problems:
        raise CliError(*problems)
    show.note(f"{len(found)} KPIs, all right")


def _catalogue(currency: str | None, file: str | None) -> Catalogue:
    return catalogue_of(make_settings(currency=currency, kpis_file=file))


def _row(kpi: Kpi) -> dict[str, Any]:
    from streamproc.windows.calendar import WINDOWS

    return {
        "kpi": kpi.name,
        "title_en": kpi.title_en,
        "title_de": kpi.title_de,
        "kind": type(kpi).__name__,
        "unit": kpi.unit,
        "means": kpi.means,
        "formula": kpi.formula,
        "events": list(kpi.events),
        "groups": ["company", *kpi.by],
        "windows": list(WINDOWS) if kpi.windowed else [],
    }
