"""Bytewax: windows by rep, in memory only (no recovery store, no exactly once)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.run import cli_main
from bytewax.testing import TestingSink
from task import Meter, asked

bootstrap, topic, kind, events = asked()
meter = Meter(events)
ALIGNED = datetime(2025, 1, 1, tzinfo=UTC)


def parsed(message: object) -> tuple[str, datetime]:
    meter.add()
    event = orjson.loads(message.value)  # type: ignore[attr-defined]
    return event["data"]["rep"], datetime.fromisoformat(event["time"])


flow = Dataflow("peer")
calls = op.map("parse", op.input("in", flow, KafkaSource([bootstrap], [topic], tail=True)), parsed)
if kind != "decode":
    clock = windowing.EventClock(lambda call: call[1], wait_for_system_duration=timedelta(minutes=5))
    windower = (
        windowing.TumblingWindower(length=timedelta(minutes=1), align_to=ALIGNED)
        if kind == "tumbling"
        else windowing.SlidingWindower(length=timedelta(hours=1), offset=timedelta(minutes=1), align_to=ALIGNED)
    )
    counted = windowing.count_window("count", calls, clock, windower, key=lambda call: call[0])
    op.output("out", counted.down, TestingSink([]))
else:
    op.output("out", op.filter("none", calls, lambda _call: False), TestingSink([]))
cli_main(flow)
