"""Compare a value: with what it was, with its target and its limits; and tell a trend by a named test.

Pure functions of a value and what it stands beside. `judge.py` knows when to call them.
"""

from __future__ import annotations

from math import exp, lgamma, log, sqrt

from msgspec import Struct

from streamproc.kpis.against import NO_LIMITS, Against, Band, Crossed, Direction, Judgement, Limits, Trend
from streamproc.kpis.kpi import Count, Distinct, Kpi, Parts, Ratio, Sum, Weighted, WithinDuration

CAP = 10.0  # greatest attainment where lower is better: it has no bound as the value goes to 0
REACHED, CLOSE = 1.0, 0.9  # attainment or pace from which on a series with nothing but a target is ok, or just warned
LEAST_N = 10  # values with less behind them have no trend
Z = 1.959964  # two-sided 5 %
LEAST_CHANGE = 0.05
_SEVERITY: dict[Band, int] = {"none": 0, "ok": 0, "warning": 1, "critical": 2}


class Beside(Struct, frozen=True, gc=False):
    """What a value is compared with. `elapsed`: share of the period's working time; None outside calendar windows.

    `exposure`: share of the time that the present window has of both, the present and the previous one.
    """

    judgement: Judgement
    previous: Parts | None = None
    target: float | None = None
    limits: Limits | None = None
    is_period: bool = False
    elapsed: float | None = None
    exposure: float | None = 0.5
    band: Band = "none"  # that it had so far


def against(kpi: Kpi, now: Parts, beside: Beside) -> Against:
    """Everything that is said of a value."""
    direction = direction_of(beside.judgement.direction, beside.limits)
    reached = attainment(now.value, beside.target, direction)
    speed = None
    if beside.is_period:
        speed = pace(now.value, beside.target, beside.elapsed, direction) if is_flow(kpi) else reached
    is_done = speed is None and direction == "up" and (reached or 0) >= REACHED  # whatever time there is
    band, crossed = _band(now, beside, direction, speed if beside.is_period and not is_done else reached)
    then = beside.previous
    trend, test = _trend(kpi, now, then, beside.exposure) if then is not None else (None, None)
    benchmark = beside.judgement.benchmark
    return Against(
        previous=then.value if then is not None else None,
        change=_change(now, then),
        target=beside.target,
        attainment=reached,
        pace=speed,
        elapsed=beside.elapsed if beside.target is not None else None,
        benchmark=benchmark.value if benchmark else None,
        band=band,
        trend=trend,
        test=test,
        limits=beside.limits,
        is_below=direction != "down",
        crossed=crossed,
    )


def is_flow(kpi: Kpi) -> bool:
    """Whether a KPI's value adds up over a period, so that half of the time should bring half of it."""
    return type(kpi) in (Count, Distinct, Sum, Weighted)


def direction_of(direction: Direction, limits: Limits | None) -> Direction:
    """Which way is better; where the KPI does not say, the order of its limits does."""
    if direction == "none" and limits and limits.warning is not None and limits.critical is not None:
        return "up" if limits.critical < limits.warning else "down"
    return direction


def attainment(value: float | None, target: float | None, direction: Direction) -> float | None:
    """value / target where higher is better, target / value (at most `CAP`) where lower is.

    None without a value, at a target of 0 or less, at a value below 0 where lower is better, and without a direction.
    """
    if value is None or target is None or target <= 0 or direction == "none":
        return None
    if direction == "up":
        return value / target
    if value < 0:
        return None
    return min(CAP, target / value) if value else CAP


def pace(value: float | None, target: float | None, elapsed: float | None, direction: Direction) -> float | None:
    """Attainment of the share of the target that is due: 1 is on the way to reach the target just at the end.

    Where lower is better, the target is what may be used up. None before working time begins.
    """
    return attainment(value, target * elapsed, direction) if target is not None and elapsed else None


def _band(now: Parts, beside: Beside, direction: Direction, done: float | None) -> tuple[Band, Crossed | None]:
    limits = beside.limits or NO_LIMITS
    if limits.warning is not None or limits.critical is not None:
        if now.value is None or direction == "none":
            return "none", None
        if now.n < limits.min_samples:
            return beside.band, None
        return by_limits(now.value, limits, direction, beside.band)
    if beside.target is None:
        return "none", None
    if done is None:  # no value, or no working time yet
        return "none", None
    of = "pace" if beside.is_period else "attainment"
    band: Band = "ok" if done >= REACHED else "warning" if done >= CLOSE else "critical"
    worse = max(band, beside.band, key=_SEVERITY.__getitem__)
    kind = "critical" if worse == "critical" else "warning"
    return band, Crossed(of, kind, CLOSE if kind == "critical" else REACHED)


