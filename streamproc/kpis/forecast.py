"""What a running period will come to: pace of past weeks for flows, stages and dwell for the open deals.

Closed forms, no fitting: docs/forecast.md says what they assume.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log, sqrt
from statistics import NormalDist, fmean, variance
from typing import NamedTuple

CONFIDENCE = 0.8  # an interval from the 10 % to the 90 % quantile
LEAST_WEEKS = 4
LEAST_THINGS = 10  # deals, calls … counted in the past weeks
WEEKS = 12  # of history that are looked at; more where more than that lie ahead
_NORMAL = NormalDist()


class Thin(ValueError):
    """Too little is known for a forecast; the message says of what."""


class Forecast(NamedTuple):
    """A value at the end of the period, and the interval that should hold it in a share `confidence` of cases."""

    expected: float
    low: float
    high: float


class Past(NamedTuple):
    """What past weeks say about the time left, which is some whole weeks and a stretch of less than a week.

    `weeks`: totals of past weeks, which begin on the weekday of today, oldest first. `stretches`: totals of the same
    stretch (from this time of day on, as many days) of such weeks. `things`: number of things counted in `weeks`.
    """

    whole_weeks: int
    weeks: Sequence[float]
    stretches: Sequence[float]
    things: int


class OpenStage(NamedTuple):
    """The deals open in a stage, and for how long deals stay in it (seconds; `stays` ended lately)."""

    name: str
    deals: int
    value: float  # amounts of the open deals
    weighted: float  # amounts times the probability of a win
    stays: int = 0
    mean_s: float = 0.0
    p50_s: float = 0.0
    p90_s: float = 0.0


class FromPipeline(NamedTuple):
    """What deals that are open now bring until a time: wins, and the money expected of them."""

    wins: Forecast
    money: float


def at_end(so_far: float, past: Past, confidence: float = CONFIDENCE) -> Forecast:
    """The value so far plus what past weeks at their mean pace bring in the time left. Raises Thin.

    Weeks are taken as drawn from one distribution. The spread of what is left is that of its weeks and of the
    stretch, plus that of the estimated means; weeks that follow the one before them (growth, seasons) widen it.
    Quantiles are those of a gamma distribution of that mean and spread: sums of money and counts lean to the right.
    """
    weeks, stretches, ahead = past.weeks, past.stretches, past.whole_weeks
    _check(past)
    mean = ahead * fmean(weeks) + fmean(stretches)
    of_week, of_stretch = variance(weeks) * _persistence(weeks), variance(stretches)
    error = ahead * sqrt(of_week / len(weeks)) + sqrt(of_stretch / len(stretches))
    spread = sqrt(ahead * of_week + of_stretch + error * error)
    deviations = student_t((1 + confidence) / 2, min(len(weeks), len(stretches)) - 1)
    low, high = _quantiles(mean, spread, deviations)
    things_left = past.things * mean / sum(weeks) if sum(weeks) > 0 else 0.0
    if mean >= 0 and exp(-things_left) > (1 - confidence) / 2:  # it may well be that nothing more comes
        low = min(low, 0.0)
    return Forecast(so_far + mean, so_far + low, so_far + high)


def from_pipeline(stages: Sequence[OpenStage], left_s: float) -> FromPipeline:
    """Wins and money that the open deals bring in the seconds left. `stages` are in their order. Raises Thin.

    The weighted pipeline, in time: a deal is won with the probability of its stage (weighted / value), after the rest
    of its stay and stays in all later stages. Stays are taken as log-normal, their sum as gamma distributed, and a
    stay under way as met at a random moment. Deals yet to be created are left out. The interval is that of the draws
    of the deals; that the probabilities may be wrong is not in it.
    """
    wins = spread = money = 0.0
    for place, stage in enumerate(stages):
        if not stage.deals:
            continue
        if stage.value <= 0 or stage.weighted < 0:
            raise Thin(f"the open deals in stage {stage.name} have no amounts above 0 to tell their probability")
        in_time = _chance_in_time(stages[place:], left_s)
        chance = min(1.0, stage.weighted / stage.value) * in_time
        wins += stage.deals * chance
        spread += stage.deals * chance * (1 - chance)
        money += stage.weighted * in_time
    z = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    low, high = _quantiles(wins, sqrt(spread), z)
    return FromPipeline(Forecast(wins, low, high), money)


def _chance_in_time(stages: Sequence[OpenStage], left_s: float) -> float:
    """Chance that a deal in the first of these stages, which is won at the end of the last, has come there in time."""
    stays = [_Stay.of(stage) for stage in stages]
    if left_s <= 0:
        return 0.0
    if len(stays) == 1:
        return stays[0].rest_within(left_s)
    mean = stays[0].rest_mean_s + sum(stay.mean_s for stay in stays[1:])
    spread = sqrt(stays[0].rest_variance + sum(stay.mean_s**2 * (stay.moment - 1) for stay in stays[1:]))
    third = spread / (3 * mean)
    return _NORMAL.cdf(((left_s / mean) ** (1 / 3) - 1 + third * third) / third)  # as in `_quantiles`


class _Stay(NamedTuple):
    """A log-normal stay X in a stage; of one met at a random moment, the rest. `moment`: E[X^2] / E[X]^2."""

    mean_s: float
    moment: float

    @classmethod
    def of(cls, stage: OpenStage) -> _Stay:
        if stage.stays < LEAST_THINGS:
            raise Thin(f"{stage.stays} stays in stage {stage.name} have ended, expected at least {LEAST_THINGS}")
        sigma = log(max(stage.p90_s, 1.0) / max(stage.p50_s, 1.0)) / _NORMAL.inv_cdf(0.9)
        return cls(max(stage.mean_s, 1.0), exp(max(sigma, 0.01) ** 2))

    @property
    def rest_mean_s(self) -> float:
        return self.mean_s * self.moment / 2  # E[X^2] / 2 E[X]

    @property
    def rest_variance(self) -> float:
        return self.mean_s**2 * self.moment**3 / 3 - self.rest_mean_s**2  # E[X^3] / 3 E[X], less the square of the mean

    def rest_within(self, left_s: float) -> float:
        """Chance that the rest is no longer: the integral of P(X > x) up to there, over E[X]."""
        sigma = sqrt(log(self.moment))
        z = log(left_s / self.mean_s) / sigma + sigma / 2
        return left_s / self.mean_s * _NORMAL.cdf(-z) + _NORMAL.cdf(z - sigma)


def _check(past: Past) -> None:
    least = max(LEAST_WEEKS, past.whole_weeks)
    if len(past.weeks) < least or len(past.stretches) < LEAST_WEEKS:
        raise Thin(f"{len(past.weeks)} weeks of history, expected at least {least}")
    if past.things < LEAST_THINGS:
        raise Thin(f"{past.things} counted in {len(past.weeks)} weeks, expected at least {LEAST_THINGS}")


def _persistence(weeks: Sequence[float]) -> float:
    """By how much the variance of a long sum exceeds that of independent weeks: (1 + r) / (1 - r), r at lag one."""
    mean = fmean(weeks)
    away = [week - mean for week in weeks]
    total = sum(x * x for x in away)
    if not total:
        return 1.0
    r = sum(x * y for x, y in pairwise(away)) / total
    r = min(max(r, 0.0), 0.9)
    return (1 + r) / (1 - r)


def _quantiles(mean: float, spread: float, deviations: float) -> tuple[float, float]:
    """So many deviations below and above: quantiles of a gamma distribution (Wilson and Hilferty 1931)."""
    if mean <= 0 or not spread:  # more was withdrawn than came: no gamma distribution has such a mean
        return mean - deviations * spread, mean + deviations * spread
    third = spread / (3 * mean)
    low, high = (max(1 - third * third + sign * deviations * third, 0.0) ** 3 for sign in (-1, 1))
    return mean * low, mean * high


def student_t(p: float, freedom: int) -> float:
    """Quantile of Student's t (Abramowitz and Stegun 26.7.5; within 1 % from 3 degrees of freedom on, p up to 0.95)."""
    z, v = _NORMAL.inv_cdf(p), freedom
    z3, z5, z7 = z**3, z**5, z**7
    return (
        z
        + (z3 + z) / (4 * v)
        + (5 * z5 + 16 * z3 + 3 * z) / (96 * v**2)
        + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v**3)
    )
