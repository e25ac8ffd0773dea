"""CSV importer: the rows of an export as canonical events in time order.

Every event is decoded once more as a worker would decode it, so nothing leaves that would be rejected later. A row
is taken whole or not at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping as Entries
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from streamproc.events import EVENT_TOPICS, EVENTS, MAX_EVENT_BYTES, REFERENCE, decoder, subject_error
from streamproc.ingest.csv_file import Line, lines, wrong_length
from streamproc.ingest.mapping_file import MappingErrors, Problem
from streamproc.ingest.pseudonyms import KEY_VARIABLE, pseudonym
from streamproc.ingest.rules import EventRule, Lookup, Mapping, Value

PROGRESS_EVERY_ROWS = 10_000
PEOPLE = frozenset({"rep", "contact", "recipient"})  # fields that name a person: never by e-mail address
Row = Entries[str, str]


class BadRow(NamedTuple):
    """A row that made no events: the line it starts on (the header is line 1), and what was expected of it."""

    line: int
    reason: str


@dataclass
class Imported:
    """What came of a CSV file. `events`, `topics` and `subjects` (the Kafka keys) go together, in time order."""

    events: list[bytes] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    rows: int = 0  # bad ones included
    rows_without_events: int = 0  # rows for which no `when` held
    by_type: Counter[str] = field(default_factory=Counter)  # events of each type in the mapping


class _Made(NamedTuple):
    """One event on its way out."""

    time_ms: int
    id: str
    type: str
    subject: str
    body: bytes


class _RowError(ValueError):
    """Why a row makes no event."""


def read(
    csv_path: Path | str,
    mapping: Mapping,
    secret: bytes | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Imported:
    """All events of a CSV file. Events of one time keep the order of the file, then that of the mapping.

    `secret` is the key of the pseudonyms. Needs about 1 KB of memory per event. `on_progress` is told the number of
    rows read, every 10,000 rows and at the end. Raises MappingErrors if the mapping pseudonymises without a key or
    names columns that this file has not, OSError if the file cannot be read.
    """
    if mapping.pseudonymised and not secret:
        message = f"needs a secret key; set the environment variable {KEY_VARIABLE} (see docs/import.md)"
        raise MappingErrors(mapping.path, [Problem("pseudonymise", message)])
    found = lines(Path(csv_path), mapping.dialect)
    header = next(found, Line(1, [])).cells
    missing = sorted(mapping.columns - set(header))
    if missing:
        message = f"no column {', '.join(missing)} in {Path(csv_path).name}; columns: {', '.join(header)}"
        raise MappingErrors(mapping.path, [Problem("", message)])
    importer = _Importer(mapping, header, secret or b"")
    for line in found:
        importer.take(line)
        if on_progress and importer.result.rows % PROGRESS_EVERY_ROWS == 0:
            on_progress(importer.result.rows)
    if on_progress:
        on_progress(importer.result.rows)
    return importer.finish()


class _Importer:
    """One pass over a file."""

    def __init__(self, mapping: Mapping, header: list[str], secret: bytes) -> None:
        self.mapping = mapping
        self.header = header
        self.result = Imported(by_type=Counter({rule.type.name: 0 for rule in mapping.events}))
        self.made: list[_Made] = []
        self.line_of_id: dict[str, int] = {}
        self.decode = decoder(*EVENT_TOPICS, REFERENCE).decode
        self.encode = msgspec.json.Encoder().encode
        self.pseudonym = lru_cache(maxsize=65_536)(lambda value: pseudonym(value, secret))

    def take(self, line: Line) -> None:
        """One row: its events, or a bad row."""
        self.result.rows += 1
        error = line.error or wrong_length(line.cells, self.header)
        if error:
            self.result.bad.append(BadRow(line.number, error))
            return
        row = dict(zip(self.header, line.cells, strict=True))
        for column, names in self.mapping.aliases.items():
            row[column] = names.get(row[column], row[column])
        made, errors = [], []
        for rule in self.mapping.events:
            try:
                if all(condition.holds(row) for condition in rule.when):
                    made.append(self._event(rule, row))
            except _RowError as found:
                errors.append(f"{rule.type.name}: {found}")
        if errors:
            self.result.bad.append(BadRow(line.number, "; ".join(errors)))
            return
        self.result.rows_without_events += not made
        for event in made:
            self.made.append(event)
            self.line_of_id[event.id] = line.number
            self.result.by_type[event.type] += 1

    def finish(self) -> Imported:
        self.made.sort(key=lambda event: event.time_ms)  # stable: equal times stay in file order
        self.result.events = [event.body for event in self.made]
        self.result.topics = [EVENTS[event.type].topic for event in self.made]
        self.result.subjects = [event.subject for event in self.made]
        return self.result

    def _event(self, rule: EventRule, row: Row) -> _Made:
        errors: list[str] = []
        data = self._data(rule, row, errors)
        time = None
        try:
            time = _time(rule, row)
        except _RowError as error:
            errors.insert(0, str(error))
        row_id = "/".join(self._cell(column, row) for column in self.mapping.id)
        if not row_id.strip("/"):
            errors.insert(0, f"id: {_columns(self.mapping.id)} is empty; expected an id that stays the same")
        if errors:
            raise _RowError("; ".join(errors))
        event_id = ":".join(filter(None, (row_id, rule.type.name, rule.name)))
        if event_id in self.line_of_id:
            advice = "expected `id` to name columns that are unique together"
            raise _RowError(
                f"id: {_columns(self.mapping.id)} is the same as in line {self.line_of_id[event_id]}; {advice}"
            )
        subject = _subject(rule, row_id, data)
        body = self.encode(
            {
                "specversion": "1.0",
                "id": event_id,
                "source": self.mapping.source,
                "type": rule.type.name,
                "time": time,
                "subject": subject,
                "partitionkey": subject,
                "data": data,
            }
        )
        return _Made(self._checked(body, rule), event_id, rule.type.name, subject, body)

    def _data(self, rule: EventRule, row: Row, errors: list[str]) -> dict[str, Any]:
        data = {}
        for name, value in rule.data.items():
            try:
                found = self._value(name, value, row)
            except _RowError as error:
                errors.append(f"{name}: {error}")
                continue
            if found is not None:
                data[name] = found
        return data

    def _value(self, name: str, value: Value, row: Row) -> Any:
        """The field's value; None if its cell is empty. Raises _RowError."""
        if value.column is None:
            return value.constant
        cell = row[value.column] if value.lookup is None else self._looked_up(value.lookup, value.column, row)
        if not cell:
            if value.required:
                raise _RowError(f"{_place(value)} is empty, but the field is required")
            return None
        if value.secret:
            return self.pseudonym(cell)
        if name in PEOPLE and "@" in cell:
            raise _RowError(f"{_place(value)} holds an e-mail address; list it under `pseudonymise`")
        try:
            return value.convert(cell)
        except ValueError as error:
            raise _RowError(f"{_place(value)}: {error}, found {_shown(cell)}") from None

    def _looked_up(self, lookup: Lookup, column: str, row: Row) -> str:
        key = row[lookup.by]
        if key and key not in lookup.rows:
            shown = "the value" if lookup.by in self.mapping.pseudonymised else _shown(key)
            raise _RowError(f"column '{lookup.by}': {shown} is not in {lookup.file}; add it there or under `aliases`")
        return lookup.rows[key][column] if key else ""

    def _cell(self, column: str, row: Row) -> str:
        """A cell as it may leave."""
        cell = row[column]
        return self.pseudonym(cell) if cell and column in self.mapping.pseudonymised else cell

    def _checked(self, body: bytes, rule: EventRule) -> int:
        """The event's time in epoch ms. Raises _RowError if a worker would reject it."""
        try:
            event = self.decode(body)
        except msgspec.DecodeError as error:
            raise _RowError(_explained(str(error), rule)) from None
        error_text = subject_error(event)
        if len(body) > MAX_EVENT_BYTES:
            error_text = f"expected at most {MAX_EVENT_BYTES} bytes, found {len(body)}"
        if error_text:
            raise _RowError(error_text)
        return event.time_ms


