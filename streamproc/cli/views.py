"""Views on a terminal: the headline KPIs of a role, one row each, with the groups side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import wrong_use

if TYPE_CHECKING:
    from rich.table import Table

    from streamproc.bus.connection import Broker
    from streamproc.kpis.kpi import Catalogue
    from streamproc.kpis.views import View

Member = tuple[str, str, str, str]  # rep, name, team, region; "" where unknown


class Lang(StrEnum):
    """Languages that KPIs and views are explained in."""

    EN = "en"
    DE = "de"


Language = Annotated[Lang, typer.Option("--lang", help="Language of titles and explanations.")]


def known_view(role: str, currency: str, option: str) -> View:
    """The view of a role. Raises CliError with did-you-mean."""
    from streamproc.kpis.views import views

    found = views(currency)
    (name,) = arguments.known([role], list(found), option, "role")
    return found[name]


def side_by_side(view: View, named: Sequence[str], members: Iterable[Member]) -> list[str]:
    """Groups to show for those that were named: what they belong to, or who belongs to them, then the company ("").

    Raises CliError for a group of another dimension than the view's.
    """
    for group in named:
        if group and group.partition("=")[0] not in view.groups:
            raise wrong_use(f"--where: the view {view.role} is by {', '.join(view.groups)}, found '{group}'")
    small, large = view.groups
    of_small = {group for group in named if group.startswith(f"{small}=")}
    of_large = {group for group in named if group.startswith(f"{large}=")}
    for rep, _, team, region in members:
        names = {"rep": rep, "team": team, "region": region}
        if not (names.get(small) and names.get(large)):
            continue
        part, whole = f"{small}={names[small]}", f"{large}={names[large]}"
        if part in named:
            of_large.add(whole)
        elif whole in named and not any(group.startswith(f"{small}=") for group in named):
            of_small.add(part)
    return [*sorted(of_small), *sorted(of_large), ""]


def table(
    view: View, catalogue: Catalogue, groups: Sequence[str], rows: Iterable[dict[str, Any]], lang: Lang, as_of: str
) -> Table:
    """The view with a column for each group: value and, in brackets, n."""
    found = {(row["kpi"], row["window"], _group(row)): row for row in rows}
    cells = []
    for name, window in view.headlines:
        kpi = catalogue[name]
        title = kpi.title_de if lang is Lang.DE else kpi.title_en
        values = [_cell(found.get((name, window, group))) for group in groups]
        cells.append((title, window or show.NOTHING, *values))
    columns = ("KPI", "window", *(group or arguments.COMPANY for group in groups))
    title = view.title_de if lang is Lang.DE else view.title_en
    return show.table(columns, cells, right=columns[2:], title=f"{title}, {as_of}")


def row(view: View, catalogue: Catalogue, lang: Lang) -> dict[str, Any]:
    """The view as it is declared, in one language."""
    german = lang is Lang.DE
    kpis = []
    for name, window in view.headlines:
        kpi = catalogue[name]
        title, means = (kpi.title_de, kpi.means_de) if german else (kpi.title_en, kpi.means)
        kpis.append({"kpi": name, "title": title, "window": window, "unit": kpi.unit, "means": means})
    return {
        "role": view.role,
        "title": view.title_de if german else view.title_en,
        "means": view.means_de if german else view.means_en,
        "groups": [*view.groups, arguments.COMPANY],
        "kpis": kpis,
    }


async def read_members(to: Broker) -> list[Member]:
    """The active reps of `sales.reference`."""
    from streamproc.bus.reading import read_reference
    from streamproc.facts.reference import Reference

    return (await read_reference(to, Reference())).members()


def _group(row: dict[str, Any]) -> str:
    return "=".join(next(iter(row["group"].items()))) if row["group"] else ""


def _cell(row: dict[str, Any] | None) -> str:
    return show.NOTHING if row is None else f"{show.amount(row['value'], row['unit'])} ({row['n']:,})"
