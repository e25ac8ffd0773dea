"""Customer KPIs: new and returning customers, recurring revenue, retention and lifetime value."""

from streamproc.kpis.catalogue.durations import durations
from streamproc.kpis.catalogue.pipeline import GROUPS
from streamproc.kpis.catalogue.revenue import DIRECT_COSTS, REVENUE, SALES, gross_margin
from streamproc.kpis.kpi import MONEY, Count, Derived, Kpi, Level, Parts, Ratio, Totals

CUSTOMERS = ("rep", "team", "region", "segment")
SUBSCRIPTIONS = ("rep", "team", "region", "product", "segment", "channel", "campaign")
SUBSCRIBED = ("subscription.started", "subscription.changed", "subscription.cancelled")
MONTH_MS = 30.4375 * 86_400_000
MONTHS_A_YEAR = 12
COMPARED = "Compares the window's start with now, whatever happened between."


def at_start(now: Totals, level: str) -> int:
    """A level at the start of the window (`facts.customers` says how); 0 for `all`, which begins before everything."""
    start: int = now.levels.get(level, 0) - now.window.get(f"{level}_change", 0)
    return start


def retention(now: Totals) -> Parts:
    """Of the customers at the start, the share that is there now."""
    start = at_start(now, "customers")
    kept = start - now.window.get("customers_lost", 0)
    return Parts(kept / start if start else None, kept, start, start)


def churn(now: Totals) -> Parts:
    """Of the customers at the start, the share that is not there now."""
    start, lost = at_start(now, "customers"), now.window.get("customers_lost", 0)
    return Parts(lost / start if start else None, lost, start, start)


def revenue_churn(now: Totals) -> Parts:
    """Of the recurring revenue at the start, the share that came from customers that are not there now."""
    start, lost = at_start(now, "mrr"), now.window.get("mrr_lost", 0)
    return Parts(lost / start if start else None, lost / MONEY, start / MONEY, at_start(now, "customers"))


def arr(now: Totals) -> Parts:
    """Recurring revenue of a year at today's rate."""
    amount = MONTHS_A_YEAR * now.levels.get("mrr", 0) / MONEY
    return Parts(amount, amount, None, now.levels.get("subscriptions", 0))


def arpa(now: Totals) -> Parts:
    """Recurring revenue a month and customer; undefined without customers."""
    mrr, customers = now.levels.get("mrr", 0) / MONEY, now.levels.get("customers", 0)
    return Parts(mrr / customers if customers else None, mrr, customers, customers)


def lifetime_value(now: Totals) -> Parts:
    """Margin a month and customer over the share of customers lost a month; undefined where one is, or none is lost."""
    account, margin, lost = arpa(now).value, gross_margin(now).value, churn(now)
    if account is None or margin is None or not lost.value or not now.length_ms:
        return Parts(None, None, None, lost.n)
    monthly, rate = account * margin, lost.value * MONTH_MS / now.length_ms
    return Parts(monthly / rate, monthly, rate, lost.n)


