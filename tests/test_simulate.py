"""The simulated organisation: valid, repeatable, in order, at the wanted rate, plausible; flawed when asked."""

from collections import Counter, defaultdict
from itertools import pairwise

import msgspec
import orjson
import pytest

from streamproc.events import EVENT_TOPICS, EVENTS, REFERENCE, decoder, subject_error, to_ms
from streamproc.simulate import Organisation

START_MS = 1_750_000_000_000
SECOND_MS, HOUR_MS, DAY_MS = 1_000, 3_600_000, 86_400_000
DERIVED = {"lead.touched", "customer.won"}
DECODER = decoder(*EVENT_TOPICS)


def organisation(seed=7, **options):
    return Organisation(seed, START_MS, **{"flaws": 0.0, **options})


@pytest.fixture(scope="module")
def history():
    """45 days, decoded."""
    return [DECODER.decode(line) for _, _, _, line in organisation().events(START_MS + 45 * DAY_MS, 0.03)]


def counted(events):
    """Events by type; what machines opened or clicked is left out."""
    return Counter(event.type for event in events if not getattr(event.data, "machine", False))


def test_every_clean_record_is_valid_and_in_order():
    arrived = list(organisation().events(START_MS + 2 * HOUR_MS, 1.0))
    assert len(arrived) > 5_000
    ids = set()
    for time_ms, topic, key, line in arrived:
        event = DECODER.decode(line)
        assert subject_error(event) is None
        assert (event.time_ms, EVENTS[event.type].topic, event.subject.encode()) == (time_ms, topic, key)
        ids.add((event.source, event.id))
    assert len(ids) == len(arrived)
    times = [record[0] for record in arrived]
    assert times == sorted(times)
    assert times[0] >= START_MS
    assert times[-1] < START_MS + 2 * HOUR_MS


def test_same_seed_and_calls_give_the_same_bytes():
    def stream(seed):
        sales = organisation(seed, flaws=0.02)
        slow = list(sales.events(START_MS + HOUR_MS, 0.5))
        return sales.reference() + slow + list(sales.events(START_MS + HOUR_MS + 5 * SECOND_MS, 300))

    assert stream(1) == stream(1)
    assert stream(1) != stream(2)


def test_steps_follow_each_other():
    sales = organisation()
    for step in range(1, 50):
        until_ms = START_MS + step * 200
        before_ms = sales.now_ms
        assert all(before_ms <= record[0] < until_ms for record in sales.events(until_ms, 500))
        assert sales.now_ms == until_ms


def test_time_does_not_go_back():
    sales = organisation()
    list(sales.events(START_MS + HOUR_MS, 0.1))
    assert list(sales.events(START_MS, 100)) == []
    assert sales.now_ms == START_MS + HOUR_MS


@pytest.mark.parametrize(("rate", "hours"), [(0.2, 24), (2.0, 3), (20.0, 0.3)])
def test_the_rate_is_roughly_reached(rate, hours):
    count = sum(1 for _ in organisation().events(START_MS + int(hours * HOUR_MS), rate))
    assert 0.85 < count / (rate * hours * 3600) < 1.15


def test_the_rate_may_rise_and_fall_between_calls():
    sales = organisation()
    list(sales.events(START_MS + DAY_MS, 0.1))
    live = sum(1 for _ in sales.events(START_MS + DAY_MS + 10 * SECOND_MS, 1_000))
    assert 0.85 < live / 10_000 < 1.15
    # Without new lives only follow-ups remain, ever fewer.
    following = [sum(1 for _ in sales.events(sales.now_ms + DAY_MS, 0)) for _ in range(3)]
    assert following[0] > following[1] > following[2]


def test_every_type_occurs(history):
    expected = {row.name for row in EVENTS.values() if row.topic in EVENT_TOPICS} - DERIVED
    assert set(counted(history)) == expected


def test_shares_are_plausible(history):
    n = counted(history)
    reached = n["email.sent"] - n["email.bounced"] - n["email.rejected"]
    assert 0.30 < n["email.opened"] / reached < 0.45
    assert 0.05 < n["email.replied"] / reached < 0.12
    assert 0.01 < n["email.bounced"] / n["email.sent"] < 0.03
    assert 0.25 < n["deal.won"] / (n["deal.won"] + n["deal.lost"]) < 0.45
    assert 0.6 < n["meeting.held"] / n["meeting.booked"] < 0.95
    assert 0.6 < n["lead.accepted"] / n["lead.offered"] < 0.95


