"""Boards about a part of the business: funnel and pipeline, outreach, partners, revenue and customers."""

from __future__ import annotations

from collections.abc import Sequence

from streamproc.generate import boards, queries, tiles
from streamproc.generate.boards import Board, Row
from streamproc.generate.dashboard_texts import Words
from streamproc.generate.panels import Column, Link, Panel, Text, band_look, chart, look_of, rows
from streamproc.generate.queries import COMPANY, Group, Query
from streamproc.kpis.catalogue.judgement import LIMITS_WINDOW
from streamproc.kpis.views import views

WINDOW = "$window"
TEAMS, PARTNERS = Group("team", "~$team"), Group("partner", "~$partner")
STAGES, CAMPAIGNS, REGIONS, PRODUCTS = (Group(scope) for scope in ("deal_stage", "campaign", "region", "product"))


def details(words: Words) -> list[Board]:
    """All of them."""
    return [funnel(words), outreach(words), partners(words), revenue(words)]


def funnel(words: Words) -> Board:
    """From the lead to the deal won."""
    stages = ("leads_created", "leads_mql", "leads_sal", "leads_sql", "deals_created", "deals_won")
    text = Text(
        words("Funnel", "Trichter"),
        words(
            "What happened in the window, each at its own time: not one cohort.",
            "Was im Zeitraum geschah, jedes zu seiner Zeit: keine Kohorte.",
        ),
    )
    return Board(
        name="kpi-funnel",
        title=words("Funnel and pipeline", "Trichter und Pipeline"),
        about=words(
            "How leads become deals, how deals move, and where they get stuck.",
            "Wie aus Leads Deals werden, wie Deals vorankommen und wo sie stecken bleiben.",
        ),
        tags=("kpi", "wall"),
        variables=[boards.region(words), boards.team(words, several=True), boards.window(words, "90d")],
        rows=[
            _tiles(words, "lead_conversion_ratio", "quote_close_ratio", "win_ratio", "sales_cycle_seconds"),
            boards.evenly(9, [tiles.as_bars(words, text, stages, COMPANY, WINDOW),
                              tiles.by_member(words, "open_deals", WINDOW, STAGES),
                              tiles.by_member(words, "win_ratio", WINDOW, TEAMS, _to_team(words))]),
            _tiles(words, "pipeline_value_eur", "pipeline_weighted_eur", "pipeline_velocity_eur_per_day",
                   "pipeline_growth_ratio"),
            boards.evenly(6, [tiles.by_member(words, "stage_conversion_ratio", WINDOW, STAGES),
                              tiles.by_member(words, "stage_dwell_p50_seconds", WINDOW, STAGES)]),
        ],
    )  # fmt: skip


def outreach(words: Words) -> Board:
    """E-mails, messages, calls and meetings, and how they are answered."""
    ratios = ("email_open_ratio", "email_response_ratio", "email_click_ratio", "email_bounce_ratio")
    text = Text(
        words("Rates over time", "Raten im Zeitverlauf"),
        words("Each by the time that the e-mail was sent.", "Jeweils nach der Zeit des Versands."),
    )
    done = ("calls", "emails_sent", "messages_sent", "meetings_held")
    activity = Text(
        words("Activities by kind", "Aktivitäten nach Art"),
        words("Done in the window.", "Im Zeitraum."),
    )
    return Board(
        name="kpi-outreach",
        title=words("E-mail and outreach", "E-Mail und Ansprache"),
        about=words("What we send, and how it is answered.", "Was wir senden und wie darauf geantwortet wird."),
        variables=[boards.region(words), boards.team(words, several=True), boards.window(words, "30d")],
        rows=[
            _tiles(words, *ratios),
            _tiles(words, "email_response_seconds", "message_response_ratio", "contacts_touched", "meetings_held"),
            boards.evenly(8, [tiles.by_member(words, "email_response_ratio", WINDOW, CAMPAIGNS),
                              tiles.by_member(words, "email_response_ratio", WINDOW, TEAMS, _to_team(words))]),
            boards.evenly(7, [_lines(words, text, ratios), tiles.as_bars(words, activity, done, COMPANY, WINDOW)]),
        ],
    )  # fmt: skip


def partners(words: Words) -> Board:
    """How partners take up leads, with the articles' limits."""
    view = views()["partner_manager"]
    found = [tiles.tile(words, *headline) for headline in view.headlines]
    limited = ("lead_acceptance_seconds", "lead_contact_seconds", "lead_feedback_ratio")
    return Board(
        name="kpi-partners",
        title=words(view.title_en, view.title_de),
        about=words(view.means_en, view.means_de),
        tags=("kpi", "wall"),
        variables=[boards.partner(words)],
        rows=[
            boards.evenly(6, found[:4]),
            boards.evenly(6, found[4:8]),
            Row(6, [(6, found[8]), (18, _by_partner(words))]),
            boards.evenly(9, [_with_limit(words, name) for name in limited]),
        ],
    )


