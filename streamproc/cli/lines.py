"""Files of events, one JSON text a line; `-` is standard input or output."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

STDIO = "-"


@contextmanager
def open_input(name: str, *, twice: bool = False) -> Iterator[BinaryIO]:
    """A file to read. `twice`: it must be possible to go back, so standard input is kept in a temporary file."""
    if name != STDIO:
        with Path(name).open("rb") as file:
            yield file
    elif not twice:
        yield sys.stdin.buffer
    else:
        with tempfile.TemporaryFile(prefix="streamproc-") as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
            kept.seek(0)
            yield kept


def size_of(name: str) -> int | None:
    """Bytes of a file; None for standard input and what else has no size."""
    path = Path(name)
    return path.stat().st_size if name != STDIO and path.is_file() else None


def numbered(file: BinaryIO, on_bytes: Callable[[int], None] | None = None) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their number; `on_bytes` hears now and then how many bytes were read since."""
    read = 0
    for number, raw in enumerate(file, 1):
        read += len(raw)
        if on_bytes and number % 5_000 == 0:
            on_bytes(read)
            read = 0
        line = raw.strip()
        if line:
            yield number, line
    if on_bytes:
        on_bytes(read)


def write(name: str, lines: Iterable[bytes]) -> int:
    """Write lines to a file; returns how many."""
    if name == STDIO:
        return _write(sys.stdout.buffer, lines)
    with Path(name).open("wb") as file:
        return _write(file, lines)


def _write(file: BinaryIO, lines: Iterable[bytes]) -> int:
    count = 0
    for line in lines:
        file.write(line + b"\n")
        count += 1
    file.flush()
    return count
