"""The formula of every KPI: from sums of a group and window to value, numerator, denominator and n."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from oracle.reading import Reference
from oracle.totals import NOW, Stock, Sums
from oracle.windows import DAY

MONEY = 10_000  # units of money
CHURN_DAYS = 30.4375  # of a month
ACTIVITIES = ("call", "email_sent", "meeting_held", "message_sent")
SOLD = ("deal_won", "order")
DIRECT = ("deal_cost", "order_cost")
POINTS = {  # a connected call: 3 in all
    "call": 1, "call_connected": 2, "meeting_held": 5, "email_sent": 1, "email_opened": 1, "email_clicked": 2,
    "email_replied": 4, "message_sent": 1, "message_replied": 4, "webinar_attended": 4,
}  # fmt: skip
DURATIONS = (
    "email_response", "sales_cycle", "stage_dwell", "lead_touch", "lead_acceptance", "lead_contact", "lead_handling",
    "order_gap",
)  # fmt: skip
ACQUISITION = ("cost_campaign", "cost_sales", "cost_marketing")


class Row(NamedTuple):
    value: float | None
    numerator: float | None
    denominator: float | None
    n: int


class Cell(NamedTuple):
    """One group in one window; for levels the window is `all`."""

    sums: Sums
    group: str
    window: str
    reps: int  # active ones at the time asked for
    settings: Reference

    def n(self, *names: str, before: bool = False) -> int:
        """Number of facts; `before`: in the window before this one."""
        return sum(self._counted(name, before)[0] for name in names)

    def amount(self, *names: str, before: bool = False) -> int:
        return sum(int(self._counted(name, before)[1]) for name in names)

    def _counted(self, name: str, before: bool) -> tuple[int, int]:
        return self.sums.counts.get((name, self.group, self.window, before), (0, 0))

    def now(self, name: str) -> Stock:
        return self.sums.stocks.get((name, self.group, NOW), Stock())

    def then(self, name: str) -> Stock:
        """What was there at the window's start."""
        return self.sums.stocks.get((name, self.group, self.window), Stock())

    def target(self, kpi: str) -> float | None:
        return self.settings.target(kpi, self.group, self.window, self.sums.at_ms)


class Formula(NamedTuple):
    """`reads`: the facts and periods that make a series exist."""

    reads: tuple[str, ...]
    row: Callable[[Cell], Row]
    windowed: bool = True


def formulas(currency: str) -> dict[str, Formula]:
    """By name of the KPI."""
    found = _counts() | _shares() | _durations() | _activity() | _levels()
    money = _money() | _revenue(f"revenue_{currency.lower()}") | _customers()
    return found | {name.replace("CUR", currency.lower()): formula for name, formula in money.items()}


# --- kinds -----------------------------------------------------------------------------------------------------------


def count(*facts: str) -> Formula:
    def row(cell: Cell) -> Row:
        n = cell.n(*facts)
        return Row(n, n, None, n)

    return Formula(facts, row)


def total(fact: str) -> Formula:
    """Facts that stand for so many."""

    def row(cell: Cell) -> Row:
        n = cell.amount(fact)
        return Row(n, n, None, n)

    return Formula((fact,), row)


def share(part: str, *whole: str) -> Formula:
    return Formula((part, *whole), lambda cell: quotient(cell.n(part), n := cell.n(*whole), n))


def quotient(numerator: float, denominator: float, n: int) -> Row:
    return Row(numerator / denominator if denominator else None, numerator, denominator, n)


def money(*facts: str) -> Formula:
    def row(cell: Cell) -> Row:
        amount = cell.amount(*facts) / MONEY
        return Row(amount, amount, None, cell.n(*facts))

    return Formula(facts, row)


def money_per(facts: tuple[str, ...], *per: str) -> Formula:
    """Money for each of something."""
    return Formula((*facts, *per), lambda cell: quotient(cell.amount(*facts) / MONEY, n := cell.n(*per), n))


def money_ratio(row: Callable[[Cell], tuple[int, int, int]], *reads: str) -> Formula:
    """From numerator and denominator (units of money) and n."""

    def of(cell: Cell) -> Row:
        numerator, denominator, n = row(cell)
        value = numerator / denominator if denominator else None
        return Row(value, numerator / MONEY, denominator / MONEY, n)

    return Formula(reads, of)


def level(name: str, value: Callable[[Stock], float]) -> Formula:
    def row(cell: Cell) -> Row:
        stock = cell.now(name)
        return Row(value(stock), value(stock), None, stock.count)

    return Formula((name,), row, windowed=False)


# --- the KPIs --------------------------------------------------------------------------------------------------------


