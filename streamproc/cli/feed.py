"""`simulate` and `replay`: events into Kafka, made up or from a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import CliError, wrong_use
from streamproc.cli.lines import numbered, open_input, size_of, write
from streamproc.cli.options import (
    Bootstrap,
    EventsFile,
    SkipBad,
    broker,
    examples,
    make_settings,
    run_async,
    set_up_logging,
)

if TYPE_CHECKING:
    from streamproc.bus.connection import Broker
    from streamproc.bus.publish import Publisher, Record
    from streamproc.simulate import Organisation

STEP_S = 0.1  # between two batches that are paced
HISTORY_EVENTS = 100_000  # that a history has at most, unless --rate is lower still
SHOWN = 20  # bad lines that are listed
LIVE_FLAWS = 0.002
DEFAULT_START = "2025-01-01"

cli = typer.Typer()


@cli.command(
    epilog=examples(
        "streamproc simulate --rate 500 --for 10m",
        "streamproc simulate --history 30d",
        "streamproc simulate --out events.ndjson --start 2025-01-01 --for 2h",
    )
)
def simulate(
    rate: Annotated[float, typer.Option("--rate", metavar="N", min=0.001, help="Events a second.")] = 50.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Same seed, same sales organisation.")] = 1,
    lasts: Annotated[str | None, typer.Option("--for", metavar="TIME", help="How long; else until Ctrl-C.")] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Into a file (- for stdout), not into Kafka.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="TIME", help="With --out: when it begins.", show_default=DEFAULT_START),
    ] = None,
    history: Annotated[
        str | None, typer.Option("--history", metavar="TIME", help="Events of this long before, at a lower rate.")
    ] = None,
    flaws: Annotated[
        float | None,
        typer.Option(
            "--flaws",
            metavar="SHARE",
            min=0,
            max=1,
            help="Share of events that come repeated, late, out of order or with a malformed one.",
            show_default="0.002; with --out 0",
        ),
    ] = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Events of a made-up sales organisation.

    Live into Kafka, or a given period into a file. Reference data (reps, teams, stages, exchange rates) come
    first. A file is the same for the same options.
    """
    duration_s = None if lasts is None else arguments.duration_s(lasts, "--for")
    history_s = 0.0 if history is None else arguments.duration_s(history, "--history")
    if out is None:
        if start is not None:
            raise wrong_use("--start: goes with --out only; into Kafka, events happen now")
        settings = make_settings(bootstrap_servers=bootstrap_servers)
        set_up_logging()
        plan = _Plan(rate, seed, duration_s, history_s, LIVE_FLAWS if flaws is None else flaws)
        run_async(_simulate_live(plan, broker(settings)))
        return
    if duration_s is None:
        raise wrong_use("--out needs --for, such as --for 2h")
    start_ms = arguments.instant_ms(start or DEFAULT_START, "--start", "UTC")
    plan = _Plan(rate, seed, duration_s, history_s, flaws or 0.0)
    with show.progress(with_total=False) as progress:
        progress.add_task("Simulating")
        count = write(out, plan.lines(start_ms))
    show.note(f"{count:,} lines written")


@dataclass
class _Plan:
    """What to simulate. `duration_s` None: without end."""

    rate: float
    seed: int
    duration_s: float | None
    history_s: float
    flaws: float
    sent: int = 0

    def organisation(self, start_ms: int) -> Organisation:
        from streamproc.simulate import Organisation

        return Organisation(self.seed, start_ms - int(self.history_s * 1000), flaws=self.flaws)

    @property
    def history_rate(self) -> float:
        return min(self.rate, HISTORY_EVENTS / self.history_s) if self.history_s else self.rate

    def lines(self, start_ms: int) -> Iterator[bytes]:
        """Reference data, history and the period itself."""
        organisation = self.organisation(start_ms)
        yield from organisation.reference()
        for until_ms, rate in (
            (start_ms, self.history_rate),
            (start_ms + int((self.duration_s or 0) * 1000), self.rate),
        ):
            for *_, line in organisation.events(until_ms, rate):
                yield line


