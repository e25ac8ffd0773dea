"""Programs of Prometheus and Alertmanager that tests run."""

from __future__ import annotations

import shutil
import subprocess

import pytest

# The Debian package of each.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}


def missing(*programs: str) -> str:
    """What is to be installed for a program that is not there; empty if all are."""
    absent = (program for program in programs if shutil.which(program) is None)
    return next((f"{program} is missing; install the Debian package {PACKAGES[program]}" for program in absent), "")


def require(program: str) -> None:
    """Skip the test where a program is missing."""
    if absent := missing(program):
        pytest.skip(absent)


def run(program: str, *arguments: str, given: bytes = b"") -> str:
    """What a tool prints. AssertionError with all that it said if it fails; the test is skipped where it is missing."""
    require(program)
    done = subprocess.run([program, *arguments], input=given, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()
