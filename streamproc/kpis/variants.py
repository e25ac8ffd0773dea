"""Variants of a sales technique compared by a ratio, such that one may look at any time and as often as one likes.

Normal-mixture confidence sequences (Robbins 1970; the mSPRT of Johari, Koomen, Pekelis and Walsh 2017; in this
asymptotic form Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024): with the probability stated, the interval holds
the true difference at all looks together.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from typing import NamedTuple

ERROR = 0.05  # chance that any of the intervals is ever wrong
EXPECTED = 0.05  # size of difference for which intervals are tightest; fixed, for it may not depend on the data
LEAST = 100  # trials of each variant
LEAST_OF_BOTH = 10  # successes, and failures, of each variant: with less the normal approximation does not hold


class Variant(NamedTuple):
    """`part` of `whole` trials of a variant succeeded."""

    name: str
    part: int
    whole: int

    @property
    def ratio(self) -> float | None:
        return self.part / self.whole if self.whole else None

    @property
    def is_thin(self) -> bool:
        """Whether there is too little for a comparison."""
        return self.whole < LEAST or min(self.part, self.whole - self.part) < LEAST_OF_BOTH


class Comparison(NamedTuple):
    """A variant against the baseline. Without enough data of both, `difference` and interval are None."""

    variant: Variant
    baseline: Variant
    difference: float | None
    low: float | None
    high: float | None

    @property
    def is_distinguishable(self) -> bool:
        """Whether the interval is all on one side of 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def compare(baseline: Variant, others: Sequence[Variant], error: float = ERROR) -> list[Comparison]:
    """Each variant against the baseline. `error` is shared out among them (Bonferroni).

    Looks must be at ever more data since one beginning; with a window that slides, old data would leave again.
    Raises ValueError for a part beyond its whole.
    """
    for variant in (baseline, *others):
        if not 0 <= variant.part <= variant.whole:
            raise ValueError(f"{variant.name}: expected a part between 0 and {variant.whole}, found {variant.part}")
    return [_comparison(baseline, variant, error / len(others)) for variant in others]


def _comparison(baseline: Variant, variant: Variant, error: float) -> Comparison:
    if baseline.is_thin or variant.is_thin:
        return Comparison(variant, baseline, None, None, None)
    difference = variant.part / variant.whole - baseline.part / baseline.whole
    half = half_width(_variance(baseline) + _variance(variant), error)
    return Comparison(variant, baseline, difference, max(-1.0, difference - half), min(1.0, difference + half))


def _variance(of: Variant) -> float:
    """Variance of the ratio, with a success and a failure more than there were (Agresti and Caffo 2000)."""
    p, n = (of.part + 1) / (of.whole + 2), of.whole + 2
    return p * (1 - p) / n


def half_width(variance: float, error: float) -> float:
    """Half of the interval around an estimate of this variance: where the mixture's likelihood ratio is 1 / error."""
    prior = EXPECTED * EXPECTED
    return sqrt(variance * (variance + prior) / prior * (2 * log(1 / error) + log((variance + prior) / variance)))
