"""`import csv` and `reference load`: other people's files as canonical events."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import CliError
from streamproc.cli.lines import write
from streamproc.cli.options import (
    Bootstrap,
    Currency,
    SkipBad,
    Timezone,
    broker,
    examples,
    make_settings,
    run_async,
    set_up_logging,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamproc.bus.connection import Broker
    from streamproc.ingest.importer import Imported

import_ = typer.Typer(no_args_is_help=True, help="Import an export of another system.")
reference = typer.Typer(no_args_is_help=True, help="Load reps, teams, stages, rates, targets and thresholds.")

Out = Annotated[str | None, typer.Option("--out", metavar="FILE", help="Into a file (- for stdout), not into Kafka.")]


@import_.callback()
def _group() -> None:
    """Import an export of another system."""


@import_.command(
    epilog=examples(
        "streamproc import csv opportunities.csv --mapping mapping.yaml",
        "streamproc import csv opportunities.csv --mapping mapping.yaml --out events.ndjson",
    )
)
def csv(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV file.")],
    mapping: Annotated[Path, typer.Option("--mapping", metavar="FILE", help="What its columns mean (YAML).")],
    skip_bad: SkipBad = False,
    out: Out = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Rows of a CSV file as events, in time order.

    Bad rows are listed, and then nothing is imported (but with --skip-bad, the others are). The key of
    pseudonyms is taken from [dim]STREAMPROC_PSEUDONYM_KEY[/dim]. docs/import.md explains mappings.
    """
    settings = make_settings(bootstrap_servers=bootstrap_servers)
    set_up_logging()
    from streamproc.ingest.importer import read
    from streamproc.ingest.mapping import load_mapping

    secret = settings.pseudonym_key.get_secret_value().encode() if settings.pseudonym_key else None
    with show.progress(with_total=False) as progress:
        task = progress.add_task("Reading")
        imported = read(
            file,
            load_mapping(mapping, file),
            secret,
            lambda rows: progress.update(task, description=f"Reading: {rows:,} rows"),
        )
    for bad in imported.bad:
        show.note(f"line {bad.line}: {bad.reason}")
    if imported.bad and not skip_bad:
        raise CliError(
            f"{file}: {len(imported.bad):,} of {imported.rows:,} rows are bad; nothing was imported "
            "(--skip-bad imports the others)"
        )
    if out is None:
        run_async(publish(broker(settings), imported.events))
    else:
        write(out, imported.events)
    show.note(_summary(imported))


def _summary(imported: Imported) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in imported.by_type.items())
    parts = [f"{imported.rows:,} rows: {len(imported.events):,} events ({kinds})"]
    if imported.rows_without_events:
        parts.append(f"{imported.rows_without_events:,} rows without events")
    if imported.bad:
        parts.append(f"{len(imported.bad):,} bad rows left out")
    return "; ".join(parts)


@reference.callback()
def _reference_group() -> None:
    """Load reps, teams, stages, rates, targets and thresholds."""


@reference.command(
    epilog=examples(
        "streamproc reference load roster.yaml",
        "streamproc reference load roster.yaml --out reference.ndjson",
    )
)
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML, or .ndjson of reference events.")],
    out: Out = None,
    currency: Currency = None,
    timezone: Timezone = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Reference data of a file into Kafka, where every worker reads them.

    The file has lists `reps`, `teams`, `stages`, `rates`, `targets` and `thresholds`, as in

    \b
      reps:   [{rep: ann, team: dach-1, region: DACH, valid_from: 2024-07-01}]
      teams:  [{team: dach-1, region: DACH}]
      stages: [{stage: qualified, order: 2, probability: 0.3, qualified: true}]
      rates:  [{currency: USD, rate: 0.92, valid_from: 2024-01-01}]
      targets:    [{kpi: revenue_eur, group: {team: dach-1}, period: month, value: 50000}]
      thresholds: [{kpi: win_ratio, window: 30d, warning: 0.25, critical: 0.2, min_samples: 20}]

    Without `valid_from` an entry holds for ever. What is loaded stays; loading an entry again replaces it.
    """
    settings = make_settings(bootstrap_servers=bootstrap_servers, business_timezone=timezone, currency=currency)
    set_up_logging()
    from streamproc.ingest.reference_file import load as load_file

    check = arguments.target_check(settings)
    events = load_file(file, int(time.time() * 1000), check, settings.business_timezone)
    if out is None:
        run_async(publish(broker(settings), events))
    else:
        write(out, events)
    show.note(f"{len(events):,} entries loaded ({_kinds(events)})")


def _kinds(events: Sequence[bytes]) -> str:
    import orjson

    counts = Counter(orjson.loads(event)["type"] for event in events)
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) or "the file has none"


async def publish(to: Broker, events: Sequence[bytes]) -> None:
    """Publish events; returns when the brokers have them."""
    from streamproc.bus.publish import Publisher, record

    async with Publisher(to) as publisher:
        with show.progress(with_total=False) as progress:
            progress.add_task("Sending")
            await publisher.publish(map(record, events))
