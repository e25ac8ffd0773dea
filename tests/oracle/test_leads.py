"""Leads and partners: timelines whose values are worked out by hand."""

from __future__ import annotations

import pytest

from oracle.formulas import Row
from oracle.timelines import ROSTER, ask, ev, groups

HOUR_S, DAY_S = 3600, 86_400


def test_every_kind_counts_at_its_earliest() -> None:
    events = [
        ev("lead.created", "10:00", "1", lead_source="web", campaign="x"),
        ev("lead.created", "10:01", "1", lead_source="fair", campaign="y"),  # changes nothing
        ev("lead.created", "10:00", "2", lead_source="fair"),
        ev("lead.converted", "11:00", "1"),
        ev("lead.converted", "11:30", "1"),
        ev("lead.converted", "11:00", "3"),  # never created
        ev("lead.disqualified", "11:00", "2"),
    ]
    answer = ask(events)
    assert groups(answer, "leads_created") == {
        "": 2, "lead_source=web": 1, "lead_source=fair": 1, "campaign=x": 1,
    }  # fmt: skip
    assert groups(answer, "online_leads") == {"": 1, "campaign=x": 1}
    assert answer["lead_conversion_ratio", "", "today"] == Row(1 / 2, 1, 2, 2)
    assert answer["lead_conversion_ratio", "campaign=x", "today"] == Row(1, 1, 1, 1)
    assert answer["lead_conversion_ratio", "", "1h"] == Row(None, 0, 0, 0)  # at the creation


def test_first_entries_of_stages() -> None:
    events = [
        ev("lead.created", "08:00", "1", stage="MQL", rep="a", campaign="x"),
        ev("lead.stage_changed", "09:00", "1", stage="SQL"),
        ev("lead.stage_changed", "09:30", "1", stage="MQL", campaign="y"),  # not the first time
        ev("lead.stage_changed", "10:30", "1", stage="SAL", rep="b", product="p"),  # another rep, of no team
        ev("lead.stage_changed", "10:30", "2", stage="mql", team="south"),  # not created
    ]
    answer = ask(events, reference=ROSTER)
    assert groups(answer, "lead_stage_entries") == {
        "": 4, "lead_stage=MQL": 1, "lead_stage=SQL": 1, "lead_stage=SAL": 1, "lead_stage=mql": 1, "campaign=x": 3,
        "rep=a": 2, "rep=b": 1, "team=north": 2, "region=dach": 2, "product=p": 1, "team=south": 1, "region=uk": 1,
    }  # fmt: skip
    assert groups(answer, "leads_mql") == {
        "": 2, "rep=a": 1, "campaign=x": 1, "team=north": 1, "region=dach": 1, "team=south": 1, "region=uk": 1,
    }  # fmt: skip
    assert groups(answer, "leads_sal") == {"": 1, "rep=b": 1, "campaign=x": 1, "product=p": 1}
    assert answer["leads_sql", "rep=a", "24h"] == Row(1, 1, None, 1)
    assert answer["leads_sql", "rep=a", "1h"] == Row(0, 0, None, 0)


def test_first_touch_at_or_after_creation() -> None:
    events = [
        ev("lead.created", "2026-05-12T10:00", "1", rep="a", campaign="x"),
        ev("call.logged", "2026-05-12T09:00", "1", rep="a", lead="1"),  # before: does not count
        ev("call.logged", "2026-05-12T10:30", "2", rep="a", lead="1", direction="inbound"),  # they called
        ev("email.sent", "2026-05-12T12:00", "1", rep="b", lead="1", channel="email"),
        ev("meeting.held", "2026-05-12T13:00", "1", lead="1"),
        ev("lead.created", "2026-05-12T10:00", "2"),
        ev("message.sent", "2026-05-12T10:00", "1", lead="2", channel="chat"),  # at once
        ev("lead.created", "2026-05-12T10:00", "3"),
        ev("lead.touched", "2026-05-12T14:00", "3", rep="c"),  # told by the file itself
        ev("lead.created", "2026-05-12T10:00", "4"),
        ev("meeting.booked", "2026-05-12T14:00", "1", lead="4"),  # no touch
        ev("call.logged", "2026-05-12T14:00", "3", rep="a", lead="5"),  # never created
    ]
    answer = ask(events, reference=ROSTER)
    assert answer["lead_touch_seconds", "", "all"] == Row(2 * HOUR_S, 6 * HOUR_S, 3, 3)
    assert answer["lead_touch_p50_seconds", "", "all"] == Row(2 * HOUR_S, None, None, 3)
    assert answer["lead_touch_p90_seconds", "", "all"] == Row(4 * HOUR_S, None, None, 3)
    assert groups(answer, "lead_touch_seconds") == {
        "": 2 * HOUR_S, "campaign=x": 2 * HOUR_S, "rep=b": 2 * HOUR_S, "channel=email": 2 * HOUR_S, "channel=chat": 0,
        "rep=c": 4 * HOUR_S,
    }  # fmt: skip
    assert answer["lead_touch_seconds", "", "24h"] == Row(
        3 * HOUR_S, 6 * HOUR_S, 2, 2
    )  # dated at the touch: from 12:00


