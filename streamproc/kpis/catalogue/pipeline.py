"""Pipeline and deal KPIs."""

from streamproc.kpis.catalogue.durations import durations
from streamproc.kpis.kpi import MONEY, Count, Derived, Kpi, Level, Parts, Ratio, Totals

GROUPS = ("rep", "team", "region", "product", "channel", "campaign", "lead_source", "segment")
STAGES = (*GROUPS, "deal_stage")
MS_PER_DAY = 86_400_000


def growth(now: Totals) -> Parts:
    """Change of the open deals' value since the window's start, as a share of what it was then; money in the parts."""
    change = now.window.get("pipeline_change", 0)
    then = now.levels.get("pipeline_value", 0) - change
    defined = bool(then) and now.length_ms is not None
    return Parts(change / then if defined else None, change / MONEY, then / MONEY, now.levels.get("open_deals", 0))


def velocity(now: Totals) -> Parts:
    """Open deals × win ratio × deal size ÷ mean cycle in days: money per day (`numerator` money, `denominator` days).

    With won + lost = decided, win ratio × deal size is revenue / decided. Undefined without a win or at mean cycle 0.
    """
    won, lost = now.window.get("deal_won", 0), now.window.get("deal_lost", 0)
    cycle = now.window.get("sales_cycle")
    if won <= 0 or won + lost <= 0 or cycle is None or cycle.count <= 0 or cycle.sum_ms <= 0:
        return Parts(None, None, None, won + lost)
    opportunities = now.levels.get("opportunities", 0)
    money = opportunities * now.window.get("revenue", 0) / (MONEY * (won + lost))
    days = cycle.sum_ms / (cycle.count * MS_PER_DAY)
    return Parts(money / days, money, days, won + lost)


KPIS: tuple[Kpi, ...] = (
    Count(
        name="deals_created",
        title_en="New deals",
        title_de="Neue Deals",
        means="Deals created.",
        formula="n(deal created)",
        events=("deal.created",),
        source="C3",
        of=("deal_created",),
        by=GROUPS,
    ),
    Count(
        name="deals_won",
        title_en="Deals won",
        title_de="Gewonnene Deals",
        means="Deals won, at the decision; a reopened deal's decision is withdrawn.",
        formula="n(won)",
        events=("deal.won", "deal.reopened"),
        source="A",
        of=("deal_won",),
        by=GROUPS,
    ),
    Count(
        name="deals_lost",
        title_en="Deals lost",
        title_de="Verlorene Deals",
        means="Deals lost, at the decision; a reopened deal's decision is withdrawn.",
        formula="n(lost)",
        events=("deal.lost", "deal.reopened"),
        source="A, B",
        of=("deal_lost",),
        by=GROUPS,
    ),
    Ratio(
        name="win_ratio",
        title_en="Win rate",
        title_de="Abschlussquote",
        means="Share of decided deals that were won, by the time of decision.",
        formula="n(won) / (n(won) + n(lost))",
        events=("deal.won", "deal.lost"),
        source="A, B",
        part="deal_won",
        whole=("deal_won", "deal_lost"),
        by=GROUPS,
    ),
    Ratio(
        name="closing_ratio",
        title_en="Closing rate",
        title_de="Abschlüsse je Gespräch",
        means="Deals won per sales conversation: calls that connected and meetings held, each at its own time; "
        "may exceed 1.",
        formula="n(won) / (n(connected call) + n(meeting held))",
        events=("deal.won", "call.logged", "meeting.held"),
        source="D",
        part="deal_won",
        whole=("call_connected", "meeting_held"),
        by=("rep", "team", "region", "product", "campaign"),
    ),
    *durations(
        "sales_cycle",
        title_en="Sales cycle",
        title_de="Verkaufszyklus",
        means="Mean time from first contact (else creation) to the win, counted at the win.",
        quantile_means="of won deals took no longer than this (within 1 %), counted at the win.",
        formula="won time - first contact",
        events=("deal.created", "deal.won"),
        source="A, B, C13, D",
        by=GROUPS,
    ),
    Ratio(
        name="quote_close_ratio",
        title_en="Quote to close",
        title_de="Angebotserfolg",
        means="Share of deals with a quote that were won; a deal counts once, at its first quote.",
        formula="n(won with quote) / n(deals with a quote)",
        events=("quote.sent", "deal.won"),
        source="C18",
        part="deal_quoted_won",
        whole=("deal_quoted",),
        by=GROUPS,
    ),
    *durations(
        "stage_dwell",
        title_en="Time in stage",
        title_de="Verweildauer je Phase",
        means="Mean time a deal stayed in a stage, counted when it left it.",
        quantile_means="of stays in a stage were no longer than this (within 1 %), counted at their end.",
        formula="left - entered",
        events=("deal.stage_changed",),
        source="A",
        by=STAGES,
    ),
    Ratio(
        name="stage_conversion_ratio",
        title_en="Stage conversion",
        title_de="Phasenkonversion",
        means="Share of entries into a stage that went on to a later stage or a win; counted at the entry.",
        formula="n(left stage forward) / n(entered stage)",
        events=("deal.created", "deal.stage_changed", "deal.won"),
        source="B, E",
        part="stage_advanced",
        whole=("stage_entered",),
        by=STAGES,
    ),
    Level(
        name="open_deals",
        title_en="Open deals",
        title_de="Offene Deals",
        means="Deals created and not yet decided or deleted.",
        formula="n(open deals) now",
        events=("deal.created", "deal.won", "deal.lost", "deal.reopened", "deal.deleted"),
        source="C3",
        of="open_deals",
        count="open_deals",
        unit="count",
        by=STAGES,
    ),
    Derived(
        name="pipeline_growth_ratio",
        title_en="Pipeline growth",
        title_de="Pipeline-Wachstum",
        means="Change of the pipeline's value since the window's start, as a share of what it was then.",
        formula="(pipeline value now - at the window's start) / at the window's start",
        events=("deal.created", "deal.updated", "deal.stage_changed", "deal.won", "deal.lost"),
        source="A",
        of=("pipeline_change",),
        of_levels=("pipeline_value", "open_deals"),
        compute=growth,
        unit="ratio",
        by=STAGES,
    ),
)