def _counts() -> dict[str, Formula]:
    of = {
        "calls": "call", "emails_sent": "email_sent", "meetings_held": "meeting_held", "messages_sent": "message_sent",
        "demo_meetings": "meeting_demo", "onboarding_meetings": "meeting_onboarding", "video_meetings": "meeting_video",
        "webinar_registrations": "webinar_registered", "webinar_attendances": "webinar_attended",
        "email_machine_opens": "email_machine_opened", "email_machine_clicks": "email_machine_clicked",
        "deals_created": "deal_created", "deals_won": "deal_won", "deals_lost": "deal_lost",
        "leads_created": "lead_created", "online_leads": "lead_online", "lead_stage_entries": "lead_entered",
        "leads_mql": "lead_mql", "leads_sal": "lead_sal", "leads_sql": "lead_sql",
        "leads_offered": "lead_offered", "leads_accepted": "lead_accepted",
        "orders": "order", "new_customers": "new_customer",
    }  # fmt: skip
    sums = {"web_visits": "web_visited", "web_impressions": "web_impression", "web_clicks": "web_clicked"}
    return (
        {"activities": count(*ACTIVITIES)}
        | {kpi: count(fact) for kpi, fact in of.items()}
        | {kpi: total(fact) for kpi, fact in sums.items()}
    )


def _shares() -> dict[str, Formula]:
    return {
        "email_open_ratio": share("email_opened", "email_reached"),
        "email_response_ratio": share("email_replied", "email_reached"),
        "email_click_ratio": share("email_clicked", "email_reached"),
        "email_bounce_ratio": share("email_bounced", "email_sent"),
        "message_response_ratio": share("message_replied", "message_sent"),
        "webinar_attendance_ratio": share("webinar_registered_attended", "webinar_registered"),
        "win_ratio": share("deal_won", "deal_won", "deal_lost"),
        "closing_ratio": share("deal_won", "call_connected", "meeting_held"),
        "quote_close_ratio": share("deal_quoted_won", "deal_quoted"),
        "stage_conversion_ratio": share("stage_advanced", "stage_entered"),
        "lead_conversion_ratio": share("lead_created_converted", "lead_created"),
        "lead_acceptance_ratio": share("lead_offered_accepted", "lead_offered"),
        "lead_acceptance_hour_ratio": share("lead_acceptance_hour", "lead_acceptance"),
        "lead_contact_hour_ratio": share("lead_contact_hour", "lead_contact"),
        "lead_handling_hour_ratio": share("lead_handling_hour", "lead_handling"),
        "lead_feedback_ratio": share("lead_accepted_feedback", "lead_accepted"),
        "partner_conversion_ratio": share("lead_accepted_won", "lead_accepted"),
        "return_ratio": share("order_returned", "order"),
        "repurchase_ratio": share("first_order_repeated", "first_order"),
        "csat_satisfied_ratio": share("csat_satisfied", "csat"),
    }


def _durations() -> dict[str, Formula]:
    def mean(fact: str) -> Formula:
        return Formula((fact,), lambda cell: quotient(cell.amount(fact) / 1000, n := cell.n(fact), n))

    def quantile(fact: str, index: int) -> Formula:
        def row(cell: Cell) -> Row:
            found = cell.sums.durations.get((fact, cell.group, cell.window))
            return Row(found and found[index] / 1000, None, None, cell.n(fact))

        return Formula((fact,), row)

    found = {f"{fact}_seconds": mean(fact) for fact in DURATIONS}
    for index, percent in enumerate((50, 90)):
        found |= {f"{fact}_p{percent}_seconds": quantile(fact, index) for fact in DURATIONS}
    return found


def _activity() -> dict[str, Formula]:
    def contacts(cell: Cell) -> Row:
        n = cell.sums.identities.get(("contact_touched", cell.group, cell.window), 0)
        return Row(n, n, None, n)

    def points(cell: Cell) -> Row:
        found = sum(weight * cell.n(fact) for fact, weight in POINTS.items())
        return Row(found, found, None, found)

    def research(cell: Cell) -> Row:
        seconds = cell.amount("research") / 1000
        return Row(seconds, seconds, None, cell.n("research"))

    def reactions(cell: Cell) -> Row:
        return quotient(n := cell.n("reply"), cell.amount("research") / 3_600_000, n)

    def promoters(survey: str) -> Formula:
        def row(cell: Cell) -> Row:
            found = quotient(cell.amount(survey), n := cell.n(survey), n)
            return found._replace(value=None if found.value is None else 100 * found.value)

        return Formula((survey,), row)

    def per_rep(*facts: str) -> Formula:
        return Formula(facts, lambda cell: quotient(cell.n(*facts), cell.reps, cell.reps))

    return {
        "contacts_touched": Formula(("contact_touched",), contacts),
        "account_engagement_points": Formula(tuple(POINTS), points),
        "research_seconds": Formula(("research",), research),
        "research_reactions_per_hour": Formula(("reply", "research"), reactions),
        "activities_per_rep": per_rep(*ACTIVITIES),
        "deals_won_per_rep": per_rep("deal_won"),
        "nps_points": promoters("nps"),
        "enps_points": promoters("enps"),
        "csat_points": money_per(("csat",), "csat"),  # points are in 1/10,000, too
        "web_click_ratio": Formula(
            ("web_clicked", "web_impression"),
            lambda cell: quotient(cell.amount("web_clicked"), n := cell.amount("web_impression"), n),
        ),
    }


