"""Lead and partner KPIs as drawn timelines; every figure is worked out by hand."""

from __future__ import annotations

import pytest
from support.replay import replay

HOUR_S = 3600
ROSTER = """
    rep.defined ann team=north region=dach
    rep.defined bob team=south region=uk
"""


def test_leads_created_and_those_from_the_web() -> None:
    day = replay("""
        08:30 lead.created l1 rep=ann lead_source=web
        09:10 lead.created l1 rep=bob lead_source=web
        09:20 lead.created l2 rep=ann lead_source=fair segment=new partner=p
        09:30 lead.created l3 rep=bob lead_source=web
        09:40 lead.stage_changed l4 stage=MQL rep=bob lead_source=web
    """)
    assert day.value("leads_created", "1h", at="10:00") == 2  # l1 was created before, l4 never
    assert day.groups("leads_created", "today", at="10:00") == {
        "": 3, "rep=ann": 2, "rep=bob": 1, "lead_source=web": 2, "lead_source=fair": 1,
        "segment=new": 1, "partner=p": 1,
    }  # fmt: skip
    assert day.groups("online_leads", "today", at="10:00") == {"": 2, "rep=ann": 1, "rep=bob": 1}
    assert day.value("online_leads", "1h", at="10:00") == 1


def test_a_lead_enters_each_stage_once() -> None:
    day = replay("""
        08:00 lead.created       l1 rep=ann stage=MQL
        09:05 lead.stage_changed l1 stage=SAL
        09:10 lead.stage_changed l1 stage=mql
        09:15 lead.stage_changed l1 stage=SAL rep=bob
        09:20 lead.stage_changed l1 stage=Sql rep=bob
        09:25 lead.stage_changed l2 stage=SQL rep=ann
        09:30 lead.stage_changed l2 stage=other
    """)
    assert day.groups("lead_stage_entries", "today", at="10:00") == {
        "": 6, "rep=ann": 4, "rep=bob": 1, "lead_stage=MQL": 1, "lead_stage=mql": 1, "lead_stage=SAL": 1,
        "lead_stage=Sql": 1, "lead_stage=SQL": 1, "lead_stage=other": 1,
    }  # fmt: skip
    assert day.value("lead_stage_entries", "1h", at="10:00", lead_stage="MQL") == 0  # entered at eight
    assert day.value("leads_mql", "today", at="10:00") == 2  # MQL and mql are two stages
    assert day.value("leads_mql", "1h", at="10:00") == 1
    assert day.groups("leads_sal", "1h", at="10:00") == {"": 1, "rep=ann": 1}
    assert day.groups("leads_sql", "1h", at="10:00") == {"": 2, "rep=ann": 1, "rep=bob": 1}


def test_conversion_counts_where_the_lead_was_created() -> None:
    day = replay("""
        08:00 lead.created   l1 rep=ann lead_source=web
        08:10 lead.created   l2 rep=ann lead_source=web
        09:10 lead.created   l3 rep=ann lead_source=fair
        09:20 lead.converted l1 rep=bob
        09:30 lead.converted l3 deal=d1
        09:40 lead.converted l3
        09:50 lead.converted l4 rep=bob
    """)
    row = day.row("lead_conversion_ratio", "today", at="10:00", rep="ann")
    assert (row.value, row.numerator, row.denominator, row.n) == (2 / 3, 2, 3, 3)
    assert day.value("lead_conversion_ratio", "today", at="10:00", lead_source="web") == 0.5
    assert day.value("lead_conversion_ratio", "today", at="09:25", lead_source="web") == 0.5
    assert day.value("lead_conversion_ratio", "today", at="09:15", lead_source="web") == 0
    assert day.value("lead_conversion_ratio", "1h", at="10:00") == 1  # only l3 was created in it
    assert day.value("lead_conversion_ratio", "1h", at="10:30") is None
    assert not day.has("lead_conversion_ratio", "today", at="10:00", rep="bob")


