"""Pages of `/metrics` without a broker: a simulated organisation through the pipeline, as both workers show it.

The organisation's time is fixed, so that the same values come every time. The two metrics that a dashboard compares
with the clock (what the values are as of, and the ends of periods) are moved from there to the present.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from streamproc import __version__
from streamproc.backtest import Backtest, load_reference
from streamproc.events import EVENTS
from streamproc.facts.reference import Reference
from streamproc.facts.targets import PERIODS
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.catalogue.judgement import judgements
from streamproc.kpis.kpi import Catalogue, KpiValue
from streamproc.outputs.judged_metrics import Period
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.outputs.prometheus import KpiExposition, RepInfo
from streamproc.simulate import Organisation
from streamproc.simulate_world import PARTNERS

DAY_MS = 86_400_000
AS_OF_MS = 1_781_697_600_000  # 17 June 2026, 12:00 UTC: in the midst of a week, a month and a quarter
QUIET_DAYS, BUSY_DAYS = 160, 10  # windows of 90 days need what was before them; 7-day ones need enough of everything
QUIET_RATE, BUSY_RATE = 0.0005, 0.004  # events a second
REPS = 8
SUMS = {"month": 250_000.0, "quarter": 800_000.0, "year": 3_000_000.0}  # the company's targets
LIMITS = {  # by unit: the stricter and the milder limit of a KPI of which less is better; the other way round else
    "ratio": (0.1, 0.25), "seconds": (86_400, 604_800), "count": (1, 5), "eur": (1_000, 10_000), "points": (0, 30),
    "per": (0.5, 1),
}  # fmt: skip
NAMES = {"rep-001": "Ann Lee", "rep-002": "Bo Berg"}  # the others have none

Page = Callable[[bool], bytes]


class Sales:
    """What a simulated organisation has come to at `AS_OF_MS`.

    `wanted`: the KPIs that are asked for, with the dimensions for each; all others are left out, for they cost time.
    `limited`: series that have limits, as KPI, dimension ("" is the company) and window ("" for a level).
    """

    def __init__(self, wanted: Mapping[str, Collection[str]], limited: Collection[tuple[str, str, str]]) -> None:
        start_ms = AS_OF_MS - (QUIET_DAYS + BUSY_DAYS) * DAY_MS
        self.organisation = Organisation(7, start_ms, REPS)
        kpis = [kpi for kpi in catalogue().kpis if kpi.name in wanted]
        self.catalogue = Catalogue(
            tuple(replace(kpi, by=tuple(one for one in kpi.by if one in wanted[kpi.name])) for kpi in kpis)
        )
        lines = [
            line
            for until_ms, rate in ((AS_OF_MS - BUSY_DAYS * DAY_MS, QUIET_RATE), (AS_OF_MS, BUSY_RATE))
            for _, _, _, line in self.organisation.events(until_ms, rate)
        ]
        lines.append(_left_alone())
        groups = self._groups()
        limits = _limits(sorted(limited), groups, self.catalogue)
        self.reference = load_reference([*self._roster(), *_targets(groups), *limits], Reference("EUR"))
        self.backtest = Backtest(lines, self.catalogue, self.reference)
        self.values: list[KpiValue]
        ((_, self.values),) = self.backtest.at([AS_OF_MS])

    def _roster(self) -> Iterator[bytes]:
        for line in self.organisation.reference():
            event = json.loads(line)
            if (name := NAMES.get(event["data"].get("rep", ""))) is not None:
                event["data"]["name"] = name
            yield json.dumps(event).encode()

    def _groups(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {"rep": set(), "team": set(), "region": set()}
        for line in self.organisation.reference():
            event = json.loads(line)
            if event["type"] == "rep.defined":
                for dimension, members in found.items():
                    members.add(event["data"][dimension])
        return {**found, "partner": set(PARTNERS)}

    def best(self) -> dict[str, str]:
        """A team with revenue in this month and the one before, and its rep with the most."""
        month = {value.group: value for value in self.values if (value.kpi, value.window) == ("revenue_eur", "month")}
        previous = {
            group: value.against.previous or 0
            for group, value in month.items()
            if group.startswith("team=") and value.value and value.against
        }
        team = max(previous, key=lambda group: previous[group]).partition("=")[2]
        reps = [rep for rep, _, of, _ in self.reference.members() if of == team and f"rep={rep}" in month]
        return {"team": team, "rep": max(reps, key=lambda rep: month[f"rep={rep}"].value or 0)}

    def kpis_page(self) -> Page:
        """What a kpis worker shows; durations are observed anew at each scrape."""
        exposition, metrics = KpiExposition(self.catalogue), OwnMetrics("kpis", __version__)
        exposition.apply(self.values)
        exposition.set_roster([RepInfo(*member) for member in self.reference.members()])
        moved_ms = int(time.time() * 1000) - AS_OF_MS
        working_time = self.backtest.kpis.judge.working_time
        exposition.set_periods({
            name: Period(
                working_time.now(window, AS_OF_MS)[0], (working_time.period(window, AS_OF_MS)[1] + moved_ms) / 1000
            )
            for name, window in PERIODS.items()
        })  # fmt: skip
        _started(metrics, ("kpi.partials",))
        metrics.state_keys.labels("slices-0").set(len(self.backtest.kpis.slices.slices))
        page = metrics.page(exposition)

        def render(openmetrics: bool) -> bytes:
            now_ms = int(time.time() * 1000)
            _live(metrics, "kpis", now_ms)
            metrics.progress(0, watermark_ms=now_ms - 2_000, last_event_ms=None)
            metrics.published_at(now_ms, now_ms - 3_000, now_ms - 1_500)
            metrics.published_total.labels("kpi.values").inc(20)
            return page(openmetrics)

        return render

    def facts_page(self) -> Page:
        """What a facts worker shows: what happened to the events, and some more of it at each scrape."""
        metrics = OwnMetrics("facts", __version__)
        _started(metrics, ("sales.crm", "sales.email", "sales.partner", "sales.revenue"))
        metrics.state_keys.labels("entities-0").set(len(self.backtest.facts.entities))
        metrics.state_keys.labels("seen-0").set(len(self.backtest.facts.seen))

        def render(openmetrics: bool) -> bytes:
            for (kind, *labels), n in self.backtest.counts.items():
                _count(metrics, kind, labels, n)
            metrics.anomalies_total.labels("decided_twice").inc()
            _live(metrics, "facts", int(time.time() * 1000))
            metrics.published_total.labels("kpi.partials").inc(50)
            return metrics.render(openmetrics)

        return render


def _targets(groups: Mapping[str, set[str]]) -> Iterator[bytes]:
    """Revenue targets, shared evenly."""
    shares: list[tuple[dict[str, str], int]] = [({}, 1)]
    for dimension in ("region", "team", "rep"):
        shares += [({dimension: one}, len(groups[dimension])) for one in sorted(groups[dimension])]
    for group, parts in shares:
        for period, value in SUMS.items():
            yield _set("target.set", kpi="revenue_eur", group=group, period=period, value=value / parts)


def _limits(
    limited: Collection[tuple[str, str, str]], groups: Mapping[str, set[str]], kpis: Catalogue
) -> Iterator[bytes]:
    """Limits, the articles' or else rough ones by unit; a value of one thing has its band too."""
    for name, dimension, window in limited:
        judged = judgements()[name]
        low, high = LIMITS[kpis[name].unit.partition("_")[0]]
        warning, critical = (high, low) if judged.direction == "up" else (low, high)
        if judged.limits and judged.window == window:
            warning, critical = judged.limits.warning, judged.limits.critical
        for group in [{dimension: one} for one in sorted(groups[dimension])] if dimension else [{}]:
            when = {"window": window} if window else {}
            yield _set("threshold.set", kpi=name, group=group, warning=warning, critical=critical, **when)


