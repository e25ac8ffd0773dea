"""The live page over HTTP: its files, and a stream of server-sent events for each open page.

Pages of the same kind get the same bytes: each change is written once, whoever looks. A reader that does not keep up is
dropped, and comes back with the id of the last event that it had.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web

from streamproc.outputs.page_board import Board, Channel
from streamproc.windows.calendar import WINDOWS

log = logging.getLogger(__name__)

TICK_S = 1.0
BEAT_S = 2.0  # without changes; pages take 4.5 s of silence for a loss
QUEUE = 16  # messages that may wait for a reader
MAX_READERS = 5_000
MAX_FIRSTS = 8  # different messages to those who come back between two ticks; others get everything
MAX_DIGITS = 18
CHUNK_BYTES = 64 * 1024
RETRY_MS = 1_000
TYPES = {".html": "text/html", ".css": "text/css", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


STREAM_HEADERS = {
    **HEADERS,
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx would keep events until it has many
}


class Reader:
    """One open page. `abort` breaks its connection, also in the middle of a message."""

    def __init__(self, abort: Callable[[], None]) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._abort = abort

    def offer(self, data: bytes) -> bool:
        """Let it have a message; False, and it is dropped, if too many wait for it already."""
        try:
            self.queue.put_nowait(data)
        except asyncio.QueueFull:
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """End it at once, whatever still waits."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)
        self._abort()


@dataclass
class _Audience:
    """The readers of a channel. `sent`: number of the last change that they were told of, at `sent_s`.

    `firsts`: what those get who come before the next message, by the change that they know already (None: no change).
    """

    sent: int
    readers: set[Reader] = field(default_factory=set)
    sent_s: float = 0.0
    firsts: dict[int | None, bytes] = field(default_factory=dict)


