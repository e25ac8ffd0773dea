"""Meetings, webinars, research, engagement, surveys and web: timelines whose values are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.formulas import Row
from oracle.timelines import ask, created, ev, groups


def test_kinds_of_meetings() -> None:
    events = [
        ev("meeting.booked", "08:00", "1", kind="demo", medium="video", rep="a"),
        ev("meeting.held", "10:00", "1"),
        ev("meeting.booked", "08:00", "2", kind="demo", medium="video"),
        ev("meeting.held", "10:00", "2", kind="onboarding", medium="phone"),
        ev("meeting.held", "10:01", "2", kind="demo"),  # held before
        ev("meeting.booked", "08:00", "3", kind="demo"),  # never held
        ev("meeting.held", "11:30", "4", kind="other", medium="video"),
        ev("meeting.booked", "08:00", "4", kind="onboarding"),
    ]
    answer = ask(events)
    assert groups(answer, "demo_meetings") == {"": 1, "rep=a": 1, "channel=video": 1}
    assert groups(answer, "onboarding_meetings") == {"": 1, "channel=phone": 1}
    assert groups(answer, "video_meetings") == {"": 2, "rep=a": 1, "channel=video": 2}
    assert answer["video_meetings", "", "1h"] == Row(1, 1, None, 1)  # at the time held


def test_webinars() -> None:
    def webinar(kind: str, time: str, name: str, contact: str, **data: Any) -> dict[str, Any]:
        return ev(f"webinar.{kind}", time, name, contact=contact, **data)

    events = [
        webinar("registered", "2026-05-12T09:00", "w", "p1", campaign="x"),
        webinar("registered", "2026-05-12T10:00", "w", "p1", campaign="y"),  # again
        webinar("registered", "2026-05-12T09:00", "w", "p2"),
        webinar("registered", "2026-05-12T13:00", "v", "p1"),  # another one
        webinar("attended", "11:00", "w", "p1", rep="a"),
        webinar("attended", "11:30", "w", "p1", rep="b"),
        webinar("attended", "11:30", "v", "p3"),  # without registration
    ]
    answer = ask(events)
    assert groups(answer, "webinar_registrations") == {"": 3, "campaign=x": 1}
    assert groups(answer, "webinar_attendances") == {"": 2, "rep=a": 1}
    assert answer["webinar_attendance_ratio", "", "7d"] == Row(1 / 3, 1, 3, 3)
    assert answer["webinar_attendance_ratio", "", "24h"] == Row(0, 0, 1, 1)  # at the registration
    assert groups(answer, "webinar_attendance_ratio") == {"": 1 / 3, "campaign=x": 1}


def test_research_and_reactions() -> None:
    events = [
        ev("research.logged", "09:00", "a", duration_s=5400),
        ev("research.logged", "09:00", "a", duration_s=0.0005),  # half a millisecond: 0
        ev("research.logged", "09:00", "b", duration_s=0.0015),  # 1.5 ms: 2
        ev("email.sent", "2026-05-11T10:00", "1", rep="a"),
        ev("email.replied", "10:00", "1", rep="b"),
        ev("email.replied", "10:30", "1"),
        ev("email.sent", "10:00", "2", rep="a"),
        ev("email.replied", "11:00", "2"),
        ev("email.bounced", "11:00", "2"),
        ev("email.sent", "10:00", "3", rep="a"),
        ev("email.replied", "09:00", "3"),  # clocks differ; it counts as answered
        ev("message.sent", "10:00", "1", rep="c", channel="chat"),
        ev("message.replied", "11:00", "1", channel="chat"),
    ]
    answer = ask(events)
    assert answer["research_seconds", "", "today"] == Row(5400.002, 5400.002, None, 3)
    assert answer["research_seconds", "rep=a", "today"] == Row(5400, 5400, None, 2)
    kpi = "research_reactions_per_hour"
    assert answer[kpi, "rep=a", "today"] == Row(2 / 1.5, 2, 1.5, 2)
    assert answer[kpi, "", "today"].n == 3
    assert answer[kpi, "rep=b", "today"] == Row(0, 0, 2 / 3_600_000, 0)
    assert answer[kpi, "rep=c", "today"] == Row(None, 1, 0, 1)
    assert answer[kpi, "rep=a", "1h"] == Row(None, 0, 0, 0)


def test_machine_opens_and_clicks() -> None:
    events = [
        *(ev("email.sent", "2026-02-10T10:00", name, campaign="c", variant="a") for name in "1234"),
        ev("email.opened", "2026-02-10T10:01", "1", machine=True),
        ev("email.opened", "2026-02-10T10:02", "1", machine=True),
        ev("email.clicked", "2026-05-11T10:00", "1", machine=True),  # 90 days
        ev("email.clicked", "2026-05-11T10:00:00.001", "2", machine=True),
        ev("email.opened", "2026-02-10T10:01", "3", machine=True),
        ev("email.rejected", "2026-02-10T10:01", "3"),
        ev("email.opened", "2026-02-10T10:01", "4"),
    ]
    answer = ask(events)
    everyone = {"": 1, "campaign=c": 1, "channel=email": 1, "variant=a": 1}
    assert groups(answer, "email_machine_opens") == everyone
    assert groups(answer, "email_machine_clicks") == everyone


def test_account_engagement() -> None:
    events = [
        ev("call.logged", "10:00", "1", rep="a", account="x", direction="inbound"),  # 1
        ev("call.logged", "10:00", "2", rep="a", account="x", outcome="connected"),  # 3
        ev("meeting.held", "10:00", account="x"),  # 5
        ev("email.sent", "10:00", "1", account="x"),  # 1
        ev("email.opened", "10:01", "1"),  # 1
        ev("email.clicked", "10:01", "1", account="y"),  # 2, of x
        ev("email.replied", "10:01", "1"),  # 4
        ev("message.sent", "10:00", "1", channel="chat", account="y"),  # 1
        ev("message.replied", "11:30", "1", channel="chat"),  # 4
        ev("webinar.attended", "10:00", "w", contact="p", account="z"),  # 4
        ev("webinar.registered", "10:00", "w", contact="p", account="z"),
        ev("call.logged", "10:00", "3", rep="a"),  # 1
    ]
    answer = ask(events)
    assert groups(answer, "account_engagement_points") == {"": 27, "account=x": 17, "account=y": 5, "account=z": 4}
    assert answer["account_engagement_points", "account=y", "today"] == Row(5, 5, None, 5)
    assert answer["account_engagement_points", "account=y", "1h"] == Row(0, 0, None, 0)  # at the sending


def test_closing_ratio() -> None:
    events = [
        ev("call.logged", "10:00", "1", rep="a", outcome="connected", channel="video"),
        ev("call.logged", "10:00", "2", rep="a", outcome="no_answer"),
        ev("call.logged", "10:00", "3", rep="a"),
        ev("meeting.held", "10:00", rep="a", campaign="c"),
        *(created("2026-05-01T10:00", name, rep="a") for name in "123"),
        *(ev("deal.won", "11:30", name) for name in "123"),
        ev("deal.won", "11:30", "4", product="p"),
    ]
    answer = ask(events)
    assert answer["closing_ratio", "rep=a", "today"] == Row(3 / 2, 3, 2, 2)
    assert answer["closing_ratio", "", "today"] == Row(2, 4, 2, 2)
    assert answer["closing_ratio", "", "1h"] == Row(None, 4, 0, 0)
    assert answer["closing_ratio", "campaign=c", "today"] == Row(0, 0, 1, 1)
    assert answer["closing_ratio", "product=p", "today"] == Row(None, 1, 0, 0)


def survey(name: str, score: float, scale: float | None = None, **data: Any) -> dict[str, Any]:
    given = {} if scale is None else {"scale": scale}
    return ev("survey.answered", "10:00", survey=name, score=score, **given, **data)


@pytest.mark.parametrize("name", ["nps", "enps"])
def test_promoters_and_detractors(name: str) -> None:
    scores = (9, 10, 8.5, 6, 6.5, 0, 10.5, -0.5)
    events = [survey(name, score, 5, team="t") for score in scores] + [survey(name, 3, team="u")]
    answer = ask(events)
    kpi = f"{name}_points"
    assert answer[kpi, "team=t", "today"] == Row(0, 0, 6, 6)
    assert answer[kpi, "", "today"] == pytest.approx((-100 / 7, -1, 7, 7))
    assert answer[kpi, "team=u", "today"] == Row(-100, -1, 1, 1)
    assert answer[kpi, "team=u", "1h"] == Row(None, 0, 0, 0)
    assert {found for found, _, _ in answer} == {kpi}


def test_satisfaction() -> None:
    answers = {  # (score, scale) → points of 5
        (4, None): 4, (5, None): 5, (5.5, None): 2.75, (8, 10): 4, (2, 3): 3.3333, (0, 7): 0, (2.4, 3): 4,
        (0.00001, 5): 0, (0.00005, 5): 0, (0.00015, 5): 0.0002,
    }  # fmt: skip
    events = [survey("csat", score, scale, segment="s") for score, scale in answers]
    left_out = [survey("csat", score, scale) for score, scale in ((6, 5), (11, None), (-1, None), (0, 0), (1, -1))]
    answer = ask([*events, *left_out])
    points = sum(answers.values())
    assert points == pytest.approx(23.0835)
    assert answer["csat_points", "segment=s", "today"] == pytest.approx((points / 10, points, 10, 10))
    assert answer["csat_points", "", "today"] == answer["csat_points", "segment=s", "today"]
    assert answer["csat_satisfied_ratio", "", "today"] == Row(4 / 10, 4, 10, 10)


def test_web() -> None:
    events = [
        ev("web.visited", "10:00", campaign="c", page="p"),
        ev("web.visited", "10:00", campaign="c", count=41),
        ev("web.impression", "10:00", count=200),
        ev("web.impression", "10:00", count=100, channel="web"),
        ev("web.clicked", "11:30", count=3, channel="web"),
    ]
    answer = ask(events)
    assert answer["web_visits", "campaign=c", "today"] == Row(42, 42, None, 42)
    assert groups(answer, "web_impressions") == {"": 300, "channel=web": 100}
    assert groups(answer, "web_clicks") == {"": 3, "channel=web": 3}
    assert answer["web_click_ratio", "", "today"] == Row(0.01, 3, 300, 300)
    assert answer["web_click_ratio", "channel=web", "today"] == Row(0.03, 3, 100, 100)
    assert answer["web_click_ratio", "", "1h"] == Row(None, 3, 0, 0)


def test_an_event_of_one_entity_is_not_of_another_by_its_subject() -> None:
    report = ev("web.visited", "10:00") | {"subject": "customer/1"}
    spent = ev("cost.recorded", "10:00", amount=1, currency="EUR") | {"subject": "deal/1"}
    assert {kpi for kpi, _, _ in ask([report, spent])} == {"web_visits", "costs_eur", "net_margin_ratio"}
