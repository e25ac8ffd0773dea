"""Events that follow from others: touches of leads, new customers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from support.build import decoded, line, ms, parse, rec

from streamproc.events import CRM, REVENUE
from streamproc.facts.derived import derive
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.pipeline import FactsStage


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("call.logged", {"rep": "ann", "direction": "outbound"}),
        ("call.logged", {"rep": "ann"}),
        ("email.sent", {"rep": "ann"}),
        ("meeting.held", {"rep": "ann"}),
        ("message.sent", {"rep": "ann", "channel": "linkedin"}),
    ],
)
def test_an_activity_that_names_a_lead_touches_it(kind: str, data: dict[str, Any]) -> None:
    origin = decoded(kind, "7", "09:30", lead="l1", campaign="q1", **data)
    found = derive(origin)
    assert found is not None
    assert (found.topic, found.key) == (CRM, b"lead/l1")
    event = parse(found.value)
    assert (event.type, event.subject, event.time_ms) == ("lead.touched", "lead/l1", ms("09:30"))
    assert (event.data.lead, event.data.rep, event.data.campaign) == ("l1", "ann", "q1")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("call.logged", {"rep": "ann", "direction": "inbound", "lead": "l1"}),
        ("call.logged", {"rep": "ann"}),
        ("meeting.booked", {"lead": "l1"}),
        ("message.replied", {"lead": "l1"}),
        ("deal.won", {"lead": "l1"}),  # without a customer
        ("deal.created", {"customer": "c1"}),
        ("lead.touched", {}),
        ("customer.won", {}),
    ],
)
def test_nothing_else_follows(kind: str, data: dict[str, Any]) -> None:
    assert derive(decoded(kind, "7", **data)) is None


def test_a_deal_won_makes_a_customer() -> None:
    found = derive(decoded("deal.won", "d1", "10:00", customer="c1", rep="bob", amount=5, currency="USD"))
    assert found is not None
    assert (found.topic, found.key) == (REVENUE, b"customer/c1")
    event = parse(found.value)
    assert (event.type, event.time_ms) == ("customer.won", ms("10:00"))
    assert (event.data.customer, event.data.deal, event.data.rep) == ("c1", "d1", "bob")


def test_the_id_follows_from_the_origin_alone() -> None:
    ids = [
        orjson.loads(found.value)["id"]
        for source in ("crm", "crm", "other")
        if (found := derive(decoded("deal.won", "d1", "10:00", id="x", source=source, customer="c1")))
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_repeated_origin_derives_once_and_a_repeated_derived_event_is_a_duplicate() -> None:
    facts = FactsStage(catalogue(), Reference())
    origin = rec("deal.won", "d1", "10:00", customer="c1")
    facts.on_batch([origin, origin], None)
    cut = facts.take_cut()
    assert cut is not None
    (derived,) = cut.derived
    again = origin._replace(value=derived.value, topic=derived.topic)
    facts.on_batch([again, again], None)
    cut = facts.take_cut()
    assert cut is not None
    assert cut.counts["duplicate", REVENUE] == 1
    assert not cut.derived


def test_a_line_that_is_refused_derives_nothing() -> None:
    facts = FactsStage(catalogue(), Reference())
    wrong = line("deal.won", "d1", "10:00", customer="c1", amount=1, currency="ZZZ")
    facts.on_batch([rec("deal.won", "d1", "10:00")._replace(value=wrong)], None)
    cut = facts.take_cut()
    assert cut is not None
    assert (len(cut.rejected), cut.derived) == (1, [])
