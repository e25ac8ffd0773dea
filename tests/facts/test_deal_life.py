"""The life of a deal: every state with every kind of event, and what each transition means in facts."""

from __future__ import annotations

from collections import Counter

import pytest
from support.build import HOUR_MS, decoded, ms
from support.replay import roster

from streamproc.facts.deals import RANKS, TRANSITIONS, Deal
from streamproc.facts.fact import Fact
from streamproc.facts.reference import Reference

TYPES = {
    "created": "deal.created",
    "updated": "deal.updated",
    "quote": "quote.sent",
    "stage": "deal.stage_changed",
    "won": "deal.won",
    "lost": "deal.lost",
    "reopened": "deal.reopened",
    "deleted": "deal.deleted",
}
REACHED_BY = {
    "none": [],
    "open": ["created"],
    "won": ["created", "won"],
    "lost": ["created", "lost"],
    "deleted": ["created", "deleted"],
}
# What each kind does in each state; ! marks an anomaly, which changes nothing.
TABLE = """
             created   updated   quote    stage     won       lost      reopened  deleted
    none     open      none      none     none      won       lost      !none     !none
    open     !open     open      open     open      won       lost      !open     deleted
    won      !won      !won      won      !won      !won      !won      open      !won
    lost     !lost     !lost     lost     !lost     !lost     !lost     open      !lost
    deleted  !deleted  !deleted  deleted  !deleted  !deleted  !deleted  open      !deleted
"""


def _table() -> list[tuple[str, str, str]]:
    head, *rows = [line.split() for line in TABLE.strip().splitlines()]
    return [(state, kind, after) for state, *cells in rows for kind, after in zip(head, cells, strict=True)]


def life(*kinds: str, reference: Reference | None = None) -> Counter[Fact]:
    """Facts of a deal to which these happened, an hour apart."""
    deal = Deal()
    reference = reference or Reference()
    for hour, kind in enumerate(kinds):
        data = {"stage": "demo"} if kind == "stage" else {}
        event = decoded(TYPES[kind], "d1", ms("00:00") + hour * HOUR_MS, id=str(hour), **data)
        deal.apply(event, event.time_ms, reference)
    return Counter(deal.facts(reference))


def total(facts: Counter[Fact], name: str) -> int:
    return sum(fact.value * times for fact, times in facts.items() if fact.name == name)


def state_of(kinds: list[str]) -> str:
    """The state as facts show it; what is neither open nor decided is told apart by whether it may still be won."""
    facts = life(*kinds)
    shown = [name for name in ("deal_won", "deal_lost", "open_deals") if total(facts, name)]
    if shown:
        assert len(shown) == 1
        return {"deal_won": "won", "deal_lost": "lost", "open_deals": "open"}[shown[0]]
    return "none" if total(life(*kinds, "won"), "deal_won") else "deleted"


def anomalies(kinds: list[str]) -> list[str]:
    return [fact.name.removeprefix("anomaly/") for fact in life(*kinds) if fact.name.startswith("anomaly/")]


def test_the_table_is_whole() -> None:
    assert {(state, kind) for state, kind, _ in _table()} == {(s, k) for s in REACHED_BY for k in RANKS}
    assert {(state, kind) for state, kind, after in _table() if after[0] != "!" and kind != "quote"} == set(TRANSITIONS)


@pytest.mark.parametrize(("state", "kind", "after"), _table())
def test_transitions(state: str, kind: str, after: str) -> None:
    kinds = [*REACHED_BY[state], kind]
    assert state_of(REACHED_BY[state]) == state
    assert state_of(kinds) == after.removeprefix("!")
    assert anomalies(kinds) == ([f"deal_{kind}_when_{state}"] if after[0] == "!" else [])


@pytest.mark.parametrize("decision", ["won", "lost"])
def test_reopening_what_was_never_created_leads_back_to_nothing(decision: str) -> None:
    assert state_of([decision, "reopened"]) == "none"
    assert total(life(decision, "reopened", "created"), "open_deals") == 1
    assert total(life(decision, "reopened", "created"), "deal_created") == 1


def test_levels_come_to_nothing_when_a_deal_is_over() -> None:
    for over in (["won"], ["lost"], ["deleted"], ["won", "reopened", "lost"]):
        facts = life("created", "stage", "updated", *over)
        for name in ("open_deals", "opportunities", "pipeline_value", "pipeline_weighted"):
            assert total(facts, name) == 0, (over, name)


