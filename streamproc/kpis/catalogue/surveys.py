"""Survey KPIs: how likely customers and reps are to recommend, and how satisfied customers are."""

from collections.abc import Callable

from streamproc.kpis.kpi import Derived, Kpi, Mean, Parts, Ratio, Totals

GROUPS = ("rep", "team", "region", "product", "segment")


def promotion(survey: str) -> Callable[[Totals], Parts]:
    """Share of promoters minus share of detractors, in points from -100 to 100; undefined without an answer."""

    def compute(now: Totals) -> Parts:
        answers = now.window.get(f"{survey}_answered", 0)
        net = now.window.get(f"{survey}_promoter", 0) - now.window.get(f"{survey}_detractor", 0)
        return Parts(100 * net / answers if answers else None, net, answers, answers)

    return compute


KPIS: tuple[Kpi, ...] = (
    Derived(
        name="nps_points",
        title_en="Net promoter score",
        title_de="Net Promoter Score",
        means="Share of promoters (9 to 10) minus share of detractors (0 to 6), in points from -100 to 100.",
        formula="100 × (n(promoters) - n(detractors)) / n(answers)",
        events=("survey.answered",),
        source="B",
        of=("nps_answered", "nps_promoter", "nps_detractor"),
        compute=promotion("nps"),
        unit="points",
        by=GROUPS,
    ),
    Derived(
        name="enps_points",
        title_en="Employee net promoter score",
        title_de="Mitarbeiterzufriedenheit (eNPS)",
        means="The net promoter score of reps as employees, in points from -100 to 100.",
        formula="100 × (n(promoters) - n(detractors)) / n(answers)",
        events=("survey.answered",),
        source="A",
        of=("enps_answered", "enps_promoter", "enps_detractor"),
        compute=promotion("enps"),
        unit="points",
        by=("team", "region"),
    ),
    Mean(
        name="csat_points",
        title_en="Customer satisfaction",
        title_de="Kundenzufriedenheit",
        means="Mean answer on a scale of 5; answers on other scales are brought to it.",
        formula="mean(score × 5 / scale)",
        events=("survey.answered",),
        source="A, B",
        total=("csat_score",),
        count=("csat_answered",),
        unit="points",
        by=GROUPS,
    ),
    Ratio(
        name="csat_satisfied_ratio",
        title_en="Satisfied customers",
        title_de="Zufriedene Kunden",
        means="Share of answers of at least 80 % of their scale, such as 4 of 5.",
        formula="n(score / scale >= 0.8) / n(answers)",
        events=("survey.answered",),
        source="A, B",
        part="csat_satisfied",
        whole=("csat_answered",),
        by=GROUPS,
    ),
)
