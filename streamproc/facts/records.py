"""Facts of events that stand for themselves: costs, surveys, web traffic."""

from __future__ import annotations

from fractions import Fraction

from streamproc.event_data import CostRecorded, SurveyAnswered, Web
from streamproc.events import Event
from streamproc.facts.dims import packed
from streamproc.facts.fact import Dims, Fact
from streamproc.facts.reference import Lookups, Reference

POINTS = 10_000  # satisfaction is kept in 1/10,000 points
_RECORDS = (CostRecorded, SurveyAnswered, Web)
_WEB = {"web.visited": "web_visit", "web.impression": "web_impression", "web.clicked": "web_click"}


def record_facts(event: Event, time_ms: int, reference: Reference) -> list[Fact]:
    """Facts of a cost, an answer to a survey or web traffic; none of other events."""
    data = event.data
    if not isinstance(data, _RECORDS):
        return []
    dims = packed(data, time_ms, reference)
    if isinstance(data, CostRecorded):
        amount = Lookups(reference, {}).money(data.amount, data.currency, time_ms) or 0  # refused without a rate
        kind = f"cost_{data.kind or 'other'}"
        counts = [Fact("cost_recorded", time_ms, 1, dims), Fact(f"{kind}_recorded", time_ms, 1, dims)]
        return [*counts, Fact(kind, time_ms, amount, dims)]
    if isinstance(data, Web):
        return [Fact(_WEB[event.type], time_ms, data.count, dims)]
    facts = _satisfaction(data, time_ms, dims) if data.survey == "csat" else _promotion(data, time_ms, dims)
    return facts or [Fact("anomaly/survey_score", time_ms, 1, ())]


def _promotion(data: SurveyAnswered, time_ms: int, dims: Dims) -> list[Fact]:
    """Of a survey with answers from 0 to 10; nothing where the score is none of these."""
    if not 0 <= data.score <= 10:
        return []
    facts = [Fact(f"{data.survey}_answered", time_ms, 1, dims)]
    if data.score >= 9:
        facts.append(Fact(f"{data.survey}_promoter", time_ms, 1, dims))
    elif data.score <= 6:
        facts.append(Fact(f"{data.survey}_detractor", time_ms, 1, dims))
    return facts


def _satisfaction(data: SurveyAnswered, time_ms: int, dims: Dims) -> list[Fact]:
    """Of a survey whose answers are brought to a scale of 5; nothing where the score is beyond its scale."""
    score = Fraction(repr(data.score))
    scale = Fraction(repr(data.scale)) if data.scale is not None else Fraction(5 if score <= 5 else 10)
    if scale <= 0 or not 0 <= score <= scale:
        return []
    facts = [
        Fact("csat_answered", time_ms, 1, dims),
        Fact("csat_score", time_ms, round(score / scale * 5 * POINTS), dims),  # half-even
    ]
    if score / scale >= Fraction(4, 5):
        facts.append(Fact("csat_satisfied", time_ms, 1, dims))
    return facts
