"""promtool tests of the alert rules on KPIs: a file for each skeleton, with drawn timelines.

All rules of a skeleton differ in the KPI's name only, which a test of the project checks; so one KPI stands for all.
What people read is written out here rather than made by the code that makes the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from streamproc.generate.rules import RUNBOOKS, file_of
from streamproc.generate.yaml_text import yaml_text
from streamproc.kpis.catalogue import areas

FOLDER = "deploy/prometheus/tests/generated"
JOB = "streamproc"
GRAFANA = "http://127.0.0.1:3000/d"


class Shown(NamedTuple):
    """A value as a number and as people read it."""

    number: float
    text: str


class Skeleton(NamedTuple):
    """A KPI that stands for all with such a limit. `bad` is beyond it, `between` is between it and `clear`."""

    kpi: str
    alert: str
    title: str
    title_de: str
    scope: str
    window: str
    op: str
    severity: str
    limit: Shown
    clear: float
    bad: Shown
    between: Shown
    good: Shown
    board: str


SKELETONS = {
    "low-critical": Skeleton(
        "lead_feedback_ratio", "KpiLeadFeedbackRatioLow", "Feedback rate", "Feedbackquote", "partner",
        "7d", "lt", "critical", Shown(0.75, "75%"), 0.8, Shown(0.7, "70%"), Shown(0.78, "78%"), Shown(0.9, "90%"),
        "kpi-partners-en?var-partner=",
    ),
    "low-warning": Skeleton(
        "win_ratio", "KpiWinRatioLow", "Win rate", "Abschlussquote", "team", "30d", "lt", "warning",
        Shown(0.25, "25%"), 0.3, Shown(0.1, "10%"), Shown(0.28, "28%"), Shown(0.4, "40%"),
        "kpi-team-en?var-team=",
    ),
    "high-warning": Skeleton(
        "lead_acceptance_seconds", "KpiLeadAcceptanceSecondsHigh", "Acceptance time", "Annahmedauer", "partner",
        "7d", "gt", "warning", Shown(3600, "1h 0m 0s"), 3000, Shown(10800, "3h 0m 0s"),
        Shown(3300, "55m 0s"), Shown(600, "10m 0s"), "kpi-partners-en?var-partner=",
    ),
    "high-critical": Skeleton(
        "leads_escalated", "KpiLeadsEscalatedHigh", "Escalated leads", "Eskalierte Leads", "partner", "", "gt",
        "critical", Shown(20, "20"), 10, Shown(30, "30"), Shown(12, "12"), Shown(5, "5"),
        "kpi-partners-en?var-partner=",
    ),
}  # fmt: skip
LEAST = 10  # samples
END = 60  # minutes of the timelines
MINUTES = (3, 20, 28, 40, 50, 60)  # when it is looked at what fires
SIDES = {"lt": ("below", "unter"), "gt": ("above", "über")}
GERMAN = {"critical": "kritisch", "warning": "Warnung"}


def files() -> dict[str, str]:
    """All test files by their path."""
    found = {}
    for name, of in SKELETONS.items():
        rules = [f"../../rules/{name}.rules.yml" for name in ("recording", file_of(_area(of.kpi)))]
        content = {"rule_files": rules, "evaluation_interval": "1m", "tests": [_test(of)]}
        found[f"{FOLDER}/{name}.test.yml"] = yaml_text(content)
    return found


def _area(kpi: str) -> str:
    return next(area for area, kpis in areas().items() if any(one.name == kpi for one in kpis))


class Case(NamedTuple):
    """The timeline of a group. `values`: from which minute on the value is where.

    `fires`: at each of `MINUTES` where the value was that the alert tells, None for silence. `few`: from which minute
    on too little is behind the value. `gap`: minutes between which no worker shows the group.
    """

    values: dict[int, str]
    fires: tuple[str | None, ...]
    few: int = END + 1
    gap: tuple[int, int] | None = None
    has_limits: bool = True


SILENT = (None,) * len(MINUTES)
CASES = {
    "fires-holds-ends": Case(
        {0: "good", 2: "bad", 30: "between", 45: "good"}, (None, "bad", "bad", "between", "between", None)
    ),
    "never-was-bad": Case({0: "between"}, SILENT),
    "comes-back-at-once": Case({0: "good", 2: "bad", 6: "good"}, SILENT),
    "small-sample": Case({0: "bad"}, SILENT, few=0),
    "small-sample-later": Case({0: "bad", 30: "good"}, (None, "bad", "bad", "good", "good", "good"), few=25),
    "partition-moves": Case({0: "bad"}, (None, *["bad"] * 5), gap=(25, 31)),
    "no-limit": Case({0: "bad"}, SILENT, has_limits=False),
}


def _test(of: Skeleton) -> dict[str, Any]:
    """All cases side by side, each a group that is called like it."""
    return {
        "name": f"{of.kpi} {of.severity}",
        "interval": "1m",
        "input_series": [one for name, case in CASES.items() for one in _series(of, name, case)],
        "alert_rule_test": [
            {
                "eval_time": f"{minute}m",
                "alertname": of.alert,
                "exp_alerts": [
                    _expected(of, name, level, LEAST if minute < case.few else LEAST - 1)
                    for name, case in CASES.items()
                    if (level := case.fires[index]) is not None
                ],
            }
            for index, minute in enumerate(MINUTES)
        ],
    }


def _series(of: Skeleton, name: str, case: Case) -> Iterator[dict[str, str]]:
    labels = _labels(of, name)
    mine, limit = {"kpi": of.kpi, **labels}, {"kpi": of.kpi, **labels, "unit": "u", "op": of.op}
    minutes = range(END + 1)
    yield from _shown_by(case, f"kpi_{of.kpi}", labels, [_value(of, case, minute) for minute in minutes])
    yield from _shown_by(case, "kpi_samples", mine, [LEAST if minute < case.few else LEAST - 1 for minute in minutes])
    if case.has_limits:
        for family, about, number in (
            ("kpi_threshold", {**limit, "severity": of.severity}, of.limit.number),
            ("kpi_threshold_clear", limit, of.clear),
            ("kpi_min_samples", mine, LEAST),
        ):
            yield from _shown_by(case, family, about, [number] * len(minutes))


def _labels(of: Skeleton, name: str) -> dict[str, str]:
    return {"scope": of.scope, of.scope: name, **({"window": of.window} if of.window else {})}


def _value(of: Skeleton, case: Case, minute: int) -> float:
    level = case.values[max(since for since in case.values if since <= minute)]
    shown: Shown = getattr(of, level)
    return shown.number


def _shown_by(case: Case, name: str, labels: dict[str, str], values: list[float]) -> Iterator[dict[str, str]]:
    """The series of one worker; or of two, of which the first loses its partition and the second has it later."""
    texts = [f"{value:g}" for value in values]
    workers = {"a": texts}
    if case.gap:
        since, until = case.gap
        workers = {"a": [*texts[:since], "stale"], "b": ["_"] * until + texts[until:]}
    for worker, shown in workers.items():
        pairs = ",".join(f'{label}="{value}"' for label, value in {"job": JOB, "instance": worker, **labels}.items())
        yield {"series": f"{name}{{{pairs}}}", "values": _short(shown)}


def _short(texts: list[str]) -> str:
    """promtool's notation: `5x3` is 5 and three more of it, `_x3` is nothing three times."""
    runs = [(text, len(list(same))) for text, same in groupby(texts)]
    return " ".join(f"_x{n}" if text == "_" else text if n == 1 else f"{text}x{n - 1}" for text, n in runs)


def _expected(of: Skeleton, name: str, level: str, n: int) -> dict[str, Any]:
    word, german = SIDES[of.op]
    window = f", window {of.window}" if of.window else ""
    value = getattr(of, level).text
    return {
        "exp_labels": {"job": JOB, **_labels(of, name), "severity": of.severity, "domain": "kpi", "kpi": of.kpi},
        "exp_annotations": {
            "summary": f"{of.title} is {word} its {of.severity} limit",
            "summary_de": f"{of.title_de}: {german} der Grenze ({GERMAN[of.severity]})",
            "description": f"{of.scope} {name}: {of.title} is {value}; limit {of.limit.text}{window}, n = {n}.",
            "runbook_url": f"{RUNBOOKS}/{of.alert}.md",
            "dashboard_url": f"{GRAFANA}/{of.board}{name}",
        },
    }
