"""Start of a worker with much state: `make bench-recovery` or `python tests/bench/recovery.py [ENTITIES]`.

Writes a changelog of so many e-mails (a sent, an opened and a replied one each, as the pipeline itself packs them) to
an embedded broker, then starts a facts worker and takes the time from the start of its process until /ready says 200,
and what the worker itself says of restoring. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
from aiokafka import AIOKafkaProducer
from processor import cpu_s
from support.build import Rec, line
from support.workers import Cluster

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.offsets import OFFSETS, Kept
from streamproc.bus.record_batches import Content, batches
from streamproc.bus.topics import create, table
from streamproc.events import EVENT_TOPICS
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.pipeline import FactsStage

APP = "recovery"
PARTITIONS = 4
ARRIVAL_MS = 1_774_000_000_000


def changelog(entities: int) -> Iterator[Content]:
    """State of that many e-mails: one packed by the pipeline, the others the same under other names."""
    stage = FactsStage(catalogue(), Reference())
    day = [("email.sent", "10:00"), ("email.opened", "10:05"), ("email.replied", "10:30")]
    events = [line(kind, "original", at, rep="ann", campaign="c1") for kind, at in day]
    stage.on_batch([Rec(event, ARRIVAL_MS, topic="sales.email") for event in events], None)
    cut = stage.take_cut()
    assert cut is not None
    for key, value in cut.changelog:
        if key.startswith("entity/"):
            for number in range(entities):
                yield b"entity/email/%d" % number, value, []
        else:
            yield key.encode(), value, []
    yield OFFSETS.encode(), msgspec.msgpack.encode(dict.fromkeys(EVENT_TOPICS, Kept(0))), []


async def write(bootstrap: str, entities: int) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_batch_size=512 * 1024, max_request_size=8 * 1024 * 1024
    )
    await producer.start()
    try:
        for partition in range(PARTITIONS):
            for batch in batches(producer, changelog(entities // PARTITIONS)):
                await producer.send_batch(batch, f"{APP}-facts-changelog", partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


def main(entities: int) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka() as kafka:
        asyncio.run(create(Broker(kafka.bootstrap), table(APP, PARTITIONS)))
        asyncio.run(write(kafka.bootstrap, entities))
        cluster = Cluster(kafka.bootstrap, APP, Path(folder), clock="wall")
        began = time.monotonic()
        cluster.start("facts", "facts")
        try:
            cluster.wait_ready("facts")
            ready_s = time.monotonic() - began
            page = cluster.get("facts", "/metrics")
            said = re.search(r"restored in ([\d.]+) s", cluster.log("facts"))
            print(
                json.dumps(
                    {
                        "entities": entities,
                        "start_to_ready_s": round(ready_s, 1),
                        "cpu_s": cpu_s(cluster.workers["facts"].pid),
                        "restored_in_s": float(said[1]) if said else None,
                        "state_keys": re.findall(r"streamproc_state_keys\{.*", page),
                        "cores": os.cpu_count(),
                    },
                    indent=2,
                )
            )
        finally:
            cluster.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
