"""The fault suite: `make test-faults`, or `python tests/faults/run.py [--case NAME …] [--seeds N] [--lanes N]`.

Cases run in two lanes side by side, each with a broker of its own: real workers on a real broker, and after every fault
each entry of `kpi.values` beside an independent recount. Prints one table to stdout, progress to stderr. Exit code 1 at
any mismatch or other failure; the workers' logs are kept then.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of the folder of this file

from faults.cases import CASES, Case  # noqa: E402
from faults.site import Site  # noqa: E402
from faults.state_cases import library  # noqa: E402
from faults.trial import Outcome  # noqa: E402

WRONG_SHOWN = 5
SIZE = 0.5  # of the trials: on two cores, half is still some seconds of work


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_case(site: Site, case: Case, seeds: range) -> tuple[list[Outcome], int]:
    """Outcomes of the trials that came to an end, and how many did not."""
    outcomes, failed = [], 0
    for seed in seeds:
        began = time.monotonic()
        try:
            outcome = asyncio.run(_in_time(case, site, seed))
        except Exception:
            failed += 1
            say(f"{case.name} {seed}: FAILED\n{traceback.format_exc()}")
            if not site.broker.is_running:
                site.broker.stop()  # nothing of it is left that would be in the way
                site.broker.start()
            continue
        outcomes.append(outcome)
        took_s = time.monotonic() - began
        say(
            f"{case.name} {seed}: {len(outcome.wrong)} mismatches, longest pause {outcome.pause_s:.1f} s "
            f"({took_s:.0f} s)"
        )
        for line in (*outcome.ends, *outcome.wrong[:WRONG_SHOWN]):
            say(f"  {line}")
    return outcomes, failed


async def _in_time(case: Case, site: Site, seed: int) -> Outcome:
    async with asyncio.timeout(900):
        return await case.run(site, seed)


def row(case: Case, outcomes: list[Outcome], failed: int) -> tuple[str, ...]:
    return (
        case.name,
        str(len(outcomes) + failed),
        str(sum(outcome.events for outcome in outcomes)),
        str(sum(len(outcome.wrong) for outcome in outcomes)),
        str(failed),
        f"{max((outcome.pause_s for outcome in outcomes), default=0):.1f}",
    )


def show(rows: list[tuple[str, ...]]) -> None:
    head = ("case", "seeds", "events", "mismatches", "failed", "longest pause (s)")
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]
    for line in [head, tuple("-" * width for width in widths), *rows]:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        print("| " + " | ".join(cells) + " |")


_lane: list[Site] = []  # of this process; its broker ends with the process


def open_lane(folder: Path) -> None:
    own = folder / f"lane-{os.getpid()}"
    own.mkdir()
    _lane.append(Site(own, SIZE).__enter__())


def run_in_lane(name: str, first: int, seeds: int | None) -> tuple[tuple[str, ...], bool]:
    """The table's row of a case, and whether something was wrong."""
    case = next(case for case in CASES if case.name == name)
    outcomes, failed = run_case(_lane[0], case, range(first, first + (seeds or case.seeds)))
    return row(case, outcomes, failed), failed > 0 or any(outcome.wrong for outcome in outcomes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help="part of a case's name; may be repeated (default: all cases)")
    parser.add_argument("--seeds", type=int, help="trials of each case (default: what each case has)")
    parser.add_argument("--lanes", type=int, default=2, help="cases side by side (default: 2)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: 1)")
    options = parser.parse_args()
    cases = [case for case in CASES if not options.case or any(part in case.name for part in options.case)]
    if not cases:
        parser.error(f"no such case; there are {', '.join(case.name for case in CASES)}")
    if any(case.name == "clock-jumps" for case in cases):
        library()  # rather now than after an hour
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # it says at length that a broker is away: that is the case
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # no process is left behind then either
    folder = Path(tempfile.mkdtemp(prefix="streamproc-faults-"))
    began = time.monotonic()
    with ProcessPoolExecutor(options.lanes, initializer=open_lane, initargs=(folder,)) as lanes:
        longest_first = sorted(cases, key=lambda case: -(options.seeds or case.seeds))
        running = {
            case.name: lanes.submit(run_in_lane, case.name, options.first, options.seeds) for case in longest_first
        }
        results = [running[case.name].result() for case in cases]
    rows, bad = [line for line, _ in results], any(wrong for _, wrong in results)
    show(rows)
    say(f"{time.monotonic() - began:.0f} s in all")
    if bad:
        for kafka in folder.glob("*/kafka"):
            shutil.rmtree(kafka, ignore_errors=True)
        say(f"logs of the workers: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)  # a broker may just be ending
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
