"""PromQL of the panels. KPIs are read from recorded series only, and every selector pins scope and window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streamproc.generate.dashboard_texts import NOW
from streamproc.generate.names import ROSTER, of_kpi, recorded
from streamproc.kpis.kpi import Kpi
from streamproc.outputs.scopes import label_of


class Query(NamedTuple):
    """One query of a panel. `legend` may have labels: `{{team}}`. Instant: only what is there now, for values."""

    expr: str
    legend: str = ""
    instant: bool = True


class Group(NamedTuple):
    """Whose values: of the company, or of a dimension's members that match (`$team`; `~$team` for several; all)."""

    scope: str = "company"
    member: str = ""

    @property
    def label(self) -> str:
        """The label that has the member."""
        return label_of(self.scope)


COMPANY = Group()


def select(series: str, **labels: str) -> str:
    """A selector; a value that begins with `~` is a regular expression."""
    pairs = [
        f'{name}=~"{value[1:]}"' if value.startswith("~") else f'{name}="{value}"' for name, value in labels.items()
    ]
    return f"{series}{{{','.join(pairs)}}}" if pairs else series


def window_of(kpi: Kpi, window: str | None) -> str:
    """The label `window`: levels have none, whatever is asked for."""
    return (window or NOW) if kpi.windowed else NOW


def value(kpi: Kpi, group: Group, window: str | None) -> str:
    """Values of a KPI."""
    return select(of_kpi(kpi.name), **_place(kpi, group, window))


def beside(family: str, kpi: Kpi, group: Group, window: str | None, **more: str) -> str:
    """What values of a KPI stand beside; `family` without `kpi_`: band, target, threshold ..."""
    return select(recorded(f"kpi_{family}"), kpi=kpi.name, **_place(kpi, group, window), **more)


def _place(kpi: Kpi, group: Group, window: str | None) -> dict[str, str]:
    if group.scope != COMPANY.scope and group.scope not in kpi.by:
        raise ValueError(f"{kpi.name} is not kept by {group.scope}; expected company or one of {', '.join(kpi.by)}")
    member = {group.label: group.member} if group.member else {}
    return {"scope": group.scope, **member, "window": window_of(kpi, window)}


def marked(expr: str, *marks: tuple[str, str]) -> str:
    """The same with a label `mark` by condition, so that a legend says it: `("> 0", "up")`."""
    return " or ".join(f'label_replace({expr} {condition}, "mark", "{mark}", "", "")' for condition, mark in marks)


def limits(kpi: Kpi, group: Group, window: str | None, bands: Sequence[str]) -> str:
    """Limits in force, by severity, with a label `mark`: its word among those of the bands."""
    expr = f"max by (severity) ({beside('threshold', kpi, group, window)})"
    for severity, word in zip(("warning", "critical"), bands[1:], strict=True):
        expr = f'label_replace({expr}, "mark", "{word}", "severity", "{severity}")'
    return expr


def change(kpi: Kpi, group: Group, window: str | None) -> str:
    """Change against the window before, marked by an arrow."""
    return marked(beside("change_ratio", kpi, group, window), ("> 0", "▲"), ("< 0", "▼"), ("== 0", "►"))


def ranked(expr: str, label: str, most: int | None = None) -> str:
    """By member, the greatest first."""
    best = f"max by ({label}) ({expr})"
    return f"sort_desc({best if most is None else f'topk({most}, {best})'})"


def ranked_reps(expr: str, most: int, team: str = "") -> str:
    """Reps with the greatest first, with a label `who`: their name if the roster has one. `team`: only of this one."""
    roster = select(ROSTER, team=team) if team else ROSTER
    best = (
        f"topk({most}, max by (rep) ({expr}) and on (rep) {roster})" if team else f"topk({most}, max by (rep) ({expr}))"
    )
    return f"sort_desc({named(best)})"


def named(expr: str) -> str:
    """Series by rep with their `team`, and a label `who`: the name if the roster has one, else the id."""
    roster = (
        f"topk by (rep) (1, max by (rep, rep_name, team) ({ROSTER}))"  # one each, also while workers' rosters differ
    )
    with_name = f"({expr}) * on (rep) group_left (rep_name, team) {roster} or on (rep) ({expr})"
    by_id = f'label_replace({with_name}, "who", "$1", "rep", "(.+)")'
    return f'label_replace({by_id}, "who", "$1", "rep_name", "(.+)")'


def of_team_of(kpi: Kpi, rep: str, window: str | None) -> str:
    """The value of a rep's team."""
    team = f"max by (team) ({select(ROSTER, rep=rep)})"
    return f"max by (team) ({value(kpi, Group('team'), window)}) * on (team) {team}"


def as_of() -> str:
    """The time that KPIs are as of, in Unix seconds: that of the slowest partition."""
    workers = 'streamproc_build_info{worker_stage="kpis"}'
    return f"min(streamproc_watermark_timestamp_seconds * on (job, instance) group_left () {workers})"


def period_end(period: str) -> str:
    """Seconds until a period ends."""
    return f"{select(recorded('kpi_period_end_timestamp_seconds'), period=period)} - time()"


def period_elapsed(period: str) -> str:
    """Share of a period's working time that is over."""
    return select(recorded("kpi_period_elapsed_ratio"), period=period)


def alerts(**labels: str) -> str:
    """Alerts on KPIs that fire now."""
    return select("ALERTS", alertstate="firing", domain="kpi", **labels)
