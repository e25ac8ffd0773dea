"""Both stages: what a cut holds, what is refused, and that a restart at any cut makes no difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle.histories import History, histories
from support.build import DAY_MS, MINUTE_MS, Rec, decoded, event, line, ms, rec
from support.replay import roster

from streamproc.backtest import ReferenceErrors, load_reference
from streamproc.codec import FUTURE_MS
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.evaluate import Series
from streamproc.kpis.kpi import KpiValue
from streamproc.pipeline import CLOCK, MAX_AGE_MS, FactsCut, FactsStage, KpisStage, State
from streamproc.simulate import Organisation
from streamproc.windows.calendar import Calendar, next_minute

KPIS = catalogue()


class Flow:
    """Both stages with their changelogs, and what a consumer of the values has got. Event clock."""

    def __init__(self, inputs: Iterable[Rec], reference: Reference, zone: str = "UTC") -> None:
        self.inputs, self.reference, self.zone = list(inputs), reference, zone
        self.partials: list[Rec] = []
        self.published: dict[Series, KpiValue] = {}
        self.logs: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
        self.committed = [0, 0]
        self.restart_facts()
        self.restart_kpis()

    def restart_facts(self) -> None:
        """As after a crash: what was not committed never happened."""
        self.facts, self.read = FactsStage(KPIS, self.reference), self.committed[0]
        self.facts.restore(dict(self.logs[0]))

    def restart_kpis(self) -> None:
        self.kpis = KpisStage(KPIS, Calendar(self.zone), reference=self.reference)
        self.fed = self.committed[1]
        self.kpis.restore(dict(self.logs[1]))

    def take(self, n: int) -> None:
        self.facts.on_batch(self.inputs[self.read : self.read + n], None)
        self.read = min(self.read + n, len(self.inputs))

    def cut_facts(self) -> None:
        cut = self.facts.take_cut()
        self.committed[0] = self.read
        if cut is None:
            return
        write(self.logs[0], cut.changelog)
        self.partials += [Rec(value, key=group.encode()) for group, value in cut.partials]
        self.inputs += [Rec(one.value, topic=one.topic, key=one.key) for one in cut.derived]
        if cut.clock is not None:
            self.partials.append(Rec(cut.clock, key=CLOCK.encode()))

    def feed(self, n: int) -> None:
        self.kpis.on_batch(self.partials[self.fed : self.fed + n])
        self.fed = min(self.fed + n, len(self.partials))
        self.kpis.on_tick(self.kpis.event_clock_ms)

    def cut_kpis(self) -> None:
        cut = self.kpis.take_cut()
        self.committed[1] = self.fed
        if cut is None:
            return
        write(self.logs[1], cut.changelog)
        for value in cut.values:
            self.published[Series(value.kpi, value.group, value.window)] = value
        for series in cut.ceased:
            del self.published[series]

    def finish(self) -> dict[Series, tuple[Any, ...]]:
        while self.read < len(self.inputs) or self.committed[0] < self.read:
            self.take(1000)
            self.cut_facts()
        while self.fed < len(self.partials) or self.committed[1] < self.fed:
            self.feed(1000)
            self.cut_kpis()
        self.cut_kpis()
        return self.values()

    def values(self) -> dict[Series, tuple[Any, ...]]:
        return {
            series: (found.value, found.numerator, found.denominator, found.n, found.buckets)
            for series, found in self.published.items()
        }


def write(log: dict[str, bytes], state: State) -> None:
    for key, value in state:
        if value is None:
            log.pop(key, None)
        else:
            log[key] = value


def records(lines: Iterable[bytes]) -> list[Rec]:
    return [Rec(raw, timestamp=offset, offset=offset) for offset, raw in enumerate(lines)]


def expected(history: History, lines: list[bytes]) -> dict[Series, tuple[Any, ...]]:
    return Flow(records(lines), load_reference(history.reference, Reference()), history.zone).finish()


STEPS: dict[str, Callable[[Flow], None]] = {
    "take 1": lambda flow: flow.take(1),
    "take 5": lambda flow: flow.take(5),
    "cut facts": Flow.cut_facts,
    "feed 1": lambda flow: flow.feed(1),
    "feed 20": lambda flow: flow.feed(20),
    "cut kpis": Flow.cut_kpis,
    "restart facts": Flow.restart_facts,
    "restart kpis": Flow.restart_kpis,
}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories(max_lives=4), steps=st.lists(st.sampled_from(list(STEPS)), max_size=30), data=st.data())
def test_cuts_and_restarts_make_no_difference(history: History, steps: list[str], data: st.DataObject) -> None:
    lines = data.draw(st.permutations([*history.lines, *history.lines[:2]]))
    flow = Flow(records(lines), load_reference(history.reference, Reference()), history.zone)
    for step in steps:
        STEPS[step](flow)
    assert flow.finish() == expected(history, lines)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_simulated_stream_with_restarts(seed: int) -> None:
    organisation = Organisation(seed=seed, start_ms=ms("2026-03-27 12:00"), flaws=0.03)
    delivered = list(organisation.events(ms("2026-03-29 06:00"), rate_per_s=0.006))
    inputs = [Rec(raw, arrival) for arrival, _, _, raw in delivered]
    reference = load_reference(organisation.reference(), Reference())
    whole, broken = (Flow(inputs, reference, "Europe/Berlin") for _ in range(2))
    for number in range(len(inputs) // 50):
        broken.take(50)
        if number % 3:
            broken.cut_facts()
        broken.feed(300)
        if number % 4:
            broken.cut_kpis()
        if number % 5 == 0:
            broken.restart_facts()
        if number % 7 == 0:
            broken.restart_kpis()
    assert broken.finish() == whole.finish()
    assert len(whole.published) > 300
    assert broken.kpis.event_clock_ms == whole.kpis.event_clock_ms


# --- stage 1 ---------------------------------------------------------------------------------------------------------


def stage(reference: Reference | None = None) -> FactsStage:
    return FactsStage(KPIS, reference or Reference())


def cut(facts: FactsStage) -> FactsCut:
    found = facts.take_cut()
    assert found is not None
    return found


def sums(found: FactsCut) -> dict[str, float | None]:
    """Company values of single events' partial sums, by KPI, over all time."""
    kpis = KpisStage(KPIS)
    kpis.on_batch([Rec(value, key=group.encode()) for group, value in found.partials])
    kpis.on_tick(ms("2100-01-01"))
    values = kpis.take_cut()
    assert values is not None
    return {v.kpi: v.value for v in values.values if v.group == "" and v.window in (None, "all")}


