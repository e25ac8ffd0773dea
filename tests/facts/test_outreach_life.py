"""The life of an e-mail or a message, of a meeting and of a webinar: facts of a set of events."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from msgspec.structs import replace
from support.build import DAY_MS, decoded, ms
from support.replay import roster

from streamproc.facts.activity import MeetingLife, WebinarLife, event_facts
from streamproc.facts.fact import Fact, hash64
from streamproc.facts.outreach import Outreach
from streamproc.facts.reference import Reference

SENT = ms("09:00")


def email(*drawn: tuple[str, str], reference: Reference | None = None, **sent: object) -> Counter[Fact]:
    life, reference = Outreach("email"), reference or Reference()
    for kind, time in drawn:
        event = decoded(f"email.{kind}", "m1", time, **(sent if kind == "sent" else {}))
        life.apply(event, event.time_ms, reference)
    return Counter(life.facts(reference))


def names(facts: Counter[Fact]) -> set[str]:
    assert set(facts.values()) <= {1}
    return {fact.name for fact in facts}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), set()),
        (("sent",), {"email_sent", "email_reached"}),
        (("sent", "delivered", "deferred", "unsubscribed", "complained"), {"email_sent", "email_reached"}),
        (("sent", "opened"), {"email_sent", "email_reached", "email_opened"}),
        (("sent", "clicked"), {"email_sent", "email_reached", "email_clicked"}),
        (
            ("sent", "replied"),
            {"email_sent", "email_reached", "email_replied", "email_response", "reply_received"},
        ),
        (("sent", "bounced"), {"email_sent", "email_bounced"}),
        (("sent", "rejected"), {"email_sent"}),
        (("sent", "bounced", "rejected"), {"email_sent", "email_bounced"}),
        (("sent", "bounced", "opened"), {"email_sent", "email_bounced", "anomaly/engaged_unreached"}),
        (("sent", "rejected", "clicked"), {"email_sent", "anomaly/engaged_unreached"}),
        (("opened", "replied", "bounced"), set()),  # waits for its sending
    ],
)
def test_facts_of_an_email_in_any_order(kinds: tuple[str, ...], expected: set[str]) -> None:
    drawn = [(kind, f"09:0{minute}") for minute, kind in enumerate(kinds)]
    for order in permutations(drawn[:4]):
        assert names(email(*order, *drawn[4:])) == expected


def test_everything_stands_at_the_sending_but_the_response_time() -> None:
    facts = email(("sent", "09:00"), ("opened", "09:30"), ("replied", "10:00"), ("replied", "11:00"), campaign="q4")
    assert {fact.name: fact.time_ms for fact in facts} == {
        "email_sent": SENT, "email_reached": SENT, "email_opened": SENT, "email_replied": SENT,
        "email_response": ms("10:00"), "reply_received": ms("10:00"),
    }  # fmt: skip
    assert {fact.dims for fact in facts} == {(("channel", "email"), ("campaign", "q4"))}
    assert {fact.value for fact in facts if fact.name == "email_response"} == {3_600_000}


@pytest.mark.parametrize("kind", ["opened", "clicked", "replied"])
@pytest.mark.parametrize(("late_ms", "counts"), [(90 * DAY_MS, True), (90 * DAY_MS + 1, False)])
def test_ninety_days(kind: str, late_ms: int, counts: bool) -> None:
    life, reference = Outreach("email"), Reference()
    for event in (decoded("email.sent", "m1", SENT), decoded(f"email.{kind}", "m1", SENT + late_ms)):
        life.apply(event, event.time_ms, reference)
    assert (f"email_{kind}" in names(Counter(life.facts(reference)))) == counts
    for name in ("email_response", "reply_received"):
        assert (name in names(Counter(life.facts(reference)))) == (counts and kind == "replied")


@pytest.mark.parametrize("kind", ["opened", "clicked"])
@pytest.mark.parametrize(("late_ms", "counts"), [(-1, True), (90 * DAY_MS, True), (90 * DAY_MS + 1, False)])
def test_what_a_machine_did_has_facts_of_its_own(kind: str, late_ms: int, counts: bool) -> None:
    did = decoded(f"email.{kind}", "m1", SENT + late_ms, machine=True)
    again = decoded(f"email.{kind}", "m1", SENT + late_ms + DAY_MS, machine=True)
    for order in permutations((decoded("email.sent", "m1", SENT), did, again)):
        life, reference = Outreach("email"), Reference()
        for event in order:
            life.apply(event, event.time_ms, reference)
        expected = {"email_sent", "email_reached"} | ({f"email_machine_{kind}"} if counts else set())
        assert names(Counter(life.facts(reference))) == expected


def test_a_machine_that_opens_an_unreached_email_is_no_anomaly() -> None:
    life, reference = Outreach("email"), Reference()
    for kind, data in (("sent", {}), ("bounced", {}), ("opened", {"machine": True})):
        event = decoded(f"email.{kind}", "m1", SENT, **data)
        life.apply(event, event.time_ms, reference)
    assert names(Counter(life.facts(reference))) == {"email_sent", "email_bounced"}


def test_the_earliest_sending_counts_with_its_own_dimensions() -> None:
    for order in permutations([("a", "09:10", "bob"), ("b", "09:00", "ann"), ("c", "09:00", "cy")]):
        life, reference = Outreach("email"), Reference()
        for event_id, time, rep in order:
            event = decoded("email.sent", "m1", time, id=event_id, rep=rep)
            life.apply(event, event.time_ms, reference)
        assert {dict(fact.dims)["rep"] for fact in life.facts(reference)} == {"ann"}


def test_team_and_region_are_those_at_the_sending() -> None:
    reference = roster("rep.defined ann team=north region=dach\nrep.defined ann team=south valid_from=09:30")
    facts = email(("sent", "09:00"), ("replied", "10:00"), reference=reference, rep="ann")
    assert {dict(fact.dims)["team"] for fact in facts} == {"north"}


def test_orphans_are_those_whose_sending_never_came() -> None:
    life, reference = Outreach("email"), Reference()
    reply, sent = decoded("email.replied", "m1", "09:30"), decoded("email.sent", "m1", "09:00")
    life.apply(reply, reply.time_ms, reference)
    assert life.orphan
    life.apply(sent, sent.time_ms, reference)
    assert not life.orphan


def test_messages_can_only_be_answered() -> None:
    life, reference = Outreach("message"), Reference()
    for kind, time in (("message.replied", "09:30"), ("message.sent", "09:00")):
        event = decoded(kind, "x1", time, channel="chat")
        life.apply(event, event.time_ms, reference)
    facts = Counter(life.facts(reference))
    assert names(facts) == {"message_sent", "message_replied", "reply_received"}
    times = {fact.name: fact.time_ms for fact in facts}
    assert times == {"message_sent": SENT, "message_replied": SENT, "reply_received": ms("09:30")}


def meeting(*drawn: tuple[str, str, dict[str, object]], reference: Reference | None = None) -> list[Fact]:
    found = set()
    for order in permutations(drawn):
        life, known = MeetingLife(), reference or Reference()
        for kind, time, data in order:
            event = decoded(f"meeting.{kind}", "v1", time, **data)
            life.apply(event, event.time_ms, known)
        found.add(tuple(life.facts(known)))
    (facts,) = found  # whatever the order
    return list(facts)


def test_a_meeting_counts_once_at_its_earliest_holding() -> None:
    fact, video = meeting(
        ("booked", "08:00", {"rep": "ann", "product": "crm"}),
        ("held", "09:30", {"rep": "bob"}),
        ("held", "09:00", {"rep": "cy", "medium": "video"}),
    )
    assert fact == Fact("meeting_held", ms("09:00"), 1, (("rep", "cy"), ("product", "crm"), ("channel", "video")))
    assert video == replace(fact, name="meeting_video")


@pytest.mark.parametrize(
    ("booked", "held", "names"),
    [
        ({}, {}, set()),
        ({"kind": "demo"}, {}, {"meeting_demo"}),
        ({"kind": "demo"}, {"kind": "onboarding"}, {"meeting_onboarding"}),
        ({"kind": "demo"}, {"kind": "other"}, set()),
        ({"kind": "discovery", "medium": "video"}, {"kind": "demo"}, {"meeting_demo", "meeting_video"}),
        ({"medium": "video"}, {"medium": "phone"}, set()),
        ({"medium": "phone"}, {"medium": "video"}, {"meeting_video"}),
    ],
)
def test_kind_and_medium_of_a_meeting_are_those_of_its_holding_else_of_its_booking(
    booked: dict[str, object], held: dict[str, object], names: set[str]
) -> None:
    facts = meeting(("booked", "08:00", booked), ("booked", "08:30", {"kind": "onboarding"}), ("held", "09:00", held))
    assert {fact.name for fact in facts} == {"meeting_held"} | names
    assert {fact.time_ms for fact in facts} == {ms("09:00")}


def webinar(*drawn: tuple[str, str, dict[str, object]]) -> list[Fact]:
    found = set()
    for order in permutations(drawn):
        life = WebinarLife()
        for kind, time, data in order:
            event = decoded(f"webinar.{kind}", "w1", time, contact="p1", **data)
            life.apply(event, event.time_ms, Reference())
        found.add(tuple(life.facts(Reference())))
    (facts,) = found  # whatever the order
    return list(facts)


def test_a_webinar_counts_once_a_person_at_registration_and_attendance() -> None:
    facts = webinar(
        ("registered", "08:00", {"rep": "ann"}),
        ("registered", "08:30", {"rep": "bob"}),
        ("attended", "10:00", {"rep": "cy", "id": "z"}),
        ("attended", "10:00", {"rep": "dee", "id": "a"}),
    )
    assert facts == [
        Fact("webinar_registered", ms("08:00"), 1, (("rep", "ann"),)),
        Fact("webinar_showed_up", ms("08:00"), 1, (("rep", "ann"),)),
        Fact("webinar_attended", ms("10:00"), 1, (("rep", "dee"),)),
    ]


def test_who_attended_unregistered_attended_all_the_same() -> None:
    assert webinar(("attended", "10:00", {})) == [Fact("webinar_attended", ms("10:00"), 1, ())]


def test_research_is_kept_in_milliseconds_rounded_half_even() -> None:
    for duration_s, spent_ms in ((0.0005, 0), (0.0015, 2), (90, 90_000), (1.2345, 1234), (2.675, 2675)):
        event = decoded("research.logged", "ann", "09:00", duration_s=duration_s)
        found = event_facts(event, event.time_ms, roster("rep.defined ann team=north"))
        dims = (("rep", "ann"), ("team", "north"))
        assert found == [Fact("research", SENT, spent_ms, dims), Fact("research_logged", SENT, 1, dims)]


@pytest.mark.parametrize(
    ("outcome", "names"), [("connected", ["call", "call_connected"]), ("voicemail", ["call"]), (None, ["call"])]
)
def test_a_call_that_connected(outcome: str | None, names: list[str]) -> None:
    event = decoded("call.logged", "c1", "09:00", rep="ann", **({"outcome": outcome} if outcome else {}))
    assert [fact.name for fact in event_facts(event, event.time_ms, Reference())] == names


def test_a_meeting_not_held_counts_nothing() -> None:
    assert meeting(("booked", "08:00", {"rep": "ann"}), ("cancelled", "09:00", {}), ("no_show", "09:00", {})) == []


def test_a_rep_who_held_anothers_meeting_does_not_inherit_their_team() -> None:
    (fact,) = meeting(
        ("booked", "08:00", {"rep": "ann"}),
        ("held", "09:00", {"rep": "stranger"}),
        reference=roster("rep.defined ann team=north region=dach"),
    )
    assert fact.dims == (("rep", "stranger"),)


@pytest.mark.parametrize(
    ("kind", "data", "person"),
    [
        ("call.logged", {"rep": "a", "contact": "p"}, "p"),
        ("call.logged", {"rep": "a", "contact": "p", "direction": "outbound"}, "p"),
        ("call.logged", {"rep": "a", "contact": "p", "direction": "inbound"}, None),
        ("call.logged", {"rep": "a"}, None),
        ("email.sent", {"recipient": "p"}, "p"),
        ("message.sent", {"contact": "p"}, "p"),
        ("meeting.held", {"contact": "p"}, "p"),
        ("meeting.booked", {"contact": "p"}, None),
        ("email.replied", {"recipient": "p"}, None),
        ("message.replied", {"contact": "p"}, None),
    ],
)
def test_whom_an_activity_touches(kind: str, data: dict[str, str], person: str | None) -> None:
    event = decoded(kind, "1", "09:00", **data)
    touched = [f.value for f in event_facts(event, event.time_ms, Reference()) if f.name == "contact_touched"]
    assert touched == ([] if person is None else [hash64(person)])
