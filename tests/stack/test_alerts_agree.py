"""Alerts in a real Prometheus against bands of the stream: a breach and its end, all series, without a broker.

`make stack` shows the same with Kafka and Alertmanager.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from support import tools
from support.prometheus import Prometheus, scraping

from stack.partner import Partner
from stack.parts import hurried_rules
from streamproc.backtest import Backtest
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.prometheus import KpiExposition

NOW_MS = 1_781_697_600_000
SOON_S = 60.0
Alert = tuple[str, str, str, str]  # KPI, partner ("" for the company), window, severity


def values(*stories: str) -> list[KpiValue]:
    """All values after parts of a partner's story."""
    partner = Partner(NOW_MS - 60_000)
    lines = [line for story in stories for _, _, line in getattr(partner, story)()]
    ((_, found),) = Backtest(lines, catalogue(), Reference("EUR")).at([NOW_MS])
    return found


def bad(found: list[KpiValue]) -> set[Alert]:
    """Series in a bad band."""
    return {
        (one.kpi, one.group.partition("=")[2], one.window or "", one.against.band)
        for one in found
        if one.against is not None and one.against.band in ("warning", "critical")
    }


def firing(asked: Prometheus) -> Iterator[Alert]:
    for one in asked.instant('ALERTS{domain="kpi",alertstate="firing",severity=~"warning|critical"}'):
        labels = one["metric"]
        yield labels["kpi"], labels.get("partner", ""), labels.get("window", ""), labels["severity"]


def test_alerts_fire_and_end_with_the_bands(tmp_path: Path) -> None:
    tools.require("prometheus")
    before, after = values("slow"), values("slow", "quick")
    assert {("lead_feedback_ratio", "p-stack", "7d", "critical")} <= bad(before)
    assert {("lead_acceptance_seconds", "p-stack", "7d", "warning")} <= bad(before)
    assert bad(after) == set()
    exposition = KpiExposition(catalogue())
    exposition.apply(before)
    with scraping([exposition.render], hurried_rules(tmp_path), tmp_path) as asked:
        await_(asked, bad(before))
        exposition.apply(after)
        await_(asked, set())
        assert asked.instant("prometheus_rule_evaluation_failures_total > 0") == []


def await_(asked: Prometheus, expected: set[Alert]) -> None:
    """Wait until just these fire."""
    deadline = time.monotonic() + SOON_S
    while (found := set(firing(asked))) != expected:
        assert time.monotonic() < deadline, f"{found} fire, expected {expected}"
        time.sleep(0.2)
