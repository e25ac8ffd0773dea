"""The alert rules: promtool's tests of them, that all are like those tested, and that they use what there is."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from support import tools

from streamproc.generate.__main__ import changes
from streamproc.generate.names import alert_of, families, ops
from streamproc.generate.rule_tests import SKELETONS
from streamproc.kpis.catalogue import catalogue
from streamproc.outputs.own_metrics import OwnMetrics

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules"
TESTS = ROOT / "deploy" / "prometheus" / "tests"
KPIS = {kpi.name: kpi for kpi in catalogue().kpis}


@cache
def rules() -> list[dict[str, str]]:
    """Every rule of every file."""
    groups = [group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, str]]:
    return [rule for rule in rules() if "alert" in rule]


def test_what_is_committed_is_what_is_generated() -> None:
    assert sorted(changes(ROOT)) == [], "`make generate` writes these; commit them"


def test_promtool_accepts_the_rules() -> None:
    tools.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *map(str, sorted(RULES.glob("*.yml"))))


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.test.yml")), ids=lambda path: path.name)
def test_rules_fire_and_end_as_drawn(path: Path) -> None:
    tools.run("promtool", "test", "rules", str(path))


def test_every_kpi_has_an_alert_of_each_severity() -> None:
    found = {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}  # type: ignore[index]
    for kpi in KPIS.values():
        for op in ops(kpi):
            assert {(alert_of(kpi, op), "critical"), (alert_of(kpi, op), "warning")} <= found


def test_rules_of_kpis_differ_from_a_tested_one_in_the_name_only() -> None:
    def general(rule: dict[str, str], kpi: str) -> str:
        return rule["expr"].replace(rule["alert"], "ALERT").replace(f"kpi_{kpi}:", "KPI:").replace(f'"{kpi}"', '"KPI"')

    tested = {}
    for of in SKELETONS.values():
        (rule,) = [
            rule
            for rule in alerts()
            if rule["alert"] == of.alert and rule["labels"]["severity"] == of.severity  # type: ignore[index]
        ]
        tested[of.op, of.severity] = general(rule, of.kpi)
    assert len(tested) == 4
    for rule in alerts():
        labels: dict[str, str] = rule["labels"]  # type: ignore[assignment]
        if labels.get("kpi") in KPIS and rule["alert"] != "KpiThresholdMissing":
            op = "lt" if rule["alert"].endswith("Low") else "gt"
            assert general(rule, labels["kpi"]) == tested[op, labels["severity"]]


def test_rules_use_series_that_there_are() -> None:
    text = " ".join(rule["expr"] for rule in rules())
    own = {sample.name for family in OwnMetrics("facts", "0").registry.collect() for sample in family.samples}
    own |= {family.name for family in OwnMetrics("facts", "0").registry.collect()}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set(re.findall(r"\bstreamproc_\w+(?=[\[\)\s{])", text)) - own == set()
    assert set(re.findall(r"\b\w+:\w+:\w+", text)) - recorded == set()
    assert set(re.findall(r"(?<![\w:])kpi_\w+(?=\))", text)) == set(families(list(KPIS.values())))


def test_every_alert_has_a_runbook_and_what_people_need() -> None:
    for rule in alerts():
        notes: dict[str, str] = rule["annotations"]  # type: ignore[assignment]
        assert rule["labels"]["domain"] in ("kpi", "processor")  # type: ignore[index]
        assert rule["labels"]["severity"] in ("critical", "warning", "info", "none")  # type: ignore[index]
        assert "{{" not in notes["summary"] or not rule["alert"].startswith("Kpi")
        assert notes["description"]
        page = ROOT / notes["runbook_url"]
        assert page.read_text().count(f"# {rule['alert']}\n") == 1


def test_every_alert_on_the_processor_is_tested_and_documented() -> None:
    tests = (TESTS / "processor.test.yml").read_text()
    page = (ROOT / "docs" / "alerts.md").read_text()
    documented = set(re.findall(r"^\| `((?!Kpi)\w+)` \|", page, re.MULTILINE))
    fired = set(re.findall(r"ALERTS\{alertname=\"(\w+)\"[^}]*\}', value: 1", tests)) | {"StreamprocLag"}
    assert {rule["alert"] for rule in alerts() if not rule["alert"].startswith("Kpi")} == fired == documented