@pytest.mark.parametrize(
    ("first", "then", "state"),
    [
        ("won", "created", "won"),  # created < won
        ("won", "stage", "won"),
        ("reopened", "won", "open"),  # won < reopened
        ("deleted", "reopened", "none"),  # reopened < deleted: nothing was to be reopened
        ("deleted", "won", "won"),
    ],
)
def test_events_of_one_instant_go_by_rank(first: str, then: str, state: str) -> None:
    deal, reference = Deal(), Reference()
    kinds = [first, then] if "created" in (first, then) or state == "none" else ["created", first, then]
    for number, kind in enumerate(kinds):
        data = {"stage": "demo"} if kind == "stage" else {}
        event = decoded(TYPES[kind], "d1", "09:00", id=str(number), **data)
        deal.apply(event, event.time_ms, reference)
    facts = Counter(deal.facts(reference))
    shown = {"won": total(facts, "deal_won"), "open": total(facts, "open_deals"), "none": 0}
    assert (shown["won"], shown["open"]) == {"won": (1, 0), "open": (0, 1), "none": (0, 0)}[state]


def test_at_one_instant_and_rank_source_then_id_decide() -> None:
    for ids in (("a", "b"), ("b", "a")):
        deal, reference = Deal(), Reference()
        for event_id in ids:
            event = decoded(f"deal.{'won' if event_id == 'a' else 'lost'}", "d1", "09:00", id=event_id)
            deal.apply(event, event.time_ms, reference)
        facts = Counter(deal.facts(reference))
        assert (total(facts, "deal_won"), total(facts, "deal_lost")) == (1, 0)


def test_the_same_event_again_changes_nothing() -> None:
    deal, reference = Deal(), Reference()
    for kind in ("deal.created", "deal.won", "deal.created", "deal.won"):
        event = decoded(kind, "d1", "09:00", id=kind)
        deal.apply(event, event.time_ms, reference)
    assert anomalies(["created", "won"]) == []
    assert not any(fact.name.startswith("anomaly/") for fact in deal.facts(reference))


def deal_of(reference: Reference, *drawn: tuple[str, str, dict[str, object]]) -> Counter[Fact]:
    deal = Deal()
    for kind, time, data in drawn:
        event = decoded(kind, "d1", time, **data)
        deal.apply(event, event.time_ms, reference)
    return Counter(deal.facts(reference))


def test_a_dimension_holds_from_its_events_time_on() -> None:
    facts = deal_of(
        Reference(),
        ("deal.created", "08:00", {"rep": "ann", "product": "crm"}),
        ("deal.updated", "09:00", {"rep": "bob"}),
        ("deal.won", "10:00", {}),
    )
    dims = {fact.name: dict(fact.dims) for fact in facts if fact.name in ("deal_created", "deal_won", "revenue")}
    assert dims == {
        "deal_created": {"rep": "ann", "product": "crm"},
        "deal_won": {"rep": "bob", "product": "crm"},
        "revenue": {"rep": "bob", "product": "crm"},
    }


def test_whoever_takes_over_brings_team_and_region_or_none() -> None:
    reference = roster("rep.defined ann team=north region=dach")
    facts = deal_of(
        reference,
        ("deal.created", "08:00", {"rep": "ann"}),
        ("deal.updated", "09:00", {"rep": "stranger"}),
        ("deal.won", "10:00", {}),
    )
    (won,) = [fact for fact in facts if fact.name == "deal_won"]
    assert dict(won.dims) == {"rep": "stranger"}


def test_a_lower_order_or_none_is_not_forward() -> None:
    reference = roster("stage.defined a order=5\nstage.defined b order=2")
    for second, forward in (("b", 0), ("unknown", 0)):
        facts = deal_of(
            reference,
            ("deal.created", "08:00", {"stage": "a"}),
            ("deal.stage_changed", "09:00", {"stage": second}),
        )
        assert total(facts, "stage_advanced") == forward
        assert total(facts, "stage_dwell") == HOUR_MS


def test_stage_order_from_settings_where_none_is_defined() -> None:
    for stages, forward in ((("a", "b"), 1), (("b", "a"), 0), ((), 0)):
        facts = deal_of(
            Reference(stages=stages),
            ("deal.created", "08:00", {"stage": "a"}),
            ("deal.stage_changed", "09:00", {"stage": "b"}),
        )
        assert total(facts, "stage_advanced") == forward


def test_an_amount_whose_currency_has_no_rate_then_keeps_the_old_one() -> None:
    reference = roster("fx.rate USD rate=2 valid_from=08:30")
    facts = deal_of(
        reference,
        ("deal.updated", "08:00", {"amount": 5, "currency": "USD"}),
        ("deal.won", "09:00", {}),
    )
    assert total(facts, "revenue") == 0
    assert any(fact.name == "anomaly/deal_amount_without_rate" for fact in facts)
