"""Pipeline values beside oracle values: what differs, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable

from oracle.oracle import Row

from streamproc.backtest import Backtest, load_reference
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue

Key = tuple[str, str, str | None]
EXACT_DISTINCT = 4_000  # theta sketches are exact below 4,096 identities


def pipeline(
    lines: Iterable[bytes], at_ms: int, reference: Iterable[bytes] = (), zone: str = "UTC"
) -> dict[Key, KpiValue]:
    """Values of the pure pipeline at one time."""
    run = Backtest(lines, catalogue(), load_reference(reference, Reference()), zone)
    (_, values), *_ = run.at([at_ms])
    return {(value.kpi, value.group, value.window): value for value in values}


def differences(found: dict[Key, KpiValue], expected: dict[Key, Row]) -> list[str]:
    """Series whose value differs: counts and sums exactly, ratios and means to 1e-9, quantiles to 1 %."""
    wrong = []
    for key in sorted(found.keys() | expected.keys(), key=str):
        mine, theirs = found.get(key), expected.get(key)
        if mine is None or theirs is None:
            wrong.append(f"{key}: pipeline {mine and tuple_of(mine)}, oracle {theirs and tuple_of(theirs)}")
        elif not _same(key[0], tuple_of(mine), tuple_of(theirs)):
            wrong.append(f"{key}: pipeline {tuple_of(mine)}, oracle {tuple_of(theirs)}")
    return wrong


def tuple_of(row: Row | KpiValue) -> tuple[float | None, float | None, float | None, int]:
    return row.value, row.numerator, row.denominator, row.n


def _same(kpi: str, mine: tuple[float | None, ...], theirs: tuple[float | None, ...]) -> bool:
    if kpi == "contacts_touched" and theirs[3] and theirs[3] > EXACT_DISTINCT:
        return math.isclose(mine[0] or 0, theirs[0] or 0, rel_tol=3 / math.sqrt(4096))
    tolerance = 0.0101 if "_p50_" in kpi or "_p90_" in kpi else 1e-9
    return all(
        a == b if a is None or b is None else math.isclose(a, b, rel_tol=tolerance if index == 0 else 1e-12)
        for index, (a, b) in enumerate(zip(mine, theirs, strict=True))
    )
