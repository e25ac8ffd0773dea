"""Wiring of a worker: the only place that knows all parts. Settings become plain values here."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import faust
from faust.contrib.asgi import faust_app_running

from streamproc import __version__
from streamproc.bus.batches import BatchSchema, NoTables
from streamproc.bus.connection import Broker
from streamproc.bus.follow import ReferenceFollower
from streamproc.bus.handover import NOTHING_TOLD, HandoverError, told
from streamproc.bus.host import Inputs, TaskHost
from streamproc.bus.lag import ANSWER_S, STALLED_S, LagMeter
from streamproc.bus.offsets import OffsetsLost
from streamproc.bus.page_feed import PageFeed, reading
from streamproc.bus.stages import FactsTask, KpisTask
from streamproc.bus.task import Connection
from streamproc.bus.task import Stage as TaskStage
from streamproc.bus.topics import describe, partials_topic, table
from streamproc.events import EVENT_TOPICS
from streamproc.facts.reference import Reference
from streamproc.facts.reject_limit import TooManyRejected
from streamproc.ingest.kpis_file import full_catalogue
from streamproc.kpis.catalogue.judgement import headlines, judgements
from streamproc.kpis.fed import BackfillNeeded, StateVersionError
from streamproc.kpis.kpi import Catalogue
from streamproc.kpis.limits import TargetCheck
from streamproc.outputs.http import Access, MetricsServer
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.outputs.page_board import Board, description
from streamproc.outputs.page_server import LivePage
from streamproc.outputs.prometheus import KpiExposition, RepInfo
from streamproc.pipeline import FactsStage, KpisStage
from streamproc.settings import Settings, Stage
from streamproc.windows.calendar import MINUTE_MS, Calendar

log = logging.getLogger(__name__)

QUEUE_BATCHES = 8  # fetched batches that wait for the agent; beyond that fetching pauses
FORCED_END_S = 30.0  # after the wish to end; less than what supervisors wait before SIGKILL
# Failures after which starting again does not help.
NEEDS_PERSON = (OffsetsLost, StateVersionError, BackfillNeeded, HandoverError, TooManyRejected)
HUNG_S = 60.0  # a loop of checkpoints that has not come round for so long is not alive


class TopicsMissing(RuntimeError):
    """Topics that a worker needs are not there, or not with the same partition count."""


class Worker:
    """One process of one stage: Faust app, tasks, reference data, metrics."""

    def __init__(self, settings: Settings, stage: Stage, beside: str = "") -> None:
        """`beside`: the application that this one is to be filled beside, until it takes over."""
        self.settings = settings
        self.beside = beside
        self.told = NOTHING_TOLD
        self.stage = stage
        self.catalogue = full_catalogue(settings.currency, settings.kpis_file)
        self.reference = Reference(settings.currency, tuple(settings.stages))
        self.metrics = OwnMetrics(stage, __version__, _catalogue_version(self.catalogue))
        self.exposition = KpiExposition(self.catalogue, settings.max_series, headlines(settings.currency))
        group = f"{settings.app}-{stage}"
        self.broker = Broker.of(settings)
        self.connection = Connection(self.broker, group, f"{group}-changelog")
        self.partials = partials_topic(settings.app)
        self.partitions = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TaskHost]:
        """Start everything, yield when the worker takes part in its group, stop everything at the end."""
        self.partitions = await self._check_topics()
        if self.beside and self.stage == "facts":
            self.told = await told(self.broker, self.beside)
        host = TaskHost(self._inputs(), self.connection, self.metrics)
        meter = LagMeter(
            self.connection.consumer(),
            lambda: list(host.tasks.values()),
            self.metrics,
            lambda error: host.fail(error, "end offsets"),
        )
        async with AsyncExitStack() as stack:
            s = self.settings
            page, feed = self._page() if self.stage == "kpis" else (None, None)
            server = MetricsServer(
                host=s.host,
                port=s.port,
                metrics=self.metrics.page(self.exposition),
                live=lambda: _live(host, meter),
                ready=lambda: _ready(host, meter),
                access=Access(s.secret("http_token"), s.http_user, s.secret("http_password")),
                page=page,
            )
            await server.start()
            stack.push_async_callback(server.stop)
            if feed is not None:
                stack.push_async_callback(feed.stop)  # before the server, which waits for pages that wait for it
            host.start()
            stack.push_async_callback(host.stop)  # also where Faust does not get as far as the second one below
            follower = ReferenceFollower(
                self.connection.consumer(),
                self.reference,
                TargetCheck(self.catalogue, judgements(s.currency)).wrong,
                self._on_reference,
                self.metrics.reference_ignored_total.inc,
                lambda e: host.fail(e, "reference data"),
            )
            stack.push_async_callback(follower.stop)
            await follower.start()
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="streamproc-"))
            await stack.enter_async_context(_faust_running(self._faust(host, Path(folder)), host))
            stack.push_async_callback(meter.stop)
            await meter.start()
            stack.push_async_callback(host.stop)
            yield host

    async def _check_topics(self) -> int:
        rows = await describe(self.broker, table(self.settings.app, self.settings.partitions))
        missing = [row.name for row in rows if row.found is None]
        if missing:
            raise TopicsMissing(f"no topic {', '.join(missing)}: run `streamproc topics create` first")
        found = {row.name: row.found or 0 for row in rows}
        counts = {found[topic] for topic in (*EVENT_TOPICS, self.partials)}
        if len(counts) != 1:
            raise TopicsMissing(
                f"expected the same partition count in all event topics and {self.partials}, found {counts}"
            )
        return counts.pop()

    def _inputs(self) -> Inputs:
        if self.stage == "facts":
            return Inputs(
                EVENT_TOPICS, self._new_facts, lambda partition: self.metrics.forget(partition, *EVENT_TOPICS)
            )
        return Inputs((self.partials,), self._new_kpis, self._drop_kpis)

    def _new_facts(self, partition: int) -> TaskStage:
        stage = FactsStage(self.catalogue, self.reference, self.settings.max_entities, self.settings.reject_limit)
        stage.derived_until = {tp.topic: at for tp, at in self.told.derived.items() if tp.partition == partition}
        stage.refused_until = {tp.topic: at for tp, at in self.told.refused.items() if tp.partition == partition}
        wall = self.settings.clock == "wall"
        return FactsTask(partition, stage, self.metrics, self.partials, self.partitions, wall, bool(self.beside))

    def _new_kpis(self, partition: int) -> TaskStage:
        calendar = Calendar(self.settings.business_timezone)
        s = self.settings
        stage = KpisStage(self.catalogue, calendar, s.max_groups, self.reference, s.holidays)
        return KpisTask(partition, stage, self.metrics, self.exposition, s.clock == "wall", bool(self.beside))

    def _drop_kpis(self, partition: int) -> None:
        self.exposition.drop_owner(partition)
        self.metrics.forget(partition, self.partials)

    def _on_reference(self) -> None:
        if self.stage == "kpis":
            self.exposition.set_roster([RepInfo(*member) for member in self.reference.members()])

    def _page(self) -> tuple[LivePage, PageFeed]:
        """The live page and what fills it, from the first reader on."""
        s = self.settings
        board = Board(self.catalogue, s.currency, s.page_min_people)
        feed = PageFeed(board, reading(self.connection.consumer), lambda: page.close_readers())
        directions = {name: one.direction for name, one in judgements(s.currency).items()}
        looked_up = (-1, -1)

        def look_up() -> None:  # once a minute, and when reference data came
            nonlocal looked_up
            now_ms = int(time.time() * 1000)
            if (now := (self.reference.version, now_ms // MINUTE_MS)) != looked_up:
                looked_up = now
                stages = [name for names in self.reference.open_stages().values() for name in names]
                board.set_people(self.reference.members(), self.reference.headcounts(now_ms), stages)

        page = LivePage(board, description(board, s.clock, directions), feed.fill, look_up)
        return page, feed

    def _faust(self, host: TaskHost, folder: Path) -> Any:
        """The Faust app of the stage: one agent, batch in, pipeline call. Faust wants a folder, and writes nothing."""
        app = faust.App(
            self.connection.group,
            **self.broker.faust(),
            datadir=folder,
            consumer_group_instance_id=self.settings.member(self.stage),
            consumer_auto_offset_reset="none",
            consumer_max_fetch_size=1024 * 1024,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=1.0,
            broker_request_timeout=40.0,  # more than others may take to give up partitions in a rebalance
            broker_rebalance_timeout=60.0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            worker_redirect_stdouts=False,
            cython_optimizations=False,
            TableManager=NoTables,
        )
        app.host = host
        topics = host.inputs.topics
        topic = app.topic(*topics, acks=False, schema=BatchSchema(), allow_empty=True)
        topic.maxsize = QUEUE_BATCHES

        async def agent(stream: Any) -> None:
            async for batch in stream:
                await host.room()
                host.process(batch)

        app.agent(topic, name=f"{self.stage}-agent")(agent)
        return app


@asynccontextmanager
async def _faust_running(app: Any, host: TaskHost) -> AsyncIterator[None]:
    """Run the Faust app; its crash is the worker's failure and the worker's failure its end, also while it starts."""

    async def watch() -> None:
        await app._crashed.wait()
        host.fail(app.crash_reason or RuntimeError("Faust ended by itself"), "Faust")

    async def end() -> None:
        await app.crash(await asyncio.shield(host.failed))

    watchers = [asyncio.create_task(watch()), asyncio.create_task(end())]
    try:
        async with faust_app_running(app, stop_timeout=30):
            yield
    finally:
        for watcher in watchers:
            watcher.cancel()


def _end_by_force(stopped: asyncio.Event) -> threading.Timer:
    """Ask for the end, and force it when it takes too long: a broker that is away can hold up every commit."""
    stopped.set()
    timer = threading.Timer(FORCED_END_S, os._exit, (1,))
    timer.daemon = True
    timer.start()
    return timer


async def run_worker(settings: Settings, stage: Stage, beside: str = "") -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code, 1 after a failure (then a restart is safe).

    Raises those of NEEDS_PERSON, and BrokerUnavailable, TopicsMissing and OwnKpiErrors.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    forced: list[threading.Timer] = []

    def end() -> None:
        forced.append(_end_by_force(stopped))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    worker = Worker(settings, stage, beside)
    async with worker.running() as host:
        host.failed.add_done_callback(lambda _: end())
        await stopped.wait()
        failure = host.failed.result() if host.failed.done() else None
    for timer in forced:
        timer.cancel()
    if isinstance(failure, NEEDS_PERSON):
        raise failure
    return 0 if failure is None else 1


def _catalogue_version(catalogue: Catalogue) -> str:
    """Changes when a KPI's definition does."""
    return sha256(repr([(k.name, k.facts, k.levels, k.by) for k in catalogue.kpis]).encode()).hexdigest()[:12]


def _live(host: TaskHost, meter: LagMeter) -> tuple[bool, dict[str, Any]]:
    """Whether a restart would help: the loop hangs, processing has failed, or there is lag and nothing is committed.

    A broker that is away is no reason: a restart brings none back.
    """
    behind = time.monotonic() - host.loop_beat_at
    well = behind < HUNG_S and meter.stalled_s < STALLED_S and not host.failed.done()
    return well, {"loop_seconds": round(behind, 3), "stalled_seconds": round(meter.stalled_s)}


def _ready(host: TaskHost, meter: LagMeter) -> tuple[bool, dict[str, Any]]:
    """Whether what it shows is up to date, or is about to be: it takes part in its group and the broker answers."""
    silent_s = meter.broker_silent_s
    details = {"partitions": sorted(host.tasks), "failed": host.failed.done(), "broker_silent_seconds": round(silent_s)}
    return host.is_ready and silent_s < ANSWER_S, details
