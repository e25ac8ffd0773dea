"""Lines of a CSV file, with their true line numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written. A byte order mark is always accepted."""

    delimiter: str = ","
    encoding: str = "utf-8"


class Line(NamedTuple):
    """One record: the line it starts on (the first line of the file is 1), its stripped cells, or why it has none."""

    number: int
    cells: list[str]
    error: str | None = None


def lines(path: Path, dialect: Dialect) -> Iterator[Line]:
    """Every record of the file, the header first; records without any text are left out. Raises OSError."""
    encoding = "utf-8-sig" if dialect.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else dialect.encoding
    # Bytes that do not decode become surrogates, so that one of them costs a line and not the file.
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        # Strict, as a quote that is never closed would otherwise swallow the rest of the file without a word.
        reader = csv.reader(file, delimiter=dialect.delimiter, strict=True)
        while True:
            start = reader.line_num + 1  # line_num is the line where a record ends
            try:
                cells = [cell.strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(start, [], f"not readable as CSV: {error}")
                continue
            except UnicodeError:
                yield Line(start, [], _not_encoded(dialect))
                return
            text = "".join(cells)
            if text:
                yield Line(start, cells, None if _encodable(text) else _not_encoded(dialect))


class Table(NamedTuple):
    """A lookup file: its columns and, by key, its rows."""

    columns: list[str]
    rows: dict[str, dict[str, str]]


class TableError(ValueError):
    """A lookup file that cannot be used; the message says why."""


def header(path: Path, dialect: Dialect) -> list[str]:
    """Column names. Raises TableError if there are none to be read, OSError if there is no such file."""
    for line in lines(path, dialect):
        if line.error:
            raise TableError(f"{path.name}, line {line.number}: {line.error}")
        return line.cells
    raise TableError(f"{path.name} is empty; expected a line of column names")


def table(path: Path, dialect: Dialect, key: str) -> Table:
    """The whole file, by the column `key`. Raises TableError or OSError."""
    columns = header(path, dialect)
    if key not in columns:
        return Table(columns, {})
    rows: dict[str, dict[str, str]] = {}
    found_at: dict[str, int] = {}
    for line in list(lines(path, dialect))[1:]:
        error = line.error or wrong_length(line.cells, columns)
        if error:
            raise TableError(f"{path.name}, line {line.number}: {error}")
        row = dict(zip(columns, line.cells, strict=True))
        if row[key] in rows:
            first = found_at[row[key]]
            raise TableError(
                f"{path.name}: lines {first} and {line.number} have the same '{key}'; expected one line each"
            )
        rows[row[key]], found_at[row[key]] = row, line.number
    return Table(columns, rows)


def wrong_length(cells: list[str], columns: list[str]) -> str | None:
    """What is wrong with the number of cells, or None."""
    return None if len(cells) == len(columns) else f"expected {len(columns)} cells as in the header, found {len(cells)}"


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_encoded(dialect: Dialect) -> str:
    return (
        f"not {dialect.encoding} text; name the file's encoding in the mapping as csv: {{encoding: cp1252}} or another"
    )
