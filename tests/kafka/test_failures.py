"""Workers that cannot go on: they end, with a code that says whether starting again helps, and commit nothing more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from support.build import line
from support.workers import Cluster, publish

from streamproc.bus.connection import Broker
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
