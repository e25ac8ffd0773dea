"""Facts of events that stand for themselves: research, costs, surveys, web reports."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from oracle.dims import Convert, Row, own, times

ACQUISITION = ("campaign", "sales", "marketing")


def facts(event: Row, convert: Convert) -> list[Row]:
    """Facts of one event, each with its amount (or None)."""
    found = OF[event["type"]](event, convert)
    return [{"name": name, "time_ms": event["time_ms"], "amount": amount, **own(event)} for name, amount in found]


Named = list[tuple[str, int | None]]


def _research(event: Row, _: Convert) -> Named:
    return [("research", times(1000, event["duration_s"]))]


def _cost(event: Row, convert: Convert) -> Named:
    amount = convert(event["amount"], event["currency"], event["time_ms"])
    names = ["cost"]
    if event["kind"] in ACQUISITION:
        names.append(f"cost_{event['kind']}")
    return [(name, amount) for name in names]


def _survey(event: Row, _: Convert) -> Named:
    score = _exact(event["score"])
    if event["survey"] == "csat":
        return _csat(score, event["scale"])
    if not 0 <= score <= 10:
        return []
    return [(event["survey"], 1 if score >= 9 else -1 if score <= 6 else 0)]


def _csat(score: Fraction, given: float | None) -> Named:
    scale = _exact(given) if given is not None else Fraction(5 if score <= 5 else 10)
    if scale <= 0 or not 0 <= score <= scale:
        return []
    found: Named = [("csat", round(score * 5 * 10_000 / scale))]  # round() of a fraction is half-even
    return [*found, ("csat_satisfied", None)] if score / scale >= Fraction(8, 10) else found


def _exact(number: float) -> Fraction:
    return Fraction(repr(number))


def _web(event: Row, _: Convert) -> Named:
    return [(event["type"].replace(".", "_"), event["count"])]


OF: dict[str, Callable[[Row, Convert], Named]] = {
    "research.logged": _research,
    "cost.recorded": _cost,
    "survey.answered": _survey,
    "web.visited": _web,
    "web.impression": _web,
    "web.clicked": _web,
}
