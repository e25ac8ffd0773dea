"""`kpis`: what is measured, and whether its declarations are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import arguments, show, views
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
    from streamproc.kpis import views as role_views

    try:
        found = _catalogue(currency, file)
    except OwnKpiErrors as error:
        raise CliError(*str(error).splitlines()) from None
    money = make_settings(currency=currency).currency
    problems = checks.check(found.kpis) + role_views.check(role_views.views(money), found)
    if problems:
        raise CliError(*problems)
    show.note(f"{len(found.kpis)} KPIs, all right")


@kpis.command("views", epilog=examples("streamproc kpis views", "streamproc kpis views team_lead --lang de"))
def views_(
    role: Annotated[str | None, typer.Argument(metavar="ROLE", help="Only the view of this role, KPI by KPI.")] = None,
    lang: views.Language = views.Lang.EN,
    currency: Currency = None,
    output: Output = Format.TABLE,
) -> None:
    """The headline KPIs of each role; `streamproc values --view ROLE` shows their values."""
    from streamproc.kpis.views import views as all_views

    money = make_settings(currency=currency).currency
    found = list(all_views(money).values()) if role is None else [views.known_view(role, money, "ROLE")]
    rows = [views.row(view, _catalogue(currency, None), lang) for view in found]
    if output is Format.JSON:
        show.json_lines(rows)
    elif role is None:
        overview = [(row["role"], row["title"], ", ".join(row["groups"]), row["means"]) for row in rows]
        show.console().print(show.table(("role", "title", "groups", "what it says"), overview))
    else:
        (row,) = rows
        cells = [(one["kpi"], one["title"], one["window"] or show.NOTHING, one["means"]) for one in row["kpis"]]
        show.console().print(show.table(("KPI", "title", "window", "what it says"), cells, title=row["title"]))


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
        "means_de": kpi.means_de,
        "formula": kpi.formula,
        "events": list(kpi.events),
        "groups": ["company", *kpi.by],
        "windows": list(WINDOWS) if kpi.windowed else [],
    }