def test_a_derived_event_of_the_file_counts_once() -> None:
    created, call = ev("lead.created", "09:00"), ev("call.logged", "10:00", rep="a", lead="1") | {"id": "c1"}
    name = "7329895f8b45c8614bb655b35be73437"  # b2sum -l 128 of "test\nc1"
    copy = ev("lead.touched", "10:00", rep="a") | {"id": name, "source": "derived"}
    expected = ask([created, call])
    assert expected["lead_touch_seconds", "rep=a", "all"] == Row(HOUR_S, HOUR_S, 1, 1)
    assert ask([created, call, copy]) == expected
    earlier = ev("lead.touched", "09:30", rep="b") | {"id": name, "source": "derived"}
    assert ask([created, call, earlier])["lead_touch_seconds", "rep=b", "all"].n == 1
    before = ev("lead.touched", "08:00", rep="b") | {"id": name, "source": "derived"}
    assert ("lead_touch_seconds", "", "all") not in ask([created, call, before])  # the first of an id, too early
    other = ev("lead.touched", "08:00", rep="b") | {"id": name, "source": "crm"}
    assert ask([created, call, other])["lead_touch_seconds", "rep=a", "all"].n == 1


def test_offers_to_partners() -> None:
    events = [
        ev("lead.created", "2026-05-10T08:00", "1", campaign="x", partner="none", rep="a"),
        ev("lead.offered", "2026-05-12T10:00", "1", partner="acme", product="p", rep="b"),
        ev("lead.offered", "2026-05-12T10:00", "1", partner="zenit"),
        ev("lead.offered", "2026-05-12T10:30", "1", partner="acme"),  # again
        ev("lead.accepted", "2026-05-12T11:00", "1", partner="acme"),  # after exactly an hour
        ev("lead.accepted", "2026-05-12T11:00:00.001", "1", partner="zenit"),
        ev("lead.contacted", "2026-05-12T13:00", "1", partner="acme"),
        ev("lead.feedback", "2026-05-13T11:30", "1", partner="acme", rating=3.5),
        ev("lead.closed", "2026-05-14T11:00", "1", partner="zenit", outcome="won"),  # not yet
        ev("lead.closed", "2026-05-13T11:00", "1", partner="acme", outcome="won"),
        ev("lead.closed", "2026-05-13T11:10", "1", partner="acme", outcome="lost"),
    ]
    answer = ask(events, reference=ROSTER)
    assert groups(answer, "leads_offered") == {
        "": 2, "partner=acme": 1, "partner=zenit": 1, "campaign=x": 2, "product=p": 1, "rep=b": 1, "rep=a": 1,
        "team=north": 1, "region=dach": 1,
    }  # fmt: skip
    assert groups(answer, "leads_accepted") == groups(answer, "leads_offered")
    assert answer["lead_acceptance_ratio", "", "7d"] == Row(1, 2, 2, 2)
    assert answer["lead_acceptance_seconds", "partner=acme", "7d"] == Row(HOUR_S, HOUR_S, 1, 1)
    assert answer["lead_acceptance_hour_ratio", "", "7d"] == Row(1 / 2, 1, 2, 2)
    assert answer["lead_acceptance_hour_ratio", "", "1h"] == Row(None, 0, 0, 0)
    assert answer["lead_contact_seconds", "rep=b", "7d"] == Row(2 * HOUR_S, 2 * HOUR_S, 1, 1)
    assert answer["lead_contact_hour_ratio", "rep=b", "7d"] == Row(0, 0, 1, 1)
    assert answer["lead_handling_seconds", "partner=acme", "1h"] == Row(DAY_S, DAY_S, 1, 1)
    assert answer["lead_feedback_ratio", "", "7d"] == Row(1 / 2, 1, 2, 2)
    assert answer["lead_feedback_ratio", "", "1h"] == Row(None, 0, 0, 0)  # at the acceptance
    assert answer["partner_conversion_ratio", "", "7d"] == Row(1 / 2, 1, 2, 2)
    assert answer["partner_conversion_ratio", "partner=zenit", "7d"] == Row(0, 0, 1, 1)
    assert ("leads_escalated", "", None) not in answer


