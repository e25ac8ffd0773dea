"""Activity KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

import pytest
from support.replay import replay

ROSTER = """
    rep.defined ann team=north region=dach
    rep.defined ann team=south valid_from=12:00
    rep.defined bob team=south
    team.defined south region=uk
"""


def test_activities_of_a_rep_and_of_all() -> None:
    day = replay("""
        09:00 call.logged  c1 rep=ann
        09:10 call.logged  c2 rep=ann direction=inbound outcome=no_answer
        09:20 email.sent   m1 rep=ann
        09:30 meeting.held v1 rep=ann
        09:40 message.sent x1 rep=ann
        09:50 call.logged  c3 rep=bob
    """)
    assert day.value("activities", "1h", at="10:00", rep="ann") == 5
    assert day.value("calls", "1h", at="10:00", rep="ann") == 2  # whatever their outcome or direction
    assert day.value("emails_sent", "1h", at="10:00", rep="ann") == 1
    assert day.value("meetings_held", "1h", at="10:00", rep="ann") == 1
    assert day.value("messages_sent", "1h", at="10:00", rep="ann") == 1
    assert day.value("activities", "1h", at="10:00") == 6
    assert day.row("calls", "1h", at="10:00").n == 3


def test_a_window_holds_its_first_instant_and_not_its_last() -> None:
    day = replay("""
        09:00        call.logged c1 rep=ann
        09:59:59.999 call.logged c2 rep=ann
        10:00        call.logged c3 rep=ann
    """)
    assert day.value("calls", "1h", at="10:00") == 2
    assert day.value("calls", "1h", at="10:01") == 2  # 09:00 has left, 10:00 has come
    assert day.value("calls", "1h", at="11:00") == 1
    assert day.value("calls", "1h", at="11:01") == 0
    assert day.value("calls", "all", at="11:01") == 3


def test_rolling_windows_begin_at_their_step() -> None:
    day = replay("""
        2026-03-01 09:29 call.logged c1 rep=ann
        2026-03-01 09:30 call.logged c2 rep=ann
        2026-02-23 08:59 call.logged c3 rep=ann
        2026-02-23 09:00 call.logged c4 rep=ann
        2026-01-31 09:00 call.logged c5 rep=ann
        2025-12-02 09:00 call.logged c6 rep=ann
        2025-12-02 08:59 call.logged c7 rep=ann
    """)
    # 24h as of 09:44 begins at 09:30 (quarters of an hour), 7d, 30d and 90d at 09:00 (hours)
    assert day.value("calls", "24h", at="09:44") == 1
    assert day.value("calls", "7d", at="09:44") == 3
    assert day.value("calls", "30d", at="09:44") == 5
    assert day.value("calls", "90d", at="09:44") == 6
    assert day.value("calls", "24h", at="09:45") == 0
    assert (
        day.row("calls", "24h", at="09:44").window_start_ms
        == day.row("calls", "7d", at="09:44").window_start_ms + (6 * 24 * 60 + 30) * 60_000
    )


@pytest.mark.parametrize(
    ("at", "today", "week", "month", "quarter", "year"),
    [
        ("2026-03-02 00:00", 2, 3, 2, 4, 4),  # at midnight it is still Sunday, 1 March
        ("2026-03-02 00:01", 1, 1, 3, 5, 5),  # Monday: a new week
        ("2026-03-31 23:59", 0, 0, 3, 5, 5),
        ("2026-04-01 00:00", 0, 0, 3, 5, 5),
        ("2026-04-01 00:01", 0, 0, 0, 0, 5),
        ("2027-01-01 00:00", 0, 0, 0, 0, 5),
        ("2027-01-01 00:01", 0, 0, 0, 0, 0),
    ],
)
def test_calendar_windows(at: str, today: int, week: int, month: int, quarter: int, year: int) -> None:
    day = replay("""
        2026-02-22 12:00        call.logged c1 rep=ann
        2026-02-28 23:59:59.999 call.logged c2 rep=ann
        2026-03-01 00:00        call.logged c3 rep=ann
        2026-03-01 23:59:59.999 call.logged c4 rep=ann
        2026-03-02 00:00        call.logged c5 rep=ann
    """)
    windows = ("today", "week", "month", "quarter", "year")
    assert [day.value("calls", window, at=at) for window in windows] == [today, week, month, quarter, year]


def test_an_email_is_sent_once_at_its_earliest_sending() -> None:
    day = replay("""
        09:30 email.sent m1 rep=bob
        08:30 email.sent m1 rep=ann
        09:00 email.sent m2 rep=ann
    """)
    assert day.value("emails_sent", "today", at="10:00") == 2
    assert day.value("emails_sent", "1h", at="10:00") == 1
    assert day.groups("emails_sent", "today", at="10:00") == {"": 2, "rep=ann": 2, "channel=email": 2}


def test_a_meeting_is_held_once_and_takes_from_its_booking_what_it_lacks() -> None:
    day = replay("""
        08:00 meeting.booked  v1 rep=ann product=crm medium=video
        09:00 meeting.held    v1
        09:10 meeting.held    v1 rep=bob
        08:00 meeting.booked  v2 rep=ann
        09:30 meeting.no_show v2
        08:00 meeting.booked  v3 rep=ann
        09:30 meeting.cancelled v3
        09:40 meeting.held    v4 medium=in_person
    """)
    assert day.groups("meetings_held", "1h", at="10:00") == {
        "": 2, "rep=ann": 1, "product=crm": 1, "channel=video": 1, "channel=in_person": 1,
    }  # fmt: skip


def test_a_meeting_held_by_another_rep_is_not_in_the_team_of_who_booked_it() -> None:
    day = replay(
        """
        08:00 meeting.booked v1 rep=ann
        09:00 meeting.held   v1 rep=stranger
        """,
        reference=ROSTER,
    )
    assert day.value("meetings_held", "1h", at="10:00", rep="stranger") == 1
    assert not day.has("meetings_held", "1h", at="10:00", team="north")


def test_messages_count_once_each() -> None:
    day = replay("""
        09:00 message.sent x1 rep=ann channel=linkedin
        09:10 message.sent x1 rep=ann channel=linkedin
        09:20 message.sent x2 rep=ann channel=chat
        09:30 message.replied x3 channel=chat
    """)
    assert day.value("messages_sent", "1h", at="10:00", rep="ann") == 2
    assert day.value("messages_sent", "1h", at="10:00", channel="chat") == 1


def test_contacts_touched_are_different_people_without_inbound_calls() -> None:
    day = replay("""
        09:00 call.logged  c1 rep=ann contact=p1
        09:01 email.sent   m1 rep=ann recipient=p1
        09:02 message.sent x1 rep=bob contact=p2
        09:03 meeting.held v1 rep=bob contact=p3
        09:04 call.logged  c2 rep=ann contact=p4 direction=inbound
        09:05 call.logged  c3 rep=ann contact=p5 direction=outbound
        09:06 call.logged  c4 rep=ann
        09:07 meeting.booked v2 rep=ann contact=p6
        09:08 email.opened m1 recipient=p7
    """)
    assert day.value("contacts_touched", "1h", at="10:00") == 4  # p1 p2 p3 p5
    assert day.value("contacts_touched", "1h", at="10:00", rep="ann") == 2
    assert day.value("contacts_touched", "1h", at="10:00", channel="phone") == 2
    assert day.value("contacts_touched", "1h", at="10:03", channel="phone") == 1  # p5 comes at 09:05
    assert day.value("contacts_touched", "1h", at="11:00") == 0
    assert day.value("contacts_touched", "all", at="11:00") == 4


def test_a_rep_who_moves_does_not_rewrite_history() -> None:
    day = replay(
        """
        11:59:59.999 call.logged c1 rep=ann
        12:00        call.logged c2 rep=ann
        12:01        call.logged c3 rep=ann team=east
        12:02        call.logged c4 rep=stranger
        12:03        call.logged c5 rep=bob region=france
        """,
        reference=ROSTER,
    )
    groups = day.groups("calls", "today", at="13:00")
    assert {name: n for name, n in groups.items() if name.startswith(("team", "region"))} == {
        "team=north": 1, "region=dach": 1, "team=south": 2, "region=uk": 1, "team=east": 1, "region=france": 1,
    }  # fmt: skip
    assert groups["rep=ann"] == 3


def test_repeated_events_count_once() -> None:
    day = replay("""
        09:00 call.logged c1 rep=ann id=a source=crm
        09:00 call.logged c1 rep=ann id=a source=crm
        09:30 call.logged c9 rep=ann id=a source=crm
        09:30 call.logged c1 rep=ann id=a source=phone
    """)
    assert day.value("calls", "1h", at="10:00") == 2
    assert day.counts("10:00")["duplicate", "file"] == 2


def test_the_business_day_is_that_of_its_zone() -> None:
    day = replay(
        """
        2026-03-01 23:59 call.logged c1 rep=ann
        2026-03-02 00:00 call.logged c2 rep=ann
        2026-03-02 08:00 call.logged c3 rep=ann
        """,
        zone="America/New_York",
    )
    assert day.value("calls", "today", at="09:00") == 2
    assert day.value("calls", "week", at="09:00") == 2
    assert day.value("calls", "month", at="09:00") == 3


def test_demos_onboardings_and_video_meetings_by_holding_else_booking() -> None:
    day = replay("""
        08:00 meeting.booked v1 rep=ann kind=demo medium=video
        09:00 meeting.held   v1
        08:00 meeting.booked v2 rep=ann kind=demo medium=video
        09:10 meeting.held   v2 kind=onboarding medium=in_person
        09:20 meeting.held   v3 rep=bob kind=onboarding medium=video
        08:00 meeting.booked v4 rep=bob kind=demo
        09:30 meeting.no_show v4
        09:40 meeting.held   v5 rep=bob kind=discovery
    """)
    assert day.groups("demo_meetings", "1h", at="10:00") == {"": 1, "rep=ann": 1, "channel=video": 1}
    assert day.groups("onboarding_meetings", "1h", at="10:00") == {
        "": 2, "rep=ann": 1, "rep=bob": 1, "channel=in_person": 1, "channel=video": 1,
    }  # fmt: skip
    assert day.groups("video_meetings", "1h", at="10:00") == {"": 2, "rep=ann": 1, "rep=bob": 1, "channel=video": 2}
    assert day.value("meetings_held", "1h", at="10:00") == 4


def test_webinars_count_a_person_once() -> None:
    day = replay("""
        08:00 webinar.registered w1 contact=p1 rep=ann campaign=q4
        09:00 webinar.registered w1 contact=p1 rep=bob
        09:10 webinar.registered w1 contact=p2 rep=ann campaign=q4
        09:20 webinar.registered w2 contact=p1 rep=ann
        10:30 webinar.attended   w1 contact=p1 rep=bob
        10:31 webinar.attended   w1 contact=p1
        10:40 webinar.attended   w1 contact=p3
    """)
    assert day.groups("webinar_registrations", "today", at="11:00") == {"": 3, "rep=ann": 3, "campaign=q4": 2}
    assert day.value("webinar_registrations", "1h", at="10:00") == 2  # p1 had registered at eight
    assert day.groups("webinar_attendances", "today", at="11:00") == {"": 2, "rep=bob": 1}
    row = day.row("webinar_attendance_ratio", "today", at="11:00", rep="ann")
    assert (row.value, row.numerator, row.denominator, row.n) == (1 / 3, 1, 3, 3)
    assert day.value("webinar_attendance_ratio", "today", at="11:00", campaign="q4") == 0.5
    assert day.value("webinar_attendance_ratio", "today", at="10:00") == 0  # nobody has attended yet
    assert day.value("webinar_attendance_ratio", "1h", at="11:00") is None
    assert not day.has("webinar_attendance_ratio", "today", at="11:00", rep="bob")


def test_research_and_what_comes_of_it() -> None:
    day = replay(
        """
        08:00 research.logged ann duration_s=3600
        09:10 research.logged ann duration_s=1800.5
        09:20 research.logged bob duration_s=899.5
        07:00 email.sent      m1 rep=ann
        09:30 email.replied   m1 rep=bob
        09:40 email.replied   m1
        09:00 email.sent      m2 rep=ann
        09:35 email.bounced   m2
        09:36 email.replied   m2
        09:00 message.sent    x1 rep=bob
        09:50 message.replied x1
        09:55 message.replied x2 rep=bob
        """,
        reference=ROSTER,
    )
    row = day.row("research_seconds", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (2700, 2700, None, 2)
    assert day.value("research_seconds", "today", at="10:00", rep="ann") == 5400.5
    row = day.row("research_reactions_per_hour", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (2 / 0.75, 2, 0.75, 2)  # m1 and x1 in 45 minutes
    assert day.value("research_reactions_per_hour", "1h", at="10:00", team="south") == pytest.approx(3600 / 899.5)
    assert day.value("research_reactions_per_hour", "today", at="10:00", rep="ann") == pytest.approx(3600 / 5400.5)
    row = day.row("research_reactions_per_hour", "1h", at="10:30", rep="ann")  # answered, but nothing researched
    assert (row.value, row.numerator, row.denominator, row.n) == (None, 1, 0, 1)


def test_account_engagement_weighs_what_happens() -> None:
    day = replay("""
        09:00 call.logged       c1 rep=ann account=acme outcome=connected
        09:01 call.logged       c2 rep=ann account=acme outcome=no_answer
        09:02 meeting.booked    v1 account=acme
        09:03 meeting.held      v1
        09:04 email.sent        m1 account=acme
        09:05 email.opened      m1
        09:06 email.clicked     m1
        09:07 email.replied     m1
        09:08 email.sent        m2 account=acme
        09:09 email.opened      m2 machine=true
        09:10 message.sent      x1 account=acme
        09:11 message.replied   x1
        09:12 webinar.attended  w1 contact=p account=acme
        09:13 webinar.registered w1 contact=q account=acme
        09:14 call.logged       c3 rep=ann account=other
    """)
    # calls 3 + 1, meeting 5, m1 1 + 1 + 2 + 4, m2 1, message 1 + 4, webinar 4
    row = day.row("account_engagement_points", "1h", at="10:00", account="acme")
    assert (row.value, row.numerator, row.denominator, row.n) == (27, 27, None, 27)
    assert day.groups("account_engagement_points", "1h", at="10:00") == {"": 28, "account=acme": 27, "account=other": 1}
