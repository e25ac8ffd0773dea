"""E-mail and message KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

import pytest
from support.replay import replay

HOUR_S = 3600
DAY_S = 24 * HOUR_S


def test_late_reply_counts_where_its_email_was_sent() -> None:
    day = replay("""
        09:00 email.sent    m1 rep=ann
        09:05 email.sent    m2 rep=ann
        11:30 email.replied m1
    """)
    assert day.value("email_response_ratio", "1h", at="10:00", rep="ann") == 0  # not known yet at ten
    assert day.value("email_response_ratio", "today", at="12:00", rep="ann") == 0.5
    assert day.row("email_response_ratio", "1h", at="12:00", rep="ann").n == 0  # nothing sent in the last hour
    assert day.value("email_response_ratio", "1h", at="12:00", rep="ann") is None


def test_open_ratio_counts_an_email_once_and_no_machine() -> None:
    day = replay("""
        09:00 email.sent   m1 rep=ann campaign=q4
        09:00 email.sent   m2 rep=ann campaign=q4
        09:00 email.sent   m3 rep=ann
        09:10 email.opened m1
        09:20 email.opened m1
        09:10 email.opened m2 machine=true
        09:10 email.opened m3 machine=true
        09:30 email.opened m3 machine=false
    """)
    assert day.value("email_open_ratio", "1h", at="10:00", campaign="q4") == 0.5
    row = day.row("email_open_ratio", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (2 / 3, 2, 3, 3)


def test_click_ratio_counts_an_email_once_and_no_scanner() -> None:
    day = replay("""
        09:00 email.sent    m1 rep=ann
        09:00 email.sent    m2 rep=ann
        09:00 email.sent    m3 rep=ann
        09:00 email.sent    m4 rep=ann
        09:10 email.clicked m1
        09:11 email.clicked m1
        09:10 email.clicked m2 machine=true
        09:50 email.bounced m3 bounce_type=soft
    """)
    row = day.row("email_click_ratio", "1h", at="10:00", rep="ann")
    assert (row.numerator, row.denominator) == (1, 3)


def test_what_happens_to_an_unreached_email_counts_nowhere() -> None:
    day = replay("""
        09:00 email.sent     m1 rep=ann
        09:00 email.sent     m2 rep=ann
        09:00 email.sent     m3 rep=ann
        09:10 email.opened   m1
        09:20 email.replied  m1
        09:20 email.clicked  m1
        09:30 email.bounced  m1 bounce_type=hard
        09:20 email.replied  m2
        09:30 email.rejected m2
    """)
    for kpi in ("email_open_ratio", "email_click_ratio", "email_response_ratio"):
        row = day.row(kpi, "1h", at="10:00", rep="ann")
        assert (row.numerator, row.denominator) == (0, 1), kpi
    assert not day.has("email_response_seconds", "1h", at="10:00")
    row = day.row("email_bounce_ratio", "1h", at="10:00", rep="ann")
    assert (row.numerator, row.denominator) == (1, 3)  # rejected is not bounced
    assert day.counts("10:00")["anomaly", "engaged_unreached"] == 2
    assert day.value("email_response_ratio", "1h", at="09:25", rep="ann") == 2 / 3  # as it looked before the bounces


def test_bounces_count_at_the_sending_hard_or_soft() -> None:
    day = replay("""
        08:00 email.sent    m1 rep=ann
        09:30 email.bounced m1 bounce_type=hard
        09:00 email.sent    m2 rep=ann
        09:30 email.bounced m2 bounce_type=soft
        09:31 email.bounced m2
        09:00 email.sent    m3 rep=ann
    """)
    assert day.value("email_bounce_ratio", "1h", at="10:00", rep="ann") == 0.5
    assert day.value("email_bounce_ratio", "today", at="10:00", rep="ann") == 2 / 3


def test_what_precedes_its_sending_in_the_stream_waits_for_it() -> None:
    day = replay("""
        09:30 email.replied m1
        09:31 email.opened  m2
        09:00 email.sent    m1 rep=ann
    """)
    assert day.value("email_response_ratio", "1h", at="10:00", rep="ann") == 1
    assert day.value("email_open_ratio", "1h", at="10:00") == 0  # m2 was never sent


@pytest.mark.parametrize(
    ("replied", "counts"),
    [("2026-05-31 09:00", True), ("2026-05-31 09:00:00.001", False)],  # 90 days after 2 March are over on 31 May
)
def test_engagement_later_than_ninety_days_is_ignored(replied: str, counts: bool) -> None:
    day = replay(f"""
        09:00     email.sent    m1 rep=ann
        {replied} email.replied m1
        {replied} email.opened  m1
        {replied} email.clicked m1
    """)
    at = "2026-05-31 10:00"
    for kpi in ("email_response_ratio", "email_open_ratio", "email_click_ratio"):
        assert day.value(kpi, "year", at=at, rep="ann") == int(counts), kpi
    assert day.has("email_response_seconds", "24h", at=at) == counts


def test_ninety_days_are_those_of_the_clock_not_of_the_calendar() -> None:
    day = replay(
        """
        2026-03-02 09:00        email.sent    m1 rep=ann
        2026-05-31 10:00:00.001 email.replied m1
        """,
        zone="Europe/Berlin",  # summer time in between: 90 days end at 10:00
    )
    assert day.value("email_response_ratio", "year", at="2026-05-31 11:00") == 0


def test_response_time_counts_at_the_first_reply_with_the_dimensions_of_the_sending() -> None:
    day = replay("""
        07:00 email.sent    m1 rep=ann campaign=q4
        09:30 email.replied m1 rep=bob
        09:45 email.replied m1
        09:00 email.sent    m2 rep=ann
        09:30 email.replied m2
    """)
    row = day.row("email_response_seconds", "1h", at="10:00", rep="ann")
    assert (row.value, row.numerator, row.denominator, row.n) == (1.5 * HOUR_S, 3 * HOUR_S, 2, 2)
    assert day.value("email_response_seconds", "1h", at="10:00", campaign="q4") == 2.5 * HOUR_S
    assert not day.has("email_response_seconds", "1h", at="10:00", rep="bob")
    assert day.value("email_response_seconds", "1h", at="11:00", rep="ann") is None
    assert row.buckets is not None
    assert row.buckets[2:6] == (0, 1, 1, 1)  # up to 15 min: none; 30 min: one; 1 h: one; 2 h: one
    assert row.buckets[6] == 2  # up to 4 h


def test_an_earlier_reply_that_arrives_later_corrects_the_response_time() -> None:
    day = replay("""
        09:00 email.sent    m1 rep=ann
        09:40 email.replied m1 id=z
        09:20 email.replied m1 id=a
    """)
    row = day.row("email_response_seconds", "1h", at="10:00", rep="ann")
    assert (row.value, row.n) == (20 * 60, 1)


def test_a_reply_before_its_sending_has_no_response_time() -> None:
    day = replay("""
        08:59 email.replied m1
        09:00 email.sent    m1 rep=ann
    """)
    assert not day.has("email_response_seconds", "1h", at="10:00")
    assert day.counts("10:00")["anomaly", "replied_before_sent"] == 1


def test_response_quantiles_are_within_one_percent() -> None:
    lines = "\n".join(
        f"""
        08:00            email.sent    m{n} rep=ann
        09:{n:02}        email.replied m{n}
        """
        for n in range(11)
    )
    day = replay(lines)  # 60 to 70 minutes
    assert day.value("email_response_p50_seconds", "1h", at="10:00", rep="ann") == pytest.approx(65 * 60, rel=0.01)
    assert day.value("email_response_p90_seconds", "1h", at="10:00", rep="ann") == pytest.approx(69 * 60, rel=0.01)
    assert day.row("email_response_p90_seconds", "1h", at="10:00").n == 11
    assert day.value("email_response_p50_seconds", "1h", at="11:30", rep="ann") is None


def test_message_response_by_channel() -> None:
    day = replay("""
        09:00            message.sent    x1 rep=ann channel=linkedin
        09:00            message.sent    x2 rep=ann channel=linkedin
        09:00            message.sent    x3 rep=ann channel=chat
        09:30            message.replied x1 channel=linkedin
        09:31            message.replied x1 channel=linkedin
        09:30            message.replied x9 channel=chat
        2026-06-02 09:00 message.replied x3 channel=chat
    """)
    assert day.value("message_response_ratio", "1h", at="10:00", channel="linkedin") == 0.5
    assert day.value("message_response_ratio", "1h", at="10:00", channel="chat") == 0
    row = day.row("message_response_ratio", "1h", at="10:00", rep="ann")
    assert (row.numerator, row.denominator) == (1, 3)
    assert day.value("message_response_ratio", "year", at="2026-06-02 10:00", channel="chat") == 0  # after 92 days


def test_machine_opens_and_clicks_count_once_an_email_that_arrived() -> None:
    day = replay("""
        09:00            email.sent    m1 rep=ann variant=a
        09:00            email.sent    m2 rep=ann variant=b
        09:00            email.sent    m3 rep=ann variant=b
        09:01            email.opened  m1 machine=true
        09:02            email.opened  m1 machine=true
        09:02            email.clicked m1 machine=true
        09:03            email.opened  m1
        09:03            email.opened  m2 machine=true
        09:04            email.opened  m3 machine=true
        09:05            email.bounced m3
        2026-06-02 09:00 email.clicked m2 machine=true
    """)
    row = day.row("email_machine_opens", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (2, 2, None, 2)
    assert day.value("email_machine_opens", "1h", at="10:00", variant="b") == 1
    assert day.value("email_machine_clicks", "1h", at="10:00", rep="ann") == 1
    assert day.value("email_machine_clicks", "year", at="2026-06-02 10:00") == 1  # m2's came after 92 days
    assert day.value("email_open_ratio", "1h", at="10:00") == 0.5  # m1, by a person


def test_variants_can_be_compared() -> None:
    day = replay("""
        09:00 email.sent      m1 variant=a
        09:00 email.sent      m2 variant=b
        09:10 email.replied   m1
        09:00 message.sent    x1 variant=a
        09:00 message.sent    x2 variant=b
        09:10 message.replied x2
    """)
    assert day.value("email_response_ratio", "1h", at="10:00", variant="a") == 1
    assert day.value("email_response_ratio", "1h", at="10:00", variant="b") == 0
    assert day.value("message_response_ratio", "1h", at="10:00", variant="b") == 1
