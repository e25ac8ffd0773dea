"""The algebra of amounts: grouping and order mean nothing, subtraction undoes addition, quantiles are near."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.windows.aggregates import THRESHOLDS_S, Bag, Distinct, Durations, Hashes, add, dump, load, subtract

durations = st.lists(st.integers(0, 10**11), max_size=30)
signed = st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5), max_size=3)


def of(values: list[int], times: int = 1) -> Durations:
    found = Durations()
    for value in values:
        found.add_ms(value, times)
    return found


def bag_of(counts: dict[str, int], times: list[int]) -> Bag:
    bag: Bag = {}
    add(bag, {**counts, "d": of(times)})
    return bag


def plain(bag: Bag) -> dict[str, Any]:
    return dump(bag)


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(st.tuples(signed, durations), max_size=6), data=st.data())
def test_grouping_and_order_mean_nothing(parts: list[tuple[dict[str, int], list[int]]], data: st.DataObject) -> None:
    bags = [bag_of(*part) for part in parts]
    one: Bag = {}
    for bag in bags:
        add(one, bag)
    shuffled = data.draw(st.permutations(bags))
    cut = data.draw(st.integers(0, len(bags)))
    left: Bag = {}
    right: Bag = {}
    for bag in shuffled[:cut]:
        add(left, bag)
    for bag in shuffled[cut:]:
        add(right, bag)
    add(left, right)
    assert plain(left) == plain(one)


@settings(max_examples=50, deadline=None)
@given(a=st.tuples(signed, durations), b=st.tuples(signed, durations))
def test_subtracting_undoes_adding(a: tuple[dict[str, int], list[int]], b: tuple[dict[str, int], list[int]]) -> None:
    mine, other = bag_of(*a), bag_of(*b)
    before, theirs = plain(copy.deepcopy(mine)), plain(copy.deepcopy(other))
    add(mine, other)
    assert subtract(mine, other) == []
    assert plain(mine) == before
    assert plain(other) == theirs  # what was added is not touched
    assert subtract(mine, copy.deepcopy(mine)) == []
    assert mine == {}  # entries that come to nothing disappear


def test_a_bag_added_to_an_empty_one_is_a_copy() -> None:
    first = bag_of({"a": 1}, [5])
    second: Bag = {}
    add(second, first)
    add(second, first)
    assert plain(first) == plain(bag_of({"a": 1}, [5]))


def test_withdrawing_a_duration_leaves_nothing() -> None:
    bag: Bag = {}
    add(bag, {"d": of([10, 20])})
    add(bag, {"d": of([10, 20], times=-1)})
    assert bag == {}


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.integers(1, 10**12), min_size=1, max_size=60), q=st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]))
def test_quantiles_are_within_one_percent_of_an_element(values: list[int], q: float) -> None:
    expected = sorted(values)[max(0, math.ceil(round(q * len(values), 6)) - 1)]
    assert of(values).quantile_ms(q) == pytest.approx(expected, rel=0.01)


def test_durations_under_a_millisecond_and_of_nothing() -> None:
    assert of([0, 0, 5000]).quantile_ms(0.5) == 0
    with pytest.raises(ValueError, match="no durations"):
        Durations().quantile_ms(0.5)


def test_limits_are_counted_exactly() -> None:
    found = of([3_600_000, 3_600_001, 59_999, 60_000, THRESHOLDS_S[-1] * 1000 + 1])
    counts = dict(zip(THRESHOLDS_S, found.cumulative(), strict=True))
    assert counts[60] == 2
    assert counts[300] == 2
    assert counts[3600] == 3
    assert counts[7200] == 4
    assert counts[THRESHOLDS_S[-1]] == 4  # one is above all limits
    assert found.count == 5


def _through_msgpack(bag: Bag) -> Bag:
    return load(msgspec.msgpack.decode(msgspec.msgpack.encode(dump(bag))))


@settings(max_examples=50, deadline=None)
@given(a=st.tuples(signed, durations), b=st.tuples(signed, durations))
def test_what_was_dumped_loads_and_goes_on(
    a: tuple[dict[str, int], list[int]], b: tuple[dict[str, int], list[int]]
) -> None:
    kept, restored = bag_of(*a), _through_msgpack(bag_of(*a))
    assert plain(restored) == plain(kept)
    add(kept, bag_of(*b))
    add(restored, bag_of(*b))
    assert plain(restored) == plain(kept)


def distinct(values: Any) -> Distinct:
    found = Distinct()
    found.add(values)
    return found


def test_distinct_is_exact_below_4096() -> None:
    values = list(range(1, 4096))
    halves = distinct(values[:3000])
    halves.merge(distinct(values[1000:]))
    assert halves.estimate() == 4095
    assert _through_msgpack({"c": halves})["c"].estimate() == 4095  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(3))
def test_distinct_above_is_within_three_deviations(seed: int) -> None:
    rng = random.Random(seed)
    values = [rng.getrandbits(64) for _ in range(30_000)]
    found = Distinct()
    for start in range(0, 30_000, 5000):
        found.merge(distinct(values[start : start + 7000]))
    low, high = found.bounds()
    assert low <= 30_000 <= high
    assert abs(found.estimate() - 30_000) < 3 * 30_000 / math.sqrt(4096 - 2)


def test_hashes_are_told_apart_in_all_64_bits() -> None:
    """Half of all 64-bit hashes are 2^63 or more; they are as different as the others."""
    assert distinct([2**63 + n for n in range(100)]).estimate() == 100


@settings(max_examples=50, deadline=None)
@given(a=st.lists(st.integers(0, 2**64 - 1)), b=st.lists(st.integers(0, 2**64 - 1)))
def test_hashes_on_their_way_count_as_one(a: list[int], b: list[int]) -> None:
    one = load(msgspec.msgpack.decode(msgspec.msgpack.encode(dump({"c": Hashes(a + b)}))))["c"]
    two: Bag = {}
    for part in (b, a):
        add(two, load(dump({"c": Hashes(part)})))
    assert isinstance(one, Distinct)
    assert one.estimate() == two["c"].estimate()  # type: ignore[union-attr]


def test_a_distinct_count_cannot_be_subtracted_from() -> None:
    bag: Bag = {}
    add(bag, {"c": distinct([1, 2]), "n": 3})
    assert subtract(bag, {"c": distinct([1]), "n": 3}) == ["c"]
    assert "n" not in bag
    assert bag["c"].estimate() == 2  # type: ignore[union-attr]
