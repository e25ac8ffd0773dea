"""The whole path on a real broker with real processes: values in `kpi.values` = backtest of the same file."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.workers import Cluster, publish, records, values

from streamproc.backtest import Backtest, load_reference
from streamproc.bus.publish import Record, record
from streamproc.bus.topics import partials_topic
from streamproc.events import EVENT_TOPICS
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.topics import rfc3339
from streamproc.simulate import Organisation

DAY_MS = 86_400_000
START_MS = 1_774_000_000_000  # 2026-03-20
Key = tuple[str, str, str | None]


@pytest.fixture
def cluster(fresh_topics: Any, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(fresh_topics.bootstrap, fresh_topics.app, tmp_path)
    yield cluster
    cluster.kill_all()


class History:
    """A simulated organisation's events, with repeated, late, reordered and malformed ones."""

    def __init__(self, seed: int, days: float, rate_per_s: float) -> None:
        organisation = Organisation(seed=seed, start_ms=START_MS, flaws=0.02)
        self.reference = organisation.reference()
        self.setup = [record(line) for line in self.reference]
        self.events = [
            (topic, key, line) for _, topic, key, line in organisation.events(START_MS + int(days * DAY_MS), rate_per_s)
        ]

    def part(self, index: int, of: int) -> list[Record]:
        return self.events[index * len(self.events) // of : (index + 1) * len(self.events) // of]

    def expected(self) -> dict[Key, KpiValue]:
        """Values of backtest at the end."""
        lines = [line for *_, line in self.events]
        run = Backtest(lines, catalogue(), load_reference(self.reference, Reference()))
        (_, found), *_ = run.at([run.end_ms()])
        return {(value.kpi, value.group, value.window): value for value in found}


def assert_same(found: dict[Key, dict[str, Any]], expected: dict[Key, KpiValue]) -> None:
    assert found.keys() == expected.keys()
    wrong = {
        key: (row, expected[key])
        for key, row in found.items()
        if any(row[part] != getattr(expected[key], part) for part in ("value", "numerator", "denominator", "n"))
    }
    assert not wrong, f"{len(wrong)} of {len(found)} differ, such as {next(iter(wrong.items()))}"


def test_kafka_gives_the_values_of_backtest(cluster: Cluster) -> None:
    history = History(seed=1, days=2, rate_per_s=0.03)
    random.Random(2).shuffle(history.events)
    publish(cluster.bootstrap, history.setup + history.events)
    cluster.start("facts", "facts")
    cluster.start("kpis", "kpis")
    cluster.settle()
    assert_same(values(cluster.bootstrap), history.expected())

    page = cluster.get("kpis", "/metrics")
    for series in (
        'kpi_activities{scope="rep",rep="rep-001",window="1h"}',
        'kpi_email_response_ratio{scope="company",window="all"}',
        'kpi_pipeline_velocity_eur_per_day{scope="company",window="90d"}',
    ):
        assert series in page
    assert cluster.stop() == {"facts": 0, "kpis": 0}


@pytest.mark.parametrize("victim", ["facts", "kpis"])
def test_sigkill_in_mid_stream(cluster: Cluster, victim: str) -> None:
    history = History(seed=3, days=2, rate_per_s=0.03)
    publish(cluster.bootstrap, history.setup)
    topics = EVENT_TOPICS if victim == "facts" else (partials_topic(cluster.app),)
    for name in ("facts", "kpis"):
        cluster.start(name, name)
    parts = 4
    for part in range(parts):
        publish(cluster.bootstrap, history.part(part, parts))
        if part < parts - 1:
            _wait_for_progress(cluster, victim, topics)
            cluster.kill(victim)
            cluster.start(victim, victim)
    cluster.settle()
    assert_same(values(cluster.bootstrap), history.expected())


def _wait_for_progress(cluster: Cluster, stage: str, topics: tuple[str, ...]) -> None:
    before, deadline = cluster.committed(stage, topics), time.monotonic() + 60
    while cluster.committed(stage, topics) <= before:
        assert time.monotonic() < deadline, f"{stage} makes no progress: {cluster.log(stage)}"


def test_two_facts_workers_share_partitions(cluster: Cluster) -> None:
    history = History(seed=4, days=2, rate_per_s=0.03)
    publish(cluster.bootstrap, history.setup + history.part(0, 3))
    cluster.start("kpis", "kpis")
    cluster.start("facts-a", "facts")
    cluster.wait_ready("facts-a")
    cluster.start("facts-b", "facts")
    publish(cluster.bootstrap, history.part(1, 3))
    deadline = time.monotonic() + 60
    while True:
        a, b = (set(cluster.wait_ready(name)["partitions"]) for name in ("facts-a", "facts-b"))
        if a and b and not a & b and a | b == {0, 1, 2, 3}:
            break
        assert time.monotonic() < deadline, f"partitions are not shared: {a} and {b}"
    publish(cluster.bootstrap, history.part(2, 3))
    cluster.kill("facts-b")
    cluster.settle()  # facts-a takes over when the dead member's session has timed out
    assert_same(values(cluster.bootstrap), history.expected())


def event(kind: str, event_id: str, time_ms: int, data: dict[str, Any]) -> bytes:
    subject = f"{kind.partition('.')[0]}/{event_id}"
    envelope = {"id": event_id, "source": "t", "type": kind, "time": rfc3339(time_ms), "subject": subject}
    return orjson.dumps(envelope | {"data": data})


def call(event_id: str, time_ms: int) -> bytes:
    return event("call.logged", event_id, time_ms, {"rep": "ann"})


BAD = {
    "not_json": b'{"id": "x", ',
    "not_utf8": b'{"id": "\xff"}',
    "too_large": b'{"id": "' + b"x" * 256 * 1024 + b'"}',
    "schema": event("call.logged", "1", START_MS, {}),
    "unknown_type": event("no.such", "2", START_MS, {}),
    "unknown_currency": event("deal.created", "3", START_MS, {"deal": "3", "amount": 1, "currency": "XXX"}),
}


def test_bad_input_neither_stops_the_stream_nor_vanishes(cluster: Cluster) -> None:
    cluster.clock = "wall"
    now_ms = int(time.time() * 1000)
    bad = BAD | {"future": call("f", now_ms + 600_000), "late": call("l", now_ms - 801 * DAY_MS)}
    good = [call("a", now_ms - 1000), call("a", now_ms - 1000), call("b", now_ms - 2000)]
    publish(cluster.bootstrap, [("sales.crm", b"k", line) for line in [good[0], *bad.values(), *good[1:]]])
    cluster.start("facts", "facts")
    cluster.start("kpis", "kpis")
    cluster.settle()
    assert values(cluster.bootstrap)["calls", "rep=ann", "24h"]["value"] == 2

    rejected = {dict(found.headers)["reason"].decode(): found for found in records(cluster.bootstrap, "sales.rejected")}
    assert {reason: found.value for reason, found in rejected.items()} == bad
    offsets = {reason: int(dict(found.headers)["source_offset"]) for reason, found in rejected.items()}
    assert offsets == {reason: index for index, reason in enumerate(bad, 1)}
    assert b"$.data" in dict(rejected["schema"].headers)["error"]
    assert all(found.key == b"k" for found in rejected.values())
    page = cluster.get("facts", "/metrics")
    for reason in bad:
        assert f'streamproc_events_rejected_total{{reason="{reason}",topic="sales.crm"}} 1.0' in page
    assert 'streamproc_events_duplicate_total{topic="sales.crm"} 1.0' in page
