"""Events a second through the whole path: `make bench` or `python tests/bench/throughput.py [EVENTS]`.

Publishes simulated events to an embedded broker, then starts one facts and one kpis worker on the backlog (wall clock,
exactly once, all outputs) and takes the time until everything is committed. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import asyncio

from support.workers import Cluster, publish

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.publish import record
from streamproc.bus.topics import create, table
from streamproc.events import EVENT_TOPICS
from streamproc.simulate import Organisation

APP = "bench"
RATE = 2_000.0  # of the simulated organisation: how densely events lie in event time
WARM_UP = 1 / 10  # share of the events that is not timed


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka() as kafka:
        asyncio.run(create(Broker(kafka.bootstrap), table(APP)))
        end_ms = int(time.time() * 1000)
        organisation = Organisation(seed=1, start_ms=end_ms - int(events / RATE * 1000), flaws=0)
        found = [(topic, key, line) for _, topic, key, line in organisation.events(end_ms, RATE)]
        publish(kafka.bootstrap, [record(line) for line in organisation.reference()])
        publish(kafka.bootstrap, found)
        cluster = Cluster(kafka.bootstrap, APP, Path(folder), clock="wall")
        try:
            for stage in ("kpis", "facts"):
                cluster.start(stage, stage)
            print(json.dumps(measure(cluster, len(found)), indent=2))
        finally:
            cluster.stop()


def measure(cluster: Cluster, events: int) -> dict[str, object]:
    """Time from the end of the warm-up until each stage has committed everything."""
    done = 0
    while done < events * WARM_UP:
        done = cluster.committed("facts", EVENT_TOPICS)
        time.sleep(0.05)
    began = time.monotonic()
    while (now_done := cluster.committed("facts", EVENT_TOPICS)) < events:
        time.sleep(0.05)
    facts_s = time.monotonic() - began
    cluster.settle()
    whole_s = time.monotonic() - began
    return {
        "events": now_done,
        "facts_events_per_s": round((events - done) / facts_s),
        "whole_path_events_per_s": round((events - done) / whole_s),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
