"""Options that several commands share, and the settings that they make. Imports nothing that is slow."""

from __future__ import annotations

import re
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from streamproc.cli.errors import WRONG_USE, CliError, wrong_use

if TYPE_CHECKING:
    from pydantic import ValidationError

    from streamproc.bus.connection import Broker
    from streamproc.kpis.kpi import Catalogue
    from streamproc.settings import Settings

PREFIX = "STREAMPROC_"  # as in `settings`, which is slow to import
T = TypeVar("T")


class Format(StrEnum):
    """How output is printed."""

    TABLE = "table"
    JSON = "json"


def _variable(name: str) -> str:
    return f" [dim]{PREFIX}{name}[/dim]"


Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        metavar="HOST:PORT",
        help="Kafka brokers, separated by commas." + _variable("BOOTSTRAP_SERVERS"),
        show_default="127.0.0.1:9092",
    ),
]
App = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="NAME",
        help="Application id: prefix of groups and changelogs." + _variable("APP"),
        show_default="streamproc",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="N",
        help="Port of /metrics; the facts worker beside it has the next one.",
        show_default="8700",
    ),
]
Currency = Annotated[
    str | None,
    typer.Option("--currency", metavar="CODE", help="Reporting currency." + _variable("CURRENCY"), show_default="EUR"),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        metavar="ZONE",
        help="Time zone of calendar windows, such as Europe/Berlin." + _variable("BUSINESS_TIMEZONE"),
        show_default="UTC",
    ),
]
KpisFile = Annotated[
    str | None,
    typer.Option("--kpis", metavar="FILE", help="People's own KPIs, in YAML." + _variable("KPIS_FILE")),
]
Output = Annotated[Format, typer.Option("--format", help="Table for people, or JSON, one object a line.")]
EventsFile = Annotated[str, typer.Argument(metavar="FILE", help="Canonical events, one JSON text a line; - for stdin.")]
MaybeFile = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]", help="Canonical events, one JSON text a line; - for stdin. Else the workers' state."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME|end", help="As of when, with a file: a whole minute, a date or end."),
]
ReferenceFile = Annotated[
    Path | None, typer.Option("--reference", metavar="FILE", help="Reps, teams, stages, exchange rates.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out what is bad instead of stopping.")]
Kpis = Annotated[list[str] | None, typer.Option("--kpi", metavar="NAME", help="Only this KPI (repeatable).")]
Windows = Annotated[
    list[str] | None,
    typer.Option("--window", metavar="NAME", help="Only this window, such as 7d; `level` for none (repeatable)."),
]


def make_settings(**options: Any) -> Settings:
    """Settings from the environment; options that were given go first. Raises CliError for each wrong one."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from streamproc.settings import SecretFileError, Settings

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise CliError(*_wrong(error, given), code=WRONG_USE) from None
    except SecretFileError as error:
        raise wrong_use(str(error)) from None
    except SettingsError as error:  # a list that is not JSON
        name = re.findall(r'"(\w+)"', str(error))[0]
        raise wrong_use(f'{PREFIX}{name.upper()}: expected a list in JSON, such as ["new", "qualified"]') from None


_OPTIONS = {"business_timezone": "--timezone", "kpis_file": "--kpis"}  # where it is not named like the setting


def _wrong(error: ValidationError, given: dict[str, Any]) -> list[str]:
    from streamproc.settings import secrets

    hidden = secrets()
    lines = []
    for problem in error.errors():
        if not problem["loc"]:  # several settings that do not fit together; the message names them
            lines.append(str(problem["msg"]).removeprefix("Value error, "))
            continue
        name = str(problem["loc"][0])
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        place = option if name in given else f"{PREFIX}{name.upper()}"
        found = "" if name in hidden else f", found {problem['input']!r}"
        lines.append(f"{place}: {_expected(problem)}{found}")
    return lines


def _expected(problem: Any) -> str:
    if problem["type"] == "string_pattern_mismatch":
        return f"expected text matching {problem['ctx']['pattern']}"
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return message if message.startswith("expected") else f"expected {message}"


def catalogue_of(settings: Settings) -> Catalogue:
    """The built-in KPIs and people's own. Raises OwnKpiErrors with everything that is wrong with their file."""
    from streamproc.ingest.kpis_file import full_catalogue

    return full_catalogue(settings.currency, settings.kpis_file)


def broker(settings: Settings) -> Broker:
    """The brokers of the settings, and how to connect to them."""
    from streamproc.bus.connection import Broker

    return Broker.of(settings)


def set_up_logging(level: str | None = None) -> None:
    """Log to stderr at `level`, for workers; without it only what is wrong with this program itself."""
    import logging

    logging.basicConfig(
        stream=sys.stderr,
        level=(level or "warning").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    if level != "debug":
        for noisy in ("aiokafka", "faust", "mode", "streamproc.bus.batches", "asyncio", "aiohttp"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
    if level is None:
        # Commands tell of an unreachable broker themselves.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. Ctrl-C cancels the work and raises KeyboardInterrupt."""
    import asyncio

    return asyncio.run(work)


def examples(*lines: str) -> str:
    """Epilog of a command's help."""
    return "\b\n[bold]Examples[/bold]\n" + "\n".join(f"  [cyan]{line}[/cyan]" for line in lines)
