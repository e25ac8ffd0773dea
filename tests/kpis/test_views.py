"""Views: each KPI is there, by the view's groups, with a window that it has; and every mistake is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.views import Headline, View, check, views

GOOD = View(
    role="rep",
    title_en="Me",
    title_de="Ich",
    means_en="What I do.",
    means_de="Was ich tue.",
    groups=("rep", "team"),
    headlines=(
        Headline("calls", "7d"),
        Headline("emails_sent", "7d"),
        Headline("win_ratio", "90d"),
        Headline("revenue_eur", "month"),
        Headline("open_deals", None),
    ),
)


def changed(index: int, headline: Headline) -> View:
    headlines = list(GOOD.headlines)
    headlines[index] = headline
    return replace(GOOD, headlines=tuple(headlines))


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_the_built_in_views_are_right(currency: str) -> None:
    assert check(views(currency), catalogue(currency)) == []


def test_there_is_a_view_for_each_role_in_both_languages() -> None:
    assert list(views()) == ["rep", "team_lead", "head_of_sales", "partner_manager"]
    for role, view in views().items():
        assert view.role == role
        assert all((view.title_en, view.title_de, view.means_en, view.means_de))
        assert view.means_en != view.means_de


@pytest.mark.parametrize(
    ("view", "problem"),
    [
        (GOOD, None),
        (replace(GOOD, headlines=GOOD.headlines[1:]), "has 4 KPIs; expected 5 to 10"),
        (replace(GOOD, groups=("rep", "squad")), "unknown dimension 'squad'"),
        (changed(0, Headline("call", "7d")), "unknown KPI 'call'"),
        (changed(0, Headline("win_ratio", "7d")), "win_ratio is there twice"),
        (changed(0, Headline("calls", "8d")), "calls has the window 8d; expected one of 1h"),
        (changed(0, Headline("calls", None)), "calls has the window None; expected one of 1h"),
        (changed(4, Headline("open_deals", "7d")), "open_deals has the window 7d; expected none"),
        (replace(GOOD, groups=("rep", "segment")), "calls is not grouped by segment; expected rep, segment"),
    ],
)
def test_mistakes_are_told(view: View, problem: str | None) -> None:
    found = check({"rep": view}, catalogue())
    if problem is None:
        assert found == []
    else:
        assert any(one.startswith(f"view rep: {problem}") for one in found), found
