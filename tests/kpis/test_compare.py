"""Comparisons by tables worked out by hand: attainment, pace, bands with hysteresis, trends with their tests."""

from __future__ import annotations

from math import comb
from typing import Any

import pytest

from streamproc.kpis.against import Band, Benchmark, Direction, Judgement, Limits
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.catalogue.judgement import headlines, judgements
from streamproc.kpis.compare import Beside, against, attainment, binomial, by_limits, direction_of, pace
from streamproc.kpis.kpi import Parts

KPIS = catalogue()
UP, DOWN = Judgement("up"), Judgement("down")


def count(n: int) -> Parts:
    return Parts(n, n, None, n)


def ratio(part: int, whole: int) -> Parts:
    return Parts(part / whole if whole else None, part, whole, whole)


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_every_kpi_has_a_direction_and_nothing_else_has_one(currency: str) -> None:
    assert sorted(judgements(currency)) == sorted(kpi.name for kpi in catalogue(currency).kpis)


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_headlines_are_kpis(currency: str) -> None:
    assert headlines(currency) <= set(judgements(currency))


@pytest.mark.parametrize(
    ("value", "target", "direction", "expected"),
    [
        (50, 200, "up", 0.25),
        (300, 200, "up", 1.5),
        (-20, 100, "up", -0.2),
        (1800, 3600, "down", 2.0),
        (7200, 3600, "down", 0.5),
        (1, 3600, "down", 10.0),  # capped
        (0, 3600, "down", 10.0),
        (-1, 3600, "down", None),
        (None, 200, "up", None),
        (50, None, "up", None),
        (50, 0, "up", None),
        (50, -5, "up", None),
        (50, 200, "none", None),
    ],
)
def test_attainment(value: float | None, target: float | None, direction: Direction, expected: float | None) -> None:
    assert attainment(value, target, direction) == expected


@pytest.mark.parametrize(
    ("value", "target", "elapsed", "direction", "expected"),
    [
        (50, 100, 0.5, "up", 1.0),
        (50, 100, 0.25, "up", 2.0),
        (50, 100, 0.5, "down", 1.0),  # half of the budget is used up at half time
        (80, 100, 0.5, "down", 0.625),
        (1, 100, 0.05, "down", 5.0),  # a hundredth in a twentieth of the time, though attainment is capped at 10
        (0, 100, 0.05, "down", 10.0),
        (-50, 100, 0.5, "up", -1.0),
        (50, 100, 0.0, "up", None),
        (50, 100, None, "up", None),
        (None, 100, 0.5, "up", None),
        (50, None, 0.5, "up", None),
        (50, 0, 0.5, "up", None),
    ],
)
def test_pace(
    value: float | None, target: float | None, elapsed: float | None, direction: Direction, expected: float | None
) -> None:
    assert pace(value, target, elapsed, direction) == expected


HIGH = Limits(warning=0.8, critical=0.75, clear=0.85)
LOW = Limits(warning=3600, critical=7200, clear=3000)


@pytest.mark.parametrize(
    ("values", "limits", "direction", "bands"),
    [
        ((0.9, 0.8, 0.79, 0.75, 0.74), HIGH, "up", "ok ok warning warning critical"),
        ((0.74, 0.76, 0.81, 0.84, 0.85, 0.81), HIGH, "up", "critical warning warning warning ok ok"),
        ((3000, 3600, 3601, 7200, 7201), LOW, "down", "ok ok warning warning critical"),
        ((7201, 3500, 3001, 3000, 3500), LOW, "down", "critical warning warning ok ok"),
        ((0.7, 0.76), Limits(critical=0.75), "up", "critical ok"),
        ((0.7, 0.76, 0.8), Limits(critical=0.75, clear=0.8), "up", "critical critical ok"),
        ((4000, 3600), Limits(warning=3600), "down", "warning ok"),
    ],
)
def test_a_drawn_walk_through_bands(
    values: tuple[float, ...], limits: Limits, direction: Direction, bands: str
) -> None:
    band: Band = "none"
    seen = []
    for value in values:
        band, _ = by_limits(value, limits, direction, band)
        seen.append(band)
    assert seen == bands.split()


