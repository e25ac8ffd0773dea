"""Quix Streams: windows by the message's key, which is the rep's, kept in RocksDB with a changelog."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from uuid import uuid4

from quixstreams import Application
from task import Meter, asked

bootstrap, topic_name, kind, events = asked()
meter = Meter(events)


def tell(value: object) -> None:
    meter.add()


with tempfile.TemporaryDirectory() as folder:
    app = Application(
        bootstrap,
        consumer_group=f"peer-quix-{uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel="WARNING",
    )
    frame = app.dataframe(app.topic(topic_name, key_deserializer="str", value_deserializer="json"))
    if kind == "tumbling":
        frame.update(tell).tumbling_window(timedelta(minutes=1)).count().current()
    elif kind == "hopping":
        frame.update(tell).hopping_window(timedelta(hours=1), timedelta(minutes=1)).count().current()
    else:
        frame.update(tell)
    app.run()
