"""Text of options → values: durations, times, rates, groups and names, with advice where they will not do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from streamproc.cli.errors import wrong_use

if TYPE_CHECKING:
    from streamproc.kpis.kpi import Catalogue
    from streamproc.kpis.limits import TargetCheck
    from streamproc.settings import Settings

COMPANY = "company"
LEVEL = "level"  # what `--window` calls the values without window
MINUTE_MS = 60_000
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def duration_s(text: str, option: str) -> float:
    """Seconds of a text such as 90s, 10m, 2h or 30d."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not found or not float(found[1]):
        raise wrong_use(f"{option}: expected a duration such as 60s, 10m, 2h or 30d, found '{text}'")
    return float(found[1]) * _UNITS_S[found[2]]


def rate_per_s(text: str, option: str) -> float | None:
    """Events a second; None for `max`."""
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise wrong_use(f"{option}: expected events a second, such as 500, or max, found '{text}'")
    return rate


def instant_ms(text: str, option: str, zone: str) -> int:
    """Epoch ms of an RFC 3339 time, or of the start of a day in `zone`."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1000
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise wrong_use(
            f"{option}: expected a date or a time such as 2018-01-01 or 2018-01-01T09:30:00Z, found '{text}'"
        ) from None
    if found.tzinfo is None:
        raise wrong_use(f"{option}: '{text}' has no UTC offset; expected a time such as {text}Z or {text}+01:00")
    return int(found.astimezone(UTC).timestamp() * 1000)


def whole_minute_ms(text: str, option: str, zone: str) -> int:
    """The same for a time as of which there can be values."""
    found = instant_ms(text, option, zone)
    if found % MINUTE_MS:
        raise wrong_use(f"{option}: expected a whole minute, found '{text}'")
    return found


def known(words: Iterable[str], all_words: Sequence[str], option: str, what: str, lister: str = "") -> list[str]:
    """The words, which must be known ones. Raises CliError with did-you-mean."""
    words = list(words)
    for word in words:
        if word not in all_words:
            raise wrong_use(
                f"{option}: unknown {what} '{word}'{did_you_mean(word, all_words)}; {lister or _list(all_words)}"
            )
    return words


def _list(words: Sequence[str]) -> str:
    return f"expected one of {', '.join(words)}"


def did_you_mean(word: str, words: Iterable[str]) -> str:
    from streamproc.ingest.mapping_file import hint

    return hint(word, words)


def known_kpis(names: Iterable[str] | None, catalogue: Catalogue, option: str = "--kpi") -> list[str]:
    every = [kpi.name for kpi in catalogue.kpis]
    return known(names or (), every, option, "KPI", "`streamproc kpis list` shows all")


def target_check(settings: Settings) -> TargetCheck:
    """What tells whether a target or threshold fits the KPIs, people's own ones too. Raises OwnKpiErrors."""
    from streamproc.ingest.kpis_file import full_catalogue
    from streamproc.kpis.catalogue.judgement import judgements
    from streamproc.kpis.limits import TargetCheck

    return TargetCheck(full_catalogue(settings.currency, settings.kpis_file), judgements(settings.currency))


def known_windows(names: Iterable[str] | None) -> list[str | None]:
    """Windows; None stands for levels, which have none."""
    from streamproc.windows.calendar import WINDOWS

    return [None if name == LEVEL else name for name in known(names or (), (*WINDOWS, LEVEL), "--window", "window")]


def known_dimensions(names: Iterable[str] | None, option: str) -> list[str]:
    """Dimensions; "" stands for the company."""
    from streamproc.facts.fact import DIMENSIONS

    found = known(names or (), (COMPANY, *DIMENSIONS), option, "dimension")
    return ["" if name == COMPANY else name for name in found]


def groups(texts: Iterable[str] | None, option: str = "--where") -> list[str]:
    """Groups, `dimension=member` each; "" for the company."""
    found = []
    for text in texts or ():
        dimension, equals, member = text.partition("=")
        known_dimensions([dimension], option)
        if (dimension == COMPANY) != (not equals) or (equals and not member):
            raise wrong_use(f"{option}: expected a group such as rep=ann, or {COMPANY}, found '{text}'")
        found.append(text if equals else "")
    return found