def test_time_to_the_first_touch() -> None:
    day = replay(
        """
        08:00 lead.created l1 rep=ann campaign=q4
        08:10 call.logged  c1 rep=bob lead=l1 direction=inbound
        09:00 email.sent   m1 rep=bob lead=l1
        09:30 meeting.held v1 rep=ann lead=l1
        08:30 call.logged  c2 rep=ann lead=l2
        09:00 lead.created l2 rep=ann
        09:30 message.sent x1 rep=ann lead=l2 channel=linkedin
        09:40 call.logged  c3 rep=ann lead=l3
        09:00 lead.created l4 rep=ann
        09:15 lead.touched l4
        """,
        reference=ROSTER,
    )
    # l1 after an hour by bob, l2 after half an hour, l3 was never created, l4 after a quarter
    row = day.row("lead_touch_seconds", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (1.75 * HOUR_S / 3, 1.75 * HOUR_S, 3, 3)
    assert day.groups("lead_touch_seconds", "1h", at="10:00") == {
        "": 2100, "rep=bob": 3600, "team=south": 3600, "region=uk": 3600, "campaign=q4": 3600,
        "rep=ann": 1350, "team=north": 1350, "region=dach": 1350,
        "channel=linkedin": 1800,
    }  # fmt: skip
    assert day.value("lead_touch_p50_seconds", "1h", at="10:00") == pytest.approx(HOUR_S / 2, rel=0.01)
    assert day.value("lead_touch_p90_seconds", "1h", at="10:00") == pytest.approx(HOUR_S, rel=0.01)
    assert day.value("lead_touch_seconds", "1h", at="10:00", rep="bob") == HOUR_S
    assert day.value("lead_touch_seconds", "1h", at="10:01", rep="bob") is None  # nine o'clock has left


def test_campaign_cost_per_lead() -> None:
    day = replay("""
        08:00 cost.recorded k0 amount=1000 currency=EUR kind=campaign campaign=q4
        09:10 cost.recorded k1 amount=100 currency=EUR kind=campaign campaign=q4
        09:20 cost.recorded k2 amount=50.5 currency=EUR kind=campaign campaign=q3
        09:30 cost.recorded k3 amount=7 currency=EUR kind=sales campaign=q4
        09:40 cost.recorded k4 amount=9 currency=EUR campaign=q4
        09:15 lead.created l1 campaign=q4
        09:25 lead.created l2 campaign=q4
        09:35 lead.created l3
    """)
    row = day.row("cost_per_lead_eur", "1h", at="10:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (150.5 / 3, 150.5, 3, 3)
    assert day.value("cost_per_lead_eur", "1h", at="10:00", campaign="q4") == 50
    assert day.value("cost_per_lead_eur", "today", at="10:00", campaign="q4") == 550
    assert day.value("cost_per_lead_eur", "1h", at="10:00", campaign="q3") is None  # no lead


PARTNERS = """
    08:00 lead.created   l1 rep=ann lead_source=web
    08:00 lead.created   l2 rep=ann lead_source=web
    08:30 lead.offered   l1 partner=p
    09:00 lead.offered   l1 partner=q
    09:00 lead.offered   l2 partner=p
    09:05 lead.offered   l2 partner=p
    09:30 lead.accepted  l1 partner=p
    09:31 lead.accepted  l2 partner=p
    09:32 lead.declined  l1 partner=q
    09:35 lead.accepted  l2 partner=p
    09:50 lead.contacted l1 partner=p
    11:01 lead.contacted l2 partner=p
    11:30 lead.feedback  l1 partner=p
    11:40 lead.feedback  l1 partner=p
    11:45 lead.feedback  l1 partner=q
    10:30 lead.closed    l1 partner=p outcome=won
    10:40 lead.closed    l1 partner=p outcome=lost
    12:31 lead.closed    l2 partner=p outcome=lost
"""


def test_offers_and_acceptances_once_a_lead_and_partner() -> None:
    day = replay(PARTNERS, reference=ROSTER)
    assert day.groups("leads_offered", "today", at="13:00") == {
        "": 3, "partner=p": 2, "partner=q": 1, "rep=ann": 3, "team=north": 3, "region=dach": 3, "lead_source=web": 3,
    }  # fmt: skip
    assert day.value("leads_offered", "1h", at="10:00") == 2
    assert day.value("leads_accepted", "1h", at="10:00", partner="p") == 2
    assert not day.has("leads_accepted", "1h", at="10:00", partner="q")
    row = day.row("lead_acceptance_ratio", "today", at="13:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (2 / 3, 2, 3, 3)
    assert day.value("lead_acceptance_ratio", "1h", at="10:00", partner="p") == 1  # l2, offered at nine
    assert day.value("lead_acceptance_ratio", "today", at="09:31", partner="p") == 0.5  # l2 comes at 09:31
    assert day.value("lead_acceptance_ratio", "today", at="13:00", partner="q") == 0


def test_how_long_partners_take() -> None:
    day = replay(PARTNERS)
    # accepted - offered: l1 60 min (of p), l2 31 min
    row = day.row("lead_acceptance_seconds", "today", at="13:00", partner="p")
    assert (row.value, row.numerator, row.denominator, row.n) == (91 * 60 / 2, 91 * 60, 2, 2)
    assert day.value("lead_acceptance_p50_seconds", "today", at="13:00") == pytest.approx(31 * 60, rel=0.01)
    assert day.value("lead_acceptance_p90_seconds", "today", at="13:00") == pytest.approx(60 * 60, rel=0.01)
    row = day.row("lead_acceptance_hour_ratio", "today", at="13:00", lead_source="web")
    assert (row.value, row.numerator, row.denominator, row.n) == (1, 2, 2, 2)  # an hour is within an hour
    # contacted - accepted: l1 20 min, l2 90 min
    row = day.row("lead_contact_seconds", "today", at="13:00", partner="p")
    assert (row.value, row.n) == (110 * 60 / 2, 2)
    assert day.value("lead_contact_p50_seconds", "today", at="13:00") == pytest.approx(20 * 60, rel=0.01)
    assert day.value("lead_contact_p90_seconds", "today", at="13:00") == pytest.approx(90 * 60, rel=0.01)
    assert day.value("lead_contact_hour_ratio", "today", at="13:00") == 0.5
    assert day.value("lead_contact_hour_ratio", "1h", at="12:00") == 0  # only l2 was contacted in it
    # closed - accepted: l1 60 min, l2 180 min
    row = day.row("lead_handling_seconds", "today", at="13:00", rep="ann")
    assert (row.value, row.n) == (240 * 60 / 2, 2)
    assert day.value("lead_handling_p50_seconds", "today", at="13:00") == pytest.approx(60 * 60, rel=0.01)
    assert day.value("lead_handling_p90_seconds", "today", at="13:00") == pytest.approx(180 * 60, rel=0.01)
    row = day.row("lead_handling_hour_ratio", "today", at="13:00")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.5, 1, 2, 2)
    assert day.value("lead_handling_hour_ratio", "1h", at="14:00") is None
    assert day.value("lead_handling_seconds", "1h", at="14:00") is None


def test_a_millisecond_more_than_an_hour_is_not_within_it() -> None:
    day = replay("""
        08:00        lead.offered  l1 partner=p
        09:00:00.001 lead.accepted l1 partner=p
    """)
    row = day.row("lead_acceptance_hour_ratio", "today", at="10:00")
    assert (row.value, row.numerator, row.denominator) == (0, 0, 1)


def test_feedback_and_conversion_of_partners_count_at_the_acceptance() -> None:
    day = replay(PARTNERS)
    row = day.row("lead_feedback_ratio", "1h", at="10:00", partner="p")
    assert (row.value, row.numerator, row.denominator) == (0, 0, 2)  # it comes at half past eleven
    row = day.row("lead_feedback_ratio", "today", at="12:00", partner="p")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.5, 1, 2, 2)
    assert day.value("lead_feedback_ratio", "1h", at="12:00", partner="p") is None  # accepted before
    assert not day.has("lead_feedback_ratio", "today", at="13:00", partner="q")
    row = day.row("partner_conversion_ratio", "today", at="13:00", partner="p")
    assert (row.value, row.numerator, row.denominator, row.n) == (0.5, 1, 2, 2)  # the first closing of l1 stands
    assert day.value("partner_conversion_ratio", "1h", at="10:30", partner="p") == 0


def test_what_ends_before_it_begins_is_an_anomaly_and_left_out() -> None:
    day = replay("""
        09:00 lead.accepted  l1 partner=p
        09:10 lead.offered   l1 partner=p
        08:50 lead.contacted l1 partner=p
        08:55 lead.closed    l1 partner=p
        09:20 lead.contacted l2 partner=p
    """)
    for kpi in ("lead_acceptance_seconds", "lead_contact_seconds", "lead_handling_seconds"):
        assert not day.has(kpi, "1h", at="10:00"), kpi
    counts = day.counts("10:00")
    for anomaly in ("accepted_before_offered", "contacted_before_accepted", "closed_before_accepted"):
        assert counts["anomaly", anomaly] == 1
    assert day.value("lead_acceptance_ratio", "1h", at="10:00") == 1  # accepted by then, whenever


def test_offers_escalate_after_a_day_until_somebody_answers() -> None:
    day = replay(
        """
        2026-03-02 09:00 lead.created  l1 rep=ann
        2026-03-02 10:00 lead.offered  l1 partner=p
        2026-03-02 10:00 lead.offered  l1 partner=q
        2026-03-02 10:00 lead.offered  l2 partner=p
        2026-03-02 10:00 lead.offered  l3 partner=p
        2026-03-02 12:00 lead.declined l2 partner=p
        2026-03-03 10:00 lead.expired  l1 partner=q
        2026-03-03 11:00 lead.feedback l1 partner=p
        2026-03-03 12:00 lead.accepted l1 partner=p rep=bob
        2026-03-03 13:00 lead.closed   l3 partner=p
        """,
        reference=ROSTER,
    )
    assert not day.has("leads_escalated", at="2026-03-03 10:00")  # before T, not at T
    row = day.row("leads_escalated", at="2026-03-03 10:01", partner="p")  # l1 and l3; q's expired just in time
    assert (row.value, row.numerator, row.denominator, row.n) == (2, 2, None, 2)
    assert day.groups("leads_escalated", at="2026-03-03 12:00") == {
        "": 2, "partner=p": 2, "rep=ann": 1, "team=north": 1, "region=dach": 1,
    }  # fmt: skip
    assert day.value("leads_escalated", at="2026-03-03 12:01") == 1
    assert day.value("leads_escalated", at="2026-03-03 12:01", rep="ann") == 0
    assert day.value("leads_escalated", at="2026-03-03 13:01") == 0


def test_late_and_shuffled_events_give_what_an_ordered_replay_gives() -> None:
    lines = [f"{line} id=e{number}" for number, line in enumerate(PARTNERS.strip().splitlines())]
    there, back = replay("\n".join(lines)), replay("\n".join(reversed(lines)))
    for kpi in ("lead_acceptance_ratio", "lead_handling_seconds", "partner_conversion_ratio", "leads_offered"):
        assert there.groups(kpi, "today", at="13:00")
        assert there.groups(kpi, "today", at="13:00") == back.groups(kpi, "today", at="13:00")
