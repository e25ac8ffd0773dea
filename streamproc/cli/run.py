"""`demo`, `kafka`, `worker`: what runs until it is stopped."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import CliError, wrong_use
from streamproc.cli.options import (
    App,
    Bootstrap,
    KpisFile,
    Port,
    broker,
    catalogue_of,
    examples,
    make_settings,
    run_async,
    set_up_logging,
)

if TYPE_CHECKING:
    from streamproc.settings import Settings

DEMO_RATE = 2_000.0
MAX_PORT = 65_535

cli = typer.Typer()


@cli.command(epilog=examples("streamproc demo", "streamproc demo --for 60s --rate 500 --port 8800"))
def demo(
    lasts: Annotated[str | None, typer.Option("--for", metavar="TIME", help="How long; else until Ctrl-C.")] = None,
    rate: Annotated[float, typer.Option("--rate", metavar="N", min=0.1, help="Events a second.")] = DEMO_RATE,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Same seed, same sales organisation.")] = 1,
    port: Port = None,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
) -> int:
    """The whole system on this machine, with live KPIs.

    Starts the workers and a simulated sales organisation. Brings an Apache Kafka of its own unless
    --bootstrap-servers names one.
    """
    duration_s = None if lasts is None else arguments.duration_s(lasts, "--for")
    settings = make_settings(port=port, bootstrap_servers=bootstrap_servers, app=app)
    _next_port(settings.port)
    if "bootstrap_servers" not in settings.model_fields_set and settings.security_protocol != "PLAINTEXT":
        raise wrong_use(
            "STREAMPROC_SECURITY_PROTOCOL: expected with --bootstrap-servers only; the demo's own Kafka is PLAINTEXT"
        )
    catalogue_of(settings)  # what is wrong is told before anything is started
    set_up_logging()
    from streamproc.demo import run_demo

    return run_demo(settings, duration_s=duration_s, rate=rate, seed=seed, console=show.console())


@cli.command(epilog=examples("streamproc kafka", "streamproc kafka --port 9093 --data-dir ~/kafka"))
def kafka(
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=MAX_PORT, help="0 takes a free one.")] = 9092,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Keeps the data; else they end with the broker.")
    ] = None,
) -> int:
    """An Apache Kafka in the foreground, for trials.

    One node, without security, for this machine only.
    """
    set_up_logging()
    from streamproc.bus.embedded import EmbeddedKafka

    def stop(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    embedded = EmbeddedKafka(data_dir, port)
    embedded.start(show.note)
    try:
        show.note("Ctrl-C stops it.")
        while embedded.is_running:
            time.sleep(0.2)
        raise CliError("the broker has ended by itself" + (f"; its log: {embedded.log_file}" if data_dir else ""))
    except KeyboardInterrupt:
        show.note("stopping")
        return 0
    finally:
        embedded.stop()


@cli.command(
    epilog=examples(
        "streamproc worker",
        "streamproc worker --stage facts --bootstrap-servers kafka-1:9092,kafka-2:9092",
        "streamproc worker --clock event --app backfill",
    )
)
def worker(
    stage: Annotated[
        Literal["facts", "kpis", "all"], typer.Option("--stage", help="Which stage; all: one of each.")
    ] = "all",
    port: Port = None,
    clock: Annotated[
        str | None,
        typer.Option(
            "--clock",
            metavar="wall|event",
            help="What windows slide by: the time of day, or the events' own time. [dim]STREAMPROC_CLOCK[/dim]",
            show_default="wall",
        ),
    ] = None,
    kpis: KpisFile = None,
    bootstrap_servers: Bootstrap = None,
    app: App = None,
    beside: Annotated[str, typer.Option("--beside", hidden=True, help="Of `backfill`: publish nothing yet.")] = "",
) -> int:
    """Compute KPIs: events in, values and /metrics out.

    Stops cleanly at SIGTERM or Ctrl-C. Run as many workers as the topics have partitions; the work is shared
    out among those of one --app.
    """
    settings = make_settings(port=port, clock=clock, kpis_file=kpis, bootstrap_servers=bootstrap_servers, app=app)
    set_up_logging(settings.log_level)
    if stage == "all":
        return _both(settings)
    from streamproc.app import run_worker

    return run_async(run_worker(settings, stage, beside))


def _both(settings: Settings) -> int:
    from streamproc.bus.topics import describe
    from streamproc.supervise import supervise

    workers = commands(settings)
    catalogue_of(settings)  # what is wrong is said once, rather than by each child
    run_async(describe(broker(settings), []))
    return supervise(workers)


def commands(settings: Settings, *options: str) -> list[list[str]]:
    """Command lines of a worker of each stage."""
    ports = {"kpis": settings.port, "facts": _next_port(settings.port)}
    shared = []
    for name in ("bootstrap_servers", "app", "clock"):
        shared += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
    shared += ["--kpis", settings.kpis_file] if settings.kpis_file else []
    return [
        [sys.executable, "-m", "streamproc", "worker", "--stage", stage, "--port", str(port), *shared, *options]
        for stage, port in ports.items()
    ]


def _next_port(port: int) -> int:
    """Port of the facts worker beside the kpis worker; 0 takes a free one."""
    if port == MAX_PORT:
        raise wrong_use(f"--port: expected at most {MAX_PORT - 1}, since the facts worker takes the next one")
    return port + 1 if port else 0
