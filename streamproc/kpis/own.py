"""People's own KPIs: declarations as a file holds them, and the KPIs that they make beside the built-in ones.

The structs are also what `schemas/kpis.schema.json` is made of. `build` finds every mistake at once; none of them can
harm a running system, since a catalogue is only made of declarations without any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from streamproc.facts.fact import AMOUNTS, DIMENSIONS, FACTS, Kind
from streamproc.kpis.check import EVENT_TYPES, hint, problems_of
from streamproc.kpis.formula import Formula, FormulaError, names_of, parse
from streamproc.kpis.kpi import (
    Catalogue,
    Count,
    Distinct,
    Growth,
    Kpi,
    Level,
    Mean,
    MeanDuration,
    QuantileDuration,
    Ratio,
    Sum,
    Weighted,
    WithinDuration,
)
from streamproc.windows.aggregates import THRESHOLDS_S

# `/metrics` has families of these names beside those of KPIs: all that begin so, and single ones.
RESERVED = ("target", "threshold", "attainment", "period_", "band", "min_samples", "forecast", "benchmark")
TAKEN = ("rep", "samples", "previous", "change_ratio")


def _one_of(words: Sequence[str | int], description: str) -> Meta:
    return Meta(description=description, extra_json_schema={"enum": list(words)})


def _facts(kind: Kind) -> Meta:
    return _one_of([name for name, found in FACTS.items() if found is kind], f"a fact of kind {kind.value}")


_NAME = Meta(description="ends in the unit, such as _ratio", extra_json_schema={"pattern": "^[a-z][a-z0-9_]*[a-z0-9]$"})
Name = Annotated[str, _NAME]
Event = Annotated[str, _one_of(EVENT_TYPES, "an event type")]
Dimension = Annotated[str, _one_of(DIMENSIONS, "a grouping dimension")]
Text = Annotated[str, Meta(extra_json_schema={"minLength": 1})]
CountFact = Annotated[str, _facts(Kind.COUNT)]
SumFact = Annotated[str, _facts(Kind.SUM)]
LevelFact = Annotated[str, _facts(Kind.LEVEL)]
DurationFact = Annotated[str, _facts(Kind.DURATION)]
DistinctFact = Annotated[str, _facts(Kind.DISTINCT)]
Limit = Annotated[int, _one_of(THRESHOLDS_S, "seconds")]
Points = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]  # so that no sum of them is wider than a record's 64 bits


class Declared(Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every declaration says. `unit` follows from the facts, but for `derived`; given, it is checked."""

    name: Name
    title_en: Text
    title_de: Text
    means: Annotated[str, Meta(description="what it says, in one sentence; of a ratio, of which cohort it is")]
    events: Event | list[Event]
    by: Dimension | list[Dimension] = []
    formula: str = ""
    source: Text = "own"
    unit: str = ""


class OwnCount(Declared, tag="count"):
    of: CountFact | list[CountFact]


class OwnDistinct(Declared, tag="distinct"):
    of: DistinctFact


class OwnRatio(Declared, tag="ratio"):
    part: CountFact
    whole: CountFact | list[CountFact]


class OwnSum(Declared, tag="sum"):
    total: SumFact | list[SumFact]
    count: CountFact | list[CountFact]


class OwnMean(OwnSum, tag="mean"):
    pass


class OwnGrowth(OwnSum, tag="growth"):
    pass


class OwnWeighted(Declared, tag="weighted"):
    weights: dict[CountFact, Points]


class OwnMeanDuration(Declared, tag="duration_mean"):
    of: DurationFact


class OwnQuantile(Declared, tag="duration_quantile"):
    of: DurationFact
    q: Annotated[float, Meta(description="share, such as 0.9", extra_json_schema={"minimum": 0, "maximum": 1})]


class OwnWithin(Declared, tag="duration_within"):
    of: DurationFact
    limit_s: Limit


class OwnLevel(Declared, tag="level"):
    of: LevelFact
    count: LevelFact


class OwnDerived(Declared, tag="derived"):
    """Arithmetic over other KPIs and facts of kind count; `formula` is what is computed."""

    formula: Annotated[str, Meta(description="names of KPIs and of facts of kind count, numbers, + - * / and ( )")]
    unit: Annotated[str, Meta(description="count, ratio, points, seconds, the currency, or one of these _per_…")]


AnyDeclared = (
    OwnCount
    | OwnDistinct
    | OwnRatio
    | OwnSum
    | OwnMean
    | OwnGrowth
    | OwnWeighted
    | OwnMeanDuration
    | OwnQuantile
    | OwnWithin
    | OwnLevel
    | OwnDerived
)
KINDS: dict[str, type[Declared]] = {str(one.__struct_config__.tag): one for one in AnyDeclared.__args__}


class File(Struct, forbid_unknown_fields=True):
    """A file of KPIs."""

    kpis: list[AnyDeclared]


