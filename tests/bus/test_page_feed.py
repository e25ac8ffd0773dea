"""Filling the live page from topics: only when somebody looks, all of it first, and anew after a failure."""

import asyncio
from typing import NamedTuple

import orjson
import pytest

from streamproc.bus import page_feed
from streamproc.bus.page_feed import TOPICS, PageFeed
from streamproc.kpis.catalogue import catalogue
from streamproc.outputs.page_board import Board, Channel

AT = "2026-03-02T10:00:00.000Z"


class Record(NamedTuple):
    key: bytes
    value: bytes | None
    topic: str = "kpi.values"
    partition: int = 0
    offset: int = 0


def value(amount):
    return Record(b"win_ratio|90d|", orjson.dumps({"value": amount, "n": 1, "as_of": AT}))


def won(id):
    row = {"id": id, "type": "deal.won", "deal": "d", "rep": None, "team": None, "region": None, "time": AT}
    return Record(b"", orjson.dumps(row))


class Topics:
    """Topics in memory: chunks of records, then [] at the end, then whatever comes."""

    def __init__(self):
        self.queues = {topic: asyncio.Queue() for topic in TOPICS}
        self.opened = []

    def add(self, topic, *chunks):
        for chunk in chunks:
            self.queues[topic].put_nowait(chunk)

    async def read(self, topic):
        self.opened.append(topic)
        while True:
            chunk = await self.queues[topic].get()
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def run(test):
    async def work():
        board, topics, ended = Board(catalogue()), Topics(), []
        feed = PageFeed(board, topics.read, lambda: ended.append(True))
        async with asyncio.timeout(30):
            await test(feed, board, topics, ended)
            await feed.stop()

    asyncio.run(work())


def shown(board):
    message = orjson.loads(orjson.dumps(board.message(Channel("head_of_sales", None), None)))
    return [row["value"] for row in message.get("rows", [])], [one["id"] for one in message.get("news", [])]


def test_it_is_full_when_all_topics_have_been_read_to_their_ends():
    async def test(feed, board, topics, ended):
        assert topics.opened == []
        filling = [asyncio.create_task(feed.fill()) for _ in range(2)]
        topics.add("kpi.values", [value(0.5)], [value(0.6)], [])
        topics.add("kpi.alerts", [])
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in filling)
        topics.add("kpi.events", [won("w1")], [])
        await asyncio.gather(*filling)
        assert (sorted(topics.opened), shown(board)) == (sorted(TOPICS), ([0.6], ["w1"]))
        topics.add("kpi.values", [Record(b"win_ratio|90d|", None)])
        while shown(board)[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    run(test)


def test_after_a_failure_readers_are_sent_away_and_one_of_later_fills_it_anew(monkeypatch):
    async def test(feed, board, topics, ended):
        for topic in TOPICS:
            topics.add(topic, [])
        await feed.fill()
        topics.add("kpi.alerts", OSError("the broker is away"))
        while not ended:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError, match="the broker is away; not tried again yet"):
            await feed.fill()  # else all pages that come back would have everything read anew every 2 s
        assert len(topics.opened) == len(TOPICS)
        monkeypatch.setattr(page_feed, "AGAIN_S", 0.0)
        for topic in TOPICS:
            topics.add(topic, [])
        topics.add("kpi.values", [value(0.7)])
        await feed.fill()
        assert len(topics.opened) == 2 * len(TOPICS)

    run(test)


def test_a_failure_before_the_end_is_told_to_who_waits():
    async def test(feed, board, topics, ended):
        topics.add("kpi.values", OSError("the broker is away"))
        with pytest.raises(OSError, match="the broker is away"):
            await feed.fill()
        assert ended == [True]

    run(test)


def test_records_that_cannot_be_used_are_passed_over_and_told_of_once(caplog):
    async def test(feed, board, topics, ended):
        odd = [Record(b"win_ratio|90d|", b"{}"), Record(b"\xff", b"{}"), Record(b"win_ratio|90d|", b"no JSON")]
        topics.add("kpi.values", [value(0.5), *odd], [])
        topics.add("kpi.alerts", [Record(b"", b'{"id": "a1"}')], [])
        topics.add("kpi.events", [Record(b"", b'{"type": "of.a.later.version"}'), won("w1")], [])
        await feed.fill()
        assert (shown(board), ended) == (([0.5], ["w1"]), [])
        assert len([one for one in caplog.messages if "passes over" in one]) == 1

    run(test)


def test_at_the_end_whoever_waits_is_sent_away_and_nothing_is_read_anew():
    async def test(feed, board, topics, ended):
        waiting = asyncio.create_task(feed.fill())
        while len(topics.opened) < len(TOPICS):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await feed.stop()
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the worker stops"):
                await waiting
            waiting = asyncio.create_task(feed.fill())
        await asyncio.gather(waiting, return_exceptions=True)
        assert len(topics.opened) == len(TOPICS)

    run(test)