@pytest.mark.parametrize(
    ("before", "value", "kind", "limit"),
    [
        ("none", 0.7, "critical", 0.75),
        ("ok", 0.78, "warning", 0.8),
        ("critical", 0.78, "critical", 0.75),  # back over it
        ("warning", 0.9, "clear", 0.85),
    ],
)
def test_the_limit_that_was_crossed(before: Band, value: float, kind: str, limit: float) -> None:
    _, crossed = by_limits(value, HIGH, "up", before)
    assert crossed == ("value", kind, limit)


def test_below_the_least_sample_the_band_stays() -> None:
    few, enough = ratio(1, 9), ratio(1, 10)
    limits = Limits(critical=0.75, min_samples=10)
    kpi = KPIS["win_ratio"]
    assert against(kpi, few, Beside(UP, limits=limits)).band == "none"
    assert against(kpi, few, Beside(UP, limits=limits, band="warning")).band == "warning"
    assert against(kpi, enough, Beside(UP, limits=limits)).band == "critical"
    assert against(kpi, ratio(0, 0), Beside(UP, limits=Limits(critical=0.75, min_samples=0), band="ok")).band == "none"


@pytest.mark.parametrize(
    ("kpi", "now", "elapsed", "expected"),
    [  # target 100 in a period
        ("calls", 50, 0.5, ("ok", 1.0)),
        ("calls", 45, 0.5, ("warning", 0.9)),
        ("calls", 44, 0.5, ("critical", 0.88)),
        ("calls", 44, 0.0, ("none", None)),
        ("calls", 44, None, ("none", None)),
        ("calls", 100, None, ("ok", None)),  # reached, though no working time has gone by
        ("deals_lost", 50, 0.5, ("ok", 1.0)),
        ("deals_lost", 60, 0.5, ("critical", 50 / 60)),
        ("deals_lost", 0, 0.05, ("ok", 10.0)),  # nothing is lost yet: no alarm on the first day
        ("deals_lost", 4, 0.05, ("ok", 1.25)),
    ],
)
def test_with_a_target_alone_a_period_is_judged_by_pace(
    kpi: str, now: int, elapsed: float | None, expected: tuple[Band, float | None]
) -> None:
    found = against(
        KPIS[kpi], count(now), Beside(judgements()[kpi], target=100, is_period=True, elapsed=elapsed, exposure=None)
    )
    assert (found.band, found.pace) == (expected[0], pytest.approx(expected[1]))


def test_the_pace_of_a_ratio_is_its_attainment() -> None:
    found = against(KPIS["win_ratio"], ratio(1, 4), Beside(UP, target=0.5, is_period=True, elapsed=0.1))
    assert (found.attainment, found.pace, found.band) == (0.5, 0.5, "critical")


def test_with_a_target_alone_a_rolling_window_is_judged_by_attainment() -> None:
    found = against(KPIS["calls"], count(95), Beside(UP, target=100))
    assert (found.attainment, found.pace, found.elapsed, found.band) == (0.95, None, None, "warning")
    assert found.crossed == ("attainment", "warning", 1.0)


def test_limits_go_before_the_target() -> None:
    found = against(KPIS["calls"], count(10), Beside(UP, target=100, limits=Limits(critical=5)))
    assert (found.band, found.attainment) == ("ok", 0.1)


def test_a_kpi_without_a_direction_takes_it_from_its_limits() -> None:
    assert direction_of("none", Limits(warning=2, critical=1)) == "up"
    assert direction_of("none", Limits(warning=1, critical=2)) == "down"
    assert direction_of("none", Limits(warning=1)) == "none"
    assert direction_of("down", Limits(warning=2, critical=1)) == "down"