def test_deals_have_plausible_amounts_and_cycles(history):
    rates = {"EUR": 1.0, **{event.data.currency: event.data.rate for event in reference() if event.type == "fx.rate"}}
    created = {event.data.deal: event for event in history if event.type == "deal.created"}
    amounts = sorted(event.data.amount * rates[event.data.currency] for event in created.values())
    assert amounts[0] > 1_900
    assert amounts[-1] < 201_000
    assert 8_000 < amounts[len(amounts) // 2] < 30_000
    assert {event.data.currency for event in created.values()} == {"EUR", "USD", "GBP", "CHF"}
    assert all(to_ms(event.data.first_contact_at) <= event.time_ms for event in created.values())
    days = sorted((e.time_ms - created[e.data.deal].time_ms) / DAY_MS for e in history if e.type == "deal.won")
    tenth = len(days) // 10
    assert days[tenth] > 2
    assert days[-tenth] < 40


def test_reps_differ(history):
    won = Counter()
    owner = {event.data.deal: event.data.rep for event in history if event.type == "deal.created"}
    won.update(owner[event.data.deal] for event in history if event.type == "deal.won")
    assert max(won.values()) > 2 * min(won[rep] for rep in set(owner.values()))


def test_a_win_carries_the_deals_record_as_it_is_then(history):
    said = defaultdict(dict)
    names = ("rep", "product", "lead_source", "campaign", "account", "segment", "customer", "lead")
    wins = 0
    for event in history:
        if event.type.startswith("deal."):
            own = {name: value for name in names if (value := getattr(event.data, name)) is not None}
            if event.type == "deal.won":
                assert own == said[event.data.deal]
                wins += 1
            said[event.data.deal] |= own
    assert wins > 100


def test_every_life_begins_with_its_beginning(history):
    first = {}
    for event in history:
        first.setdefault(event.subject, event.type)
    begins = defaultdict(set)
    for subject, kind in first.items():
        begins[subject.split("/")[0]].add(kind)
    assert begins["email"] == {"email.sent"}
    assert begins["message"] == {"message.sent"}
    assert begins["meeting"] == {"meeting.booked"}
    assert begins["webinar"] == {"webinar.registered"}
    assert begins["lead"] == {"lead.created"}
    assert begins["deal"] == {"deal.created"}
    assert begins["customer"] == {"order.placed", "subscription.started"}


def test_a_live_minute_answers_fresh_mails_and_closes_old_deals():
    sales = organisation()
    past = {key for _, _, key, _ in sales.events(START_MS + 20 * DAY_MS, 0.02)}
    kinds = Counter()
    for _, _, key, line in sales.events(sales.now_ms + 60 * SECOND_MS, 1_000):
        kinds[orjson.loads(line)["type"], key in past] += 1
    assert kinds["email.replied", False] > 10
    assert kinds["deal.won", True] > 3


def test_lives_under_way_are_bounded():
    sales = organisation(max_alive=300)
    count = 0
    for hour in range(1, 4):
        count += sum(1 for _ in sales.events(START_MS + hour * HOUR_MS, 5.0))
        assert sales.alive < 2 * 300 * 1.1
    assert count > 40_000


def reference():
    return [decoder(REFERENCE).decode(line) for line in organisation().reference()]


def test_the_reference_names_what_the_events_use(history):
    events = reference()
    assert all(subject_error(event) is None for event in events)
    assert len({event.subject for event in events}) == len(events)
    named = defaultdict(list)
    for event in events:
        named[event.type].append(event.data)
    reps = {data.rep: data for data in named["rep.defined"]}
    assert len(reps) == 24
    assert {data.team for data in reps.values()} == {data.team for data in named["team.defined"]}
    assert {rep for event in history if (rep := getattr(event.data, "rep", None))} <= set(reps)
    stages = sorted(named["stage.defined"], key=lambda data: data.order)
    assert [data.stage for data in stages] == ["Prospecting", "Qualified", "Proposal", "Negotiation"]
    assert all(low.probability < high.probability for low, high in pairwise(stages))
    used = {stage for event in history if event.type.startswith("deal.") and (stage := event.data.stage)}
    assert used == {data.stage for data in stages}
    currencies = {currency for event in history if (currency := getattr(event.data, "currency", None))}
    assert currencies == {"EUR", *(data.currency for data in named["fx.rate"])}


def valid(line):
    """The event, or None where the record must be rejected."""
    try:
        event = DECODER.decode(line)
    except msgspec.MsgspecError:
        return None
    return event if getattr(event.data, "currency", None) != "ZZZ" else None


def test_flaws_are_there_when_asked_and_change_no_facts():
    until_ms, check_ms = START_MS + 12 * HOUR_MS, START_MS + 8 * HOUR_MS
    clean = {line for time_ms, _, _, line in organisation().events(until_ms, 0.5) if time_ms < check_ms}
    flawed = list(organisation(flaws=0.05).events(until_ms, 0.5))
    assert [record[0] for record in flawed] == sorted(record[0] for record in flawed)

    arrived, latest, seen = Counter(), {}, Counter()
    for time_ms, topic, key, line in flawed:
        event = valid(line)
        if event is None:
            seen["malformed"] += 1
            continue
        assert (topic, key) == (EVENTS[event.type].topic, event.subject.encode())
        arrived[line] += 1
        seen["repeated"] += arrived[line] == 2
        seen["late"] += time_ms > event.time_ms + 60_000
        seen["reordered"] += latest.get(key, 0) > event.time_ms
        latest[key] = max(latest.get(key, 0), event.time_ms)
    for flaw in ("repeated", "late", "reordered", "malformed"):
        assert 0.002 < seen[flaw] / len(flawed) < 0.05, flaw
    # Nothing is invented; nothing is lost, though the latest deliveries may be still to come.
    early = {line for line in arrived if DECODER.decode(line).time_ms < check_ms}
    assert early <= clean
    assert len(clean - early) < 0.01 * len(clean)


def test_malformed_records_are_of_all_kinds():
    kinds = Counter()
    for _, _, _, line in organisation(flaws=0.3).events(START_MS + HOUR_MS, 1.0):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            kinds["not json"] += 1
            continue
        if missing := {"id", "type", "time", "subject", "data"} - set(record):
            kinds["missing field"] += len(missing)
        elif record["type"] not in EVENTS:
            kinds["unknown type"] += 1
        elif record["data"].get("currency") == "ZZZ":
            kinds["unknown currency"] += 1
    assert set(kinds) == {"not json", "missing field", "unknown type", "unknown currency"}


@pytest.mark.parametrize("options", [{"reps": 0}, {"flaws": 1.5}, {"flaws": -0.1}, {"max_alive": 0}])
def test_impossible_options_are_named(options):
    with pytest.raises(ValueError, match="expected reps and max_alive of at least 1 and flaws between 0 and 1"):
        organisation(**options)


def test_a_negative_rate_is_named():
    with pytest.raises(ValueError, match="rate_per_s=-1: expected 0 or more"):
        organisation().events(START_MS + 1, -1)
