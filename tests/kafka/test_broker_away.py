"""A broker that goes away while workers run; each test has one of its own."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.error import HTTPError

import pytest
from support.build import line
from support.workers import Cluster, free_port, publish

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka, is_available
from streamproc.bus.topics import create, table
from streamproc.events import EVENT_TOPICS

END_S = 60
CALLS = [("sales.crm", b"call/%d" % n, line("call.logged", str(n), "10:00", rep="ann")) for n in range(20)]
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(not is_available(), reason="embedded Kafka not installed: pip install 'streamproc[embedded]'"),
]


def test_a_broker_that_is_away_is_told_by_ready_and_not_by_live(tmp_path: Path) -> None:
    """A restart would not bring it back; and when it is back, the same process goes on."""
    with EmbeddedKafka(tmp_path / "kafka", free_port()) as kafka:
        asyncio.run(create(Broker(kafka.bootstrap), table("away")))
        cluster = Cluster(kafka.bootstrap, "away", tmp_path, clock="wall")
        cluster.start("facts", "facts")
        try:
            cluster.wait_ready("facts")
            kafka.kill()
            deadline = time.monotonic() + END_S
            while _says(cluster, "/ready") == 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert _says(cluster, "/live") == 200
            kafka.start()
            cluster.wait_ready("facts")
            publish(
                kafka.bootstrap,
                CALLS,
            )
            while cluster.committed("facts", EVENT_TOPICS) < 20:
                assert time.monotonic() < deadline + END_S
        finally:
            cluster.workers["facts"].kill()


def _says(cluster: Cluster, path: str) -> int:
    try:
        cluster.get("facts", path)
    except HTTPError as error:
        return error.code
    return 200


def test_sigterm_ends_a_worker_whose_broker_is_gone(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        asyncio.run(create(Broker(kafka.bootstrap), table("gone")))
        cluster = Cluster(kafka.bootstrap, "gone", tmp_path, clock="wall")
        cluster.start("kpis", "kpis")
        cluster.wait_ready("kpis")
        kafka.kill()
        time.sleep(3)  # into the next checkpoint: each tick of the clock makes one
        worker = cluster.workers["kpis"]
        worker.terminate()
        try:
            assert worker.wait(END_S) in (0, 1)
        finally:
            worker.kill()