async def _simulate_live(plan: _Plan, to: Broker) -> None:
    from streamproc.bus.publish import Publisher, record

    async with Publisher(to) as publisher:
        organisation = plan.organisation(_now_ms())
        await publisher.publish(map(record, organisation.reference()))
        with show.progress(with_total=False) as progress:
            task = progress.add_task("Sending the history" if plan.history_s else "Simulating")

            def sent(count: int) -> None:
                plan.sent += count
                progress.update(task, description=f"Simulating: {plan.sent:,} events sent")

            try:
                await _send(publisher, organisation, plan.history_rate, sent)
                await _keep_up(publisher, organisation, plan, sent)
            finally:
                show.note(f"{plan.sent:,} events sent")


async def _keep_up(publisher: Publisher, organisation: Organisation, plan: _Plan, sent: Callable[[int], None]) -> None:
    import asyncio

    end = None if plan.duration_s is None else time.monotonic() + plan.duration_s
    while end is None or time.monotonic() < end:
        await asyncio.sleep(STEP_S)
        await _send(publisher, organisation, plan.rate, sent)


async def _send(publisher: Publisher, organisation: Organisation, rate: float, sent: Callable[[int], None]) -> None:
    """Everything that has happened by now."""
    events = ((topic, key, line) for _, topic, key, line in organisation.events(_now_ms(), rate))
    while chunk := list(islice(events, 5_000)):
        sent(await publisher.publish(chunk))


def _now_ms() -> int:
    return int(time.time() * 1000)


@cli.command(
    epilog=examples(
        "streamproc replay events.ndjson",
        "streamproc replay events.ndjson --rate 500",
        "zcat events.ndjson.gz | streamproc replay - --skip-bad",
    )
)
def replay(
    file: EventsFile,
    rate: Annotated[str, typer.Option("--rate", metavar="N|max", help="Events a second.")] = "max",
    skip_bad: SkipBad = False,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Send a file of events to Kafka.

    In the order of the file, each to the topic of its type, by its subject. Lines that do not even say where
    they belong are listed, and then nothing is sent (but with --skip-bad, the others are). Whatever else is
    wrong with an event, the worker says; see `streamproc rejected show`.
    """
    pace = arguments.rate_per_s(rate, "--rate")
    settings = make_settings(bootstrap_servers=bootstrap_servers)
    set_up_logging()
    reading = _Reading()
    size = size_of(file)
    with open_input(file, twice=not skip_bad) as lines, show.progress(with_total=size is not None) as progress:
        if not skip_bad:
            checking = progress.add_task("Checking", total=size)
            for _ in reading.records(lines, lambda count: progress.advance(checking, count)):
                pass
            reading.refuse(file)
            lines.seek(0)
        sending = progress.add_task("Sending", total=size)
        started = time.monotonic()
        records = reading.records(lines, lambda count: progress.advance(sending, count))
        sent = run_async(_replay(broker(settings), records, pace))
        seconds = max(time.monotonic() - started, 0.001)
    reading.warn()
    show.note(f"{sent:,} events sent in {seconds:.1f} s ({sent / seconds:,.0f} a second)")


@dataclass
class _Reading:
    """Lines of a file → records, and the lines that are none."""

    bad: list[tuple[int, str]] = field(default_factory=list)
    bad_count: int = 0

    def records(self, lines: BinaryIO, on_bytes: Callable[[int], None]) -> Iterator[Record]:
        from streamproc.bus.publish import Unroutable, record

        for number, line in numbered(lines, on_bytes):
            try:
                found = record(line)
            except Unroutable as error:
                self.bad_count += 1
                if len(self.bad) < SHOWN:
                    self.bad.append((number, str(error)))
            else:
                yield found

    def refuse(self, file: str) -> None:
        """Raises CliError if any line was bad."""
        if self.bad_count:
            lines = [f"{file}:{number}: {error}" for number, error in self.bad]
            raise CliError(*lines, f"{self.bad_count:,} bad lines; nothing was sent (--skip-bad sends the others)")

    def warn(self) -> None:
        for number, error in self.bad:
            show.note(f"line {number}: not sent: {error}")
        if self.bad_count:
            show.note(f"{self.bad_count:,} bad lines were not sent")


async def _replay(to: Broker, records: Iterable[Record], pace: float | None) -> int:
    import asyncio

    from streamproc.bus.publish import Publisher

    async with Publisher(to) as publisher:
        if pace is None:
            return await publisher.publish(records)
        sent, started = 0, time.monotonic()
        waiting = iter(records)
        while chunk := list(islice(waiting, max(1, int(pace * STEP_S)))):
            await asyncio.sleep(max(0.0, started + sent / pace - time.monotonic()))
            sent += await publisher.publish(chunk)
        return sent
