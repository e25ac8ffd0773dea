"""`kpis views`, and the table of `values --view`: without Kafka."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from rich.console import Console

from cli.conftest import Run
from streamproc.cli.errors import CliError
from streamproc.cli.values import Wanted
from streamproc.cli.views import Lang, Member, side_by_side, table
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.views import views

MEMBERS: list[Member] = [
    ("ann", "Ann", "dach-1", "DACH"),
    ("bob", "Bob", "dach-1", "DACH"),
    ("cem", "Cem", "uk-1", "UK"),
    ("dan", "Dan", "", ""),
]


def value(kpi: str, window: str | None, group: dict[str, str], amount: float, n: int = 3) -> dict[str, Any]:
    return {"kpi": kpi, "window": window, "group": group, "value": amount, "n": n, "unit": catalogue()[kpi].unit}


@pytest.mark.parametrize(
    ("role", "named", "shown"),
    [
        ("rep", [], [""]),
        ("rep", ["rep=ann"], ["rep=ann", "team=dach-1", ""]),
        ("rep", ["rep=dan"], ["rep=dan", ""]),
        ("rep", ["rep=eve", ""], ["rep=eve", ""]),
        ("team_lead", ["team=dach-1"], ["rep=ann", "rep=bob", "team=dach-1", ""]),
        ("team_lead", ["team=dach-1", "rep=cem"], ["rep=cem", "team=dach-1", "team=uk-1", ""]),
        ("head_of_sales", ["region=DACH"], ["team=dach-1", "region=DACH", ""]),
        ("head_of_sales", ["team=uk-1"], ["team=uk-1", "region=UK", ""]),
        ("partner_manager", ["partner=p", "team=uk-1"], ["partner=p", "team=uk-1", ""]),
    ],
)
def test_groups_stand_beside_what_they_belong_to(role: str, named: list[str], shown: list[str]) -> None:
    assert side_by_side(views()[role], named, MEMBERS) == shown


def test_a_group_that_a_view_does_not_have_is_refused() -> None:
    with pytest.raises(CliError) as refused:
        side_by_side(views()["rep"], ["region=DACH"], MEMBERS)
    assert "the view rep is by rep, team, found 'region=DACH'" in str(refused.value)


def test_a_view_has_a_row_for_each_kpi_and_a_column_for_each_group() -> None:
    rows = [
        value("win_ratio", "90d", {"rep": "ann"}, 0.5, 4),
        value("win_ratio", "90d", {"team": "dach-1"}, 0.25, 40),
        value("win_ratio", "90d", {}, 0.125, 400),
        value("open_deals", None, {"rep": "ann"}, 7, 7),
    ]
    view = views()["rep"]
    made = table(view, catalogue(), ["rep=ann", "team=dach-1", ""], rows, Lang.DE, "as of noon")
    out = io.StringIO()
    Console(file=out, width=160).print(made)
    lines = [line for line in out.getvalue().splitlines() if line.strip()]
    assert lines[0].strip() == "Mein Tag, as of noon"
    assert lines[1].split() == ["KPI", "window", "rep=ann", "team=dach-1", "company"]
    found = {line.split("  ")[0].strip(): line.split()[-8:] for line in lines[3:]}
    assert len(lines[3:]) == len(view.headlines)
    assert found["Abschlussquote"] == ["%", "(4)", "25.0", "%", "(40)", "12.5", "%", "(400)"]
    assert found["Offene Deals"][-4:] == ["7", "(7)", "–", "–"]


def test_only_the_windows_of_the_view_are_wanted() -> None:
    wanted = Wanted(set(), {"rep=ann", ""}, set(), frozenset(views()["rep"].headlines))
    assert wanted.has(value("win_ratio", "90d", {}, 0.5))
    assert not wanted.has(value("win_ratio", "7d", {}, 0.5))
    assert not wanted.has(value("win_ratio", "90d", {"rep": "bob"}, 0.5))
    assert not wanted.has(value("calls", "90d", {}, 5))


def test_views_are_listed_in_both_languages(run: Run) -> None:
    listed = [orjson.loads(line) for line in run("kpis", "views", "--format", "json").out.splitlines()]
    assert [row["role"] for row in listed] == list(views())
    assert listed[0]["groups"] == ["rep", "team", "company"]
    (german,) = run("kpis", "views", "rep", "--lang", "de", "--currency", "USD", "--format", "json").out.splitlines()
    row = orjson.loads(german)
    assert row["title"] == "Mein Tag"
    (revenue,) = [one for one in row["kpis"] if one["kpi"] == "revenue_usd"]
    assert (revenue["title"], revenue["window"]) == ("Umsatz", "month")
    assert revenue["means"].startswith("Beträge gewonnener Deals")
    assert "Mein Team" in run("kpis", "views", "--lang", "de").out
    assert "Abschlussquote" in run("kpis", "views", "rep", "--lang", "de").out


def test_an_unknown_role_is_refused(run: Run) -> None:
    found = run("kpis", "views", "reps")
    assert (found.code, found.errors) == (
        2,
        ["error: ROLE: unknown role 'reps' (did you mean 'rep'?); expected one of "
         "rep, team_lead, head_of_sales, partner_manager"],
    )  # fmt: skip


def test_a_view_says_itself_which_kpis_it_shows(run: Run) -> None:
    found = run("values", "--view", "rep", "--kpi", "calls")
    assert (found.code, found.errors) == (
        2,
        ["error: --view: says which KPIs and windows; leave out --kpi and --window"],
    )
