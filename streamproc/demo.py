"""The demo: embedded Kafka, topics, both stages and a simulated sales organisation, with a live table.

Everything it starts, it stops; nothing is left behind.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.live import Live

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.follow import read
from streamproc.bus.handover import watching
from streamproc.bus.publish import Publisher
from streamproc.bus.task import VALUES
from streamproc.bus.topics import create, table
from streamproc.demo_table import Wall
from streamproc.events import REFERENCE
from streamproc.facts.derived import TYPES as DERIVED
from streamproc.ingest.kpis_file import full_catalogue
from streamproc.ingest.reference_file import reference_event
from streamproc.outputs.http import Access
from streamproc.settings import Settings
from streamproc.simulate import Organisation
from streamproc.simulate_world import TEAMS
from streamproc.supervise import Supervisor

HISTORY_DAYS = 30
HISTORY_RATE = 0.01  # events a second of simulated history: some 26,000 in 30 days
STEP_S = 0.05
# What the organisation has set itself: about what it comes to, so that some of it is reached and some is not.
TARGETS = (
    {"kpi": "activities", "window": "1h", "value": 5_000},
    {"kpi": "deals_won", "period": "month", "value": 60},
    {"kpi": "revenue_eur", "period": "month", "value": 1_500_000},
    *({"kpi": "revenue_eur", "group": {"team": team}, "period": "month", "value": 250_000} for team in TEAMS),
    {"kpi": "revenue_eur", "period": "quarter", "value": 3_000_000},
    {"kpi": "pipeline_value_eur", "value": 3_000_000},
)
THRESHOLDS = (
    {"kpi": "win_ratio", "window": "30d", "warning": 0.35, "critical": 0.3, "clear": 0.37, "min_samples": 20},
    {"kpi": "email_response_ratio", "window": "7d", "warning": 0.035, "critical": 0.03, "min_samples": 50},
    {"kpi": "email_response_seconds", "window": "7d", "warning": 4 * 3600, "critical": 8 * 3600, "min_samples": 10},
)
SETTLE_S = 60.0  # at the end, at most, for the last events to come through
LOOK_S = 0.2
DAY_MS = 86_400_000


class DemoFailed(RuntimeError):
    """A part of the demo ended; the message has the last lines of its log."""


class Plan(NamedTuple):
    """What the demo is asked for."""

    duration_s: float | None  # None: until Ctrl-C
    rate: float  # events a second
    seed: int


def run_demo(settings: Settings, *, duration_s: float | None, rate: float, seed: int, console: Console) -> int:
    """Run the demo; returns the exit code. Uses the cluster of the settings if one is named, else an embedded one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamproc-demo-")))
        if "bootstrap_servers" not in settings.model_fields_set:
            kafka = stack.enter_context(_embedded(console))
            settings = settings.model_copy(update={"bootstrap_servers": kafka.bootstrap})
        return asyncio.run(_Demo(settings, Plan(duration_s, rate, seed), console, folder).run())


@contextmanager
def _embedded(console: Console) -> Iterator[EmbeddedKafka]:
    kafka = EmbeddedKafka()
    with console.status("Starting Apache Kafka") as status:
        kafka.start(lambda step: status.update(f"Apache Kafka: {step}"))
    console.print(f"Apache Kafka runs at {kafka.bootstrap}")
    try:
        yield kafka
    finally:
        kafka.stop()


