"""Panels about KPIs that several boards have: a KPI's tile, ranks, pace, and what tells how old the data are."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import bargauge, stat, timeseries

from streamproc.generate import queries
from streamproc.generate.dashboard_texts import Words
from streamproc.generate.panels import (
    ATTAINMENT,
    BAD,
    GOOD,
    MIDDLING,
    UNKNOWN,
    Link,
    Look,
    Text,
    band_look,
    bars,
    chart,
    look_of,
    numbers,
)
from streamproc.generate.queries import COMPANY, Group, Query
from streamproc.kpis.catalogue.judgement import headlines, judgements
from streamproc.kpis.kpi import Kpi

TARGET_OF = "revenue_eur"  # the KPI whose targets rank people and tell the pace
LATE_S = 60.0
SAME = 0.0005  # a smaller change is none: it would be shown as 0.0 %
BEST, FULL_BAR = 7, 1.5
_NO_SHARE = {"count", "points", "eur"}  # of a team these are the sum over its people, so nobody compares


def tile(
    words: Words, name: str, window: str | None, group: Group = COMPANY, rep_beside_team: bool = False
) -> stat.Panel:
    """A KPI's value; below it the change against the window before, or the team's value, and the band in a word."""
    kpi = words.catalogue[name]
    lines = [(Query(queries.value(kpi, group, window), _when(words, kpi, window)), look_of(kpi))]
    if name in headlines() and group.scope != "rep" and kpi.windowed:
        legend = f"{{{{mark}}}} {words('vs. before', 'zum Vorzeitraum')}"
        lines.append((Query(queries.change(kpi, group, window), legend), _change_look(kpi)))
    if rep_beside_team and kpi.unit not in _NO_SHARE and "team" in kpi.by:
        team = queries.of_team_of(kpi, group.member, window)
        lines.append((Query(team, words("Team", "Team")), look_of(kpi)))
    band = queries.beside("band", kpi, group, window)
    lines.append((Query(band, words("Limit or target", "Grenze oder Ziel")), band_look(words.bands())))
    looks = {n: look for n, (_, look) in enumerate(lines) if n}
    return numbers(about(words, kpi), [query for query, _ in lines], lines[0][1], looks)


def about(words: Words, kpi: Kpi) -> Text:
    """A KPI's title, what it means and which way is better."""
    better = {
        "up": words("Higher is better.", "Höher ist besser."),
        "down": words("Lower is better.", "Niedriger ist besser."),
        "none": words("Neither way is better.", "Keine Richtung ist besser."),
    }[judgements()[kpi.name].direction]
    return Text(words.title(kpi), f"{words.means(kpi)} {better}")


def _when(words: Words, kpi: Kpi, window: str | None) -> str:
    return words.window(queries.window_of(kpi, window))


def _change_look(kpi: Kpi) -> Look:
    low, high = {"up": (BAD, GOOD), "down": (GOOD, BAD), "none": (UNKNOWN, UNKNOWN)}[judgements()[kpi.name].direction]
    return Look("percentunit", ((None, low), (-SAME, UNKNOWN), (SAME, high)), decimals=1)


def attainment(words: Words, group: Group, window: str, link: Link | None = None) -> bargauge.Panel:
    """Members of a dimension by the share of their revenue target that they have."""
    kpi, scope = words.catalogue[TARGET_OF], group.scope
    names = {
        "team": words("Teams", "Teams"),
        "rep": words("Reps", "Personen"),
        "region": words("Regions", "Regionen"),
    }
    title = f"{names[scope]}: {words('attainment', 'Zielerreichung')}"
    means = words(
        "Revenue as a share of the target. 100 % is reached.", "Umsatz als Anteil des Ziels. 100 % ist erreicht."
    )
    expr, legend = queries.beside("attainment_ratio", kpi, group, window), f"{{{{{group.label}}}}}"
    expr = queries.ranked_reps(expr, BEST) if scope == "rep" else queries.ranked(expr, group.label, BEST)
    query = Query(expr, "{{who}}" if scope == "rep" else legend)
    return bars(Text(title, means), [query], Look("percentunit", ATTAINMENT, decimals=0), link, FULL_BAR)


def pace(words: Words, group: Group, window: str) -> stat.Panel:
    """Attainment, pace and target of the period's revenue."""
    kpi = words.catalogue[TARGET_OF]
    title = words("Revenue target", "Umsatzziel")
    means = words(
        "Pace is attainment against the share of working time that is over: at 100 % the target is reached just at "
        "the end.",
        "Tempo ist die Zielerreichung im Verhältnis zur vergangenen Arbeitszeit: bei 100 % wird das Ziel gerade am "
        "Ende erreicht.",
    )
    shown = Look("percentunit", ATTAINMENT, decimals=0)
    lines = [
        Query(queries.beside("attainment_ratio", kpi, group, window), words("Attainment", "Erreicht")),
        Query(queries.beside("target_pace_ratio", kpi, group, window), words("Pace", "Tempo")),
        Query(queries.beside("target", kpi, group, window), words("Target", "Ziel")),
    ]
    return numbers(Text(title, means), lines, shown, {2: look_of(kpi)})


