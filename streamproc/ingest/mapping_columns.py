"""Mapping, first half: the CSV files, their columns, and how cells are written."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from streamproc.ingest import csv_file
from streamproc.ingest.cells import NumberFormat, TimeFormat
from streamproc.ingest.csv_file import Dialect
from streamproc.ingest.mapping_file import Checker, Node, hint
from streamproc.ingest.rules import Lookup

CSV_KEYS, LOOKUP_KEYS = ("delimiter", "encoding"), ("file", "key", "from", "delimiter", "encoding")
TIME_KEYS, NUMBER_KEYS = ("format", "zone"), ("decimal", "thousands", "unit", "times")


@dataclass
class Columns:
    """What can be named in a mapping, and the formats in force."""

    check: Checker
    csv_path: Path
    dialect: Dialect = field(default_factory=Dialect)
    header: list[str] | None = None  # None: not readable, and so no column is judged
    time: TimeFormat = field(default_factory=TimeFormat)
    number: NumberFormat = field(default_factory=NumberFormat)
    lookups: dict[str, Lookup] = field(default_factory=dict)
    pseudonymised: frozenset[str] = frozenset()
    used: set[str] = field(default_factory=set)

    def read(self, top: dict[str, Node], nothing: Node) -> None:
        """Takes in `csv`, `time`, `numbers`, `lookups` and `pseudonymise`, in the order in which they are needed."""
        self.dialect = self._dialect(top.get("csv", nothing), CSV_KEYS)
        self.header = self._header(top.get("csv", nothing))
        self.time = self.time_format(top.get("time", nothing), TIME_KEYS)
        self.number = self.number_format(top.get("numbers", nothing), NUMBER_KEYS)
        self.lookups = {name: self._lookup(name, node) for name, node in self.check.named(top.get("lookups", nothing))}
        pseudonymise = self.check.items(top["pseudonymise"]) if "pseudonymise" in top else []
        self.pseudonymised = frozenset(self.reference(node) for node in pseudonymise)

    def _dialect(self, node: Node, allowed: tuple[str, ...]) -> Dialect:
        keys = self.check.keys(node, allowed)
        delimiter, encoding = self.dialect.delimiter, self.dialect.encoding
        if "delimiter" in keys:
            delimiter = self.check.text(keys["delimiter"])
            delimiter = "\t" if delimiter in ("tab", "\\t") else delimiter
            if len(delimiter) != 1 or delimiter in '"\r\n':
                self.check.fail(keys["delimiter"], "expected one character such as ';', or tab")
                delimiter = self.dialect.delimiter
        if "encoding" in keys:
            encoding = self.check.text(keys["encoding"])
            try:
                codecs.lookup(encoding)
            except (LookupError, ValueError):
                self.check.fail(keys["encoding"], f"unknown encoding '{encoding}'; expected utf-8, cp1252, utf-16 …")
                encoding = self.dialect.encoding
        return Dialect(delimiter, encoding)

    def _header(self, node: Node) -> list[str] | None:
        try:
            return csv_file.header(self.csv_path, self.dialect)
        except csv_file.TableError as error:
            self.check.fail(replace(node, place="csv"), str(error))
            return None

    def _lookup(self, name: str, node: Node) -> Lookup:
        keys = self.check.keys(node, LOOKUP_KEYS, required=("file", "key"))
        file = self.check.text(keys["file"]) if "file" in keys else ""
        key = self.check.text(keys["key"]) if "key" in keys else ""
        dialect = self._dialect(node, LOOKUP_KEYS)
        if "." in name:
            self.check.fail(node, "expected a name without a dot, as it stands before the dot in `lookup: name.column`")
        by = self.column(keys.get("from") or keys["key"]) if key else ""
        found = self._table(keys, self.csv_path.parent / file, dialect, key) if file and key else csv_file.Table([], {})
        return Lookup(name, by, file, tuple(found.columns), found.rows)

    def _table(self, keys: dict[str, Node], path: Path, dialect: Dialect, key: str) -> csv_file.Table:
        """The lookup's file; without columns if it cannot be used, so that none of them is judged."""
        try:
            table = csv_file.table(path, dialect, key)
        except csv_file.TableError as error:
            self.check.fail(keys["file"], str(error))
        except OSError as error:
            self.check.fail(keys["file"], f"cannot read '{path}': {error.strerror}; expected it beside the CSV file")
        else:
            if key not in table.columns:
                self.check.fail(keys["key"], missing_column(key, path.name, table.columns))
            return table
        return csv_file.Table([], {})

    def column(self, node: Node) -> str:
        """The name of a column of the CSV file."""
        name = self.check.text(node)
        if self.header is None or not name:
            return name
        if name not in self.header:
            self.check.fail(node, missing_column(name, self.csv_path.name, self.header))
        elif self.header.count(name) > 1:
            self.check.fail(node, f"{self.csv_path.name} has more than one column '{name}'; rename all but one")
        self.used.add(name)
        return name

    def columns(self, node: Node) -> tuple[str, ...]:
        """One column or a list of them."""
        if not node.value:
            self.check.fail(node, "expected a column or a list of columns")
        return tuple(self.column(item) for item in self.check.items(node) if node.value)

    def lookup_column(self, node: Node, reference: str) -> tuple[Lookup | None, str]:
        """The two parts of `lookup.column`."""
        name, _, column = reference.partition(".")
        lookup = self.lookups.get(name)
        if lookup is None:
            known = f"lookups: {', '.join(self.lookups) or 'none'}"
            self.check.fail(node, f"no lookup '{name}'{hint(name, self.lookups)}; expected lookup.column; {known}")
        elif lookup.columns and column not in lookup.columns:
            self.check.fail(node, missing_column(column, lookup.file, lookup.columns))
        return lookup, column

    def reference(self, node: Node) -> str:
        """A column, or `lookup.column`."""
        name = self.check.text(node)
        if "." in name and name.partition(".")[0] in self.lookups and name not in (self.header or ()):
            self.lookup_column(node, name)
            return name
        return self.column(node)

    def aliases(self, node: Node) -> dict[str, dict[str, str]]:
        """Per column: what stands for a cell."""
        aliases = {}
        for column, entry in self.check.named(node):
            self.column(replace(entry, value=column))
            aliases[column] = {found: str(alias.value) for found, alias in self.check.named(entry)}
            for alias in self.check.entries(entry).values():
                if not isinstance(alias.value, str):
                    self.check.fail(alias, "expected text")
        return aliases

    def time_format(self, node: Node, allowed: tuple[str, ...]) -> TimeFormat:
        """The format in force, with what the node says in its place."""
        keys = self.check.keys(node, allowed)
        found = {key: self.check.text(keys[key]) for key in TIME_KEYS if key in keys}
        time = replace(self.time, **{key: text for key, text in found.items() if text})
        error = time.error() if "format" in found else None
        if error:
            self.check.fail(keys["format"], f"'{time.format}': {error}")
            time = replace(time, format="iso")
        if "zone" in found and not _is_zone(time.zone):
            advice = f"{hint(time.zone, _zones())}; expected UTC, Europe/Berlin or another name of the IANA list"
            self.check.fail(keys["zone"], f"unknown time zone '{time.zone}'{advice}")
            time = replace(time, zone="UTC")
        return time

    def number_format(self, node: Node, allowed: tuple[str, ...]) -> NumberFormat:
        """The format in force, with what the node says in its place."""
        keys = self.check.keys(node, allowed)
        found: dict[str, Any] = {key: str(keys[key].value) for key in NUMBER_KEYS if key in keys}
        if "times" in found:
            try:
                found["times"] = Decimal(found["times"])
            except InvalidOperation:
                self.check.fail(keys["times"], f"expected a number such as 60 or 0.01, found '{found['times']}'")
                del found["times"]
        number = replace(self.number, **found)
        error = number.error()
        if error:
            self.check.fail(node, error)
        return NumberFormat() if error else number


def missing_column(name: str, file: str, columns: Sequence[str]) -> str:
    """The complaint about a column that is not there, with what may have been meant."""
    sign = next((sign for sign in ";\t|," if len(columns) == 1 and sign in columns[0]), None)
    advice = f" (is the delimiter {sign!r}? Then say csv: {{delimiter: {sign!r}}})" if sign else hint(name, columns)
    return f"no column '{name}' in {file}{advice}; columns: {', '.join(columns)}"


@cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return bool(re.search(r"\w", name))
