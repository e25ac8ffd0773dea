"""Against: what a value stands beside, as it is published with it. Limits: where a value leaves its bands."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

Direction = Literal["up", "down", "none"]  # which way is better
Band = Literal["ok", "warning", "critical", "none"]
Trend = Literal["rising", "falling", "flat"]


class Limits(NamedTuple):
    """Thresholds of a series. The value is bad beyond a limit, not at it; which side that is says the direction.

    `clear`: where a value that was bad is good again. Below `min_samples` the band stays what it was.
    """

    warning: float | None = None
    critical: float | None = None
    clear: float | None = None
    min_samples: int = 1


NO_LIMITS = Limits()


class Benchmark(NamedTuple):
    """A reference value and where it is from (letters of the source articles)."""

    value: float
    source: str


class Judgement(NamedTuple):
    """How values of a KPI are to be read. `limits` hold in `window` for every group that has none of its own."""

    direction: Direction
    benchmark: Benchmark | None = None
    limits: Limits | None = None
    window: str | None = None


class Crossed(NamedTuple):
    """The limit that decided a band: `of` value, attainment or pace."""

    of: str
    kind: str  # warning, critical, clear; of attainment and pace: warning or critical
    limit: float


class Against(Struct, frozen=True, gc=False):
    """What a value stands beside; None where it is undefined, or nobody has set it.

    `previous` is in the KPI's unit; `change`, `attainment`, `pace` and `elapsed` are ratios.
    """

    previous: float | int | None = None
    change: float | None = None
    target: float | None = None
    attainment: float | None = None
    pace: float | None = None
    elapsed: float | None = None  # share of the period's working time
    benchmark: float | None = None
    band: Band = "none"
    trend: Trend | None = None
    test: str | None = None  # that the trend was told by
    limits: Limits | None = None
    is_below: bool = True  # whether values below the limits are the bad ones
    crossed: Crossed | None = None