def revenue_and_target(words: Words, group: Group, window: str) -> timeseries.Panel:
    """Revenue of a period as it grows, and its target."""
    kpi = words.catalogue[TARGET_OF]
    lines = [
        Query(queries.value(kpi, group, window), words.title(kpi), instant=False),
        Query(queries.beside("target", kpi, group, window), words("Target", "Ziel"), instant=False),
    ]
    text = about(words, kpi)
    title = words(f"{text.title} and target", f"{text.title} und Ziel")
    return chart(Text(title, text.about), lines, look_of(kpi), limits=[1])


def data_as_of(words: Words) -> stat.Panel:
    """The time that the values are as of, and how long ago that is."""
    title = words("Data as of", "Datenstand")
    means = words(
        "The time that the values are as of, of the slowest partition. Late: more than a minute ago.",
        "Zeit, für die die Werte gelten, in der langsamsten Partition. Verspätet: vor mehr als einer Minute.",
    )
    fresh, late = words("fresh", "aktuell"), words("late", "verspätet")
    age = queries.marked(f"(time() - {queries.as_of()})", (f"<= {LATE_S:g}", fresh), (f"> {LATE_S:g}", late))
    lines = [
        Query(f"1000 * {queries.as_of()}", words("As of", "Stand")),
        Query(age, "{{mark}}"),
    ]
    return numbers(
        Text(title, means),
        lines,
        Look("dateTimeAsLocalNoDateIfToday"),
        {1: Look("s", ((None, GOOD), (LATE_S, MIDDLING)), decimals=0)},
    )


def elapsed(words: Words, period: str) -> stat.Panel:
    """How much of the period's working time is over."""
    text = Text(
        words("Working time over", "Arbeitszeit vergangen"),
        words(
            "Share of the period's working time that is over.", "Anteil der Arbeitszeit des Zeitraums, der vorbei ist."
        ),
    )
    return numbers(text, [Query(queries.period_elapsed(period), words.window(period))], Look("percentunit", decimals=0))


def countdown(words: Words, period: str) -> stat.Panel:
    """Time until the period ends."""
    text = Text(
        words("Time left", "Verbleibende Zeit"),
        words("Until the period ends, by the calendar.", "Bis zum Ende des Zeitraums, nach dem Kalender."),
    )
    return numbers(text, [Query(queries.period_end(period), words.window(period))], Look("dtdurations", decimals=0))


def firing(words: Words, **labels: str) -> stat.Panel:
    """How many alerts on KPIs fire."""
    text = Text(
        words("Alerts on KPIs", "Alarme zu Kennzahlen"),
        words("Limits and targets that are missed now.", "Grenzen und Ziele, die gerade verfehlt werden."),
    )
    lines = []
    for severity, word in (("critical", words.bands()[2]), ("warning", words.bands()[1])):
        count = f"count({queries.alerts(severity=severity, **labels)}) or vector(0)"
        lines.append(Query(count, word))
    bad, middling = ((None, GOOD), (1.0, BAD)), ((None, GOOD), (1.0, MIDDLING))
    return numbers(text, lines, Look("none", bad), {1: Look("none", middling)})


def as_bars(words: Words, text: Text, names: Sequence[str], group: Group, window: str) -> bargauge.Panel:
    """Several KPIs of a group as bars."""
    kpis = [words.catalogue[name] for name in names]
    lines = [Query(queries.value(kpi, group, window), words.title(kpi)) for kpi in kpis]
    return bars(text, lines, Look("short", ((None, GOOD),)))


def by_member(words: Words, name: str, window: str, group: Group, link: Link | None = None) -> bargauge.Panel:
    """Members of a dimension by a KPI, the greatest first."""
    kpi, text = words.catalogue[name], about(words, words.catalogue[name])
    expr = queries.ranked(queries.value(kpi, group, window), group.label, BEST)
    look = look_of(kpi, ((None, GOOD),))
    titles = {
        "team": words("by team", "nach Team"),
        "region": words("by region", "nach Region"),
        "product": words("by product", "nach Produkt"),
        "campaign": words("by campaign", "nach Kampagne"),
        "deal_stage": words("by stage", "nach Phase"),
    }
    title = f"{text.title} {titles[group.scope]}"
    return bars(Text(title, text.about), [Query(expr, f"{{{{{group.label}}}}}")], look, link)