def _levels() -> dict[str, Formula]:
    return {
        "open_deals": level("deal", lambda stock: stock.count),
        "leads_escalated": level("escalated", lambda stock: stock.count),
        "customers": level("customer", lambda stock: stock.count),
    }


def _money() -> dict[str, Formula]:
    def velocity(cell: Cell) -> Row:
        won, lost, cycles = cell.n("deal_won"), cell.n("deal_lost"), cell.n("sales_cycle")
        cycle_ms = cell.amount("sales_cycle")
        if not won or not cycle_ms:
            return Row(None, None, None, won + lost)
        size = cell.amount("deal_won") / MONEY / won
        a_cycle = cell.now("deal").qualified * (won / (won + lost)) * size
        days = cycle_ms / cycles / DAY
        return Row(a_cycle / days, a_cycle, days, won + lost)

    def growth(cell: Cell) -> tuple[int, int, int]:
        now, then = cell.now("deal"), cell.then("deal")
        return now.amount - then.amount, then.amount, now.count

    def per_rep(cell: Cell) -> Row:
        return quotient(cell.amount(*SOLD) / MONEY, cell.reps, cell.reps)

    return {
        "pipeline_value_CUR": level("deal", lambda stock: stock.amount / MONEY),
        "pipeline_weighted_CUR": level("deal", lambda stock: stock.weighted / MONEY),
        "pipeline_growth_ratio": money_ratio(growth, "deal"),
        "pipeline_velocity_CUR_per_day": Formula(("deal_won", "deal_lost", "deal"), velocity),
        "deal_size_CUR": money_per(("deal_won",), "deal_won"),
        "order_value_CUR": money_per(("order",), "order"),
        "purchase_value_CUR": money_per(SOLD, *SOLD),
        "revenue_CUR": money(*SOLD),
        "revenue_CUR_per_rep": Formula(SOLD, per_rep),
        "costs_CUR": money("cost"),
        "cost_per_lead_CUR": money_per(("cost_campaign",), "lead_created"),
        "cac_CUR": money_per(ACQUISITION, "new_customer"),
    }


def _revenue(revenue: str) -> dict[str, Formula]:
    def growth(cell: Cell) -> tuple[int, int, int]:
        then = cell.amount(*SOLD, before=True)
        return cell.amount(*SOLD) - then, then, cell.n(*SOLD) + cell.n(*SOLD, before=True)

    def margin(*costs: str) -> Formula:
        def row(cell: Cell) -> tuple[int, int, int]:
            sold = cell.amount(*SOLD)
            return sold - cell.amount(*costs), sold, cell.n(*SOLD)

        return money_ratio(row, *SOLD, *costs)

    def attainment(cell: Cell) -> Row:
        sold, target = cell.amount(*SOLD) / MONEY, cell.target(revenue)
        return Row(sold / target if target else None, sold, target, cell.n(*SOLD))

    return {
        "revenue_growth_ratio": money_ratio(growth, *SOLD),
        "gross_margin_ratio": margin(*DIRECT),
        "net_margin_ratio": margin(*DIRECT, "cost"),
        "revenue_attainment_ratio": Formula(SOLD, attainment),
    }


def _customers() -> dict[str, Formula]:
    def arpa(cell: Cell) -> Row:
        return quotient(cell.now("subscription").amount / MONEY, n := cell.now("customer").count, n)

    def retention(cell: Cell) -> Row:
        then = cell.then("customer")
        return quotient(then.stay, then.count, then.count)

    def churn(cell: Cell) -> Row:
        then = cell.then("customer")
        return quotient(then.count - then.stay, then.count, then.count)

    def revenue_churn(cell: Cell) -> tuple[int, int, int]:
        then = cell.then("subscription")
        return then.amount_leaving, then.amount, cell.then("customer").count

    def value(cell: Cell) -> Row:
        customers, then, sold = cell.now("customer").count, cell.then("customer"), cell.amount(*SOLD)
        if not (customers and sold and then.count - then.stay):
            return Row(None, None, None, then.count)
        mrr = cell.now("subscription").amount / MONEY
        yields = mrr / customers * ((sold - cell.amount(*DIRECT)) / sold)
        months = (cell.sums.at_ms - cell.sums.spans[cell.window].start_ms) / (CHURN_DAYS * DAY)
        monthly = (then.count - then.stay) / then.count / months
        return Row(yields / monthly, yields, monthly, then.count)

    both = ("customer", "subscription")
    return {
        "mrr_CUR": level("subscription", lambda stock: stock.amount / MONEY),
        "arr_CUR": level("subscription", lambda stock: 12 * stock.amount / MONEY),
        "arpa_CUR": Formula(both, arpa, windowed=False),
        "retention_ratio": Formula(("customer",), retention),
        "churn_ratio": Formula(("customer",), churn),
        "revenue_churn_ratio": money_ratio(revenue_churn, *both),
        "clv_CUR": Formula((*both, *SOLD, *DIRECT), value),
    }
