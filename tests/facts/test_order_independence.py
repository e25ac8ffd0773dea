"""Facts are a function of the set of events: any order, batching, repetition and restart gives the same total.

And at every moment what was emitted adds up to the facts now, whatever happens to the reference data in between.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle.histories import History, histories, history
from support.build import DAY_MS, HOUR_MS, decoded, parse
from support.build import line as canonical
from support.customer_events import customer_lines
from support.replay import roster

from streamproc.events import EVENTS, REFERENCE, Event
from streamproc.facts.entities import Entities, Life
from streamproc.facts.fact import Fact
from streamproc.facts.reference import Reference


def reference_of(lines: Iterable[bytes]) -> Reference:
    reference = Reference()
    for line in lines:
        reference.apply(parse(line, REFERENCE))
    return reference


class Emitted:
    """Entities with the sum of all that they have emitted."""

    def __init__(self, reference: Reference) -> None:
        self.entities = Entities(reference)
        self.changelog: dict[str, bytes] = {}
        self.total: Counter[Fact] = Counter()

    def batch(self, events: Iterable[Event]) -> None:
        for event in events:
            self.entities.apply(event, event.time_ms, 0)
        for fact, times in self.entities.differences():
            self.total[fact] += times
        for subject, state in self.entities.take_dirty():
            assert state is not None
            self.changelog[subject] = state

    def restart(self) -> None:
        reference, self.entities = self.entities.reference, Entities(self.entities.reference)
        assert reference is self.entities.reference
        self.entities.restore(self.changelog)

    def now(self) -> Counter[Fact]:
        found: Counter[Fact] = Counter()
        for packed in self.changelog.values():
            _, life, *_ = msgspec.msgpack.decode(packed, type=list[msgspec.Raw])
            found.update(msgspec.msgpack.decode(life, type=Life).facts(self.entities.reference))
        return found

    def left(self) -> Counter[Fact]:
        """What was emitted and not withdrawn."""
        return Counter({fact: times for fact, times in self.total.items() if times})


def ordered(history: History) -> Counter[Fact]:
    one = Emitted(reference_of(history.reference))
    one.batch(sorted(map(parse, history.lines), key=lambda event: event.time_ms))
    return one.left()


def customer_histories() -> st.SearchStrategy[History]:
    reference = [
        canonical("fx.rate", "USD", currency="USD", rate=0.5),
        canonical("rep.defined", "ann", rep="ann", team="east"),
    ]
    return customer_lines().map(lambda lines: History(lines, reference, 0, "UTC"))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories(max_lives=4) | customer_histories(), data=st.data())
def test_any_order_batching_and_repetition(history: History, data: st.DataObject) -> None:
    lines = data.draw(st.permutations(history.lines))
    events = [parse(line) for line in lines]
    events += [events[index] for index in data.draw(st.lists(st.integers(0, len(events) - 1), max_size=4))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=6)))
    one = Emitted(reference_of(history.reference))
    for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        one.batch(events[start:end])
        if data.draw(st.booleans()):
            one.restart()
    assert one.left() == ordered(history)


# What may happen to a lead, a webinar's guest, a meeting and an e-mail, beside the histories of the oracle.
KINDS = {
    "lead": (
        "lead.created", "lead.stage_changed", "lead.converted", "lead.touched", "lead.disqualified", "lead.offered",
        "lead.accepted", "lead.declined", "lead.expired", "lead.contacted", "lead.feedback", "lead.closed",
    ),
    "webinar": ("webinar.registered", "webinar.attended"),
    "meeting": ("meeting.booked", "meeting.held"),
    "email": ("email.sent", "email.opened", "email.clicked", "email.replied", "email.bounced"),
}  # fmt: skip


@st.composite
def lives(draw: st.DrawFn, family: str) -> list[Event]:
    """Events of one entity with colliding times, ids and dimensions."""
    events = []
    for number in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(KINDS[family]))
        data = {"rep": draw(st.sampled_from((None, "ann", "bob"))), "campaign": draw(st.sampled_from((None, "q4")))}
        row = msgspec.structs.fields(EVENTS[kind].data)
        choices = {
            "partner": ("p", "q"), "contact": ("c",), "stage": ("MQL", "mql", "new"), "outcome": (None, "won", "lost"),
            "kind": (None, "demo", "onboarding"), "medium": (None, "video", "phone"), "machine": (False, True),
        }  # fmt: skip
        fields = {field.name for field in row}
        data |= {name: draw(st.sampled_from(options)) for name, options in choices.items() if name in fields}
        said = {name: value for name, value in data.items() if value is not None}
        time_ms = draw(st.sampled_from((0, 1, HOUR_MS, DAY_MS, DAY_MS + 1, DAY_MS + HOUR_MS, 91 * DAY_MS)))
        events.append(decoded(kind, "1", DAY_MS + time_ms, id=str(number), source=draw(st.sampled_from("ab")), **said))
    return events


@pytest.mark.parametrize("family", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_order_batching_and_repetition_of_a_life(family: str, data: st.DataObject) -> None:
    events = data.draw(lives(family))
    reference = roster("rep.defined ann team=north\nrep.defined bob team=south valid_from=1970-01-03")
    plain, shuffled = Emitted(reference), Emitted(reference)
    plain.batch(sorted(events, key=lambda event: (event.time_ms, event.source, event.id)))
    todo = data.draw(st.permutations(events)) + data.draw(st.lists(st.sampled_from(events), max_size=3))
    while todo:
        size = data.draw(st.integers(1, 4))
        shuffled.batch(todo[:size])
        del todo[:size]
        if data.draw(st.booleans()):
            shuffled.restart()
        assert shuffled.left() == shuffled.now()
    assert shuffled.left() == plain.left()


def test_many_seeded_histories() -> None:
    for seed in range(25):
        drawn = history(seed, lives=20)
        rng = random.Random(seed)
        events = [parse(line) for line in drawn.lines]
        rng.shuffle(events)
        one = Emitted(reference_of(drawn.reference))
        while events:
            size = rng.choice((1, 2, 7))
            one.batch(events[:size])
            del events[:size]
            if rng.random() < 0.2:
                one.restart()
        assert one.left() == ordered(drawn), seed


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories(max_lives=4) | customer_histories(), data=st.data())
def test_changing_reference_data_withdraws_exactly_what_was_emitted(history: History, data: st.DataObject) -> None:
    """Reference events come at any time between the events; restarts too."""
    one = Emitted(Reference())
    todo = data.draw(st.permutations(history.lines))
    changes = data.draw(st.permutations([*history.reference, *history.reference]))
    for line in todo:
        for _ in range(data.draw(st.integers(0, 3))):
            if changes:
                one.entities.reference.apply(parse(changes.pop(), REFERENCE))
        if data.draw(st.integers(0, 4)) == 0:
            one.restart()
        one.batch([parse(line)])
        assert one.left() == one.now()
        assert all(times > 0 for times in one.left().values())


def test_a_deal_keeps_the_answers_it_was_computed_with() -> None:
    """Stages, roster and rates change after a deal was counted; its correction withdraws what was emitted."""
    one = Emitted(
        roster("stage.defined a order=1 probability=0.5\nstage.defined b order=2\nrep.defined ann team=north")
    )
    one.batch([decoded("deal.created", "d1", "08:00", stage="a", rep="ann", amount=100)])
    one.batch([decoded("deal.stage_changed", "d1", "09:00", stage="b")])
    assert {dict(fact.dims)["team"] for fact in one.left()} == {"north"}
    changed = roster("stage.defined b order=1\nstage.defined a order=2 probability=0.1\nrep.defined ann team=south")
    for name in ("_stages", "_reps"):
        setattr(one.entities.reference, name, getattr(changed, name))
    before = one.left()
    one.batch([decoded("deal.updated", "d1", "09:30", product="crm")])
    withdrawn = {fact for fact, times in one.total.items() if times < 0}
    assert not withdrawn
    assert all(one.left()[fact] >= times for fact, times in before.items() if fact.name == "stage_advanced")
    one.batch([decoded("deal.deleted", "d1", "09:45")])
    levels = Counter(dict.fromkeys(("open_deals", "pipeline_weighted"), 0))
    for fact, times in one.left().items():
        if fact.name in levels:
            levels[fact.name] += fact.value * times
    assert set(levels.values()) == {0}
