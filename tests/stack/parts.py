"""The processes of the stack: Kafka, workers, a sender, Prometheus, Alertmanager, and a webhook that listens."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
import yaml
from support.workers import Cluster, free_port, publish, records

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka
from streamproc.bus.publish import Record, record
from streamproc.bus.topics import create, table
from streamproc.simulate import Organisation

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HISTORY_MS, HISTORY_EVENTS = 60 * 86_400_000, 6_000
RATE_PER_S = 20
APP, PARTITIONS = "stack", 2
PROGRAMS = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}  # Debian package of each
# What waits for minutes in the shipped files waits for seconds here; scrapes and recording rules are as shipped.
HURRY = {"15s": "3s", "30s": "1s", "1m": "3s", "2m": "3s", "5m": "6s", "10m": "20s", "15m": "9s", "30m": "12s"}
HURRIED = (
    "for", "keep_firing_for", "interval", "group_wait", "group_interval",
    "scrape_interval", "scrape_timeout", "evaluation_interval",
)  # fmt: skip


class Wanted(NamedTuple):
    """An alert that is to fire: its KPI, name and severity."""

    kpi: str
    alert: str
    severity: str


class Sink:
    """A webhook: keeps what Alertmanager sends. As a context manager it listens."""

    def __init__(self) -> None:
        self.port = free_port()
        self._got: list[tuple[str, dict[str, Any]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def has(self, receiver: str, alert: str, status: str, partner: str = "") -> bool:
        """Whether a receiver was told of an alert, of a partner if one is given."""
        return any(
            to == receiver
            and one["status"] == status
            and one["labels"]["alertname"] == alert
            and (not partner or one["labels"].get("partner") == partner)
            for to, message in list(self._got)
            for one in message["alerts"]
        )

    def _handler(sink) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (`self` is the request)
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink._got.append((self.path.strip("/"), orjson.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: object) -> None: ...

        return Handler


class Stack:
    """As a context manager everything runs. `note` is told of each part that is up. `folder`: data and logs."""

    def __init__(self, folder: Path, note: Callable[[str], None]) -> None:
        self._folder = folder
        self._note = note
        self._exits = contextlib.ExitStack()
        self.sink = Sink()
        self.prometheus_port, self.alertmanager_port = free_port(), free_port()

    def __enter__(self) -> Self:
        with self._exits:
            self._start()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._exits.close()

    def _start(self) -> None:
        for program, package in PROGRAMS.items():
            if shutil.which(program) is None:
                raise SystemExit(f"{program} is missing; install the Debian package {package}")
        self._exits.enter_context(self.sink)
        kafka = self._exits.enter_context(EmbeddedKafka(self._folder / "kafka"))
        self.bootstrap = kafka.bootstrap
        asyncio.run(create(Broker(self.bootstrap), list(table(APP, PARTITIONS))))
        self._note("Kafka is up")
        now_ms = int(time.time() * 1000)
        self._organisation = Organisation(seed=1, start_ms=now_ms - HISTORY_MS)
        self.publish([record(line) for line in self._organisation.reference()])
        self._send(now_ms, HISTORY_EVENTS * 1000 / HISTORY_MS)
        self.cluster = Cluster(self.bootstrap, APP, self._folder, clock="wall")
        self._exits.callback(self.cluster.stop)
        for stage in ("facts", "kpis"):
            self.cluster.start(stage, stage)
        for stage in ("facts", "kpis"):
            self.cluster.wait_ready(stage)
        self._note("both workers are ready")
        self._go_on_sending()
        self._alertmanager()
        self._prometheus()
        self._note("Prometheus and Alertmanager are started")

    def _send(self, until_ms: int, rate_per_s: float) -> None:
        found = self._organisation.events(until_ms, rate_per_s)
        self.publish([(topic, key, line) for _, topic, key, line in found])

    def _go_on_sending(self) -> None:
        """Events of the organisation as they happen, until the stack ends."""
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(1):
                self._send(int(time.time() * 1000), RATE_PER_S)

        sender = threading.Thread(target=run)
        sender.start()
        self._exits.callback(sender.join)
        self._exits.callback(ended.set)

    def _alertmanager(self) -> None:
        config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
        text = yaml.safe_dump(hurried(config)).replace("127.0.0.1:9099", f"127.0.0.1:{self.sink.port}")
        config = yaml.safe_load(text)
        config["templates"] = [str(DEPLOY / "alertmanager" / "templates" / "*.tmpl")]
        config["time_intervals"][0]["time_intervals"] = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
        path = self._folder / "alertmanager.yml"
        path.write_text(yaml.safe_dump(config))
        self._run(
            "prometheus-alertmanager", f"--config.file={path}", f"--storage.path={self._folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.alertmanager_port}", "--cluster.listen-address=",
        )  # fmt: skip

    def _prometheus(self) -> None:
        rules = self._folder / "rules"
        rules.mkdir()
        for path in (DEPLOY / "prometheus" / "rules").glob("*.rules.yml"):
            (rules / path.name).write_text(yaml.safe_dump(hurried(yaml.safe_load(path.read_text()))))
        config = hurried(yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text()))
        text = yaml.safe_dump(config)
        workers = self.cluster.ports
        ports = {
            8700: workers["kpis"],
            8701: workers["facts"],
            9090: self.prometheus_port,
            9093: self.alertmanager_port,
        }
        for shipped, port in ports.items():
            text = text.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{port}")
        path = self._folder / "prometheus.yml"
        path.write_text(text)
        self._run(
            "prometheus", f"--config.file={path}", f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
        )  # fmt: skip

    def _run(self, *command: str) -> None:
        log = self._exits.enter_context((self._folder / f"{command[0]}.log").open("wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self._exits.callback(process.wait)
        self._exits.callback(process.terminate)

    def publish(self, found: Iterable[Record]) -> None:
        """Records to their topics, in order."""
        publish(self.bootstrap, found)

    def both_scraped(self) -> bool:
        return len(self.ask('up{job="streamproc"} == 1')) == 2

    def firing(self, of: Wanted, partner: str) -> bool:
        """Whether Prometheus says that an alert fires for a partner."""
        labels = f'alertname="{of.alert}",severity="{of.severity}",partner="{partner}",alertstate="firing"'
        return bool(self.ask(f"ALERTS{{{labels}}}"))

    def at_odds(self) -> list[dict[str, Any]]:
        """Critical bands without a critical alert, and the other way round."""
        bad, alerts = "group:kpi_band:max == 2", 'ALERTS{alertstate="firing",severity="critical",domain="kpi"}'
        apart = "unless ignoring (alertname, alertstate, severity, domain)"
        return self.ask(f"({bad} {apart} {alerts}) or ({alerts} {apart} ({bad}))")

    def describe(self) -> str:
        """What Prometheus says of its targets, and the ends of the logs."""
        facts = [
            f"{query}: {[(list(one['metric'].values())[-1], one['value'][1]) for one in self.ask(query)]}"
            for query in ("up", "scrape_duration_seconds", "prometheus_rule_group_last_duration_seconds")
        ]
        logs = (f"--- {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self._folder.glob("*.log")))
        return "\n".join([*facts, *logs])

    def rule_failures(self) -> float:
        return sum(float(one["value"][1]) for one in self.ask("prometheus_rule_evaluation_failures_total"))

    def band(self, of: Wanted, partner: str) -> str | None:
        """The latest band of the KPI of a partner in `kpi.alerts`."""
        found = (orjson.loads(one.value) for one in records(self.bootstrap, "kpi.alerts") if one.value)
        bands = [one["band"] for one in found if one["kpi"] == of.kpi and one["group"] == {"partner": partner}]
        return bands[-1] if bands else None

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query. Raises OSError while Prometheus is not there."""
        address = f"http://127.0.0.1:{self.prometheus_port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(address, timeout=10) as response:
            return list(orjson.loads(response.read())["data"]["result"])


def hurried(content: Any) -> Any:
    """The same configuration with shorter times: what waits minutes waits seconds."""
    if isinstance(content, dict):
        return {
            key: HURRY.get(value, value) if key in HURRIED and isinstance(value, str) else hurried(value)
            for key, value in content.items()
        }
    return [hurried(one) for one in content] if isinstance(content, list) else content