def test_nothing_new_is_no_cut() -> None:
    facts = stage()
    assert facts.take_cut() is None
    facts.on_batch([], None)
    assert facts.take_cut() is None
    facts.on_batch([rec("call.logged", rep="ann")], None)
    assert facts.take_cut() is not None
    assert facts.take_cut() is None
    kpis = KpisStage(KPIS)
    assert kpis.take_cut() is None
    kpis.on_tick(ms("10:00"))
    assert kpis.take_cut() is not None
    kpis.on_tick(ms("10:00"))
    assert kpis.take_cut() is None


def test_a_restored_stage_has_nothing_new() -> None:
    facts = stage()
    facts.on_batch([rec("email.sent", "m1", rep="ann")], None)
    log: dict[str, bytes] = {}
    write(log, cut(facts).changelog)
    again = stage()
    again.restore(log)
    assert again.take_cut() is None


def test_repeated_events_are_counted_and_dropped() -> None:
    facts = stage()
    one = rec("call.logged", "c1", rep="ann", id="a")
    facts.on_batch([one, one], None)
    facts.on_batch([one], None)
    found = cut(facts)
    assert found.counts == {("event", "sales.crm", "call.logged"): 1, ("duplicate", "sales.crm"): 2}
    assert sums(found)["calls"] == 1
    facts.on_batch([one], None)
    found = cut(facts)
    assert (found.partials, found.counts) == ([], {("duplicate", "sales.crm"): 1})


def test_a_refused_event_may_come_again_repaired() -> None:
    facts = stage()
    late = rec("call.logged", "c1", "09:00", rep="ann", id="a")
    facts.on_batch([late], ms("08:00"))
    facts.on_batch([late], ms("09:00"))
    assert cut(facts).counts == {("rejected", "sales.crm", "future"): 1, ("event", "sales.crm", "call.logged"): 1}


