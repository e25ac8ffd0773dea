"""The demo as people start it: real processes, live metrics, a final table, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.workers import free_port

from streamproc.bus.embedded import EmbeddedKafka

WANTED = (
    r'kpi_activities\{scope="rep",rep="rep-\d+",window="1h"\} \d',
    r'kpi_email_response_ratio\{scope="company",window="7d"\} 0\.\d',
    r'kpi_pipeline_velocity_eur_per_day\{scope="company",window="30d"\} \d',
)


@contextmanager
def demo(folder: Path, *arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port(2)  # of the two workers
    command = [sys.executable, "-m", "streamproc", "demo", "--rate", "200", "--port", str(port), *arguments]
    # A temporary folder of its own: whatever runs with a path in it belongs to this demo.
    env = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "160", **settings}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for_metrics(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    page = ""
    while not all(re.search(series, page) for series in WANTED):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"series are missing in {page[:2000]}"
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            page = response.read().decode()
        time.sleep(0.2)


def left_behind(folder: Path) -> list[str]:
    """Processes that have a path of the folder in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder) in entry.read_text():
                found.append(entry.read_text().replace("\0", " "))
    return found


def test_demo_ends_by_itself_with_a_table(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    """With a protected /metrics, where the demo itself reads how many events were processed."""
    with demo(tmp_path, "--for", "5s", STREAMPROC_HTTP_TOKEN="sesame") as (process, _port):
        output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    for heading in ("Pipeline velocity", "Leaderboard", "rep-0", "events processed", "as of"):
        assert heading in output
    sent, processed, duplicates, rejected = (
        int(re.search(pattern, output)[1].replace(",", ""))  # type: ignore[index]
        for pattern in (r"of ([\d,]+) sent", r"([\d,]+) events proc", r"([\d,]+) duplicates", r"([\d,]+) rejected")
    )
    assert sent == processed + duplicates + rejected
    assert left_behind(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_demo_serves_metrics_and_ends_at_ctrl_c(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    with demo(tmp_path) as (process, port):
        wait_for_metrics(port, process)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Pipeline velocity" in output
    assert left_behind(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
