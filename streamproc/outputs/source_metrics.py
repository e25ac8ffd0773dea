"""Data quality by source as metrics (`streamproc_source_…_total`), and back from a page of `/metrics`."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable
from typing import NamedTuple

from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from streamproc.facts.quality import Sources


class Measure(NamedTuple):
    """A counter of `facts.quality`: its metric, what it says, the label of its detail, and how many make one unit."""

    metric: str
    text: str
    detail: str | None = None
    per_unit: int = 1


MEASURES = {
    "events": Measure("source_events", "Events taken in."),
    "duplicates": Measure("source_duplicates", "Events seen before, by id."),
    "rejected": Measure("source_rejected", "Events refused.", "reason"),
    "late": Measure("source_late", "Events that arrived more than a day after they happened."),
    "early": Measure("source_early", "Events that arrived before they happened, by the sender's clock."),
    "delay_ms": Measure("source_delay_seconds", "Arrival minus event time, where not negative.", None, 1000),
    "early_ms": Measure("source_early_seconds", "Event time minus arrival, where not negative.", None, 1000),
    "placed": Measure("source_placing", "Events whose own dimensions decide where something counts."),
    "missing": Measure("source_missing", "Those of them without a dimension, after the roster.", "dimension"),
    "orphans": Measure("source_orphans", "Entities whose first event never came."),
    "anomalies": Measure("source_anomalies", "Events that contradict an entity's life.", "kind"),
}


class SourceMetrics:
    """The metrics of one worker. Sources beyond the cap are told together: whoever sends decides how many there are."""

    def __init__(self, counter: Callable[..., Counter]) -> None:
        self._sources = Sources()
        self.counters = {
            what: counter(f"{m.metric}_total", m.text, "source", "topic", *([m.detail] if m.detail else []))
            for what, m in MEASURES.items()
        }

    def add(self, counts: Counts[tuple[str, ...]]) -> None:
        for (what, source, *labels), n in counts.items():
            name = self._sources.name(source)
            self.counters[what].labels(name, *labels).inc(n / MEASURES[what].per_unit)


def read(page: str) -> Counts[tuple[str, ...]]:
    """The counts that a worker's metrics tell, in the shape of `facts.quality`."""
    by_name = {f"streamproc_{m.metric}_total": (what, m) for what, m in MEASURES.items()}
    counts: Counts[tuple[str, ...]] = Counts()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in by_name:
                what, measure = by_name[sample.name]
                detail = [sample.labels[measure.detail]] if measure.detail else []
                key = (what, sample.labels["source"], sample.labels["topic"], *detail)
                counts[key] += round(sample.value * measure.per_unit)
    return counts
