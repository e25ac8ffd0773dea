"""Comparison of variants: figures by hand, and how often it errs when somebody looks all the time."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest

from streamproc.kpis.variants import ERROR, Comparison, Variant, compare, half_width

LOOKS = range(100, 6_001, 100)
TRIES = 200


def test_a_difference_with_its_interval_by_hand() -> None:
    (found,) = compare(Variant("a", 199, 1998), [Variant("b", 299, 1998)])
    # With one success and one failure more each, 200 and 300 of 2,000: variance 0.1 × 0.9 / 2,000 + 0.15 × 0.85 / 2,000
    # = 0.00010875; with 0.05² = 0.0025 that is 0.00011348 × (2 ln 20 + ln 23.989) = 0.00011348 × 9.1691 = 0.0010405.
    half = 0.032257
    assert found.difference == pytest.approx(100 / 1998)
    assert found.low == pytest.approx(100 / 1998 - half, abs=1e-5)
    assert found.high == pytest.approx(100 / 1998 + half, abs=1e-5)
    assert found.is_distinguishable


def test_a_fall_is_told_as_well_as_a_rise() -> None:
    (fall,) = compare(Variant("a", 600, 2000), [Variant("b", 300, 2000)])
    assert fall.is_distinguishable
    assert fall.high is not None
    assert fall.high < 0


def test_the_same_ratio_is_not_distinguishable() -> None:
    (found,) = compare(Variant("a", 100, 1000), [Variant("b", 200, 2000)])
    assert (found.difference, found.is_distinguishable) == (0.0, False)


@pytest.mark.parametrize(
    ("part", "whole", "is_thin"),
    [(10, 100, False), (10, 99, True), (9, 100, True), (90, 100, False), (91, 100, True), (0, 0, True)],
)
def test_with_too_little_data_there_is_no_comparison(part: int, whole: int, is_thin: bool) -> None:
    enough, other = Variant("a", 500, 1000), Variant("b", part, whole)
    for (found,) in (compare(enough, [other]), compare(other, [enough])):
        assert (found.difference is None, found.low is None, found.high is None) == (is_thin,) * 3
        assert not (is_thin and found.is_distinguishable)


def test_several_variants_share_the_error() -> None:
    baseline, others = Variant("a", 100, 1000), [Variant(name, 120, 1000) for name in "bcd"]
    three = compare(baseline, others)
    (alone,) = compare(baseline, others[:1], ERROR / 3)
    assert [found.variant.name for found in three] == ["b", "c", "d"]
    assert {(found.low, found.high) for found in three} == {(alone.low, alone.high)}


@pytest.mark.parametrize(("part", "whole"), [(3, 2), (-1, 2)])
def test_a_part_beyond_its_whole_is_refused(part: int, whole: int) -> None:
    with pytest.raises(ValueError, match="b: expected a part between 0 and 2"):
        compare(Variant("a", 1, 2), [Variant("b", part, whole)])


def test_the_interval_shrinks_with_the_variance() -> None:
    halves = [half_width(variance, 0.05) for variance in (1e-3, 1e-4, 1e-5, 1e-6)]
    assert halves == sorted(halves, reverse=True)


# --- looking all the time --------------------------------------------------------------------------------------------


def ever(
    ratios: list[float], is_sure: Callable[[list[Variant]], bool], delay: float = 0.0, tries: int = TRIES
) -> float:
    """Share of experiments in which somebody who looks after every 100 trials is sure of a difference some time.

    Trials succeed after a delay with this mean, counted in trials: replies come late, but count where they were sent.
    """
    dice, sure = np.random.default_rng(11), 0
    sent = np.arange(LOOKS[-1])
    for _ in range(tries):
        seen = np.sort(
            [
                np.where(dice.random(sent.size) < ratio, sent + dice.exponential(delay, sent.size), np.inf)
                for ratio in ratios
            ]
        )
        looks = ([Variant(str(n), int(at.searchsorted(now)), now) for n, at in enumerate(seen)] for now in LOOKS)
        sure += any(is_sure(variants) for variants in looks)
    return sure / tries


def differs(variants: list[Variant]) -> bool:
    return any(found.is_distinguishable for found in compare(variants[0], variants[1:]))


def differs_at_one_look(variants: list[Variant]) -> bool:
    """The usual interval, that of a single look: 1.96 standard errors."""
    a, b = variants
    p = (a.part + b.part) / (a.whole + b.whole)
    return abs(a.part / a.whole - b.part / b.whole) > 1.96 * sqrt(p * (1 - p) * (1 / a.whole + 1 / b.whole))


@pytest.mark.parametrize("ratios", [[0.02] * 2, [0.08] * 2, [0.4] * 2, [0.08] * 4])
@pytest.mark.parametrize("delay", [0.0, 500.0])
def test_looking_all_the_time_errs_no_more_than_stated(ratios: list[float], delay: float) -> None:
    assert ever(ratios, differs, delay) <= ERROR


def test_the_usual_interval_would_err_far_more() -> None:
    """So the test above can fail."""
    assert ever([0.08] * 2, differs_at_one_look) > 3 * ERROR


def test_a_true_difference_is_found_before_long() -> None:
    assert ever([0.08, 0.11], differs, tries=100) > 0.8


def test_all_intervals_of_all_looks_hold_the_true_difference() -> None:
    def misses(variants: list[Variant]) -> bool:
        return any(not _holds(found, 0.03) for found in compare(variants[0], variants[1:]))

    assert ever([0.08, 0.11, 0.11], misses) <= ERROR


def _holds(found: Comparison, difference: float) -> bool:
    return found.low is None or found.high is None or found.low <= difference <= found.high
