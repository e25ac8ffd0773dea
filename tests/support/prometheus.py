"""A real Prometheus as a plain process that scrapes pages of this process, and what it answers."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from support.workers import free_port

Page = Callable[[bool], bytes]

START_S = 60.0
POLL_S = 0.2


@contextmanager
def serving(page: Page) -> Iterator[str]:
    """Serve a page on 127.0.0.1; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page(False)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Scrapes are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Prometheus:
    """What a running Prometheus answers. Raises AssertionError with its message where it refuses a query."""

    def __init__(self, address: str) -> None:
        self.address = address

    def instant(self, expr: str) -> list[dict[str, Any]]:
        """Series with their `value` now."""
        return list(self._ask("query", {"query": expr})["result"])

    def over(self, expr: str, seconds: int, step_s: int) -> list[dict[str, Any]]:
        """Series with their `values` up to now."""
        now = time.time()
        found = self._ask("query_range", {"query": expr, "start": now - seconds, "end": now, "step": step_s})
        return list(found["result"])

    def label_values(self, label: str, selector: str) -> list[str]:
        """Values that a label has."""
        return [str(value) for value in self._ask(f"label/{label}/values", {"match[]": selector})]

    def version(self) -> str:
        """Which Prometheus it is."""
        return str(self._ask("status/buildinfo", {})["version"])

    def await_series(self, expr: str) -> None:
        """Wait until a query answers something."""
        end = time.monotonic() + START_S
        while not self.instant(expr):
            assert time.monotonic() < end, f"nothing after {START_S:g} s: {expr}"
            time.sleep(POLL_S)

    def _ask(self, what: str, asked: dict[str, Any]) -> Any:
        url = f"http://{self.address}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{asked}: {error.read().decode()}") from error


@contextmanager
def started(program: str, address: str, options: list[str], folder: Path) -> Iterator[None]:
    """Prometheus or Alertmanager, ready at an address; `<program>.log` in the folder is its log."""
    path = folder / f"{program}.log"
    with path.open("wb") as log:
        process = subprocess.Popen([program, f"--web.listen-address={address}", *options], stdout=log, stderr=log)
        try:
            _await_ready(process, address, path)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def running(config: str, address: str, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with a configuration, which is written into the folder; paths in it start there."""
    path = folder / "prometheus.yml"
    path.write_text(config)
    options = [f"--config.file={path}", f"--storage.tsdb.path={folder / 'prometheus'}"]
    with started("prometheus", address, options, folder):
        yield Prometheus(address)


@contextmanager
def scraping(pages: list[Page], rules: list[Path], folder: Path, every_s: int = 2) -> Iterator[Prometheus]:
    """A Prometheus with these rule files that scrapes each page as a worker of the job `streamproc`."""
    with ExitStack() as stack:
        targets = [stack.enter_context(serving(page)) for page in pages]
        config = {
            "global": {"scrape_interval": f"{every_s}s", "evaluation_interval": f"{every_s}s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "streamproc", "static_configs": [{"targets": targets}]}],
        }
        yield stack.enter_context(running(yaml.safe_dump(config), f"127.0.0.1:{free_port()}", folder))


def _await_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, f"not ready after {START_S:g} s: {log.read_text()}"
        try:
            with urllib.request.urlopen(f"http://{address}/-/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(POLL_S)
