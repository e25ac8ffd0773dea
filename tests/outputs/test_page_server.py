"""The live page over real HTTP on 127.0.0.1: its files, the stream of events, credentials, slow readers."""

import asyncio
import contextlib
import re
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
from yarl import URL

from streamproc.kpis.catalogue import catalogue
from streamproc.outputs import page_server
from streamproc.outputs.http import EVERYBODY, Access, MetricsServer
from streamproc.outputs.page_board import Board, description
from streamproc.outputs.page_server import LivePage, Reader

PAGE_BYTES = 150_000
SALES = "/page/events?view=head_of_sales"


async def nothing():
    pass


def well():
    return True, {}


def put(board, value, group=""):
    row = {"value": value, "n": 3, "as_of": "2026-03-02T10:00:00.000Z"}
    board.take_value(f"win_ratio|90d|{group}".encode(), orjson.dumps(row))


def running(test, access=EVERYBODY, fill=nothing):
    """Run a test with (page, board, HTTP session at the server)."""

    @asynccontextmanager
    async def site():
        board = Board(catalogue())
        page = LivePage(board, description(board, "wall", {}), fill)
        server = MetricsServer(port=0, metrics=lambda _: b"", live=well, ready=well, access=access, page=page)
        await server.start()
        unlimited = aiohttp.TCPConnector(limit=0)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", connector=unlimited) as http:
                yield page, board, http
        finally:
            await server.stop()

    async def run():
        async with asyncio.timeout(60), site() as parts:
            await test(*parts)

    asyncio.run(run())


async def event(answer):
    """The next event: kind, id and data."""
    fields = {}
    while (line := (await answer.content.readline()).decode().rstrip("\n")) or not fields:
        assert line or not answer.content.at_eof()
        name, _, text = line.partition(": ")
        fields[name] = text
    return fields["event"], fields["id"], orjson.loads(fields["data"])


async def until(condition):
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@pytest.fixture
def by_hand(monkeypatch):
    """Only the test lets the page tick."""
    monkeypatch.setattr(page_server, "TICK_S", 3600.0)


def test_files_with_a_strict_policy_and_without_inline_code():
    async def test(page, board, http):
        async with http.get("/page/") as answer:
            html = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert answer.status == 200
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?://", html) == []
        size = 0
        for name in (
            *re.findall(r"(?:href|src)=\"([a-z.]+)\"", html),
            "parts.mjs",
            "store.mjs",
            "feed.mjs",
            "texts.mjs",
        ):
            async with http.get(f"/page/{name}") as answer:
                assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), name
                size += len(await answer.read())
        assert 10_000 < size + len(html) < PAGE_BYTES

    running(test)