class Mistake(NamedTuple):
    """What is wrong in the declaration of an index of the file, and what was expected."""

    place: int  # in the file
    field: str
    message: str


class Built(NamedTuple):
    """The KPIs of a file in its order, and everything wrong with them; only without mistakes may they be used."""

    kpis: tuple[Kpi, ...]
    mistakes: list[Mistake]


def build(declared: Sequence[Declared], builtin: Catalogue, currency: str) -> Built:
    """The KPIs that declarations make beside the built-in ones; names that both have are mistakes."""
    return _Builder(declared, {kpi.name: kpi for kpi in builtin.kpis}, currency.lower()).built()


class _Builder:
    """KPIs by name, made in the order in which formulas need them."""

    def __init__(self, declared: Sequence[Declared], builtin: Mapping[str, Kpi], currency: str) -> None:
        self.declared, self.builtin, self.currency = declared, builtin, currency
        self.index: dict[str, int] = {}
        self.made: dict[int, Kpi | None] = {}
        self.path: list[str] = []  # names of the formulas that are being made
        self.cyclic: set[str] = set()
        self.mistakes: list[Mistake] = []

    def built(self) -> Built:
        for i, one in enumerate(self.declared):
            if one.name in self.builtin:
                self.wrong(i, "name", f"'{one.name}' is taken by a built-in KPI; expected another")
            elif one.name.startswith(RESERVED) or one.name in (*TAKEN, *self.durations()):
                self.wrong(i, "name", f"'{one.name}' is that of another metric in /metrics; expected another")
            elif one.name in self.index:
                self.wrong(i, "name", f"'{one.name}' is declared twice; expected once")
            self.index.setdefault(one.name, i)
        for i in range(len(self.declared)):
            self.make(i)
        found = tuple(kpi for i in range(len(self.declared)) if (kpi := self.made[i]) is not None)
        return Built(found, sorted(set(self.mistakes)))

    def durations(self) -> set[str]:
        """Names of histograms beside mean durations, in /metrics."""
        means = [kpi.name for kpi in self.builtin.values() if isinstance(kpi, MeanDuration)]
        means += [one.name for one in self.declared if isinstance(one, OwnMeanDuration)]
        return {f"{name.removesuffix('_seconds')}_duration_seconds" for name in means}

    def wrong(self, index: int, field: str, message: str) -> None:
        self.mistakes.append(Mistake(index, field, message))

    def make(self, i: int) -> Kpi | None:
        """The KPI of a declaration; None where it cannot be made. Mistakes are noted."""
        if i not in self.made:
            one = self.declared[i]
            if isinstance(one, OwnDerived):
                self.path.append(one.name)
                self.made[i] = self.formula(i, one)
                self.path.pop()
            else:
                self.made[i] = self.plain(i, one)
        return self.made[i]

    def plain(self, i: int, one: Declared) -> Kpi:
        kpi = _kpi(one, self.currency)
        units = {_unit_of(fact, self.currency) for fact in _amounts(one) if fact in FACTS}
        if len(units) > 1:
            self.wrong(i, "total", f"facts are in {' and '.join(sorted(units))}; expected facts of one unit")
        elif one.unit and one.unit != kpi.unit and (units or not _amounts(one)):
            hinted = ", the reporting currency (STREAMPROC_CURRENCY)" if kpi.unit == self.currency else ""
            self.wrong(i, "unit", f"'{one.unit}'; expected {kpi.unit}{hinted}, or nothing")
        self.check(i, kpi)
        return kpi

    def check(self, i: int, kpi: Kpi, named: bool = True) -> None:
        """What is wrong with it by itself; its name can only be judged with a known unit."""
        for problem in problems_of(kpi):
            field, _, message = problem.partition(": ")
            if named or field != "name":
                self.wrong(i, field, message)

    def formula(self, i: int, one: OwnDerived) -> Kpi | None:
        unknown = _unknown_unit(one.unit, self.currency)
        if unknown:
            self.wrong(i, "unit", unknown)
        try:
            tree = parse(one.formula)
        except FormulaError as error:
            self.wrong(i, "formula", str(error))
            self.check(i, Count(**_common(one, one.unit), of=("call",)), named=not unknown)
            return None
        operands = [(name, self.operand(i, name)) for name in names_of(tree)]
        kpi = Formula.of(tree, tuple((name, kpi) for name, kpi in operands if kpi is not None), _common(one, one.unit))
        if len({operand.target_of for _, operand in kpi.operands} - {""}) > 1:
            self.wrong(i, "formula", "has KPIs that read targets of different KPIs; expected one of them")
        for problem in _ungrouped(kpi, self.builtin, self.index):
            self.wrong(i, "by", problem)
        self.check(i, kpi, named=not unknown)
        return kpi if all(found is not None for _, found in operands) else None

    def operand(self, i: int, name: str) -> Kpi | None:
        """What a name in a formula stands for: a KPI, else a fact of kind count."""
        if name in self.path:
            cycle = self.path[self.path.index(name) :]
            if not self.cyclic.intersection(cycle):
                self.cyclic.update(cycle)
                way = " → ".join([*cycle, name])
                self.wrong(self.index[name], "formula", f"forms a cycle: {way}; expected no way back to {name}")
            return None
        if name in self.builtin:
            return self.builtin[name]
        if name in self.index:
            return self.make(self.index[name])
        kind = FACTS.get(name)
        if kind is Kind.COUNT:
            return Count(name=name, of=(name,), means="", formula="", events=(), source="", by=DIMENSIONS,
                         title_de="", title_en="")  # fmt: skip
        counts = [fact for fact, found in FACTS.items() if found is Kind.COUNT]
        if kind is None:
            known = [*self.index, *self.builtin, *counts]
            self.wrong(i, "formula", f"unknown name '{name}'{hint(name, known)}; expected KPIs or facts of kind count")
        else:
            self.wrong(i, "formula", f"fact {name} is a {kind.value}; expected a KPI made of it, such as one of kind "
                       f"{_FITTING[kind]}, or a fact of kind count")  # fmt: skip
        return None


