"""What the pure core costs, without Kafka: `python tests/bench/core.py [EVENTS] [--rate N] [--profile]`.

One task of each stage takes simulated events in batches, with a cut every few of them and the wall clock of the
events, of which `--rate` lie in a second: 2,000 is much traffic, 0.1 a backlog of weeks. Prints CPU time an event by
part; with `--profile`, the functions that take most of it.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from streamproc.backtest import Line, _Partial, load_reference
from streamproc.events import EVENT_TOPICS
from streamproc.facts.reference import Reference
from streamproc.ingest.kpis_file import full_catalogue
from streamproc.pipeline import FactsStage, KpisStage
from streamproc.simulate import Organisation

BATCH, BATCHES_A_CUT = 2_000, 4
END_MS = 1_790_000_000_000
TAKEN: dict[str, float] = {}


def timed(what: str, call: Callable[..., Any], *args: Any) -> Any:
    began = time.process_time()
    found = call(*args)
    TAKEN[what] = TAKEN.get(what, 0.0) + time.process_time() - began
    return found


def main(events: int, rate: float) -> None:
    organisation = Organisation(seed=1, start_ms=END_MS - int(events / rate * 1000), flaws=0)
    reference = load_reference(organisation.reference(), Reference())
    lines: dict[str, list[Line]] = {topic: [] for topic in EVENT_TOPICS}
    for offset, (at_ms, topic, key, value) in enumerate(organisation.events(END_MS, rate)):
        lines[topic].append(Line(value, at_ms, key, topic, 0, offset, at_ms))
    found = sum(map(len, lines.values()))
    batches = sorted(
        (some[at : at + BATCH] for some in lines.values() for at in range(0, len(some), BATCH)),
        key=lambda one: one[-1].time_ms,
    )
    catalogue = full_catalogue("EUR")
    facts, kpis = FactsStage(catalogue, reference), KpisStage(catalogue, reference=reference)
    for number, batch in enumerate(batches, 1):
        timed("facts: batches", facts.on_batch, batch, END_MS)
        if number % BATCHES_A_CUT == 0 or number == len(batches):
            cut = timed("facts: cuts", facts.take_cut)
            partials = [_Partial(group.encode(), value) for group, value in cut.partials]
            TAKEN["partials"] = TAKEN.get("partials", 0) + len(partials)
            timed("kpis: batches", kpis.on_batch, partials)
            timed("kpis: adding", kpis._add_waiting)
            timed("kpis: ticks", kpis.on_tick, batch[-1].time_ms)
            made = timed("kpis: cuts", kpis.take_cut)
            if made:
                TAKEN["values"] = TAKEN.get("values", 0) + len(made.values)
    for what, seconds in TAKEN.items():
        print(f"{what:16} {seconds / found * 1e6:8.1f} µs an event" if ":" in what else f"{what:16} {seconds:10.0f}")
    print(f"{found:,} events, {len(batches)} batches, {len(kpis.evaluator.latest):,} series")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("events", type=int, nargs="?", default=100_000)
    parser.add_argument("--rate", type=float, default=2_000.0)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(main, given.events, given.rate)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    else:
        main(given.events, given.rate)
