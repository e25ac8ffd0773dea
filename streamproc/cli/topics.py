"""`topics` and `rejected`: what is in Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
Replication = Annotated[int, typer.Option("--replication", metavar="N", min=1, help="Copies of each partition.")]


@topics.command(epilog=examples("streamproc topics create", "streamproc topics create --partitions 12 --replication 3"))
def create(
    partitions: Partitions = None,
    replication: Replication = 1,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
    output: Output = Format.TABLE,
) -> None:
    """Make the topics that are not there yet. Those that are there stay as they are."""
    from streamproc.bus import topics as bus

    settings = make_settings(bootstrap_servers=bootstrap_servers, app=app, partitions=partitions)
    set_up_logging()
    specs = bus.table(settings.app, settings.partitions, replication)
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