def trend(kpi: str, now: Parts, then: Parts, **beside: Any) -> tuple[str | None, str | None]:
    found = against(KPIS[kpi], now, Beside(UP, previous=then, **beside))
    return found.trend, found.test


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        # pooled 0.4, spread sqrt(.24 * .02) = 0.0693; 0.5 - 0.3 is 2.89 of them, 0.45 - 0.35 is 1.44
        ((50, 100), (30, 100), "rising"),
        ((30, 100), (50, 100), "falling"),
        ((45, 100), (35, 100), "flat"),
        ((10, 10), (10, 10), "flat"),
        ((9, 9), (0, 10), None),  # too few
        ((0, 0), (5, 10), None),
    ],
)
def test_trend_of_ratios(now: tuple[int, int], then: tuple[int, int], expected: str | None) -> None:
    test = "two-proportion z" if expected else None
    assert trend("win_ratio", ratio(*now), ratio(*then)) == (expected, test)


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        (9, 1, "rising"),  # 2 * P(X >= 9 of 10) = 22/1024 = 0.021
        (8, 2, "flat"),  # 2 * 56/1024 = 0.109
        (1, 9, "falling"),
        (5, 5, "flat"),
        (6, 3, None),  # fewer than ten
        (-1, 12, None),  # withdrawn from a group that had shed them
        (12, -1, None),
    ],
)
def test_trend_of_counts(now: int, then: int, expected: str | None) -> None:
    test = "conditional binomial" if expected else None
    assert trend("calls", count(now), count(then)) == (expected, test)


def test_a_period_that_is_not_over_is_held_against_as_much_of_the_one_before() -> None:
    # A quarter of the time of both: 10 of 40 are just what is to be expected, 20 of 50 are many.
    assert trend("calls", count(10), count(30), exposure=0.25)[0] == "flat"
    assert trend("calls", count(20), count(30), exposure=0.25)[0] == "rising"
    assert trend("calls", count(20), count(30), exposure=0.5)[0] == "flat"
    assert trend("calls", count(20), count(30), exposure=None) == (None, None)


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize("total", [10, 61])
def test_the_binomial_test_is_exact(total: int, share: float) -> None:
    odds = [comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(total + 1)]
    for now in range(total + 1):
        upper, lower = 2 * sum(odds[now:]) < 0.05, 2 * sum(odds[: now + 1]) < 0.05
        assert binomial(now, total - now, share) == ("rising" if upper else "falling" if lower else "flat")


def test_the_binomial_test_of_large_counts() -> None:
    # Standard deviation of 10^6 throws is 500: 1.96 of them are 980.
    assert [binomial(500_000 + n, 500_000 - n) for n in (970, 990, -970, -990)] == ["flat", "rising", "flat", "falling"]
    assert binomial(900_000, 100_000) == "rising"


def money(value: float, n: int) -> Parts:
    return Parts(value, value, None, n)


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        (money(105, 10), money(100, 10), "rising"),
        (money(104.9, 10), money(100, 10), "flat"),
        (money(95, 10), money(100, 10), "falling"),
        (money(200, 9), money(100, 10), None),
        (money(200, 10), money(0, 10), None),
    ],
)
def test_trend_of_everything_else(now: Parts, then: Parts, expected: str | None) -> None:
    test = "relative change" if expected else None
    assert trend("revenue_eur", now, then) == (expected, test)


def test_previous_and_change() -> None:
    def found(now: Parts, then: Parts | None) -> Any:
        judged = against(KPIS["calls"], now, Beside(UP, previous=then))
        return judged.previous, judged.change

    assert found(count(15), count(10)) == (10, 0.5)
    assert found(count(15), count(0)) == (0, None)
    assert found(count(15), None) == (None, None)


def test_benchmark() -> None:
    judged = against(KPIS["win_ratio"], ratio(1, 2), Beside(UP._replace(benchmark=Benchmark(0.3, "D"))))
    assert (judged.benchmark, judged.band) == (0.3, "none")


def test_durations_of_which_less_is_better() -> None:
    found = against(KPIS["sales_cycle_seconds"], Parts(7200, 14400, 2, 2), Beside(DOWN, target=3600))
    assert (found.attainment, found.band, found.is_below) == (0.5, "critical", False)
