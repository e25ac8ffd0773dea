"""The measurements can be started, and what they find is told as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(*command: str) -> str:
    found = subprocess.run([sys.executable, *command], cwd=HERE, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("name", ["run.py", "soak.py", "core.py"])
def test_each_says_what_it_does(name: str) -> None:
    assert "usage" in run(name, "--help")


def test_what_the_core_costs() -> None:
    assert "facts: batches" in run("core.py", "200")


def test_figures_beside_their_targets() -> None:
    program = """
from figures import Figure, Target, line, ratio, show
fast, slow = Figure("fast", "events/s", (3.0, 1.0, 2.0), Target("≥", 2)), Figure("slow", "s", (4.0,), Target("≤", 3))
lost = Figure("peer", "events/s", why="no javac on the path")
print(line(fast), "|", line(lost))
compared = ratio("slow to fast", slow, fast, Target("≤", 2)), ratio("peer to fast", lost, fast, Target("≥", 1))
show([fast, slow, lost, *compared])
"""
    told, *table = run("-c", program).splitlines()
    assert told == "fast: 3 1 2 events/s | peer: no javac on the path"
    cells = [[cell.strip() for cell in row.split("│")[1:-1]] for row in table if row.startswith("│")]
    assert cells == [
        ["fast", "2", "1 to 3", "events/s", "≥ 2", "yes"],
        ["slow", "4", "one run", "s", "≤ 3", "NO"],
        ["peer", "-", "no javac on the path", "events/s", "", ""],
        ["slow to fast", "2", "one run", "×", "≤ 2", "yes"],
        ["peer to fast", "-", "not measured", "×", "≥ 1", ""],
    ]