def _time(rule: EventRule, row: Row) -> Any:
    cell = " ".join(filter(None, (row[column] for column in rule.time_columns)))
    if not cell:
        advice = "if such rows make no event, add a `when` with not_empty: true"
        raise _RowError(f"time: {_columns(rule.time_columns)} is empty; {advice}")
    try:
        return rule.time(cell)
    except ValueError as error:
        raise _RowError(f"time: {_columns(rule.time_columns)}: {error}, found {_shown(cell)}") from None


def _place(value: Value) -> str:
    """Where the value's cell is, for messages."""
    lookup = value.lookup
    if lookup is None:
        return f"column '{value.column}'"
    return f"column '{value.column}' of {lookup.file} (by '{lookup.by}')"


def _subject(rule: EventRule, row_id: str, data: dict[str, Any]) -> str:
    """What the event's type says its subject is; types with any subject get their customer's, else the row's."""
    family, *fields = rule.type.subject.split("/")
    if fields:
        return "/".join([family, *(str(data[name]) for name in fields)])
    if not family and data.get("customer"):
        return f"customer/{data['customer']}"
    return f"{family or rule.type.name.partition('.')[0]}/{row_id}"


def _explained(message: str, rule: EventRule) -> str:
    """The decoder's message, with the column that the field comes from."""
    place = re.search(r"`\$\.data\.(\w+)", message)
    value = rule.data.get(place[1]) if place else None
    return f"{message} (column '{value.column}')" if value and value.column else message


def _columns(names: tuple[str, ...]) -> str:
    return f"column '{names[0]}'" if len(names) == 1 else f"columns {', '.join(names)}"


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 60 else cell[:57] + "...")