def by_limits(value: float, limits: Limits, direction: Direction, before: Band) -> tuple[Band, Crossed | None]:
    """Band by limits, and the limit that decided it. What was bad is ok again at `clear` only."""

    def beyond(limit: float | None) -> bool:
        return limit is not None and (value < limit if direction == "up" else value > limit)

    if beyond(limits.critical):
        return "critical", _crossed("critical", limits.critical)
    if beyond(limits.warning):
        is_better = before == "critical"
        return "warning", _crossed("critical", limits.critical) if is_better else _crossed("warning", limits.warning)
    was_bad = _SEVERITY[before] > 0
    if was_bad and beyond(limits.clear):
        return ("warning" if limits.warning is not None else "critical"), _crossed("clear", limits.clear)
    if was_bad and limits.clear is not None:
        return "ok", _crossed("clear", limits.clear)
    kind = "warning" if limits.warning is not None else "critical"
    return "ok", _crossed(kind, limits.warning if limits.warning is not None else limits.critical)


def _crossed(kind: str, limit: float | None) -> Crossed | None:
    return None if limit is None else Crossed("value", kind, limit)


def _change(now: Parts, then: Parts | None) -> float | None:
    """Change as a share of what it was; None at 0 then."""
    if then is None or then.value is None or now.value is None or not then.value:
        return None
    return (now.value - then.value) / abs(then.value)


def _trend(kpi: Kpi, now: Parts, then: Parts, exposure: float | None) -> tuple[Trend | None, str | None]:
    """Where a value is going, and the test that tells; (None, None) where there is too little to tell.

    Counts and sums of a present window that is not over yet are held against as much of the previous one (`exposure`).
    """
    if now.value is None or then.value is None:
        return None, None
    if isinstance(kpi, Ratio | WithinDuration):
        if min(now.n, then.n) < LEAST_N:
            return None, None
        return _sign(two_proportion_z(now, then), Z), "two-proportion z"
    if is_flow(kpi) and not exposure:
        return None, None
    share = exposure or 0.5
    if type(kpi) is Count:
        if min(now.n, then.n) < 0 or now.n + then.n < LEAST_N:  # < 0: shed once, then withdrawn
            return None, None
        return binomial(int(now.value), int(then.value), share), "conditional binomial"
    if min(now.n, then.n) < LEAST_N or not then.value:
        return None, None
    base = then.value * share / (1 - share) if is_flow(kpi) and share < 1 else then.value
    return _sign((now.value - base) / abs(base), LEAST_CHANGE), "relative change"


def two_proportion_z(now: Parts, then: Parts) -> float:
    """z of the difference between two shares, by their pooled share; 0 where both are 0 or both are 1."""
    n, m = now.denominator or 0, then.denominator or 0
    part, before = now.numerator or 0, then.numerator or 0
    pooled = (part + before) / (n + m)
    spread = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) if 0 < pooled < 1 else 0.0
    return (part / n - before / m) / spread if spread else 0.0


def binomial(now: int, then: int, share: float = 0.5) -> Trend:
    """Trend of counts: under equal rates, of `now + then` things a share `share` falls into the present window.

    Exact, two-sided (twice the smaller tail) at 5 %.
    """
    total = now + then
    rises = now > total * share
    if not 0 < share < 1 or now == total * share:
        return "flat"
    if 2 * _tail(now, total, share, up=rises) >= 0.05:
        return "flat"
    return "rising" if rises else "falling"


def _tail(k: int, n: int, p: float, *, up: bool) -> float:
    """P(X >= k) with `up`, else P(X <= k), of a binomial X, for k on that side of its mean."""
    term = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log(1 - p)
    if term < -50:  # terms only fall from here on
        return 0.0
    odds = p / (1 - p)
    total = probability = exp(term)
    while (k < n if up else k > 0) and probability > total * 1e-12:
        probability *= (n - k) / (k + 1) * odds if up else k / (n - k + 1) / odds
        k += 1 if up else -1
        total += probability
    return total


def _sign(amount: float, least: float) -> Trend:
    return "flat" if abs(amount) < least else "rising" if amount > 0 else "falling"
