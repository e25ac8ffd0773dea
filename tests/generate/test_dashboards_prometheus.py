"""Every panel's queries, asked of a real Prometheus as the panel asks: none is refused, none is empty."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

import pytest
from support import tools
from support.panels import Answers, answers, boards, recorded_sales, targets
from support.workers_pages import Sales

from streamproc.kpis.views import views

BOARDS = boards()


class Asked(NamedTuple):
    """What the organisation has come to, and what Prometheus answered to every query."""

    sales: Sales
    answers: Answers


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    tools.require("prometheus")
    with recorded_sales(tmp_path_factory.mktemp("prometheus")) as (sales, prometheus):
        yield Asked(sales, answers(prometheus, sales))


@pytest.mark.parametrize("uid", BOARDS)
def test_every_query_gives_numbers(uid: str, asked: Asked) -> None:
    found = {target: asked.answers[target] for target in targets(BOARDS[uid])}
    assert [target for target, series in found.items() if not series] == []
    assert [target for target, series in found.items() if not all(isfinite(value) for _, value in series)] == []


def test_the_wall_shows_what_the_pipeline_computed(asked: Asked) -> None:
    """Through the page, the scrape and the recording rule."""
    computed = {(value.kpi, value.group, value.window): value.value for value in asked.sales.values}
    shown = {target.expr: series for target, series in asked.answers.items() if target.board == "kpi-wall-en"}
    for kpi, window in views()["head_of_sales"].headlines:
        (only,) = shown[f'group:kpi_{kpi}:max{{scope="company",window="{window or ""}"}}']
        assert only[1] == pytest.approx(computed[kpi, "", window])


def test_leaders_stand_first_and_have_names(asked: Asked) -> None:
    of_wall = {(target.panel, target.board): series for target, series in asked.answers.items()}
    teams = [value for _, value in of_wall["Teams: attainment", "kpi-wall-en"]]
    assert len(teams) > 1
    assert teams == sorted(teams, reverse=True)
    reps = {labels["rep"]: labels["who"] for labels, _ in of_wall["Reps: attainment", "kpi-wall-en"]}
    names = {rep: name or rep for rep, name, _, _ in asked.sales.reference.members()}
    assert reps
    assert reps == {rep: names[rep] for rep in reps}


def test_changes_have_the_arrow_of_their_sign(asked: Asked) -> None:
    changes = [series for target, series in asked.answers.items() if target.legend.startswith("{{mark}} ")]
    arrows = {(labels["mark"], value > 0) for series in changes for labels, value in series if value}
    assert arrows == {("▲", True), ("▼", False)}


def test_values_of_the_present_are_fresh(asked: Asked) -> None:
    ages = [series for target, series in asked.answers.items() if target.legend == "{{mark}}"]
    assert ages
    assert {labels["mark"] for series in ages for labels, _ in series} == {"fresh", "aktuell"}
