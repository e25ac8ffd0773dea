"""Worker processes on a real broker: start, kill, wait until everything is committed, read the values."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from streamproc.bus.connection import Broker
from streamproc.bus.follow import read
from streamproc.bus.publish import Publisher, Record
from streamproc.bus.topics import partials_topic
from streamproc.events import EVENT_TOPICS
from streamproc.supervise import BACKOFF_S, NEEDS_PERSON
from support.offsets import Offsets

SETTLE_S = 120.0


def free_port(needed: int = 1) -> int:
    """The first of so many consecutive free ports; below those that the system gives to outgoing connections."""
    while True:
        first = random.randrange(20_000, 32_000)
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + needed):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first


class Progress(NamedTuple):
    """Committed offsets of a stage and ends of its topics; `lag` is the sum of what lies between."""

    committed: dict[TopicPartition, int]
    ends: dict[TopicPartition, int]
    lag: int | None

    @property
    def done(self) -> int:
        return sum(self.committed.values())

    def of(self, partition: int) -> tuple[int, int]:
        """Sum of committed offsets and lag of one task."""
        ends = {tp: end for tp, end in self.ends.items() if tp.partition == partition}
        committed = {tp: self.committed.get(tp, 0) for tp in ends}
        return sum(committed.values()), sum(max(0, end - committed[tp]) for tp, end in ends.items())


class End(NamedTuple):
    """A worker that ended without being asked to stop."""

    name: str
    code: int
    why: str = ""  # the first line that it logged as a failure


@dataclass
class Cluster:
    """Workers of one app id on one broker; logs go to `folder`. `env` is the environment of all of them.

    `program`: what Python runs.
    """

    bootstrap: str
    app: str
    folder: Path
    clock: str = "event"
    env: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "streamproc")
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    _began: dict[str, int] = field(default_factory=dict)  # where the log of the latest start begins
    _due: dict[str, float] = field(default_factory=dict)  # when to start again what ended

    def start(self, name: str, stage: str, **env: str) -> None:
        """Start a worker, or start it again under the same name: the same member of its group.

        `env` is for this start only: what `keep_running` starts again does not get it.
        """
        port = self.ports.setdefault(name, free_port())
        self.stages[name] = stage
        self._due.pop(name, None)
        command = [sys.executable, *self.program, "worker", "--stage", stage, "--port", str(port)]
        command += ["--clock", self.clock, "--bootstrap-servers", self.bootstrap, "--app", self.app]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._began[name] = log.tell()
            self.workers[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **self.env, **env, "STREAMPROC_INSTANCE": name}
            )

    def keep_running(self) -> None:
        """Start again what has ended, as a supervisor does: not after exit codes 0 and 3. Call it now and then."""
        for name, process in list(self.workers.items()):
            if process.poll() is not None:
                del self.workers[name]
                self.ends.append(End(name, process.returncode, self.why(name)))
                if process.returncode not in (0, NEEDS_PERSON):
                    failures = sum(end.name == name for end in self.ends)
                    self._due[name] = time.monotonic() + BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
        for name, due in list(self._due.items()):
            if time.monotonic() >= due:
                self.start(name, self.stages[name])

    def why(self, name: str) -> str:
        """The first failure since the worker's latest start."""
        lines = (self.folder / f"{name}.log").read_bytes()[self._began[name] :].decode().splitlines()
        return next((line for line in lines if " failed: " in line), "")

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a running worker; `keep_running` sees what comes of it."""
        process = self.workers.get(name)
        if process is not None and process.poll() is None:
            process.send_signal(number)

    def kill(self, name: str) -> None:
        process = self.workers.pop(name)
        assert process.poll() is None, f"{name} had ended before it was killed: {self.log(name)}"
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        """SIGKILL to those that still run."""
        for process in self.workers.values():
            process.kill()
            process.wait()

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; returns exit codes."""
        for process in self.workers.values():
            process.terminate()
        return {name: process.wait(40) for name, process in self.workers.items()}

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    def get(self, name: str, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=60) as response:
            return str(response.read().decode())

    def wait_ready(self, name: str) -> dict[str, Any]:
        """Wait until /ready answers with 200; returns what it says."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return dict(orjson.loads(self.get(name, "/ready")))
            except OSError:
                assert self.workers[name].poll() is None, f"{name} ended: {self.log(name)}"
                assert time.monotonic() < deadline, f"{name} is not ready: {self.log(name)}"
                time.sleep(0.1)

    def settle(self) -> None:
        """Wait until both stages have committed everything that is in their input topics."""
        asyncio.run(asyncio.wait_for(self._settle(), SETTLE_S))

    async def _settle(self) -> None:
        async with Offsets(self.bootstrap) as offsets:
            for stage in ("facts", "kpis"):
                while (await self.progress(offsets, stage)).lag != 0:  # noqa: ASYNC110 (the broker tells nobody)
                    await asyncio.sleep(0.3)

    async def progress(self, offsets: Offsets, stage: str) -> Progress:
        """How far a stage has come, with all control records; `lag` None before its first commit.

        Offsets before ends: a commit in between may come with derived events, which ends asked earlier do not show.
        """
        topics = EVENT_TOPICS if stage == "facts" else (partials_topic(self.app),)
        committed = await offsets.committed(f"{self.app}-{stage}", topics)
        ends = await offsets.ends(topics)
        lag = sum(max(0, end - committed.get(tp, 0)) for tp, end in ends.items()) if committed else None
        return Progress(committed, ends, lag)

    def committed(self, stage: str, topics: Iterable[str]) -> int:
        """Sum of the stage's committed offsets: how far it has come."""

        async def ask() -> int:
            async with Offsets(self.bootstrap) as offsets:
                return sum((await offsets.committed(f"{self.app}-{stage}", topics)).values())

        return asyncio.run(ask())


def publish(bootstrap: str, found: Iterable[Record]) -> None:
    """Records to their topics, in order."""

    async def run() -> None:
        async with Publisher(Broker(bootstrap)) as publisher:
            await publisher.publish(found)

    asyncio.run(run())


def values(bootstrap: str) -> dict[tuple[str, str, str | None], dict[str, Any]]:
    """The latest record of every series in `kpi.values`, by (kpi, group, window)."""
    rows = {}
    for found in records(bootstrap, "kpi.values"):
        kpi, _, rest = (found.key or b"").decode().partition("|")
        window, _, group = rest.partition("|")
        if kpi == "clock":
            continue
        key = (kpi, group, window or None)
        if found.value is None:
            rows.pop(key, None)
        else:
            rows[key] = orjson.loads(found.value)
    return rows


def records(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Everything committed in a topic."""

    async def run() -> list[ConsumerRecord]:
        consumer = Broker(bootstrap).consumer(auto_offset_reset="none")
        await consumer.start()
        try:
            return [found async for chunk in read(consumer, topic, follow=False) for found in chunk]
        finally:
            await consumer.stop()

    return asyncio.run(run())