@pytest.mark.parametrize(
    ("ahead_ms", "reason"),
    [
        (0, None),
        (FUTURE_MS, None),
        (FUTURE_MS + 1, "future"),
        (-MAX_AGE_MS, None),
        (-MAX_AGE_MS - 1, "late"),
    ],
)
def test_future_and_late_by_the_wall_clock_only(ahead_ms: int, reason: str | None) -> None:
    now_ms = ms("09:00")
    one = rec("call.logged", "c1", now_ms + ahead_ms, rep="ann", arrival=now_ms)
    facts = stage()
    facts.on_batch([one], now_ms)
    assert [dict(r.headers)["reason"] for r in cut(facts).rejected] == ([reason.encode()] if reason else [])
    facts = stage()
    facts.on_batch([one], None)
    assert cut(facts).rejected == []


def test_a_rejected_record_keeps_its_bytes_and_says_why_and_where_from() -> None:
    facts = stage()
    broken = Rec(b"{\xff", key=b"k", topic="sales.email", partition=3, offset=17)
    facts.on_batch([broken, Rec(None, key=None, topic="sales.crm", offset=4)], ms("09:00"))
    first, second = cut(facts).rejected
    assert (first.value, first.key) == (b"{\xff", b"k")
    headers = dict(first.headers)
    assert headers.pop("error").startswith(b"expected UTF-8")
    assert headers == {
        "reason": b"not_utf8", "source_topic": b"sales.email", "source_partition": b"3", "source_offset": b"17",
    }  # fmt: skip
    assert (second.value, second.key) == (None, None)
    assert dict(second.headers)["reason"] == b"not_json"


def test_a_currency_is_known_from_its_first_rate_on() -> None:
    facts = stage(roster("fx.rate USD rate=2 valid_from=09:00"))
    early = rec("deal.created", "d1", "08:59:59.999", currency="USD")
    facts.on_batch([early, rec("deal.created", "d2", "09:00", currency="USD")], None)
    found = cut(facts)
    assert [dict(r.headers)["reason"] for r in found.rejected] == [b"unknown_currency"]
    assert b"USD" in dict(found.rejected[0].headers)["error"]
    assert sums(found)["pipeline_value_eur"] == 200


def test_what_cancels_out_before_the_cut_has_no_value() -> None:
    facts = stage()
    facts.on_batch([rec("deal.created", "d1", "08:00")], None)
    facts.on_batch([rec("deal.won", "d1", "09:00")], None)
    facts.on_batch([rec("deal.reopened", "d1", "09:30")], None)
    found = sums(cut(facts))
    assert "deals_won" not in found
    assert (found["deals_created"], found["open_deals"]) == (1, 1)


def test_anomalies_are_counted_not_summed() -> None:
    facts = stage()
    facts.on_batch([rec("email.sent", "m1"), rec("email.bounced", "m1"), rec("email.opened", "m1")], None)
    found = cut(facts)
    assert found.counts["anomaly", "engaged_unreached"] == 1
    assert sums(found)["email_bounce_ratio"] == 1


def test_the_clock_record_carries_the_latest_event_and_the_first_to_arrive() -> None:
    facts = stage()
    facts.on_batch([rec("call.logged", "c1", "09:30", rep="ann", arrival=500)], None)
    facts.on_batch([rec("call.logged", "c2", "09:00", rep="ann", arrival=400)], None)
    kpis = KpisStage(KPIS)
    kpis.on_batch([Rec(cut(facts).clock, key=CLOCK.encode())])
    assert kpis.event_clock_ms == next_minute(ms("09:30"))
    kpis.on_tick(kpis.event_clock_ms)
    found = kpis.take_cut()
    assert found is not None
    assert found.oldest == (400, ms("09:00"))
    assert found.clock_ms == ms("09:31")


def test_the_event_clock_is_the_latest_of_all_tasks_and_never_goes_back() -> None:
    kpis = KpisStage(KPIS)
    for time in ("09:30", "09:00", "09:29:59"):
        facts = stage()
        facts.on_batch([rec("call.logged", "c1", time, rep="ann")], None)
        kpis.on_batch([Rec(cut(facts).clock, key=CLOCK.encode())])
    assert kpis.event_clock_ms == ms("09:31")


