"""Bounded memory: three years leave only what is inside the horizons, and caps shed by their stated rule."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from support.build import DAY_MS, Rec, ms, rec

from streamproc import pipeline
from streamproc.backtest import load_reference
from streamproc.bus.stages import FactsTask, Shedding
from streamproc.codec import Rejection, decode
from streamproc.facts.entities import LIVES
from streamproc.facts.reference import Reference
from streamproc.facts.seen import HORIZON_DAYS
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.pipeline import MAX_AGE_MS, NEVER_SHED, FactsStage, KpisStage, State
from streamproc.simulate import Organisation
from streamproc.windows.calendar import HOUR_MS, MINUTE_MS

START_MS = ms("2023-01-01")
YEARS = 3
STEP_DAYS = 5  # between checkpoints
EARLY = 900  # a day after the longest horizon, 800 days
KEPT_MS = {"minute": 2 * HOUR_MS, "quarter": 2 * DAY_MS, "hour": 90 * DAY_MS, "day": MAX_AGE_MS}
STEP_MS = {"minute": MINUTE_MS, "quarter": 15 * MINUTE_MS, "hour": HOUR_MS, "day": 0}


class Life:
    """Both stages over the years of a small organisation, with a checkpoint every few days, by the wall clock."""

    def __init__(self) -> None:
        organisation = Organisation(seed=3, start_ms=START_MS, reps=6, flaws=0.02)
        self.deliveries = organisation.events(START_MS + YEARS * 366 * DAY_MS, rate_per_s=3 / 86_400)
        self.facts = FactsStage(catalogue(), load_reference(organisation.reference(), Reference()))
        self.kpis = KpisStage(catalogue())
        self.logs: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
        self.arrivals: dict[str, int] = {}  # subject → day of its last arrival
        self.ids: Counter[int] = Counter()  # day → ids that arrived first on it
        self._next: tuple[int, bytes] | None = None

    def step(self, now_ms: int) -> None:
        """Everything that arrives before `now_ms`, by the clock of `now_ms`."""
        batch = [Rec(raw, at) for at, raw in self._until(now_ms)]
        self.facts.on_batch(batch, now_ms)
        self.facts.on_tick(now_ms)
        cut = self.facts.take_cut()
        if cut is not None:
            write(self.logs[0], cut.changelog)
            self.kpis.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
        self.kpis.on_tick(now_ms)
        values = self.kpis.take_cut()
        assert values is not None
        write(self.logs[1], values.changelog)
        for record in batch:
            event = decode(record.value)
            if not isinstance(event, Rejection) and event.subject.partition("/")[0] in LIVES:
                self.arrivals[event.subject] = record.timestamp // DAY_MS

    def _until(self, now_ms: int) -> Iterator[tuple[int, bytes]]:
        while True:
            if self._next is None:
                found = next(self.deliveries, None)
                if found is None:
                    return
                self._next = (found[0], found[-1])
            if self._next[0] >= now_ms:
                return
            yield self._next
            self._next = None


def write(log: dict[str, bytes], state: State) -> None:
    for key, value in state:
        if value is None:
            log.pop(key, None)
        else:
            log[key] = value


def sizes(owner: object, name: str) -> Iterator[tuple[str, int]]:
    """Elements of every container that an object of ours holds, however deep, by attribute."""
    for attribute, value in vars(owner).items():
        if isinstance(value, dict | list | set):
            yield f"{name}.{attribute}", deep(value)


def deep(value: Any) -> int:
    if isinstance(value, dict):
        return sum(1 + deep(one) for one in value.values())
    return sum(1 + deep(one) for one in value) if isinstance(value, list | set) else 0


def test_three_years_leave_what_is_inside_the_horizons() -> None:
    life = Life()
    at: dict[int, dict[str, int]] = {}
    for day in range(STEP_DAYS, YEARS * 365 + 1, STEP_DAYS):
        now_ms = START_MS + day * DAY_MS
        life.step(now_ms)
        if day in (EARLY, YEARS * 365):
            facts, kpis = life.facts, life.kpis
            owners = {"facts": facts, "entities": facts.entities, "seen": facts.seen, "sums": facts.sums}
            owners |= {"slices": kpis.slices, "changes": kpis.slices.changes, "evaluator": kpis.evaluator, "kpis": kpis}
            owners |= {"judge": kpis.judge}
            at[day] = {key: n for name, owner in owners.items() for key, n in sizes(owner, name)}
    check_facts(life, now_ms)
    check_kpis(life, now_ms)
    early, late = at[EARLY], at[YEARS * 365]
    assert len(late) > 20
    grown = {key: (early[key], n) for key, n in late.items() if n > 1.25 * early[key] + 50}
    assert grown == {}  # after the longest horizon (800 days) nothing grows but by chance


def check_facts(life: Life, now_ms: int) -> None:
    today = now_ms // DAY_MS
    entities, seen = life.facts.entities, life.facts.seen
    kept = [subject for subject in life.arrivals if subject in entities]
    assert len(kept) == len(entities) > 50  # nothing but subjects that arrived
    ages = {subject: today - life.arrivals[subject] for subject in kept}
    assert all(age < LIVES[subject.partition("/")[0]].keep_days + STEP_DAYS for subject, age in ages.items())
    assert len(kept) < len(life.arrivals) / 2
    assert {key for key in life.logs[0] if key.startswith("entity/")} == {f"entity/{subject}" for subject in kept}
    days = {int(key.split("/")[1]) for key in life.logs[0] if key.startswith("seen/")}
    assert days
    assert min(days) >= today - STEP_DAYS - HORIZON_DAYS
    assert 0 < len(seen) < 200  # 4 events a day


def check_kpis(life: Life, now_ms: int) -> None:
    slices = life.kpis.slices
    for key in slices.slices:
        if key.tier in KEPT_MS:
            assert key.start_ms + STEP_MS[key.tier] + KEPT_MS[key.tier] > now_ms
    assert len(life.logs[1]) == len(slices.slices) + 3  # and clock, version and projection
    assert Counter(key.group for key in slices.slices) == slices.groups
    assert {series.group for series in life.kpis.evaluator.latest} <= set(slices.groups)
    assert {*life.kpis.judge._shown, *life.kpis.judge._kept} <= set(life.kpis.evaluator.latest)
    assert {group for totals in slices.totals.values() for group in totals} <= set(slices.groups)
    assert all(total for totals in slices.totals.values() for total in totals.values())
    days = [key for keys in slices._days.values() for key in keys]
    assert sorted(days) == sorted(key for key in slices.slices if key.tier == "day")
    assert all(key in slices.slices for leaving in slices._leaving.values() for key, what in leaving if what != "pack")
    over = [key for key in slices.slices if key.tier in KEPT_MS and key.start_ms < now_ms - 3 * DAY_MS]
    assert len(over) > 100
    packed = [key for key in over if isinstance(slices.slices[key], bytes)]
    assert len(packed) > 0.9 * len(over)  # all but those that something late has come for just now
    assert sorted(slices._leaving) == sorted(slices._leave_times)


# --- caps ------------------------------------------------------------------------------------------------------------


def test_entities_over_the_cap_are_forgotten_those_first_that_nothing_arrived_for_longest() -> None:
    facts = FactsStage(catalogue(), Reference(), max_entities=3)
    for day, kind, name in (
        (0, "email.sent", "a"), (1, "deal.created", "b"), (2, "email.opened", "c"), (3, "email.opened", "a"),
    ):  # fmt: skip
        facts.on_batch([rec(kind, name, arrival=START_MS + day * DAY_MS)], None)
    facts.take_cut()
    facts.on_batch([rec("meeting.held", "d", arrival=START_MS + 4 * DAY_MS)], None)
    cut = facts.take_cut()
    assert cut is not None
    assert ("entity/deal/b", None) in cut.changelog
    assert [subject for subject in ("email/a", "deal/b", "email/c", "meeting/d") if subject not in facts.entities] == [
        "deal/b"
    ]
    assert cut.counts["shed", "entities"] == 1
    facts.on_batch([rec("meeting.held", "d", "10:00", arrival=START_MS + 5 * DAY_MS)], None)
    cut = facts.take_cut()
    assert cut is not None
    assert cut.counts["shed", "entities"] == 0  # a known entity


def test_a_large_cap_is_cleared_by_a_hundredth_at_once_and_holds_after_a_restart() -> None:
    log: dict[str, bytes] = {}
    facts = FactsStage(catalogue(), Reference(), max_entities=200)
    for day in range(5):
        facts.on_batch([rec("email.sent", f"{day}-{n}", arrival=START_MS + day * DAY_MS) for n in range(40)], None)
        write(log, facts.take_cut().changelog)  # type: ignore[union-attr]
    assert len(facts.entities) == 200
    for stage in (facts, FactsStage(catalogue(), Reference(), max_entities=200)):
        if stage is not facts:
            stage.restore(log)
        stage.on_batch([rec("email.sent", "new", arrival=START_MS + 5 * DAY_MS)], None)
        assert len(stage.entities) == 198
        assert sum(f"email/0-{n}" in stage.entities for n in range(40)) == 37  # of the oldest day
        assert "email/new" in stage.entities


def test_a_cap_of_nought_never_sheds() -> None:
    facts = FactsStage(catalogue(), Reference(), max_entities=0)
    facts.on_batch([rec("email.sent", str(n)) for n in range(50)], None)
    assert len(facts.entities) == 50


def test_sums_of_new_groups_are_shed_while_full_but_never_those_of_company_team_and_region() -> None:
    facts, kpis = FactsStage(catalogue(), Reference()), KpisStage(catalogue(), max_groups=3)
    kpis.on_tick(ms("12:00"))

    def call(name: str, **dims: str) -> int:
        facts.on_batch([rec("call.logged", name, **dims)], None)
        cut = facts.take_cut()
        assert cut is not None
        kpis.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
        values = kpis.take_cut()
        assert values is not None
        return values.shed

    assert call("1", rep="ann") == 0
    assert set(kpis.slices.groups) == {"", "rep=ann", "channel=phone"}
    assert call("2", rep="bob") == 1
    assert call("3", rep="ann") == 0  # a known group
    assert call("4", rep="cy", team="north", region="dach") == 1  # only the rep
    assert set(kpis.slices.groups) == {"", "rep=ann", "channel=phone", "team=north", "region=dach"}
    assert {group.partition("=")[0] for group in kpis.slices.groups} == {*NEVER_SHED, "rep", "channel"}
    calls = {group: kpis.slices.window(group, "all")["call"] for group in kpis.slices.groups}
    assert calls == {"": 4, "rep=ann": 2, "channel=phone": 4, "team=north": 1, "region=dach": 1}


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_what_was_shed_and_is_withdrawn_later_stops_nothing(outcome: str) -> None:
    """Decisions of a group are shed, then the cap is raised, and the deals are reopened: it has fewer than none."""
    facts, kpis = FactsStage(catalogue(), Reference()), KpisStage(catalogue(), max_groups=1)
    kpis.on_tick(ms("12:00"))

    def step(*events: Rec) -> dict[tuple[str, str | None], KpiValue]:
        facts.on_batch(events, None)
        cut = facts.take_cut()
        assert cut is not None
        kpis.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
        found = kpis.take_cut()
        assert found is not None
        return {(value.kpi, value.window): value for value in found.values if value.group == "rep=bob"}

    def created(*names: str) -> list[Rec]:
        return [rec("deal.created", name, "09:00", rep="bob", amount=9, currency="EUR") for name in names]

    names = [str(n) for n in range(20)]
    assert not step(*created(*names), *(rec(f"deal.{outcome}", name, "10:00") for name in names))
    kpis.max_groups = 0
    values = step(*(rec("deal.reopened", name, "10:30") for name in names))
    assert values[f"deals_{outcome}", "24h"].value == -20
    if outcome == "won":
        assert values["sales_cycle_seconds", "24h"].value is None
        assert values["sales_cycle_p90_seconds", "24h"].value is None
        return
    others = [f"other{n}" for n in range(20)]  # as many wins as losses are lacking: none decided
    values = step(*created(*others), *(rec("deal.won", name, "11:00") for name in others))
    assert (values["deals_won", "24h"].value, values["pipeline_velocity_eur_per_day", "24h"].value) == (20, None)


def test_shedding_is_counted_and_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    metrics = OwnMetrics("kpis", "0")
    shedding = Shedding(metrics, "groups", "STREAMPROC_MAX_GROUPS", "new ones are refused")
    with caplog.at_level(logging.WARNING):
        for n, now_s in ((0, 0.0), (3, 10.0), (2, 30.0), (4, 69.0), (0, 71.0), (0, 200.0)):
            shedding.add(n, 7, now_s)
    told = [record.getMessage() for record in caplog.records]
    assert ["task 7: STREAMPROC_MAX_GROUPS is reached: 3 groups" in told[0], ": 6 groups since" in told[1]] == [
        True,
        True,
    ]
    assert len(told) == 2
    assert metrics.registry.get_sample_value("streamproc_shed_total", {"what": "groups"}) == 9


def test_partitions_of_groups_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.bus.stages.ROUTES", 10)
    task = FactsTask(0, FactsStage(catalogue(), Reference()), OwnMetrics("facts", "0"), "kpi.partials", 4, True)
    routes = [task._route(f"rep={n % 25}") for n in range(50)]
    assert routes[:25] == routes[25:]
    assert len(task._routes) <= 10


def test_partial_sums_that_wait_for_a_cut_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MAX_WAITING_BYTES", 100)
    kpis = KpisStage(catalogue())
    kpis.on_tick(ms("12:00"))
    partial = Rec(msgspec.msgpack.encode([(ms("11:00"), {"call": 1}, {})]), key=b"rep=ann")
    n = 100 // len(partial.value or b"") + 1
    kpis.on_batch([partial] * (n - 1))
    assert not kpis.slices.groups
    kpis.on_batch([partial])
    assert kpis.slices.window("rep=ann", "all") == {"call": n}
    kpis.on_batch([partial])
    assert kpis.slices.window("rep=ann", "all") == {"call": n}  # waits again
    assert kpis.take_cut() is not None
    assert kpis.slices.window("rep=ann", "all") == {"call": n + 1}
