"""The built-in catalogue: every KPI is one declaration here."""

from streamproc.kpis.catalogue import activity, customers, leads, outreach, pipeline, revenue, surveys, web
from streamproc.kpis.kpi import Catalogue

AREAS = (activity, outreach, leads, pipeline, revenue, customers, surveys, web)
MONEY_AREAS = (leads, pipeline, revenue, customers)


def catalogue(currency: str = "EUR") -> Catalogue:
    """All built-in KPIs; money KPIs carry the reporting currency in their name."""
    kpis = [kpi for area in AREAS for kpi in area.KPIS]
    return Catalogue((*kpis, *(kpi for area in MONEY_AREAS for kpi in area.money_kpis(currency.lower()))))