@dataclass
class _Demo:
    settings: Settings
    plan: Plan
    console: Console
    folder: Path
    background: list[asyncio.Task[None]] = field(default_factory=list)

    async def run(self) -> int:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        start_ms = int(time.time() * 1000) - HISTORY_DAYS * DAY_MS
        organisation = Organisation(self.plan.seed, start_ms)
        reference = organisation.reference() + _targets(start_ms)
        known = full_catalogue(self.settings.currency, self.settings.kpis_file).kpis
        wall = Wall({kpi.name: kpi.title_en for kpi in known}, _names(reference))
        broker = Broker.of(self.settings)
        await create(broker, table(self.settings.app, self.settings.partitions))
        async with AsyncExitStack() as stack:
            publisher = await stack.enter_async_context(Publisher(broker))
            await publisher.publish((REFERENCE, orjson.loads(line)["subject"].encode(), line) for line in reference)
            workers = await stack.enter_async_context(self._workers())
            for work in (self._watch(wall), self._count(wall)):
                self.background.append(await stack.enter_async_context(_background(work)))
            await self._live(organisation, publisher, wall, workers, stopped)
        return 0

    async def _live(
        self, organisation: Organisation, publisher: Publisher, wall: Wall, workers: Supervisor, stopped: asyncio.Event
    ) -> None:
        console = self.console
        with console.status(f"Sending {HISTORY_DAYS} days of history"):
            await self._send(organisation, publisher, wall, HISTORY_RATE, int(time.time() * 1000))
        port = self.settings.port
        address = f"http://{self.settings.host}:{port}"
        console.print(f"Live page at {address}/page/, metrics at {address}/metrics; Ctrl-C ends the demo")
        began, history = time.monotonic(), wall.sent
        deadline = None if self.plan.duration_s is None else time.monotonic() + self.plan.duration_s
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            while not stopped.is_set() and (deadline is None or time.monotonic() < deadline):
                await self._send(organisation, publisher, wall, self.plan.rate, int(time.time() * 1000))
                self._check(workers)
                live.update(wall.render())
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), STEP_S)
            await self._settle(wall, workers)
        wall.per_s = f"{(wall.sent - history) / (time.monotonic() - began):,.0f}/s on average"
        console.print(wall.render())

    async def _send(
        self, organisation: Organisation, publisher: Publisher, wall: Wall, rate: float, until_ms: int
    ) -> None:
        batch = []
        for _arrival_ms, topic, key, line in organisation.events(until_ms, rate):
            batch.append((topic, key, line))
            if len(batch) >= 5_000:
                await publisher.publish(batch)
                wall.sent += len(batch)
                batch = []
                await asyncio.sleep(0)
        if batch:
            await publisher.publish(batch)
            wall.sent += len(batch)

    async def _settle(self, wall: Wall, workers: Supervisor) -> None:
        """Wait until everything sent has been processed and shown: counted, committed by both stages, read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S), watching(Broker.of(self.settings)) as watch:
                await self._until(workers, lambda: wall.processed + wall.duplicates + wall.rejected >= wall.sent)
                for stage in ("facts", "facts", "kpis"):  # what follows from the last events comes to stage 1 again
                    ends = (await watch.stand(self.settings.app, stage)).ends
                    while not (await watch.stand(self.settings.app, stage)).has_read(ends):
                        self._check(workers)
                        await asyncio.sleep(LOOK_S)
                ends = await self.shown.end_offsets(self.shown.assignment())
                while any([await self.shown.position(tp) < end for tp, end in ends.items()]):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)
            await asyncio.sleep(LOOK_S)  # what has just been read is on its way to the table

    async def _until(self, workers: Supervisor, reached: Callable[[], bool]) -> None:
        while not reached():
            self._check(workers)
            await asyncio.sleep(LOOK_S)

    @asynccontextmanager
    async def _workers(self) -> AsyncIterator[Supervisor]:
        s = self.settings
        options = ["--bootstrap-servers", s.bootstrap_servers, "--app", s.app]
        commands = []
        for stage, port in (("kpis", s.port), ("facts", s.port + 1)):
            worker = [sys.executable, "-m", "streamproc", "worker", "--stage", stage, "--port", str(port), *options]
            log = self.folder / f"{stage}.log"
            commands.append(["sh", "-c", 'exec "$@" 2>>"$0"', str(log), *worker])
        supervisor = Supervisor(commands)
        self._check(supervisor)
        try:
            yield supervisor
        finally:
            with self.console.status("Stopping the workers"):
                await asyncio.to_thread(supervisor.stop)

    def _check(self, workers: Supervisor) -> None:
        for task in self.background:
            if task.done():  # else the table would stand still and not say why
                task.result()
        if workers.check() is not None:
            lines = [line for log in sorted(self.folder.glob("*.log")) for line in log.read_text().splitlines()]
            raise DemoFailed("a worker ended: " + " / ".join(line for line in lines[-5:] if line))

    async def _watch(self, wall: Wall) -> None:
        """Follow `kpi.values`."""
        self.shown = Broker.of(self.settings).consumer(auto_offset_reset="earliest")
        await self.shown.start()
        try:
            async for records in read(self.shown, VALUES, follow=True):
                for record in records:
                    if record.value is not None:
                        wall.take(orjson.loads(record.value))
        finally:
            await self.shown.stop()

    async def _count(self, wall: Wall) -> None:
        """Read once a second from the facts worker's own metrics how many events it has processed."""
        s = self.settings
        url = f"http://{s.host}:{s.port + 1}/metrics"
        access = Access(s.secret("http_token"), s.http_user, s.secret("http_password"))
        before = time.monotonic()
        async with aiohttp.ClientSession(headers=access.headers) as session:
            while True:
                await asyncio.sleep(1)
                with suppress(aiohttp.ClientError):
                    async with session.get(url) as response:
                        totals = _totals(await response.text())
                    now = time.monotonic()
                    wall.per_s = f"{max(0, totals['events'] - wall.processed) / (now - before):,.0f}/s now"
                    before = now
                    wall.processed, wall.rejected = totals["events"], totals["events_rejected"]
                    wall.duplicates = totals["events_duplicate"]


def _totals(text: str) -> dict[str, int]:
    """Counters of the facts worker. Derived events are left out, since nobody sent them."""
    wanted = {f"streamproc_{name}": name for name in ("events", "events_rejected", "events_duplicate")}
    return {
        wanted[family.name]: int(sum(s.value for s in family.samples if s.labels.get("type") not in DERIVED))
        for family in text_string_to_metric_families(text)
        if family.name in wanted
    }


def _targets(now_ms: int) -> list[bytes]:
    rows = [("targets", data) for data in TARGETS] + [("thresholds", data) for data in THRESHOLDS]
    return [reference_event(section, data, now_ms, "demo") for section, data in rows]


def _names(reference: Iterable[bytes]) -> dict[str, str]:
    found = {}
    for line in reference:
        data = orjson.loads(line)["data"]
        if "rep" in data and "name" in data:
            found[data["rep"]] = f"{data['rep']} {data['name']}"
    return found


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
