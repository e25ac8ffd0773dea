"""Data quality by source and topic: what is counted for each event, rejection, orphan and anomaly."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cli.samples import call, event

from streamproc.backtest import Line
from streamproc.codec import decode, decode_reference
from streamproc.events import Event
from streamproc.facts.quality import MAX_SOURCES, OTHER, UNKNOWN, Quality, Sources, label, source_of
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.pipeline import FactsStage

NOON = "2024-05-06T12:00:00Z"
NOON_MS = 1_714_996_800_000
DAY_MS = 86_400_000
CRM = ("test", "sales.crm")
EMAIL = ("test", "sales.email")


def known(raw: bytes) -> Event:
    found = decode(raw)
    assert isinstance(found, Event)
    return found


def roster() -> Reference:
    reference = Reference()
    for kind, data in (
        ("rep.defined", {"rep": "ann", "name": "Ann", "team": "dach"}),
        ("rep.defined", {"rep": "bob", "name": "Bob"}),
        ("team.defined", {"team": "dach", "region": "DACH"}),
    ):
        found = decode_reference(event(kind, NOON, f"{kind.partition('.')[0]}/{data.get('rep', 'dach')}", data))
        assert isinstance(found, Event), found
        reference.apply(found)
    return reference


def taken(*raws: bytes, arrival_ms: int = 0) -> Counter[tuple[str, ...]]:
    quality, reference = Quality(), roster()
    for raw in raws:
        quality.taken(known(raw), NOON_MS, arrival_ms, reference)
    return quality.take()


def stage(*raws: bytes, arrival_ms: int = 0, made: FactsStage | None = None) -> tuple[FactsStage, Any]:
    made = made or FactsStage(catalogue(), roster())
    made.on_batch([Line(raw, 0, topic="sales.any", timestamp=arrival_ms) for raw in raws], None)
    cut = made.take_cut()
    assert cut is not None
    return made, cut.quality


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("crm", "crm"),
        ("crm/eu/7", "crm"),
        ("/crm/eu", "crm"),
        ("https://crm.example/eu?x", "crm.example"),
        ("//crm.example/eu", "crm.example"),
        ("urn:crm:eu", "urn:crm:eu"),
        ("/", UNKNOWN),
        ("x" * 200, "x" * 64),
    ],
)
def test_a_source_is_told_by_its_first_segment(source: str, told: str) -> None:
    assert label(source) == told


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'{"source": "crm/eu", "type": 7}', "crm"),
        (b'{"source": 7}', UNKNOWN),
        (b'{"source": ""}', UNKNOWN),
        (b'{"sour', UNKNOWN),
        (b"[1]", UNKNOWN),
        (b'{"source": "\xff"}', UNKNOWN),
        (b"[" * 100_000, UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_the_source_of_anything(raw: bytes | None, told: str) -> None:
    assert source_of(raw) == told


def test_sources_beyond_the_cap_are_told_together() -> None:
    sources = Sources()
    names = [sources.name(f"s{number}") for number in range(MAX_SOURCES + 5)]
    assert names == [f"s{number}" for number in range(MAX_SOURCES)] + [OTHER] * 5
    assert sources.name("s0") == "s0"


def test_delays_count_only_where_the_arrival_is_known() -> None:
    assert {what for what, *_ in taken(call(1, NOON))} == {"events", "placed", "missing"}
    on_time = taken(call(1, NOON), call(2, NOON), arrival_ms=NOON_MS + 2000)
    assert (on_time["delay_ms", *CRM], on_time["late", *CRM], on_time["early", *CRM]) == (4000, 0, 0)
    a_day = taken(call(1, NOON), arrival_ms=NOON_MS + DAY_MS)
    assert (a_day["delay_ms", *CRM], a_day["late", *CRM]) == (DAY_MS, 0)
    late = taken(call(1, NOON), arrival_ms=NOON_MS + DAY_MS + 1)
    assert (late["delay_ms", *CRM], late["late", *CRM]) == (DAY_MS + 1, 1)
    early = taken(call(1, NOON), arrival_ms=NOON_MS - 300)
    assert (early["early", *CRM], early["early_ms", *CRM], early["delay_ms", *CRM]) == (1, 300, 0)


def test_dimensions_are_missing_after_the_roster() -> None:
    found = taken(
        call(1, NOON, rep="ann"),  # team and region by the roster
        call(2, NOON, rep="bob"),  # of no team
        call(3, NOON, rep="eve"),  # not in the roster
        event("email.sent", NOON, "email/m1", {"message_id": "m1", "campaign": "may"}),
        event("deal.created", NOON, "deal/1", {"deal": "1", "amount": 1, "currency": "EUR", "team": "dach"}),
    )
    missing = {key[1:]: n for key, n in found.items() if key[0] == "missing"}
    assert missing == {
        (*CRM, "rep"): 1,
        (*CRM, "team"): 2,
        (*CRM, "region"): 2,
        (*CRM, "product"): 4,
        (*CRM, "campaign"): 4,
        (*EMAIL, "rep"): 1,
        (*EMAIL, "team"): 1,
        (*EMAIL, "region"): 1,
        (*EMAIL, "product"): 1,
    }
    assert (found["placed", *CRM], found["placed", *EMAIL]) == (4, 1)


def test_events_that_take_over_their_entitys_dimensions_are_not_judged() -> None:
    found = taken(event("email.opened", NOON, "email/m1", {"message_id": "m1"}))
    assert found == {("events", *EMAIL): 1}


def test_the_stage_counts_repetitions_and_rejections_by_source() -> None:
    broken = b'{"source": "erp/7", "type": "call.logged"}'
    _, found = stage(call(1, NOON), call(1, NOON), broken, b"{", arrival_ms=NOON_MS)
    assert found["events", *CRM] == 1
    assert found["duplicates", *CRM] == 1
    assert found["rejected", "erp", "sales.any", "schema"] == 1
    assert found["rejected", UNKNOWN, "sales.any", "not_json"] == 1
    assert found["placed", *CRM] == 1


def test_anomalies_are_those_of_the_source_that_made_them() -> None:
    sent = event("email.sent", NOON, "email/m1", {"message_id": "m1"})
    replied = event("email.replied", "2024-05-06T11:00:00Z", "email/m1", {"message_id": "m1"})
    made, found = stage(sent)
    assert found["anomalies", *EMAIL, "replied_before_sent"] == 0
    _, found = stage(replied.replace(b'"test"', b'"inbox/7"'), made=made)
    assert found["anomalies", "inbox", "sales.email", "replied_before_sent"] == 1


def test_anomalies_of_single_events() -> None:
    survey = event("survey.answered", NOON, "survey/1", {"survey": "nps", "score": 11})
    _, found = stage(survey)
    assert found["anomalies", "test", "sales.revenue", "survey_score"] == 1


def test_orphans_are_those_of_their_last_source_across_a_restart() -> None:
    opened = event("email.opened", NOON, "email/m1", {"message_id": "m1"}).replace(b'"test"', b'"tracker"')
    first = FactsStage(catalogue(), roster())
    first.on_batch([Line(opened, 0, topic="sales.email", timestamp=NOON_MS)], None)
    cut = first.take_cut()
    assert cut is not None
    again = FactsStage(catalogue(), roster())
    again.restore({key: value for key, value in cut.changelog if value is not None})
    _, found = stage(call(1, NOON), arrival_ms=NOON_MS + 8 * DAY_MS, made=again)
    assert {key for key in found if key[0] == "orphans"} == set()
    again.on_tick(NOON_MS + 8 * DAY_MS)
    cut = again.take_cut()
    assert cut is not None
    assert cut.counts["orphans",] == 1
    assert cut.quality == {("orphans", "tracker", "sales.email"): 1}
