"""KPIs and their dimensions, until the catalogue has them all: the catalogue's, and those to come."""

from __future__ import annotations

from streamproc.kpis.catalogue import catalogue

ACTIVITY = ("rep", "team", "region", "campaign", "product", "channel")
GROUPS = ("rep", "team", "region", "product", "channel", "campaign", "lead_source", "segment")
STAGES = (*GROUPS, "deal_stage")
WEBINAR = ("rep", "team", "region", "campaign", "product")
RESEARCH = ("rep", "team", "region")
TEAMS = ("team", "region")
LEADS = ("rep", "team", "region", "campaign", "product", "channel", "lead_source", "segment", "partner")
PARTNERS = ("partner", "rep", "team", "region", "campaign", "product", "lead_source")
COSTS = ("campaign", "team", "region", "product", "channel")
SUBS = ("rep", "team", "region", "product", "segment", "channel", "campaign")
CUST = ("rep", "team", "region", "segment")
SURVEY = ("rep", "team", "region", "product", "segment")
WEB = ("campaign", "channel", "product")


def _times(stem: str) -> list[str]:
    return [f"{stem}_seconds", f"{stem}_p50_seconds", f"{stem}_p90_seconds"]


_PLANNED = [
    (ACTIVITY, ["demo_meetings", "onboarding_meetings", "video_meetings"]),
    ((*ACTIVITY, "variant"), ["email_machine_opens", "email_machine_clicks"]),
    (WEBINAR, ["webinar_registrations", "webinar_attendances", "webinar_attendance_ratio"]),
    (RESEARCH, ["research_seconds", "research_reactions_per_hour"]),
    (TEAMS, ["activities_per_rep", "deals_won_per_rep", "revenue_eur_per_rep", "enps_points"]),
    (("account",), ["account_engagement_points"]),
    (("rep", "team", "region", "product", "campaign"), ["closing_ratio"]),
    (STAGES, ["pipeline_growth_ratio"]),
    (LEADS, ["leads_created", "leads_mql", "leads_sal", "leads_sql", "lead_conversion_ratio", *_times("lead_touch")]),
    ((*LEADS, "lead_stage"), ["lead_stage_entries"]),
    (WEBINAR, ["online_leads"]),
    (("campaign", "team", "region", "product", "lead_source"), ["cost_per_lead_eur"]),
    (
        PARTNERS,
        [
            *("leads_offered", "leads_accepted", "lead_acceptance_ratio", "lead_acceptance_hour_ratio"),
            *("lead_contact_hour_ratio", "lead_handling_hour_ratio", "lead_feedback_ratio"),
            *("partner_conversion_ratio", "leads_escalated"),
            *_times("lead_acceptance"),
            *_times("lead_contact"),
            *_times("lead_handling"),
        ],
    ),
    (
        GROUPS,
        [
            *("orders", "order_value_eur", "purchase_value_eur", "return_ratio", "revenue_growth_ratio"),
            *("gross_margin_ratio", "net_margin_ratio", "new_customers", "repurchase_ratio"),
            *_times("order_gap"),
        ],
    ),
    (("rep", "team", "region", "product"), ["revenue_attainment_ratio"]),
    (COSTS, ["costs_eur"]),
    ((*COSTS, "segment"), ["cac_eur"]),
    (SUBS, ["mrr_eur", "arr_eur"]),
    (CUST, ["customers", "arpa_eur", "retention_ratio", "churn_ratio", "revenue_churn_ratio", "clv_eur"]),
    (SURVEY, ["nps_points", "csat_points", "csat_satisfied_ratio"]),
    (WEB, ["web_visits", "web_impressions", "web_clicks", "web_click_ratio"]),
]
BY = {kpi: by for by, kpis in _PLANNED for kpi in kpis} | {kpi.name: kpi.by for kpi in catalogue().kpis}
