"""Running the command line inside the test process."""

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from streamproc.cli import run_command

LOGGERS = ("", "aiokafka", "faust", "mode", "streamproc.bus.batches", "asyncio", "aiohttp")


class Result(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return self.err.splitlines()


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`run("kpis", "list", stdin=…)`. Settings of the environment are forgotten, and logging is put back afterwards."""
    for name in [name for name in os.environ if name.startswith("STREAMPROC_")]:
        monkeypatch.delenv(name)
    handlers, levels = list(logging.root.handlers), {name: logging.getLogger(name).level for name in LOGGERS}

    def command(*args: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = run_command([str(arg) for arg in args])
        return Result(code, *capsys.readouterr())

    yield command
    logging.root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
