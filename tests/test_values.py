"""Pipeline = oracle: every KPI, group and window, on simulated and on generated histories."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from oracle import histories
from oracle.oracle import values as oracle
from support.compare import differences, pipeline

from streamproc.simulate import Organisation

DAY_MS = 86_400_000
START_MS = 1_774_000_000_000  # 2026-03-20, days before a daylight-saving change


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories.histories())
def test_generated_histories(history: histories.History) -> None:
    expected = oracle(history.lines, history.at_ms, reference=history.reference, zone=history.zone)
    found = pipeline(history.lines, history.at_ms, history.reference, history.zone)
    assert differences(found, expected) == []


@pytest.mark.parametrize("seed", range(12))
def test_seeded_histories(seed: int) -> None:
    history = histories.history(seed, lives=60)
    expected = oracle(history.lines, history.at_ms, reference=history.reference, zone=history.zone)
    found = pipeline(history.lines, history.at_ms, history.reference, history.zone)
    assert differences(found, expected) == []


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_simulated_organisation(zone: str) -> None:
    organisation = Organisation(seed=11, start_ms=START_MS, flaws=0.02)
    lines = [line for *_, line in organisation.events(START_MS + 12 * DAY_MS, rate_per_s=0.008)]
    reference = organisation.reference()
    for at_ms in (START_MS + 9 * DAY_MS, START_MS + 12 * DAY_MS):
        at_ms -= at_ms % 60_000
        expected = oracle(lines, at_ms, reference=reference, zone=zone)
        assert differences(pipeline(lines, at_ms, reference, zone), expected) == []


def test_the_order_of_a_file_means_nothing() -> None:
    organisation = Organisation(seed=5, start_ms=START_MS, flaws=0.02)
    lines = [line for *_, line in organisation.events(START_MS + 3 * DAY_MS, rate_per_s=0.01)]
    at_ms = START_MS - START_MS % 60_000 + 3 * DAY_MS
    expected = pipeline(lines, at_ms, organisation.reference())
    random.Random(1).shuffle(lines)
    assert pipeline(lines, at_ms, organisation.reference()) == expected
