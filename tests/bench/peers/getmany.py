"""No stream processor at all: aiokafka's `getmany`, with our typed decoding or without. The bound of all others."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer
from task import Meter, asked

from streamproc.events import EVENT_TOPICS, decoder


async def main() -> None:
    bootstrap, topic, kind, events = asked()
    decode = decoder(*EVENT_TOPICS).decode
    meter = Meter(events)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    while True:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            if kind == "decode":
                for record in records:
                    decode(record.value)
            meter.add(len(records))


asyncio.run(main())
