"""Rules: a checked mapping, as the importer uses it."""

from __future__ import annotations

from collections.abc import Mapping as Entries
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamproc.events import EventType
from streamproc.ingest.cells import Convert
from streamproc.ingest.csv_file import Dialect


@dataclass(frozen=True)
class Lookup:
    """Another CSV file, found by the cell in the column `by`."""

    name: str
    by: str
    file: str
    columns: tuple[str, ...]
    rows: Entries[str, Entries[str, str]]


@dataclass(frozen=True)
class Value:
    """Where a field's value comes from: a column, a lookup's column, or (both None) `constant`."""

    convert: Convert = str
    column: str | None = None
    lookup: Lookup | None = None
    constant: Any = None
    required: bool = False
    secret: bool = False  # pseudonymised: replaced before it leaves, and never quoted in a message


@dataclass(frozen=True)
class Condition:
    """Holds if the cell is one of `values`, or none of them if `negated`."""

    column: str
    values: frozenset[str]
    negated: bool

    def holds(self, row: Entries[str, str]) -> bool:
        return (row[self.column] in self.values) != self.negated


@dataclass(frozen=True)
class EventRule:
    """One event that a row may make. `name` tells apart several rules of one type."""

    type: EventType
    name: str
    time_columns: tuple[str, ...]
    time: Convert
    when: tuple[Condition, ...]
    data: Entries[str, Value]


@dataclass(frozen=True)
class Mapping:
    """A checked mapping, with its lookup files read."""

    path: Path
    source: str
    dialect: Dialect
    id: tuple[str, ...]
    aliases: Entries[str, Entries[str, str]]
    pseudonymised: frozenset[str]  # columns and `lookup.column`s
    events: tuple[EventRule, ...]
    columns: frozenset[str]  # those used