def money_kpis(currency: str) -> list[Kpi]:
    """KPIs in the reporting currency, which is part of their names and units."""
    return [*_velocity(currency), *_levels(currency)]


def _velocity(currency: str) -> list[Kpi]:
    return [
        Derived(
            name=f"pipeline_velocity_{currency}_per_day",
            title_en="Pipeline velocity",
            title_de="Pipeline-Geschwindigkeit",
            means="Money that the open pipeline yields a day, at the window's win rate, deal size and cycle.",
            formula="open deals × win ratio × deal size / mean cycle in days",
            events=("deal.created", "deal.stage_changed", "deal.won", "deal.lost"),
            source="A, mission",
            of=("deal_won", "deal_lost", "revenue", "sales_cycle"),
            of_levels=("opportunities",),
            compute=velocity,
            unit=f"{currency}_per_day",
            by=GROUPS,
        ),
    ]


def _levels(currency: str) -> list[Kpi]:
    return [
        Level(
            name=f"pipeline_value_{currency}",
            title_en="Pipeline value",
            title_de="Pipeline-Wert",
            means="Amounts of open deals.",
            formula="sum(amount of open deals) now",
            events=("deal.created", "deal.updated", "deal.stage_changed", "deal.won", "deal.lost"),
            source="C4, B",
            of="pipeline_value",
            count="open_deals",
            scale=MONEY,
            unit=currency,
            by=STAGES,
        ),
        Level(
            name=f"pipeline_weighted_{currency}",
            title_en="Weighted pipeline",
            title_de="Gewichtete Pipeline",
            means="Amounts of open deals times the probability of their stage.",
            formula="sum(amount × stage probability) now",
            events=("deal.created", "deal.updated", "deal.stage_changed", "deal.won", "deal.lost"),
            source="C4, B",
            of="pipeline_weighted",
            count="open_deals",
            scale=MONEY,
            unit=currency,
            by=STAGES,
        ),
    ]