KPIS: tuple[Kpi, ...] = (
    Count(
        name="new_customers",
        title_en="New customers",
        title_de="Neukunden",
        means="Customers at their first deal won or order placed.",
        formula="n(first of deal won, order placed)",
        events=("customer.won", "order.placed"),
        source="A, B, C6",
        of=("customer_new",),
        by=GROUPS,
    ),
    Ratio(
        name="repurchase_ratio",
        title_en="Repurchase rate",
        title_de="Wiederkaufsrate",
        means="Share of customers with an order that ordered again. A customer counts once, at its first order.",
        formula="n(customers with a second order) / n(customers with an order)",
        events=("order.placed",),
        source="E",
        part="customer_reordered",
        whole=("customer_ordered",),
        by=GROUPS,
    ),
    *durations(
        "order_gap",
        title_en="Time between orders",
        title_de="Zeit zwischen Bestellungen",
        means="Mean time between consecutive orders of a customer, counted at the later one.",
        quantile_means="of orders came within this time after the one before (within 1 %), counted at the later one.",
        formula="order time - time of the order before",
        events=("order.placed",),
        source="E",
        by=GROUPS,
    ),
    Level(
        name="customers",
        title_en="Customers",
        title_de="Kunden",
        means="Customers with an active subscription.",
        formula="n(customers with an active subscription) now",
        events=SUBSCRIBED,
        source="C11, C12",
        of="customers",
        count="customers",
        unit="count",
        by=CUSTOMERS,
    ),
    Derived(
        name="retention_ratio",
        title_en="Retention rate",
        title_de="Kundenbindungsrate",
        means=f"Share of the customers at the window's start that are customers now. {COMPARED}",
        formula="n(customers at start and now) / n(customers at start)",
        events=SUBSCRIBED,
        source="A, B, C15, D",
        of=("customers_change", "customers_lost"),
        of_levels=("customers",),
        compute=retention,
        unit="ratio",
        by=CUSTOMERS,
    ),
    Derived(
        name="churn_ratio",
        title_en="Churn rate",
        title_de="Abwanderungsrate",
        means=f"Share of the customers at the window's start that are no customers now. {COMPARED}",
        formula="n(customers at start and not now) / n(customers at start)",
        events=SUBSCRIBED,
        source="B, C16, E",
        of=("customers_change", "customers_lost"),
        of_levels=("customers",),
        compute=churn,
        unit="ratio",
        by=CUSTOMERS,
    ),
    Derived(
        name="revenue_churn_ratio",
        title_en="Revenue churn",
        title_de="Umsatzabwanderung",
        means=f"Share of the MRR at the window's start that came from customers who are none now. {COMPARED}",
        formula="MRR at start of customers at start and not now / MRR at start",
        events=SUBSCRIBED,
        source="B, C16, E",
        of=("mrr_change", "mrr_lost", "customers_change"),
        of_levels=("mrr", "customers"),
        compute=revenue_churn,
        unit="ratio",
        by=CUSTOMERS,
    ),
)


def money_kpis(currency: str) -> list[Kpi]:
    """KPIs in the reporting currency, which is part of their names and units."""
    return [*_recurring(currency), *_per_customer(currency)]


def _recurring(currency: str) -> list[Kpi]:
    return [
        Level(
            name=f"mrr_{currency}",
            title_en="Monthly recurring revenue",
            title_de="Monatlich wiederkehrender Umsatz",
            means="What active subscriptions yield a month.",
            formula="sum(MRR of active subscriptions) now",
            events=SUBSCRIBED,
            source="C11",
            of="mrr",
            count="subscriptions",
            scale=MONEY,
            unit=currency,
            by=SUBSCRIPTIONS,
        ),
        Derived(
            name=f"arr_{currency}",
            title_en="Annual recurring revenue",
            title_de="Jährlich wiederkehrender Umsatz",
            means="What active subscriptions yield a year, if nothing changes.",
            formula="12 × MRR now",
            events=SUBSCRIBED,
            source="C11",
            of_levels=("mrr", "subscriptions"),
            compute=arr,
            unit=currency,
            by=SUBSCRIPTIONS,
        ),
    ]


def _per_customer(currency: str) -> list[Kpi]:
    return [
        Derived(
            name=f"arpa_{currency}",
            title_en="Revenue per account",
            title_de="Umsatz je Kunde",
            means="Monthly recurring revenue per customer.",
            formula="MRR / n(customers) now",
            events=SUBSCRIBED,
            source="C12",
            of_levels=("mrr", "customers"),
            compute=arpa,
            unit=currency,
            by=CUSTOMERS,
        ),
        Derived(
            name=f"clv_{currency}",
            title_en="Customer lifetime value",
            title_de="Kundenwert",
            means="Gross margin that a customer yields until it leaves, at the window's margin and churn.",
            formula="ARPA × gross margin / churn per 30.4375 days",
            events=("deal.won", "order.placed", *SUBSCRIBED),
            source="A, B, C7, E",
            of=(*REVENUE, *DIRECT_COSTS, *SALES, "customers_change", "customers_lost"),
            of_levels=("mrr", "customers"),
            compute=lifetime_value,
            reads_length=True,
            unit=currency,
            by=CUSTOMERS,
        ),
    ]
