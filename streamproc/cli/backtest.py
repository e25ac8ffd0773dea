"""`backtest`: KPI values at given times from a file of events, without Kafka."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import WRONG_USE, CliError
from streamproc.cli.lines import numbered, open_input, size_of
from streamproc.cli.options import (
    Currency,
    EventsFile,
    Format,
    Kpis,
    KpisFile,
    Output,
    ReferenceFile,
    Timezone,
    Windows,
    catalogue_of,
    examples,
    make_settings,
)

if TYPE_CHECKING:
    from streamproc import backtest as core
    from streamproc.facts.reference import Reference
    from streamproc.kpis.kpi import Catalogue, KpiValue
    from streamproc.kpis.limits import TargetCheck
    from streamproc.settings import Settings

END = "end"
SHOWN = 5  # bad lines that are listed

cli = typer.Typer()


@cli.command(
    epilog=examples(
        "streamproc backtest events.ndjson",
        "streamproc backtest events.ndjson --at 2018-01-01 --kpi win_ratio --by rep --window 90d",
        "streamproc backtest events.ndjson --reference roster.yaml --by company --format json",
    )
)
def backtest(
    file: EventsFile,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            metavar="TIME|end",
            help="As of when: a whole minute, a date (its beginning), or end: after the last event (repeatable).",
            show_default=END,
        ),
    ] = None,
    kpi: Kpis = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="DIMENSION", help="Only groups of this dimension, or company (repeatable)."),
    ] = None,
    window: Windows = None,
    reference: ReferenceFile = None,
    timezone: Timezone = None,
    currency: Currency = None,
    kpis: KpisFile = None,
    output: Output = Format.TABLE,
) -> None:
    """KPI values from a file of events, without Kafka.

    The same values as the workers would compute, whatever the order of the file. Reference events in the file
    count as well, wherever they are.
    """
    settings = make_settings(business_timezone=timezone, currency=currency, kpis_file=kpis)
    wanted = _Wanted.of(settings, kpi, by, window)
    times = [
        None if text == END else arguments.whole_minute_ms(text, "--at", settings.business_timezone)
        for text in at or [END]
    ]
    known = reference_of(settings, reference)
    with show.progress(with_total=size_of(file) is not None) as progress:
        reading = EventLines(known, arguments.target_check(settings))
        task = progress.add_task("Reading", total=size_of(file))
        with open_input(file) as lines:
            test = reading.backtest(
                numbered(lines, lambda count: progress.advance(task, count)), wanted.catalogue, settings
            )
        progress.update(task, description="Computing", total=None)
        tables = []
        for as_of_ms, values in test.at(times_of(test, times)):
            if output is Format.JSON:  # at once: all rows of many times are too much to hold
                show.json_lines(wanted.rows(values))
            else:
                tables.append((as_of_ms, wanted.rows(values)))
    reading.report(test)
    for as_of_ms, rows in tables:
        _print(as_of_ms, rows)


@dataclass
class _Wanted:
    """What is asked for, and the catalogue without the rest, which costs time."""

    catalogue: Catalogue
    dimensions: set[str]
    windows: set[str | None]

    @classmethod
    def of(cls, settings: Settings, kpis: list[str] | None, by: list[str] | None, windows: list[str] | None) -> _Wanted:
        from streamproc.kpis.kpi import Catalogue

        full = catalogue_of(settings)
        names = set(arguments.known_kpis(kpis, full))
        dimensions = set(arguments.known_dimensions(by, "--by"))
        chosen = [kpi for kpi in full.kpis if not names or kpi.name in names]
        possible = {"", *(dimension for kpi in chosen for dimension in kpi.by)}
        for dimension in sorted(dimensions - possible):
            have = ", ".join(sorted(possible - {""}))
            raise CliError(
                f"--by: {', '.join(sorted(names)) or 'no KPI'} is not kept by {dimension}, but by {have}",
                code=WRONG_USE,
            )
        if dimensions:
            chosen = [replace(kpi, by=tuple(one for one in kpi.by if one in dimensions)) for kpi in chosen]
        return cls(Catalogue(tuple(chosen)), dimensions, set(arguments.known_windows(windows)))

    def rows(self, values: Iterable[KpiValue]) -> list[dict[str, Any]]:
        from streamproc.outputs.topics import value_row

        rows = [
            value_row(value)
            for value in values
            if (not self.dimensions or value.group.partition("=")[0] in self.dimensions)
            and (not self.windows or value.window in self.windows)
        ]
        for row in rows:
            row.pop("buckets", None)
        return sorted(rows, key=show.row_order)


@dataclass
class EventLines:
    """Lines of the file: reference data on their way in, the rest to the backtest."""

    reference: Reference
    targets: TargetCheck | None = None  # where nothing reads targets, they are not judged
    count: int = 0
    skipped: list[int] = field(default_factory=list)  # numbers of lines that the backtest does not see

    def backtest(self, lines: Iterable[tuple[int, bytes]], catalogue: Catalogue, settings: Settings) -> core.Backtest:
        from streamproc.backtest import Backtest

        zone, holidays = settings.business_timezone, settings.holidays
        return Backtest(self.events(lines), catalogue, self.reference, zone, holidays)

    def events(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """All lines but those of reference data, which are applied."""
        from streamproc.codec import Rejection, decode_reference
        from streamproc.events import EVENTS, REFERENCE

        kinds = tuple(f'"{name}"'.encode() for name, row in EVENTS.items() if row.topic == REFERENCE)
        seen = 0
        for number, line in lines:
            self.skipped += range(seen + 1, number)
            seen = number
            self.count += 1
            if any(kind in line for kind in kinds):
                event = decode_reference(line)
                if not isinstance(event, Rejection):
                    if self.targets and (wrong := self.targets.wrong(event)):
                        show.note(f"line {number}: not used: {wrong}")
                    else:
                        self.reference.apply(event)
                    self.skipped.append(number)
                    continue
            yield line

    def report(self, test: core.Backtest) -> None:
        """Tell of lines that did not count."""
        from streamproc.codec import Rejection, decode

        reasons: Counter[str] = Counter()
        for (kind, *labels), count in test.counts.items():
            if kind == "rejected":
                reasons[labels[1]] += count
        if not reasons:
            return
        for line in test.bad[:SHOWN]:
            wrong = decode(line.value)
            if isinstance(wrong, Rejection):
                show.note(f"line {self._number(line.offset)}: {wrong.reason}: {wrong.error}")
        listed = ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common())
        show.note(f"{sum(reasons.values()):,} of {self.count:,} lines do not count: {listed}")

    def _number(self, offset: int) -> int:
        number = offset + 1
        for skipped in self.skipped:
            if skipped > number:
                break
            number += 1
        return number


def reference_of(settings: Settings, file: Path | None) -> Reference:
    """Reference data of a file, or none yet."""
    from streamproc.backtest import load_reference
    from streamproc.facts.reference import Reference
    from streamproc.ingest.reference_file import load

    known = Reference(settings.currency, tuple(settings.stages))
    if file is not None:
        check = arguments.target_check(settings)
        load_reference(load(file, int(time.time() * 1000), check, settings.business_timezone), known)
    return known


def times_of(test: core.Backtest, times: Sequence[int | None]) -> list[int]:
    """Times in ascending order; None is the end of the input."""
    if None not in times:
        return sorted({time_ms for time_ms in times if time_ms is not None})
    try:
        end_ms = test.end_ms()
    except ValueError as error:
        raise CliError(f"{error}: there is no `--at end`") from None
    return sorted({end_ms if time_ms is None else time_ms for time_ms in times})


def _print(as_of_ms: int, rows: list[dict[str, Any]]) -> None:
    from streamproc.outputs.topics import rfc3339

    if rows:
        show.console().print(show.value_rows(rows, f"as of {show.time_text(rfc3339(as_of_ms))}"))
    else:
        show.note(f"no values as of {show.time_text(rfc3339(as_of_ms))}")
