"""The live page of a real worker: its streams say what `kpi.values` and /metrics say, and go on until SIGTERM."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.workers import Cluster, publish, values

from streamproc.bus.publish import record
from streamproc.kpis.catalogue import catalogue
from streamproc.outputs.page_board import Board, Channel, Kind
from streamproc.outputs.scopes import scope_of
from streamproc.outputs.topics import rfc3339
from streamproc.simulate import Organisation

HOUR_MS = 3_600_000
SOON_S = 30.0  # a limit for a busy machine, not a measurement
Values = dict[tuple[str, str, str | None], float | None]


@pytest.fixture
def cluster(fresh_topics: Any, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(fresh_topics.bootstrap, fresh_topics.app, tmp_path, clock="wall")
    yield cluster
    cluster.kill_all()


class Stream:
    """An open page without a browser: what it has been told so far. `ended` when the worker has ended the stream."""

    def __init__(self, cluster: Cluster, channel: Channel) -> None:
        query = f"view={channel.role}" + (f"&window={channel.window}" if channel.window else "")
        address = f"http://127.0.0.1:{cluster.ports['kpis']}/page/events?{query}"
        self.wanted = Board(catalogue()).wanted(channel)
        self.kinds: list[str] = []
        self.rows: Values = {}
        self.news: list[dict[str, Any]] = []
        self.as_of: str | None = None
        self._answer = urllib.request.urlopen(address, timeout=SOON_S)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._answer as lines:
            for line in lines:
                name, _, text = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    self.kinds.append(text)
                elif name == "data":
                    self._take(orjson.loads(text))

    def _take(self, message: dict[str, Any]) -> None:
        rows = dict(self.rows)
        rows |= {(row["kpi"], row["group"], row["window"]): row.get("value") for row in message.get("rows", ())}
        for kpi, group, window in message.get("gone", ()):
            rows.pop((kpi, group, window), None)
        self.rows, self.as_of = rows, message["as_of"]
        self.news += message.get("news", ())

    def ended(self) -> bool:
        self._thread.join(SOON_S)
        return not self._thread.is_alive()


def await_(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SOON_S
    while not (result := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)
    return result


def agreed(cluster: Cluster, stream: Stream) -> Values:
    """What the stream says, if `kpi.values` has just that and /metrics the same of the company; else nothing."""
    stored = {
        (kpi, group, window): row["value"]
        for (kpi, group, window), row in values(cluster.bootstrap).items()
        if Kind(kpi, window, scope_of(group)) in stream.wanted
    }
    page = cluster.get("kpis", "/metrics")
    found = re.findall(r'^kpi_(\w+)\{scope="company"(?:,window="(\w+)")?\} (\S+)$', page, re.MULTILINE)
    exposed = {(kpi, "", window or None): float(value) for kpi, window, value in found}
    company = {key: value for key, value in stream.rows.items() if key[1] == "" and value is not None}
    return stream.rows if stream.rows == stored and company and company.items() <= exposed.items() else {}


def test_streams_say_what_the_topics_say_and_end_with_the_worker(cluster: Cluster) -> None:
    now_ms = int(time.time() * 1000)
    organisation = Organisation(seed=5, start_ms=now_ms - 12 * HOUR_MS)
    setup = [record(line) for line in organisation.reference()]
    events = [(topic, key, line) for _, topic, key, line in organisation.events(now_ms - 120_000, 0.03)]
    publish(cluster.bootstrap, setup + events)
    for stage in ("facts", "kpis"):
        cluster.start(stage, stage)
    cluster.settle()

    sales, rep = Stream(cluster, Channel("head_of_sales", None)), Stream(cluster, Channel("rep", "24h"))
    before = await_(lambda: agreed(cluster, sales), "the values of the company, teams and regions")
    await_(lambda: agreed(cluster, rep), "the values of the reps")
    assert {scope_of(group) for _, group, _ in before} == {"", "team", "region", "deal_stage"}
    assert {window for _, _, window in rep.rows} == {"24h", None}

    won = {"deal": "d-page", "rep": "rep-001", "amount": 500, "currency": "EUR"}
    at_ms = int(time.time() * 1000) - 1000
    line = {"id": "won-page", "source": "test", "type": "deal.won", "time": rfc3339(at_ms), "subject": "deal/d-page"}
    publish(cluster.bootstrap, [record(orjson.dumps({"specversion": "1.0", **line, "data": won}))])
    news = await_(lambda: [one for one in sales.news if one.get("deal") == "d-page"], "the deal that was won")
    assert (news[0]["type"], news[0]["amount"], news[0]["groups"][0]) == ("deal.won", 500, "rep=rep-001")
    key = ("deals_won", "", "90d")
    after = await_(lambda: found if (found := agreed(cluster, sales)).get(key) != before.get(key) else {}, "its count")
    assert after[key] == (before.get(key) or 0) + 1
    await_(lambda: (sales.as_of or "") > rfc3339(at_ms), "the time of the slowest partition")
    assert (sales.kinds[0], set(sales.kinds[1:])) == ("snapshot", {"changes"})

    worker = cluster.workers["kpis"]
    worker.terminate()
    assert worker.wait(SOON_S / 2) == 0, cluster.log("kpis")
    assert sales.ended()
    assert rep.ended()
    assert cluster.stop() == {"facts": 0, "kpis": 0}
