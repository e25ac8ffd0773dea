"""Revenue KPIs: deals and orders, margins, growth, costs, and results per rep."""

from collections.abc import Callable

from streamproc.kpis.catalogue.activity import ACTIVITY
from streamproc.kpis.catalogue.pipeline import GROUPS
from streamproc.kpis.kpi import MONEY, Count, Derived, Growth, Kpi, Mean, Parts, Ratio, Sum, Totals, added

REVENUE = ("revenue", "order_revenue")
SALES = ("deal_won", "order_placed")
DIRECT_COSTS = ("deal_cost", "order_cost")
ACQUISITION = ("cost_campaign", "cost_sales", "cost_marketing")
COSTS = (*ACQUISITION, "cost_other")
PER_REP = ("team", "region")


def margin(now: Totals, costs: tuple[str, ...]) -> Parts:
    """What is left of revenue after costs, as a share of it; undefined without revenue."""
    revenue = added(now.window, REVENUE)
    left = revenue - added(now.window, costs)
    return Parts(left / revenue if revenue else None, left / MONEY, revenue / MONEY, added(now.window, SALES))


def gross_margin(now: Totals) -> Parts:
    return margin(now, DIRECT_COSTS)


def net_margin(now: Totals) -> Parts:
    return margin(now, (*DIRECT_COSTS, *COSTS))


def attainment(now: Totals) -> Parts:
    """Revenue as a share of its target; undefined without one, or where it is 0."""
    revenue = added(now.window, REVENUE) / MONEY
    return Parts(revenue / now.target if now.target else None, revenue, now.target, added(now.window, SALES))


def cost_per(thing: str, costs: tuple[str, ...]) -> Callable[[Totals], Parts]:
    """Money per thing; undefined without one."""

    def compute(now: Totals) -> Parts:
        money, things = added(now.window, costs) / MONEY, now.window.get(thing, 0)
        return Parts(money / things if things else None, money, things, things)

    return compute


def recorded(costs: tuple[str, ...]) -> tuple[str, ...]:
    """Facts that count the records of costs: they are there where costs come to 0."""
    return tuple(f"{fact}_recorded" for fact in costs)


def per_rep(facts: tuple[str, ...], scale: int = 1) -> Callable[[Totals], Parts]:
    """Sum of facts over the number of active reps; undefined without any."""

    def compute(now: Totals) -> Parts:
        total = added(now.window, facts)
        amount = total / scale if scale != 1 else total
        return Parts(amount / now.reps if now.reps else None, amount, now.reps, now.reps)

    return compute


KPIS: tuple[Kpi, ...] = (
    Count(
        name="orders",
        title_en="Orders",
        title_de="Bestellungen",
        means="Orders placed, each once, at its earliest placing.",
        formula="n(orders)",
        events=("order.placed",),
        source="A, B, C9",
        of=("order_placed",),
        by=GROUPS,
    ),
    Ratio(
        name="return_ratio",
        title_en="Return rate",
        title_de="Retourenquote",
        means="Share of orders that were returned. Each order counts once, at its placing, whenever it was returned.",
        formula="n(orders returned) / n(orders)",
        events=("order.placed", "order.returned"),
        source="A",
        part="order_returned",
        whole=("order_placed",),
        by=GROUPS,
    ),
    Growth(
        name="revenue_growth_ratio",
        title_en="Revenue growth",
        title_de="Umsatzwachstum",
        means="Change of revenue against the window before, as a share of what it was then.",
        formula="(revenue - revenue of the window before) / revenue of the window before",
        events=("deal.won", "order.placed"),
        source="A, C1",
        total=REVENUE,
        count=SALES,
        by=GROUPS,
    ),
    Derived(
        name="gross_margin_ratio",
        title_en="Gross margin",
        title_de="Bruttomarge",
        means="Share of revenue left after the direct costs of the deals won and orders placed; may be negative.",
        formula="(revenue - direct costs) / revenue",
        events=("deal.won", "order.placed"),
        source="B, C2",
        of=(*REVENUE, *DIRECT_COSTS, *SALES),
        compute=gross_margin,
        unit="ratio",
        by=GROUPS,
    ),
    Derived(
        name="net_margin_ratio",
        title_en="Net margin",
        title_de="Nettomarge",
        means="Share of revenue left after direct costs and all costs recorded in the window; may be negative.",
        formula="(revenue - direct costs - costs recorded) / revenue",
        events=("deal.won", "order.placed", "cost.recorded"),
        source="B, C2",
        of=(*REVENUE, *DIRECT_COSTS, *COSTS, "cost_recorded", *SALES),
        compute=net_margin,
        unit="ratio",
        by=GROUPS,
    ),
    Derived(
        name="activities_per_rep",
        title_en="Activities per rep",
        title_de="Aktivitäten je Person",
        means="Calls, e-mails, meetings and messages over the number of reps that are active now by the roster.",
        formula="activities / n(active reps)",
        events=("call.logged", "email.sent", "meeting.held", "message.sent"),
        source="A, C19",
        of=ACTIVITY,
        compute=per_rep(ACTIVITY),
        reads_reps=True,
        unit="per_rep",
        by=PER_REP,
    ),
    Derived(
        name="deals_won_per_rep",
        title_en="Deals won per rep",
        title_de="Gewonnene Deals je Person",
        means="Deals won over the number of reps that are active now by the roster.",
        formula="n(won) / n(active reps)",
        events=("deal.won", "deal.reopened"),
        source="A",
        of=("deal_won",),
        compute=per_rep(("deal_won",)),
        reads_reps=True,
        unit="per_rep",
        by=PER_REP,
    ),
)


