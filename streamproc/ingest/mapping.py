"""Mapping: what a CSV export's columns mean as events. Written as YAML, see docs/import.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from streamproc.events import EVENTS, EventType
from streamproc.ingest.cells import Convert, NumberFormat, TimeFormat, converter, kind_of
from streamproc.ingest.mapping_columns import NUMBER_KEYS, TIME_KEYS, Columns
from streamproc.ingest.mapping_file import Checker, MappingErrors, Node, Problem, hint
from streamproc.ingest.rules import Condition, EventRule, Lookup, Mapping, Value

__all__ = ["Mapping", "MappingErrors", "Problem", "load_mapping"]

TOP = ("source", "csv", "time", "numbers", "id", "aliases", "lookups", "pseudonymise", "constants", "events")
EVENT_KEYS = ("type", "name", "time", "when", "data")


def load_mapping(path: Path | str, csv_path: Path | str) -> Mapping:
    """The mapping in a YAML file, for a CSV file: the columns it names must be there.

    Lookup files are found beside the CSV file. Raises MappingErrors with everything that is wrong, OSError if one of
    the two files cannot be read.
    """
    path, csv_path = Path(path), Path(csv_path)
    check = Checker(path)
    mapping = _Loader(check, Columns(check, csv_path)).mapping(check.root())
    check.finish()
    return mapping


@dataclass
class _Loader:
    """One reading of a mapping."""

    check: Checker
    columns: Columns

    def mapping(self, root: Node) -> Mapping:
        top = self.check.keys(root, TOP, required=("id", "events"))
        nothing = Node("", root.line, {})
        self.columns.read(top, nothing)
        default_source = f"import/{quote(self.columns.csv_path.name)}"
        return Mapping(
            path=self.check.path,
            source=self.check.text(top["source"]) if "source" in top else default_source,
            dialect=self.columns.dialect,
            id=self.columns.columns(top["id"]) if "id" in top else (),
            aliases=self.columns.aliases(top.get("aliases", nothing)),
            pseudonymised=self.columns.pseudonymised,
            events=self._events(top["events"], top.get("constants", nothing)) if "events" in top else (),
            columns=frozenset(self.columns.used),
        )

    def _events(self, node: Node, constants: Node) -> tuple[EventRule, ...]:
        if not isinstance(node.value, list) or not node.value:
            self.check.fail(node, "expected a list of events, each `- type: …`")
            return ()
        found = [(item, self._event(item, constants)) for item in node.value]
        rules = [rule for _, rule in found if rule]
        seen: set[tuple[str, str]] = set()
        for item, rule in found:
            if rule and (rule.type.name, rule.name) in seen:
                self.check.fail(item, f"second event of type {rule.type.name}: tell them apart by a `name` of its own")
            if rule:
                seen.add((rule.type.name, rule.name))
        fields = {name for rule in rules for name in rule.type.data.__struct_fields__}
        for name, entry in self.check.named(constants):
            if rules and name not in fields:
                self.check.fail(entry, f"none of the events has a field '{name}'{hint(name, fields)}")
        return tuple(rules)

    def _event(self, node: Node, constants: Node) -> EventRule | None:
        keys = self.check.keys(node, EVENT_KEYS, required=("type", "time", "data"))
        row = self._type(keys["type"]) if "type" in keys else None
        name = self.check.text(keys["name"]) if "name" in keys else ""
        columns, time = self._event_time(keys["time"]) if "time" in keys else ((), str)
        conditions = self.check.named(keys["when"]) if "when" in keys else []
        when = tuple(self._condition(column, entry) for column, entry in conditions)
        data = self._data(row, keys["data"], constants) if "data" in keys else {}
        return EventRule(row, name, columns, time, when, data) if row else None

    def _type(self, node: Node) -> EventType | None:
        name = self.check.text(node)
        if name and name not in EVENTS:
            family = [known for known in EVENTS if known.partition(".")[0] == name.partition(".")[0]] or list(EVENTS)
            expected = f"{hint(name, EVENTS)}; expected one of {', '.join(family)}"
            self.check.fail(node, f"unknown event type '{name}'{expected}")
        return EVENTS.get(name)

    def _event_time(self, node: Node) -> tuple[tuple[str, ...], Convert]:
        if not isinstance(node.value, dict):
            return self.columns.columns(node), self.columns.time.convert()
        if "column" not in node.value:
            self.check.fail(node, "expected a column, or {column: …, format: …, zone: …}")
        columns = self.columns.columns(node.of("column")) if "column" in node.value else ()
        return columns, self.columns.time_format(node, ("column", *TIME_KEYS)).convert()

    def _condition(self, column: str, node: Node) -> Condition:
        self.columns.column(replace(node, value=column))
        if not isinstance(node.value, dict):
            return Condition(column, self._values(node), negated=False)
        if len(node.value) != 1:
            self.check.fail(node, "expected one of not, empty, not_empty")
        negated, values = False, frozenset({""})
        for key, entry in self.check.keys(node, ("not", "empty", "not_empty")).items():
            if key == "not":
                negated, values = True, self._values(entry)
            elif entry.value not in ("true", "false"):
                self.check.fail(entry, "expected true or false")
            else:
                negated = (key == "not_empty") == (entry.value == "true")
        return Condition(column, values, negated)

    def _values(self, node: Node) -> frozenset[str]:
        return frozenset(self.check.text(item).strip() for item in self.check.items(node))

    def _data(self, row: EventType | None, node: Node, constants: Node) -> dict[str, Value]:
        fields = {found.name: found for found in msgspec.structs.fields(row.data)} if row else {}
        given = self.check.entries(node)
        for name, entry in given.items():
            if name not in fields:
                self._reference(entry)  # so that its column is checked all the same
                if row:
                    listed = f"{hint(name, fields)}; fields: {', '.join(fields)}"
                    self.check.fail(entry, f"{row.name} has no field '{name}'{listed}")
        both = {name: (entry, True) for name, entry in self.check.entries(constants).items() if name in fields}
        both |= {name: (entry, False) for name, entry in given.items() if name in fields}
        missing = [name for name, found in fields.items() if found.required and name not in both]
        if row and missing:
            self.check.fail(node, f"{row.name} needs {', '.join(missing)}")
        return {name: self._value(entry, fields[name], is_constant) for name, (entry, is_constant) in both.items()}

    def _value(self, node: Node, found: msgspec.structs.FieldInfo, is_constant: bool) -> Value:
        if is_constant:
            return self._constant(node, found.type)
        if isinstance(node.value, dict) and "value" in node.value:
            self.check.keys(node, ("value",))
            return self._constant(node.of("value"), found.type)
        name, lookup, column = self._reference(node)
        secret = name in self.columns.pseudonymised
        return Value(self._convert(node, found, secret), column, lookup, None, found.required, secret)

    def _reference(self, node: Node) -> tuple[str, Lookup | None, str]:
        """What a field of `data` refers to: its text, and the lookup and column that it means."""
        if not isinstance(node.value, dict):
            name = self.columns.column(node)
            return name, None, name
        ways = [key for key in ("column", "lookup") if key in node.value]
        if len(ways) != 1:
            if "value" not in node.value:
                self.check.fail(node, "expected a column, {column: …}, {lookup: name.column} or {value: …}")
            return "", None, ""
        reference = node.of(ways[0])
        if ways == ["column"]:
            name = self.columns.column(reference)
            return name, None, name
        name = self.check.text(reference)
        return name, *self.columns.lookup_column(reference, name)

    def _convert(self, node: Node, found: msgspec.structs.FieldInfo, secret: bool) -> Convert:
        """How the field's cells are read; the node may say how they are written."""
        kind = kind_of(found.type)
        options = node if isinstance(node.value, dict) else Node(node.place, node.line, {})
        number, time = self.columns.number, self.columns.time
        if isinstance(kind, msgspec.inspect.FloatType | msgspec.inspect.IntType):
            number = self.columns.number_format(options, ("column", "lookup", *NUMBER_KEYS))
        elif isinstance(kind, msgspec.inspect.DateTimeType):
            time = self.columns.time_format(options, ("column", "lookup", *TIME_KEYS))
        else:
            self.check.keys(options, ("column", "lookup"))
        if secret and not isinstance(kind, msgspec.inspect.StrType):
            self.check.fail(node, f"{found.name} is no text; a pseudonymised column can only fill a field of text")
        convert = converter(kind, number, time)
        if convert is None:
            self.check.fail(node, f"{found.name} cannot be filled from a CSV file")
        return convert or str

    def _constant(self, node: Node, annotation: Any) -> Value:
        text = self.check.text(node)
        convert = converter(kind_of(annotation), NumberFormat(), TimeFormat("iso", self.columns.time.zone))
        if convert is None:
            self.check.fail(node, "this field cannot be filled from a CSV file")
        elif text:
            try:
                return Value(constant=msgspec.convert(convert(text), annotation))
            except (ValueError, msgspec.ValidationError) as error:
                self.check.fail(node, f"'{text}' will not do: {error}")
        return Value()
