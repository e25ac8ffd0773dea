"""Figures of measurements: what was measured, in each run; beside a target, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("streamproc", "faust-streaming", "aiokafka", "msgspec", "numpy")


class Target(NamedTuple):
    """What a figure should be at least ("≥") or at most ("≤")."""

    sign: str
    value: float

    def is_met(self, value: float) -> bool:
        return value >= self.value if self.sign == "≥" else value <= self.value


class Figure(NamedTuple):
    """One row: the figure of every run. `why`: instead of figures, why there are none."""

    what: str
    unit: str
    runs: tuple[float, ...] = ()
    target: Target | None = None
    why: str = ""

    @property
    def median(self) -> float:
        return median(self.runs)


def ratio(what: str, one: Figure | None, other: Figure | None, target: Target) -> Figure:
    """Median to median, where both were measured."""
    if one is None or other is None or not one.runs or not other.runs:
        return Figure(what, "×", target=target, why="not measured")
    return Figure(what, "×", (one.median / other.median,), target)


def line(one: Figure) -> str:
    """A figure as a line of text, for those who wait."""
    return f"{one.what}: {' '.join(map(_short, one.runs))} {one.unit}" if one.runs else f"{one.what}: {one.why}"


def show(figures: Iterable[Figure]) -> None:
    table = Table("what", "median", "spread", "unit", "target", "met")
    for one in figures:
        target = f"{one.target.sign} {_short(one.target.value)}" if one.target else ""
        if not one.runs:
            table.add_row(one.what, "-", one.why, one.unit, target, "")
            continue
        spread = f"{_short(min(one.runs))} to {_short(max(one.runs))}" if len(one.runs) > 1 else "one run"
        met = "" if one.target is None else "yes" if one.target.is_met(one.median) else "NO"
        table.add_row(one.what, _short(one.median), spread, one.unit, target, met)
    Console(width=None if os.isatty(1) else 160).print(table)


def place() -> Path:
    """The file of a run that begins now."""
    RESULTS.mkdir(exist_ok=True)
    return RESULTS / f"{time.strftime('%Y-%m-%d-%H%M', time.gmtime())}-{_commit()}.json"


def save(path: Path, figures: Iterable[Figure], took_s: float) -> None:
    """All figures with the machine and versions that they are of."""
    rows = [
        {**one._asdict(), "target": f"{one.target.sign} {one.target.value:g}" if one.target else None}
        for one in figures
    ]
    path.write_text(json.dumps({"machine": machine(), "took_s": round(took_s), "figures": rows}, indent=1) + "\n")


def machine() -> dict[str, Any]:
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return {
        "cores": os.cpu_count(),
        "cpu": ", ".join(sorted(models)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "system": platform.system(),
        **{name: version(name) for name in _PACKAGES},
    }


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=7"]
    found = subprocess.run(asked, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
