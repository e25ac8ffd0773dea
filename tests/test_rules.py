"""The alert rules: promtool's own tests of them, and that they use metrics that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from streamproc.outputs.own_metrics import OwnMetrics

RULES = Path(__file__).resolve().parents[1] / "deploy" / "prometheus"


@pytest.mark.parametrize(
    "command", [["check", "rules", "streamproc.rules.yml"], ["test", "rules", "streamproc.test.yml"]]
)
def test_promtool_accepts_the_rules_and_their_tests(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing; install the Debian package prometheus")
    done = subprocess.run([promtool, *command], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_use_metrics_that_there_are() -> None:
    exposed = {sample.name for family in OwnMetrics("facts", "0").registry.collect() for sample in family.samples}
    exposed |= {family.name for family in OwnMetrics("facts", "0").registry.collect()}
    used = set(re.findall(r"streamproc_\w+(?=[\[\)\s])", " ".join(rule["expr"] for rule in rules())))
    assert used
    assert used - exposed == set()


def test_every_rule_is_tested_and_documented() -> None:
    tested = {
        case["alertname"]
        for test in yaml.safe_load((RULES / "streamproc.test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    page = (RULES.parents[1] / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `(Streamproc\w+)` \|", page, re.MULTILINE))
    assert {rule["alert"] for rule in rules()} == tested == documented


def rules() -> list[dict[str, str]]:
    (group,) = yaml.safe_load((RULES / "streamproc.rules.yml").read_text())["groups"]
    return list(group["rules"])
