"""Web KPIs: visits of the site, and how advertisements are seen and clicked."""

from streamproc.kpis.kpi import Count, Kpi, Ratio

GROUPS = ("campaign", "channel", "product")


KPIS: tuple[Kpi, ...] = (
    Count(
        name="web_visits",
        title_en="Website visits",
        title_de="Website-Besuche",
        means="Visits of the website, as many as each event counts.",
        formula="sum(count visited)",
        events=("web.visited",),
        source="A",
        of=("web_visit",),
        by=GROUPS,
    ),
    Count(
        name="web_impressions",
        title_en="Impressions",
        title_de="Einblendungen",
        means="Advertisements shown, as many as each event counts.",
        formula="sum(count shown)",
        events=("web.impression",),
        source="A",
        of=("web_impression",),
        by=GROUPS,
    ),
    Count(
        name="web_clicks",
        title_en="Clicks on advertisements",
        title_de="Klicks auf Anzeigen",
        means="Advertisements clicked, as many as each event counts.",
        formula="sum(count clicked)",
        events=("web.clicked",),
        source="A",
        of=("web_click",),
        by=GROUPS,
    ),
    Ratio(
        name="web_click_ratio",
        title_en="Click-through rate of advertisements",
        title_de="Klickrate von Anzeigen",
        means="Clicks over impressions, each in the window at its own time; so it may exceed 1 where reports lag.",
        formula="clicks / impressions",
        events=("web.impression", "web.clicked"),
        source="A",
        part="web_click",
        whole=("web_impression",),
        by=GROUPS,
    ),
)
