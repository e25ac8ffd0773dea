"""The supervisor: what starts again and what does not, and that no child outlives it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamproc.supervise import Supervisor

DEADLINE_S = 30
# Writes its process id, then ends with a code, or waits for SIGTERM and says so.
CHILD = """
import os, pathlib, signal, sys, time
folder, code = pathlib.Path(sys.argv[1]), sys.argv[2]
def end(*_):
    (folder / "terminated").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
(folder / f"pid-{os.getpid()}").touch()
if code != "wait":
    sys.exit(int(code))
while True:
    time.sleep(0.05)
"""


def child(folder: Path, code: str) -> list[str]:
    return [sys.executable, "-c", CHILD, str(folder), code]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def starts(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


def checked(supervisor: Supervisor, enough: Callable[[], object]) -> int | None:
    """Check until a code comes or it is enough."""
    found: list[int | None] = [None]

    def look() -> object:
        found[0] = supervisor.check()
        return found[0] is not None or enough()

    until(look)
    return found[0]


@pytest.mark.parametrize("code", ["1", "-9"])
def test_a_failed_child_starts_again(tmp_path: Path, code: str) -> None:
    command = child(tmp_path, code)
    if code == "-9":
        command = ["/bin/sh", "-c", 'touch "$0/pid-$$"; kill -KILL $$', str(tmp_path)]
    supervisor = Supervisor([command])
    try:
        assert checked(supervisor, lambda: len(starts(tmp_path)) >= 2) is None
    finally:
        supervisor.stop()


@pytest.mark.parametrize("code", ["2", "3"])
def test_a_child_that_cannot_go_on_ends_the_supervisor(tmp_path: Path, code: str) -> None:
    supervisor = Supervisor([child(tmp_path, code), child(tmp_path, "wait")])
    try:
        assert checked(supervisor, lambda: False) == int(code)
    finally:
        supervisor.stop()


def test_needing_a_person_is_final_after_a_restart_too(tmp_path: Path) -> None:
    # Fails at its first start with 1, then with 3.
    script = 'test -e "$0/once" && exit 3; touch "$0/once"; exit 1'
    supervisor = Supervisor([["/bin/sh", "-c", script, str(tmp_path)]])
    try:
        assert checked(supervisor, lambda: False) == 3
    finally:
        supervisor.stop()


def test_children_are_told_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    body = "import sys; from streamproc.supervise import supervise; supervise([sys.argv[1:]])"
    parent = subprocess.Popen([sys.executable, "-c", body, *child(tmp_path, "wait")])
    try:
        until(lambda: starts(tmp_path))
        parent.kill()
        until((tmp_path / "terminated").exists)
        until(lambda: not Path(f"/proc/{starts(tmp_path)[0]}").exists())
    finally:
        parent.kill()
        parent.wait()
