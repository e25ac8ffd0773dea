"""Memory and recovery of the pure core: `make bench-memory` or `python tests/bench/memory.py [EVENTS]`. Prints a table.

Each figure is of a process of its own: the growth of its resident memory, and the CPU time that `restore` takes from
changelog records that are in memory already.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from figures import Figure, Target, show
from msgspec import Struct
from msgspec.structs import astuple
from support.build import DAY_MS, HOUR_MS, Rec, decoded, line, ms
from windows import feed

from streamproc.backtest import load_reference
from streamproc.events import Event
from streamproc.facts.entities import Entities
from streamproc.facts.reference import Reference
from streamproc.facts.seen import Arrived, Seen
from streamproc.kpis.catalogue import catalogue
from streamproc.pipeline import FactsStage, KpisStage
from streamproc.simulate import Organisation

NOW = ms("09:00")
PAGE_BYTES = 4096
EVENTS = 1_000_000  # which make about two million facts
PEOPLE, DAYS = 200, 30  # of the organisation that is looked at as a whole
CUTS = 100  # checkpoints in these days: each evaluates nearly all series, which takes seconds
NUMBERS = range(-5, 257)  # which Python keeps once
KINDS = {
    "e-mail": ("email.sent", "email.opened", "email.replied"),
    "meeting": ("meeting.booked", "meeting.held"),
    "lead": ("lead.created", "lead.touched", "lead.stage_changed"),
    "deal": ("deal.created", "deal.stage_changed", "deal.updated", "quote.sent", "deal.won"),
}


def rss_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def ids(per_day: int, batch: int) -> Iterator[Figure]:
    """Seven days of ids, a checkpoint a batch; and back from the changelog."""
    before, seen = rss_bytes(), Seen()
    log: dict[str, bytes] = {}
    for day in range(7):
        for start in range(0, per_day, batch):
            seen.add(Arrived("crm", f"e{day}-{n}", NOW + day * DAY_MS) for n in range(start, start + batch))
            for key, value in seen.take_dirty():
                log.update({key: value}) if value is not None else log.pop(key, None)
    size = rss_bytes() - before - sum(map(len, log.values()))
    yield Figure(f"an id, {len(seen):,} ids", "bytes", (size / len(seen),), Target("≤", 60))
    seen = Seen()
    began = time.process_time()
    seen.restore(log)
    took_s = time.process_time() - began
    yield Figure(f"restoring {len(seen):,} ids from {len(log):,} records", "CPU s", (took_s,))


def entities(family: str, number: int) -> Iterator[Figure]:
    """Entities of a family at rest, and back from the changelog."""
    log = elsewhere(packed, family, number)
    before = rss_bytes()
    began = time.process_time()
    found = Entities(Reference())
    found.restore(log)
    took_s = time.process_time() - began
    size = sum(map(sys.getsizeof, log)) + sum(map(sys.getsizeof, log.values())) + rss_bytes() - before
    target = Target("≤", 300) if family in ("e-mail", "lead") else None
    yield Figure(f"a record of an entity ({family})", "bytes", (sum(map(len, log.values())) / number,))
    yield Figure(f"an entity at rest ({family})", "bytes", (size / number,), target)
    yield Figure(f"restoring {number:,} entities ({family})", "CPU s", (took_s,))


def packed(family: str, number: int) -> dict[str, bytes]:
    """Records of so many entities: a thousand made by events, the others copies under other subjects."""
    made = Entities(Reference())
    for event in events(family, 1000):
        made.apply(event, event.time_ms, event.time_ms)
    list(made.differences())
    records = [(subject, value) for subject, value in made.take_dirty() if value is not None]
    return {f"{subject}-{copy:06d}": value for copy in range(number // 1000) for subject, value in records}


def events(family: str, number: int) -> Iterator[Event]:
    for n in range(number):
        for kind in KINDS[family]:
            more = {"stage": "demo"} if kind.endswith("stage_changed") else {}
            yield decoded(kind, f"{n:08d}", "09:00", rep=f"rep{n % 50}", campaign=f"c{n % 9}", **more)


def groups(reps: int, days: int) -> Iterator[Figure]:
    """Hourly facts of so many reps over so many days, eight hours a day; and back from the changelog."""
    log = elsewhere(history, reps, days)
    before = rss_bytes()
    kpis = KpisStage(catalogue())
    began = time.process_time()
    kpis.restore(log)
    took_s = time.process_time() - began
    number, slices = len(kpis.slices.groups), len(kpis.slices.slices)
    size = rss_bytes() - before
    yield Figure(f"a group, {number:,} groups of {slices / number:.0f} slices", "bytes", (size / number,))
    yield Figure(f"restoring {slices:,} slices", "CPU s", (took_s,))


def series(reps: int, days: int) -> Iterator[Figure]:
    """What is held for each series and window beyond slices, counted object by object: latest values and judgements."""
    kpis = KpisStage(catalogue())
    kpis.restore(elsewhere(history, reps, days))
    kpis.take_cut()
    latest, shown = kpis.evaluator.latest, kpis.judge._shown
    seen = {id(name) for name in NUMBERS}
    size = held(latest._groups, seen) + held(shown, seen)
    what = f"a series and window, {len(latest):,} of which {len(shown):,} judged"
    yield Figure(what, "bytes", (size / len(latest),), Target("≤", 100))


def held(found: object, seen: set[int]) -> int:
    """Bytes of an object and what it holds, each once; names are those of slices and of the catalogue."""
    if found is None or isinstance(found, str) or id(found) in seen:
        return 0
    seen.add(id(found))
    inner: Iterable[object] = ()
    if isinstance(found, dict):
        inner = [*found.keys(), *found.values()]
    elif isinstance(found, Struct):
        inner = astuple(found)
    elif isinstance(found, tuple):
        inner = found
    return sys.getsizeof(found) + sum(held(one, seen) for one in inner)


def history(reps: int, days: int) -> dict[str, bytes]:
    facts, kpis = FactsStage(catalogue(), Reference()), KpisStage(catalogue())
    log: dict[str, bytes] = {}
    for hour in range(days * 24):
        time_ms = NOW + hour * HOUR_MS
        if hour % 24 < 8:
            facts.on_batch([Rec(raw, time_ms) for rep in range(reps) for raw in busy_hour(f"rep{rep}", time_ms)], None)
            cut = facts.take_cut()
            assert cut is not None
            kpis.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
        kpis.on_tick(time_ms + HOUR_MS)
        for key, value in values.changelog if (values := kpis.take_cut()) else ():
            log.update({key: value}) if value is not None else log.pop(key, None)
    return log


def busy_hour(rep: str, time_ms: int) -> Iterator[bytes]:
    for n in range(3):
        name = f"{rep}-{time_ms}-{n}"
        yield line("email.sent", name, time_ms, rep=rep, recipient=name)
        yield line("email.replied", name, time_ms + 60_000, rep=rep)
    yield line("call.logged", f"{rep}-{time_ms}", time_ms, rep=rep, contact=f"c{time_ms % 7}")


def elsewhere(make: Callable[..., dict[str, bytes]], *args: object) -> dict[str, bytes]:
    """What a process of its own makes: the memory that it took cannot serve what is measured next."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(make, *args).result()


