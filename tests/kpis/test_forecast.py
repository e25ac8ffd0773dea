"""Forecasts by hand: pace, weekdays, spread, what is too thin; and the pipeline, in time."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest

from streamproc.kpis.forecast import OpenStage, Past, Thin, at_end, from_pipeline, student_t

DAY_S = 86_400.0
Days = tuple[np.ndarray, np.ndarray]  # values, and numbers of things counted
Draw = Callable[[np.random.Generator, int], Days]


def past(days: Days, whole_weeks: int, rest_days: int) -> Past:
    """Days of history up to yesterday, whole weeks of them; the time left begins with today's morning."""
    weeks = days[0].reshape(-1, 7)
    stretches = weeks[:, :rest_days].sum(axis=1).tolist()
    return Past(whole_weeks, weeks.sum(axis=1).tolist(), stretches, int(days[1].sum()))


# --- flows -----------------------------------------------------------------------------------------------------------


def test_what_is_left_comes_at_the_mean_pace_of_past_weeks() -> None:
    # two more weeks at (20 + 24 + 16 + 20) / 4, and a stretch at (5 + 7 + 3 + 5) / 4
    found = at_end(30.0, Past(2, [20.0, 24.0, 16.0, 20.0], [5.0, 7.0, 3.0, 5.0], 80))
    assert found.expected == pytest.approx(30 + 2 * 20 + 5)
    assert 30 < found.low < 75 < found.high


def test_the_days_left_are_forecast_from_the_same_days_of_the_week() -> None:
    days = np.tile([8.0, 1.0, 0.0, 9.0, 9.0, 9.0, 9.0], 6)
    friday_to_sunday = at_end(0.0, past((days, days), 0, 3))
    assert friday_to_sunday == pytest.approx((9.0, 9.0, 9.0))


def test_at_the_end_of_the_period_nothing_is_open() -> None:
    assert at_end(17.0, Past(0, [7.0, 9.0, 8.0, 7.0], [0.0] * 4, 31)) == (17.0, 17.0, 17.0)


def test_the_spread_of_a_week_by_hand() -> None:
    """Five weeks: t(0.9; 4) = 1.533 times standard deviation times √(1 + 1/5); so narrow, a gamma is symmetrical."""
    weeks = [990.0, 1000.0, 990.0, 1000.0, 1020.0]
    assert float(np.std(weeks, ddof=1)) == pytest.approx(12.247, abs=0.001)
    found = at_end(0.0, Past(0, [1000.0] * 5, weeks, 5000))
    half = 1.533 * 12.247 * 1.0954
    assert found.high - 1000 == pytest.approx(half, rel=0.02)
    assert 1000 - found.low == pytest.approx(half, rel=0.02)


def test_a_longer_confidence_is_a_wider_interval() -> None:
    one = Past(1, [20.0, 24.0, 16.0, 20.0], [5.0, 7.0, 3.0, 5.0], 80)
    narrow, wide = at_end(0.0, one, 0.5), at_end(0.0, one, 0.95)
    assert wide.low < narrow.low < narrow.expected < narrow.high < wide.high


def test_growth_widens_the_interval() -> None:
    growing = [float(10 * week) for week in range(1, 13)]
    mixed = [growing[place] for place in (5, 0, 9, 3, 11, 1, 7, 4, 10, 2, 8, 6)]
    wide, narrow = (at_end(0.0, Past(8, weeks, [0.0] * 12, 780)) for weeks in (growing, mixed))
    assert wide.expected == narrow.expected
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_more_withdrawn_than_came() -> None:
    found = at_end(10.0, Past(0, [1.0] * 4, [-2.0, 0.0, -1.0, -1.0], 12))
    assert found.low < found.expected == 9.0 < found.high


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (Past(0, [5.0] * 3, [1.0] * 3, 15), "3 weeks of history, expected at least 4"),
        (Past(0, [], [], 0), "0 weeks of history, expected at least 4"),
        (Past(20, [5.0] * 12, [1.0] * 12, 60), "12 weeks of history, expected at least 20"),
        (Past(1, [2.0, 3.0, 2.0, 2.0], [1.0] * 4, 9), "9 counted in 4 weeks, expected at least 10"),
    ],
)
def test_no_forecast_where_data_is_too_thin(one: Past, says: str) -> None:
    with pytest.raises(Thin, match=says):
        at_end(0.0, one)


def deals(a_day: float) -> Draw:
    """Money of deals: some a day, log-normal amounts as those of the simulated organisation."""

    def draw(dice: np.random.Generator, n: int) -> Days:
        counts = dice.poisson(a_day, n)
        return np.array([dice.lognormal(9.6, 0.95, count).sum() for count in counts]), counts

    return draw


def calls(a_day: float) -> Draw:
    weekday = np.array([1.4, 1.4, 1.4, 1.4, 1.2, 0.1, 0.1])

    def draw(dice: np.random.Generator, n: int) -> Days:
        counts = dice.poisson(a_day * np.resize(weekday, n)).astype(float)
        return counts, counts

    return draw


@pytest.mark.parametrize(
    "draw", [calls(20), calls(2), deals(4), deals(1)], ids=["20 calls", "2 calls", "4 deals", "1 deal"]
)
@pytest.mark.parametrize(("weeks", "whole_weeks", "rest_days"), [(4, 3, 2), (12, 0, 6), (12, 3, 4), (12, 11, 3)])
def test_intervals_hold_as_often_as_they_say_where_weeks_are_alike(
    draw: Draw, weeks: int, whole_weeks: int, rest_days: int
) -> None:
    dice, held, tries = np.random.default_rng(weeks + whole_weeks), 0, 500
    for _ in range(tries):
        values, counts = draw(dice, 7 * (weeks + whole_weeks) + rest_days)
        known = values[: 7 * weeks], counts[: 7 * weeks]
        found = at_end(0.0, past(known, whole_weeks, rest_days))
        held += found.low <= values[7 * weeks :].sum() <= found.high
    assert 0.74 < held / tries < 0.9  # 0.8 within three standard errors, and wider for what is whole numbers