def test_an_event_that_counts_nothing_still_moves_the_clock() -> None:
    facts = stage()
    facts.on_batch([rec("invoice.paid", "c1", "09:30", invoice="i1")], None)
    found = cut(facts)
    assert found.partials == []
    assert found.clock is not None
    facts.on_batch([rec("invoice.paid", "c1", "09:10", invoice="i1")], None)
    assert cut(facts).clock is None


def test_old_ids_and_entities_are_forgotten_by_arrival() -> None:
    facts, log = stage(), {}

    def arrives(name: str, days: int) -> FactsCut:
        arrival = ms("09:00") + days * DAY_MS
        facts.on_batch([rec("email.opened" if days == 0 else "email.sent", name, arrival=arrival)], arrival)
        facts.on_tick(arrival)
        found = cut(facts)
        write(log, found.changelog)
        return found

    arrives("m1", 0)
    assert {key.partition("/")[0] for key in log} == {"clock", "entity", "seen", "version", "projection"}
    first = {key for key in log if key.startswith("seen/")}
    assert arrives("m2", 6).counts["orphans",] == 0
    assert "entity/email/m1" in log
    assert arrives("m3", 7).counts["orphans",] == 1  # the opening of m1, whose sending never came
    assert "entity/email/m1" not in log
    assert first < log.keys()
    arrives("m4", 8)
    assert not first & log.keys()
    arrives("m5", 102)
    assert "entity/email/m2" in log
    assert arrives("m6", 103).counts["orphans",] == 0
    assert "entity/email/m2" not in log
    assert "entity/email/m3" in log


def test_a_backlog_counts_as_it_did_when_it_was_live() -> None:
    """A worker that rebuilds from the topics (or was down for long) reads old arrivals, with ticks of today between."""
    counts = []
    for now in (None, ms("2026-06-30 09:00")):
        facts = stage()
        for one in (
            rec("email.sent", "m1", "09:00", id="a"),
            rec("email.sent", "m1", "09:00", id="a", arrival=ms("09:05")),
            rec("email.replied", "m1", "10:00", id="b"),
        ):
            facts.on_batch([one], now)
            facts.on_tick(now or one.timestamp)
        found = cut(facts)
        counts.append((found.counts["duplicate", "sales.email"], sums(found)["email_response_ratio"]))
    assert counts == [(1, 1), (1, 1)]


# --- stage 2 ---------------------------------------------------------------------------------------------------------


def through(facts: FactsStage, kpis: KpisStage, *events: Rec) -> None:
    facts.on_batch(events, None)
    found = cut(facts)
    kpis.on_batch([Rec(value, key=group.encode()) for group, value in found.partials])


def latest(kpis: KpisStage) -> tuple[dict[Series, float | None], list[Series]]:
    found = kpis.take_cut()
    assert found is not None
    return {Series(v.kpi, v.group, v.window): v.value for v in found.values}, found.ceased


def test_what_lies_ahead_counts_when_the_tick_reaches_it() -> None:
    facts, kpis = stage(), KpisStage(KPIS)
    kpis.on_tick(ms("09:00"))
    through(facts, kpis, rec("call.logged", "c1", "09:03", rep="ann"), rec("deal.created", "d1", "09:03"))
    values, _ = latest(kpis)
    assert values == {}
    kpis.on_tick(ms("09:03"))
    assert latest(kpis)[0] == {}
    kpis.on_tick(ms("09:04"))
    values, _ = latest(kpis)
    assert values[Series("calls", "", "1h")] == 1
    assert values[Series("open_deals", "", None)] == 1


def test_what_lies_ahead_survives_a_restart() -> None:
    facts, kpis, log = stage(), KpisStage(KPIS), {}
    kpis.on_tick(ms("09:00"))
    through(facts, kpis, rec("call.logged", "c1", "09:03", rep="ann"))
    found = kpis.take_cut()
    assert found is not None
    write(log, found.changelog)
    again = KpisStage(KPIS)
    again.restore(log)
    again.on_tick(ms("09:04"))
    assert latest(again)[0][Series("calls", "rep=ann", "1h")] == 1


