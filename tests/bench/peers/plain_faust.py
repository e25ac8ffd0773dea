"""Faust as its documentation shows it: an agent over a topic, a windowed table in memory with a changelog."""

from __future__ import annotations

import sys
from uuid import uuid4

import faust
import orjson
from task import HOUR_S, MINUTE_S, Meter, asked

bootstrap, topic_name, kind, events = asked()
meter = Meter(events)
app = faust.App(
    f"peer-faust-{uuid4().hex[:8]}",
    broker=f"kafka://{bootstrap}",
    store="memory://",
    topic_partitions=4,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
)
topic = app.topic(topic_name, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
table = app.Table("counts", default=int)
counts = {
    "decode": lambda: None,
    "tumbling": lambda: table.tumbling(MINUTE_S, expires=2 * HOUR_S),
    "hopping": lambda: table.hopping(HOUR_S, MINUTE_S, expires=2 * HOUR_S),
}[kind]()


@app.agent(topic)
async def count(stream: faust.StreamT[bytes]) -> None:
    async for value in stream:
        rep = orjson.loads(value)["data"]["rep"]
        if counts is not None:
            counts[rep] += 1
        meter.add()


sys.argv[1:] = ["worker", "-l", "error"]
app.main()
