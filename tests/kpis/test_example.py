"""The made-up totals of docs/kpis.md: one for every fact, and KPIs of them as worked out by hand."""

from __future__ import annotations

import pytest

from streamproc.facts.fact import FACTS, Kind
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.example import PREVIOUS, TOTALS, example
from streamproc.kpis.kpi import Growth

DAY_S = 86_400


def test_every_fact_has_a_total_of_its_kind() -> None:
    assert list(TOTALS) == list(FACTS)
    assert [name for name, kind in FACTS.items() if isinstance(TOTALS[name], tuple) != (kind is Kind.DURATION)] == []
    assert set(PREVIOUS) <= set(TOTALS)


@pytest.mark.parametrize("kpi", catalogue().kpis, ids=lambda kpi: kpi.name)
def test_every_kpi_has_an_example_with_a_value(kpi) -> None:
    given, parts = example(kpi)
    assert given
    assert parts.value is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activities", 40 + 100 + 12 + 20),
        ("contacts_touched", 55),
        ("win_ratio", 3 / 8),
        ("revenue_eur", 90_000),
        ("deal_size_eur", 30_000),
        ("sales_cycle_seconds", 40 * DAY_S),
        ("pipeline_velocity_eur_per_day", 8 * (3 / 8) * 30_000 / 40),
        ("pipeline_value_eur", 360_000),
        ("open_deals", 12),
    ],
)
def test_examples_by_hand(name: str, value: float) -> None:
    assert example(catalogue()[name]).parts.value == pytest.approx(value)


def test_growth_is_against_the_totals_before() -> None:
    growth = Growth(
        name="x_ratio", means="", formula="", events=(), source="", by=(), title_de="", title_en="",
        total=("revenue",), count=("deal_won",),
    )  # fmt: skip
    given, parts = example(growth)
    assert given == ["`revenue` 90,000", "`deal_won` 3", "before `revenue` 80,000", "before `deal_won` 2"]
    assert parts.value == 10 / 80