def test_what_came_before_leaves_no_duration() -> None:
    events = [
        ev("lead.accepted", "09:00", partner="acme"),
        ev("lead.offered", "09:00:00.001", partner="acme"),
        ev("lead.contacted", "08:00", partner="acme"),
        ev("lead.closed", "08:30", partner="acme", outcome="won"),
        ev("lead.declined", "08:30", partner="zenit"),
    ]
    answer = ask(events)
    assert answer["lead_acceptance_ratio", "", "all"] == Row(1, 1, 1, 1)
    assert answer["partner_conversion_ratio", "", "all"] == Row(1, 1, 1, 1)
    assert not [kpi for kpi, _, _ in answer if kpi.endswith("seconds") or "hour" in kpi]


@pytest.mark.parametrize("kind", ["accepted", "declined", "expired", "closed"])
def test_an_offer_that_waits_for_a_day_is_escalated(kind: str) -> None:
    offered = ev("lead.offered", "2026-05-11T10:00", partner="acme", campaign="x")

    def level(*events: object, at: str = "2026-05-13T12:00Z") -> object:
        return groups(ask([offered, *events], at), "leads_escalated", None)  # type: ignore[list-item]

    waiting = {"": 1, "partner=acme": 1, "campaign=x": 1}
    ended = dict.fromkeys(waiting, 0)
    assert level(at="2026-05-12T10:00Z") == {}
    assert level(at="2026-05-12T10:01Z") == waiting
    assert level(ev("lead.contacted", "2026-05-11T11:00", partner="acme")) == waiting
    assert level(ev(f"lead.{kind}", "2026-05-11T11:00", partner="zenit")) == waiting  # somebody else
    assert level(ev(f"lead.{kind}", "2026-05-12T10:00", partner="acme")) == {}
    assert level(ev(f"lead.{kind}", "2026-05-12T10:00:00.001", partner="acme")) == ended
    assert level(ev(f"lead.{kind}", "2026-05-10T10:00", partner="acme")) == {}  # even before
    assert level(ev(f"lead.{kind}", "2026-05-13T10:00", partner="acme")) == ended
    assert level(ev(f"lead.{kind}", "2026-05-13T10:00", partner="acme"), at="2026-05-13T10:00Z") == waiting


def test_cost_per_lead() -> None:
    events = [
        ev("cost.recorded", "10:00", amount=90, currency="EUR", kind="campaign", campaign="x"),
        ev("cost.recorded", "10:00", amount=10.5, currency="EUR", kind="campaign", campaign="y"),
        ev("cost.recorded", "10:00", amount=1000, currency="EUR", kind="sales", campaign="x"),
        ev("cost.recorded", "10:00", amount=1000, currency="EUR", campaign="x"),
        ev("lead.created", "11:30", "1", campaign="x"),
        ev("lead.created", "11:30", "2", campaign="x"),
        ev("lead.created", "11:30", "3", campaign="z"),
    ]
    answer = ask(events)
    assert answer["cost_per_lead_eur", "", "today"] == Row(100.5 / 3, 100.5, 3, 3)
    assert answer["cost_per_lead_eur", "campaign=x", "today"] == Row(45, 90, 2, 2)
    assert answer["cost_per_lead_eur", "campaign=x", "1h"] == Row(0, 0, 2, 2)
    assert answer["cost_per_lead_eur", "campaign=y", "today"] == Row(None, 10.5, 0, 0)
    assert answer["cost_per_lead_eur", "campaign=z", "today"] == Row(0, 0, 1, 1)
