"""docker-compose.yml as plain processes, where the binaries are here: `python tests/deploy/processes.py`.

Kafka is the embedded one. Our services, Prometheus and Alertmanager run with the commands, the environment and the
mounted files of the compose file; only addresses and ports are those of this machine. Grafana and the playlists are
left out. Ends by itself, with exit code 1 if something was not as it should be.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import orjson
import yaml
from deploy.composefile import ROOT, example, load
from deploy.image import command
from support.prometheus import Prometheus
from support.workers import free_port

from streamproc.bus.embedded import EmbeddedKafka

SOON_S = 180.0
PROGRAMS = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}  # Debian's names of the programs


class Services:
    """The services of the compose file that run as processes; `folder` is the root of their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A small history, so that a small machine gets through it.
        small = {"STREAMPROC_PARTITIONS": "4", "SIMULATOR_RATE": "0.002"}
        self.compose = load({**example(), "GRAFANA_ADMIN_PASSWORD": "secret", **small})["services"]
        self.ports = {name: free_port() for name in ("facts", "facts-2", "kpis", *PROGRAMS)}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, bootstrap: str) -> None:
        """In the order of the compose file. Raises where something does not come up, or does not go."""
        self.bootstrap = bootstrap
        topics = self._ours("topics")
        assert topics.wait(120) == 0, f"topics: exit code {topics.returncode}"
        for name, service in (("facts", "facts"), ("kpis", "kpis"), ("facts-2", "facts")):
            self.running[name] = self._ours(service, name)
        for name in ("facts", "kpis", "facts-2"):
            self._see(f"{name} is ready", lambda name=name: self._get(name, "/ready"))
            self._see(f"{name} is healthy, says HEALTHCHECK", lambda name=name: self._healthy(name))
        held = [len(orjson.loads(self._get(name, "/ready"))["partitions"]) for name in ("facts", "facts-2")]
        assert min(held) > 0, f"--scale facts=2: the workers hold {held} partitions"
        print(f"--scale facts=2: the workers hold {held} partitions")
        self.running["simulator"] = self._ours("simulator")
        self._monitoring()
        self._see("Prometheus scrapes all three workers", lambda: len(self._ask('up{job="streamproc"} == 1')) == 3)
        self._see("a KPI has come through the recording rules", lambda: self._ask('group:kpi_calls:max{window="30d"}'))
        self._see("Watchdog is in Alertmanager", lambda: b"Watchdog" in self._get("alertmanager", "/api/v2/alerts"))
        failed = self._ask("prometheus_rule_evaluation_failures_total > 0")
        assert not failed, f"rules that failed: {failed}"

    def _ours(self, service: str, name: str = "") -> subprocess.Popen[bytes]:
        """A service of ours as one container; `name` is that of the container."""
        found = self.compose[service]
        given = {variable: "" if value is None else str(value) for variable, value in found["environment"].items()}
        given |= {"STREAMPROC_BOOTSTRAP_SERVERS": self.bootstrap, "STREAMPROC_HOST": "127.0.0.1"}
        if name:
            given |= {"STREAMPROC_PORT": str(self.ports[name]), "STREAMPROC_INSTANCE": name}
        env = {key: value for key, value in os.environ.items() if not key.startswith("STREAMPROC_")} | given
        return self._start(name or service, [sys.executable, "-m", "streamproc", *found["command"]], env)

    def _start(self, name: str, words: list[str], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(words, stdout=log, stderr=log, env=env)

    def _monitoring(self) -> None:
        for name, program in PROGRAMS.items():
            service = self.compose[name]
            root = self.folder / name
            for source, target, *_ in (volume.split(":") for volume in service["volumes"]):
                self._mount(source, root / target.lstrip("/"))
            words = [word.replace("=/", f"={root}/") for word in service["command"]]
            words.append(f"--web.listen-address=127.0.0.1:{self.ports[name]}")
            self.running[name] = self._start(name, [_found(program), *words])
            self._see(f"{name} is ready", lambda name=name: self._get(name, "/-/ready"))

    def _mount(self, source: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not source.startswith("."):
            target.mkdir()
        elif (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target)
        elif target.name == "prometheus.yml":
            target.write_text(self._with_our_addresses((ROOT / source).read_text()))
        else:
            shutil.copy(ROOT / source, target)

    def _with_our_addresses(self, text: str) -> str:
        """Prometheus' configuration; what Docker's names stand for is listed."""
        for name, port in (("alertmanager", 9093), ("127.0.0.1", 9090)):
            own = self.ports["alertmanager" if name == "alertmanager" else "prometheus"]
            text = text.replace(f"{name}:{port}", f"127.0.0.1:{own}")
        config = yaml.safe_load(text)
        (job,) = [job for job in config["scrape_configs"] if "dns_sd_configs" in job]
        names = job.pop("dns_sd_configs")[0]["names"]
        ports = [port for name, port in self.ports.items() if name.split("-")[0] in names]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        return str(yaml.safe_dump(config))

    def _healthy(self, name: str) -> bool:
        words = [sys.executable, *command("HEALTHCHECK")[1:]]
        env = {**os.environ, "STREAMPROC_PORT": str(self.ports[name])}
        return subprocess.run(words, env=env, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def _get(self, name: str, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=10) as response:
            return bytes(response.read())

    def _ask(self, query: str) -> list[Any]:
        return Prometheus(f"127.0.0.1:{self.ports['prometheus']}").instant(query)

    def _see(self, what: str, seen: Callable[[], object]) -> None:
        """Wait until something is seen. Raises AssertionError, with the ends of the logs, where it is not."""
        deadline = time.monotonic() + SOON_S
        while not _answered(seen):
            assert time.monotonic() < deadline, f"not within {SOON_S:g} s: {what}\n{self._logs()}"
            time.sleep(0.2)
        print(what)

    def _logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))

    def stop(self) -> None:
        """As Docker does: SIGTERM, and SIGKILL after the grace period, which no worker may need."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        codes = {}
        for name, process in self.running.items():
            try:
                codes[name] = process.wait(90)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        workers = {name: code for name, code in codes.items() if name.startswith(("facts", "kpis"))}
        assert not any(workers.values()), f"exit codes after SIGTERM: {workers}\n{self._logs()}"
        print(f"exit codes after SIGTERM: {workers}")


def _answered(seen: Callable[[], object]) -> bool:
    try:
        return bool(seen())
    except OSError:
        return False


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SystemExit(f"{program} is missing; install the Debian package of that name")
    return path


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="streamproc-compose-") as folder, EmbeddedKafka() as kafka:
        services = Services(Path(folder))
        try:
            services.run(kafka.bootstrap)
        finally:
            services.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
