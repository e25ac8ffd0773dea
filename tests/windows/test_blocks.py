"""Counts merged ahead by blocks are those of the slices themselves, whatever came, changed and went in between."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.windows.aggregates import Distinct
from streamproc.windows.blocks import BLOCK, Blocks

STEP_MS = 1_000

steps = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 3 * BLOCK), st.integers(0, 30)),
    st.tuples(st.just("forget"), st.integers(0, 3 * BLOCK), st.just(0)),
    st.tuples(st.just("total"), st.integers(0, 3 * BLOCK), st.integers(0, 4 * BLOCK)),
)


def count(values: set[int]) -> Distinct:
    found = Distinct()
    found.add(values)
    return found


@settings(max_examples=200, deadline=None)
@given(script=st.lists(steps, max_size=60))
def test_totals_are_those_of_the_slices_inside(script: list[tuple[str, int, int]]) -> None:
    blocks, slices = Blocks(STEP_MS), dict[int, set[int]]()
    for what, place, value in [*script, ("total", 0, 4 * BLOCK)]:
        start_ms = place * STEP_MS
        if what == "put":
            slices.setdefault(start_ms, set()).add(value)
            blocks.note(start_ms)
        elif what == "forget" and start_ms in slices:
            del slices[start_ms]
            blocks.forget(start_ms)
        elif what == "total":
            end_ms = start_ms + value * STEP_MS
            inside = [values for start, values in slices.items() if start_ms <= start < end_ms]
            total = blocks.total(start_ms, end_ms, lambda start: count(slices[start]))
            assert (total is None) == (not inside)
            assert total is None or total.estimate() == len(set().union(*inside))
        assert len(blocks) == len(slices)


def test_a_change_and_a_loss_after_a_total_are_seen() -> None:
    slices = {0: {1, 2}, STEP_MS: {2, 3}}
    blocks = Blocks(STEP_MS)

    def total() -> float:
        found = blocks.total(0, 2 * STEP_MS, lambda start: count(slices[start]))
        assert found is not None
        return found.estimate()

    for start_ms in slices:
        blocks.note(start_ms)
    assert total() == 3
    slices[0].add(9)
    blocks.note(0)
    assert total() == 4
    del slices[STEP_MS]
    blocks.forget(STEP_MS)
    assert total() == 3
