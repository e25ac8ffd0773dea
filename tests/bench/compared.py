"""Other stream processors (`peers/`), each a process of its own that counts the same calls by rep; what they need."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.workers import publish
from throughput import calls, cluster_of

from streamproc.bus.embedded import KAFKA_VERSION, EmbeddedKafkaError, class_path, java_runtime
from streamproc.events import CRM

PEERS = Path(__file__).with_name("peers")
STREAMS = f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}+org.slf4j:slf4j-nop:1.7.36"
LIMIT_S = 600


class Unavailable(RuntimeError):
    """A peer cannot run here; the message says why."""


class Peer(NamedTuple):
    """A peer's name and what it is to do, with so many events: enough for some seconds. `file`: its program."""

    name: str
    kind: str
    events: int
    file: str


ROWS = (
    Peer("aiokafka getmany", "raw", 300_000, "getmany.py"),
    Peer("aiokafka getmany", "decode", 300_000, "getmany.py"),
    Peer("Kafka Streams", "decode", 300_000, "Streams.java"),
    Peer("Kafka Streams", "tumbling", 300_000, "Streams.java"),
    Peer("Kafka Streams", "hopping", 100_000, "Streams.java"),
    Peer("Bytewax", "decode", 300_000, "bytewax_flow.py"),
    Peer("Bytewax", "tumbling", 200_000, "bytewax_flow.py"),
    Peer("Bytewax", "hopping", 60_000, "bytewax_flow.py"),
    Peer("Quix Streams", "decode", 200_000, "quix.py"),
    Peer("Quix Streams", "tumbling", 60_000, "quix.py"),
    Peer("Quix Streams", "hopping", 8_000, "quix.py"),
    Peer("plain Faust", "decode", 40_000, "plain_faust.py"),
    Peer("plain Faust", "tumbling", 8_000, "plain_faust.py"),
    Peer("plain Faust", "hopping", 600, "plain_faust.py"),
)


@contextmanager
def topic_of_calls() -> Iterator[str]:
    """A broker with as many calls as any peer takes; its address."""
    with cluster_of() as cluster:
        publish(cluster.bootstrap, calls(max(row.events for row in ROWS)))
        yield cluster.bootstrap


def rate(bootstrap: str, peer: Peer) -> float:
    """Events a second. Raises Unavailable."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*_program(peer, Path(folder)), bootstrap, CRM, peer.kind, str(peer.events)]
        env = {**os.environ, "PYTHONPATH": str(PEERS)}
        try:
            found = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"not done after {LIMIT_S} s") from None
    told = re.search(r'\{"events_per_s": [^}]+\}', found.stdout)  # somewhere: Faust shows a spinner before it
    if told is None:
        last = (found.stderr.strip() or found.stdout.strip() or "nothing").splitlines()[-1]
        raise Unavailable(f"ended with {found.returncode}: {last}"[:160])
    return float(json.loads(told[0])["events_per_s"])


def _program(peer: Peer, folder: Path) -> list[str]:
    if peer.file.endswith(".java"):
        return _java(PEERS / peer.file, folder)
    if peer.file in ("getmany.py", "plain_faust.py"):
        return [sys.executable, str(PEERS / peer.file)]
    python = os.environ.get("PEERS_PYTHON", "")
    if not python:
        raise Unavailable("no environment with the peers: run `make bench`")
    return [python, str(PEERS / peer.file)]


def _java(source: Path, folder: Path) -> list[str]:
    """Compile the program; it runs on the embedded broker's Java."""
    compiler = shutil.which("javac")
    if compiler is None:
        raise Unavailable("no javac on the path")
    try:
        java, path = java_runtime(), class_path(lambda _step: None, STREAMS)
    except EmbeddedKafkaError as error:
        raise Unavailable(str(error)) from error
    made = subprocess.run(
        [compiler, "--release", "17", "-cp", path, "-d", str(folder), str(source)], capture_output=True, text=True
    )
    if made.returncode:
        raise Unavailable(f"javac: {made.stderr.strip()}")
    return [str(java), "-Xmx1g", "-cp", f"{folder}{os.pathsep}{path}", source.stem]
