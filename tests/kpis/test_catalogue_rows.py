"""Every row of the list that the KPIs were collected in has its KPIs."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.kpis.catalogue import catalogue

LIST = Path(__file__).resolve().parents[3] / "shared" / "kpi-catalogue.md"


def _times(stem: str) -> tuple[str, ...]:
    return f"{stem}_seconds", f"{stem}_p50_seconds", f"{stem}_p90_seconds"


# row of the list → KPIs
ROWS: dict[str, tuple[str, ...]] = {
    # activity
    "calls, emails, activities per rep": ("calls", "emails_sent", "messages_sent", "meetings_held", "activities"),
    "contacts per period and channel": ("contacts_touched",),
    "onboarding and demo calls": ("onboarding_meetings", "demo_meetings"),
    "virtual meetings, webinar attendance": (
        *("video_meetings", "webinar_registrations", "webinar_attendances", "webinar_attendance_ratio"),
    ),
    "rep productivity": ("activities_per_rep", "deals_won_per_rep", "revenue_eur_per_rep"),
    "research-to-reaction rate": ("research_seconds", "research_reactions_per_hour"),
    # e-mail and outreach
    "open rate": ("email_open_ratio", "email_machine_opens"),
    "response rate": ("email_response_ratio",),
    "click-through rate": ("email_click_ratio", "email_machine_clicks"),
    "bounce rate": ("email_bounce_ratio",),
    "LinkedIn / message response rate": ("message_response_ratio",),
    "time to first response": _times("email_response"),
    # pipeline and deals
    "opportunities": ("deals_created", "open_deals"),
    "pipeline value": ("pipeline_value_eur", "pipeline_weighted_eur"),
    "pipeline growth": ("pipeline_growth_ratio",),
    "win rate": ("win_ratio", "deals_lost"),
    "closing rate": ("closing_ratio",),
    "average deal size / purchase value / order value": ("deal_size_eur", "purchase_value_eur", "order_value_eur"),
    "sales cycle length": _times("sales_cycle"),
    "time in stage": _times("stage_dwell"),
    "stage conversion": ("stage_conversion_ratio",),
    "pipeline velocity": ("pipeline_velocity_eur_per_day",),
    "quote-to-close": ("quote_close_ratio",),
    "deals closed": ("deals_won",),
    # leads and partners
    "leads per funnel stage": ("lead_stage_entries", "leads_mql", "leads_sal", "leads_sql"),
    "lead conversion rate": ("leads_created", "lead_conversion_ratio", *_times("lead_touch")),
    "cost per lead": ("cost_per_lead_eur",),
    "acceptance time (Annahmedauer)": (
        *("leads_offered", "leads_accepted", "lead_acceptance_ratio", "lead_acceptance_hour_ratio"),
        *_times("lead_acceptance"),
    ),
    "contact time (Kontaktaufnahmedauer)": ("lead_contact_hour_ratio", *_times("lead_contact")),
    "handling time (Bearbeitungszeit)": ("lead_handling_hour_ratio", *_times("lead_handling")),
    "feedback rate (Feedbackquote)": ("lead_feedback_ratio",),
    "partner conversion rate": ("partner_conversion_ratio",),
    "escalation": ("leads_escalated",),
    # revenue and customers
    "revenue; by region, product, team, rep": ("revenue_eur", "orders"),
    "sales growth": ("revenue_growth_ratio",),
    "revenue per rep": ("revenue_eur_per_rep",),
    "profit margin": ("gross_margin_ratio", "net_margin_ratio"),
    "target attainment": ("revenue_attainment_ratio",),
    "CAC / CPA": ("cac_eur", "costs_eur", "new_customers"),
    "MRR": ("mrr_eur", "arr_eur", "customers"),
    "ARPA": ("arpa_eur",),
    "retention rate": ("retention_ratio",),
    "churn rate": ("churn_ratio", "revenue_churn_ratio"),
    "CLV / LTV": ("clv_eur",),
    "repurchase rate": ("repurchase_ratio", *_times("order_gap")),
    "return rate": ("return_ratio",),
    "NPS": ("nps_points",),
    "CSAT": ("csat_points", "csat_satisfied_ratio"),
    "employee satisfaction": ("enps_points",),
    "account engagement (ABM)": ("account_engagement_points",),
    "website visits, CTR, online leads": (
        *("web_visits", "web_impressions", "web_clicks", "web_click_ratio", "online_leads"),
    ),
}


def rows(text: str) -> list[str]:
    """First cells of all rows of the tables, headings apart."""
    cells = [line.split("|")[1].strip().strip("*") for line in text.splitlines() if line.startswith("|")]
    return [cell for cell in cells if cell != "KPI" and set(cell) != {"-"}]


def test_every_row_of_the_list_has_an_entry() -> None:
    if not LIST.is_file():
        pytest.skip("shared data not present: the list that the KPIs were collected in")
    found = rows(LIST.read_text(encoding="utf-8"))
    assert len(found) > 40
    assert set(found) - set(ROWS) == set()
    assert set(ROWS) - set(found) == set()


def test_rows_are_read_from_tables() -> None:
    text = "# T\n\n| KPI | formula |\n|---|---|\n| open rate | a / b |\n| **velocity** | x |\n- no | row |\n"
    assert rows(text) == ["open rate", "velocity"]


@pytest.mark.parametrize("row", ROWS)
def test_every_kpi_of_a_row_is_there(row: str) -> None:
    assert set(ROWS[row]) - {kpi.name for kpi in catalogue().kpis} == set()


def test_every_kpi_belongs_to_a_row() -> None:
    assert {kpi.name for kpi in catalogue().kpis} - {kpi for kpis in ROWS.values() for kpi in kpis} == set()
