"""Who is told of which alert, by the shipped configuration of Alertmanager."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support import tools

from streamproc.generate.names import labels_of
from streamproc.kpis.catalogue import catalogue

CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"


def test_amtool_accepts_the_configuration() -> None:
    assert "SUCCESS" in tools.run("amtool", "check-config", str(CONFIG))


@pytest.mark.parametrize(
    ("receiver", "labels"),
    [
        ("sales", ("alertname=KpiWinRatioLow", "domain=kpi", "severity=critical")),
        ("sales", ("alertname=KpiTargetBehind", "domain=kpi", "severity=warning")),
        ("nobody", ("alertname=KpiThresholdMissing", "domain=kpi", "severity=info")),
        ("operations", ("alertname=StreamprocLag", "domain=processor", "severity=warning")),
        ("operations", ("alertname=PrometheusRuleFailures", "domain=processor", "severity=critical")),
        ("watchdog", ("alertname=Watchdog", "domain=processor", "severity=none")),
    ],
)
def test_who_is_told(receiver: str, labels: tuple[str, ...]) -> None:
    assert tools.run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", *labels).strip() == receiver


@pytest.mark.parametrize("template", ["streamproc.title", "streamproc.title.de", "streamproc.text", "streamproc.html"])
def test_templates_can_be_filled(template: str) -> None:
    folder = CONFIG.parent / "templates" / "*.tmpl"
    asked = f'--template.text={{{{ template "{template}" . }}}}'
    text = tools.run("amtool", "template", "render", f"--template.glob={folder}", asked)
    assert text.strip()
    assert "no value" not in text


def test_a_critical_alert_silences_only_the_warning_of_the_same_series() -> None:
    critical = yaml.safe_load(CONFIG.read_text())["inhibit_rules"][0]
    entities = {label for kpi in catalogue().kpis for label in labels_of(kpi)}
    assert entities | {"alertname", "kpi", "scope", "window"} <= set(critical["equal"])
