"""`backfill`: a second application beside the first, rebuilt from the topics' beginning, that takes over."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamproc.cli import show
from streamproc.cli.errors import CliError, wrong_use
from streamproc.cli.options import (
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
from streamproc.cli.run import commands

if TYPE_CHECKING:
    from streamproc.bus.handover import Stand, Watch
    from streamproc.settings import Settings
    from streamproc.supervise import Supervisor

LOOK_S = 2.0  # between two looks at how far it is; what lies between is the lag with which it takes over
POLL_S = 0.2
TELL_S = 30.0  # between two lines of progress where there is no terminal

cli = typer.Typer()


@cli.command(
    epilog=examples(
        "streamproc backfill --app streamproc-2 --port 8710",
        "streamproc backfill --app streamproc-2 --kpis kpis.yaml --port 8710 --take-over",
    )
)
def backfill(
    app: Annotated[str, typer.Option("--app", metavar="NEW", help="Application id to fill: one never used before.")],
    old: Annotated[
        str | None,
        typer.Option(
            "--old",
            metavar="NAME",
            help="The application to take over from. [dim]STREAMPROC_APP[/dim]",
            show_default="streamproc",
        ),
    ] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="When caught up, take over from workers that still run; they end.")
    ] = False,
    kpis: KpisFile = None,
    port: Port = None,
    clock: Annotated[
        str | None,
        typer.Option("--clock", metavar="wall|event", help="As of `worker`.", show_default="wall"),
    ] = None,
    bootstrap_servers: Bootstrap = None,
) -> int:
    """Rebuild all KPIs from the events in the topics, beside the running system, and take over.

    Fills a new application and publishes nothing until it has caught up. Then it waits until the workers of the old one
    have been stopped, publishes all values, and goes on as the workers of the new one.
    """
    former = make_settings(app=old).app
    settings = make_settings(app=app, kpis_file=kpis, port=port, clock=clock, bootstrap_servers=bootstrap_servers)
    if former == app:
        raise wrong_use(f"--app: {app} is the application to take over from; expected a new one, such as {app}-2")
    catalogue_of(settings)
    set_up_logging(settings.log_level)
    with _terminable():
        run_async(_fill(settings, former, take_over))
    show.note(f"{app} has taken over from {former}: from now on, run `streamproc worker --app {app}`")
    from streamproc.supervise import supervise

    return supervise(commands(settings))


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as Ctrl-C, so that the workers are stopped in either case."""

    def stop(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _fill(settings: Settings, former: str, take_over: bool) -> None:
    from streamproc.bus.handover import let_take_over, retire, watching
    from streamproc.supervise import Supervisor

    async with watching(broker(settings)) as watch:
        partitions = await _partitions(watch, settings, former)
        workers = Supervisor(commands(settings, "--beside", former))
        try:
            await _catch_up(watch, settings.app, workers)
            if not take_over:
                await _until_stopped(watch, former, workers)
        finally:
            workers.stop()
        show.note(f"{settings.app} takes over")
        await retire(watch.broker, former, settings.app, partitions)
        await let_take_over(watch.broker, settings.app, partitions)


async def _partitions(watch: Watch, settings: Settings, former: str) -> int:
    """Partition count of the topics; CliError where something is missing."""
    from streamproc.bus.topics import describe, table

    partitions = await watch.partitions(f"{former}-kpis-changelog")
    if not partitions:
        raise wrong_use(f"--old: no application {former} here (no topic {former}-kpis-changelog)")
    rows = await describe(watch.broker, table(settings.app, partitions))
    if missing := [row.name for row in rows if row.found is None]:
        raise wrong_use(
            f"no topic {', '.join(missing)}: run `streamproc topics create --app {settings.app} "
            f"--partitions {partitions}` first, with the --replication of the others"
        )
    return partitions


_STAGES = {"facts": "Events → facts", "kpis": "Facts → values"}


async def _catch_up(watch: Watch, app: str, workers: Supervisor) -> None:
    """Until all that was there at the last look has been read and committed by both stages."""
    with show.progress() as progress:
        bars = {stage: progress.add_task(text, total=None) for stage, text in _STAGES.items()}
        before = await _look(watch, app)
        due = 0.0
        while True:
            await _pause(workers, LOOK_S)
            now = await _look(watch, app)
            for stage, stand in now.items():
                progress.update(bars[stage], completed=stand.done, total=stand.total)
            if progress.disable and time.monotonic() >= due:  # no terminal
                due = time.monotonic() + TELL_S
                show.note(", ".join(f"{_STAGES[name]}: {one.done:,} of {one.total:,}" for name, one in now.items()))
            if now and before and all(now[stage].has_read(before[stage].ends) for stage in _STAGES):
                return
            before = now


async def _look(watch: Watch, app: str) -> dict[str, Stand]:
    """How far both stages are; nothing while the broker does not answer."""
    from aiokafka.errors import KafkaError

    try:
        return {stage: await watch.stand(app, stage) for stage in _STAGES}
    except (KafkaError, TimeoutError, LookupError) as error:
        show.note(f"the broker does not say how far it is: {type(error).__name__}: {error}")
        return {}


async def _until_stopped(watch: Watch, former: str, workers: Supervisor) -> None:
    told = False
    while members := await watch.members(former):
        if not told:
            show.note(f"caught up. Stop the workers of {former} ({members} run): then the new ones take over")
            told = True
        await _pause(workers, LOOK_S)


async def _pause(workers: Supervisor, seconds: float) -> None:
    """Wait, and keep the workers running meanwhile. CliError where one cannot go on."""
    import asyncio

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        code = workers.check()
        if code is not None:
            raise CliError("a worker cannot go on; its last lines say why", code=code)
        await asyncio.sleep(POLL_S)
