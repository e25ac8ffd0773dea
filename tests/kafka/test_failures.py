"""Workers that cannot go on: they end, with a code that says whether starting again helps, and commit nothing more."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from aiokafka.admin import AIOKafkaAdminClient
from support.build import line
from support.workers import Cluster, free_port, publish

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.topics import create, describe, table
from streamproc.events import EVENT_TOPICS

END_S = 60


def calls(count: int) -> list[tuple[str, bytes, bytes]]:
    return [("sales.crm", b"call/%d" % n, line("call.logged", str(n), "10:00", rep="ann")) for n in range(count)]


def test_topics_made_anew_are_refused(fresh_topics: Any, tmp_path: Path) -> None:
    bootstrap, app = fresh_topics
    cluster = Cluster(bootstrap, app, tmp_path)
    publish(bootstrap, calls(50))
    cluster.start("facts", "facts")
    cluster.start("kpis", "kpis")
    cluster.settle()
    cluster.stop()

    asyncio.run(_make_anew(bootstrap, app))
    cluster.start("facts", "facts")
    try:
        assert cluster.workers["facts"].wait(END_S) == 3
    finally:
        cluster.workers["facts"].kill()
    said = cluster.log("facts")
    assert "was made anew" in said
    assert "STREAMPROC_APP" in said
    assert "Traceback" not in said


async def _make_anew(bootstrap: str, app: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(list(EVENT_TOPICS))
    finally:
        await admin.close()
    while any(  # noqa: ASYNC110 (nothing tells when topics are gone)
        row.found for row in await describe(Broker(bootstrap), table(app)) if row.name in EVENT_TOPICS
    ):
        await asyncio.sleep(0.2)
    await create(Broker(bootstrap), table(app))


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
            publish(kafka.bootstrap, calls(20))
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
