"""The command line `streamproc`. Modules that are slow to import are imported by the commands that need them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from streamproc import __version__
from streamproc.cli import (  # noqa: F401 (targets adds commands to reference)
    backfill,
    backtest,
    doctor,
    feed,
    forecast,
    kpis,
    load,
    quality,
    run,
    targets,
    topics,
    values,
    variants,
)
from streamproc.cli.errors import INTERRUPTED, explain
from streamproc.cli.options import examples

app = typer.Typer(
    name="streamproc",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog=examples(
        "streamproc demo",
        "streamproc doctor",
        "streamproc backtest events.ndjson --kpi win_ratio --by rep",
        "streamproc COMMAND --help",
    ),
)
app.add_typer(run.cli)
app.add_typer(backfill.cli)
app.add_typer(topics.topics, name="topics")
app.add_typer(feed.cli)
app.add_typer(load.import_, name="import")
app.add_typer(load.reference, name="reference")
app.add_typer(backtest.cli)
app.add_typer(values.cli)
app.add_typer(forecast.cli)
app.add_typer(variants.cli)
app.add_typer(quality.cli)
app.add_typer(kpis.kpis, name="kpis")
app.add_typer(topics.rejected, name="rejected")
app.add_typer(doctor.cli)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"streamproc {__version__}")
        raise typer.Exit


@app.callback()
def _streamproc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Real-time KPIs for B2B sales: events in Kafka in, exact rolling KPIs out.

    Settings come from environment variables [dim]STREAMPROC_…[/dim]; options go first.

    Exit codes: 0 done, 1 failed, 2 used wrongly or not possible as things are, 130 interrupted.
    """


def run_command(args: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of this process); returns the exit code."""
    try:
        code = app(args=args, prog_name="streamproc", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. What is still in the buffer must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        lines, code = explained
        for line in lines:
            print(line if line.startswith(" ") else f"error: {line}", file=sys.stderr)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of `streamproc`."""
    sys.exit(run_command())
