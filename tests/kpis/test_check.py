"""Every mistake in a declaration is found, named, and told what would be right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.check import check
from streamproc.kpis.kpi import Count, Distinct, Kpi, Level, MeanDuration, QuantileDuration, Ratio, Sum

TEXT: dict[str, Any] = {
    "means": "m", "formula": "f", "source": "A", "title_de": "t", "title_en": "t", "events": ("call.logged",), "by": (),
}  # fmt: skip
CALLS = Count(name="calls_made", of=("call",), **TEXT)
WINS = Ratio(name="wins_ratio", part="deal_won", whole=("deal_won", "deal_lost"), **TEXT)
CYCLE = QuantileDuration(name="cycle_p9_seconds", of="sales_cycle", q=0.9, **TEXT)
OPEN = Level(name="open_now", of="open_deals", count="open_deals", unit="count", **TEXT)


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_the_catalogue_has_no_mistakes(currency: str) -> None:
    assert check(catalogue(currency).kpis) == []
    assert check([CALLS, WINS, CYCLE, OPEN]) == []


@pytest.mark.parametrize(
    ("kpi", "words"),
    [
        (replace(CALLS, name="Calls"), ("name", "lower case")),
        (replace(CALLS, name="calls_total"), ("name", "_total", "Prometheus")),
        (replace(CALLS, name="calls_ratio"), ("name", "_ratio", "count")),
        (replace(WINS, name="wins"), ("name", "_ratio")),
        (replace(CYCLE, name="cycle_p9"), ("name", "_seconds")),
        (replace(CALLS, means=" "), ("means", "empty")),
        (replace(CALLS, events=()), ("events", "empty")),
        (replace(CALLS, events=("call.loged",)), ("events", "call.loged", "did you mean 'call.logged'")),
        (replace(CALLS, events=("fx.rate",)), ("events", "fx.rate")),
        (replace(CALLS, by=("repp",)), ("by", "repp", "did you mean 'rep'")),
        (replace(CALLS, by=("rep", "rep")), ("by", "rep", "2 times")),
        (replace(CALLS, of=("cal",)), ("of", "cal", "did you mean 'call'")),
        (replace(CALLS, of=("revenue",)), ("of", "revenue", "sum", "expected a count")),
        (replace(WINS, part="contact_touched"), ("part", "distinct")),
        (replace(WINS, whole=("deal_won", "sales_cycle")), ("whole", "duration")),
        (Distinct(name="people", of="call", **TEXT), ("of", "expected a distinct")),
        (
            Sum(name="revenue_eur", total=("deal_won",), count=("deal_won",), unit="eur", **TEXT),
            ("total", "expected a sum"),
        ),
        (
            Sum(name="revenue_eur", total=("revenue",), count=("revenue",), unit="eur", **TEXT),
            ("count", "expected a count"),
        ),
        (MeanDuration(name="x_seconds", of="call", **TEXT), ("of", "expected a duration")),
        (replace(CYCLE, q=1), ("q", "between 0 and 1")),
        (replace(OPEN, of="deal_won"), ("of", "expected a level")),
        (replace(OPEN, scale=0), ("scale", "1 or more")),
    ],
)
def test_a_mistake_is_told(kpi: Kpi, words: tuple[str, ...]) -> None:
    (problem,) = check([kpi])
    assert problem.startswith(f"{kpi.name}: {words[0]}: ")
    assert [word for word in words if word not in problem] == []


def test_all_mistakes_are_told_at_once() -> None:
    problems = check([CALLS, CALLS, replace(WINS, means="", by=("nobody",), part="nothing")])
    assert [problem.split(": ")[1] for problem in problems] == ["name", "means", "by", "part"]
