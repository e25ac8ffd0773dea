"""How values are to be read: which way of each KPI is better, benchmarks and limits of the articles, headline KPIs.

`{c}` stands for the reporting currency. Benchmarks and limits are the articles' own numbers; they say neither a window
nor how much must stand behind a value, so those are ours. Anything set by `threshold.set` goes first.
"""

from __future__ import annotations

from streamproc.kpis.against import Benchmark, Judgement, Limits

LIMITS_WINDOW = "7d"
LEAST_SAMPLES = 10

UP = """
activities calls emails_sent meetings_held messages_sent contacts_touched demo_meetings onboarding_meetings
video_meetings webinar_registrations webinar_attendances webinar_attendance_ratio research_reactions_per_hour
activities_per_rep deals_won_per_rep revenue_{c}_per_rep account_engagement_points
email_open_ratio email_response_ratio email_click_ratio message_response_ratio
deals_created deals_won win_ratio quote_close_ratio closing_ratio stage_conversion_ratio open_deals deal_size_{c}
pipeline_velocity_{c}_per_day pipeline_value_{c} pipeline_weighted_{c} pipeline_growth_ratio
leads_created online_leads lead_stage_entries leads_mql leads_sal leads_sql lead_conversion_ratio leads_offered
leads_accepted lead_acceptance_ratio lead_acceptance_hour_ratio lead_contact_hour_ratio lead_handling_hour_ratio
lead_feedback_ratio partner_conversion_ratio
revenue_{c} orders order_value_{c} purchase_value_{c} revenue_growth_ratio gross_margin_ratio net_margin_ratio
revenue_attainment_ratio new_customers repurchase_ratio mrr_{c} customers arr_{c} arpa_{c} retention_ratio clv_{c}
nps_points enps_points csat_points csat_satisfied_ratio web_visits web_impressions web_clicks web_click_ratio
"""
DOWN = """
email_bounce_ratio email_response_seconds email_response_p50_seconds email_response_p90_seconds
deals_lost sales_cycle_seconds sales_cycle_p50_seconds sales_cycle_p90_seconds
stage_dwell_seconds stage_dwell_p50_seconds stage_dwell_p90_seconds
lead_touch_seconds lead_touch_p50_seconds lead_touch_p90_seconds cost_per_lead_{c}
lead_acceptance_seconds lead_acceptance_p50_seconds lead_acceptance_p90_seconds
lead_contact_seconds lead_contact_p50_seconds lead_contact_p90_seconds
lead_handling_seconds lead_handling_p50_seconds lead_handling_p90_seconds leads_escalated
return_ratio costs_{c} cac_{c} order_gap_seconds order_gap_p50_seconds order_gap_p90_seconds
churn_ratio revenue_churn_ratio
"""
# Time spent on research is neither good nor bad by itself, and machines' opens say nothing about people.
NONE = "research_seconds email_machine_opens email_machine_clicks"

# D: acceptance and first contact are good under one hour (D1, D2); the feedback rate must not fall under 75 % (D4).
_WITHIN_AN_HOUR = (Benchmark(3600, "D"), Limits(warning=3600, min_samples=LEAST_SAMPLES))
_ARTICLES = {
    "lead_acceptance_seconds": _WITHIN_AN_HOUR,
    "lead_contact_seconds": _WITHIN_AN_HOUR,
    "lead_feedback_ratio": (Benchmark(0.75, "D"), Limits(critical=0.75, min_samples=LEAST_SAMPLES)),
}

# KPIs that are compared with the window before, for which there is a price: few, from all areas.
_HEADLINES = """
activities contacts_touched meetings_held email_response_ratio email_response_seconds
deals_created deals_won win_ratio sales_cycle_seconds revenue_{c} deal_size_{c} gross_margin_ratio
leads_created lead_conversion_ratio lead_acceptance_seconds lead_feedback_ratio
new_customers orders csat_points nps_points
"""


def judgements(currency: str = "EUR") -> dict[str, Judgement]:
    """How each built-in KPI is to be read."""
    found = {name: Judgement("up") for name in _names(UP, currency)}
    found |= {name: Judgement("down") for name in _names(DOWN, currency)}
    found |= {name: Judgement("none") for name in _names(NONE, currency)}
    for name, (benchmark, limits) in _ARTICLES.items():
        found[name] = Judgement(found[name].direction, benchmark, limits, LIMITS_WINDOW)
    return found


def headlines(currency: str = "EUR") -> frozenset[str]:
    """Names of the KPIs that are compared with the window before."""
    return frozenset(_names(_HEADLINES, currency))


def _names(text: str, currency: str) -> list[str]:
    return text.format(c=currency.lower()).split()
