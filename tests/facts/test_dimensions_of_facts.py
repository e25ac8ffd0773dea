"""`may_carry` says what facts of a simulated organisation carry: nothing more, and of stages nothing less."""

from __future__ import annotations

from collections import defaultdict

import pytest
from support.build import DAY_MS, Rec, ms

from streamproc.backtest import load_reference
from streamproc.facts.fact import AMOUNTS, DIMENSIONS, FACTS, Fact, Kind, may_carry
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.pipeline import FactsStage
from streamproc.simulate import Organisation

STAGES = {"deal_stage", "lead_stage"}
START_MS = ms("2026-03-02")


@pytest.fixture(scope="module")
def carried() -> dict[str, set[str]]:
    """Fact → dimensions that were seen on facts of this name, over 60 days."""
    organisation = Organisation(seed=5, start_ms=START_MS, flaws=0.02)
    stage = FactsStage(catalogue(), load_reference(organisation.reference(), Reference()))
    seen: dict[str, set[str]] = defaultdict(set)

    def emit(fact: Fact, _times: int) -> None:
        if fact.name in FACTS:
            seen[fact.name].update(name for name, _ in fact.dims)

    stage._emit = emit  # type: ignore[method-assign]
    records = [Rec(raw, at) for at, *_, raw in organisation.events(START_MS + 60 * DAY_MS, rate_per_s=0.001)]
    stage.on_batch(records, None)
    return seen


def test_facts_carry_nothing_else(carried: dict[str, set[str]]) -> None:
    assert len(carried) >= 20
    assert {name: dims - set(may_carry(name)) for name, dims in carried.items() if dims - set(may_carry(name))} == {}


def test_what_is_said_to_carry_a_stage_does(carried: dict[str, set[str]]) -> None:
    said = {name: STAGES.intersection(may_carry(name)) for name in carried}
    assert {name: dims for name, dims in said.items() if dims} == {
        name: dims & STAGES for name, dims in carried.items() if dims & STAGES
    }
    assert sum(map(len, said.values())) >= 7


def test_all_other_dimensions_may_be_on_every_fact() -> None:
    assert {tuple(name for name in may_carry(fact) if name not in STAGES) for fact in FACTS} == {DIMENSIONS[:-2]}


def test_only_sums_and_levels_have_parts_of_a_unit() -> None:
    assert {FACTS[name] for name in AMOUNTS} == {Kind.SUM, Kind.LEVEL}
