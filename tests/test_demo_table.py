"""The demo's table shows what headline values stand against."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from support.build import parse

from streamproc.demo import TARGETS, THRESHOLDS, _targets
from streamproc.demo_table import Wall
from streamproc.ingest.reference_file import SECTIONS
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.catalogue.judgement import judgements
from streamproc.kpis.limits import TargetCheck


def test_targets_of_the_demo_fit_the_catalogue() -> None:
    events = [parse(line, "sales.reference") for line in _targets(0)]
    assert len(events) == len(TARGETS) + len(THRESHOLDS)
    assert {event.type for event in events} == {SECTIONS["targets"], SECTIONS["thresholds"]}
    check = TargetCheck(catalogue(), judgements())
    assert [check.wrong(event) for event in events] == [None] * len(events)
    assert len({event.subject for event in events}) == len(events)


def test_a_headline_with_a_target_and_one_without() -> None:
    wall = Wall({"revenue_eur": "Revenue", "win_ratio": "Win rate"}, {})
    row = {"kpi": "revenue_eur", "group": {}, "window": "month", "value": 900_000, "n": 41, "unit": "eur"}
    wall.take({**row, "target": 1_500_000, "attainment": 0.6, "pace": 0.84, "previous": 800_000, "band": "critical"})
    wall.take({"kpi": "win_ratio", "group": {}, "window": "30d", "value": 0.4, "n": 160, "unit": "ratio"})
    out = StringIO()
    Console(file=out, width=200).print(wall.render())
    lines = out.getvalue().splitlines()
    (revenue,) = [line for line in lines if "Revenue" in line]
    for cell in ("900,000 EUR", "41", "800,000 EUR", "1,500,000 EUR", "60.0%", "84.0%", "critical"):
        assert cell in revenue
    (ratio,) = [line for line in lines if "Win rate" in line]
    assert "40.0%" in ratio
    assert "critical" not in ratio