_FITTING = {Kind.SUM: "sum", Kind.LEVEL: "level", Kind.DURATION: "duration_mean", Kind.DISTINCT: "distinct"}


def _common(one: Declared, unit: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "title_en": one.title_en,
        "title_de": one.title_de,
        "means": one.means,
        "formula": one.formula or _formula(one),
        "events": _many(one.events),
        "source": one.source,
        "by": _many(one.by),
        "unit": unit,
    }


def _formula(one: Declared) -> str:
    """Text of the formula, where none was given: what the declaration says."""
    own = [name for name in one.__struct_fields__ if name not in Declared.__struct_fields__]
    said = ", ".join(f"{name}: {_said(getattr(one, name))}" for name in own)
    return f"{one.__struct_config__.tag} of {said}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return " + ".join(f"{points} × {fact}" for fact, points in value.items())
    return " + ".join(value) if isinstance(value, list) else str(value)


def _many(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _amounts(one: Declared) -> tuple[str, ...]:
    """Facts whose unit is that of the KPI."""
    match one:
        case OwnSum():
            return _many(one.total)
        case OwnLevel():
            return (one.of,)
    return ()


def _unit_of(fact: str, currency: str) -> str:
    unit, _ = AMOUNTS.get(fact, ("count", 1))
    return currency if unit == "money" else unit


def _kpi(one: Declared, currency: str) -> Kpi:
    amount = (*_amounts(one), "")[0]
    common = _common(one, _unit_of(amount, currency))
    scale = AMOUNTS.get(amount, ("", 1))[1]
    fixed = {name: value for name, value in common.items() if name != "unit"}  # kinds that have a unit of their own
    match one:
        case OwnCount():
            return Count(**fixed, of=_many(one.of))
        case OwnDistinct():
            return Distinct(**fixed, of=one.of)
        case OwnRatio():
            return Ratio(**fixed, part=one.part, whole=_many(one.whole))
        case OwnMean():
            return Mean(**common, total=_many(one.total), count=_many(one.count), scale=scale)
        case OwnGrowth():
            return Growth(**fixed, total=_many(one.total), count=_many(one.count), scale=scale)
        case OwnSum():
            return Sum(**common, total=_many(one.total), count=_many(one.count), scale=scale)
        case OwnWeighted():
            return Weighted(**fixed, weights=tuple(one.weights.items()))
        case OwnMeanDuration():
            return MeanDuration(**fixed, of=one.of)
        case OwnQuantile():
            return QuantileDuration(**fixed, of=one.of, q=one.q)
        case OwnWithin():
            return WithinDuration(**fixed, of=one.of, limit_s=one.limit_s)
        case OwnLevel():
            return Level(**common, of=one.of, count=one.count, scale=scale)
    raise TypeError(f"no kind of KPI: {one!r}")


def _unknown_unit(unit: str, currency: str) -> str:
    """What is wrong with the unit of a formula, if anything."""
    units = ("count", "ratio", "points", "seconds", currency)
    base, per, word = unit.partition("_per_")
    if base in units and (word or not per):
        return ""
    expected = f"expected one of {', '.join(units)}, or one of these with _per_ and a word, such as {currency}_per_day"
    return f"unknown unit '{unit}'{hint(base, units)}; {expected}"


def _ungrouped(kpi: Formula, builtin: Mapping[str, Kpi], own: Mapping[str, int]) -> Iterator[str]:
    """A group that a KPI of the formula is not kept by would be computed from what nobody sees."""
    for name, operand in kpi.operands:
        for dimension in kpi.by:
            if dimension in DIMENSIONS and dimension not in operand.by and (name in builtin or name in own):
                yield f"{name} is not grouped by {dimension}; expected any of {', '.join(operand.by) or 'none'}"
