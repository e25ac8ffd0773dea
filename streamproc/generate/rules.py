"""Recording and alerting rules for Prometheus.

Limits are series (`kpi_threshold`), so that rules stay as they are when somebody sets one. An alert says the same as
the band of its series (`kpi_band`, `kpi.alerts`): it fires beyond the limit with enough behind the value, and goes on
until the value comes up to `clear`, or as long as too little is behind it to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, starmap
from typing import Any

from streamproc.generate.names import alert_of, families, labels_of, of_kpi, ops, recorded
from streamproc.generate.processor import RECORDED, Alert, alerts
from streamproc.generate.yaml_text import yaml_text
from streamproc.kpis.catalogue import areas
from streamproc.kpis.compare import CLOSE, REACHED
from streamproc.kpis.kpi import Kpi
from streamproc.kpis.views import views
from streamproc.windows.calendar import CALENDAR

FOLDER = "deploy/prometheus/rules"
RUNBOOKS = "docs/runbooks"
GRAFANA = "http://127.0.0.1:3000"
RECORD_EVERY, ALERT_EVERY = "5s", "15s"
# A wall shows a breach at once; a phone need not ring for a value that comes back.
FOR = {"critical": "5m", "warning": "15m"}
KEEP = "10m"  # longer than a rebalance with recovery: a gap in the series ends no alert
TARGET_FOR = "30m"
THRESHOLD, CLEAR, TARGET = (recorded(f"kpi_{name}") for name in ("threshold", "threshold_clear", "target"))
SAMPLES, LEAST = recorded("kpi_samples"), recorded("kpi_min_samples")
PACE, ATTAINMENT = recorded("kpi_target_pace_ratio"), recorded("kpi_attainment_ratio")
GERMAN = {"critical": "kritisch", "warning": "Warnung"}
_UNITS = {"ratio": "humanizePercentage", "seconds": "humanizeDuration"}

Rule = dict[str, Any]


def files() -> dict[str, str]:
    """All rule files by their path."""
    kpis = list(chain.from_iterable(areas().values()))
    groups = {"recording": [_group("kpi-recording", RECORD_EVERY, map(_record, families(kpis)))]}
    for area, found in areas().items():
        name = file_of(area)
        groups[name] = [_group(name, ALERT_EVERY, _of_area(found))]
    groups["kpi-all"] = [
        _group("kpi-targets", ALERT_EVERY, _targets()),
        _group("kpi-limits", ALERT_EVERY, _missing(kpis)),
    ]
    groups["processor"] = [
        _group("streamproc-recording", RECORD_EVERY, RECORDED),
        _group("streamproc-alerts", ALERT_EVERY, starmap(_of_processor, alerts().items())),
    ]
    return {f"{FOLDER}/{name}.rules.yml": yaml_text({"groups": found}) for name, found in groups.items()}


def file_of(area: str) -> str:
    """Name of the file and group of an area's alerts."""
    return f"kpi-{area.lower().replace(' ', '-')}"


def _group(name: str, every: str, rules: Iterable[Rule]) -> dict[str, Any]:
    return {"name": name, "interval": every, "rules": list(rules)}


def _record(family: str) -> Rule:
    return {"record": recorded(family), "expr": f"max without (instance, pod) ({family})"}


def _of_area(kpis: tuple[Kpi, ...]) -> Iterator[Rule]:
    for kpi in kpis:
        for op in ops(kpi):
            for severity in ("critical", "warning"):
                yield breach(kpi, op, severity)


def breach(kpi: Kpi, op: str, severity: str) -> Rule:
    """The alert of a KPI for values beyond their limit of a severity."""
    alert, word = alert_of(kpi, op), "below" if op == "lt" else "above"
    here = labels_of(kpi)
    shown = _UNITS.get(kpi.unit, "humanize")
    limit = _asked(THRESHOLD, f"kpi='{kpi.name}',severity='{severity}',op='{op}'", here)
    samples = _asked(SAMPLES, f"kpi='{kpi.name}'", here)
    return {
        "alert": alert,
        "expr": _breach_expr(kpi, op, severity),
        "for": FOR[severity],
        "keep_firing_for": KEEP,
        "labels": {"severity": severity, "domain": "kpi", "kpi": kpi.name},
        "annotations": {
            "summary": f"{kpi.title_en} is {word} its {severity} limit",
            "summary_de": f"{kpi.title_de}: {'unter' if op == 'lt' else 'über'} der Grenze ({GERMAN[severity]})",
            "description": f"{_entity(here)}: {kpi.title_en} is {{{{ $value | {shown} }}}}{_of_unit(kpi)}; limit "
            f"{{{{ {limit} | {shown} }}}}{{{{ with $labels.window }}}}, window {{{{ . }}}}{{{{ end }}}}, "
            f"n = {{{{ {samples} }}}}.",
            "runbook_url": f"{RUNBOOKS}/{alert}.md",
            "dashboard_url": _dashboard(here),
        },
    }


def _of_unit(kpi: Kpi) -> str:
    return "" if kpi.unit in _UNITS or kpi.unit == "count" else f" {kpi.unit.replace('_', ' ')}"


