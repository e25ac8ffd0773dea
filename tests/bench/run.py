"""Every figure that there is a target for, and other systems beside: `make bench` or `python tests/bench/run.py`.

Takes more than an hour; `--only` chooses parts, `--runs 1` is quicker. Prints a table, and writes the figures with the
machine and all versions as JSON into tests/bench/results/, after each part anew. A missed target is no failure.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import compared
import memory
import windows
from figures import Figure, Target, line, place, ratio, save, show
from latency import latency
from scrape import scrape
from startup import startup
from throughput import facts_alone, one_kpi, whole_path


class Asked(NamedTuple):
    events: int
    runs: int


def whole(asked: Asked) -> Iterator[Figure]:
    found = [whole_path(asked.events) for _ in range(asked.runs)]
    yield Figure("whole path, all KPIs", "events/s", tuple(one.whole for one in found), Target("≥", 60_000))
    yield Figure("of that stage 1", "events/s", tuple(one.facts for one in found))
    for name in found[0].cpu_us:
        yield Figure(f"processor time of it, {name}", "µs/event", tuple(one.cpu_us[name] for one in found))


def one(asked: Asked) -> Iterator[Figure]:
    found = [one_kpi(asked.events) for _ in range(asked.runs)]
    yield Figure("one KPI by rep, whole path", "events/s", tuple(one.whole for one in found), Target("≥", 150_000))


def peers(asked: Asked) -> Iterator[Figure]:
    with compared.topic_of_calls() as bootstrap:
        for peer in compared.ROWS:
            what, found = f"{peer.name}, {peer.kind}", []
            try:
                found = [compared.rate(bootstrap, peer) for _ in range(asked.runs)]
                yield Figure(what, "events/s", tuple(found))
            except compared.Unavailable as why:
                yield Figure(what, "events/s", why=str(why))


def latencies(asked: Asked) -> Iterator[Figure]:
    for rate in (5_000, 1_000):
        found = [latency(rate) for _ in range(asked.runs)]
        targets = (Target("≤", 0.4), Target("≤", 1.0)) if rate == 5_000 else (None, None)
        what = f"event → kpi.values at {rate:,}/s"
        yield Figure(f"{what}, median", "s", tuple(one.p50 for one in found), targets[0])
        yield Figure(f"{what}, 99 %", "s", tuple(one.p99 for one in found), targets[1])
        yield Figure(f"{what}, values that never came", "", tuple(one.lost for one in found), Target("≤", 0))


def lengths(asked: Asked) -> Iterator[Figure]:
    short, long = (
        Figure(f"an event in stage 2, one window of {name}", "µs", tuple(windows.one(hours) for _ in range(asked.runs)))
        for name, hours in (("an hour", 1), ("90 days", 90 * 24))
    )
    yield short
    yield long
    yield ratio("a window of 90 days to one of an hour", long, short, Target("≤", 1.1))
    for name, span_ms in (("an hour", windows.HOUR_MS), ("90 days", windows.DAYS_90_MS)):
        found = tuple(windows.cost(span_ms) for _ in range(asked.runs))
        yield Figure(f"all windows and KPIs, {name} of history", "µs", found)


def scrapes(asked: Asked) -> Iterator[Figure]:
    found = scrape()
    yield Figure("scrape of 100,000 series", "s", tuple(found.took), Target("≤", 0.15))
    yield Figure("the first one", "s", (found.first,))
    yield Figure("event loop blocked by a scrape", "s", (max(found.blocked),), Target("≤", 0.05))


def memories(asked: Asked) -> Iterator[Figure]:
    yield from memory.figures()


def two(asked: Asked) -> Iterator[Figure]:
    single, both = (
        Figure(what, "events/s", tuple(facts_alone(asked.events, workers) for _ in range(asked.runs)))
        for what, workers in (("stage 1 alone, one process", 1), ("stage 1 alone, two processes", 2))
    )
    yield single
    yield both
    yield ratio("two facts processes to one", both, single, Target("≥", 1.7))


def start(asked: Asked) -> Iterator[Figure]:
    for stage in ("facts", "kpis"):
        found = tuple(startup(stage) for _ in range(asked.runs))
        yield Figure(f"start of a {stage} worker", "s", found, Target("≤", 2.0))


def ratios(found: dict[str, Figure]) -> Iterator[Figure]:
    whole, single = found.get("whole path, all KPIs"), found.get("one KPI by rep, whole path")
    yield ratio("whole path to getmany with decode", whole, found.get("aiokafka getmany, decode"), Target("≥", 0.3))
    yield ratio("whole path to Kafka Streams, tumbling", whole, found.get("Kafka Streams, tumbling"), Target("≥", 1))
    for peer, least in (("Kafka Streams", 10), ("Quix Streams", 100), ("plain Faust", 1000)):
        yield ratio(f"one KPI to {peer}, hopping", single, found.get(f"{peer}, hopping"), Target("≥", least))


PARTS: dict[str, Callable[[Asked], Iterator[Figure]]] = {
    "path": whole,
    "one": one,
    "peers": peers,
    "latency": latencies,
    "windows": lengths,
    "scrape": scrapes,
    "two": two,
    "start": start,
    "memory": memories,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="of each run through the workers")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    path, began, found = place(), time.monotonic(), list[Figure]()
    for name in given.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        for figure in PARTS[name](Asked(given.events, given.runs)):
            found.append(figure)
            print(f"  {line(figure)}", file=sys.stderr, flush=True)
        compared_with = ratios({one.what: one for one in found}) if "peers" in given.only else ()
        rows = [*found, *compared_with]
        save(path, rows, time.monotonic() - began)
    show(rows)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
