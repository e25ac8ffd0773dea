"""Sentences of alerts and celebrations, in English and German."""

from __future__ import annotations

from typing import Literal, NamedTuple

from streamproc.facts.won import Won
from streamproc.kpis.against import Against, Band, Crossed
from streamproc.kpis.kpi import Kpi, KpiValue

Language = Literal["en", "de"]
_GERMAN = str.maketrans(",.", ".,")
_SIZES = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_SEVERITY = ("none", "ok", "warning", "critical")


class _Words(NamedTuple):
    company: str
    bands: dict[str, str]
    again: dict[str, str]  # after something worse
    below: str
    above: str
    pace: dict[str, str]
    reached: str
    won: str
    won_by: str


_WORDS: dict[Language, _Words] = {
    "en": _Words(
        "company",
        {"ok": "ok", "warning": "warning", "critical": "critical", "none": "no longer judged"},
        {"ok": "ok again", "warning": "better, but still a warning"},
        "below",
        "above",
        {"pace": "pace against the target", "attainment": "share of the target", "value": "value"},
        "target {target} reached",
        "Deal {deal} won",
        " by {rep}",
    ),
    "de": _Words(
        "Unternehmen",
        {"ok": "in Ordnung", "warning": "Warnung", "critical": "kritisch", "none": "nicht mehr bewertet"},
        {"ok": "wieder in Ordnung", "warning": "besser, aber noch Warnung"},
        "unter",
        "über",
        {"pace": "Tempo zum Ziel", "attainment": "Zielerreichung", "value": "Wert"},
        "Ziel {target} erreicht",
        "Deal {deal} gewonnen",
        " von {rep}",
    ),
}


def alert_text(kpi: Kpi, value: KpiValue, found: Against, before: Band, language: Language) -> str:
    """What a receiver reads of a change of band."""
    words = _WORDS[language]
    is_better = _SEVERITY.index(found.band) < _SEVERITY.index(before)
    band = words.again.get(found.band, words.bands[found.band]) if is_better else words.bands[found.band]
    why = _why(value, found, is_better, language) if found.crossed else ""
    return f"{_head(kpi, value, language)} (n {value.n}): {band}{why}"


def reached_text(kpi: Kpi, value: KpiValue, language: Language) -> str:
    """What is told of a target that was reached."""
    target = amount(value.against.target if value.against else None, value.unit, language)
    return f"{_head(kpi, value, language)}: {_WORDS[language].reached.format(target=target)}"


def won_text(won: Won, language: Language) -> str:
    """What is told of a deal that was won."""
    words = _WORDS[language]
    text = words.won.format(deal=won.deal) + (words.won_by.format(rep=won.rep) if won.rep else "")
    return text if won.amount is None else f"{text}: {amount(won.amount, won.currency or '', language)}".rstrip()


def amount(value: float | None, unit: str, language: Language) -> str:
    """A value with its unit."""
    if value is None:
        return "–"
    match unit:
        case "count":
            text = f"{value:,.0f}"
        case "points":  # a mean of 3.94 against a limit of 4 must not read as 4 below 4
            text = f"{value:,.2f}".rstrip("0").rstrip(".")
        case "ratio":
            text = f"{value * 100:,.1f} %"
        case "seconds":
            name, size = next((one for one in _SIZES if abs(value) >= one[1]), _SIZES[-1])
            text = f"{value / size:,.1f} {name}"
        case _:
            text = f"{value:,.2f} {unit.upper().replace('_PER_', '/')}"
    return text.translate(_GERMAN) if language == "de" else text


def _head(kpi: Kpi, value: KpiValue, language: Language) -> str:
    title = kpi.title_de if language == "de" else kpi.title_en
    place = ", ".join(filter(None, (value.group or _WORDS[language].company, value.window)))
    return f"{title} ({place}): {amount(value.value, value.unit, language)}"


def _why(value: KpiValue, found: Against, is_better: bool, language: Language) -> str:
    words, crossed = _WORDS[language], found.crossed or Crossed("value", "", 0.0)
    by_value = crossed.of == "value"
    is_below = (found.is_below if by_value else True) != is_better
    limit = amount(crossed.limit, value.unit if by_value else "ratio", language)
    return f", {words.pace[crossed.of]} {words.below if is_below else words.above} {limit}"