def _by_partner(words: Words) -> Panel:
    """A row for each partner, in the window of the limits."""
    shown = ("leads_offered", "lead_acceptance_ratio", "lead_acceptance_seconds", "lead_contact_seconds",
             "lead_feedback_ratio", "partner_conversion_ratio")  # fmt: skip
    columns = []
    for name in shown:
        kpi = words.catalogue[name]
        expr = f"max by (partner) ({queries.value(kpi, PARTNERS, LIMITS_WINDOW)})"
        columns.append(Column(words.title(kpi), expr, look_of(kpi)))
    worst = " or ".join(queries.beside("band", words.catalogue[name], PARTNERS, LIMITS_WINDOW) for name in shown[2:5])
    look = band_look(words.bands())
    columns.append(Column(words("Limits", "Grenzen"), f"max by (partner) ({worst})", look))
    text = Text(
        words(f"Partners, {words.window(LIMITS_WINDOW)}", f"Partner, {words.window(LIMITS_WINDOW)}"),
        words(
            "The last column is the worst band of acceptance time, contact time and feedback.",
            "Die letzte Spalte ist das schlechteste Band von Annahmedauer, Kontaktaufnahmedauer und Feedbackquote.",
        ),
    )
    return rows(text, "partner", columns, {"partner": words("Partner", "Partner")})


def _with_limit(words: Words, name: str) -> Panel:
    """A KPI by partner over time, with the limits that hold for partners."""
    kpi = words.catalogue[name]
    limits = queries.limits(kpi, Group("partner"), LIMITS_WINDOW, words.bands())
    lines = [
        Query(queries.value(kpi, PARTNERS, LIMITS_WINDOW), "{{partner}}", instant=False),
        Query(limits, words("Limit: {{mark}}", "Grenze: {{mark}}"), instant=False),
    ]
    text = tiles.about(words, kpi)
    title = f"{text.title}, {words.window(LIMITS_WINDOW)}"
    return chart(Text(title, text.about), lines, look_of(kpi), limits=[1])


def revenue(words: Words) -> Board:
    """Money and customers."""
    satisfaction = ("nps_points", "csat_points")
    text = Text(
        words("Satisfaction", "Zufriedenheit"),
        words("Net promoter score (-100 to 100) and satisfaction (up to 5).",
              "Weiterempfehlung (-100 bis 100) und Zufriedenheit (bis 5)."),
    )  # fmt: skip
    return Board(
        name="kpi-revenue",
        title=words("Revenue and customers", "Umsatz und Kunden"),
        about=words("What comes in, what is left of it, and who stays.", "Was hereinkommt, was bleibt und wer bleibt."),
        tags=("kpi", "wall"),
        variables=[boards.region(words), boards.team(words, several=True), boards.window(words, "quarter")],
        rows=[
            _tiles(words, "revenue_eur", "revenue_growth_ratio", "gross_margin_ratio", "net_margin_ratio"),
            _tiles(words, "new_customers", "deal_size_eur", "order_value_eur", "cac_eur"),
            _tiles(words, "mrr_eur", "arpa_eur", "retention_ratio", "revenue_churn_ratio"),
            boards.evenly(9, [tiles.by_member(words, "revenue_eur", WINDOW, TEAMS, _to_team(words)),
                              tiles.by_member(words, "revenue_eur", WINDOW, REGIONS),
                              tiles.by_member(words, "revenue_eur", WINDOW, PRODUCTS),
                              tiles.as_bars(words, text, satisfaction, COMPANY, WINDOW)]),
        ],
    )  # fmt: skip


def _to_team(words: Words) -> Link:
    return boards.to_board(words, "kpi-team", words("Team", "Team"), team="${__field.labels.team}")


def _tiles(words: Words, *names: str) -> Row:
    return boards.evenly(6, [tiles.tile(words, name, WINDOW) for name in names])


def _lines(words: Words, text: Text, names: Sequence[str]) -> Panel:
    """KPIs of the company over time."""
    kpis = [words.catalogue[name] for name in names]
    lines = [Query(queries.value(kpi, COMPANY, WINDOW), words.title(kpi), instant=False) for kpi in kpis]
    return chart(text, lines, look_of(kpis[0]))