def money_kpis(currency: str) -> list[Kpi]:
    """KPIs in the reporting currency, which is part of their names and units, and the one that reads its target."""
    return [*_revenue(currency), *_orders(currency), *_against(currency), *_costs(currency)]


def _revenue(currency: str) -> list[Kpi]:
    return [
        Sum(
            name=f"revenue_{currency}",
            title_en="Revenue",
            title_de="Umsatz",
            means="Amounts of deals won, at the decision, and of orders placed.",
            formula="sum(amount won) + sum(amount ordered)",
            events=("deal.won", "order.placed"),
            source="A, B, C9, C10, D",
            total=REVENUE,
            count=SALES,
            unit=currency,
            by=GROUPS,
        ),
        Mean(
            name=f"deal_size_{currency}",
            title_en="Deal size",
            title_de="Dealgröße",
            means="Mean amount of a deal won.",
            formula="sum(amount won) / n(won)",
            events=("deal.won",),
            source="A, B, C8, D",
            total=("revenue",),
            count=("deal_won",),
            unit=currency,
            by=GROUPS,
        ),
    ]


def _orders(currency: str) -> list[Kpi]:
    return [
        Mean(
            name=f"order_value_{currency}",
            title_en="Order value",
            title_de="Bestellwert",
            means="Mean amount of an order placed.",
            formula="sum(amount ordered) / n(orders)",
            events=("order.placed",),
            source="A, B, C8, D",
            total=("order_revenue",),
            count=("order_placed",),
            unit=currency,
            by=GROUPS,
        ),
        Mean(
            name=f"purchase_value_{currency}",
            title_en="Purchase value",
            title_de="Kaufwert",
            means="Mean amount of a purchase: of a deal won or an order placed.",
            formula="revenue / (n(won) + n(orders))",
            events=("deal.won", "order.placed"),
            source="A, B, C8, D",
            total=REVENUE,
            count=SALES,
            unit=currency,
            by=GROUPS,
        ),
    ]


def _against(currency: str) -> list[Kpi]:
    """Revenue against its target and against the number of reps."""
    return [
        Derived(
            name="revenue_attainment_ratio",
            title_en="Revenue against target",
            title_de="Zielerreichung Umsatz",
            means="Revenue as a share of the target that is set for the group and window; undefined without one.",
            formula="revenue / target",
            events=("deal.won", "order.placed"),
            source="B, C17",
            of=(*REVENUE, *SALES),
            compute=attainment,
            target_of=f"revenue_{currency}",
            unit="ratio",
            by=("rep", "team", "region", "product"),
        ),
        Derived(
            name=f"revenue_{currency}_per_rep",
            title_en="Revenue per rep",
            title_de="Umsatz je Person",
            means="Revenue over the number of reps that are active now by the roster.",
            formula="revenue / n(active reps)",
            events=("deal.won", "order.placed"),
            source="A, C9",
            of=(*REVENUE, *SALES),
            compute=per_rep(REVENUE, MONEY),
            reads_reps=True,
            unit=f"{currency}_per_rep",
            by=PER_REP,
        ),
    ]


def _costs(currency: str) -> list[Kpi]:
    return [
        Sum(
            name=f"costs_{currency}",
            title_en="Costs",
            title_de="Kosten",
            means="Costs recorded, of all kinds, at their time.",
            formula="sum(cost)",
            events=("cost.recorded",),
            source="B, C2",
            total=COSTS,
            count=("cost_recorded",),
            unit=currency,
            by=("campaign", "team", "region", "product", "channel"),
        ),
        Derived(
            name=f"cac_{currency}",
            title_en="Customer acquisition cost",
            title_de="Kosten je Neukunde",
            means="Costs of campaigns, sales and marketing over new customers, each in the window at its own time.",
            formula="sum(cost of campaigns, sales, marketing) / n(new customers)",
            events=("cost.recorded", "customer.won", "order.placed"),
            source="A, B, C6, D",
            of=(*ACQUISITION, *recorded(ACQUISITION), "customer_new"),
            compute=cost_per("customer_new", ACQUISITION),
            unit=currency,
            by=("campaign", "team", "region", "product", "channel", "segment"),
        ),
    ]
