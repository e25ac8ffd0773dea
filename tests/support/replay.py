"""Drawn timelines: `replay` runs the pure pipeline over a few lines of text and answers what a KPI was.

    09:00              email.sent    m1 rep=ann campaign=q4
    2026-03-05 10:00   email.replied m1

After the time stand the type, the id of the subject and fields of `data`; `id=` and `source=` belong to the envelope.
Reference data has no time: `rep.defined ann team=north valid_from=2026-03-05`, `target.set revenue_eur group=rep=ann
window=7d value=100`. Times are local to `zone`.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import Any

from streamproc.backtest import Backtest, load_reference
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue
from support.build import DAY, event, ms, rfc3339

_NUMBERS = {"amount", "probability", "rate", "duration_s", "direct_cost", "mrr", "score", "scale", "count", "value"}
_FLAGS = {"machine", "is_won", "is_lost", "qualified", "active"}
_INSTANTS = {"first_contact_at", "valid_from"}
_NAMED = {
    "rep.defined": "rep", "team.defined": "team", "stage.defined": "stage", "fx.rate": "currency", "target.set": "kpi",
}  # fmt: skip


class Day:
    """A timeline; every question replays it up to the time asked for."""

    def __init__(self, lines: list[bytes], reference: Reference, zone: str, day: str, rejects: bool) -> None:
        self.lines, self.reference, self.zone, self.day, self.rejects = lines, reference, zone, day, rejects
        self.catalogue = catalogue(reference.currency)
        self._runs: dict[int, tuple[dict[tuple[str, str, str | None], KpiValue], Counter[tuple[str, ...]]]] = {}

    def row(self, kpi: str, window: str | None = None, *, at: str, **group: str) -> KpiValue:
        """Value, numerator, denominator and n. Raises KeyError where there is no such series."""
        rows, key = self._at(at)[0], self._key(kpi, window, group)
        if key not in rows:
            known = sorted({f"{group or 'company'}/{window}" for name, group, window in rows if name == kpi})
            raise KeyError(f"{key} at {at}; there are {known or 'none of this KPI'}")
        return rows[key]

    def value(self, kpi: str, window: str | None = None, *, at: str, **group: str) -> float | None:
        """The value; None where it is undefined. Raises KeyError where there is no such series."""
        return self.row(kpi, window, at=at, **group).value

    def has(self, kpi: str, window: str | None = None, *, at: str, **group: str) -> bool:
        """Whether there is such a series."""
        return self._key(kpi, window, group) in self._at(at)[0]

    def groups(self, kpi: str, window: str | None = None, *, at: str) -> dict[str, float | None]:
        """Values of all groups, by group ("" is the company)."""
        return {group: row.value for (name, group, w), row in self._at(at)[0].items() if (name, w) == (kpi, window)}

    def counts(self, at: str) -> Counter[tuple[str, ...]]:
        """What happened up to a time, by kind and labels: duplicates, rejections, anomalies."""
        return self._at(at)[1]

    def _key(self, kpi: str, window: str | None, group: dict[str, str]) -> tuple[str, str, str | None]:
        self.catalogue[kpi]  # a wrong name may not pass for an absent series
        (name,) = [f"{dimension}={value}" for dimension, value in group.items()] or [""]
        return kpi, name, window

    def _at(self, at: str) -> tuple[dict[tuple[str, str, str | None], KpiValue], Counter[tuple[str, ...]]]:
        at_ms = ms(at, day=self.day, zone=self.zone)
        if at_ms not in self._runs:
            run = Backtest(self.lines, self.catalogue, self.reference, self.zone)
            ((_, values),) = run.at([at_ms])
            rejected = {key: n for key, n in run.counts.items() if key[0] == "rejected"}
            assert self.rejects or not rejected, f"the timeline has events that are not taken: {rejected}"
            self._runs[at_ms] = {(v.kpi, v.group, v.window): v for v in values}, run.counts
        return self._runs[at_ms]


def replay(
    text: str,
    *,
    zone: str = "UTC",
    reference: str = "",
    day: str = DAY,
    currency: str = "EUR",
    stages: tuple[str, ...] = (),
    rejects: bool = False,
) -> Day:
    """A timeline of drawn events. `rejects`: whether some of them are meant not to be taken."""
    lines = [_event(number, drawn, zone, day) for number, drawn in enumerate(_drawn(text), 1)]
    return Day(lines, roster(reference, zone=zone, day=day, currency=currency, stages=stages), zone, day, rejects)


def roster(
    text: str, *, zone: str = "UTC", day: str = DAY, currency: str = "EUR", stages: tuple[str, ...] = ()
) -> Reference:
    """Reference data as drawn."""
    return load_reference([_defined(drawn, zone, day) for drawn in _drawn(text)], Reference(currency, stages))


def _drawn(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line]


def _event(number: int, drawn: str, zone: str, day: str) -> bytes:
    time, *words = shlex.split(drawn)
    if "-" in time and ":" not in time:
        time = f"{time} {words.pop(0)}"
    kind, name, *pairs = words
    data = _fields(pairs, zone, day)
    envelope = {"id": data.pop("id", f"e{number}"), "source": data.pop("source", "test")}
    return json.dumps(event(kind, name, ms(time, day=day, zone=zone), **envelope, **data)).encode()


def _defined(drawn: str, zone: str, day: str) -> bytes:
    kind, name, *pairs = shlex.split(drawn)
    fields = _fields(pairs, zone, day)
    if "order" in fields:  # of a stage; that of an event is the name of an order
        fields["order"] = int(fields["order"])
    if "group" in fields:
        fields["group"] = dict([fields["group"].split("=")])
    return json.dumps(event(kind, name, **{_NAMED[kind]: name}, **fields)).encode()


def _fields(pairs: list[str], zone: str, day: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name in _NUMBERS | _FLAGS:
            fields[name] = json.loads(value)
        elif name in _INSTANTS:
            fields[name] = rfc3339(ms(value, day=day, zone=zone))
        else:
            fields[name] = value
    return fields
