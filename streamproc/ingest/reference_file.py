"""Reference file: roster, stages and exchange rates, and later targets, as YAML for people or as canonical events.

    reps:       [{rep: ann, name: Ann Lee, team: dach-1, region: DACH, valid_from: 2024-07-01}]
    teams:      [{team: dach-1, name: DACH one, region: DACH}]
    stages:     [{stage: qualified, order: 2, probability: 0.3, qualified: true}]
    rates:      [{currency: USD, rate: 0.92, valid_from: 2024-01-01}]
    targets:    [{kpi: revenue_eur, group: {rep: ann}, window: month, value: 50000}]
    thresholds: [{kpi: win_ratio, window: 30d, warning: 0.25, critical: 0.2, min_samples: 20}]

Each entry has the fields of its event in `event_data`. Everything wrong in a file is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from streamproc.codec import Rejection, decode_reference
from streamproc.events import EVENTS
from streamproc.facts.fact import DIMENSIONS
from streamproc.ingest.cells import NumberFormat, TimeFormat, converter, kind_of
from streamproc.ingest.mapping_file import Checker, MappingErrors, Node, Problem, hint
from streamproc.windows.calendar import WINDOWS

SECTIONS = {
    "reps": "rep.defined",
    "teams": "team.defined",
    "stages": "stage.defined",
    "rates": "fx.rate",
    "targets": "target.set",
    "thresholds": "threshold.set",
}
# Subjects: what an entry defines. Fields of which one is missing are left out.
SUBJECTS = {
    "reps": ("rep", "rep"),
    "teams": ("team", "team"),
    "stages": ("stage", "pipeline", "stage"),
    "rates": ("fx", "currency"),
    "targets": ("target", "kpi", "group", "window", "period"),
    "thresholds": ("threshold", "kpi", "group", "window"),
}


def load(path: Path | str, now_ms: int, zone: str = "UTC") -> list[bytes]:
    """The file as events of `sales.reference`, one JSON text each.

    `.ndjson` and `.jsonl` files hold such events already; anything else is YAML. `now_ms` becomes the time of the
    events made of YAML. In `valid_from`, a date without time is the start of that day in `zone`.
    Raises MappingErrors with everything that is wrong, OSError if the file cannot be read.
    """
    path = Path(path)
    if path.suffix in (".ndjson", ".jsonl"):
        return _events(path)
    check = Checker(path)
    made = _Loader(check, datetime.fromtimestamp(now_ms / 1000, UTC), zone).events(check.root(", ".join(SECTIONS)))
    check.finish()
    return made


def _events(path: Path) -> list[bytes]:
    lines = [(number, line.strip()) for number, line in enumerate(path.read_bytes().splitlines(), 1) if line.strip()]
    found = [(number, decode_reference(line)) for number, line in lines]
    problems = [Problem("", event.error, number) for number, event in found if isinstance(event, Rejection)]
    if problems:
        raise MappingErrors(path, problems)
    return [line for _, line in lines]


@dataclass
class _Loader:
    """One reading of a YAML file."""

    check: Checker
    time: datetime
    zone: str
    lines: dict[str, int] = field(default_factory=dict)  # where each id was given

    def events(self, root: Node) -> list[bytes]:
        top = self.check.keys(root, ("source", *SECTIONS))
        source = self.check.text(top.pop("source")) if "source" in top else f"reference/{self.check.path.name}"
        made = []
        for section, node in top.items():
            if not isinstance(node.value, list):
                self.check.fail(node, f"expected a list of entries, each `- {SUBJECTS[section][1]}: …`")
                continue
            made += [event for item in node.value if (event := self._event(section, item, source))]
        return made

    def _event(self, section: str, node: Node, source: str) -> bytes | None:
        row = EVENTS[SECTIONS[section]]
        fields = {one.name: one for one in msgspec.structs.fields(row.data)}
        problems = len(self.check.problems)
        required = tuple(name for name, one in fields.items() if one.required)
        given = self.check.keys(node, tuple(fields), required)
        data = {name: self._value(entry, fields[name].type) for name, entry in given.items()}
        if len(self.check.problems) > problems:
            return None
        subject = _subject(section, msgspec.to_builtins(msgspec.convert(data, row.data)))
        event_id = f"{subject}@{_since(data.get('valid_from'))}"
        if event_id in self.lines:
            self.check.fail(node, f"defined in line {self.lines[event_id]} already; tell them apart by valid_from")
        self.lines[event_id] = node.line
        body = {"id": event_id, "source": source, "type": row.name, "time": self.time, "subject": subject}
        return msgspec.json.encode({"specversion": "1.0", **body, "data": data})

    def _value(self, node: Node, annotation: Any) -> Any:
        kind = kind_of(annotation)
        if isinstance(kind, msgspec.inspect.DictType):
            return self._group(node)
        text = self.check.text(node)
        convert = converter(kind, NumberFormat(), TimeFormat("iso", self.zone))
        if not text or convert is None:
            return None
        try:
            value = msgspec.convert(convert(text), annotation)
        except msgspec.ValidationError as error:
            self.check.fail(node, f"'{text}' will not do: {error}")
            return None
        except ValueError as error:
            self.check.fail(node, f"{error}, found '{text}'")
            return None
        if node.place.endswith(".window") and value not in WINDOWS:
            self.check.fail(node, f"unknown window '{value}'{hint(text, WINDOWS)}; expected {', '.join(WINDOWS)}")
        return value

    def _group(self, node: Node) -> dict[str, str]:
        entries = self.check.keys(node, DIMENSIONS)
        if len(entries) > 1:
            self.check.fail(node, "expected one dimension")
        return {name: self.check.text(entry) for name, entry in entries.items()}


def _since(valid_from: Any) -> str:
    """From when an entry holds; part of its id."""
    return valid_from.isoformat() if valid_from is not None else "always"


def _subject(section: str, data: dict[str, Any]) -> str:
    family, *names = SUBJECTS[section]
    defaults = {"pipeline": "default"}
    values = [data.get(name, defaults.get(name)) for name in names]
    parts = [",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value for value in values]
    return "/".join([family, *filter(None, parts)])
