"""Dimensions, and money to the last unit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

DIMS = (
    "rep", "team", "region", "product", "channel", "campaign",
    "partner", "lead_source", "account", "segment", "variant",
)  # fmt: skip
ALL_DIMS = (*DIMS, "deal_stage", "lead_stage")
EXACT = Context(prec=80)

Row = dict[str, Any]
Convert = Callable[[float, str | None, int], int | None]  # amount, currency, time → units; None where no rate is known


def times(units: int | Decimal, factor: float) -> int:
    """`units` × `factor` (the factor's shortest decimal), rounded half-even."""
    product = EXACT.multiply(Decimal(units), Decimal(repr(float(factor))))
    return int(product.to_integral_value(ROUND_HALF_EVEN, EXACT))


def own(event: Row) -> Row:
    """The dimensions that an event has."""
    return {dim: event[dim] for dim in DIMS if event.get(dim) is not None}


def merge(base: Row, over: Row) -> Row:
    """`over` wins; another rep's team and region are not those of `base`."""
    if "rep" in over and over["rep"] != base.get("rep"):
        base = {dim: value for dim, value in base.items() if dim not in ("team", "region")}
    return {**base, **over}
