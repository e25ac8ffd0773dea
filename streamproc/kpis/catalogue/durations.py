"""The three KPIs of a duration: its mean, p50 and p90."""

from streamproc.kpis.kpi import Kpi, MeanDuration, QuantileDuration

QUANTILES = (50, 90)  # in %


def durations(
    fact: str,
    *,
    title_en: str,
    title_de: str,
    means: str,
    quantile_means: str,
    formula: str,
    events: tuple[str, ...],
    source: str,
    by: tuple[str, ...],
) -> tuple[Kpi, ...]:
    """KPIs `<fact>_seconds` and `<fact>_p<q>_seconds`. `quantile_means` goes on after "50 %", `formula` is of one."""
    mean = MeanDuration(
        name=f"{fact}_seconds",
        title_en=title_en,
        title_de=title_de,
        means=means,
        formula=f"mean({formula})",
        events=events,
        source=source,
        of=fact,
        by=by,
    )
    quantiles = (
        QuantileDuration(
            name=f"{fact}_p{q}_seconds",
            title_en=f"{title_en}, p{q}",
            title_de=f"{title_de}, p{q}",
            means=f"{q} % {quantile_means}",
            formula=f"p{q}({formula})",
            events=events,
            source=source,
            of=fact,
            q=q / 100,
            by=by,
        )
        for q in QUANTILES
    )
    return mean, *quantiles
