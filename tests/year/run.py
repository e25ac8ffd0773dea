"""A year of an organisation: `make test-year`, or `python tests/year/run.py [--reps N] [--rate EVENTS_A_SECOND]`.

`streamproc backtest` gives every KPI at twelve month ends; the oracle recounts each value from the same events. Prints
one row a month to stdout, progress to stderr. Exit code 1 where a value differs or a KPI of the catalogue has none.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of the folder of this file

from oracle.oracle import Oracle, Row  # noqa: E402
from support.compare import differences  # noqa: E402

from streamproc.kpis.catalogue import catalogue  # noqa: E402
from streamproc.kpis.kpi import KpiValue  # noqa: E402
from streamproc.simulate import Organisation  # noqa: E402

YEAR = 2025
ZONE = "Europe/Berlin"
WRONG_SHOWN = 10
Key = tuple[str, str, str | None]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def midnight_ms(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000


def month_ends() -> list[int]:
    """Ends of the year's months (UTC)."""
    return [midnight_ms(YEAR, month) for month in range(2, 13)] + [midnight_ms(YEAR + 1, 1)]


def simulate(reps: int, rate_per_s: float, seed: int) -> tuple[list[bytes], list[bytes]]:
    """Reference data and events of the year, flaws among them, in order of arrival."""
    sales = Organisation(seed, midnight_ms(YEAR, 1), reps, flaws=0.002)
    lines = [line for *_, line in sales.events(midnight_ms(YEAR + 1, 1), rate_per_s)]
    return [*sales.reference(), *targets()], lines


def targets() -> list[bytes]:
    """Targets of revenue, so that its attainment has values."""
    data = {"kpi": "revenue_eur", "period": "month", "value": 1_000_000.0}
    envelope = {
        "id": "t1",
        "source": "test",
        "type": "target.set",
        "time": "2025-01-01T00:00:00Z",
        "subject": "target/1",
    }
    return [orjson.dumps({**envelope, "data": data})]


def backtested(file: Path, times: list[int]) -> Iterator[tuple[int, dict[Key, KpiValue]]]:
    """What `streamproc backtest` prints, by time."""
    at = [f"--at={datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}" for at_ms in times]
    command = [sys.executable, "-m", "streamproc", "backtest", str(file), *at, "--format=json", f"--timezone={ZONE}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for as_of, rows in groupby(map(orjson.loads, child.stdout), key=lambda row: row["as_of"]):
            at_ms = int(datetime.fromisoformat(as_of).timestamp()) * 1000
            yield at_ms, dict(map(value_of, rows))
    if child.returncode:
        raise SystemExit(f"streamproc backtest ended with exit code {child.returncode}")


def value_of(row: dict[str, Any]) -> tuple[Key, KpiValue]:
    group = ",".join(f"{dimension}={member}" for dimension, member in row["group"].items())
    value = KpiValue(
        **{name: row[name] for name in ("kpi", "window", "value", "numerator", "denominator", "n", "unit")},
        group=group,
        window_start_ms=None,
        as_of_ms=0,
    )
    return (row["kpi"], group, row["window"]), value


def compare(found: dict[Key, KpiValue], expected: dict[Key, Row]) -> tuple[list[str], set[str]]:
    """What differs, and the KPIs that have a value."""
    return differences(found, expected), {key[0] for key, value in found.items() if value.value is not None}


def months(file: Path, oracle: Oracle, times: Iterable[int]) -> Iterator[tuple[str, int, list[str], set[str]]]:
    for at_ms, found in backtested(file, list(times)):
        wrong, valued = compare(found, oracle.at(at_ms))
        yield f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}", len(found), wrong, valued


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0.01, help="events a simulated second (default: 0.01)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    say(f"Simulating {YEAR} with {options.reps} reps ...")
    reference, lines = simulate(options.reps, options.rate, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "year.ndjson"
        file.write_bytes(b"\n".join([*reference, *lines]))
        say(f"{len(lines):,} events; the oracle reads them ({time.monotonic() - began:.0f} s so far) ...")
        valued: set[str] = set()
        mismatches = 0
        with Oracle(lines, reference=reference, zone=ZONE) as oracle:
            say(f"backtest ({time.monotonic() - began:.0f} s so far) ...")
            print(f"{'month end':12} {'series':>10} {'mismatches':>10}")
            for name, series, wrong, with_value in months(file, oracle, month_ends()):
                print(f"{name:12} {series:10,} {len(wrong):10,}", flush=True)
                for text in wrong[:WRONG_SHOWN]:
                    say(f"  {text}")
                mismatches += len(wrong)
                valued |= with_value
    without = sorted({kpi.name for kpi in catalogue().kpis} - valued)
    say(f"{len(valued)} KPIs with values, {mismatches} mismatches, {time.monotonic() - began:.0f} s")
    if without:
        say(f"KPIs without a value all year: {', '.join(without)}")
    return int(bool(mismatches or without))


if __name__ == "__main__":
    sys.exit(main())
