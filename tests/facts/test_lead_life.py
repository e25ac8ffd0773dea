"""The life of a lead: facts of a set of events, whatever the order in which they come."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations
from typing import Any

import msgspec
import pytest
from msgspec.structs import astuple
from support.build import DAY_MS, HOUR_MS, decoded, ms
from support.replay import roster

from streamproc.events import Event
from streamproc.facts.entities import LIVES, Entities
from streamproc.facts.fact import Fact
from streamproc.facts.leads import Lead
from streamproc.facts.reference import Reference

Drawn = tuple[str, str, dict[str, Any]]
ROSTER = "rep.defined ann team=north region=dach\nrep.defined bob team=south region=uk"


def events_of(*drawn: Drawn) -> list[Event]:
    return [decoded(f"lead.{kind}", "l1", time, **data) for kind, time, data in drawn]


def life(*drawn: Drawn, reference: Reference | None = None) -> Counter[Fact]:
    """Facts of a lead, the same for many orders of arrival, with a restart in the middle."""
    events, known, found = events_of(*drawn), reference or Reference(), set()
    rng = random.Random(1)
    orders = list(permutations(events)) if len(events) < 5 else [rng.sample(events, len(events)) for _ in range(60)]
    for order in orders:
        lead = Lead()
        for event in order:
            lead.apply(event, event.time_ms, known)
            lead = msgspec.msgpack.decode(msgspec.msgpack.encode(lead), type=Lead)
        found.add(tuple(sorted(lead.facts(known), key=astuple)))
    (facts,) = found
    return Counter(facts)


def names(facts: Counter[Fact]) -> Counter[str]:
    return Counter(fact.name for fact in facts.elements())


def one(facts: Counter[Fact], name: str) -> Fact:
    (found,) = [fact for fact in facts.elements() if fact.name == name]
    return found


def test_a_creation_counts_once_at_its_earliest_with_its_own_dimensions() -> None:
    facts = life(
        ("created", "09:10", {"rep": "bob", "lead_source": "web"}),
        ("created", "09:00", {"rep": "ann", "id": "b"}),
        ("created", "09:00", {"rep": "cy", "id": "a", "source": "z"}),
    )
    assert facts == {Fact("lead_created", ms("09:00"), 1, (("rep", "ann"),)): 1}  # source "test" is before "z"


@pytest.mark.parametrize(("source", "online"), [("web", 1), ("Web", 0), ("fair", 0), (None, 0)])
def test_a_lead_from_the_web_is_online(source: str | None, online: int) -> None:
    facts = life(("created", "09:00", {"lead_source": source} if source else {}))
    assert names(facts)["lead_online"] == online


def test_a_conversion_counts_at_the_creation_with_its_dimensions() -> None:
    facts = life(
        ("created", "09:00", {"rep": "ann"}), ("converted", "10:00", {"rep": "bob"}), ("converted", "11:00", {})
    )
    assert one(facts, "lead_converted") == Fact("lead_converted", ms("09:00"), 1, (("rep", "ann"),))
    assert life(("converted", "10:00", {}), ("disqualified", "10:00", {})) == {}  # waits for the creation


# --- stages ----------------------------------------------------------------------------------------------------------


def test_each_stage_is_entered_once_at_its_first_entry() -> None:
    facts = life(
        ("created", "09:00", {"stage": "new", "rep": "ann"}),
        ("stage_changed", "10:00", {"stage": "MQL"}),
        ("stage_changed", "11:00", {"stage": "new"}),
        ("stage_changed", "12:00", {"stage": "MQL", "rep": "bob"}),
        ("stage_changed", "13:00", {"stage": "Sql", "rep": "bob"}),
    )
    entered = {(dict(f.dims)["lead_stage"], dict(f.dims)["rep"], f.time_ms) for f in facts if "entered" in f.name}
    assert entered == {("new", "ann", ms("09:00")), ("MQL", "ann", ms("10:00")), ("Sql", "bob", ms("13:00"))}
    assert names(facts) == {"lead_created": 1, "lead_stage_entered": 3, "lead_mql": 1, "lead_sql": 1}
    assert one(facts, "lead_mql").time_ms == ms("10:00")


def test_stages_of_a_lead_never_created_have_their_own_dimensions() -> None:
    facts = life(("stage_changed", "10:00", {"stage": "sal", "rep": "bob"}))
    dims = (("rep", "bob"), ("lead_stage", "sal"))
    assert facts == {Fact("lead_stage_entered", ms("10:00"), 1, dims): 1, Fact("lead_sal", ms("10:00"), 1, dims): 1}


def test_another_reps_stage_is_not_in_the_team_of_who_created_the_lead() -> None:
    created: Drawn = ("created", "09:00", {"rep": "ann", "campaign": "q4"})
    facts = life(created, ("stage_changed", "10:00", {"stage": "x", "rep": "stranger"}), reference=roster(ROSTER))
    assert one(facts, "lead_stage_entered").dims == (("rep", "stranger"), ("campaign", "q4"), ("lead_stage", "x"))
    facts = life(created, ("stage_changed", "10:00", {"stage": "x", "rep": "bob"}), reference=roster(ROSTER))
    assert dict(one(facts, "lead_stage_entered").dims)["region"] == "uk"


# --- touches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "touched", "first"),
    [
        ("09:00", ("09:30", "10:00"), "09:30"),
        ("09:00", ("08:00", "08:59:59.999", "10:00", "11:00"), "10:00"),
        ("09:00", ("09:00", "08:00"), "09:00"),
        ("09:00", ("08:00",), None),
        ("09:00", (), None),
    ],
)
def test_the_first_touch_since_the_creation(created: str, touched: tuple[str, ...], first: str | None) -> None:
    facts = life(("created", created, {}), *(("touched", time, {}) for time in touched))
    expected = {Fact("lead_created", ms(created), 1, ())}
    if first is not None:
        expected.add(Fact("lead_touch", ms(first), ms(first) - ms(created), ()))
    assert set(facts) == expected


def test_a_creation_that_was_earlier_brings_back_touches_before_the_other() -> None:
    facts = life(
        ("created", "09:00", {}), ("created", "07:00", {}), ("touched", "08:00", {}), ("touched", "10:00", {}),
        ("touched", "06:00", {}), ("touched", "09:00", {}),
    )  # fmt: skip
    assert one(facts, "lead_touch") == Fact("lead_touch", ms("08:00"), HOUR_MS, ())


def test_a_touch_has_the_dimensions_of_the_lead_and_its_own() -> None:
    facts = life(
        ("created", "09:00", {"rep": "ann", "campaign": "q4"}),
        ("touched", "10:00", {"rep": "bob", "id": "a"}),
        ("touched", "10:00", {"rep": "cy", "id": "b"}),
        reference=roster(ROSTER),
    )
    assert dict(one(facts, "lead_touch").dims) == {"rep": "bob", "team": "south", "region": "uk", "campaign": "q4"}


def test_touches_that_can_no_longer_count_are_not_kept() -> None:
    lead, reference = Lead(), Reference()
    for event in events_of(("created", "09:00", {}), *(("touched", f"1{n}:00", {"rep": f"r{n}"}) for n in range(9))):
        lead.apply(event, event.time_ms, reference)
    assert (len(lead.touches), len(lead.said)) == (1, 2)


# --- partners --------------------------------------------------------------------------------------------------------

PARTNER = {"partner": "p"}
WHOLE: tuple[Drawn, ...] = (
    ("offered", "09:00", PARTNER),
    ("accepted", "09:30", PARTNER),
    ("contacted", "10:30", PARTNER),
    ("feedback", "11:00", PARTNER),
    ("closed", "12:00", PARTNER | {"outcome": "won"}),
)


def test_an_offer_from_beginning_to_end() -> None:
    dims = (("partner", "p"),)
    assert life(*WHOLE) == {
        Fact("lead_offered", ms("09:00"), 1, dims): 1,
        Fact("lead_taken", ms("09:00"), 1, dims): 1,
        Fact("lead_accepted", ms("09:30"), 1, dims): 1,
        Fact("lead_fed_back", ms("09:30"), 1, dims): 1,
        Fact("lead_partner_won", ms("09:30"), 1, dims): 1,
        Fact("lead_acceptance", ms("09:30"), HOUR_MS // 2, dims): 1,
        Fact("lead_contact", ms("10:30"), HOUR_MS, dims): 1,
        Fact("lead_handling", ms("12:00"), 5 * HOUR_MS // 2, dims): 1,
    }


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ((), {}),
        ((0,), {"lead_offered": 1, "leads_escalated": 1}),
        ((0, 2, 3), {"lead_offered": 1, "leads_escalated": 1}),  # nothing of an acceptance that never came
        ((0, 4), {"lead_offered": 1}),
        ((1,), {"lead_accepted": 1}),
        ((1, 2), {"lead_accepted": 1, "lead_contact": 1}),
        ((2, 3, 4), {}),
    ],
)
def test_parts_of_an_offer(drawn: tuple[int, ...], expected: dict[str, int]) -> None:
    assert names(life(*(WHOLE[index] for index in drawn))) == expected


def test_the_earliest_of_each_kind_counts_and_the_first_closing_decides() -> None:
    lost = ("closed", "11:59", PARTNER | {"outcome": "lost"})
    facts = life(*WHOLE, lost, ("accepted", "09:40", PARTNER), ("offered", "09:20", PARTNER))
    assert names(facts)["lead_partner_won"] == 0
    assert names(facts)["lead_accepted"] == 1
    assert one(facts, "lead_acceptance").value == HOUR_MS // 2
    assert one(facts, "lead_handling").time_ms == ms("11:59")


@pytest.mark.parametrize(("won_id", "won"), [("a", 1), ("z", 0)])
def test_of_two_closings_at_the_same_time_the_first_by_id_decides(won_id: str, won: int) -> None:
    facts = life(
        ("accepted", "09:00", PARTNER),
        ("closed", "10:00", PARTNER | {"outcome": "won", "id": won_id}),
        ("closed", "10:00", PARTNER | {"outcome": "lost", "id": "m"}),
        ("closed", "10:00", PARTNER | {"id": "n"}),
    )
    assert names(facts)["lead_partner_won"] == won


def test_each_partner_has_an_offer_of_its_own() -> None:
    facts = life(
        ("offered", "09:00", {"partner": "p"}), ("offered", "10:00", {"partner": "q"}), ("accepted", "11:00", PARTNER)
    )
    assert names(facts) == {
        "lead_offered": 2, "lead_taken": 1, "lead_accepted": 1, "lead_acceptance": 1, "leads_escalated": 1,
    }  # fmt: skip
    assert one(facts, "leads_escalated").dims == (("partner", "q"),)


@pytest.mark.parametrize(
    ("drawn", "anomaly", "left_out"),
    [
        ((("offered", "10:00"), ("accepted", "09:00")), "accepted_before_offered", "lead_acceptance"),
        ((("accepted", "10:00"), ("contacted", "09:00")), "contacted_before_accepted", "lead_contact"),
        ((("accepted", "10:00"), ("closed", "09:00")), "closed_before_accepted", "lead_handling"),
    ],
)
def test_what_ends_before_it_begins_is_an_anomaly(
    drawn: tuple[tuple[str, str], ...], anomaly: str, left_out: str
) -> None:
    facts = life(*((kind, time, PARTNER) for kind, time in drawn))
    assert one(facts, f"anomaly/{anomaly}") == Fact(f"anomaly/{anomaly}", ms("09:00"), 1, ())
    assert names(facts)[left_out] == 0
    same = life(*((kind, "10:00", PARTNER) for kind, _ in drawn))
    assert one(same, left_out).value == 0


def test_dimensions_of_a_partners_event_are_merged_onto_the_offer_and_the_creation() -> None:
    facts = life(
        ("created", "08:00", {"rep": "ann", "partner": "other", "campaign": "q4", "product": "crm"}),
        ("offered", "09:00", {"partner": "p", "product": "erp", "segment": "new"}),
        ("accepted", "09:30", {"partner": "p", "segment": "old"}),
        ("closed", "10:00", {"partner": "p", "rep": "bob"}),
        reference=roster(ROSTER),
    )
    ann = {"rep": "ann", "team": "north", "region": "dach", "campaign": "q4", "partner": "p", "product": "erp"}
    assert dict(one(facts, "lead_offered").dims) == ann | {"segment": "new"}
    assert dict(one(facts, "lead_accepted").dims) == ann | {"segment": "old"}
    bob = {"rep": "bob", "team": "south", "region": "uk"}
    assert dict(one(facts, "lead_handling").dims) == ann | bob | {"segment": "new"}


# --- escalation ------------------------------------------------------------------------------------------------------

OFFERED = ms("09:00")


@pytest.mark.parametrize("kind", ["accepted", "declined", "expired", "closed"])
@pytest.mark.parametrize(
    ("after_ms", "levels"),
    [
        (-HOUR_MS, []),
        (DAY_MS - 1, []),
        (DAY_MS, []),  # at that time is soon enough
        (DAY_MS + 1, [(OFFERED + DAY_MS, 1), (OFFERED + DAY_MS + 1, -1)]),
    ],
)
def test_an_offer_is_escalated_after_a_day_until_it_is_answered(
    kind: str, after_ms: int, levels: list[tuple[int, int]]
) -> None:
    later = [("declined", OFFERED + 3 * DAY_MS), ("expired", OFFERED + 2 * DAY_MS), ("closed", OFFERED + 3 * DAY_MS)]
    events = [
        decoded("lead.offered", "l1", OFFERED, partner="p", rep="ann"),
        decoded(f"lead.{kind}", "l1", OFFERED + after_ms, partner="p", rep="bob"),
        *(decoded(f"lead.{other}", "l1", time_ms, partner="p") for other, time_ms in later),
    ]
    found = set()
    for order in permutations(events):
        lead = Lead()
        for event in order:
            lead.apply(event, event.time_ms, Reference())
        found.add(tuple(fact for fact in lead.facts(Reference()) if fact.name == "leads_escalated"))
    (facts,) = found
    assert [(fact.time_ms, fact.value) for fact in facts] == levels
    assert {dict(fact.dims)["rep"] for fact in facts} <= {"ann"}  # of the offer


# --- state -----------------------------------------------------------------------------------------------------------


def test_team_and_region_are_those_at_the_event_however_the_roster_changes_later() -> None:
    lead, reference = Lead(), roster(ROSTER)
    for event in events_of(("created", "09:00", {"rep": "ann"})):
        lead.apply(event, event.time_ms, reference)
    before = lead.facts(reference)
    reference = roster("rep.defined ann team=south")
    assert lead.facts(reference) == before
    for event in events_of(("converted", "10:00", {})):
        lead.apply(event, event.time_ms, reference)
    assert set(before) < set(lead.facts(reference))


def test_a_lead_with_an_offer_is_small() -> None:
    """Leads are kept for more than a year: with ids of 16 characters, and everything said, one takes 300 bytes."""
    entities = Entities(roster(ROSTER))
    for number, event in enumerate(
        events_of(("created", "08:00", {"rep": "ann", "campaign": "q4", "stage": "SQL"}), *WHOLE)
    ):
        entities.apply(msgspec.structs.replace(event, id=f"{number:016}"), event.time_ms, 0)
    ((_, packed),) = entities.take_dirty()
    assert packed is not None
    assert len(packed) <= 300
    assert LIVES["lead"].keep_days == 400
