"""What an event costs in stage 2 when the longest window is an hour, and when it is 90 days.

`one`: of a single window, in `one_window.py`. `cost`: of all, with the same history (groups, events) squeezed into an
hour or spread over 90 days, before the same events come live. CPU time of adding them, moving the clock and evaluating,
in a process of its own each.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from streamproc.backtest import Line, _Partial, load_reference
from streamproc.events import EVENT_TOPICS
from streamproc.facts.reference import Reference
from streamproc.ingest.kpis_file import full_catalogue
from streamproc.pipeline import FactsStage, KpisStage
from streamproc.simulate import Organisation

END_MS = 1_790_000_000_000
HOUR_MS, DAYS_90_MS = 3_600_000, 90 * 86_400_000
ONE = Path(__file__).with_name("one_window.py")
HISTORY, LIVE, LIVE_RATE = 20_000, 20_000, 2_000.0
CUT = 2_000  # events a checkpoint


def one(hours: int) -> float:
    """Microseconds an event, with one window of so many hours."""
    return float(subprocess.check_output([sys.executable, ONE, str(hours)]))


def cost(span_ms: int) -> float:
    """Microseconds an event, after a history over so much time."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_cost, span_ms).result()


def _cost(span_ms: int) -> float:
    live_ms = END_MS - int(LIVE / LIVE_RATE * 1000)
    organisation = Organisation(seed=1, start_ms=live_ms - span_ms, flaws=0)
    reference = load_reference(organisation.reference(), Reference())
    catalogue = full_catalogue("EUR")
    facts, kpis = FactsStage(catalogue, reference), KpisStage(catalogue, reference=reference)
    feed(facts, kpis, organisation.events(live_ms, HISTORY / span_ms * 1000))
    live = [*organisation.events(END_MS, LIVE_RATE)]
    return feed(facts, kpis, live) / len(live) * 1e6


def feed(facts: FactsStage, kpis: KpisStage, events: Iterable[tuple[int, str, bytes, bytes]], size: int = CUT) -> float:
    """Everything through both stages, `size` events a checkpoint; returns the CPU seconds of stage 2."""
    took_s = 0.0
    rows = enumerate(events)
    while chunk := [
        Line(value, at_ms, key, topic, 0, offset, at_ms) for offset, (at_ms, topic, key, value) in islice(rows, size)
    ]:
        for topic in EVENT_TOPICS:
            if found := [line for line in chunk if line.topic == topic]:
                facts.on_batch(found, None)
        cut = facts.take_cut()
        partials = [_Partial(group.encode(), value) for group, value in cut.partials] if cut else []
        began = time.process_time()
        kpis.on_batch(partials)
        kpis.on_tick(chunk[-1].time_ms)
        kpis.take_cut()
        took_s += time.process_time() - began
    return took_s
