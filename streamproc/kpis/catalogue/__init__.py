"""The built-in KPIs: declarations only."""

from streamproc.kpis.catalogue import activity, outreach, pipeline
from streamproc.kpis.kpi import Catalogue


def catalogue(currency: str = "EUR") -> Catalogue:
    """All built-in KPIs; money KPIs carry the reporting currency in their name."""
    return Catalogue((*activity.KPIS, *outreach.KPIS, *pipeline.KPIS, *pipeline.money_kpis(currency.lower())))
