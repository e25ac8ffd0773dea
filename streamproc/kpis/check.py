"""Checks the declarations of a catalogue: every mistake in them, with what would be right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from streamproc.events import EVENT_TOPICS, EVENTS
from streamproc.facts.fact import DIMENSIONS, FACTS, Kind, may_carry
from streamproc.kpis.kpi import (
    Count,
    Derived,
    Distinct,
    Kpi,
    Level,
    OfDurations,
    QuantileDuration,
    Ratio,
    Sum,
    Weighted,
    WithinDuration,
)
from streamproc.windows.aggregates import THRESHOLDS_S

EVENT_TYPES = tuple(row.name for row in EVENTS.values() if row.topic in EVENT_TOPICS)
_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")
# Prometheus gives these endings a meaning, or parts of other KPIs have them.
_RESERVED = ("_numerator", "_denominator", "_total", "_count", "_sum", "_bucket", "_info")
_SUFFIXES = {"ratio": "_ratio", "seconds": "_seconds"}


def check(kpis: Iterable[Kpi]) -> list[str]:
    """Everything wrong with KPI declarations, each as `name: field: what, and what was expected`; [] if nothing."""
    kpis = list(kpis)
    names = Counter(kpi.name for kpi in kpis)
    problems = [f"{name}: name: declared {times} times; expected once" for name, times in names.items() if times > 1]
    return problems + [f"{kpi.name}: {problem}" for kpi in kpis for problem in problems_of(kpi)]


def problems_of(kpi: Kpi) -> Iterator[str]:
    """Everything wrong with one declaration by itself, each as `field: what, and what was expected`."""
    yield from _naming(kpi)
    for text in ("means", "formula", "source", "title_de", "title_en"):
        if not getattr(kpi, text).strip():
            yield f"{text}: is empty; expected text"
    if not kpi.events:
        yield "events: is empty; expected the event types that the KPI is made of"
    for event in kpi.events:
        if event not in EVENT_TYPES:
            yield f"events: unknown event type '{event}'{hint(event, EVENT_TYPES)}"
    for dimension, times in Counter(kpi.by).items():
        if dimension not in DIMENSIONS:
            yield f"by: unknown dimension '{dimension}'{hint(dimension, DIMENSIONS)}; expected {', '.join(DIMENSIONS)}"
        elif times > 1:
            yield f"by: {dimension} is given {times} times; expected once"
        else:
            yield from _carried(dimension, kpi)
    for field, fact, kinds in _facts(kpi):
        yield from _fact(field, fact, kinds)
    if isinstance(kpi, QuantileDuration) and not 0 < kpi.q < 1:
        yield f"q: {kpi.q}; expected a share between 0 and 1, such as 0.9"
    if isinstance(kpi, WithinDuration) and kpi.limit_s not in THRESHOLDS_S:
        yield f"limit_s: {kpi.limit_s}; expected one of {', '.join(map(str, THRESHOLDS_S))}"
    if isinstance(kpi, Level | Sum) and kpi.scale < 1:
        yield f"scale: {kpi.scale}; expected 1 or more"


def _naming(kpi: Kpi) -> Iterator[str]:
    if not _NAME.fullmatch(kpi.name):
        yield "name: expected lower case letters, digits and _, such as win_ratio"
    ending = next((one for one in _RESERVED if kpi.name.endswith(one)), None)
    if ending:
        yield f"name: may not end in {ending}, which has a meaning in Prometheus"
    if kpi.unit == "count":
        wrong = next((one for one in _SUFFIXES.values() if kpi.name.endswith(one)), None)
        if wrong:
            yield f"name: may not end in {wrong} with the unit count"
        return
    suffix = _SUFFIXES.get(kpi.unit, f"_{kpi.unit}")
    if not kpi.name.endswith(suffix):
        yield f"name: expected to end in {suffix}, since the unit is {kpi.unit}"


def _facts(kpi: Kpi) -> Iterator[tuple[str, str, tuple[Kind, ...]]]:
    """Field, name and possible kinds of every fact that a KPI reads."""
    match kpi:
        case Count():
            yield from (("of", fact, (Kind.COUNT,)) for fact in kpi.of)
        case Distinct():
            yield "of", kpi.of, (Kind.DISTINCT,)
        case Ratio():
            yield "part", kpi.part, (Kind.COUNT,)
            yield from (("whole", fact, (Kind.COUNT,)) for fact in kpi.whole)
        case Sum():
            yield from (("total", fact, (Kind.SUM,)) for fact in kpi.total)
            yield from (("count", fact, (Kind.COUNT,)) for fact in kpi.count)
        case Weighted():
            yield from (("weights", fact, (Kind.COUNT,)) for fact in kpi.facts)
        case OfDurations():
            yield "of", kpi.of, (Kind.DURATION,)
        case Level():
            yield "of", kpi.of, (Kind.LEVEL,)
            yield "count", kpi.count, (Kind.LEVEL,)
        case Derived():
            windowed = tuple(kind for kind in Kind if kind is not Kind.LEVEL)
            yield from (("of", fact, windowed) for fact in kpi.of)
            yield from (("of_levels", fact, (Kind.LEVEL,)) for fact in kpi.of_levels)


def _carried(dimension: str, kpi: Kpi) -> Iterator[str]:
    """A group of a dimension that a fact never carries would count nothing of it."""
    for fact in dict.fromkeys((*kpi.facts, *kpi.levels)):
        if fact in FACTS and dimension not in may_carry(fact):
            yield f"by: facts {fact} never carry {dimension}; expected any of {', '.join(may_carry(fact))}"


def _fact(field: str, fact: str, kinds: tuple[Kind, ...]) -> Iterator[str]:
    fitting = [name for name, kind in FACTS.items() if kind in kinds]
    found = FACTS.get(fact)
    if found is None:
        yield f"{field}: unknown fact '{fact}'" + (hint(fact, fitting) or f"; expected one of {', '.join(fitting)}")
    elif found not in kinds:
        expected = " or ".join(kind.value for kind in kinds)
        yield f"{field}: fact {fact} is a {found.value}; expected a {expected}: {', '.join(fitting)}"


def hint(word: str, known: Iterable[str]) -> str:
    """` (did you mean '…'?)` for a word close to a known one, else nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
