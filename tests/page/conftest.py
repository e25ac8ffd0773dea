"""A server with figures, and a real Chromium that looks at its page."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from page.figures import Figures, figures, fill

from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.catalogue.judgement import judgements
from streamproc.outputs.http import EVERYBODY, Access, MetricsServer
from streamproc.outputs.page_board import Board, description
from streamproc.outputs.page_server import LivePage
from streamproc.outputs.prometheus import KpiExposition
from streamproc.windows.calendar import MINUTE_MS

WAIT_S = 30


class Server:
    """The HTTP server of a kpis worker with figures in it, in a thread of its own; no Kafka."""

    def __init__(self, found: Figures, min_people: int = 0, access: Access = EVERYBODY) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.access = access
        self.board = Board(catalogue(), min_people=min_people)
        self.exposition = KpiExposition(catalogue())
        self.exposition.apply(found.values)
        self.now_ms = int(time.time() * 1000)
        self.do(lambda: fill(self.board, found, self.now_ms))
        directions = {name: one.direction for name, one in judgements().items()}
        self.page = LivePage(self.board, description(self.board, "wall", directions), self._full)
        self.server = self._new(0)
        self.start()
        self.port = self.server.port
        self.address = f"http://127.0.0.1:{self.server.port}/page/"

    def do(self, work: Callable[[], Any]) -> Any:
        """Run something on the server's loop."""
        done: Future[Any] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(work()))
        return done.result(WAIT_S)

    def _new(self, port: int) -> MetricsServer:
        return MetricsServer(
            port=port, metrics=self.exposition.render, live=_well, ready=_well, page=self.page, access=self.access
        )

    def again(self) -> None:
        """Listen again, at the same address."""
        self.server = self._new(self.port)
        self.start()

    def start(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.start(), self.loop).result(WAIT_S)

    def stop(self) -> None:
        """Stop listening; open pages lose their connection."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(WAIT_S)

    def end(self) -> None:
        self.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(WAIT_S)
        self.loop.close()

    async def _full(self) -> None:
        pass


def _well() -> tuple[bool, dict[str, Any]]:
    return True, {}


@pytest.fixture(scope="session")
def found() -> Figures:
    return figures(int(time.time() * 1000) // MINUTE_MS * MINUTE_MS)


@pytest.fixture(scope="session")
def server(found: Figures) -> Iterator[Server]:
    """A server for tests that only look."""
    one = Server(found)
    yield one
    one.end()


@pytest.fixture
def own_server(found: Figures) -> Iterator[Server]:
    """A server for a test that changes what it shows."""
    one = Server(found)
    yield one
    one.end()


@pytest.fixture
def discreet(found: Figures) -> Iterator[Server]:
    """A server that withholds groups of fewer than two people, and asks for credentials."""
    one = Server(found, min_people=2, access=Access(user="ann", password="secret"))
    yield one
    one.end()


@pytest.fixture(scope="module")  # while it is there, Playwright's loop runs in this thread, and asyncio.run cannot
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright not installed: make install")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium not installed: apt install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open an address in a window of its own; at the end, its console must have had no error."""
    contexts, errors = [], []

    def opened(address: str, width: int = 1280, height: int = 900, wait: bool = True, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.errors = errors
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        if wait:
            page.wait_for_selector(".tile[data-value]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
