"""The built-in KPIs: declarations only."""

from streamproc.kpis.catalogue import activity, german, outreach, pipeline
from streamproc.kpis.kpi import Catalogue, Kpi


def areas(currency: str = "EUR") -> dict[str, tuple[Kpi, ...]]:
    """All built-in KPIs by area; money KPIs carry the reporting currency in their name."""
    money = currency.lower()
    found = {
        "Activity": activity.KPIS,
        "Outreach": outreach.KPIS,
        "Pipeline and deals": (*pipeline.KPIS, *pipeline.money_kpis(money)),
    }
    return {area: german.explained(kpis, money) for area, kpis in found.items()}


def catalogue(currency: str = "EUR") -> Catalogue:
    """The same as one catalogue."""
    return Catalogue(tuple(kpi for kpis in areas(currency).values() for kpi in kpis))
