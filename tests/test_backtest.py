"""Backtest: several times, the end of the input, nothing, bad lines, and an order that means nothing."""

from __future__ import annotations

import json
import random

import pytest
from oracle.histories import history
from support.build import event, line, ms

from streamproc.backtest import Backtest, ReferenceErrors, load_reference
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue

Values = dict[tuple[str, str, str | None], KpiValue]


def run(*lines: bytes, zone: str = "UTC", reference: Reference | None = None) -> Backtest:
    return Backtest(lines, catalogue(), reference or Reference(), zone)


def call(time: str, name: str | None = None, **data: object) -> bytes:
    return line("call.logged", name or time, time, rep="ann", **data)


def by_series(values: list[KpiValue]) -> Values:
    return {(value.kpi, value.group, value.window): value for value in values}


def ask(test: Backtest, *times: str) -> dict[str, Values]:
    wanted = {ms(time): time for time in times}
    return {wanted[at_ms]: by_series(values) for at_ms, values in test.at(list(wanted))}


def test_several_times_in_one_pass_are_as_each_alone() -> None:
    drawn = history(3, lives=40)
    reference = load_reference(drawn.reference, Reference())
    times = [drawn.at_ms - hours * 3_600_000 for hours in (2000, 50, 26, 3, 1, 0)]
    alone = {}
    for at_ms in times:
        ((_, values),) = Backtest(drawn.lines, catalogue(), reference, drawn.zone).at([at_ms])
        alone[at_ms] = by_series(values)
    together = {
        at_ms: by_series(values)
        for at_ms, values in Backtest(drawn.lines, catalogue(), reference, drawn.zone).at(times)
    }
    assert list(together) == sorted(times)
    assert together == alone
    assert len(alone[drawn.at_ms]) > 100


def test_different_people_of_an_hour_leave_between_two_times() -> None:
    lines = [call("09:10", contact="p1"), call("09:20", contact="p2"), call("11:10", contact="p3")]
    found = ask(run(*lines), "10:00", "12:00")
    assert found["10:00"]["contacts_touched", "", "1h"].value == 2
    assert found["12:00"]["contacts_touched", "", "1h"].value == 1
    assert found["12:00"]["contacts_touched", "", "today"].value == 3


def test_what_happens_at_the_time_asked_for_or_later_does_not_count() -> None:
    lines = [call("09:59:59.999"), call("10:00"), call("11:00")]
    found = ask(run(*lines), "10:00", "10:01", "12:00")
    assert [found[time]["calls", "", "today"].value for time in ("10:00", "10:01", "12:00")] == [1, 2, 3]
    assert found["10:00"]["calls", "", "1h"].as_of_ms == ms("10:00")
    assert found["10:00"]["calls", "", "1h"].window_start_ms == ms("09:00")


def test_the_same_time_twice() -> None:
    (_, first), (_, second) = run(call("09:00")).at([ms("10:00"), ms("10:00")])
    assert by_series(first) == by_series(second)


def test_events_long_late_count_too() -> None:
    found = ask(run(call("1999-01-01 09:00"), call("09:00")), "10:00")
    assert found["10:00"]["calls", "", "all"].value == 2
    assert found["10:00"]["calls", "", "year"].value == 1


def test_the_end_is_the_next_whole_minute_after_the_last_event() -> None:
    assert run(call("09:00:30"), call("08:00")).end_ms() == ms("09:01")
    assert run(call("09:00")).end_ms() == ms("09:01")
    assert run(call("09:00:59.999")).end_ms() == ms("09:01")


def test_what_is_not_taken_does_not_move_the_end() -> None:
    euro, pound = ({"amount": 1, "currency": currency} for currency in ("EUR", "GBP"))
    assert run(
        line("deal.created", "d1", "09:00", **euro), line("deal.created", "d2", "10:00", **pound)
    ).end_ms() == ms("09:01")
    assert run(call("09:00"), b"rubbish").end_ms() == ms("09:01")


def test_a_repetition_does_not_move_the_end() -> None:
    """As in Kafka at rest with the event clock: a dropped duplicate has no part in it."""
    assert run(call("09:00", id="a"), call("10:00", id="a")).end_ms() == ms("09:01")


@pytest.mark.parametrize("lines", [[], [b""], [b"{}", b"\xff", b"["]])
def test_nothing_valid_gives_no_values_and_no_end(lines: list[bytes]) -> None:
    test = run(*lines)
    assert ask(test, "10:00") == {"10:00": {}}
    assert sum(n for (kind, *_), n in test.counts.items() if kind == "rejected") == len(lines)
    with pytest.raises(ValueError, match="no valid event"):
        test.end_ms()


def test_bad_lines_are_counted_and_the_rest_goes_on() -> None:
    lines = [b"rubbish", call("09:00"), json.dumps(event("call.logged", "x", "09:00")).encode(), b"\xff\xff"]
    test = run(*lines)
    assert ask(test, "10:00")["10:00"]["calls", "", "1h"].value == 1
    counted = {kind: n for kind, n in test.counts.items() if kind[0] == "rejected"}
    assert counted == {
        ("rejected", "file", "not_json"): 1,
        ("rejected", "file", "schema"): 1,
        ("rejected", "file", "not_utf8"): 1,
    }
    assert sorted(bad.offset for bad in test.bad) == [0, 2, 3]


def test_counts_are_those_up_to_the_time() -> None:
    test = run(call("09:00", "c1", id="a"), call("09:00", "c1", id="a"), call("10:00"))
    counted = [test.counts["event", "file", "call.logged"] for _ in test.at([ms("09:30"), ms("10:30")])]
    assert counted == [1, 2]
    assert test.counts["duplicate", "file"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_lines_means_nothing(seed: int) -> None:
    drawn = history(seed, lives=40)
    lines = [*drawn.lines, *drawn.lines[::5]]
    reference = load_reference(drawn.reference, Reference())
    ((_, expected),) = Backtest(lines, catalogue(), reference, drawn.zone).at([drawn.at_ms])
    random.Random(seed).shuffle(lines)
    ((_, found),) = Backtest(lines, catalogue(), reference, drawn.zone).at([drawn.at_ms])
    assert by_series(found) == by_series(expected)
    assert found


def test_asking_again_gives_the_same() -> None:
    test = run(call("09:00"), call("10:00"))
    assert ask(test, "10:30") == ask(test, "10:30")
    assert test.counts["duplicate", "file"] == 0


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin"])
@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:00+00:00"]
)
def test_an_absurd_time_stops_nothing(zone: str, time: str) -> None:
    """Year 1 is what an unset time often becomes; in a backtest nothing is too late."""
    absurd = json.dumps({**event("call.logged", rep="ann", id="x"), "time": time}).encode()
    found = ask(run(absurd, call("09:00"), zone=zone), "10:00")
    assert found["10:00"]["calls", "", "1h"].value == 1


def test_reference_errors_name_every_bad_line() -> None:
    lines = [line("rep.defined", rep="ann"), b"rubbish", line("fx.rate", currency="usd", rate=1), call("09:00")]
    with pytest.raises(ReferenceErrors) as caught:
        load_reference(lines, Reference())
    assert [number for number, _ in caught.value.errors] == [2, 3, 4]
    assert "$.data.currency" in str(caught.value)
