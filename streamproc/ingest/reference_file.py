"""Reference file: roster, stages, exchange rates, targets and thresholds, as YAML for people or as canonical events.

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
from streamproc.event_data import Target
from streamproc.events import EVENTS, Event, to_ms
from streamproc.facts.fact import DIMENSIONS
from streamproc.facts.targets import target_key
from streamproc.ingest.cells import NumberFormat, TimeFormat, converter, kind_of
from streamproc.ingest.mapping_file import Checker, MappingErrors, Node, Problem
from streamproc.kpis.limits import TargetCheck

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
    "targets": ("target", "kpi", "group", "window"),
    "thresholds": ("threshold", "kpi", "group", "window"),
}
_TWICE = "defined in line {line} already; tell them apart by valid_from"


def load(path: Path | str, now_ms: int, targets: TargetCheck, zone: str = "UTC") -> list[bytes]:
    """The file as events of `sales.reference`, one JSON text each.

    `.ndjson` and `.jsonl` files hold such events already; anything else is YAML. `now_ms` becomes the time of the
    events made of YAML. In `valid_from`, a date without time is the start of that day in `zone`.
    Raises MappingErrors with everything that is wrong, OSError if the file cannot be read.
    """
    path = Path(path)
    if path.suffix in (".ndjson", ".jsonl"):
        return _events(path, targets)
    check = Checker(path)
    made = _Loader(check, datetime.fromtimestamp(now_ms / 1000, UTC), targets, zone).events(
        check.root(", ".join(SECTIONS))
    )
    check.finish()
    return made


def reference_event(section: str, data: dict[str, Any], now_ms: int, source: str) -> bytes:
    """One entry of a section as an event. `data` has the fields of the event's struct."""
    return _event(section, data, datetime.fromtimestamp(now_ms / 1000, UTC), source)


def _event(section: str, data: dict[str, Any], time: datetime, source: str) -> bytes:
    row = EVENTS[SECTIONS[section]]
    subject = _subject(section, msgspec.convert(data, row.data))
    event_id = f"{subject}@{_since(data.get('valid_from'))}"
    body = {"id": event_id, "source": source, "type": row.name, "time": time, "subject": subject}
    return msgspec.json.encode({"specversion": "1.0", **body, "data": data})


def _events(path: Path, targets: TargetCheck) -> list[bytes]:
    lines = [(number, line.strip()) for number, line in enumerate(path.read_bytes().splitlines(), 1) if line.strip()]
    problems: list[Problem] = []
    seen: dict[tuple[Any, ...], int] = {}
    for number, line in lines:
        found = decode_reference(line)
        if isinstance(found, Rejection):
            problems.append(Problem("", found.error, number))
            continue
        if wrong := targets.wrong(found):
            problems.append(Problem("", wrong, number))
        first = seen.setdefault(_overlap(found), number) if isinstance(found.data, Target) else number
        if first != number:
            problems.append(Problem("", _TWICE.format(line=first), number))
    if problems:
        raise MappingErrors(path, problems)
    return [line for _, line in lines]


def _overlap(event: Event) -> tuple[Any, ...]:
    """What two targets, or two thresholds, of a file may not have in common."""
    valid_from = event.data.valid_from
    return event.type, target_key(event.data), None if valid_from is None else to_ms(valid_from)


@dataclass
class _Loader:
    """One reading of a YAML file."""

    check: Checker
    time: datetime
    targets: TargetCheck
    zone: str
    lines: dict[tuple[str, int | None], int] = field(default_factory=dict)  # where each was given, by its time

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
        struct = msgspec.convert(data, row.data)
        if isinstance(struct, Target):
            for name, wrong in self.targets.problems(row.name, struct):
                self.check.fail(node.of(name), wrong)
        valid_from = data.get("valid_from")
        place = _subject(section, struct), None if valid_from is None else to_ms(valid_from)
        if place in self.lines:
            self.check.fail(node, _TWICE.format(line=self.lines[place]))
        self.lines[place] = node.line
        return _event(section, data, self.time, source)

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
        return value

    def _group(self, node: Node) -> dict[str, str]:
        entries = self.check.keys(node, DIMENSIONS)
        if len(entries) > 1:
            self.check.fail(node, "expected one dimension")
        return {name: self.check.text(entry) for name, entry in entries.items()}


def _since(valid_from: Any) -> str:
    """From when an entry holds; part of its id."""
    return valid_from.isoformat() if valid_from is not None else "always"


def _subject(section: str, data: Any) -> str:
    """What an entry is of: the topic keeps the latest of a subject and time."""
    family, *names = SUBJECTS[section]
    if isinstance(data, Target):  # the period `month` and the window `month` are the same
        return "/".join([family, *filter(None, target_key(data))])
    defaults = {"pipeline": "default"}
    values = [getattr(data, name) or defaults.get(name) for name in names]
    return "/".join([family, *filter(None, values)])
