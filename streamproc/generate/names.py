"""Names that rules, runbooks and dashboards share: recorded series, alerts, labels, pages."""

from __future__ import annotations

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


def label_of(dimension: str) -> str:
    """The label that has the member of a dimension."""
    return {"region": "sales_region"}.get(dimension, dimension)
