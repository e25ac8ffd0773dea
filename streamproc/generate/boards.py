"""What all dashboards have: identity, variables, links, annotations, and the grid of panels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from streamproc.generate import queries
from streamproc.generate.dashboard_texts import Words
from streamproc.generate.names import ROSTER, of_kpi
from streamproc.generate.panels import BAD, DATASOURCE, Link, Panel
from streamproc.windows.calendar import CALENDAR, WINDOWS

WIDTH = 24
REFRESH = "5s"  # that of scrapes and recording rules
ALL = ".*"
PERIODS = tuple(window for window in CALENDAR if window not in ("today", "week"))  # also names of calendar periods

# What a mark of an alert says; options of the datasource, which the SDK's class does not have.
MARKER = {"titleFormat": "{{alertname}}", "tagKeys": "severity,kpi,team,rep,partner", "step": "60s"}

Variable = (
    dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.CustomVariable  # in the order of a board's top
)


@dataclass(frozen=True)
class Row:
    """Panels side by side, each with its width; `title` stands above them."""

    height: int
    panels: Sequence[tuple[int, Panel]]
    title: str = ""


def evenly(height: int, panels: Sequence[Panel], title: str = "") -> Row:
    """Panels of the same width, side by side."""
    return Row(height, [(WIDTH // len(panels), panel) for panel in panels], title)


@dataclass(frozen=True, kw_only=True)
class Board:
    """A dashboard. `name` without the language; `tags`: `wall` if it is for a screen that nobody scrolls."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()
    tags: tuple[str, ...] = ("kpi",)
    since: str = "now-24h"
    links: tuple[str, ...] = field(default=("kpi", "health"))  # tags of the boards that it leads to


def text_of(words: Words, board: Board) -> str:
    """The dashboard as Grafana's JSON."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(words.uid(board.name))
        .description(board.about)
        .tags([*board.tags, words.lang, "generated"])
        .readonly()
        .refresh(REFRESH)
        .time(board.since, "now")
        .timezone("browser")
        .week_start("monday")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .annotation(_firing(words))
        .variables([_datasource(), *board.variables])
    )
    for tag in board.links:
        builder.link(_dropdown(words, tag))
    built = builder.build()
    built.panels = list(_placed(board.rows))
    found = json.loads(json.dumps(built, cls=JSONEncoder))
    for annotation in found["annotations"]["list"]:
        annotation.update(MARKER)
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _placed(rows: Sequence[Row]) -> Sequence[model.Panel | model.RowPanel]:
    """Panels with their ids and places in the grid, from the top to the bottom."""
    found: list[model.Panel | model.RowPanel] = []
    y = 0
    for row in rows:
        if row.title:
            place = model.GridPos(h=1, w=WIDTH, x=0, y=y)
            found.append(model.RowPanel(title=row.title, id_val=len(found) + 1, grid_pos=place, panels=[]))
            y += 1
        x = 0
        for width, builder in row.panels:
            panel = builder.build()
            panel.id_val = len(found) + 1
            panel.grid_pos = model.GridPos(h=row.height, w=width, x=x, y=y)
            found.append(panel)
            x += width
        y += row.height
    return found


def to_board(words: Words, board: str, title: str, **variables: str) -> Link:
    """A link to another board, with the value that was clicked on."""
    given = "&".join(f"var-{name}={value}" for name, value in variables.items())
    return Link(title, f"/d/{words.uid(board)}?{given}&${{datasource:queryparam}}&${{__url_time_range}}")


def _dropdown(words: Words, tag: str) -> dashboard.DashboardLink:
    title = {"kpi": words("KPIs", "Kennzahlen"), "health": words("Processor", "Verarbeitung")}[tag]
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([tag, words.lang])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _firing(words: Words) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(words("Alerts on KPIs", "Alarme zu Kennzahlen"))
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(BAD)
        .expr(queries.alerts())
    )


# --- variables -------------------------------------------------------------------------------------------------------


def _datasource() -> dashboard.DatasourceVariable:
    chosen = model.VariableOption(text="Prometheus", value="prometheus")
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(chosen)


def _query(name: str, label: str, expr: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": expr, "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.NATURAL_ASC)
    )


def _several(variable: dashboard.QueryVariable) -> dashboard.QueryVariable:
    chosen = model.VariableOption(text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(ALL).current(chosen)


def _windows(words: Words, name: str, label: str, values: Sequence[str], chosen: str) -> dashboard.CustomVariable:
    options = [model.VariableOption(value == chosen, words.window(value), value) for value in values]
    (current,) = [option for option in options if option.selected]
    listed = ",".join(f"{words.window(value)} : {value}" for value in values)
    return dashboard.CustomVariable(name).label(label).values(listed).options(options).current(current)


def region(words: Words) -> dashboard.QueryVariable:
    """Sales regions of the roster: several, or all."""
    return _several(_query("sales_region", words("Region", "Region"), f"label_values({ROSTER}, sales_region)"))


def team(words: Words, several: bool = False) -> dashboard.QueryVariable:
    """Teams of the roster: one, or several of the chosen regions."""
    roster = f'{ROSTER}{{sales_region=~"$sales_region"}}'
    found = _query("team", words("Team", "Team"), f"label_values({roster}, team)")
    return _several(found) if several else found


def rep(words: Words) -> dashboard.QueryVariable:
    """One rep of the chosen teams, by name if the roster has one."""
    found = _query("rep", words("Rep", "Person"), f'query_result({ROSTER}{{team=~"$team"}})')
    return found.regex('/rep="(?<value>[^"]+)"(?:,rep_name="(?<text>[^"]+)")?/')


def partner(words: Words) -> dashboard.QueryVariable:
    """Partners that were offered leads: several, or all."""
    offered = queries.select(of_kpi("leads_offered"), scope="partner", window="all")
    return _several(_query("partner", words("Partner", "Partner"), f"label_values({offered}, partner)"))


def window(words: Words, chosen: str) -> dashboard.CustomVariable:
    """The window of counts, ratios and durations."""
    return _windows(words, "window", words("Window", "Zeitraum"), WINDOWS, chosen)


def period(words: Words, chosen: str = "quarter") -> dashboard.CustomVariable:
    """The calendar period of targets."""
    return _windows(words, "period", words("Period", "Periode"), PERIODS, chosen)


def of_workers(name: str, label: str, expr: str) -> dashboard.QueryVariable:
    """A label of the workers' own series: several, or all."""
    return _several(_query(name, label, expr)).all_value(".+")
