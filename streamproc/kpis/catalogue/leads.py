"""Lead and partner KPIs. Ratios belong to the cohort of their denominator: creation, offer or acceptance."""

from streamproc.kpis.catalogue.durations import durations
from streamproc.kpis.catalogue.revenue import cost_per, recorded
from streamproc.kpis.kpi import Count, Derived, Kpi, Level, Ratio, WithinDuration

LEADS = ("rep", "team", "region", "campaign", "product", "channel", "lead_source", "segment", "partner")
ONLINE = ("rep", "team", "region", "campaign", "product")
PARTNERS = ("partner", "rep", "team", "region", "campaign", "product", "lead_source")
CAMPAIGNS = ("cost_campaign",)
HOUR_S = 3600
_COUNTED = {
    "lead.touched": "touch", "lead.accepted": "acceptance", "lead.contacted": "contact", "lead.closed": "closing",
}  # fmt: skip


def _stage(name: str, english: str, german: str) -> Kpi:
    return Count(
        name=f"leads_{name}",
        title_en=f"{english} ({name.upper()})",
        title_de=f"{german} ({name.upper()})",
        means=f"Leads that entered the stage {name.upper()}, each at its first entry; upper or lower case.",
        formula=f"n(entered {name.upper()})",
        events=("lead.created", "lead.stage_changed"),
        source="E",
        of=(f"lead_{name}",),
        by=LEADS,
    )


def _times(
    fact: str, title_en: str, title_de: str, what: str, events: tuple[str, str], source: str, by: tuple[str, ...]
) -> tuple[Kpi, ...]:
    """Mean, p50 and p90 of a duration of leads. `what`: from when to when; it counts at the latter of the events."""
    counted = f"counted at the {_COUNTED[events[1]]}"
    return durations(
        fact,
        title_en=title_en,
        title_de=title_de,
        means=f"Mean time {what}, {counted}.",
        quantile_means=f"of the times {what} were no longer than this (within 1 %), {counted}.",
        formula=_difference(events),
        events=events,
        source=source,
        by=by,
    )


def _of_partners(
    fact: str, title_en: str, title_de: str, what: str, events: tuple[str, str], source: str
) -> tuple[Kpi, ...]:
    """The same of a duration of partners, and the share of it within an hour."""
    within = WithinDuration(
        name=f"{fact}_hour_ratio",
        title_en=f"{title_en} within an hour",
        title_de=f"{title_de} bis zu einer Stunde",
        means=f"Share of the times {what} that were at most an hour, counted at the {_COUNTED[events[1]]}.",
        formula=f"n({_difference(events)} <= {HOUR_S} s) / n({_difference(events)})",
        events=events,
        source=source,
        of=fact,
        limit_s=HOUR_S,
        by=PARTNERS,
    )
    return *_times(fact, title_en, title_de, what, events, source, PARTNERS), within


def _difference(events: tuple[str, str]) -> str:
    start, end = (event.partition(".")[2] for event in events)
    return f"{end} - {start}"


