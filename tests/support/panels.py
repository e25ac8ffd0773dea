"""What the committed dashboards ask Prometheus, and how Grafana asks it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from streamproc.generate.names import ROSTER
from support.prometheus import Prometheus, scraping
from support.workers_pages import Sales

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
RECORDING = ROOT / "deploy" / "prometheus" / "rules" / "recording.rules.yml"
PUBLISHED = ("kpi.partials", "kpi.values")  # each by one of the stages
RATE_INTERVAL = "10s"  # in Grafana at least four scrapes; here there is one every two seconds
RANGE_S, STEP_S = 30, 5


class Target(NamedTuple):
    """A query of a panel."""

    board: str
    panel: str
    unit: str
    ref: str
    legend: str
    expr: str
    instant: bool


def boards() -> dict[str, dict[str, Any]]:
    """All dashboards by their uid."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.rglob("*.json"))]
    return {board["uid"]: board for board in found}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Panels that show something: not the titles of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def targets(board: dict[str, Any]) -> Iterator[Target]:
    """All queries of a board's panels."""
    for panel in panels(board):
        units = _units(panel)
        for n, target in enumerate(panel["targets"]):
            yield Target(
                board["uid"], panel["title"], units.get(target["refId"], units.get(str(n), units[""])), target["refId"],
                target.get("legendFormat", ""), target["expr"], target["instant"],
            )  # fmt: skip


def _units(panel: dict[str, Any]) -> dict[str, str]:
    """The unit of a panel's numbers ("") and of single queries: by reference, or by number for columns of a table."""
    found = {"": panel["fieldConfig"]["defaults"]["unit"]}
    for n, override in enumerate(panel["fieldConfig"]["overrides"]):
        which = str(n) if panel["type"] == "table" else override["matcher"]["options"]
        found.update((which, one["value"]) for one in override["properties"] if one["id"] == "unit")
    return found


def options(variable: dict[str, Any], prometheus: Prometheus, chosen: dict[str, str]) -> list[str]:
    """What a variable offers: values that Grafana would put into queries."""
    if variable["type"] == "custom":
        return [option.partition(" : ")[2] for option in variable["query"].split(",")]
    asked = filled(variable["query"]["query"], chosen)
    if found := re.fullmatch(r"label_values\((.*), (\w+)\)", asked):
        return prometheus.label_values(found[2], found[1])
    found = re.fullmatch(r"query_result\((.*)\)", asked)
    assert found, f"unknown form of a variable: {asked}"
    pattern = re.compile(variable["regex"].strip("/").replace("?<", "?P<"))
    texts = [_as_text(series["metric"]) for series in prometheus.instant(found[1])]
    return [match["value"] for text in texts if (match := pattern.search(text))]


def wanted() -> dict[str, set[str]]:
    """KPIs that the dashboards ask for, with the dimensions for each."""
    found: dict[str, set[str]] = {}
    for board in boards().values():
        for target in targets(board):
            for name, matchers in selectors(target.expr):
                given = re.search(r'\bkpi="(\w+)"', matchers)
                kpi = given[1] if given else name.removeprefix("group:kpi_").removesuffix(":max")
                scope = re.search(r'\bscope="(\w+)"', matchers)
                if scope and scope[1] != "company":
                    found.setdefault(kpi, set()).add(scope[1])
                elif scope:
                    found.setdefault(kpi, set())
    return found


def limited() -> set[tuple[str, str, str]]:
    """Series of which a band is asked for: KPI, dimension ("" is the company) and window ("" for a level)."""
    found = set()
    for board in boards().values():
        chosen = {
            one["name"]: one["current"]["value"] for one in board["templating"]["list"] if one["type"] == "custom"
        }
        for target in targets(board):
            for name, matchers in selectors(target.expr):
                if name == "group:kpi_band:max":
                    given = dict(re.findall(r'(\w+)="([^"]*)"', matchers))
                    window = chosen.get(given["window"].removeprefix("$"), given["window"])
                    found.add((given["kpi"], given["scope"].replace("company", ""), window))
    return found


def selectors(expr: str) -> list[tuple[str, str]]:
    """Name and matchers of every recorded series that a query reads."""
    return re.findall(r"(\b\w+:kpi_\w+:max\b)(\{[^}]*\})?", expr)


def choose(board: dict[str, Any], prometheus: Prometheus, preferred: dict[str, str]) -> dict[str, str]:
    """A value for each variable: All where there is that, else `preferred` or the first that is offered."""
    chosen: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "datasource":
            continue
        offered = options(variable, prometheus, chosen)
        assert offered, f"{board['uid']}: variable {name} offers nothing"
        if variable.get("includeAll"):
            chosen[name] = variable["allValue"]
        elif variable["type"] == "custom":
            chosen[name] = variable["current"]["value"]
        else:
            chosen[name] = preferred[name] if preferred.get(name) in offered else offered[0]
    return chosen


def filled(expr: str, chosen: dict[str, str]) -> str:
    """A query as it reaches Prometheus."""
    for name, value in {**chosen, "__rate_interval": RATE_INTERVAL}.items():
        expr = re.sub(rf"\${name}\b", value, expr)
    assert "$" not in expr.replace('"$1"', ""), f"a variable that the dashboard does not have: {expr}"
    return expr


def answer(target: Target, prometheus: Prometheus, chosen: dict[str, str]) -> list[tuple[dict[str, str], float]]:
    """Labels and latest value of each series that a query gives, asked as the panel asks."""
    expr = filled(target.expr, chosen)
    if target.instant:
        return [(series["metric"], float(series["value"][1])) for series in prometheus.instant(expr)]
    return [(series["metric"], float(series["values"][-1][1])) for series in prometheus.over(expr, RANGE_S, STEP_S)]


def _as_text(metric: dict[str, str]) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(metric.items()) if name != "__name__")
    return f"{metric.get('__name__', '')}{{{labels}}}"


Answers = dict[Target, list[tuple[dict[str, str], float]]]


@contextmanager
def recorded_sales(folder: Path) -> Iterator[tuple[Sales, Prometheus]]:
    """A simulated organisation, and a Prometheus that has scraped its workers and recorded what the boards read."""
    sales = Sales(wanted(), limited())
    with scraping([sales.kpis_page(), sales.facts_page()], [RECORDING, _planted_alerts(folder)], folder) as prometheus:
        flows = (f'rate(streamproc_published_total{{topic="{topic}"}}[{RATE_INTERVAL}]) > 0' for topic in PUBLISHED)
        for expr in (ROSTER, "ALERTS", *flows):
            prometheus.await_series(expr)
        yield sales, prometheus


def answers(prometheus: Prometheus, sales: Sales) -> Answers:
    """What each query of each board gives, with its variables at values that there are."""
    found: Answers = {}
    for board in boards().values():
        chosen = choose(board, prometheus, sales.best())
        found |= {target: answer(target, prometheus, chosen) for target in targets(board)}
    return found


def _planted_alerts(folder: Path) -> Path:
    """The shipped alerts wait for minutes; these are there at once, with the same labels."""
    rules = [
        {"alert": "Planted", "expr": f"group:kpi_band:max == {band}", "labels": {"severity": severity, "domain": "kpi"}}
        for severity, band in (("warning", 1), ("critical", 2))
    ]
    path = folder / "alerts.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "planted", "rules": rules}]}))
    return path