def test_only_what_changed_is_published() -> None:
    facts, kpis = stage(), KpisStage(KPIS)
    kpis.on_tick(ms("09:30"))
    through(facts, kpis, rec("call.logged", "c1", "09:00", rep="ann"), rec("call.logged", "c2", "09:10", rep="bob"))
    latest(kpis)
    through(facts, kpis, rec("call.logged", "c3", "09:20", rep="ann"))
    values, _ = latest(kpis)
    assert {group for _, group, _ in values} == {"", "rep=ann", "channel=phone"}
    assert values[Series("calls", "", "1h")] == 3
    kpis.on_tick(ms("10:00"))
    assert latest(kpis)[0] == {}  # 09:00 is still in the window
    kpis.on_tick(ms("10:01"))
    values, _ = latest(kpis)
    assert {(group, window) for _, group, window in values} == {("", "1h"), ("rep=ann", "1h"), ("channel=phone", "1h")}


def test_series_cease_when_everything_is_withdrawn() -> None:
    facts, kpis = stage(), KpisStage(KPIS)
    kpis.on_tick(ms("10:00"))
    through(facts, kpis, rec("deal.created", "d1", "08:00", rep="ann"), rec("deal.won", "d1", "09:30"))
    values, ceased = latest(kpis)
    assert values[Series("deals_won", "rep=ann", "1h")] == 1
    assert ceased == []
    through(facts, kpis, rec("deal.reopened", "d1", "09:45"))
    values, ceased = latest(kpis)
    assert {(s.kpi, s.group) for s in ceased} >= {("deals_won", ""), ("deals_won", "rep=ann"), ("win_ratio", "")}
    assert Series("deals_won", "rep=ann", "1h") in ceased
    assert not {s.kpi for s in ceased} & {"deals_created", "open_deals"}
    assert values[Series("open_deals", "rep=ann", None)] == 1
    through(facts, kpis, rec("deal.lost", "d1", "09:50"))
    values, ceased = latest(kpis)
    assert values[Series("win_ratio", "rep=ann", "1h")] == 0
    assert ceased == []


def test_nothing_is_held_of_a_group_whose_series_have_all_ceased() -> None:
    """A deal turns out to have been created earlier, and by another rep."""
    facts, kpis = stage(), KpisStage(KPIS)
    kpis.on_tick(ms("10:00"))
    through(facts, kpis, rec("deal.created", "d1", "09:00", rep="ann"))
    assert {series.group for series in latest(kpis)[0]} == {"", "rep=ann"}
    through(facts, kpis, rec("deal.created", "d1", "08:00", id="earlier", rep="bob"))
    _, ceased = latest(kpis)
    assert {series.group for series in ceased} == {"rep=ann"}
    assert {series.group for series in kpis.evaluator.latest} == {*kpis.evaluator.latest._groups} == {"", "rep=bob"}


def test_a_level_ceases_when_its_deal_turns_out_never_to_have_been_there() -> None:
    """A win that was earlier than the creation arrives late: the deal was never open."""
    facts, kpis = stage(), KpisStage(KPIS)
    kpis.on_tick(ms("10:00"))
    through(facts, kpis, rec("deal.created", "d1", "09:00", rep="ann", amount=50))
    assert latest(kpis)[0][Series("open_deals", "rep=ann", None)] == 1
    through(facts, kpis, rec("deal.won", "d1", "08:00", rep="ann"))
    _, ceased = latest(kpis)
    assert Series("open_deals", "rep=ann", None) in ceased
    assert Series("pipeline_value_eur", "", None) in ceased


def test_a_clock_that_jumps_takes_everything_out_at_once() -> None:
    facts, kpis = stage(), KpisStage(KPIS)
    kpis.on_tick(ms("10:00"))
    calls = [rec("call.logged", f"c{n}", ms("09:00") + n * MINUTE_MS, rep="ann", contact=f"p{n}") for n in range(50)]
    through(facts, kpis, *calls)
    assert latest(kpis)[0][Series("contacts_touched", "", "1h")] == 50
    kpis.on_tick(ms("2026-06-30 10:00"))
    values, _ = latest(kpis)
    for window in ("1h", "24h", "7d", "90d"):
        assert values[Series("contacts_touched", "rep=ann", window)] == 0
    assert Series("contacts_touched", "rep=ann", "all") not in values


