"""Names that rules, runbooks and dashboards share: recorded series, alerts, labels, pages."""

from __future__ import annotations

from streamproc.kpis.catalogue.judgement import judgements
from streamproc.kpis.kpi import Kpi
from streamproc.outputs.judged_metrics import JudgedExposition
from streamproc.outputs.prometheus import has_parts
from streamproc.outputs.scopes import label_of

ROSTER = "rep:kpi_rep_info:max"
_PERIODS = "kpi_period_"


def recorded(family: str) -> str:
    """The recorded series of a metric family: one for all workers, whichever shows it."""
    if family == "kpi_rep_info":
        return ROSTER
    return f"{'period' if family.startswith(_PERIODS) else 'group'}:{family}:max"


def of_kpi(name: str) -> str:
    """The recorded series of a KPI's values."""
    return recorded(f"kpi_{name}")


def families(kpis: list[Kpi]) -> list[str]:
    """Metric families that are recorded: values and denominators, what values stand against, periods, the roster."""
    found = []
    for kpi in kpis:
        found.append(f"kpi_{kpi.name}")
        if has_parts(kpi):
            found.append(f"kpi_{kpi.name}_denominator")
    return [*found, *sorted(JudgedExposition().names), "kpi_rep_info"]


def alert_of(kpi: Kpi, op: str) -> str:
    """Name of a KPI's alert for values below (`lt`) or above (`gt`) their limit."""
    return f"Kpi{''.join(word.capitalize() for word in kpi.name.split('_'))}{'Low' if op == 'lt' else 'High'}"


def ops(kpi: Kpi) -> tuple[str, ...]:
    """Sides of a limit that can be bad; both where the KPI has no direction, for then the limits say it."""
    return {"up": ("lt",), "down": ("gt",), "none": ("lt", "gt")}[judgements()[kpi.name].direction]


def labels_of(kpi: Kpi) -> list[str]:
    """Labels that a series of the KPI may have, besides scope and window."""
    return [label_of(dimension) for dimension in kpi.by]
