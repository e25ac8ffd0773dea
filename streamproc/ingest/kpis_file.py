"""File of people's own KPIs: YAML as declarations (`kpis/own.py`), and everything that is wrong with it, by line.

kpis:
  - name: demo_share_ratio
    kind: ratio
    part: meeting_demo
    whole: meeting_held
    title_en: Share of demos
    title_de: Anteil der Demos
    means: Share of meetings held that were demos.
    events: [meeting.held]
    by: [rep, team]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from streamproc.ingest.mapping_file import Checker, MappingErrors, Node, Problem, hint
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import Catalogue, Kpi
from streamproc.kpis.own import KINDS, Declared, OwnCount, build

_EXPECTED = {
    "q": "a share between 0 and 1, such as 0.9",
    "limit_s": "whole seconds",
    "weights": "entries `fact: points` with whole points, up to a million",
    "events": "a list of event types",
    "by": "a list of dimensions",
}
_STAND_IN: dict[str, Any] = {"q": 0.5, "limit_s": 3600, "weights": {}, "events": [], "by": []}


class OwnKpiErrors(MappingErrors):
    """A file of KPIs that cannot be used, with everything that is wrong with it."""


def full_catalogue(currency: str, path: str = "") -> Catalogue:
    """The built-in KPIs, and those of a file. Raises OwnKpiErrors."""
    builtin = catalogue(currency)
    return Catalogue((*builtin.kpis, *load(Path(path), builtin, currency))) if path else builtin


def load(path: Path, builtin: Catalogue, currency: str) -> tuple[Kpi, ...]:
    """The KPIs of a file. Raises OwnKpiErrors with everything that is wrong."""
    check = Checker(path)
    try:
        found = _declarations(check, builtin, currency)
        check.finish()
    except MappingErrors as error:
        raise OwnKpiErrors(path, error.problems) from None
    except OSError as error:
        raise OwnKpiErrors(path, [Problem("", error.strerror or "cannot be read")]) from None
    return found


def _declarations(check: Checker, builtin: Catalogue, currency: str) -> tuple[Kpi, ...]:
    listed = check.keys(check.root("`kpis:` with a list of KPIs"), ("kpis",), ("kpis",)).get("kpis")
    if listed is None:
        return ()
    if not isinstance(listed.value, list):
        check.fail(listed, "expected a list of KPIs, each `- name: …`")
        return ()
    read = [_Declaration(check, node) for node in listed.value]
    kpis, mistakes = build([one.made for one in read], builtin, currency)
    for index, field, message in mistakes:
        read[index].wrong(field, message)
    return kpis


class _Declaration:
    """One entry of the file. What could not be read has a stand-in, so that the rest is checked all the same."""

    def __init__(self, check: Checker, node: Node) -> None:
        self.check, self.node = check, node
        self.bad: set[str] = set()
        if not isinstance(node.value, dict):
            check.fail(node, "expected entries `name: …`, `kind: …`")
            node = Node(node.place, node.line, {})
        entries = check.entries(node)
        name = entries["name"].value if "name" in entries else ""
        self.place = str(name) if isinstance(name, str) and name else node.place
        kind = self._kind(entries.get("kind")) if entries else ""
        made = KINDS.get(kind, OwnCount)
        self.known = kind in KINDS
        fields = {one.name: one for one in msgspec.structs.fields(made)}
        for key, entry in entries.items() if self.known else ():
            if key not in (*fields, "kind"):
                expected = f"expected {', '.join(('kind', *fields))}"
                self._fail(entry, key, f"unknown field{hint(key, fields)}; {expected}")
        data: dict[str, Any] = {}
        for key, field in fields.items():
            if key in entries:
                data[key] = self._value(key, entries[key], field.type)
            elif field.required:
                data[key] = _STAND_IN.get(key, "call" if not self.known else "")
                self.bad.add(key)
                if entries and (self.known or key != "of"):
                    self._fail(node, key, f"is missing; expected {_EXPECTED.get(key, 'text')}")
        self.made: Declared = made(**data)

    def wrong(self, field: str, message: str) -> None:
        """Note a mistake in what it says, unless the field could not even be read."""
        of_kind = field in ("unit", "of") or (field == "name" and "unit" in message)
        if field in self.bad or (of_kind and not self.known):
            return
        entry = self.node.of(field)
        self._fail(entry, field, message)

    def _fail(self, node: Node, field: str, message: str) -> None:
        self.check.fail(Node(f"{self.place}: {field}" if field else self.place, node.line, node.value), message)

    def _kind(self, node: Node | None) -> str:
        kind = node.value if node is not None else ""
        if not isinstance(kind, str) or kind not in KINDS:
            found = f"unknown kind '{kind}'{hint(kind, KINDS)}" if isinstance(kind, str) and kind else "is missing"
            self._fail(node or self.node, "kind", f"{found}; expected one of {', '.join(KINDS)}")
            return ""
        return kind

    def _value(self, key: str, node: Node, annotation: Any) -> Any:
        found = _plain(node)
        if found == "" and key in ("events", "by"):
            found = []
        try:
            return msgspec.convert(found, annotation, strict=False)
        except msgspec.ValidationError:
            self.bad.add(key)
            said = f", found '{found}'" if isinstance(found, str) else ""
            self._fail(node, key, f"expected {_EXPECTED.get(key, 'a name, or a list of names')}{said}")
            return _STAND_IN.get(key, "")


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(entry) for key, entry in node.value.items()}
    return [_plain(item) for item in node.value] if isinstance(node.value, list) else node.value