class LivePage:
    """Serves the page of a board. `fill` starts to fill it and returns when it is full; `look_up` renews the roster."""

    def __init__(
        self,
        board: Board,
        description: dict[str, Any],
        fill: Callable[[], Awaitable[None]],
        look_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.board = board
        self.dropped = 0
        self.serialised = 0  # messages written, however many readers each had
        self._fill = fill
        self._look_up = look_up
        self._epoch = uuid4().hex[:8]  # change numbers are this process's own
        self._files = _files() | {"catalogue.json": (orjson.dumps(description), "application/json")}
        self._audiences: dict[Channel, _Audience] = {}
        self._ticking: asyncio.Task[None] | None = None

    @property
    def readers(self) -> int:
        """Number of open pages."""
        return sum(len(audience.readers) for audience in self._audiences.values())

    def add_to(self, app: web.Application) -> None:
        """Add the page's paths to an HTTP server."""
        app.router.add_get("/page", self._get_page)
        app.router.add_get("/page/events", self._get_events)
        app.router.add_get("/page/{name:[a-z_.]*}", self._get_file)
        app.on_shutdown.append(self._stop)

    def close_readers(self) -> None:
        """End all streams; pages come back by themselves."""
        for audience in self._audiences.values():
            audience.firsts.clear()
            for reader in audience.readers:
                reader.drop()

    def tick(self, now_s: float) -> None:
        """Tell all readers what has changed, or, every `BEAT_S`, that all is well. `now_s`: a steady clock."""
        self._look_up()
        self._audiences = {channel: one for channel, one in self._audiences.items() if one.readers}
        for channel, audience in self._audiences.items():
            message = self.board.message(channel, audience.sent)
            if set(message) <= {"as_of"} and now_s - audience.sent_s < BEAT_S:
                continue
            audience.sent, audience.sent_s = self.board.seq, now_s
            audience.firsts.clear()
            data = self._event("changes", message)
            for reader in list(audience.readers):
                if not reader.offer(data):
                    audience.readers.discard(reader)
                    self.dropped += 1

    async def _stop(self, _: web.Application) -> None:
        self.close_readers()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)

    async def _tick(self) -> None:
        while self._audiences:
            await asyncio.sleep(TICK_S)
            try:
                self.tick(time.monotonic())
            except Exception:  # else all pages would stand still until somebody opens one
                log.exception("the live page's readers are sent away, and come back")
                self.close_readers()

    async def _get_page(self, request: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect("/page/" + (f"?{request.query_string}" if request.query_string else ""))

    async def _get_file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"] or "index.html")
        if found is None:
            raise web.HTTPNotFound
        body, content_type = found
        tag = sha256(body).hexdigest()[:16]
        if any(one.value == tag for one in request.if_none_match or ()):
            return web.Response(status=304, headers={**HEADERS, "ETag": f'"{tag}"'})
        return web.Response(
            body=body, content_type=content_type, charset="utf-8", headers={**HEADERS, "ETag": f'"{tag}"'}
        )

    async def _get_events(self, request: web.Request) -> web.StreamResponse:
        channel = self._channel(request)
        try:
            await self._fill()
        except Exception as error:  # the feed has told the log why
            raise web.HTTPServiceUnavailable(text="the topics cannot be read; see the worker's log\n") from error
        if self.readers >= MAX_READERS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_READERS} pages are open already; close some\n")
        self._look_up()
        response = web.StreamResponse(headers=STREAM_HEADERS)
        await response.prepare(request)
        transport = request.transport
        reader = Reader(transport.abort if transport else lambda: None)
        first = self._join(channel, reader, request.headers.get("Last-Event-ID") or request.query.get("last", ""))
        try:
            data: bytes | None = first
            while data is not None:
                for start in range(0, len(data), CHUNK_BYTES):  # a slow reader holds a piece, not the whole
                    await response.write(data[start : start + CHUNK_BYTES])
                data = await reader.queue.get()
        except ConnectionError:
            pass  # it has gone, or was dropped
        finally:
            if channel in self._audiences:
                self._audiences[channel].readers.discard(reader)
        return response

    def _channel(self, request: web.Request) -> Channel:
        role, window = request.query.get("view", ""), request.query.get("window") or None
        if role not in self.board.views:
            raise web.HTTPBadRequest(text=f"view: expected one of {', '.join(self.board.views)}\n")
        if window is not None and window not in WINDOWS:
            raise web.HTTPBadRequest(text=f"window: expected one of {', '.join(WINDOWS)}, or none\n")
        return Channel(role, window)

    def _join(self, channel: Channel, reader: Reader, last_id: str) -> bytes:
        """Take in a reader; gives the first that it gets: what it missed since its last event, else everything."""
        seq = self.board.seq
        audience = self._audiences.setdefault(channel, _Audience(seq))
        audience.readers.add(reader)
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())
        since = self._known(last_id)
        if since not in audience.firsts and len(audience.firsts) >= MAX_FIRSTS:
            since = None
        if since not in audience.firsts:  # what changes after it comes with the next message
            kind = "snapshot" if since is None else "changes"
            audience.firsts[since] = self._event(kind, self.board.message(channel, since))
        return audience.firsts[since]

    def _known(self, last_id: str) -> int | None:
        """The change that an event's id stands for; None if it is not one of this process."""
        epoch, _, number = last_id.partition("-")
        if epoch != self._epoch or not number.isdecimal() or len(number) > MAX_DIGITS:
            return None
        return int(number) if int(number) <= self.board.seq else None

    def _event(self, kind: str, message: dict[str, Any]) -> bytes:
        self.serialised += 1
        message["now_ms"] = time.time_ns() // 1_000_000
        head = f"id: {self._epoch}-{self.board.seq}\nevent: {kind}\nretry: {RETRY_MS}\ndata: "
        return head.encode() + orjson.dumps(message) + b"\n\n"


def _files() -> dict[str, tuple[bytes, str]]:
    """The page's files by name, with their types."""
    folder = files("streamproc.outputs") / "page"
    found = {}
    for one in folder.iterdir():
        kind = TYPES.get("." + one.name.rpartition(".")[2])
        if kind:
            found[one.name] = (one.read_bytes(), kind)
    return found
