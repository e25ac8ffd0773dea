"""Handing over: who may publish, what the first checkpoint of a takeover holds, and what is not told twice."""

from __future__ import annotations

import orjson
import pytest
from aiokafka import TopicPartition
from faust.types import TP
from support.build import Rec, ms, rec

from streamproc.bus.batches import Batch
from streamproc.bus.handover import (
    FILLING,
    HANDOVER,
    PUBLISHED,
    RETIRED,
    TAKING_OVER,
    HandoverError,
    Stand,
    check_retired,
)
from streamproc.bus.stages import KpisTask
from streamproc.bus.task import VALUES, Cut
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.outputs.prometheus import KpiExposition
from streamproc.pipeline import FactsStage, KpisStage

Log = dict[str, bytes]
CALLS = b"calls|all|"


def task(log: Log | None = None, *, filling: bool = False) -> KpisTask:
    metrics = OwnMetrics("kpis", "0")
    found = KpisTask(0, KpisStage(catalogue()), metrics, KpiExposition(catalogue(), 1000), False, filling)
    if log is not None:
        found.restore(log)
    return found


def one_call(to: KpisTask, name: str, log: Log) -> Cut:
    """A checkpoint after a call, which also moves the clock; the changelog is kept."""
    facts = FactsStage(catalogue(), Reference())
    facts.on_batch([rec("call.logged", name, "09:00", rep="ann")], None)
    cut = facts.take_cut()
    assert cut is not None
    records = [Rec(value, key=group.encode()) for group, value in cut.partials] + [Rec(cut.clock, key=b"clock")]
    to.on_batch(Batch(TP("kpi.partials", 0), records, 0, len(records)))
    return keep(to.take_cut(), log)


def keep(cut: Cut | None, log: Log) -> Cut:
    assert cut is not None
    for key, value in cut.changelog:
        if value is None:
            log.pop(key, None)
        else:
            log[key] = value
    return cut


def values(cut: Cut) -> dict[bytes, float | None]:
    """What a checkpoint writes to `kpi.values`, by key; None for tombstones."""
    return {
        one.key: one.value and orjson.loads(one.value).get("value")
        for one in cut.outputs
        if one.topic == VALUES and not one.key.startswith(b"clock|")
    }


def test_while_it_is_filled_it_publishes_nothing_and_says_so_in_its_changelog_once() -> None:
    log: Log = {}
    first = task(filling=True)
    assert one_call(first, "c1", log).outputs == []
    assert log[HANDOVER] == FILLING
    again = one_call(first, "c2", log)
    assert (again.outputs, [key for key, _ in again.changelog].count(HANDOVER)) == ([], 0)
    after_restart = task(log, filling=True)
    assert one_call(after_restart, "c3", log).outputs == []
    assert log[HANDOVER] == FILLING


def test_what_is_not_published_is_not_on_the_page_of_metrics_either() -> None:
    """It would be scraped beside the values of the other application, and be taken for news."""
    log: Log = {}
    filled, running = task(filling=True), task()
    for one in (filled, running):
        one_call(one, "c1", log if one is filled else {}).committed()
    page, published = filled.exposition.render(False), filled.metrics.registry.get_sample_value
    assert b"kpi_calls{" not in page
    assert b"kpi_period_" not in page
    assert not published("streamproc_published_total", {"topic": VALUES})
    assert b"kpi_calls{" in running.exposition.render(False)
    assert running.metrics.registry.get_sample_value("streamproc_published_total", {"topic": VALUES})
    log[HANDOVER] = TAKING_OVER
    successor = task(log)
    keep(successor.take_cut(), log).committed()
    assert b"kpi_calls{" in successor.exposition.render(False)


def test_what_is_still_being_filled_may_not_run_as_a_worker() -> None:
    log: Log = {}
    one_call(task(filling=True), "c1", log)
    with pytest.raises(HandoverError, match="`streamproc backfill` with the same --app again"):
        task(log)


def test_what_publishes_already_is_not_filled() -> None:
    log: Log = {}
    assert values(one_call(task(), "c1", log))[CALLS] == 1
    with pytest.raises(HandoverError, match=r"has values already.*`streamproc worker`"):
        task(log, filling=True)


def test_taking_over_publishes_everything_and_removes_what_it_does_not_have() -> None:
    log: Log = {}
    filled = task(filling=True)
    one_call(filled, "c1", log)
    one_call(filled, "c2", log)
    log[HANDOVER] = TAKING_OVER
    published = {"calls|all|", "calls|all|rep=ann", "gone|all|", "calls|7d|rep=old", "clock|0"}
    successor = task(log | {PUBLISHED + key: b"" for key in published})
    first = keep(successor.take_cut(), log)
    found = values(first)
    assert {key for key, value in found.items() if value is None and key in {k.encode() for k in published}} == {
        b"gone|all|", b"calls|7d|rep=old"
    }  # fmt: skip
    assert (found[CALLS], found[b"calls|all|rep=ann"]) == (2, 2)
    assert {key.partition(b"|")[0].decode() for key in found} >= {"calls", "activities", "gone"}
    assert HANDOVER not in log
    assert not [key for key in log if key.startswith(PUBLISHED)]
    assert b"gone|all|" not in values(one_call(successor, "c3", log))
    assert task(log) is not None  # from now on an application like any other


def test_a_partition_without_values_takes_over_too() -> None:
    log = {HANDOVER: TAKING_OVER, PUBLISHED + "gone|all|": b""}
    assert values(keep(task(log).take_cut(), log)) == {b"gone|all|": None}
    assert HANDOVER not in log


def test_filling_goes_on_where_taking_over_had_been_prepared() -> None:
    log: Log = {}
    one_call(task(filling=True), "c1", log)
    log[HANDOVER] = TAKING_OVER
    assert one_call(task(log, filling=True), "c2", log).outputs == []
    assert log[HANDOVER] == TAKING_OVER


def test_who_was_retired_does_not_start() -> None:
    with pytest.raises(HandoverError, match=r"old-kpis: application new has taken over.* --app new"):
        check_retired(RETIRED + b"new", "old-kpis")
    for mark in (None, FILLING, TAKING_OVER):
        check_retired(mark, "old-kpis")


def test_what_the_other_application_has_told_is_not_told_again() -> None:
    facts = FactsStage(catalogue(), Reference())
    facts.derived_until = facts.refused_until = {"sales.crm": 12}
    calls = [rec("call.logged", f"c{n}", f"09:{n}", rep="ann", lead=f"l{n}")._replace(offset=n) for n in (10, 11, 12)]
    bad = [Rec(b"no event", ms("09:00"), topic="sales.crm", offset=n) for n in (11, 13)]
    elsewhere = Rec(b"no event", ms("09:00"), topic="sales.email", offset=3)
    facts.on_batch([*calls, *bad, elsewhere], None)
    cut = facts.take_cut()
    assert cut is not None
    assert [orjson.loads(one.value)["subject"] for one in cut.derived] == ["lead/l12"]
    assert [dict(one.headers)["source_offset"] for one in cut.rejected] == [b"13", b"3"]
    assert cut.counts["rejected", "sales.crm", "not_json"] == 2  # all the same, the share of refused ones counts


def test_caught_up_is_who_has_read_all_that_was_there() -> None:
    a, b = TopicPartition("t", 0), TopicPartition("t", 1)
    stand = Stand({a: 5, b: 2}, {a: 0, b: 2}, {a: 9, b: 2})
    assert (stand.done, stand.total) == (5, 9)
    assert stand.has_read({a: 5, b: 2})
    assert not stand.has_read({a: 6, b: 2})
