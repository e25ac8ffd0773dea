"""The worker's own HTTP server: `/metrics`, `/live`, `/ready`, and what others add to it (the live page).

`/metrics` is rendered and compressed in a worker thread, so that a scrape never holds up the event loop.
With credentials set, all but `/live` and `/ready` asks for them; those two, which Kubernetes asks, then say no details.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import gzip
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS

Render = Callable[[bool], bytes]  # openmetrics? → the page
Health = Callable[[], tuple[bool, dict[str, Any]]]  # well?, and details for a person

log = logging.getLogger(__name__)

_OPEN = ("/live", "/ready")
_INDEX = "/metrics  metrics of the KPIs and of this worker\n/live     is the process alive\n/ready    is it serving\n"
_INDEX_PAGE = "/page/    the KPIs for people\n"
_GZIP_LEVEL = 1  # higher levels cost eight times as much for a fifth less
_STOP_TIMEOUT_S = 5


class ListenError(OSError):
    """The server cannot listen on its address; the message says which and what to do."""


@dataclass(frozen=True)
class Access:
    """Who may read: whoever has the bearer token, or user and password. Open to all if neither is set."""

    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends to be let in."""
        ways = [f"{scheme} {secret}" for scheme, secret in self._accepted().items()]
        return {"Authorization": ways[0]} if ways else {}

    @property
    def challenges(self) -> list[str]:
        """What a client is asked for (WWW-Authenticate); none if all are let in."""
        asks = {"Bearer": 'Bearer realm="streamproc"', "Basic": 'Basic realm="streamproc", charset="UTF-8"'}
        return [asks[scheme] for scheme in self._accepted()]

    def admits(self, authorization: str) -> bool:
        """Whether this Authorization header, "" for none, lets its sender in. Takes as long for any wrong secret."""
        accepted = self._accepted()
        scheme, _, given = authorization.partition(" ")
        expected = accepted.get(scheme.capitalize())
        if expected is None:
            return not accepted
        return hmac.compare_digest(given.strip().encode(errors="surrogateescape"), expected.encode())

    def _accepted(self) -> dict[str, str]:
        accepted = {}
        if self.token:
            accepted["Bearer"] = self.token
        if self.user:
            accepted["Basic"] = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return accepted


EVERYBODY = Access()


class Page(Protocol):
    """Further paths of the server; they ask for the same credentials."""

    def add_to(self, app: web.Application) -> None: ...


class MetricsServer:
    """Serves the metrics page and the health of one worker. Port 0 takes a free port; `port` then says which."""

    def __init__(
        self,
        *,
        port: int,
        metrics: Render,
        live: Health,
        ready: Health,
        host: str = "127.0.0.1",
        access: Access = EVERYBODY,
        page: Page | None = None,
    ) -> None:
        self._address = (host, port)
        self._access = access
        self._page_of_people = page
        self._render = metrics
        self._live = live
        self._ready = ready
        self._one_render = asyncio.Lock()  # impatient scrapers queue here instead of filling the thread pool
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; before the start the one asked for."""
        return int(self._runner.addresses[0][1]) if self._runner and self._runner.addresses else self._address[1]

    async def start(self) -> None:
        """Start to listen. Raises ListenError if the address cannot be had."""
        host, port = self._address
        if not self._access.challenges and not _is_loopback(host):
            log.warning("%s:%d is open to whoever reaches it: set credentials, see docs/security.md", host, port)
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._get_index)
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/live", self._get_live)
        app.router.add_get("/ready", self._get_ready)
        if self._page_of_people is not None:
            self._page_of_people.add_to(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_TIMEOUT_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, *self._address).start()
        except OSError as exc:
            await runner.cleanup()
            raise _listen_error(*self._address, exc) from exc
        self._runner = runner

    async def stop(self) -> None:
        """Stop listening; a running scrape may finish within five seconds. Does nothing if not started."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path in _OPEN or self._admits(request):
            return await handler(request)
        answer = web.Response(status=401, text="401: credentials needed\n")
        for challenge in self._access.challenges:
            answer.headers.add("WWW-Authenticate", challenge)
        return answer

    def _admits(self, request: web.Request) -> bool:
        return self._access.admits(request.headers.get("Authorization", ""))

    async def _get_index(self, request: web.Request) -> web.Response:
        return web.Response(text=_INDEX + (_INDEX_PAGE if self._page_of_people is not None else ""))

    async def _get_live(self, request: web.Request) -> web.Response:
        return _health(self._live, self._admits(request))

    async def _get_ready(self, request: web.Request) -> web.Response:
        return _health(self._ready, self._admits(request))

    async def _get_metrics(self, request: web.Request) -> web.Response:
        openmetrics = wants_openmetrics(",".join(request.headers.getall("Accept", [])))
        zipped = accepts_gzip(",".join(request.headers.getall("Accept-Encoding", [])))
        async with self._one_render:
            body = await asyncio.to_thread(self._page, openmetrics, zipped)
        headers = {
            "Content-Type": CONTENT_TYPE_OPENMETRICS if openmetrics else CONTENT_TYPE_PLAIN_0_0_4,
            "Vary": "Accept, Accept-Encoding",
        }
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    def _page(self, openmetrics: bool, zipped: bool) -> bytes:
        page = self._render(openmetrics)
        return gzip.compress(page, _GZIP_LEVEL, mtime=0) if zipped else page


def wants_openmetrics(accept: str) -> bool:
    """Whether an Accept header prefers OpenMetrics 1.0.0 to Prometheus text; without a wish it is text."""
    openmetrics = text = 0.0
    for name, params, weight in _choices(accept):
        if name == "application/openmetrics-text" and params.get("version", "1.0.0") == "1.0.0":
            openmetrics = max(openmetrics, weight)
        elif name == "text/plain":
            text = max(text, weight)
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    weights = {name: weight for name, _, weight in _choices(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _choices(header: str) -> list[tuple[str, dict[str, str], float]]:
    """The items of an Accept-like header: name, parameters, weight (0 if unreadable)."""
    found = []
    for item in header.lower().split(","):
        name, *rest = (part.strip() for part in item.split(";"))
        params = {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
        try:
            weight = float(params.pop("q", "1"))
        except ValueError:
            weight = 0.0
        found.append((name, params, weight))
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _health(check: Health, with_details: bool) -> web.Response:
    well, details = check()
    return web.json_response(
        {"ok": well, **(details if with_details else {})},
        status=200 if well else 503,
        headers={"Cache-Control": "no-store"},
    )


def _listen_error(host: str, port: int, exc: OSError) -> ListenError:
    if exc.errno == errno.EADDRINUSE:
        why = "the port is in use; stop the program that has it, or choose another port for the metrics"
    else:
        why = f"{exc.strerror or exc}; choose an address of this machine and a port that this user may open"
    error = ListenError(f"cannot listen on {host}:{port}: {why}")
    error.errno = exc.errno
    return error
