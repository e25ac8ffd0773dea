"""Views: the few KPIs that a role looks at first, the groups that stand side by side, and a window for each KPI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from streamproc.facts.fact import DIMENSIONS
from streamproc.kpis.kpi import Catalogue
from streamproc.windows.calendar import WINDOWS

FEWEST, MOST = 5, 10


class Headline(NamedTuple):
    """One KPI of a view. `window` is None for a level."""

    kpi: str
    window: str | None


@dataclass(frozen=True, kw_only=True)
class View:
    """What a role looks at. `groups`: two dimensions that stand side by side, the smaller first, then the company."""

    role: str
    title_en: str
    title_de: str
    means_en: str
    means_de: str
    groups: tuple[str, str]
    headlines: tuple[Headline, ...]


def views(currency: str = "EUR") -> dict[str, View]:
    """All views by role; money KPIs carry the reporting currency in their name."""
    return {view.role: replace(view, headlines=_in(currency, view.headlines)) for view in _VIEWS}


def _in(currency: str, headlines: tuple[Headline, ...]) -> tuple[Headline, ...]:
    return tuple(Headline(name.format(c=currency.lower()), window) for name, window in headlines)


def check(found: dict[str, View], catalogue: Catalogue) -> list[str]:
    """Everything wrong with views, each as `view ROLE: what, and what was expected`; [] if nothing."""
    kpis = {kpi.name for kpi in catalogue.kpis}
    return [f"view {role}: {problem}" for role, view in found.items() for problem in _problems(view, kpis, catalogue)]


def _problems(view: View, kpis: set[str], catalogue: Catalogue) -> Iterator[str]:
    if not FEWEST <= len(view.headlines) <= MOST:
        yield f"has {len(view.headlines)} KPIs; expected {FEWEST} to {MOST}"
    for dimension in view.groups:
        if dimension not in DIMENSIONS:
            yield f"unknown dimension '{dimension}'; expected {', '.join(DIMENSIONS)}"
    seen = set()
    for name, window in view.headlines:
        if name in seen:
            yield f"{name} is there twice; expected once"
        seen.add(name)
        if name not in kpis:
            yield f"unknown KPI '{name}'"
            continue
        kpi = catalogue[name]
        lacking = [dimension for dimension in view.groups if dimension not in kpi.by]
        if lacking:
            yield f"{name} is not grouped by {', '.join(lacking)}; expected {', '.join(view.groups)}"
        if kpi.windowed and window not in WINDOWS:
            yield f"{name} has the window {window}; expected one of {', '.join(WINDOWS)}"
        if not kpi.windowed and window is not None:
            yield f"{name} has the window {window}; expected none, since it is a level"


def _headlines(text: str) -> tuple[Headline, ...]:
    """From lines of a KPI and its window, `now` of a level; `{c}` stands for the reporting currency."""
    rows = (line.split() for line in text.strip().splitlines())
    return tuple(Headline(name, None if window == "now" else window) for name, window in rows)


_VIEWS = (
    View(
        role="rep",
        title_en="My day",
        title_de="Mein Tag",
        means_en="What I do, how it is answered, and what I close, beside my team.",
        means_de="Was ich tue, wie darauf geantwortet wird und was ich abschließe, neben meinem Team.",
        groups=("rep", "team"),
        headlines=_headlines("""
            activities today
            contacts_touched week
            meetings_held week
            email_response_ratio 30d
            lead_touch_p50_seconds 30d
            open_deals now
            pipeline_value_{c} now
            win_ratio 90d
            revenue_{c} month
            revenue_attainment_ratio month
        """),
    ),
    View(
        role="team_lead",
        title_en="My team",
        title_de="Mein Team",
        means_en="Whether each of us is on course, and where deals get stuck.",
        means_de="Ob jeder von uns auf Kurs ist und wo Deals stecken bleiben.",
        groups=("rep", "team"),
        headlines=_headlines("""
            activities week
            email_response_ratio 30d
            closing_ratio 30d
            stage_conversion_ratio 90d
            sales_cycle_p50_seconds 90d
            win_ratio 90d
            pipeline_value_{c} now
            pipeline_growth_ratio 30d
            revenue_{c} month
            revenue_attainment_ratio month
        """),
    ),
    View(
        role="head_of_sales",
        title_en="Sales",
        title_de="Vertrieb",
        means_en="What comes in, what it costs, and what is to be expected, by team and region.",
        means_de="Was hereinkommt, was es kostet und was zu erwarten ist, nach Team und Region.",
        groups=("team", "region"),
        headlines=_headlines("""
            revenue_{c} quarter
            revenue_growth_ratio quarter
            revenue_attainment_ratio quarter
            gross_margin_ratio quarter
            cac_{c} quarter
            pipeline_weighted_{c} now
            pipeline_velocity_{c}_per_day 90d
            win_ratio 90d
            mrr_{c} now
            churn_ratio 90d
        """),
    ),
    View(
        role="partner_manager",
        title_en="Partners",
        title_de="Partner",
        means_en="How fast partners take up the leads that they are offered, and what becomes of them.",
        means_de="Wie schnell Partner die angebotenen Leads aufnehmen und was aus ihnen wird.",
        groups=("partner", "team"),
        headlines=_headlines("""
            leads_offered 30d
            leads_escalated now
            lead_acceptance_ratio 30d
            lead_acceptance_p50_seconds 30d
            lead_acceptance_hour_ratio 30d
            lead_contact_hour_ratio 30d
            lead_handling_p50_seconds 90d
            lead_feedback_ratio 90d
            partner_conversion_ratio 90d
        """),
    ),
)
