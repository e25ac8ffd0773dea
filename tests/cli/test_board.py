"""Folding `kpi.values`, and where a line belongs: both without Kafka."""

from typing import Any

import orjson
import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from cli.samples import call, event
from streamproc.bus.publish import Unroutable, record
from streamproc.bus.record_batches import murmur2, partition_of
from streamproc.cli.show import NOTHING, value_rows
from streamproc.cli.values import KEYS, Board, Wanted
from streamproc.events import MAX_EVENT_BYTES
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.topics import clock_record, encode_value
from streamproc.windows.calendar import DAY_MS, HOUR_MS, Calendar

NOON_MS = 1_714_996_800_000  # 2024-05-06T12:00:00Z
EVERYTHING = Wanted(set(), set(), set())


def value(window: str | None = "24h", group: str = "rep=ann", amount: int = 3) -> bytes:
    return encode_value(
        KpiValue(
            kpi="calls",
            group=group,
            window=window,
            value=amount,
            numerator=amount,
            denominator=None,
            n=amount,
            unit="count",
            window_start_ms=None if window is None else NOON_MS - DAY_MS,
            as_of_ms=NOON_MS,
            buckets=(1, 2),
        )
    )


def board(wanted: Wanted = EVERYTHING) -> Board:
    return Board(Calendar("UTC"), wanted)


def test_a_value_holds_as_of_the_clock_of_its_partition() -> None:
    folded = board()
    folded.take(1, b"a", value("24h"))
    folded.take(2, b"b", value("all"))
    folded.take(1, *clock_record(1, NOON_MS + 6 * HOUR_MS))
    in_24h, in_all = folded.rows()
    assert tuple(in_24h) == KEYS
    assert (in_24h["as_of"], in_24h["window_start"]) == ("2024-05-06T18:00:00.000Z", "2024-05-05T18:00:00.000Z")
    assert (in_all["as_of"], in_all["window_start"]) == ("2024-05-06T12:00:00.000Z", None)


def test_the_latest_value_counts_and_a_tombstone_removes_it() -> None:
    folded = board()
    assert folded.take(0, b"a", value(amount=1))
    assert folded.take(0, b"a", value(amount=2))
    assert [row["value"] for row in folded.rows()] == [2]
    assert folded.take(0, b"a", None)
    assert not folded.take(0, b"a", None)
    assert folded.rows() == []
    (ceased,) = folded.rows([b"a"])
    assert {name: ceased[name] for name in ("kpi", "value", "numerator", "denominator", "n")} == {
        "kpi": "calls",
        "value": None,
        "numerator": None,
        "denominator": None,
        "n": 0,
    }


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (EVERYTHING, ["company 24h", "rep=ann None", "rep=ann 24h"]),
        (Wanted(set(), {"rep=ann"}, set()), ["rep=ann None", "rep=ann 24h"]),
        (Wanted(set(), {""}, set()), ["company 24h"]),
        (Wanted(set(), set(), {None}), ["rep=ann None"]),
        (Wanted({"calls"}, {"rep=ann", ""}, {"24h"}), ["company 24h", "rep=ann 24h"]),
        (Wanted({"win_ratio"}, set(), set()), []),
    ],
)
def test_only_what_is_wanted_is_kept(wanted: Wanted, kept: list[str]) -> None:
    def name(row: dict[str, Any]) -> str:
        return f"{'='.join(*row['group'].items()) if row['group'] else 'company'} {row['window']}"

    folded = board(wanted)
    for key, one in ((b"a", value()), (b"b", value(None)), (b"c", value(group=""))):
        folded.take(0, key, one)
    assert [name(row) for row in folded.rows()] == kept


@given(st.binary(max_size=80))
def test_partitions_are_those_of_kafkas_own_clients(key: bytes) -> None:
    assert murmur2(key) == murmur2_of_aiokafka(key)
    assert 0 <= partition_of(key, 7) < 7


def test_an_event_goes_to_the_topic_of_its_type_by_its_subject() -> None:
    line = call(1, "2024-05-06T10:00:00Z")
    assert record(line) == ("sales.crm", b"call/1", line)


def test_what_only_the_worker_can_judge_is_sent_all_the_same() -> None:
    line = orjson.dumps({"type": "deal.won", "subject": "deal/1"})
    assert record(line) == ("sales.crm", b"deal/1", line)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "expected an event as JSON"),
        (b"[]", "expected an event as JSON"),
        (b'{"type": "call.logged"}', "subject"),
        (b'{"type": "call.logged", "subject": 7}', "subject"),
        (b'{"type": "call.loged", "subject": "call/1"}', "unknown event type 'call.loged'"),
        (b'{"type": "call.logged", "subject": "\xff"}', "expected an event as JSON"),
        (event("call.logged", "now", "call/1", {"x": "y" * MAX_EVENT_BYTES}), "expected at most 262144 bytes"),
    ],
)
def test_a_line_that_belongs_nowhere_says_why(line: bytes, says: str) -> None:
    with pytest.raises(Unroutable, match=says):
        record(line)


def test_what_a_value_stands_against_is_shown_where_it_is_known() -> None:
    folded = board()
    known = {"target": 10, "attainment": 0.3, "band": "critical", "previous": 2}
    folded.take(0, b"a", orjson.dumps({**orjson.loads(value()), **known, "limit": 1}))
    folded.take(0, b"b", value("7d"))
    first, second = folded.rows()
    assert {name: first[name] for name in first if name not in KEYS} == known
    assert tuple(second) == KEYS
    table = value_rows([first, second], against=True)
    cells = {str(column.header): list(column.cells) for column in table.columns}
    assert [cells[name] for name in ("target", "attainment", "previous", "band", "pace")] == [
        ["10", NOTHING], ["30.0 %", NOTHING], ["2", NOTHING], ["critical", NOTHING], [NOTHING, NOTHING],
    ]  # fmt: skip
    assert "target" not in [str(column.header) for column in value_rows([first]).columns]


def test_a_series_that_has_ceased_stands_against_nothing() -> None:
    folded = board()
    folded.take(0, b"a", orjson.dumps({**orjson.loads(value()), "target": 10}))
    folded.take(0, b"a", None)
    assert tuple(folded.rows([b"a"])[0]) == KEYS
