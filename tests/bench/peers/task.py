"""What every peer does: count calls by rep, and tell how long that took. Its own module, for peers that run elsewhere.

A peer is started as `python PEER BOOTSTRAP TOPIC KIND EVENTS`, reads the topic from its beginning and prints one line
of JSON. The first tenth is warm-up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import NamedTuple

MINUTE_S, HOUR_S = 60, 3600


class Asked(NamedTuple):
    """`kind`: "decode" (read and parse only), "tumbling" (1 min) or "hopping" (1 h by 1 min)."""

    bootstrap: str
    topic: str
    kind: str
    events: int


def asked() -> Asked:
    bootstrap, topic, kind, events = sys.argv[1:]
    return Asked(bootstrap, topic, kind, int(events))


class Meter:
    """Counts what is done; ends the process, with a line of JSON, when all of it is."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.warm_up = events // 10
        self.done = 0
        self._began = 0.0

    def add(self, n: int = 1) -> None:
        before, self.done = self.done, self.done + n
        if before < self.warm_up <= self.done:
            self.warm_up, self._began = self.done, time.monotonic()
        if self.done >= self.events:
            took_s = time.monotonic() - self._began
            told = json.dumps({"events_per_s": (self.done - self.warm_up) / took_s})
            print(told, file=sys.__stdout__, flush=True)  # Faust has its own idea of where prints go
            os._exit(0)  # peers take long to end in order, or do not end at all
