"""The walls of the company, a team and a rep, which lead to each other, and their short forms for the phone."""

from __future__ import annotations

from streamproc.generate import boards, queries, tiles
from streamproc.generate.boards import Board, Row, to_board
from streamproc.generate.dashboard_texts import Words
from streamproc.generate.names import ROSTER
from streamproc.generate.panels import Column, Panel, Text, chart, look_of, rows
from streamproc.generate.queries import COMPANY, Group, Query
from streamproc.kpis.views import views

TEAM, REP = Group("team", "$team"), Group("rep", "$rep")
PERIOD = "$period"
MOBILE = {  # at most 6 with what tells how old the data are; windows are those of the views
    "head_of_sales": ("revenue_eur", "revenue_attainment_ratio", "pipeline_weighted_eur", "win_ratio", "mrr_eur"),
    "team_lead": ("activities", "email_response_ratio", "win_ratio", "pipeline_value_eur", "revenue_eur"),
    "rep": ("activities", "meetings_held", "email_response_ratio", "open_deals", "revenue_eur"),
    "partner_manager": (
        "leads_escalated", "lead_acceptance_p50_seconds", "lead_acceptance_hour_ratio", "lead_contact_hour_ratio",
        "lead_feedback_ratio",
    ),
}  # fmt: skip


def wall(words: Words) -> Board:
    """The company on one screen."""
    view = views()["head_of_sales"]
    found = [tiles.tile(words, *headline) for headline in view.headlines]
    to_team = to_board(words, "kpi-team", words("Team", "Team"), team="${__field.labels.team}")
    member = {"team": "${__field.labels.team}", "rep": "${__field.labels.rep}"}
    to_rep = to_board(words, "kpi-rep", words("Rep", "Person"), **member)
    third = [
        *found[8:],
        tiles.pace(words, COMPANY, PERIOD),
        tiles.attainment(words, Group("region"), PERIOD),
    ]
    head = [
        tiles.data_as_of(words),
        tiles.elapsed(words, PERIOD),
        tiles.countdown(words, PERIOD),
        tiles.firing(words),
    ]
    return Board(
        name="kpi-wall",
        title=words(view.title_en, view.title_de),
        about=words(view.means_en, view.means_de),
        tags=("kpi", "wall"),
        variables=[boards.period(words)],
        rows=[
            boards.evenly(3, head),
            boards.evenly(6, found[:4]),
            boards.evenly(6, found[4:8]),
            boards.evenly(6, third),
            boards.evenly(6, [tiles.attainment(words, Group("team"), PERIOD, to_team),
                              tiles.attainment(words, Group("rep"), PERIOD, to_rep)]),
        ],
    )  # fmt: skip


def team(words: Words) -> Board:
    """One team: its KPIs and its people."""
    view = views()["team_lead"]
    found = [tiles.tile(words, *headline, TEAM) for headline in view.headlines]
    third = [*found[8:], tiles.pace(words, TEAM, PERIOD), tiles.firing(words, team="$team")]
    return Board(
        name="kpi-team",
        title=words(view.title_en, view.title_de),
        about=words(view.means_en, view.means_de),
        variables=[boards.region(words), boards.team(words), boards.period(words, "month")],
        rows=[
            boards.evenly(6, found[:4]),
            boards.evenly(6, found[4:8]),
            boards.evenly(6, third),
            Row(9, [(14, _people(words)), (10, tiles.revenue_and_target(words, TEAM, PERIOD))]),
        ],
    )


def _people(words: Words) -> Panel:
    """A team's reps: the first column has the names, for the others are joined by rep."""
    link = to_board(words, "kpi-rep", words("Rep", "Person"), team="$team", rep="${__data.fields.rep}")
    shown = (
        ("revenue_eur", PERIOD), ("activities", "week"), ("win_ratio", "90d"), ("email_response_ratio", "30d"),
        ("pipeline_value_eur", None),
    )  # fmt: skip
    columns: list[Column] = []
    for name, window in shown:
        kpi = words.catalogue[name]
        members = queries.select(ROSTER, team="$team")
        expr = f"max by (rep) ({queries.value(kpi, Group('rep'), window)}) and on (rep) {members}"
        title = f"{words.title(kpi)}, {words.window(queries.window_of(kpi, window))}"
        columns.append(Column(title, expr if columns else queries.named(expr), look_of(kpi)))
    text = Text(
        words("People", "Personen"),
        words("Each rep of the team; a click leads to their board.", "Alle im Team; ein Klick führt zu ihrer Seite."),
    )
    return rows(text, "rep", columns, {"who": words("Name", "Name"), "rep": words("Id", "Kennung")}, link)


def rep(words: Words) -> Board:
    """One rep beside the team."""
    view = views()["rep"]
    found = [tiles.tile(words, *headline, REP, rep_beside_team=True) for headline in view.headlines]
    third = [*found[8:], tiles.pace(words, REP, PERIOD), _activity(words)]
    return Board(
        name="kpi-rep",
        title=words(view.title_en, view.title_de),
        about=words(view.means_en, view.means_de),
        variables=[
            boards.region(words),
            boards.team(words, several=True),
            boards.rep(words),
            boards.period(words, "month"),
        ],
        rows=[
            boards.evenly(6, found[:4]),
            boards.evenly(6, found[4:8]),
            boards.evenly(6, third),
            boards.evenly(9, [tiles.revenue_and_target(words, REP, PERIOD), _day(words)]),
        ],
    )


def _activity(words: Words) -> Panel:
    text = Text(
        words("Activities by kind, this week", "Aktivitäten nach Art, diese Woche"),
        words("What the activities are made of.", "Woraus die Aktivitäten bestehen."),
    )
    kinds = ("calls", "emails_sent", "meetings_held", "messages_sent")
    return tiles.as_bars(words, text, kinds, REP, "week")


def _day(words: Words) -> Panel:
    kpi, about = words.catalogue["activities"], tiles.about(words, words.catalogue["activities"])
    lines = [Query(queries.value(kpi, REP, window), words.window(window), instant=False) for window in ("today", "24h")]
    return chart(Text(words("My activities", "Meine Aktivitäten"), about.about), lines, look_of(kpi))


def mobiles(words: Words) -> list[Board]:
    """Short forms for the phone: one column."""
    place = {
        "head_of_sales": ("kpi-mobile-wall", COMPANY, []),
        "team_lead": ("kpi-mobile-team", TEAM, [boards.region(words), boards.team(words)]),
        "rep": ("kpi-mobile-rep", REP, [boards.region(words), boards.team(words, several=True), boards.rep(words)]),
        "partner_manager": ("kpi-mobile-partners", COMPANY, []),
    }
    found = []
    for role, (name, group, variables) in place.items():
        view = views()[role]
        windows = {headline.kpi: headline.window for headline in view.headlines}
        shown = [tiles.tile(words, kpi, windows[kpi], group, role == "rep") for kpi in MOBILE[role]]
        found.append(
            Board(
                name=name,
                title=words(f"{view.title_en} (phone)", f"{view.title_de} (Telefon)"),
                about=words(view.means_en, view.means_de),
                tags=("kpi", "mobile"),
                variables=variables,
                rows=[boards.evenly(6, [panel]) for panel in (*shown, tiles.data_as_of(words))],
            )
        )
    return found