@pytest.mark.parametrize(
    ("p", "freedom", "table"),
    [(0.9, 3, 1.638), (0.9, 11, 1.363), (0.95, 3, 2.353), (0.95, 10, 1.812), (0.975, 30, 2.042)],
)
def test_quantiles_of_students_t_are_those_of_the_table(p: float, freedom: int, table: float) -> None:
    assert student_t(p, freedom) == pytest.approx(table, rel=0.01)


# --- pipeline --------------------------------------------------------------------------------------------------------


def stage(
    name: str, deals: int, probability: float, days: float, spread: float = 1.01, amount: float = 100.0
) -> OpenStage:
    """`spread`: p90 / p50 of the stays."""
    value = deals * amount
    return OpenStage(name, deals, value, value * probability, 50, days * DAY_S, days * DAY_S, days * DAY_S * spread)


def test_with_much_time_all_of_the_weighted_pipeline_comes() -> None:
    found = from_pipeline([stage("new", 10, 0.2, 5), stage("offer", 4, 0.5, 5)], 1000 * DAY_S)
    assert found.wins.expected == pytest.approx(10 * 0.2 + 4 * 0.5, rel=1e-6)
    assert found.money == pytest.approx(400.0, rel=1e-6)
    assert found.wins.low < 4 < found.wins.high


def test_with_no_time_nothing_comes() -> None:
    assert from_pipeline([stage("new", 10, 0.2, 5)], 0.0) == ((0.0, 0.0, 0.0), 0.0)


def test_a_deal_must_go_through_all_later_stages_in_time() -> None:
    """Stays of all but 10 days each. Of a stay under way, met at random, 5 are left: then 10 + 10 more."""
    stages = [stage("new", 100, 0.5, 10), stage("talk", 0, 0.5, 10), stage("offer", 0, 0.5, 10)]
    assert from_pipeline(stages, 15 * DAY_S).wins.expected < 1
    assert from_pipeline(stages, 25 * DAY_S).wins.expected == pytest.approx(25, abs=3)
    assert from_pipeline(stages, 35 * DAY_S).wins.expected > 49
    assert from_pipeline([stage("offer", 100, 0.5, 10)], 5 * DAY_S).wins.expected == pytest.approx(25, abs=0.5)


def test_a_pipeline_without_deals_brings_nothing() -> None:
    assert from_pipeline([stage("new", 0, 0.0, 5)], DAY_S) == ((0.0, 0.0, 0.0), 0.0)
    assert from_pipeline([], DAY_S) == ((0.0, 0.0, 0.0), 0.0)


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([stage("new", 1, 0.2, 5)._replace(stays=9)], "9 stays in stage new have ended, expected at least 10"),
        ([stage("new", 1, 0.2, 5), OpenStage("offer", 0, 0.0, 0.0)], "0 stays in stage offer have ended"),
        ([stage("new", 3, 0.2, 5, amount=0.0)], "the open deals in stage new have no amounts"),
        # 100 at 10 % and -80 at 90 %
        ([stage("new", 2, 0.0, 5)._replace(value=20.0, weighted=-62.0)], "the open deals in stage new have no amounts"),
    ],
)
def test_no_forecast_of_a_pipeline_that_is_too_thin(stages: list[OpenStage], says: str) -> None:
    with pytest.raises(Thin, match=says):
        from_pipeline(stages, DAY_S)


def test_wins_of_a_made_pipeline_lie_in_their_interval_as_often_as_it_says() -> None:
    """Deals with the probabilities and log-normal stays that the forecast assumes, met at a random moment."""
    dice, sigma, days, chances = np.random.default_rng(5), 0.6, (6.0, 9.0), (0.3, 0.6)
    p90 = float(np.exp(sigma * NormalDist().inv_cdf(0.9)))
    mean = float(np.exp(sigma**2 / 2))
    stages = [
        OpenStage(name, 80, 8e3, 8e3 * chance, 500, median * mean * DAY_S, median * DAY_S, median * p90 * DAY_S)
        for name, median, chance in zip(("talk", "offer"), days, chances, strict=True)
    ]
    for left_days in (1.0, 3.0, 10.0, 25.0):
        found = from_pipeline(stages, left_days * DAY_S).wins
        wins = [_made_wins(dice, sigma, days, chances, left_days) for _ in range(300)]
        assert found.expected == pytest.approx(np.mean(wins), rel=0.1)
        assert 0.74 < np.mean([found.low <= n <= found.high for n in wins]) < 0.9


def _made_wins(
    dice: np.random.Generator, sigma: float, days: tuple[float, float], chances: tuple[float, float], left_days: float
) -> int:
    """Of 80 deals in each stage. The longer a stay, the likelier it is met: its log is shifted by sigma squared."""
    wins = 0
    for place in (0, 1):
        rest = days[place] * dice.lognormal(sigma**2, sigma, 80) * dice.random(80)
        later = days[1] * dice.lognormal(0.0, sigma, 80) if place == 0 else 0.0
        wins += int(np.sum((rest + later <= left_days) & (dice.random(80) < chances[place])))
    return wins
