"""The processor about itself: latency, traffic, errors, saturation; lag and recovery."""

from __future__ import annotations

from streamproc.generate import boards, tiles
from streamproc.generate.boards import Board, Row
from streamproc.generate.dashboard_texts import Words
from streamproc.generate.panels import BAD, GOOD, MIDDLING, Look, Panel, Text, chart, numbers
from streamproc.generate.queries import Query

HERE = 'job=~"$job",instance=~"$instance"'
OBJECTIVE_S = 10  # an event should be visible within this time; a bucket's limit


def health(words: Words) -> Board:
    """Rows are the golden signals, then what is particular to a stream processor."""
    return Board(
        name="streamproc-health",
        title=words("Processor health", "Zustand der Verarbeitung"),
        about=words(
            "Whether KPIs are right and in time: latency, traffic, errors, saturation, lag and recovery of workers.",
            "Ob Kennzahlen richtig und rechtzeitig kommen: Latenz, Durchsatz, Fehler, Auslastung, Rückstand und "
            "Wiederanlauf der Prozesse.",
        ),
        tags=("health",),
        since="now-3h",
        variables=[
            boards.of_workers("job", "Job", "label_values(streamproc_build_info, job)"),
            boards.of_workers("instance", "Instance", 'label_values(streamproc_build_info{job=~"$job"}, instance)'),
        ],
        rows=[
            boards.evenly(4, [tiles.data_as_of(words), _within(words), _workers(words), _recovering(words)]),
            _latency(words),
            _traffic(words),
            _errors(words),
            _saturation(words),
            _lag(words),
        ],
    )


def _within(words: Words) -> Panel:
    bucket = _rate("end_to_end_latency_seconds_bucket", f'le="{OBJECTIVE_S:.1f}"')
    text = Text(
        words(f"Visible within {OBJECTIVE_S} s", f"Sichtbar binnen {OBJECTIVE_S} s"),
        words(
            "Share of checkpoints whose oldest event became a KPI in time. The objective is 99 %.",
            "Anteil der Sicherungspunkte, deren ältestes Ereignis rechtzeitig zur Kennzahl wurde. Das Ziel ist 99 %.",
        ),
    )
    expr = f"sum({bucket}) / (sum({_rate('end_to_end_latency_seconds_count')}) > 0)"
    steps = ((None, BAD), (0.95, MIDDLING), (0.99, GOOD))
    return numbers(text, [Query(expr, words("in time", "rechtzeitig"))], Look("percentunit", steps, decimals=2))


def _workers(words: Words) -> Panel:
    text = Text(
        words("Workers", "Prozesse"),
        words("Workers that answer, by stage and version.", "Prozesse, die antworten, nach Stufe und Version."),
    )
    expr = f"count by (worker_stage, version) (streamproc_build_info{{{HERE}}})"
    return numbers(text, [Query(expr, "{{worker_stage}} {{version}}")], Look("none"))


def _recovering(words: Words) -> Panel:
    text = Text(
        words("Recovering", "Im Wiederanlauf"),
        words(
            "Workers that restore their state, and the records still to read.",
            "Prozesse, die ihren Zustand wiederherstellen, und die Sätze, die noch zu lesen sind.",
        ),
    )
    lines = [
        Query(f"sum(streamproc_recovering{{{HERE}}})", words("workers", "Prozesse")),
        Query(f"sum(streamproc_recovery_remaining_records{{{HERE}}}) or vector(0)", words("records", "Sätze")),
    ]
    return numbers(text, lines, Look("none", ((None, GOOD), (1.0, MIDDLING))), {1: Look("short")})


def _latency(words: Words) -> Row:
    to_kpi = Text(
        words("From event to KPI", "Vom Ereignis zur Kennzahl"),
        words(
            "From an event's time to its KPI committed; the oldest event of each checkpoint.",
            "Von der Zeit eines Ereignisses bis zur gesicherten Kennzahl; das älteste Ereignis jedes Sicherungspunkts.",
        ),
    )
    in_pipeline = Text(
        words("From broker to KPI", "Vom Broker zur Kennzahl"),
        words(
            "The same from the broker's append: without the delay of those who send.",
            "Dasselbe ab der Annahme durch den Broker: ohne die Verspätung der Sender.",
        ),
    )
    work = Text(
        words("Work of a batch and a checkpoint", "Arbeit an Stapel und Sicherungspunkt"),
        words("99 % take at most this long.", "99 % dauern höchstens so lange."),
    )
    lines = [
        _quantile("event_processing_seconds", 0.99, words("batch", "Stapel")),
        _quantile("commit_duration_seconds", 0.99, words("checkpoint", "Sicherungspunkt")),
    ]
    panels = [
        _chart(to_kpi, _quantiles("end_to_end_latency_seconds"), "s"),
        _chart(in_pipeline, _quantiles("pipeline_latency_seconds"), "s"),
        _chart(work, lines, "s"),
    ]
    return boards.evenly(8, panels, words("Latency", "Latenz"))


def _traffic(words: Words) -> Row:
    events = Text(
        words("Events taken in", "Angenommene Ereignisse"),
        words("By topic, per second.", "Je Topic und Sekunde."),
    )
    published = Text(
        words("Records published", "Veröffentlichte Sätze"),
        words("By topic, per second; committed ones only.", "Je Topic und Sekunde; nur gesicherte."),
    )
    sources = Text(
        words("Events by source", "Ereignisse nach Quelle"),
        words("By the first segment of the events' source.", "Nach dem ersten Teil der Quelle der Ereignisse."),
    )
    panels = [
        _chart(events, [_by("topic", "events_total")], "cps"),
        _chart(published, [_by("topic", "published_total")], "cps"),
        _chart(sources, [_by("source", "source_events_total")], "cps"),
    ]
    return boards.evenly(8, panels, words("Traffic", "Durchsatz"))


