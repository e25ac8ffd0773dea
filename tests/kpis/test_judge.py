"""Judging over drawn timelines: what is published, alerted and celebrated, each once, also over restarts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace
from support.build import DAY, DAY_MS, HOUR_MS, MINUTE_MS, Rec, decoded, ms, rec, rfc3339

from streamproc.facts.reference import Reference
from streamproc.kpis.against import Against, Benchmark, Judgement, Limits
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.judge import Judge
from streamproc.kpis.kpi import KpiValue
from streamproc.kpis.working_time import WorkingTime
from streamproc.pipeline import FactsStage, KpisStage
from streamproc.windows.calendar import Calendar

KPIS = catalogue()
BOTH = (("7d", ""), ("7d", "rep=ann"), ("24h", ""))


class Live:
    """Both stages by the wall clock, with the changelog of the second. The day is a Monday."""

    def __init__(self, holidays: str = "") -> None:
        self.reference, self.holidays = Reference(), holidays
        self.facts = FactsStage(KPIS, self.reference)
        self.log: dict[str, bytes] = {}
        self.values: list[KpiValue] = []  # of the last step
        self.published: dict[tuple[str, str | None, str], KpiValue] = {}
        self.alerts: list[tuple[str, str, str]] = []  # KPI, band before, band
        self.reached: list[tuple[str, str | None, str]] = []
        self.won: list[str] = []
        self.events = 0
        self.kpis = self._new()

    def _new(self) -> KpisStage:
        return KpisStage(KPIS, Calendar(), reference=self.reference, holidays=self.holidays)

    def restart(self) -> None:
        self.kpis = self._new()
        self.kpis.restore(dict(self.log))

    def set(self, kind: str, kpi: str, valid_from: str | None = None, **data: Any) -> None:
        since = {} if valid_from is None else {"valid_from": rfc3339(ms(valid_from))}
        self.reference.apply(decoded(f"{kind}.set", kpi=kpi, **data, **since))

    def at(self, time: str, *events: Any) -> Live:
        """Come to a time, at which events arrive that happened a minute before, or at the time of their own."""
        now_ms = ms(time)
        records = [event if isinstance(event, Rec) else self._event(event, now_ms) for event in events]
        self.facts.on_batch(records, now_ms)
        self.kpis.on_tick(now_ms)
        if (cut := self.facts.take_cut()) is not None:
            self.kpis.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
            self.won += [won.deal for won in cut.won]
        found = self.kpis.take_cut()
        self.values = found.values if found else []
        if found:
            for key, value in found.changelog:
                self.log.pop(key, None) if value is None else self.log.update({key: value})
            self.published |= {(v.kpi, v.window, v.group): v for v in found.values}
            self.alerts += [(a.value.kpi, a.before, (a.value.against or Against()).band) for a in found.alerts]
            self.reached += [(v.kpi, v.window, v.group) for v in found.reached]
        return self

    def _event(self, drawn: str, now_ms: int) -> Rec:
        self.events += 1
        kind, *pairs = drawn.split()
        return rec(kind, f"x{self.events}", now_ms - 60_000, **dict(pair.split("=") for pair in pairs))

    def against(self, kpi: str, window: str | None, group: str = "") -> Against:
        found = self.published[kpi, window, group].against
        assert found is not None
        return found


def calls(n: int, rep: str = "ann") -> list[str]:
    return [f"call.logged rep={rep}"] * n


def test_pace_moves_with_working_time_alone() -> None:
    live = Live()
    live.set("target", "calls", period="day", value=10)
    live.at("09:00", *calls(2))
    assert astuple(live.against("calls", "today"))[2:6] == (10, 0.2, 2.0, 0.1)
    live.at("09:00:40")
    assert live.values == []
    live.at("13:00")
    assert [(v.kpi, v.window) for v in live.values if v.kpi == "calls" and v.window == "today"] == [("calls", "today")]
    assert astuple(live.against("calls", "today"))[2:6] == (10, 0.2, 0.4, 0.5)
    live.at("18:00")
    live.at("19:00")
    assert not [v for v in live.values if (v.kpi, v.window) == ("calls", "today")]  # after hours nothing moves


def test_a_holiday_has_no_pace() -> None:
    live = Live(holidays="DE")
    live.set("target", "calls", period="day", value=10)
    live.at("2026-05-01 12:00", *calls(2))  # a Friday
    assert astuple(live.against("calls", "today"))[2:6] == (10, 0.2, None, None)


def test_a_target_is_for_its_group_and_window_alone() -> None:
    live = Live()
    live.set("target", "calls", group={"rep": "ann"}, period="day", value=10)
    live.at("09:00", *calls(2), *calls(3, "bob"))
    assert live.against("calls", "today", "rep=ann").target == 10
    for window, group in (("today", "rep=bob"), ("today", ""), ("week", "rep=ann"), ("24h", "rep=ann")):
        assert live.published["calls", window, group].against is None


def test_alerts_at_each_change_of_band_and_never_twice() -> None:
    live = Live()
    live.set("threshold", "calls", window="1h", warning=5, critical=3, clear=6)
    live.at("09:00", *calls(4))
    assert live.alerts == [("calls", "none", "warning")]
    live.restart()
    live.at("09:01")
    live.at("09:02", *calls(1))  # 5: not below warning, but not clear either
    assert live.alerts == [("calls", "none", "warning")]
    live.restart()
    live.at("09:03", *calls(1))
    assert live.alerts[1:] == [("calls", "warning", "ok")]
    live.at("10:00:30")  # those of before 9:00 have left
    assert live.alerts[2:] == [("calls", "ok", "critical")]
    live.restart()
    live.at("10:01")
    assert live.alerts[3:] == []
    live.at("11:00")
    assert live.published["calls", "1h", ""].value == 0
    assert live.alerts[3:] == []


def test_a_change_of_target_or_threshold_judges_at_once_without_any_event() -> None:
    live = Live()
    live.at("09:00", *calls(4))
    live.set("threshold", "calls", window="24h", critical=5)
    live.at("09:00:01")
    assert [(v.kpi, v.window, v.value) for v in live.values] == [("calls", "24h", 4)]
    live.set("threshold", "calls", window="24h", critical=4)
    live.at("09:00:02")
    live.set("threshold", "calls", window="24h", critical=9)
    live.at("09:00:03")
    live.set("threshold", "calls", window="24h")
    live.at("09:00:04")
    assert [after for _, _, after in live.alerts] == ["critical", "ok", "critical", "none"]
    assert live.published["calls", "24h", ""].against is None
    assert not [key for key in live.log if key.startswith("band/")]


def test_a_threshold_that_is_taken_away_while_no_worker_runs_ends_its_alert() -> None:
    live = Live()
    live.set("threshold", "calls", window="24h", critical=5)
    live.at("09:00", *calls(4))
    live.set("threshold", "calls", window="24h")
    live.restart()
    live.at("09:01")
    assert live.alerts == [("calls", "none", "critical"), ("calls", "critical", "none")]


def test_a_target_begins_to_hold_at_its_time() -> None:
    live = Live()
    live.set("target", "calls", window="24h", value=4)
    live.set("target", "calls", valid_from=f"{DAY} 12:00", window="24h", value=8)
    live.at("09:00", *calls(4))
    assert (live.against("calls", "24h").attainment, live.against("calls", "24h").band) == (1, "ok")
    live.at("11:59")
    assert live.alerts == []
    live.at("12:00")
    assert (live.against("calls", "24h").attainment, live.alerts) == (0.5, [("calls", "ok", "critical")])


def test_reaching_a_target_is_told_once_a_period() -> None:
    live = Live()
    live.set("target", "calls", period="day", value=4)
    live.at("09:00", *calls(3))
    assert live.reached == []
    live.at("09:01", *calls(1))
    assert live.reached == [("calls", "today", "")]
    live.at("09:02", *calls(1))
    live.restart()
    live.at("09:03", *calls(1))
    live.at("2026-03-03 09:00", *calls(3))
    assert live.reached == [("calls", "today", "")]
    live.at("2026-03-03 09:01", *calls(2))
    assert live.reached == [("calls", "today", "")] * 2


def test_a_ratio_or_a_rolling_window_reaches_no_target() -> None:
    live = Live()
    live.set("target", "win_ratio", period="day", value=0.5)
    live.set("target", "deals_won", window="24h", value=1)
    live.set("target", "deals_lost", period="day", value=3)  # a bound, not a goal
    live.at("09:00", "deal.won", "deal.lost")
    assert live.against("win_ratio", "today").attainment == 1
    assert live.reached == []


def test_deals_won_are_news_for_a_day() -> None:
    live = Live()
    fresh = rec("deal.won", "d1", ms("2026-03-01 09:00"))
    live.at("09:00", fresh, rec("deal.won", "d2", ms("2026-03-01 08:59:59")), fresh, *calls(1))
    assert live.won == ["d1"]
    live.facts.on_batch([rec("deal.won", "d3", ms("09:00"))], None)  # a replay
    cut = live.facts.take_cut()
    assert cut is not None
    assert cut.won == []


def test_limits_of_the_catalogue_hold_in_their_window_until_others_are_set() -> None:
    live = Live()
    table = {"calls": Judgement("up", Benchmark(9, "D"), Limits(critical=5), "7d")}
    live.kpis.judge = Judge(live.kpis.evaluator, WorkingTime(Calendar()), table)
    live.at("09:00", *calls(4))
    assert {(window, group): live.against("calls", window, group).band for window, group in BOTH} == {
        ("7d", ""): "critical",
        ("7d", "rep=ann"): "critical",
        ("24h", ""): "none",
    }
    assert {live.against("calls", window, group).benchmark for window, group in BOTH} == {9}
    live.set("threshold", "calls", window="7d", critical=3)
    live.at("09:01")
    assert live.against("calls", "7d").band == "ok"
    live.set("threshold", "calls", window="7d")
    live.at("09:02")
    assert astuple(live.against("calls", "7d"))[6:8] == (9, "none")
    assert live.against("calls", "7d", "rep=ann").band == "critical"


def test_a_headline_is_compared_with_the_window_before() -> None:
    live = Live()
    live.at("09:00", *calls(9))
    assert live.published["calls", "1h", ""].against is None  # no headline
    assert astuple(live.against("activities", "1h"))[:2] == (None, None)
    live.at("10:00", *calls(1))
    assert live.published["activities", "1h", ""].value == 1
    assert astuple(live.against("activities", "1h"))[:2] == (9, -8 / 9)
    assert (live.against("activities", "1h").trend, live.against("activities", "1h").test) == (
        "falling",
        "conditional binomial",
    )
    assert live.against("activities", "24h").previous is None


def test_a_late_event_of_the_window_before_is_published() -> None:
    live = Live()
    live.at("09:00", *calls(1))
    live.at("10:00", *calls(1))
    live.at("10:00:10", rec("call.logged", "late", ms("08:30"), rep="ann"))
    assert live.published["activities", "1h", ""].value == 1
    assert live.against("activities", "1h").previous == 2


def test_a_window_before_with_other_things_alone_is_one_with_none_of_the_kpi() -> None:
    live = Live()
    live.at("09:00", *calls(1))
    assert live.against("activities", "1h").previous is None  # nobody did anything before eight
    live.at("09:00:10", rec("deal.created", "late", ms("07:30"), rep="ann", amount=1, currency="EUR"))
    assert live.against("activities", "1h").previous == 0
    live.at("09:31")
    assert live.against("activities", "1h").previous is None


def test_a_series_that_ceases_ends_its_alert() -> None:
    live = Live()
    live.set("threshold", "deals_won", window="7d", critical=2)
    won = rec("deal.won", "d1", ms("08:00"))
    live.at("09:00", won)
    live.at("09:01", rec("deal.reopened", "d1", ms("08:30")))
    assert live.alerts == [("deals_won", "none", "critical"), ("deals_won", "critical", "none")]
    assert not [key for key in live.log if key.startswith("band/")]


@pytest.mark.parametrize("restart", [False, True])
def test_what_is_published_after_a_restart_is_what_would_have_been(restart: bool) -> None:
    live = Live()
    live.set("target", "calls", period="day", value=10)
    live.set("threshold", "calls", window="1h", critical=5)
    live.at("09:00", *calls(4))
    if restart:
        live.restart()
    live.at("12:00", *calls(2))
    assert astuple(live.against("calls", "today"))[2:6] == pytest.approx((10, 0.6, 1.5, 0.4))
    assert [after for _, _, after in live.alerts] == ["critical"]


STEPS = st.lists(st.tuples(st.integers(1, 90), st.integers(0, 3), st.booleans()), min_size=2, max_size=12)


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_restarts_neither_repeat_nor_lose_an_alert(steps: list[tuple[int, int, bool]]) -> None:
    told = []
    for restarts in (False, True):
        live = Live()
        live.set("threshold", "calls", window="1h", warning=3, critical=2, clear=4)
        live.set("target", "calls", period="day", value=6)
        live.set("target", "activities", window="24h", value=5)
        minutes = 9 * 60
        for wait, n, restart in steps:
            minutes += wait
            live.at(f"2026-03-{2 + minutes // 1440:02} {minutes // 60 % 24:02}:{minutes % 60:02}", *calls(n))
            if restart and restarts:
                live.restart()
        told.append((sorted(live.alerts), live.reached, {key: one for key, one in live.log.items() if "band/" in key}))
    assert told[0] == told[1]


LIMITED = (
    ("target", {"value": 3}),
    ("target", {}),
    ("threshold", {"warning": 2, "critical": 1, "clear": 3, "min_samples": 2}),
    ("threshold", {}),
)
PLACES = ({"period": "day"}, {"period": "month"}, {"window": "1h"}, {"window": "24h"})
HAPPENED = ("call.logged", "deal.created", "deal.won", "deal.lost", "deal.reopened", "email.sent", "email.replied")


@pytest.mark.parametrize("seed", range(4))
def test_what_was_published_last_is_what_a_fresh_look_finds(seed: int) -> None:
    """But for trends, looked at when a value changes only. Late events, turns of days, targets that come and go."""
    rng, live, now_ms = random.Random(seed), Live(), ms("2026-03-30 21:00")
    for step in range(40):
        now_ms += rng.choice([1000, MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS])
        kind, limits = rng.choice(LIMITED)
        kpi, group = rng.choice(["calls", "deals_won", "win_ratio", "activities"]), rng.choice([{}, {"rep": "ann"}])
        live.set(kind, kpi, group=group, **rng.choice(PLACES), **limits)
        events = []
        for n in range(rng.randrange(4)):
            kind, ago_ms = rng.choice(HAPPENED), rng.choice([1000, HOUR_MS, DAY_MS, 30 * DAY_MS])
            name = f"{step}-{n}" if kind == "call.logged" else str(rng.randrange(6))
            data = {"amount": 3, "currency": "EUR"} if kind == "deal.created" else {}
            rep = rng.choice(["ann", "bob"])
            events.append(rec(kind, name, now_ms - ago_ms, id=f"{step}-{n}", rep=rep, **data))
        live.at(rfc3339(now_ms), *events)
        for series, parts in live.kpis.evaluator.latest.items():
            fresh = live.kpis.judge.against(series, parts)
            found = live.published[series.kpi, series.window, series.group].against
            assert _lasting(found) == _lasting(fresh), f"{series} at step {step}"


def _lasting(found: Against | None) -> Against | None:
    return None if found is None else replace(found, trend=None, test=None, crossed=None)
