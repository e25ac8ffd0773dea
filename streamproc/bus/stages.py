"""The two stages of the pipeline in the shape that a task drives: records in, outputs with topic and partition out."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamproc.bus.batches import Batch
from streamproc.bus.handover import FILLING, HANDOVER, PUBLISHED, TAKING_OVER, check_filling
from streamproc.bus.record_batches import partition_of
from streamproc.bus.task import VALUES, Cut, Output
from streamproc.facts.targets import PERIODS
from streamproc.kpis.working_time import WorkingTime
from streamproc.outputs.judged_metrics import Period
from streamproc.outputs.news import ALERTS, EVENTS, alert_record, reached_record, won_record
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.outputs.prometheus import KpiExposition
from streamproc.outputs.topics import CLOCK_KEY, clock_record, encode_value, value_key
from streamproc.pipeline import CLOCK, FactsCut, FactsStage, KpisCut, KpisStage

log = logging.getLogger(__name__)

REJECTED = "sales.rejected"
SHARED = (VALUES, "kpi.alerts", "kpi.events")  # topics that several applications would write side by side
ROUTES = 200_000  # remembered partitions of groups; forgotten all at once when there are more
PERIODS_BY = 0  # the task that shows how far periods have come: of several workers only one has it
TELL_S = 60.0  # at most one warning in this time about what a task sheds


@dataclass
class Shedding:
    """Counts what a cap made a task forget or refuse, and warns of it at most once a minute."""

    metrics: OwnMetrics
    what: str  # label of the metric: entities, groups
    setting: str
    meaning: str
    _untold: int = 0
    _told_s: float | None = None

    def add(self, n: int, partition: int, now_s: float) -> None:
        self.metrics.shed_total.labels(self.what).inc(n)
        self._untold += n
        if self._untold and (self._told_s is None or now_s - self._told_s >= TELL_S):
            log.warning(
                "task %d: %s is reached: %d %s since the last such warning; %s. Raise it if there is memory, "
                "or look for what makes so many",
                partition, self.setting, self._untold, self.what, self.meaning,
            )  # fmt: skip
            self._untold, self._told_s = 0, now_s


@dataclass
class FactsTask:
    """Stage 1 of one partition. `wall`: judge events by the wall clock (live), else by none (replay)."""

    partition: int
    stage: FactsStage
    metrics: OwnMetrics
    partials: str  # topic of partial sums
    partitions: int  # of that topic
    wall: bool
    filling: bool = False  # beside another application: what is for people comes from that one
    _routes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        meaning = "those that nothing arrived for longest were forgotten, what they counted stays counted"
        self._shedding = Shedding(self.metrics, "entities", "STREAMPROC_MAX_ENTITIES", meaning)

    def on_batch(self, batch: Batch) -> None:
        now_ms = int(time.time() * 1000) if self.wall else None
        self.stage.on_batch(batch.records, now_ms)
        self.metrics.event_lateness_seconds.observe(self.stage.lateness_ms / 1000)
        first = batch.records[0]  # routing is checked on one record a batch: murmur2 costs more than the decode
        if first.key is not None and partition_of(first.key, self.partitions) != self.partition:
            self.metrics.misrouted_total.labels(batch.tp.topic).inc()

    def on_tick(self, now_ms: int, read_until_ms: int) -> None:
        self.stage.on_tick(min(now_ms, read_until_ms))

    def restore(self, state: Mapping[str, bytes]) -> None:
        self.stage.restore(state)

    def take_cut(self) -> Cut | None:
        cut = self.stage.take_cut()
        if cut is None:
            return None
        outputs = [Output(self.partials, self._route(group), group.encode(), value) for group, value in cut.partials]
        if cut.clock is not None:
            outputs += [Output(self.partials, q, CLOCK.encode(), cut.clock) for q in range(self.partitions)]
        outputs += [Output(d.topic, partition_of(d.key, self.partitions), d.key, d.value) for d in cut.derived]
        news = [won_record(won) for won in cut.won]
        outputs += [Output(EVENTS, partition_of(key, self.partitions), key, value) for key, value in news]
        outputs += [Output(REJECTED, self.partition, r.key or b"", r.value, r.headers) for r in cut.rejected]
        if self.filling:
            outputs = [one for one in outputs if one.topic not in SHARED]
        return Cut(cut.changelog, outputs, lambda: self._committed(cut))

    def _route(self, group: str) -> int:
        found = self._routes.get(group)
        if found is None:
            if len(self._routes) >= ROUTES:
                self._routes.clear()
            found = self._routes[group] = partition_of(group.encode(), self.partitions)
        return found

    def _committed(self, cut: FactsCut) -> None:
        _count(self.metrics, cut.counts)
        self.metrics.sources.add(cut.quality)
        self._shedding.add(cut.counts["shed", "entities"], self.partition, time.monotonic())
        if cut.partials:
            self.metrics.published_total.labels(self.partials).inc(len(cut.partials))
        for derived in cut.derived:
            self.metrics.published_total.labels(derived.topic).inc()
        if cut.won and not self.filling:
            self.metrics.published_total.labels(EVENTS).inc(len(cut.won))
        if cut.rejected:
            self.metrics.published_total.labels(REJECTED).inc(len(cut.rejected))
        last_ms = self.stage.max_event_ms
        self.metrics.progress(self.partition, watermark_ms=last_ms, last_event_ms=last_ms)
        self.metrics.state_keys.labels(f"entities-{self.partition}").set(len(self.stage.entities))
        self.metrics.state_keys.labels(f"seen-{self.partition}").set(len(self.stage.seen))


@dataclass
class KpisTask:
    """Stage 2 of one partition of groups. `wall`: windows slide by the wall clock, else by the events'."""

    partition: int
    stage: KpisStage
    metrics: OwnMetrics
    exposition: KpiExposition
    wall: bool
    filling: bool = False  # beside another application: nothing is published, nor shown on /metrics
    _mark: bytes | None = None  # of the changelog (`handover`)
    _published: set[bytes] = field(default_factory=set)  # keys in `kpi.values` when this task takes over

    def __post_init__(self) -> None:
        meaning = "sums of new groups were not counted, known groups go on"
        self._shedding = Shedding(self.metrics, "groups", "STREAMPROC_MAX_GROUPS", meaning)

    def on_batch(self, batch: Batch) -> None:
        if self.wall:  # else facts since the last tick would wait for the next one
            self.stage.on_tick(int(time.time() * 1000))
        self.stage.on_batch(batch.records)
        if not self.wall:
            self.stage.on_tick(self.stage.event_clock_ms)

    def on_tick(self, now_ms: int, read_until_ms: int) -> None:
        if self.wall:
            self.stage.on_tick(now_ms)

    def restore(self, state: Mapping[str, bytes]) -> None:
        own = {key: value for key, value in state.items() if not key.startswith(PUBLISHED)}
        self._published = {key.removeprefix(PUBLISHED).encode() for key in state if key.startswith(PUBLISHED)}
        self._mark = own.pop(HANDOVER, None)
        check_filling(self._mark, bool(own), self.filling)
        self.stage.restore(own)

    def take_cut(self) -> Cut | None:
        """As the stage's; what the mark of a handover asks for is done with the first one."""
        cut = self._take_cut()
        if self.filling and cut is not None:
            mark = [] if self._mark else [(HANDOVER, FILLING)]
            self._mark = self._mark or FILLING
            outputs = [one for one in cut.outputs if one.topic not in SHARED]
            return cut._replace(changelog=[*cut.changelog, *mark], outputs=outputs)
        if self._mark == TAKING_OVER and not self.filling:
            cut = cut or Cut([], [], lambda: None)
            mine = {value_key(series) for series in self.stage.evaluator.latest}
            stale = [key for key in self._published - mine if not key.startswith(f"{CLOCK_KEY}|".encode())]
            self._mark, self._published = None, set()
            tombstones = [Output(VALUES, self.partition, key, None) for key in stale]
            return cut._replace(changelog=[*cut.changelog, (HANDOVER, None)], outputs=[*cut.outputs, *tombstones])
        return cut

    def _take_cut(self) -> Cut | None:
        cut = self.stage.take_cut()
        if cut is None:
            return None
        outputs = [Output(VALUES, self.partition, value_key(v), encode_value(v)) for v in cut.values]
        outputs += [Output(VALUES, self.partition, value_key(series), None) for series in cut.ceased]
        key, clock = clock_record(self.partition, cut.clock_ms)
        outputs.append(Output(VALUES, self.partition, key, clock))
        catalogue = self.stage.catalogue
        alerts = [alert_record(alert, catalogue) for alert in cut.alerts]
        reached = [reached_record(value, catalogue) for value in cut.reached]
        outputs += [Output(ALERTS, self.partition, *record) for record in alerts]
        outputs += [Output(EVENTS, self.partition, *record) for record in reached]
        return Cut(cut.changelog, outputs, lambda: self._committed(cut))

    def _committed(self, cut: KpisCut) -> None:
        if not self.filling:  # half of the events' values would look like those of all
            self._show(cut)
        self.metrics.progress(self.partition, watermark_ms=cut.clock_ms, last_event_ms=None)
        self.metrics.state_keys.labels(f"slices-{self.partition}").set(len(self.stage.slices.slices))
        self._shedding.add(cut.shed, self.partition, time.monotonic())

    def _show(self, cut: KpisCut) -> None:
        """What has been published."""
        now_ms = int(time.time() * 1000)
        self.exposition.apply(cut.values, owner=self.partition)
        self.exposition.drop(cut.ceased)
        if self.partition == PERIODS_BY:
            self.exposition.set_periods(_periods(self.stage.judge.working_time, cut.clock_ms), owner=self.partition)
        self.metrics.published_total.labels(VALUES).inc(len(cut.values) + len(cut.ceased))
        for topic, n in ((ALERTS, len(cut.alerts)), (EVENTS, len(cut.reached))):
            if n:
                self.metrics.published_total.labels(topic).inc(n)
        if cut.oldest is not None:
            self.metrics.published_at(now_ms, cut.oldest.event_ms, cut.oldest.arrival_ms)


def _periods(working_time: WorkingTime, clock_ms: int) -> dict[str, Period]:
    """How far each calendar period has come, and when it ends."""
    return {
        name: Period(working_time.now(window, clock_ms)[0], working_time.period(window, clock_ms)[1] / 1000)
        for name, window in PERIODS.items()
    }


def _count(metrics: OwnMetrics, counts: Counter[tuple[str, ...]]) -> None:
    for (kind, *labels), n in counts.items():
        match kind:
            case "event":
                metrics.taken_in(labels[0], labels[1], n)
            case "rejected":
                metrics.rejected(labels[0], labels[1], n)
                metrics.dlq_messages_total.labels(*labels).inc(n)
                if labels[1] == "late":
                    metrics.events_late_total.labels(labels[0], "rejected").inc(n)
            case "duplicate":
                metrics.events_duplicate_total.labels(labels[0]).inc(n)
            case "anomaly":
                metrics.anomalies_total.labels(labels[0]).inc(n)
            case "orphans":
                metrics.orphans_total.inc(n)