def test_a_restored_stage_publishes_all_values_again_and_the_same() -> None:
    facts, kpis, log = stage(), KpisStage(KPIS), {}
    kpis.on_tick(ms("10:00"))
    through(facts, kpis, rec("call.logged", "c1", "09:30", rep="ann", contact="p"), rec("deal.created", "d1", "09:00"))
    found = kpis.take_cut()
    assert found is not None
    write(log, found.changelog)
    again = KpisStage(KPIS)
    again.restore(log)
    second = again.take_cut()
    assert second is not None
    assert sorted(second.values, key=str) == sorted(found.values, key=str)
    assert [key for key, _ in second.changelog] == [CLOCK]


def test_series_cease_also_when_the_withdrawal_comes_right_after_a_restart() -> None:
    """Values that a predecessor published must be taken back, even where this process has not published them."""
    facts, kpis, log = stage(), KpisStage(KPIS), {}
    kpis.on_tick(ms("10:00"))
    through(facts, kpis, rec("deal.created", "d1", "08:00", rep="ann"), rec("deal.won", "d1", "09:30"))
    found = kpis.take_cut()
    assert found is not None
    assert "deals_won" in {value.kpi for value in found.values}
    write(log, found.changelog)
    again = KpisStage(KPIS)
    again.restore(log)
    through(facts, again, rec("deal.reopened", "d1", "09:45"))
    assert Series("deals_won", "rep=ann", "1h") in latest(again)[1]


# --- nothing may stop the stream -------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_an_absurd_time_with_the_event_clock(time: str, first: bool, zone: str) -> None:
    absurd = Rec(json.dumps({**event("call.logged", rep="ann", id="x"), "time": time}).encode())
    good = rec("call.logged", "c1", "09:00", rep="bob")
    flow = Flow([absurd, good] if first else [good, absurd], Reference(), zone)
    for _ in range(2):
        flow.take(1)
        flow.cut_facts()
        flow.feed(10)
        flow.cut_kpis()
    assert flow.finish()[Series("calls", "rep=bob", "all")][0] == 1


def test_an_absurd_rate_stops_nothing() -> None:
    """Sums are sent in 64 bits: either such a rate is not taken, or what it makes of amounts may not break the cut."""
    try:
        reference = load_reference([line("fx.rate", currency="USD", rate=1e9)], Reference())
    except ReferenceErrors:
        return
    facts = stage(reference)
    facts.on_batch([rec("deal.created", "d1", amount=1e11, currency="USD"), rec("call.logged", "c1", rep="ann")], None)
    assert sums(cut(facts))["calls"] == 1


@settings(max_examples=100, deadline=None)
@given(
    raws=st.lists(
        st.binary(max_size=80) | st.sampled_from([line("call.logged", rep="ann"), line("email.sent", "m1")]), max_size=6
    )
)
def test_any_bytes_go_through(raws: list[bytes]) -> None:
    facts = stage()
    facts.on_batch(records(raws), ms("10:00"))
    found = facts.take_cut()
    assert (found is None) == (not raws)
    if found is not None:
        assert sum(n for (kind, *_), n in found.counts.items() if kind != "orphans") == len(raws)


def test_the_largest_numbers_that_an_event_may_hold() -> None:
    first_contact = "0001-01-01T00:00:00Z"
    facts = stage()
    facts.on_batch(
        [
            rec("deal.created", "d1", "09:00", amount=1e11, first_contact_at=first_contact, probability=1),
            rec("deal.created", "d2", "09:00", amount=-1e11),
            rec("deal.won", "d1", "10:00"),
        ],
        None,
    )
    found = sums(cut(facts))
    assert (found["revenue_eur"], found["pipeline_value_eur"]) == (1e11, -1e11)
    won, since = decoded("deal.won", "d1", "10:00").time_ms, -62_135_596_800_000
    assert found["sales_cycle_seconds"] == (won - since) / 1000
