"""Runs child processes and starts them again when they fail: a worker that cannot commit ends, and that is safe."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Sequence
from types import FrameType

from streamproc.bus.child import launch, released

log = logging.getLogger(__name__)

WRONG_USE = 2  # exit code of a wrong setting or no broker; at a child's first start, starting again is of no use
NEEDS_PERSON = 3  # exit code of a worker that stopped until somebody decides something: never start it again
GRACE_S = 40.0  # for a child to commit and end after SIGTERM, before it is killed
BACKOFF_S = (0.2, 1.0, 5.0, 15.0)
STEADY_S = 60.0  # a child that ran so long starts again without delay


class _Child:
    """One child process: its command, and how often it failed in a row."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self.failures = 0
        self.start_at = 0.0
        self.first = True
        self.started_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = launch(self.command, signal.SIGTERM)
        self.started_at = time.monotonic()

    def ended(self) -> int | None:
        """Exit code if it has ended since the last look."""
        if self.process is None:
            return None
        code = self.process.poll()
        if code is not None:
            released(self.process)
            self.process = None
        return code

    def plan_restart(self) -> float:
        """When to start again; returns the delay in seconds."""
        if time.monotonic() - self.started_at > STEADY_S:
            self.failures = 0  # it ran; what went wrong is new
        self.first = False
        delay = BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]
        self.failures += 1
        self.start_at = time.monotonic() + delay
        return delay


class Supervisor:
    """Children that are kept running until `stop`."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self.children = [_Child(command) for command in commands]

    def check(self) -> int | None:
        """Start what is due. Returns an exit code when a child has ended in a way that a restart cannot mend."""
        for child in self.children:
            code = child.ended()
            if code == NEEDS_PERSON or (code == WRONG_USE and child.first):
                return code
            if code is not None:
                delay = child.plan_restart()
                log.warning("%s ended with exit code %d; starting it again in %.1f s", child.command, code, delay)
            if child.process is None and time.monotonic() >= child.start_at:
                child.start()
        return None

    def stop(self) -> None:
        """SIGTERM to all, wait, and kill what does not end in time."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("process %d did not end in %.0f s and is killed", process.pid, GRACE_S)
                process.kill()
                process.wait()
            released(process)


def supervise(commands: Sequence[Sequence[str]]) -> int:
    """Keep commands running until SIGTERM or SIGINT (exit code 0), or one of them cannot go on (2, 3)."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    supervisor = Supervisor(commands)
    code: int | None = None
    try:
        while not stopping and code is None:
            code = supervisor.check()
            time.sleep(0.1)
    finally:
        supervisor.stop()
    return code or 0
