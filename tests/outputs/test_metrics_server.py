"""The worker's HTTP server, over real HTTP on 127.0.0.1."""

import asyncio
import gzip
import socket
import threading

import aiohttp
import pytest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS

from streamproc.outputs.http import ListenError, MetricsServer, accepts_gzip, wants_openmetrics

# What Prometheus sends: 2.42, and 3 with its default protocols.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def page(openmetrics):
    return b"kpi_x 1\n# EOF\n" if openmetrics else b"kpi_x 1\n"


def well():
    return True, {"stage": "kpis"}


def unwell():
    return False, {"why": "recovering"}


def visit(*requests, **settings):
    """Start a server, make GET requests (path, headers), stop it; gives (status, headers, body as sent) of each."""

    async def run():
        server = MetricsServer(**{"port": 0, "metrics": page, "live": well, "ready": well, **settings})
        await server.start()
        try:
            async with aiohttp.ClientSession(
                auto_decompress=False, skip_auto_headers=["Accept", "Accept-Encoding"]
            ) as http:
                answers = []
                for path, headers in requests:
                    async with http.get(f"http://127.0.0.1:{server.port}{path}", headers=headers) as answer:
                        answers.append((answer.status, answer.headers, await answer.read()))
                return answers
        finally:
            await server.stop()

    return asyncio.run(run())


@pytest.mark.parametrize("accept", [PROMETHEUS_2, PROMETHEUS_3, "application/openmetrics-text"])
def test_openmetrics_for_who_asks_for_it(accept):
    ((status, headers, body),) = visit(("/metrics", {"Accept": accept}))
    assert (status, headers["Content-Type"], body) == (200, CONTENT_TYPE_OPENMETRICS, page(True))


@pytest.mark.parametrize("accept", [None, "*/*", "text/html,*/*;q=0.8", "text/plain;version=0.0.4"])
def test_text_for_all_others(accept):
    ((status, headers, body),) = visit(("/metrics", {"Accept": accept} if accept else {}))
    assert (status, headers["Content-Type"], body) == (200, CONTENT_TYPE_PLAIN_0_0_4, page(False))
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/openmetrics-text;version=2.0.0", False),  # not what we write
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=1.0.0;q=0", False),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.5", False),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", True),
        ("text/plain;q=0.2, Application/OpenMetrics-Text; Version=1.0.0; q=0.9", True),
        ("application/openmetrics-text;q=nonsense", False),
        ("", False),
        (";;,=,q=1", False),
    ],
)
def test_preference_of_format(accept, wanted):
    assert wants_openmetrics(accept) is wanted


@pytest.mark.parametrize(
    ("accept", "allowed"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("br", False),
        ("identity", False),
        ("", False),
    ],
)
def test_permission_to_zip(accept, allowed):
    assert accepts_gzip(accept) is allowed


def test_gzip_where_allowed():
    answers = visit(
        ("/metrics", {"Accept-Encoding": "gzip"}),
        ("/metrics", {"Accept-Encoding": "gzip", "Accept": PROMETHEUS_2}),
        ("/metrics", {"Accept-Encoding": "gzip;q=0"}),
    )
    (_, text_headers, text), (_, open_headers, openmetrics), (_, plain_headers, plain) = answers
    assert text_headers["Content-Encoding"] == open_headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(text) == page(False)
    assert gzip.decompress(openmetrics) == page(True)
    assert plain == page(False)
    assert "Content-Encoding" not in plain_headers


def test_page_is_made_off_the_event_loop():
    threads = []

    def metrics(openmetrics):
        threads.append(threading.current_thread())
        return b""

    visit(("/metrics", {}), metrics=metrics)
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_loop_answers_while_a_page_is_made():
    async def run():
        begun, go_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def metrics(openmetrics):
            loop.call_soon_threadsafe(begun.set)
            assert go_on.wait(30)
            return b"done"

        server = MetricsServer(port=0, metrics=metrics, live=well, ready=well)
        await server.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
                scrape = asyncio.create_task(_body(http, "/metrics"))
                await asyncio.wait_for(begun.wait(), 30)
                assert b'"ok": true' in await _body(http, "/live")
                assert not scrape.done()
                go_on.set()
                assert await scrape == b"done"
        finally:
            go_on.set()
            await server.stop()

    asyncio.run(run())


async def _body(http, path):
    async with http.get(path) as answer:
        return await answer.read()


def test_failing_page_is_a_server_error_and_the_next_one_works():
    outcomes = iter([RuntimeError("broken"), b"fine"])

    def metrics(openmetrics):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    (first, _, _), (second, _, body) = visit(("/metrics", {}), ("/metrics", {}), metrics=metrics)
    assert (first, second, body) == (500, 200, b"fine")


@pytest.mark.parametrize("path", ["live", "ready"])
def test_health(path):
    ((status, headers, body),) = visit((f"/{path}", {}), **{path: well})
    assert (status, headers["Content-Type"], body) == (
        200,
        "application/json; charset=utf-8",
        b'{"ok": true, "stage": "kpis"}',
    )
    ((status, _, body),) = visit((f"/{path}", {}), **{path: unwell})
    assert (status, body) == (503, b'{"ok": false, "why": "recovering"}')


def test_live_and_ready_are_apart():
    (live, _, _), (ready, _, _) = visit(("/live", {}), ("/ready", {}), ready=unwell)
    assert (live, ready) == (200, 503)


def test_index_names_the_pages():
    ((status, headers, body),) = visit(("/", {}))
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert [line.split()[0] for line in body.decode().splitlines()] == ["/metrics", "/live", "/ready"]


def test_unknown_path_is_not_found():
    ((status, _, _),) = visit(("/nothing", {}))
    assert status == 404


def test_port_in_use_names_the_address_and_what_to_do():
    async def run(port):
        server = MetricsServer(port=port, metrics=page, live=well, ready=well)
        with pytest.raises(ListenError) as caught:
            await server.start()
        await server.stop()
        return caught.value

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = asyncio.run(run(port))
    assert isinstance(error, OSError)
    assert str(error).startswith(f"cannot listen on 127.0.0.1:{port}: the port is in use")
    assert "choose another port" in str(error)
    assert "\n" not in str(error)


def test_foreign_address_is_a_listen_error_too():
    async def run():
        # 192.0.2.0/24 is kept for documentation: no machine has it.
        await MetricsServer(host="192.0.2.1", port=0, metrics=page, live=well, ready=well).start()

    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0"):
        asyncio.run(run())


def test_the_port_is_free_again_after_stop():
    async def run():
        first = MetricsServer(port=0, metrics=page, live=well, ready=well)
        await first.start()
        port = first.port
        await first.stop()
        await first.stop()
        second = MetricsServer(port=port, metrics=page, live=well, ready=well)
        await second.start()
        found = second.port
        await second.stop()
        return port, found

    port, found = asyncio.run(run())
    assert port == found != 0
