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
        ("revenue_eur", 90_000 + 24_000),
        ("revenue_growth_ratio", (114_000 - 100_000) / 100_000),
        ("revenue_attainment_ratio", 114_000 / 120_000),
        ("gross_margin_ratio", (114_000 - 36_000 - 12_000) / 114_000),
        ("cac_eur", (5_000 + 8_000 + 3_000) / 4),
        ("cost_per_lead_eur", 5_000 / 50),
        ("activities_per_rep", 172 / 4),
        ("research_reactions_per_hour", 10 / 5),
        ("lead_acceptance_hour_ratio", 2 / 3),
        ("pipeline_growth_ratio", 60_000 / (360_000 - 60_000)),
        ("retention_ratio", 38 / 40),
        ("revenue_churn_ratio", 500 / 20_000),
        ("arpa_eur", 21_000 / 42),
        ("clv_eur", 500 * (66 / 114) / (2 / 40 * 30.4375 / 30)),
        ("nps_points", 100 * (11 - 4) / 20),
        ("csat_points", 105 / 25),
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
