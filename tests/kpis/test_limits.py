"""Targets and thresholds that do not fit the catalogue are told with what would be right."""

from __future__ import annotations

from typing import Any

import pytest
from support.build import decoded

from streamproc.kpis.against import Limits
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.catalogue.judgement import judgements
from streamproc.kpis.limits import TargetCheck, limits_of

CHECK = TargetCheck(catalogue(), judgements())
UNFIT = [
    ("target.set", {"kpi": "revenue_er", "period": "month"}, "unknown KPI 'revenue_er' (did you mean 'revenue_eur'?)"),
    ("target.set", {"group": {"account": "x"}, "window": "7d"}, "not kept by 'account'; expected one of rep, team"),
    ("target.set", {"group": {"tema": "x"}, "window": "7d"}, "(did you mean 'team'?)"),
    ("target.set", {"group": {"rep": "a", "team": "b"}, "window": "7d"}, "expected one dimension"),
    ("target.set", {"window": "7d", "period": "month"}, "found both: 7d and month"),
    ("target.set", {"window": "31d"}, "unknown window '31d' (did you mean '30d'?)"),
    ("target.set", {"period": "2024-Q1"}, "unknown period '2024-Q1'; expected day, week, month, quarter, year"),
    ("target.set", {}, "has values in windows; expected a window or a period"),
    ("target.set", {"kpi": "open_deals", "window": "7d"}, "`$.data.window`: open_deals is a level"),
    ("target.set", {"kpi": "open_deals", "period": "day"}, "`$.data.period`: open_deals is a level"),
    ("target.set", {"window": "7d", "critical": 3}, "a target.set has none; expected in a threshold.set"),
    ("threshold.set", {"window": "7d", "value": 3}, "a threshold.set has none; expected in a target.set"),
    ("threshold.set", {"window": "7d", "warning": 2, "critical": 3}, "so expected critical below it"),
    ("threshold.set", {"window": "7d", "warning": 2, "critical": 2}, "so expected critical below it"),
    ("threshold.set", {"kpi": "email_bounce_ratio", "window": "7d", "warning": 0.2, "critical": 0.1}, "above it"),
    ("threshold.set", {"window": "7d", "warning": 2, "clear": 1}, "expected at or above 2"),
    ("threshold.set", {"window": "7d", "critical": 2, "clear": 1}, "expected at or above 2"),
    ("threshold.set", {"kpi": "deals_lost", "window": "7d", "warning": 2, "critical": 9, "clear": 3}, "at or below 2"),
    ("threshold.set", {"window": "7d", "clear": 1}, "expected together with warning or critical"),
]
FIT = [
    ("target.set", {"period": "month", "value": 20}),
    ("target.set", {"period": "month"}),  # ends the one before
    ("target.set", {"kpi": "open_deals", "value": 20, "group": {"deal_stage": "Won"}}),
    ("threshold.set", {"window": "7d", "warning": 2, "critical": 1, "clear": 2}),
    ("threshold.set", {"kpi": "email_bounce_ratio", "window": "today", "warning": 0.1, "critical": 0.2, "clear": 0.1}),
    ("threshold.set", {"window": "7d"}),
]


def judged(kind: str, data: dict[str, Any]) -> str | None:
    found = decoded(kind, **{"kpi": "deals_won"} | data)
    return CHECK.wrong(found)


@pytest.mark.parametrize(("kind", "data", "words"), UNFIT)
def test_what_does_not_fit(kind: str, data: dict[str, Any], words: str) -> None:
    assert words in (judged(kind, data) or "")


@pytest.mark.parametrize(("kind", "data"), FIT)
def test_what_fits(kind: str, data: dict[str, Any]) -> None:
    assert judged(kind, data) is None


def test_other_reference_data_is_always_fit() -> None:
    found = decoded("team.defined", team="x")
    assert CHECK.wrong(found) is None


def test_a_threshold_without_limits_takes_away_those_of_the_catalogue() -> None:
    found = decoded("threshold.set", kpi="deals_won", window="7d", clear=3, min_samples=5)
    assert limits_of(found.data) == Limits()
    found = decoded("threshold.set", kpi="deals_won", window="7d", warning=3, min_samples=0)
    assert limits_of(found.data) == Limits(warning=3, min_samples=0)