def _breach_expr(kpi: Kpi, op: str, severity: str) -> str:
    sign, value = "<" if op == "lt" else ">", of_kpi(kpi.name)
    mine = f'kpi="{kpi.name}",op="{op}"'
    fires = f'ALERTS{{alertname="{alert_of(kpi, op)}",severity="{severity}",alertstate="firing"}}'
    firing = f"and ignoring (alertname, alertstate, severity, domain, kpi) {fires}"
    enough, few = (
        f'and ignoring (kpi) ({SAMPLES}{{kpi="{kpi.name}"}} {than} {LEAST}{{kpi="{kpi.name}"}})' for than in (">=", "<")
    )
    beyond = f'{value} {sign} ignoring (kpi, unit, severity, op) {THRESHOLD}{{{mine},severity="{severity}"}}'
    held = f"{value} {sign} ignoring (kpi, unit, op) {CLEAR}{{{mine}}}"
    if severity == "critical":  # with a warning limit, what is no longer critical is a warning until it is clear
        held += f'\n  unless ignoring (kpi, unit, severity, op) {THRESHOLD}{{{mine},severity="warning"}}'
    return f"(\n  {beyond}\n  {enough}\n)\nor (\n  {held}\n  {firing}\n)\nor (\n  {value}\n  {few}\n  {firing}\n)\n"


def _targets() -> Iterator[Rule]:
    """Of series that have a target and no limits."""
    for severity, least in (("critical", CLOSE), ("warning", REACHED)):
        yield {
            "alert": "KpiTargetBehind",
            "expr": "(\n"
            f"  {PACE} < {least:g}\n"
            f'  or {ATTAINMENT}{{window!~"{"|".join(CALENDAR)}"}} < {least:g}\n'
            f")\nunless ignoring (unit, severity, op) {THRESHOLD}\n",
            "for": TARGET_FOR,
            "keep_firing_for": KEEP,
            "labels": {"severity": severity, "domain": "kpi"},
            "annotations": {
                "summary": "A KPI is behind its target",
                "summary_de": "Eine Kennzahl liegt hinter ihrem Ziel",
                "description": f"{_entity(list(_ENTITIES))}: {{{{ $labels.kpi }}}} is at "
                "{{ $value | humanizePercentage }} of where it should be by now"
                "{{ with $labels.window }}, window {{ . }}{{ end }}.",
                "runbook_url": f"{RUNBOOKS}/KpiTargetBehind.md",
                "dashboard_url": _dashboard(list(_ENTITIES)),
            },
        }


def _missing(kpis: list[Kpi]) -> Iterator[Rule]:
    """Without a limit or a target a KPI can never alert, and its silence looks like health."""
    headlines = {headline.kpi for view in views().values() for headline in view.headlines}
    for kpi in kpis:
        if kpi.name not in headlines:
            continue
        none = " and on () ".join(f'absent({series}{{kpi="{kpi.name}"}})' for series in (THRESHOLD, TARGET))
        yield {
            "alert": "KpiThresholdMissing",
            "expr": f"{none} and on () (count({of_kpi(kpi.name)}) > 0)",
            "for": "15m",
            "labels": {"severity": "info", "domain": "kpi", "kpi": kpi.name},
            "annotations": {
                "summary": f"{kpi.title_en} has neither limit nor target",
                "summary_de": f"{kpi.title_de}: weder Grenze noch Ziel",
                "description": f"Nobody has set a limit or a target for {kpi.name}, so it cannot alert. "
                f"`streamproc reference set-threshold {kpi.name} …` sets one.",
                "runbook_url": f"{RUNBOOKS}/KpiThresholdMissing.md",
                "dashboard_url": f"{GRAFANA}/d/kpi-wall-en",
            },
        }


def _of_processor(name: str, alert: Alert) -> Rule:
    return {
        "alert": name,
        "expr": alert.expr,
        **({"for": alert.held} if alert.held else {}),
        "labels": {"severity": alert.severity, "domain": "processor"},
        "annotations": {
            "summary": alert.summary,
            "description": alert.means,
            "runbook_url": f"{RUNBOOKS}/{name}.md",
            "dashboard_url": f"{GRAFANA}/d/streamproc-health-en",
        },
    }


# All labels that name a group, for alerts over all KPIs.
_ENTITIES = dict.fromkeys(chain.from_iterable(labels_of(kpi) for kpis in areas().values() for kpi in kpis))


def _entity(here: list[str]) -> str:
    """Template of the name of a group."""
    if not here:
        return "Company"
    known = " ".join(f"$labels.{name}" for name in here)
    return f"{{{{ with or {known} }}}}{{{{ $labels.scope }}}} {{{{ . }}}}{{{{ else }}}}Company{{{{ end }}}}"


def _asked(series: str, matchers: str, here: list[str]) -> str:
    """Template of the value of a series with the same group and window."""
    names = ["scope", "window", *here]
    wanted = ",".join(f"{name}='%s'" for name in names)
    given = " ".join(f"$labels.{name}" for name in names)
    return f'printf "{series}{{{matchers},{wanted}}}" {given} | query | first | value'


_BOARDS = {"rep": "rep", "partner": "partners", "team": "team"}  # by label


def _dashboard(here: list[str]) -> str:
    """Template of the address of the board of the group's kind, for that group."""
    ways = [
        f"{{{{ if $labels.{label} }}}}kpi-{board}-en?var-{label}={{{{ $labels.{label} | urlquery }}}}{{{{ else }}}}"
        for label, board in _BOARDS.items()
        if label in here
    ]
    return f"{GRAFANA}/d/{''.join(ways)}kpi-wall-en{'{{ end }}' * len(ways)}"
