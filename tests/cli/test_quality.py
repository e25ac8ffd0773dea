"""`streamproc quality`: of a file, and of a worker's metrics."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import orjson
import pytest

from cli.conftest import Run
from cli.samples import call, event, lines
from streamproc.outputs.own_metrics import OwnMetrics

NOON = "2024-05-06T12:00:00Z"
ROSTER = event("rep.defined", NOON, "rep/ann", {"rep": "ann", "name": "Ann", "team": "dach", "region": "DACH"})


@pytest.fixture
def worker() -> Iterator[str]:
    """Address of a server that shows the metrics of a facts worker to whoever has the token."""
    own = OwnMetrics("facts", "1")
    own.sources.add(Counter({("events", "crm", "sales.crm"): 40, ("early", "crm", "sales.crm"): 10}))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == "Bearer sesame"
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(own.render(False) if allowed else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_with_reference_data_anywhere_in_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(lines(call(1, NOON), call(2, NOON, rep="eve"), ROSTER, b"{"))
    (crm, unknown) = map(orjson.loads, run("quality", path, "--format", "json").out.splitlines())
    assert (crm["source"], crm["topic"], crm["events"]) == ("test", "sales.crm", 2)
    assert (crm["missing"]["rep"], crm["missing"]["team"]) == (0, 0.5)
    assert crm["suggestions"] == ["50.0% with a rep but without team: define the reps (`streamproc reference load`)"]
    assert unknown["rejected"] == {"not_json": 1}
    table = run("quality", "-", stdin=path.read_bytes()).out
    assert "test, sales.crm: 50.0% with a rep but without team" in table
    assert "no region" in table


def test_a_worker_is_asked_with_the_credentials_of_the_settings(
    run: Run, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("quality", "--url", worker)
    assert (refused.code, len(refused.errors)) == (1, 1)
    assert "answered 401" in refused.err
    assert "STREAMPROC_HTTP_TOKEN" in refused.err
    monkeypatch.setenv("STREAMPROC_HTTP_TOKEN", "sesame")
    (row,) = map(orjson.loads, run("quality", "--url", worker, "--url", worker, "--format", "json").out.splitlines())
    assert (row["events"], row["negative_share"]) == (80, 0.25)
    assert "25.0% arrived before they happened" in run("quality", "--url", worker).out


@pytest.mark.parametrize(
    ("args", "said", "code"),
    [
        (("--url", "http://127.0.0.1:1/metrics"), "http://127.0.0.1:1/metrics: no facts worker answers", 1),
        (("--url", "127.0.0.1:1"), "--url: expected an address", 2),
        (("events.ndjson", "--url", "http://127.0.0.1:1"), "--url: either a FILE or workers", 2),
        (("--reference", "roster.yaml"), "--reference: only with a FILE", 2),
        (("nowhere.ndjson",), "nowhere.ndjson", 1),
    ],
)
def test_wrong_use_is_told(run: Run, args: tuple[str, ...], said: str, code: int) -> None:
    found = run("quality", *args)
    assert (found.code, len(found.errors)) == (code, 1)
    assert said in found.err
