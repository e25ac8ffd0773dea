"""What an event costs in stage 2 when there is one window only: `python one_window.py HOURS` prints µs of CPU time.

One KPI by rep. 181 days of calls, one each 50 s, and then ten more days of them, with the clock moved and values made
each minute: as many calls leave the window, and the one before it, as come. Only the window's length differs: its
slices are of minutes always.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from random import Random

from streamproc.windows import calendar
from streamproc.windows.calendar import DAY_MS, HOUR_MS, MINUTE_MS, PREVIOUS, Rolling, Tier

NAME = "1h"
BEFORE_DAYS, DAYS = 181, 10
STEP_MS, REPS = 50_000, 20
END_MS = 1_790_000_000_000 // MINUTE_MS * MINUTE_MS


def only(length_ms: int) -> None:
    """Before what reads the windows is imported."""
    tier = Tier("minute", MINUTE_MS, (Rolling(NAME, length_ms),))
    calendar.TIERS, calendar.ROLLING, calendar.CALENDAR = (tier,), {NAME: (tier.windows[0], tier)}, ()
    calendar.WINDOWS, calendar.PREVIOUS = (NAME,), {NAME: PREVIOUS[NAME]}


def cost() -> float:
    from streamproc.facts.reference import Reference
    from streamproc.ingest.kpis_file import full_catalogue
    from streamproc.kpis.evaluate import Evaluator
    from streamproc.kpis.kpi import Catalogue
    from streamproc.windows.slices import Slices

    kpi = replace(full_catalogue("EUR")["calls"], by=("rep",))
    slices = Slices(calendar.Calendar(), 0)
    evaluator = Evaluator(Catalogue((kpi,)), slices, Reference())
    draw = Random(1)  # in no rhythm: a call that comes as another leaves would spare an evaluation
    measured_ms = END_MS - DAYS * DAY_MS
    due_ms = measured_ms - BEFORE_DAYS * DAY_MS

    def move(clock_ms: int) -> int:
        """Calls until then, the clock, and the values; returns the number of calls."""
        nonlocal due_ms
        begin_ms = due_ms
        while due_ms < clock_ms:
            minute_ms = due_ms // MINUTE_MS * MINUTE_MS
            slices.add(f"rep={draw.randrange(REPS)}", [(minute_ms, {kpi.facts[0]: 1}, {})])
            due_ms += STEP_MS
        slices.advance(clock_ms)
        evaluator.changed()
        slices.changes.slices.clear()
        return (due_ms - begin_ms) // STEP_MS

    for clock_ms in range(due_ms + HOUR_MS, measured_ms + 1, HOUR_MS):
        move(clock_ms)
    began = time.process_time()
    calls = sum(move(clock_ms) for clock_ms in range(measured_ms + MINUTE_MS, END_MS, MINUTE_MS))
    return (time.process_time() - began) / calls * 1e6


if __name__ == "__main__":
    only(int(sys.argv[1]) * HOUR_MS)
    print(cost())
