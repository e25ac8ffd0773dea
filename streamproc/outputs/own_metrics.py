"""The processor's metrics about itself (`streamproc_…`): rates, errors, latencies, lag, progress, recovery.

Metric names, units and labels are fixed here; the shell calls the methods, or the attributes where one call does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from streamproc.codec import REASONS
from streamproc.events import EVENT_TOPICS, EVENTS
from streamproc.outputs.prometheus import EOF, KpiExposition
from streamproc.outputs.source_metrics import SourceMetrics

PREFIX = "streamproc"
# A late event counts (as a correction), or it is older than the longest window and goes to the rejected ones.
LATE_OUTCOMES = ("counted", "rejected")

# Upper limits in seconds.
_FRESHNESS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)  # 10 s is the objective
_WORK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REBALANCE = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_LATENESS = (1, 10, 60, 300, 900, 3600, 14_400, 86_400, 604_800, 2_592_000, 7_776_000, 31_536_000)


class OwnMetrics:
    """All metrics of one worker process, in a registry of its own. `stage`: "facts" or "kpis".

    Thread-safe, like prometheus_client. It switches off prometheus_client's `_created` series for the whole process:
    Prometheus stores them as ordinary series, half as many again.
    """

    def __init__(self, stage: str, version: str, catalogue_version: str = "") -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._lock = threading.Lock()
        self._dropped = 0
        self._events()
        self.sources = SourceMetrics(self._counter)
        self._durations()
        self._progress()
        self._workings()
        self._exposition()
        info = Info("build", "Which build runs, with which catalogue.", namespace=PREFIX, registry=self.registry)
        # Not `stage`: that name clashes with labels of scrape targets.
        info.info({"version": version, "catalogue_version": catalogue_version, "worker_stage": stage})
        self.shed_total.labels("entities" if stage == "facts" else "groups")
        if stage == "facts":
            self._start_at_zero()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=PREFIX, registry=self.registry, buckets=buckets)

    def _events(self) -> None:
        counter = self._counter
        self.events_total = counter("events_total", "Events taken in.", "topic", "type")
        self.published_total = counter("published_total", "Records published and committed.", "topic")
        self.events_rejected_total = counter("events_rejected_total", "Events refused.", "topic", "reason")
        self.dlq_messages_total = counter(
            "dlq_messages_total", "Records written to the topic of rejected events.", "topic", "reason"
        )
        self.commit_failures_total = counter("commit_failures_total", "Checkpoints that failed and were aborted.")
        self.events_duplicate_total = counter("events_duplicate_total", "Events seen before, by id.", "topic")
        self.events_late_total = counter("events_late_total", "Events behind the watermark.", "topic", "outcome")
        self.anomalies_total = counter("anomalies_total", "Events that contradict an entity's life.", "kind")
        self.orphans_total = counter("orphans_total", "Entities whose first event never came.")
        self.shed_total = counter("shed_total", "What was forgotten or not taken because of a cap.", "what")
        self.reference_ignored_total = counter(
            "reference_ignored_total", "Records of reference data that cannot be used."
        )
        self.misrouted_total = counter("misrouted_total", "Records in the wrong partition for their key.", "topic")

    def _durations(self) -> None:
        histogram = self._histogram
        self.event_lateness_seconds = histogram(
            "event_lateness_seconds", "Arrival minus event time; the largest of each batch.", _LATENESS
        )
        self.event_processing_seconds = histogram(
            "event_processing_seconds", "Time to process one batch.", _WORK, "agent"
        )
        self.commit_duration_seconds = histogram("commit_duration_seconds", "Time of one checkpoint.", _WORK)
        self.rebalance_duration_seconds = histogram("rebalance_duration_seconds", "Time of one rebalance.", _REBALANCE)
        self.recovery_duration_seconds = histogram(
            "recovery_duration_seconds", "Time to restore one task's state.", _REBALANCE
        )
        self.end_to_end_latency_seconds = histogram(
            "end_to_end_latency_seconds", "From the event's time to its KPI published.", _FRESHNESS
        )
        self.pipeline_latency_seconds = histogram(
            "pipeline_latency_seconds", "From the broker's append to the KPI published.", _FRESHNESS
        )
        self.event_loop_lag_seconds = histogram("event_loop_lag_seconds", "How late a timer of the loop ran.", _WORK)

    def _progress(self) -> None:
        gauge, at = self._gauge, ("topic", "partition")
        self.consumer_lag_records = gauge("consumer_lag_records", "Records not read yet.", *at)
        self.consumer_lag_seconds = gauge("consumer_lag_seconds", "Age of the next unread record; 0 if none.", *at)
        self.end_offset_refresh_timestamp_seconds = gauge(
            "end_offset_refresh_timestamp_seconds", "When the end offset was last asked for (Unix time).", *at
        )
        self.watermark_timestamp_seconds = gauge(
            "watermark_timestamp_seconds", "Event time that the values are as of (Unix time).", "partition"
        )
        self.last_event_timestamp_seconds = gauge(
            "last_event_timestamp_seconds", "Time of the newest event taken in (Unix time).", "partition"
        )
        self.last_commit_timestamp_seconds = gauge(
            "last_commit_timestamp_seconds", "When the last checkpoint was committed (Unix time).", "partition"
        )

    def _workings(self) -> None:
        gauge = self._gauge
        self.rebalances_total = self._counter("rebalances_total", "Rebalances of the consumer group.")
        self.assigned_partitions = gauge("assigned_partitions", "Partitions held.", "topic", "role")
        self.recovering = gauge("recovering", "1 while some task restores its state.")
        self.recovery_remaining_records = gauge("recovery_remaining_records", "Records still to restore.", "table")
        self.state_keys = gauge("state_keys", "Keys in the state.", "table")
        self.stream_buffer_ratio = gauge(
            "stream_buffer_ratio", "Bytes processed and not committed, as a share of those that stop the input."
        )

    def _exposition(self) -> None:
        self.scrape_duration_seconds = self._gauge(
            "scrape_duration_seconds", "Time to render the KPI series of this scrape."
        )
        self.series_exposed = self._gauge("series_exposed", "Series by KPI metric.", "metric")
        self.scrape_errors_total = self._counter("scrape_errors_total", "Scrapes that failed.")
        self.series_dropped_total = self._counter("series_dropped_total", "KPI values refused by the cap on series.")

    def _start_at_zero(self) -> None:
        """Closed sets of labels start at 0: else `rate()` misses the step from nothing to the first count."""
        for row in EVENTS.values():
            if row.topic in EVENT_TOPICS:
                self.events_total.labels(row.topic, row.name)
        for topic in EVENT_TOPICS:
            self.events_duplicate_total.labels(topic)
            self.misrouted_total.labels(topic)
            for outcome in LATE_OUTCOMES:
                self.events_late_total.labels(topic, outcome)
            for reason in REASONS:
                self.events_rejected_total.labels(topic, reason)
                self.dlq_messages_total.labels(topic, reason)

    def taken_in(self, topic: str, type_: str, n: int = 1) -> None:
        """Count events of a type; call it once a batch and type, not once an event."""
        self.events_total.labels(topic, type_).inc(n)

    def rejected(self, topic: str, reason: str, n: int = 1) -> None:
        """Count refused events; `reason` is one of `streamproc.codec.REASONS`."""
        self.events_rejected_total.labels(topic, reason).inc(n)

    def committed(self, partition: int, now_ms: int, duration_s: float) -> None:
        """A task's checkpoint was committed at `now_ms` (epoch) and took `duration_s`."""
        self.commit_duration_seconds.observe(duration_s)
        self.last_commit_timestamp_seconds.labels(str(partition)).set(now_ms / 1000)

    def published_at(self, now_ms: int, event_ms: int, append_ms: int) -> None:
        """A KPI was published at `now_ms` because of an event of `event_ms` that the broker appended at `append_ms`."""
        self.end_to_end_latency_seconds.observe(max(0, now_ms - event_ms) / 1000)
        self.pipeline_latency_seconds.observe(max(0, now_ms - append_ms) / 1000)

    def lag(self, topic: str, partition: int, *, records: int, seconds: float, now_ms: int) -> None:
        """What is still to read of a partition, by end offsets asked for at `now_ms` (epoch)."""
        at = (topic, str(partition))
        self.consumer_lag_records.labels(*at).set(records)
        self.consumer_lag_seconds.labels(*at).set(seconds)
        self.end_offset_refresh_timestamp_seconds.labels(*at).set(now_ms / 1000)

    def progress(self, partition: int, *, watermark_ms: int | None, last_event_ms: int | None) -> None:
        """How far a task has come (epoch ms of event time); None leaves a gauge as it is."""
        if watermark_ms is not None:
            self.watermark_timestamp_seconds.labels(str(partition)).set(watermark_ms / 1000)
        if last_event_ms is not None:
            self.last_event_timestamp_seconds.labels(str(partition)).set(last_event_ms / 1000)

    def forget(self, partition: int, *topics: str) -> None:
        """A partition of these topics was revoked: its gauges must not linger beside the new owner's."""
        mine = (
            self.watermark_timestamp_seconds,
            self.last_event_timestamp_seconds,
            self.last_commit_timestamp_seconds,
        )
        by_topic = (
            self.consumer_lag_records,
            self.consumer_lag_seconds,
            self.end_offset_refresh_timestamp_seconds,
        )
        gone: list[tuple[Gauge, tuple[str, ...]]] = [(gauge, (str(partition),)) for gauge in mine]
        gone += [(gauge, (topic, str(partition))) for gauge in by_topic for topic in topics]
        for gauge, labels in gone:
            with suppress(KeyError):  # never set
                gauge.remove(*labels)

    def render(self, openmetrics: bool) -> bytes:
        """These metrics alone, as a whole page."""
        if openmetrics:
            return bytes(generate_openmetrics(self.registry))  # type: ignore[no-untyped-call]
        return generate_latest(self.registry)

    def page(self, kpis: KpiExposition) -> Callable[[bool], bytes]:
        """What `/metrics` serves: the KPIs, then these metrics, which tell of that very scrape too."""

        def render(openmetrics: bool) -> bytes:
            try:
                start = perf_counter()
                values = kpis.render(openmetrics)
                self.scrape_duration_seconds.set(perf_counter() - start)
                self._count(kpis)
                return values.removesuffix(EOF.encode()) + self.render(openmetrics)
            except Exception:
                self.scrape_errors_total.inc()
                raise

        return render

    def _count(self, kpis: KpiExposition) -> None:
        with self._lock:
            dropped = kpis.series_dropped
            self.series_dropped_total.inc(max(0, dropped - self._dropped))
            self._dropped = dropped
            self.series_exposed.clear()
            for metric, n in kpis.series_exposed().items():
                self.series_exposed.labels(metric).set(n)