def _errors(words: Words) -> Row:
    rejected = Text(
        words("Events refused", "Abgelehnte Ereignisse"),
        words(
            "By reason, per second; they are in sales.rejected.",
            "Nach Grund, je Sekunde; sie stehen in sales.rejected.",
        ),
    )
    quality = Text(
        words("Repeated, late, contradictory", "Wiederholt, verspätet, widersprüchlich"),
        words(
            "Events that did not count, or not as they came.",
            "Ereignisse, die nicht oder nicht so zählten, wie sie kamen.",
        ),
    )
    failures = Text(
        words("Failures", "Ausfälle"),
        words("Each should stay at 0.", "Alles sollte bei 0 bleiben."),
    )
    unusual = [
        Query(f"sum({_rate('events_duplicate_total')})", words("repeated", "wiederholt"), instant=False),
        Query(f"sum({_rate('events_late_total')})", words("late", "verspätet"), instant=False),
        Query(f"sum({_rate('anomalies_total')})", words("contradictory", "widersprüchlich"), instant=False),
        Query(f"sum({_rate('orphans_total')})", words("without a beginning", "ohne Anfang"), instant=False),
    ]
    broken = [
        Query(f"sum({_rate('commit_failures_total')})", words("checkpoints", "Sicherungspunkte"), instant=False),
        Query(f"sum({_rate('shed_total')})", words("shed by a cap", "wegen Obergrenze verworfen"), instant=False),
        Query(f"sum({_rate('series_dropped_total')})", words("series refused", "Reihen abgelehnt"), instant=False),
        Query(f"sum({_rate('scrape_errors_total')})", words("scrapes", "Abfragen"), instant=False),
    ]
    panels = [
        _chart(rejected, [_by("reason", "events_rejected_total")], "cps"),
        _chart(quality, unusual, "cps"),
        _chart(failures, broken, "cps"),
    ]
    return boards.evenly(8, panels, words("Errors", "Fehler"))


def _saturation(words: Words) -> Row:
    loop = Text(
        words("Event loop", "Ereignisschleife"),
        words("99 % of its timers run at most this late.", "99 % ihrer Wecker laufen höchstens so spät."),
    )
    state = Text(
        words("Keys in the state", "Schlüssel im Zustand"),
        words("By table: entities, events seen, slices.", "Je Tabelle: Entitäten, gesehene Ereignisse, Scheiben."),
    )
    series = Text(
        words("Series shown", "Gezeigte Reihen"),
        words(
            "KPI series by worker; STREAMPROC_MAX_SERIES caps them.",
            "Reihen je Prozess; STREAMPROC_MAX_SERIES begrenzt sie.",
        ),
    )
    keys = f'sum by (kind) (label_replace(streamproc_state_keys{{{HERE}}}, "kind", "$1", "table", "(.+)-\\\\d+"))'
    exposed = f"sum by (instance) (streamproc_series_exposed{{{HERE}}})"
    panels = [
        _chart(loop, [_quantile("event_loop_lag_seconds", 0.99, "p99")], "s"),
        _chart(state, [Query(keys, "{{kind}}", instant=False)], "short"),
        _chart(series, [Query(exposed, "{{instance}}", instant=False)], "short"),
    ]
    return boards.evenly(8, panels, words("Saturation", "Auslastung"))


def _lag(words: Words) -> Row:
    seconds = Text(
        words("Lag in time", "Rückstand in Zeit"),
        words(
            "Age of the next unread record, of the worst partition.",
            "Alter des nächsten ungelesenen Satzes, schlechteste Partition.",
        ),
    )
    records = Text(
        words("Lag in records", "Rückstand in Sätzen"),
        words("Records not read yet.", "Noch nicht gelesene Sätze."),
    )
    moves = Text(
        words("Rebalances and restores", "Umverteilungen und Wiederanläufe"),
        words("How long 99 % of them take.", "Wie lange 99 % davon dauern."),
    )
    lag = [Query(f"{how} by (topic) (streamproc_consumer_lag_{unit}{{{HERE}}})", "{{topic}}", instant=False)
           for how, unit in (("max", "seconds"), ("sum", "records"))]  # fmt: skip
    lines = [
        _quantile("rebalance_duration_seconds", 0.99, words("rebalance", "Umverteilung")),
        _quantile("recovery_duration_seconds", 0.99, words("restore", "Wiederanlauf")),
    ]
    panels = [
        _chart(seconds, lag[:1], "s"),
        _chart(records, lag[1:], "short"),
        _chart(moves, lines, "s"),
    ]
    return boards.evenly(8, panels, words("Lag and recovery", "Rückstand und Wiederanlauf"))


def _rate(name: str, more: str = "") -> str:
    return f"rate(streamproc_{name}{{{HERE}{',' if more else ''}{more}}}[$__rate_interval])"


def _by(label: str, name: str) -> Query:
    return Query(f"sum by ({label}) ({_rate(name)})", f"{{{{{label}}}}}", instant=False)


def _quantile(name: str, q: float, legend: str) -> Query:
    return Query(f"histogram_quantile({q}, sum by (le) ({_rate(f'{name}_bucket')}))", legend, instant=False)


def _quantiles(name: str) -> list[Query]:
    return [_quantile(name, 0.5, "p50"), _quantile(name, 0.99, "p99")]


def _chart(text: Text, lines: list[Query], unit: str) -> Panel:
    return chart(text, lines, Look(unit))
