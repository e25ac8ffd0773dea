"""What dashboards say, in English and German. Titles and meanings of KPIs are the catalogue's."""

from __future__ import annotations

from typing import Literal

from streamproc.kpis.kpi import Catalogue, Kpi

Lang = Literal["en", "de"]
LANGS: tuple[Lang, ...] = ("en", "de")
NOW = ""  # the window of levels, as a label

_WINDOWS = {
    "1h": ("1 hour", "1 Stunde"),
    "24h": ("24 hours", "24 Stunden"),
    "7d": ("7 days", "7 Tage"),
    "30d": ("30 days", "30 Tage"),
    "90d": ("90 days", "90 Tage"),
    "today": ("today", "heute"),
    "week": ("this week", "diese Woche"),
    "month": ("this month", "dieser Monat"),
    "quarter": ("this quarter", "dieses Quartal"),
    "year": ("this year", "dieses Jahr"),
    "all": ("all time", "gesamt"),
    NOW: ("now", "jetzt"),
}
_BANDS = (("ok", "gut"), ("warning", "Warnung"), ("critical", "kritisch"))


class Words:
    """Texts of one language."""

    def __init__(self, lang: Lang, catalogue: Catalogue) -> None:
        self.lang = lang
        self.catalogue = catalogue

    def __call__(self, english: str, german: str) -> str:
        return english if self.lang == "en" else german

    def title(self, kpi: Kpi) -> str:
        """A KPI's name for people; says what it is a rate of where the unit alone would not."""
        name = self(kpi.title_en, kpi.title_de)
        return f"{name}{self(' per day', ' je Tag')}" if kpi.unit.endswith("_per_day") else name

    def means(self, kpi: Kpi) -> str:
        """What a KPI says."""
        return self(kpi.means, kpi.means_de)

    def window(self, window: str) -> str:
        """A window for people; of a variable, Grafana puts in what was chosen, as the list shows it."""
        return f"${{{window[1:]}:text}}" if window.startswith("$") else self(*_WINDOWS[window])

    def bands(self) -> list[str]:
        """Words of the bands 0, 1 and 2."""
        return [self(*band) for band in _BANDS]

    def uid(self, board: str) -> str:
        """Fixed identity of a board, which links and alerts rely on."""
        return f"{board}-{self.lang}"
