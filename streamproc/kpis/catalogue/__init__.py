"""The built-in KPIs: declarations only."""

from streamproc.kpis.catalogue import activity, leads, outreach, pipeline
from streamproc.kpis.kpi import Catalogue


def catalogue(currency: str = "EUR") -> Catalogue:
    """All built-in KPIs; money KPIs carry the reporting currency in their name."""
    money = currency.lower()
    return Catalogue(
        (
            *activity.KPIS,
            *outreach.KPIS,
            *pipeline.KPIS,
            *pipeline.money_kpis(money),
            *leads.KPIS,
            *leads.money_kpis(money),
        )
    )
