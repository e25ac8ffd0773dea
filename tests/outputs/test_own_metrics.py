"""The processor's metrics about itself: names, labels, zero starts, and the whole page with the KPIs."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support import tools

from streamproc.codec import REASONS
from streamproc.events import EVENT_TOPICS, EVENTS
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.outputs.prometheus import KpiExposition

BOTH = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])

# observability.md §4.2: name → labels
REQUIRED = {
    "events_total": {"topic", "type"},
    "published_total": {"topic"},
    "events_rejected_total": {"topic", "reason"},
    "dlq_messages_total": {"topic", "reason"},
    "commit_failures_total": set(),
    "events_duplicate_total": {"topic"},
    "events_late_total": {"topic", "outcome"},
    "anomalies_total": {"kind"},
    "orphans_total": set(),
    "misrouted_total": {"topic"},
    "event_lateness_seconds": set(),
    "event_processing_seconds": {"agent"},
    "commit_duration_seconds": set(),
    "rebalance_duration_seconds": set(),
    "recovery_duration_seconds": set(),
    "end_to_end_latency_seconds": set(),
    "pipeline_latency_seconds": set(),
    "event_loop_lag_seconds": set(),
    "consumer_lag_records": {"topic", "partition"},
    "consumer_lag_seconds": {"topic", "partition"},
    "end_offset_refresh_timestamp_seconds": {"topic", "partition"},
    "watermark_timestamp_seconds": {"partition"},
    "last_event_timestamp_seconds": {"partition"},
    "last_commit_timestamp_seconds": {"partition"},
    "rebalances_total": set(),
    "assigned_partitions": {"topic", "role"},
    "recovering": set(),
    "recovery_remaining_records": {"table"},
    "state_keys": {"table"},
    "stream_buffer_ratio": set(),
    "scrape_duration_seconds": set(),
    "series_exposed": {"metric"},
    "scrape_errors_total": set(),
    "series_dropped_total": set(),
}


def samples(page, openmetrics=False):
    found = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in (parse_openmetrics if openmetrics else parse_text)(page.decode())
        for sample in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def get(page, name, openmetrics=False, **labels):
    return samples(page, openmetrics).get((f"streamproc_{name}", frozenset(labels.items())))


def calls(amount, group=""):
    return KpiValue(
        kpi="calls",
        group=group,
        window="1h",
        value=amount,
        numerator=amount,
        denominator=None,
        n=amount,
        unit="count",
        window_start_ms=None,
        as_of_ms=0,
    )


@BOTH
@pytest.mark.parametrize("name", REQUIRED)
def test_every_required_metric_has_its_name_and_labels(name, openmetrics):
    own = OwnMetrics("kpis", "1.2.3")
    labels = REQUIRED[name]
    metric = getattr(own, name)
    child = metric.labels(**dict.fromkeys(labels, "x")) if labels else metric
    (child.observe if hasattr(child, "observe") else child.inc)(1)
    found = samples(own.render(openmetrics), openmetrics)
    suffix = "_count" if hasattr(child, "observe") else ""
    assert found[f"streamproc_{name}{suffix}", frozenset(dict.fromkeys(labels, "x").items())] == 1


@BOTH
def test_no_created_series(openmetrics):
    own = OwnMetrics("facts", "1.2.3")
    own.committed(1, now_ms=5000, duration_s=0.01)
    found = samples(own.render(openmetrics), openmetrics)
    assert found
    assert [name for name, _ in found if name.endswith("_created")] == []


def test_build_info():
    page = OwnMetrics("kpis", "1.2.3", "abc").render(False)
    assert get(page, "build_info", version="1.2.3", catalogue_version="abc", worker_stage="kpis") == 1


def test_closed_label_sets_start_at_zero_where_events_come_in():
    page = OwnMetrics("facts", "1").render(False)
    for topic in EVENT_TOPICS:
        for reason in REASONS:
            assert get(page, "events_rejected_total", topic=topic, reason=reason) == 0
        assert get(page, "events_duplicate_total", topic=topic) == 0
    for row in EVENTS.values():
        assert get(page, "events_total", topic=row.topic, type=row.name) == (0 if row.topic in EVENT_TOPICS else None)
    other = OwnMetrics("kpis", "1").render(False)
    assert get(other, "events_duplicate_total", topic="sales.crm") is None


def test_unlabelled_counters_start_at_zero():
    page = OwnMetrics("kpis", "1").render(False)
    for name in ("commit_failures_total", "rebalances_total", "series_dropped_total"):
        assert get(page, name) == 0


def test_events_and_rejections():
    own = OwnMetrics("facts", "1")
    own.taken_in("sales.crm", "call.logged", 3)
    own.taken_in("sales.crm", "call.logged")
    own.rejected("sales.crm", "schema", 2)
    page = own.render(False)
    assert get(page, "events_total", topic="sales.crm", type="call.logged") == 4
    assert get(page, "events_rejected_total", topic="sales.crm", reason="schema") == 2


def test_latency_is_split_at_the_broker_and_never_negative():
    own = OwnMetrics("kpis", "1")
    own.published_at(now_ms=10_000, event_ms=1_000, append_ms=9_800)
    own.published_at(now_ms=10_000, event_ms=12_000, append_ms=10_001)  # clocks differ
    page = own.render(False)
    assert get(page, "end_to_end_latency_seconds_sum") == 9
    assert get(page, "end_to_end_latency_seconds_bucket", le="10.0") == 2
    assert get(page, "end_to_end_latency_seconds_bucket", le="5.0") == 1
    assert get(page, "pipeline_latency_seconds_sum") == pytest.approx(0.2)


def test_freshness_buckets_are_those_of_the_objective():
    page = OwnMetrics("kpis", "1").render(False)
    for name in ("end_to_end_latency_seconds", "pipeline_latency_seconds"):
        found = {dict(labels)["le"] for metric, labels in samples(page) if metric == f"streamproc_{name}_bucket"}
        assert found == {*map(str, map(float, (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600))), "+Inf"}


def test_progress_and_lag_of_a_partition_go_when_it_is_revoked():
    own = OwnMetrics("facts", "1")
    for partition in (1, 2):
        own.lag("sales.crm", partition, records=5, seconds=2.5, now_ms=7_000)
        own.lag("sales.email", partition, records=6, seconds=0, now_ms=7_000)
        own.progress(partition, watermark_ms=60_000, last_event_ms=59_500)
        own.committed(partition, now_ms=61_000, duration_s=0.02)
    before = samples(own.render(False))
    own.forget(1, "sales.crm", "sales.email")
    own.forget(9, "sales.crm")  # never had it
    after = samples(own.render(False))
    assert {labels for name, labels in before.keys() - after.keys()} == {
        frozenset({("partition", "1")}),
        frozenset({("topic", "sales.crm"), ("partition", "1")}),
        frozenset({("topic", "sales.email"), ("partition", "1")}),
    }
    assert [labels for _, labels in after if ("partition", "1") in labels] == []
    page = own.render(False)
    assert get(page, "consumer_lag_records", topic="sales.crm", partition="2") == 5
    assert get(page, "consumer_lag_seconds", topic="sales.crm", partition="2") == 2.5
    assert get(page, "end_offset_refresh_timestamp_seconds", topic="sales.crm", partition="2") == 7
    assert get(page, "watermark_timestamp_seconds", partition="2") == 60
    assert get(page, "last_event_timestamp_seconds", partition="2") == 59.5
    assert get(page, "last_commit_timestamp_seconds", partition="2") == 61


def test_progress_leaves_unknown_times_alone():
    own = OwnMetrics("facts", "1")
    own.progress(1, watermark_ms=60_000, last_event_ms=None)
    own.progress(1, watermark_ms=None, last_event_ms=None)
    page = own.render(False)
    assert get(page, "watermark_timestamp_seconds", partition="1") == 60
    assert get(page, "last_event_timestamp_seconds", partition="1") is None


@BOTH
def test_page_is_kpis_and_own_metrics_with_one_end(openmetrics):
    own, kpis = OwnMetrics("kpis", "1"), KpiExposition(catalogue())
    kpis.apply([calls(7)])
    page = own.page(kpis)(openmetrics)
    found = samples(page, openmetrics)
    assert found["kpi_calls", frozenset({("scope", "company"), ("window", "1h")})] == 7
    assert get(page, "commit_failures_total", openmetrics) == 0
    assert page.count(b"# EOF") == int(openmetrics)
    assert page.endswith(b"# EOF\n") == openmetrics


def test_page_tells_of_its_own_series_and_of_those_refused():
    own, kpis = OwnMetrics("kpis", "1"), KpiExposition(catalogue(), max_series=2)
    page = own.page(kpis)
    kpis.apply([calls(1, "rep=a"), calls(1, "rep=b"), calls(1, "rep=c")])
    first = page(False)
    assert get(first, "series_exposed", metric="kpi_calls") == 2
    assert get(first, "series_dropped_total") == 1
    assert get(first, "scrape_duration_seconds") > 0
    kpis.drop_owner(0)
    second = page(False)
    assert get(second, "series_exposed", metric="kpi_calls") is None
    assert get(second, "series_dropped_total") == 1


def test_a_failing_scrape_is_counted_and_raised():
    class Broken(KpiExposition):
        def render(self, openmetrics):
            raise RuntimeError("broken")

    own = OwnMetrics("kpis", "1")
    with pytest.raises(RuntimeError, match="broken"):
        own.page(Broken(catalogue()))(False)
    assert get(own.render(False), "scrape_errors_total") == 1


def test_promtool_accepts_the_page():
    own, kpis = OwnMetrics("facts", "1"), KpiExposition(catalogue())
    kpis.apply([calls(7)])
    own.lag("sales.crm", 1, records=5, seconds=2.5, now_ms=7_000)
    for name, labels in REQUIRED.items():
        if labels:
            getattr(own, name).labels(**dict.fromkeys(labels, "x"))
    assert tools.run("promtool", "check", "metrics", given=own.page(kpis)(False)) == ""