def organisation(events: int) -> Iterator[Figure]:
    """A month of an organisation through both stages, one task each: what a machine needs for all of it."""
    end_ms, began_rss = NOW + DAYS * DAY_MS, rss_bytes()
    simulated = Organisation(seed=1, start_ms=NOW, reps=PEOPLE, flaws=0)
    reference = load_reference(simulated.reference(), Reference())
    stages = FactsStage(catalogue(), reference), KpisStage(catalogue(), reference=reference)
    feed(*stages, simulated.events(end_ms, events / DAYS / DAY_MS * 1000), events // CUTS)
    size = (rss_bytes() - began_rss) / 2**20
    series = len(stages[1].evaluator.latest)
    what = f"{DAYS} days of {PEOPLE} people, {events:,} events, {series:,} series"
    yield Figure(what, "MB", (size,), Target("≤", 600))


def run(measure: Callable[..., Iterator[Figure]], args: tuple[object, ...]) -> list[Figure]:
    return [*measure(*args)]


def figures(events: int = EVENTS) -> Iterator[Figure]:
    """Each measurement in a process of its own."""
    kinds = [(entities, (family, 1_000_000)) for family in KINDS]
    for measure, args in [
        (ids, (860_000, 1000)),
        *kinds,
        (groups, (20, 90)),
        (series, (200, 3)),
        (organisation, (events,)),
    ]:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            yield from pool.submit(run, measure, args).result()


if __name__ == "__main__":
    show(figures(int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS))
