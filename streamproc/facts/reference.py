"""Reference data: roster, stages and exchange rates, by the time they hold from; filled from `sales.reference`."""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from streamproc.event_data import FxRate, RepDefined, StageDefined, Target, TeamDefined
from streamproc.events import Event, to_ms
from streamproc.facts.history import History
from streamproc.facts.targets import Targets

ALWAYS = -(2**62)  # a record without `valid_from` holds from the beginning
_EXACT = Context(prec=80)  # wide enough that products are exact
UNITS = 10_000  # money is kept in 1/10,000 of the reporting currency


class Stage(NamedTuple):
    """What is known of a pipeline's stage; None where nothing is."""

    order: int | None = None
    probability: float | None = None
    is_won: bool = False
    is_lost: bool = False
    qualified: bool = False


class Reference:
    """Roster, stages, rates, targets and thresholds, by the time they hold from.

    `currency`: the reporting currency; `stages`: their order where none is defined.
    """

    def __init__(self, currency: str = "EUR", stages: tuple[str, ...] = ()) -> None:
        self.currency = currency
        self._order = {name: index for index, name in enumerate(stages)}
        self._reps: dict[str, History[RepDefined]] = {}
        self._teams: dict[str, History[TeamDefined]] = {}
        self._rates: dict[str, History[Decimal]] = {}
        self._stages: dict[str, dict[str, StageDefined]] = {}
        self.targets, self.thresholds = Targets(), Targets()
        self.version = 0  # grows with everything applied

    def apply(self, event: Event) -> None:
        """Take in one event of `sales.reference`; kinds that are not kept here are ignored."""
        data = event.data
        self.version += 1
        if isinstance(data, RepDefined):
            self._reps.setdefault(data.rep, History()).put(_from(data), data)
        elif isinstance(data, TeamDefined):
            self._teams.setdefault(data.team, History()).put(_from(data), data)
        elif isinstance(data, FxRate):
            self._rates.setdefault(data.currency, History()).put(_from(data), Decimal(repr(data.rate)))
        elif isinstance(data, StageDefined):
            self._stages.setdefault(data.pipeline, {})[data.stage] = data
        elif isinstance(data, Target):
            (self.targets if event.type == "target.set" else self.thresholds).put(_from(data), data)

    def roster(self, rep: str | None, team: str | None, time_ms: int) -> tuple[str | None, str | None]:
        """Team and region at a time: `team` if given, else the rep's; the region of the rep, else of the team."""
        found = self._reps[rep].at(time_ms) if rep in self._reps else None
        region = found.region if found else None
        team = team or (found.team if found else None)
        if region is None and team in self._teams:
            definition = self._teams[team].at(time_ms)
            region = definition.region if definition else None
        return team, region

    def members(self) -> list[tuple[str, str, str, str]]:
        """Latest (rep, name, team, region) of every active rep, "" where unknown."""
        rows = []
        for rep, history in self._reps.items():
            latest = history.values[history.times[-1]]
            if latest.active:
                team, region = self.roster(rep, None, history.times[-1])
                rows.append((rep, latest.name or "", team or "", region or ""))
        return rows

    def headcounts(self, time_ms: int) -> Counter[str]:
        """Active reps at a time, of the company (""), of each team and of each region."""
        found: Counter[str] = Counter()
        for rep, history in self._reps.items():
            definition = history.at(time_ms)
            if definition is not None and definition.active:
                team, region = self.roster(rep, None, time_ms)
                found.update(["", *([f"team={team}"] if team else []), *([f"region={region}"] if region else [])])
        return found

    def stage(self, pipeline: str, name: str) -> Stage:
        """What is defined of a stage; its order is that of definition where not stated."""
        stages = self._stages.get(pipeline, {})
        found = stages.get(name)
        if found is None:
            return Stage(order=None if stages else self._order.get(name))
        order = found.order if found.order is not None else list(stages).index(name)
        return Stage(order, found.probability, found.is_won, found.is_lost, found.qualified)

    def open_stages(self) -> dict[str, list[str]]:
        """Stages of every pipeline in their order, without those that decide a deal."""
        if not self._stages:
            return {"default": list(self._order)} if self._order else {}
        found = {}
        for pipeline, stages in self._stages.items():
            known = {name: self.stage(pipeline, name) for name in stages}
            names = [name for name, stage in known.items() if not (stage.is_won or stage.is_lost)]
            found[pipeline] = sorted(names, key=lambda name: known[name].order or 0)
        return found

    def marks_qualified(self, pipeline: str) -> bool:
        """Whether any stage of the pipeline is marked qualified."""
        return any(stage.qualified for stage in self._stages.get(pipeline, {}).values())

    def rate(self, currency: str, time_ms: int) -> Decimal | None:
        """Units of the reporting currency for one of `currency` at a time; None if there is no rate."""
        if currency == self.currency:
            return Decimal(1)
        return self._rates[currency].at(time_ms) if currency in self._rates else None


class Lookups:
    """Reference look-ups of one entity, each resolved once and kept with it.

    A deal's facts are computed anew from its history at each change; with the answers kept, a later change of the
    reference data cannot make "the facts emitted before" come out differently.
    """

    def __init__(self, reference: Reference, kept: dict[str, Any]) -> None:
        self._reference = reference
        self._kept = kept

    def roster(self, rep: str | None, team: str | None, time_ms: int) -> tuple[str | None, str | None]:
        key = f"roster|{rep!r}|{team!r}|{time_ms}"
        if key not in self._kept:
            self._kept[key] = self._reference.roster(rep, team, time_ms)
        team, region = self._kept[key]
        return team, region

    def stage(self, pipeline: str, name: str) -> Stage:
        key = f"stage|{pipeline!r}|{name!r}"
        if key not in self._kept:
            self._kept[key] = self._reference.stage(pipeline, name)
        return Stage(*self._kept[key])

    def marks_qualified(self, pipeline: str) -> bool:
        key = f"qualified|{pipeline}"
        if key not in self._kept:
            self._kept[key] = self._reference.marks_qualified(pipeline)
        return bool(self._kept[key])

    def money(self, amount: float, currency: str | None, time_ms: int) -> int | None:
        """An amount in 1/10,000 of the reporting currency at a time, rounded half-even; None without a rate."""
        if currency is None or currency == self._reference.currency:
            return to_units(amount)
        key = f"rate|{currency}|{time_ms}"
        if key not in self._kept:
            rate = self._reference.rate(currency, time_ms)
            self._kept[key] = None if rate is None else str(rate)
        kept = self._kept[key]
        return None if kept is None else to_units(amount, Decimal(kept))


@lru_cache(10_000)  # lives that are computed anew convert the same amounts again and again
def to_units(amount: float, rate: Decimal = Decimal(1)) -> int:
    """Money as an integer of 1/10,000, half-even."""
    return rounded(Decimal(repr(amount)), rate, Decimal(UNITS))


def rounded(*factors: Decimal) -> int:
    """Product as an integer, rounded once, half-even."""
    product = Decimal(1)
    for factor in factors:
        product = _EXACT.multiply(product, factor)
    return int(product.to_integral_value(ROUND_HALF_EVEN))


def _from(data: RepDefined | TeamDefined | FxRate | Target) -> int:
    return ALWAYS if data.valid_from is None else to_ms(data.valid_from)
