"""Mapping file: YAML as a tree of nodes that know their place, and the list of everything wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

MAX_DEPTH = 20


class Problem(NamedTuple):
    """Something wrong in a mapping: where (`events[1].time.column`), what would be right, and the line if known."""

    place: str
    message: str
    line: int | None = None


class MappingErrors(Exception):
    """A mapping that cannot be used, with everything that is wrong with it."""

    def __init__(self, path: Path | str, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = list(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        return "\n".join(
            f"{self.path}{f':{line}' if line else ''}: {f'{place}: ' if place else ''}{message}"
            for place, message, line in self.problems
        )


@dataclass(frozen=True)
class Node:
    """A piece of YAML. Scalars are text whatever they look like, so that a currency `NO` is not `false`."""

    place: str
    line: int
    value: str | list[Node] | dict[str, Node]

    def of(self, key: str) -> Node:
        """The entry `key` of a mapping, or the node itself: a place to hang a problem on."""
        return self.value.get(key, self) if isinstance(self.value, dict) else self


class Checker:
    """Reads nodes and collects problems; what it returns after a problem is a harmless stand-in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def fail(self, node: Node, message: str) -> None:
        problem = Problem(node.place, message, node.line)
        if problem not in self.problems:
            self.problems.append(problem)

    def finish(self) -> None:
        """Raises MappingErrors if there was any problem."""
        if self.problems:
            raise MappingErrors(self.path, sorted(self.problems, key=lambda problem: problem.line or 0))

    def root(self, expected: str = "at least id and events") -> Node:
        """The file's tree. `expected` is said of an empty file. Raises MappingErrors if it is no YAML, OSError."""
        try:
            root = yaml.compose(self.path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise MappingErrors(self.path, [Problem("", f"not YAML: {error.problem}", line)]) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise MappingErrors(self.path, [Problem("", f"not YAML in UTF-8: {error}")]) from None
        if root is None:
            raise MappingErrors(self.path, [Problem("", f"is empty; expected {expected}")])
        return self._node(root, "", 0)

    def _node(self, found: yaml.Node, place: str, depth: int) -> Node:
        line = found.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise MappingErrors(self.path, [Problem(place, "nested too deeply, or contains itself", line)])
        if isinstance(found, yaml.MappingNode):
            return Node(place, line, self._entries(found, place, depth))
        if isinstance(found, yaml.SequenceNode):
            items = [self._node(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(found.value)]
            return Node(place, line, items)
        empty = found.tag == "tag:yaml.org,2002:null"
        return Node(place, line, "" if empty else str(found.value))

    def _entries(self, found: yaml.MappingNode, place: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key_node, value_node in found.value:
            key = str(key_node.value).strip()
            node = self._node(value_node, f"{place}.{key}" if place else key, depth + 1)
            if key in entries:
                self.fail(Node(node.place, key_node.start_mark.line + 1, ""), "given twice; expected once")
            entries[key] = Node(node.place, key_node.start_mark.line + 1, node.value)
        return entries

    def entries(self, node: Node) -> dict[str, Node]:
        """Entries of a YAML mapping with any keys."""
        if isinstance(node.value, dict):
            return node.value
        if node.value != "":
            self.fail(node, "expected entries `name: …`")
        return {}

    def named(self, node: Node) -> list[tuple[str, Node]]:
        """The same, in their order."""
        return list(self.entries(node).items())

    def keys(self, node: Node, allowed: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Node]:
        """Entries of a YAML mapping with known keys."""
        entries = self.entries(node)
        for key, entry in entries.items():
            if key not in allowed:
                self.fail(entry, f"unknown key '{key}'{hint(key, allowed)}; expected {', '.join(allowed)}")
        for key in required:
            if key not in entries:
                self.fail(node, f"'{key}' is missing")
        return {key: entry for key, entry in entries.items() if key in allowed}

    def text(self, node: Node) -> str:
        """Text; empty after a problem."""
        if isinstance(node.value, str) and node.value:
            return node.value
        self.fail(node, "expected text")
        return ""

    def items(self, node: Node) -> list[Node]:
        """One value or a list of values, as a list."""
        return node.value if isinstance(node.value, list) else [node]


def hint(word: str, known: Iterable[str]) -> str:
    """` (did you mean '…'?)` for a word close to a known one, else nothing."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f" (did you mean '{by_lower[close[0]]}'?)" if close else ""
