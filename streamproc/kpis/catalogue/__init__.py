"""The built-in KPIs: declarations only."""

from streamproc.kpis.catalogue import activity, customers, german, leads, outreach, pipeline, revenue, surveys, web
from streamproc.kpis.kpi import Catalogue, Kpi


def areas(currency: str = "EUR") -> dict[str, tuple[Kpi, ...]]:
    """All built-in KPIs by area; money KPIs carry the reporting currency in their name."""
    money = currency.lower()
    found = {
        "Activity": activity.KPIS,
        "Outreach": outreach.KPIS,
        "Leads and partners": (*leads.KPIS, *leads.money_kpis(money)),
        "Pipeline and deals": (*pipeline.KPIS, *pipeline.money_kpis(money)),
        "Revenue": (*revenue.KPIS, *revenue.money_kpis(money)),
        "Customers": (*customers.KPIS, *customers.money_kpis(money)),
        "Surveys": surveys.KPIS,
        "Web": web.KPIS,
    }
    return {area: german.explained(kpis, money) for area, kpis in found.items()}


def catalogue(currency: str = "EUR") -> Catalogue:
    """The same as one catalogue."""
    return Catalogue(tuple(kpi for kpis in areas(currency).values() for kpi in kpis))