KPIS: tuple[Kpi, ...] = (
    Count(
        name="leads_created",
        title_en="New leads",
        title_de="Neue Leads",
        means="Leads created.",
        formula="n(lead created)",
        events=("lead.created",),
        source="A, B, C5, E",
        of=("lead_created",),
        by=LEADS,
    ),
    Count(
        name="online_leads",
        title_en="Online leads",
        title_de="Online-Leads",
        means="Leads created whose source is web.",
        formula="n(lead created with lead_source web)",
        events=("lead.created",),
        source="A",
        of=("lead_online",),
        by=ONLINE,
    ),
    Count(
        name="lead_stage_entries",
        title_en="Entries into lead stages",
        title_de="Eintritte in Lead-Phasen",
        means="Leads that entered a stage, at the first entry into each.",
        formula="n(entered stage)",
        events=("lead.created", "lead.stage_changed"),
        source="E",
        of=("lead_stage_entered",),
        by=(*LEADS, "lead_stage"),
    ),
    _stage("mql", "Marketing qualified leads", "Vom Marketing qualifizierte Leads"),
    _stage("sal", "Sales accepted leads", "Vom Vertrieb angenommene Leads"),
    _stage("sql", "Sales qualified leads", "Vom Vertrieb qualifizierte Leads"),
    Ratio(
        name="lead_conversion_ratio",
        title_en="Lead conversion",
        title_de="Lead-Konversion",
        means="Share of leads that were converted. Each counts once, at its creation.",
        formula="n(converted) / n(created)",
        events=("lead.created", "lead.converted"),
        source="A, B, C5, E",
        part="lead_converted",
        whole=("lead_created",),
        by=LEADS,
    ),
    *_times(
        "lead_touch",
        "Time to first touch",
        "Zeit bis zum ersten Kontakt",
        "from a lead's creation to the first call, e-mail, meeting or message",
        ("lead.created", "lead.touched"),
        "D, mission",
        LEADS,
    ),
    Count(
        name="leads_offered",
        title_en="Leads offered",
        title_de="Angebotene Leads",
        means="Leads offered to partners, each once a partner.",
        formula="n(distinct lead and partner offered)",
        events=("lead.offered",),
        source="D",
        of=("lead_offered",),
        by=PARTNERS,
    ),
    Count(
        name="leads_accepted",
        title_en="Leads accepted",
        title_de="Angenommene Leads",
        means="Leads accepted by partners, each once a partner.",
        formula="n(distinct lead and partner accepted)",
        events=("lead.accepted",),
        source="D",
        of=("lead_accepted",),
        by=PARTNERS,
    ),
    Ratio(
        name="lead_acceptance_ratio",
        title_en="Acceptance rate",
        title_de="Annahmequote",
        means="Share of offers that the partner accepted. Each counts once, at the offer.",
        formula="n(offered and accepted) / n(offered)",
        events=("lead.offered", "lead.accepted"),
        source="D",
        part="lead_taken",
        whole=("lead_offered",),
        by=PARTNERS,
    ),
    *_of_partners(
        "lead_acceptance",
        "Acceptance time",
        "Annahmedauer",
        "from a partner's offer to its acceptance",
        ("lead.offered", "lead.accepted"),
        "D1",
    ),
    *_of_partners(
        "lead_contact",
        "Contact time",
        "Kontaktaufnahmedauer",
        "from a partner's acceptance to the first contact",
        ("lead.accepted", "lead.contacted"),
        "D2",
    ),
    *_of_partners(
        "lead_handling",
        "Handling time",
        "Bearbeitungszeit",
        "from a partner's acceptance to the closing",
        ("lead.accepted", "lead.closed"),
        "D3",
    ),
    Ratio(
        name="lead_feedback_ratio",
        title_en="Feedback rate",
        title_de="Feedbackquote",
        means="Share of accepted leads that the partner gave feedback on. Each counts once, at the acceptance.",
        formula="n(accepted with feedback) / n(accepted)",
        events=("lead.accepted", "lead.feedback"),
        source="D4",
        part="lead_fed_back",
        whole=("lead_accepted",),
        by=PARTNERS,
    ),
    Ratio(
        name="partner_conversion_ratio",
        title_en="Partner conversion",
        title_de="Partner-Konversion",
        means="Share of accepted leads that the partner closed as won. Each counts once, at the acceptance.",
        formula="n(accepted and won) / n(accepted)",
        events=("lead.accepted", "lead.closed"),
        source="D5",
        part="lead_partner_won",
        whole=("lead_accepted",),
        by=PARTNERS,
    ),
    Level(
        name="leads_escalated",
        title_en="Escalated leads",
        title_de="Eskalierte Leads",
        means="Offers that nobody has accepted, declined, closed or let expire within 24 hours, nor since.",
        formula="n(offers unanswered for more than 24 h) now",
        events=("lead.offered", "lead.accepted", "lead.declined", "lead.expired", "lead.closed"),
        source="D",
        of="leads_escalated",
        count="leads_escalated",
        unit="count",
        by=PARTNERS,
    ),
)


def money_kpis(currency: str) -> list[Kpi]:
    """KPIs in the reporting currency, which is part of their names and units."""
    return [
        Derived(
            name=f"cost_per_lead_{currency}",
            title_en="Cost per lead",
            title_de="Kosten je Lead",
            means="Cost of campaigns per lead created, both in the window at their own time.",
            formula="sum(campaign cost) / n(lead created)",
            events=("cost.recorded", "lead.created"),
            source="C14",
            of=(*CAMPAIGNS, *recorded(CAMPAIGNS), "lead_created"),
            compute=cost_per("lead_created", CAMPAIGNS),
            unit=currency,
            by=("campaign", "team", "region", "product", "lead_source"),
        ),
    ]
