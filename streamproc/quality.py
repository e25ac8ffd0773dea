"""Data quality of a file of events, and what its counts mean: rows by source and topic, with advice in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec import MsgspecError, Struct, field
from msgspec.json import Decoder

from streamproc.backtest import Line
from streamproc.events import EVENT_TOPICS, EVENTS
from streamproc.facts.quality import DIMENSIONS, UNKNOWN, Counts
from streamproc.facts.reference import Reference
from streamproc.facts.seen import DAY_MS, HORIZON_DAYS
from streamproc.kpis.kpi import Catalogue
from streamproc.pipeline import FactsStage

BATCH = 10_000
# Shares from which on something is worth a word.
REJECTED, DUPLICATES, MISSING, EARLY, LATE = 0.01, 0.05, 0.05, 0.01, 0.05


class Row(Struct, kw_only=True):
    """What came from one source into one topic. Shares are 0..1; None where nothing can be said."""

    source: str
    topic: str
    events: int
    rejected: dict[str, int]
    duplicates: int
    orphans: int
    anomalies: dict[str, int]
    late: int | None
    skew_seconds: float | None  # mean of arrival minus event time
    negative_share: float | None  # of events that arrived before they happened
    missing: dict[str, float] | None  # dimension → share of events whose own dimensions count
    suggestions: list[str] = field(default_factory=list)


class _Typed(Struct):
    type: str = ""


_typed = Decoder(_Typed)


def of_file(lines: Iterable[bytes], reference: Reference) -> Counts:
    """Counts of a file, by the code that counts in the workers; arrivals are not known. Orphans: as of its end."""
    stage = FactsStage(Catalogue(()), reference)
    counts: Counts = Counter()
    records = (Line(line, 0, topic=_topic(line)) for line in lines)
    while batch := list(islice(records, BATCH)):
        stage.on_batch(batch, None)
        cut = stage.take_cut()
        counts += cut.quality if cut else Counter()
    stage.entities.expire(HORIZON_DAYS * DAY_MS)  # so that those whose first event is not there are told
    cut = stage.take_cut()
    return counts + (cut.quality if cut else Counter())


def rows(counts: Counts) -> list[Row]:
    """A row for each source and topic, with advice."""
    places = sorted({(source, topic) for _, source, topic, *_ in counts})
    found = [_row(counts, source, topic) for source, topic in places]
    for row in found:
        row.suggestions = list(_advice(row))
    return found


def _row(counts: Counts, source: str, topic: str) -> Row:
    def of(what: str) -> int:
        return counts[what, source, topic]

    def by(what: str) -> dict[str, int]:
        return {key[3]: n for key, n in sorted(counts.items()) if key[:3] == (what, source, topic)}

    events, placed = of("events"), of("placed")
    missing = by("missing")
    timed = any(of(what) for what in ("delay_ms", "early_ms", "late", "early"))  # never for files
    return Row(
        source=source,
        topic=topic,
        events=events,
        rejected=by("rejected"),
        duplicates=of("duplicates"),
        orphans=of("orphans"),
        anomalies=by("anomalies"),
        late=of("late") if timed else None,
        skew_seconds=(of("delay_ms") - of("early_ms")) / (1000 * events) if timed and events else None,
        negative_share=of("early") / events if timed and events else None,
        missing={name: missing.get(name, 0) / placed for name in DIMENSIONS} if placed else None,
    )


def _advice(row: Row) -> Iterator[str]:
    refused, events = sum(row.rejected.values()), row.events
    everything = events + refused + row.duplicates
    if refused > REJECTED * everything:
        most = max(row.rejected, key=lambda reason: row.rejected[reason])
        yield f"{_share(refused, everything)} refused, mostly {most}: `streamproc rejected show` says what was expected"
    if row.duplicates > DUPLICATES * everything:
        yield f"{_share(row.duplicates, everything)} repeated: harmless, but does the source send everything twice?"
    yield from _advice_on_time(row)
    yield from _advice_on_dimensions(row)
    if row.orphans:
        yield (
            f"{row.orphans:,} entities without their first event (such as email.sent): they count nowhere; "
            "does the source send it, with the same id?"
        )
    for kind, n in row.anomalies.items():
        yield f"{n:,} times {kind.replace('_', ' ')}: events of an entity contradict each other; look at their times"


def _advice_on_time(row: Row) -> Iterator[str]:
    if row.negative_share is not None and row.negative_share > EARLY:
        yield f"{row.negative_share:.1%} arrived before they happened: its clock is ahead, or its UTC offset wrong"
    if row.late is not None and row.late > LATE * row.events:
        yield f"{_share(row.late, row.events)} arrived more than a day late: windows of the past change when they come"


def _advice_on_dimensions(row: Row) -> Iterator[str]:
    if row.missing is None:
        return
    rep, team, region = (row.missing[name] for name in ("rep", "team", "region"))
    if rep > MISSING:
        yield f"{rep:.1%} without rep: they count for the company only; let the source name it"
    if team - rep > MISSING:
        yield f"{team - rep:.1%} with a rep but without team: define the reps (`streamproc reference load`)"
    if region - team > MISSING:
        yield f"{region - team:.1%} with a team but without region: define the teams (`streamproc reference load`)"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"


def _topic(line: bytes) -> str:
    """The topic that a line belongs to by its type."""
    try:
        row = EVENTS.get(_typed.decode(line).type)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return UNKNOWN
    return row.topic if row and row.topic in EVENT_TOPICS else UNKNOWN
