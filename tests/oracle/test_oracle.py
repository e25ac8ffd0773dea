"""The oracle proves itself on small timelines whose values are worked out by hand here (deals: test_deals.py)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.histories import History, contradicting, deliveries, histories, history, shuffled
from oracle.oracle import Oracle, Row, values
from oracle.timelines import AT, DAY_S, ROSTER, ask, created, ev, ms
from streamproc.kpis.catalogue import catalogue

# --- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "at", "first"),
    [
        ("1h", "2026-05-13T12:07Z", "2026-05-13T11:07:00"),
        ("24h", "2026-05-13T12:07Z", "2026-05-12T12:00:00"),  # 12:07 down to the quarter of an hour
        ("7d", "2026-05-13T12:07Z", "2026-05-06T12:00:00"),
        ("30d", "2026-05-13T12:07Z", "2026-04-13T12:00:00"),
        ("90d", "2026-05-13T12:07Z", "2026-02-12T12:00:00"),
        ("today", "2026-05-13T12:07Z", "2026-05-12T22:00:00"),  # midnight in Berlin, summer time
        ("today", "2026-03-29T12:00Z", "2026-03-28T23:00:00"),  # the day that lasts 23 hours begins in winter time
        ("today", "2026-10-25T22:59Z", "2026-10-24T22:00:00"),  # the day that lasts 25 hours begins in summer time
        ("today", "2026-03-31T22:00Z", "2026-03-30T22:00:00"),  # at midnight it is still the day before
        ("week", "2026-03-31T12:00Z", "2026-03-29T22:00:00"),
        ("week", "2026-03-29T22:00Z", "2026-03-22T23:00:00"),  # on Monday at 0:00 it is still the week before
        ("month", "2026-03-31T22:00Z", "2026-02-28T23:00:00"),
        ("quarter", "2026-06-30T22:00Z", "2026-03-31T22:00:00"),
        ("quarter", "2026-06-30T22:01Z", "2026-06-30T22:00:00"),
        ("year", "2026-12-31T23:00Z", "2025-12-31T23:00:00"),
    ],
)
def test_window_starts(window: str, at: str, first: str) -> None:
    before = datetime.fromisoformat(first) - timedelta(milliseconds=1)
    events = [ev("call.logged", first, rep="a"), ev("call.logged", before.isoformat(), rep="b")]
    answer = ask(events, at, zone="Europe/Berlin")
    assert answer["calls", "rep=a", window].n == 1
    assert answer["calls", "rep=b", window].n == 0
    assert answer["calls", "", "all"].n == 2


def test_events_from_the_time_asked_for_do_not_exist() -> None:
    events = [ev("call.logged", "11:59:59.999", rep="a"), ev("call.logged", "12:00", rep="b")]
    answer = ask(events, kpis={"calls"}, windows={"1h"})
    assert answer == {
        ("calls", "", "1h"): Row(1, 1, None, 1),
        ("calls", "rep=a", "1h"): Row(1, 1, None, 1),
        ("calls", "channel=phone", "1h"): Row(1, 1, None, 1),
    }


def test_time_must_be_a_whole_minute() -> None:
    with pytest.raises(ValueError, match="whole minute"):
        values([], 1)


# --- activity --------------------------------------------------------------------------------------------------------


def test_activities_count_each_life_once() -> None:
    events = [
        ev("call.logged", "10:00", "1", rep="a"),
        ev("call.logged", "10:00", "2", rep="a", direction="inbound", outcome="failed"),
        ev("email.sent", "10:01", "1", rep="a"),
        ev("email.sent", "10:02", "1", rep="b"),  # the same e-mail: the first sending counts
        ev("meeting.held", "10:03", "1", rep="a"),
        ev("meeting.held", "10:04", "1", rep="b"),
        ev("meeting.booked", "10:05", "2", rep="a"),  # never held
        ev("message.sent", "10:06", "1", rep="a", channel="linkedin"),
    ]
    answer = ask(events)
    kpis = ("activities", "calls", "emails_sent", "meetings_held", "messages_sent")
    assert [answer[kpi, "rep=a", "today"].value for kpi in kpis] == [5, 2, 1, 1, 1]
    assert [answer["activities", group, "today"].n for group in ("channel=phone", "channel=email")] == [2, 1]
    assert answer["activities", "channel=linkedin", "today"].n == 1
    assert not [group for _, group, _ in answer if group == "rep=b" and _ != "contacts_touched"]


def test_contacts_are_different_people_addressed() -> None:
    events = [
        ev("call.logged", "10:00", "1", rep="a", contact="p1"),
        ev("call.logged", "10:00", "2", rep="a", contact="p2", direction="inbound"),  # p2 called us
        ev("call.logged", "10:00", "3", rep="a", contact="p3", direction="outbound"),
        ev("email.sent", "10:00", "1", rep="a", recipient="p1"),
        ev("email.sent", "10:01", "1", rep="b", recipient="p4"),  # every sending, not only the first
        ev("meeting.held", "10:00", "1", rep="a"),  # nobody named
        ev("message.sent", "2026-05-12T10:00", "1", rep="a", channel="chat", contact="p5"),
    ]
    answer = ask(events)
    assert answer["contacts_touched", "", "today"] == Row(3, 3, None, 3)  # p1 p3 p4
    assert answer["contacts_touched", "", "7d"].value == 4
    assert answer["contacts_touched", "rep=a", "7d"].value == 3
    assert answer["contacts_touched", "channel=phone", "today"].value == 2


def test_a_meeting_takes_what_it_lacks_from_its_booking() -> None:
    roster = [
        ev("rep.defined", "2020-01-01T00:00", rep="a", team="old"),
        ev("rep.defined", "2020-01-01T00:00", rep="a", team="new", valid_from="2026-05-13T09:00Z"),
    ]
    events = [
        ev("meeting.held", "10:00", campaign="x"),
        ev("meeting.booked", "08:00", campaign="y", rep="a", medium="video"),
        ev("meeting.booked", "08:01", campaign="y", rep="b", product="late"),
    ]
    answer = ask(events, reference=roster)
    groups = {group for kpi, group, _ in answer if kpi == "meetings_held"}
    assert groups == {"", "campaign=x", "rep=a", "team=old", "channel=video"}


# --- roster ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "data", "groups"),
    [
        ("09:59:59.999", {"rep": "a"}, {"rep=a", "team=north", "region=dach"}),
        ("10:00", {"rep": "a"}, {"rep=a", "team=south", "region=uk"}),
        ("11:00", {"rep": "a"}, {"rep=a", "team=south", "region=fr"}),
        ("10:00", {"rep": "a", "region": "it"}, {"rep=a", "team=south", "region=it"}),
        ("09:00", {"rep": "a", "team": "south"}, {"rep=a", "team=south", "region=dach"}),  # the rep's own region first
        ("10:00", {"rep": "b", "team": "south"}, {"rep=b", "team=south", "region=uk"}),
        ("10:00", {"rep": "b"}, {"rep=b"}),
    ],
)
def test_team_and_region_come_from_the_roster_at_the_time(time: str, data: dict[str, str], groups: set[str]) -> None:
    answer = ask([ev("call.logged", time, **data)], reference=ROSTER, kpis={"calls"}, windows={"all"})
    assert {group for _, group, _ in answer} == groups | {"", "channel=phone"}


# --- e-mails and messages --------------------------------------------------------------------------------------------


def test_email_ratios() -> None:
    events = [
        *(ev("email.sent", "10:00", name, campaign="c") for name in "123456"),
        ev("email.opened", "10:01", "1", machine=False),
        ev("email.opened", "10:02", "1"),
        ev("email.opened", "10:01", "2", machine=True),
        ev("email.clicked", "10:03", "2"),
        ev("email.clicked", "10:03", "3", machine=True),
        ev("email.replied", "09:00", "3"),  # clocks differ: replied, but without a duration
        ev("email.bounced", "10:01", "4"),
        ev("email.opened", "10:02", "4"),
        ev("email.replied", "10:02", "4"),
        ev("email.rejected", "10:01", "5"),
        ev("email.replied", "10:02", "9"),  # never sent
    ]
    answer = ask(events)
    expected = {
        "email_open_ratio": Row(1 / 4, 1, 4, 4),  # reached: 1 2 3 6
        "email_click_ratio": Row(1 / 4, 1, 4, 4),
        "email_response_ratio": Row(1 / 4, 1, 4, 4),
        "email_bounce_ratio": Row(1 / 6, 1, 6, 6),
    }
    for kpi, row in expected.items():
        assert answer[kpi, "campaign=c", "24h"] == row
        assert answer[kpi, "campaign=c", "1h"] == Row(None, 0, 0, 0)
    assert ("email_response_seconds", "", "all") not in answer


def test_an_answer_belongs_to_the_sending_for_ratios_and_to_itself_for_times() -> None:
    events = [
        ev("email.sent", "2026-05-01T10:00", "1", rep="a"),
        ev("email.replied", "11:30", "1", rep="b"),
        ev("email.replied", "11:40", "1"),
    ]
    answer = ask(events)
    assert answer["email_response_ratio", "rep=a", "30d"] == Row(1, 1, 1, 1)
    assert answer["email_response_ratio", "rep=a", "7d"] == Row(None, 0, 0, 0)
    seconds = 12 * DAY_S + 1.5 * 3600
    assert answer["email_response_seconds", "rep=a", "1h"] == Row(seconds, seconds, 1, 1)
    assert answer["email_response_p90_seconds", "rep=a", "1h"] == Row(seconds, None, None, 1)
    assert answer["email_response_seconds", "rep=a", "all"].n == 1


@pytest.mark.parametrize(("time", "replied"), [("2026-05-11T10:00", 1), ("2026-05-11T10:00:00.001", 0)])
@pytest.mark.parametrize("family", ["email", "message"])
def test_engagement_ends_after_90_days(family: str, time: str, replied: int) -> None:
    data = {"channel": "chat"} if family == "message" else {}
    events = [ev(f"{family}.sent", "2026-02-10T10:00", **data), ev(f"{family}.replied", time, **data)]
    answer = ask(events)
    assert answer[f"{family}_response_ratio", "", "all"] == Row(replied, replied, 1, 1)
    assert (("email_response_seconds", "", "all") in answer) == (family == "email" and bool(replied))


def test_response_time_mean_and_quantiles() -> None:
    minutes = (40, 0, 10, 30, 20)
    events = [ev("email.sent", "10:00", str(m)) for m in minutes]
    events += [ev("email.replied", f"10:{m:02}", str(m)) for m in minutes]
    answer = ask(events)
    assert answer["email_response_seconds", "", "24h"] == Row(1200, 6000, 5, 5)
    assert answer["email_response_p50_seconds", "", "24h"].value == 1200  # the third of five
    assert answer["email_response_p90_seconds", "", "24h"].value == 2400  # the last of five
    assert answer["email_response_p90_seconds", "", "1h"] == Row(None, None, None, 0)
    assert answer["email_response_seconds", "", "1h"] == Row(None, 0, 0, 0)


def test_messages() -> None:
    events = [
        ev("message.sent", "10:00", "1", channel="linkedin"),
        ev("message.sent", "10:00", "2", channel="linkedin"),
        ev("message.replied", "10:30", "1", channel="chat"),
        ev("message.replied", "10:40", "1", channel="chat"),
    ]
    assert ask(events)["message_response_ratio", "channel=linkedin", "today"] == Row(1 / 2, 1, 2, 2)


# --- what does not count ---------------------------------------------------------------------------------------------


def test_repeated_and_invalid_events_are_left_out() -> None:
    call = ev("call.logged", "10:00", "1", rep="a")
    events = [
        call | {"time": "2026-05-13T10:00:01Z", "data": {"rep": "b"}},  # the same id: the first in time counts
        call,
        call,
        call | {"source": "elsewhere"},
        ev("call.logged", "10:00", "2"),  # no rep
        ev("call.logged", "10:00", "3", rep="a") | {"subject": "deal/3"},
        ev("call.ended", "10:00", "4", rep="a"),
        created("10:00", currency="XXX"),
        ev("deal.updated", "10:00", currency="XXX"),
    ]
    answer = ask(events)
    assert {key: row.n for key, row in answer.items() if key[::2] == ("calls", "all")} == {
        ("calls", "", "all"): 2,
        ("calls", "rep=a", "all"): 2,
        ("calls", "channel=phone", "all"): 2,
    }
    assert {kpi for kpi, _, _ in answer} == {"activities", "activities_per_rep", "account_engagement_points", "calls"}
    assert values([b"not json", b"\xff", b"{}"], ms(AT)) == {}


# --- as a whole ------------------------------------------------------------------------------------------------------


def test_generated_histories_move_every_kpi_in_every_group() -> None:
    """Property tests on these histories would be empty if some value never came up."""
    still = {(kpi.name, dim) for kpi in catalogue().kpis for dim in ("", *kpi.by)}
    windows = set()
    for seed in range(20):
        told = history(seed, lives=250)
        for (kpi, group, window), row in _ask(told, told.lines).items():
            windows.add(window)
            if row.value:
                still.discard((kpi, group.split("=")[0]))
        if not still:
            break
    assert still == set()
    assert windows == {
        None, "1h", "24h", "7d", "30d", "90d", "today", "week", "month", "quarter", "year", "all",
    }  # fmt: skip


UNBOUNDED = {  # part and whole are not of one cohort, or money
    "closing_ratio", "pipeline_growth_ratio", "revenue_growth_ratio", "gross_margin_ratio", "net_margin_ratio",
    "revenue_attainment_ratio", "web_click_ratio",
}  # fmt: skip


def _ask(told: History, lines: list[bytes]) -> dict[Any, Row]:
    return values(lines, told.at_ms, reference=told.reference, zone=told.zone)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories(), st.data())
def test_order_and_repetition_change_nothing(told: History, data: st.DataObject) -> None:
    lines = data.draw(contradicting(told.lines))
    answer = _ask(told, lines)
    assert _ask(told, data.draw(deliveries(lines))) == answer
    for (kpi, _, _), row in answer.items():
        if kpi.endswith("_ratio") and kpi not in UNBOUNDED and row.denominator:
            assert 0 <= row.value <= 1, kpi  # type: ignore[operator]


def test_an_oracle_answers_for_several_times() -> None:
    told = history(1, lives=40)
    times = [told.at_ms - days * DAY_S * 1000 for days in (0, 40, 7, 0)]
    with Oracle(told.lines, reference=told.reference, zone=told.zone) as oracle:
        for at_ms in times:
            assert oracle.at(at_ms) == values(told.lines, at_ms, reference=told.reference, zone=told.zone), at_ms


def test_generator_is_the_same_for_the_same_seed() -> None:
    assert history(3) == history(3) != history(4)
    assert sorted(set(shuffled(1, history(3).lines))) == sorted(history(3).lines)