def _left_alone() -> bytes:
    """An offer that a partner has left alone for days; the simulated ones are all answered or expire."""
    return _event("lead.offered", "lead/left-alone", "2026-06-15T09:00:00Z", lead="left-alone", partner=PARTNERS[0])


def _set(kind: str, **data: Any) -> bytes:
    subject = f"{kind}/{data['kpi']}/{data['group']}/{data.get('window', data.get('period'))}"
    return _event(kind, subject, "2026-01-01T00:00:00Z", **data)


def _event(kind: str, subject: str, at: str, **data: Any) -> bytes:
    event = {"specversion": "1.0", "id": subject, "source": "plan", "type": kind, "time": at, "subject": subject}
    return json.dumps({**event, "data": data}).encode()


def _started(metrics: OwnMetrics, topics: Collection[str]) -> None:
    """What a worker shows once it has its partitions."""
    metrics.recovering.set(0)
    metrics.recovery_remaining_records.labels("changelog").set(0)
    for topic in topics:
        metrics.assigned_partitions.labels(topic, "active").set(1)


def _live(metrics: OwnMetrics, agent: str, now_ms: int) -> None:
    """What a worker observes all the time."""
    metrics.event_processing_seconds.labels(agent).observe(0.004)
    metrics.committed(0, now_ms, 0.03)
    metrics.event_loop_lag_seconds.observe(0.002)
    metrics.rebalance_duration_seconds.observe(1.2)
    metrics.recovery_duration_seconds.observe(2.5)
    metrics.lag("sales.crm" if agent == "facts" else "kpi.partials", 0, records=12, seconds=0.4, now_ms=now_ms)


def _count(metrics: OwnMetrics, kind: str, labels: list[str], n: int) -> None:
    if kind == "event":
        topic = EVENTS[labels[1]].topic
        metrics.taken_in(topic, labels[1], n)
        metrics.sources.add(Counter({("events", "simulator", topic): n}))
    elif kind == "rejected":
        metrics.rejected("sales.crm", labels[1], n)
    elif kind == "duplicate":
        metrics.events_duplicate_total.labels("sales.crm").inc(n)
    elif kind == "anomaly":
        metrics.anomalies_total.labels(labels[0]).inc(n)
    elif kind == "orphans":
        metrics.orphans_total.inc(n)
