"""`topics` and `rejected`: what is in Kafka."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from streamproc.cli import show
from streamproc.cli.options import (
    App,
    Bootstrap,
    Format,
    Output,
    broker,
    examples,
    make_settings,
    run_async,
    set_up_logging,
)

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from streamproc.bus.connection import Broker
    from streamproc.bus.topics import TopicSpec
    from streamproc.settings import Settings

topics = typer.Typer(no_args_is_help=True, help="Make and list the Kafka topics.")
rejected = typer.Typer(no_args_is_help=True, help="Events that were not taken, and why.")

Partitions = Annotated[
    int | None,
    typer.Option(
        "--partitions",
        metavar="N",
        help="Partitions of each topic. [dim]STREAMPROC_PARTITIONS[/dim]",
        show_default="4",
    ),
]
Replication = Annotated[
    int | None,
    typer.Option("--replication", metavar="N", min=1, help="Copies of each partition.", show_default="1"),
]
Profile = Annotated[
    Literal["single", "production"],
    typer.Option("--profile", help="production: 12 partitions with 3 copies, of which 2 must be in sync."),
]


@topics.command(epilog=examples("streamproc topics create", "streamproc topics create --profile production"))
def create(
    profile: Profile = "single",
    partitions: Partitions = None,
    replication: Replication = None,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
    output: Output = Format.TABLE,
) -> None:
    """Make the topics that are not there yet. Those that are there stay as they are."""
    from streamproc.bus import topics as bus

    settings = make_settings(bootstrap_servers=bootstrap_servers, app=app, partitions=partitions)
    set_up_logging()
    specs = _specs(settings, profile, replication)
    made = run_async(bus.create(broker(settings), specs))
    rows = [
        {"topic": name, "partitions": spec.partitions, "state": state}
        for (name, state), spec in zip(made, specs, strict=True)
    ]
    _print(rows, output)


@topics.command("list", epilog=examples("streamproc topics list", "streamproc topics list --format json"))
def list_(
    partitions: Partitions = None,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
    output: Output = Format.TABLE,
) -> None:
    """The topics of this application, and whether they are as they should be."""
    from streamproc.bus import topics as bus

    settings = make_settings(bootstrap_servers=bootstrap_servers, app=app, partitions=partitions)
    set_up_logging()
    specs = bus.table(settings.app, settings.partitions)
    found = run_async(bus.describe(broker(settings), specs))
    rows = [
        {"topic": row.name, "partitions": row.found, "expected": row.expected, "state": _state(row), "key": spec.key}
        for row, spec in zip(found, specs, strict=True)
    ]
    _print(rows, output)


@topics.command(epilog=examples("streamproc topics diff --profile production", "streamproc topics diff --apply"))
def diff(
    profile: Profile = "single",
    partitions: Partitions = None,
    replication: Replication = None,
    apply: Annotated[bool, typer.Option("--apply", help="Change the configuration that differs.")] = False,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
    output: Output = Format.TABLE,
) -> int:
    """Where the topics are not as they should be: partitions, copies, retention, compaction and so on.

    Changes nothing without --apply; with it, only configuration, and only where nothing is lost by it: counts of
    partitions and copies, and longer retentions, stay as they are.
    Exit code 1 if anything differs that has not been changed.
    """
    from streamproc.bus import topic_drift

    settings = make_settings(bootstrap_servers=bootstrap_servers, app=app, partitions=partitions)
    set_up_logging()
    found = run_async(topic_drift.compare(broker(settings), _specs(settings, profile, replication), apply))
    if found or output is Format.JSON:
        _print([asdict(one) for one in found], output)
    else:
        show.note("the topics are as they should be")
    return int(any(not one.applied for one in found))


def _specs(settings: Settings, profile: str, replication: int | None) -> list[TopicSpec]:
    """The table of a profile; numbers that somebody has named go before those of the profile."""
    from streamproc.bus import topics as bus

    partitions, copies = bus.PROFILES[profile]
    if "partitions" in settings.model_fields_set:
        partitions = settings.partitions
    return bus.table(settings.app, partitions, replication or copies)


def _state(row: Any) -> str:
    if row.found is None:
        return "missing"
    return "ok" if row.is_ok else "other partition count"


def _print(rows: list[dict[str, Any]], output: Format) -> None:
    if output is Format.JSON:
        show.json_lines(rows)
        return
    cells = [[show.NOTHING if cell is None else str(cell) for cell in row.values()] for row in rows]
    show.console().print(show.table(list(rows[0]), cells, right=("partitions", "expected")))


@rejected.command(
    "show", epilog=examples("streamproc rejected show", "streamproc rejected show --last 5 --format json")
)
def show_(
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many.")] = 20,
    bootstrap_servers: Bootstrap = None,
    output: Output = Format.TABLE,
) -> None:
    """The latest records that were not taken, and why.

    With reason, error and where they came from (topic/partition/offset). JSON also has key and value.
    """
    settings = make_settings(bootstrap_servers=bootstrap_servers)
    set_up_logging()
    rows = [_rejected(record) for record in run_async(_last(broker(settings), last))]
    if output is Format.JSON:
        show.json_lines(rows)
    elif not rows:
        show.note("nothing was rejected")
    else:
        cells = [(show.time_text(row["time"]), row["reason"], row["error"], row["source"]) for row in rows]
        show.console().print(show.table(("time", "reason", "error", "source"), cells))


async def _last(to: Broker, count: int) -> list[ConsumerRecord]:
    from streamproc.bus.reading import last, reader

    topic = "sales.rejected"
    async with reader(to, topic) as consumer:
        return await last(consumer, topic, count)


def _rejected(record: ConsumerRecord) -> dict[str, Any]:
    from streamproc.outputs.topics import rfc3339

    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    source = "/".join(headers.get(f"source_{part}", "?") for part in ("topic", "partition", "offset"))
    return {
        "time": rfc3339(record.timestamp),
        "reason": headers.get("reason", ""),
        "error": headers.get("error", ""),
        "source": source,
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "value": None if record.value is None else record.value.decode(errors="replace"),
    }