def test_unchanged_files_are_not_sent_again_and_others_do_not_exist():
    async def test(page, board, http):
        async with http.get("/page/page.css") as answer:
            tag = answer.headers["ETag"]
        async with http.get("/page/page.css", headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
        for path in ("/page/nothing", "/page/..%2fhttp.py", "/page/__init__.py"):
            async with http.get(path) as answer:
                assert answer.status == 404
        async with http.get(URL("/page?group=team%3DR%26D", encoded=True), allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (308, "/page/?group=team%3DR%26D")
        async with http.get("/") as answer:
            assert "/page/" in await answer.text()

    running(test)


@pytest.mark.parametrize("path", ["/page/", "/page/catalogue.json", "/page/page.css", SALES])
def test_everything_asks_for_credentials(path):
    access = Access(user="ann", password="secret")

    async def test(page, board, http):
        async with http.get(path) as answer:
            assert answer.status == 401
        async with http.get(path, headers=access.headers) as answer:
            assert answer.status == 200

    running(test, access)


@pytest.mark.parametrize("query", ["", "?view=nobody", "?view=rep&window=8d"])
def test_unknown_views_and_windows_are_refused(query):
    async def test(page, board, http):
        async with http.get(f"/page/events{query}") as answer:
            assert (answer.status, "expected one of" in await answer.text()) == (400, True)

    running(test)


def test_everything_first_then_changes_then_what_was_missed():
    async def test(page, board, http):
        put(board, 0.5)
        async with http.get(SALES) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.headers["X-Accel-Buffering"] == "no"
            kind, _, data = await event(answer)
            assert (kind, [row["value"] for row in data["rows"]]) == ("snapshot", [0.5])
            put(board, 0.6)
            kind, last, data = await event(answer)
            assert (kind, [row["value"] for row in data["rows"]]) == ("changes", [0.6])
        put(board, 0.7)
        put(board, 0.9, "team=north")
        async with http.get(SALES, headers={"Last-Event-ID": last}) as answer:
            kind, _, data = await event(answer)
            assert (kind, sorted(row["value"] for row in data["rows"])) == ("changes", [0.7, 0.9])
        epoch = last.partition("-")[0]
        for unknown in (f"other-{board.seq}", f"{epoch}-{board.seq + 1}", f"{epoch}-{'1' * 5000}", "-", "x"):
            async with http.get(SALES, headers={"Last-Event-ID": unknown}) as answer:
                assert (await event(answer))[0] == "snapshot"
        async with http.get(f"{SALES}&last={last}") as answer:  # where a page makes a new connection by itself
            assert (await event(answer))[0] == "changes"

    running(test)


def test_a_silent_stream_says_that_all_is_well():
    async def test(page, board, http):
        async with http.get(SALES) as answer:
            await event(answer)
            kind, _, data = await event(answer)
        assert (kind, set(data)) == ("changes", {"as_of", "now_ms"})

    running(test)


def test_nobody_gets_anything_before_the_board_is_full():
    full = asyncio.Event()

    async def test(page, board, http):
        request = asyncio.create_task(http.get(SALES).__aenter__())
        await asyncio.sleep(0)
        put(board, 0.5)
        assert page.readers == 0
        full.set()
        answer = await request
        assert [row["value"] for row in (await event(answer))[2]["rows"]] == [0.5]
        answer.close()

    running(test, fill=full.wait)


def test_there_are_so_many_readers_also_of_those_who_waited_together(monkeypatch):
    monkeypatch.setattr(page_server, "MAX_READERS", 2)
    full, waiting = asyncio.Event(), []

    async def fill():
        waiting.append(True)
        await full.wait()

    async def test(page, board, http):
        requests = [asyncio.create_task(http.get(SALES).__aenter__()) for _ in range(3)]
        await until(lambda: len(waiting) == len(requests))
        full.set()
        answers = await asyncio.gather(*requests)
        assert sorted(answer.status for answer in answers) == [200, 200, 503]
        for answer in answers:
            answer.close()

    running(test, fill=fill)


def test_pages_are_told_to_come_again_while_the_topics_cannot_be_read():
    async def fill():
        raise RuntimeError("the broker is away")

    async def test(page, board, http):
        async with http.get(SALES) as answer:
            assert (answer.status, "see the worker's log" in await answer.text()) == (503, True)

    running(test, fill=fill)


def test_a_reader_that_does_not_keep_up_is_dropped():
    dropped = []
    reader = Reader(lambda: dropped.append(True))
    assert all(reader.offer(b"x") for _ in range(page_server.QUEUE))
    assert (reader.offer(b"x"), dropped) == (False, [True])


@pytest.mark.usefixtures("by_hand")
def test_a_connection_that_is_not_read_is_broken_off_and_others_go_on():
    async def test(page, board, http):
        async with http.get(SALES, read_bufsize=1024) as slow, http.get(SALES) as good:
            await until(lambda: page.readers == 2)
            reading = asyncio.create_task(_read_on(good))
            for n in range(200):  # until sockets, buffers and at last the queue are full
                for team in range(200):
                    put(board, n, f"team={team}{'x' * 5000}")
                page.tick(1e9)
                await until(lambda: min(len_of_queues(page)) == 0)
                assert max(len_of_buffers(page)) <= 3 * page_server.CHUNK_BYTES
                if page.dropped:
                    break
            assert (page.dropped, page.readers) == (1, 1)
            assert not reading.done()
            reading.cancel()
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await _read_on(slow)

    running(test)


def len_of_queues(page):
    return [reader.queue.qsize() for audience in page._audiences.values() for reader in audience.readers]


def len_of_buffers(page):
    readers = [reader for audience in page._audiences.values() for reader in audience.readers]
    return [reader._abort.__self__.get_write_buffer_size() for reader in readers]


async def _read_on(answer):
    while await answer.content.read(1_000_000):
        pass


@pytest.mark.usefixtures("by_hand")
def test_a_change_is_written_once_for_all_readers_of_a_channel():
    async def test(page, board, http):
        put(board, 0.5)
        async with contextlib.AsyncExitStack() as stack:
            answers = [await stack.enter_async_context(http.get(SALES)) for _ in range(20)]
            other = await stack.enter_async_context(http.get("/page/events?view=rep"))
            for answer in (*answers, other):
                await event(answer)
            written = page.serialised
            put(board, 0.6)
            page.tick(1e9)
            got = [await event(answer) for answer in answers]
            assert got == [got[0]] * len(answers)
            assert got[0][2]["rows"][0]["value"] == 0.6
            assert page.serialised - written == 2

    running(test)


@pytest.mark.usefixtures("by_hand")
def test_who_comes_between_two_ticks_costs_no_serialisation_of_its_own():
    async def test(page, board, http):
        async def come(stack, last=""):
            answer = await stack.enter_async_context(http.get(SALES, headers={"Last-Event-ID": last}))
            return answer, await event(answer)

        async with contextlib.AsyncExitStack() as stack:
            put(board, 0.5)
            _, (_, last, _) = await come(stack)
            put(board, 0.6)
            page.tick(1e9)
            written, answers = page.serialised, []
            for n in range(3):
                put(board, n, "team=north")
                for known, kind in (("", "snapshot"), (last, "changes")):
                    answer, found = await come(stack, known)
                    assert found[0] == kind
                    answers.append(answer)
            assert page.serialised - written == 2
            page.tick(2e9)
            for answer in answers:
                assert [row["value"] for row in (await event(answer))[2]["rows"]] == [2]

    running(test)


@pytest.mark.usefixtures("by_hand")
def test_who_comes_back_with_one_of_many_ids_gets_everything(monkeypatch):
    monkeypatch.setattr(page_server, "MAX_FIRSTS", 2)

    async def test(page, board, http):
        put(board, 0.5)
        async with http.get(SALES) as answer:
            _, last, _ = await event(answer)
            epoch = last.partition("-")[0]
            put(board, 0.6)
            kinds = []
            for n in (0, 1, 0):
                async with http.get(SALES, headers={"Last-Event-ID": f"{epoch}-{n}"}) as other:
                    kinds.append((await event(other))[0])
        assert kinds == ["changes", "snapshot", "changes"]

    running(test)


@pytest.mark.usefixtures("by_hand")
def test_a_thousand_open_pages_cost_one_serialisation():
    async def test(page, board, http):
        put(board, 0.5)
        head = f"GET {SALES} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        port = http._base_url.port
        pages = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
        for _, writer in pages:
            writer.write(head)
        for reader, _ in pages:
            assert b"event: snapshot" in await reader.readuntil(b'"now_ms"')
        assert page.readers == 1000
        written = page.serialised
        put(board, 0.625)
        page.tick(1e9)
        for reader, _ in pages:
            assert b'"value":0.625' in await reader.readuntil(b'"now_ms"')
        assert (page.serialised - written, page.dropped) == (1, 0)
        for _, writer in pages:
            writer.close()

    running(test)


def test_the_server_stops_while_pages_are_open():
    async def test(page, board, http):
        answers = [await http.get(SALES).__aenter__() for _ in range(3)]
        assert page.readers == 3
        page.answers = answers

    running(test)  # `stop` would wait for open streams, and the test's timeout end it
