"""`quality`: what came in from each source, what was wrong with it, and what to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import show
from streamproc.cli.errors import CliError, wrong_use
from streamproc.cli.lines import numbered, open_input, size_of
from streamproc.cli.options import Currency, Format, Output, examples, make_settings

if TYPE_CHECKING:
    from streamproc.facts.quality import Counts
    from streamproc.quality import Row
    from streamproc.settings import Settings

TIMEOUT_S = 10
COLUMNS = (
    "source", "topic", "events", "rejected", "repeated", "late", "skew", "negative", "orphans", "anomalies",
    "no rep", "no team", "no region",
)  # fmt: skip

cli = typer.Typer()


@cli.command(
    epilog=examples(
        "streamproc quality events.ndjson --reference roster.yaml",
        "streamproc quality",
        "streamproc quality --url http://127.0.0.1:8701/metrics --format json",
    )
)
def quality(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Events, one JSON text a line; - for stdin. Without: the workers'."),
    ] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="/metrics of a facts worker (repeatable).",
            show_default="http://127.0.0.1:8701/metrics",
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="For a file: reps, teams, exchange rates.")
    ] = None,
    currency: Currency = None,
    output: Output = Format.TABLE,
) -> None:
    """What came in from each source, what was wrong with it, and what to do about it.

    From a file of events, or from facts workers: then since each has started.
    """
    settings = make_settings(currency=currency)
    if file is not None and url:
        raise wrong_use("--url: either a FILE or workers, not both")
    if file is None and reference is not None:
        raise wrong_use("--reference: only with a FILE; workers have their own")
    counts = _of_workers(settings, url) if file is None else _of_file(settings, file, reference)
    from streamproc.quality import rows

    found = rows(counts)
    if output is Format.JSON:
        show.json_lines(_json(row) for row in found)
    elif not found:
        show.note("no events yet")
    else:
        _print(found)


def _of_file(settings: Settings, file: str, reference: Path | None) -> Counts:
    from streamproc.cli.backtest import EventLines, reference_of
    from streamproc.quality import of_file

    known = reference_of(settings, reference)
    with show.progress(with_total=size_of(file) is not None) as progress, open_input(file, twice=True) as lines:
        task = progress.add_task("Reading", total=size_of(file))
        for _ in EventLines(known).events(numbered(lines)):  # reference data count wherever they are
            pass
        lines.seek(0)
        read = numbered(lines, lambda count: progress.advance(task, count))
        return of_file(EventLines(known).events(read), known)


def _of_workers(settings: Settings, urls: list[str] | None) -> Counts:
    from streamproc.outputs.http import Access
    from streamproc.outputs.source_metrics import read

    access = Access(settings.secret("http_token"), settings.http_user, settings.secret("http_password"))
    counts: Counts = Counter()
    for url in urls or [f"http://{settings.host}:{settings.port + 1}/metrics"]:
        counts += read(_fetch(url, access.headers))
    return counts


def _fetch(url: str, headers: dict[str, str]) -> str:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not url.startswith(("http://", "https://")):
        raise wrong_use(f"--url: expected an address such as http://127.0.0.1:8701/metrics, found '{url}'")
    try:
        with urlopen(Request(url, headers=headers), timeout=TIMEOUT_S) as response:
            page: bytes = response.read()
    except HTTPError as error:
        todo = (
            "set STREAMPROC_HTTP_TOKEN, or user and password" if error.code == 401 else "expected /metrics of a worker"
        )
        raise CliError(f"{url}: answered {error.code} {error.reason}: {todo}") from None
    except OSError as error:
        why = getattr(error, "reason", error)
        raise CliError(f"{url}: no facts worker answers ({why}): start one, or name it with --url") from None
    return page.decode()


def _json(row: Row) -> dict[str, Any]:
    from msgspec import to_builtins

    found: dict[str, Any] = to_builtins(row)
    return found


def _print(rows: list[Row]) -> None:
    show.console().print(show.table(COLUMNS, [_cells(row) for row in rows], right=COLUMNS[2:]))
    for row in rows:
        for suggestion in row.suggestions:
            show.console().print(f"{row.source}, {row.topic}: {suggestion}", markup=False)


def _cells(row: Row) -> list[str]:
    missing = [_percent(row.missing[name] if row.missing else None) for name in ("rep", "team", "region")]
    return [
        row.source,
        row.topic,
        f"{row.events:,}",
        f"{sum(row.rejected.values()):,}",
        f"{row.duplicates:,}",
        show.NOTHING if row.late is None else f"{row.late:,}",
        show.NOTHING if row.skew_seconds is None else f"{row.skew_seconds:,.1f} s",
        _percent(row.negative_share),
        f"{row.orphans:,}",
        f"{sum(row.anomalies.values()):,}",
        *missing,
    ]


def _percent(share: float | None) -> str:
    return show.NOTHING if share is None else f"{share:.1%}"
