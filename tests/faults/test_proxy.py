"""The proxy itself: what passes, and what does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from support.workers import free_port

from faults.proxy import HOST, Proxy

SILENT_S = 0.3  # so long nothing must come; what could come takes less than a millisecond


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


def through_proxy(talk: Callable[[Proxy], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_echo, HOST, 0)
        target = server.sockets[0].getsockname()[1]
        async with server, Proxy(free_port(), target) as proxy:
            await talk(proxy)

    asyncio.run(asyncio.wait_for(run(), 20))


class Talk:
    """One connection through the proxy."""

    @classmethod
    async def open(cls, proxy: Proxy) -> Talk:
        talk = cls()
        talk.reader, talk.writer = await asyncio.open_connection(HOST, proxy.port)
        return talk

    async def echo(self, words: bytes) -> bytes:
        self.writer.write(words)
        return await self.reader.read(1000)


def test_it_passes_everything_at_first_and_after_mending() -> None:
    async def talk(proxy: Proxy) -> None:
        assert await (await Talk.open(proxy)).echo(b"one") == b"one"
        proxy.cut()
        proxy.mend()
        assert await (await Talk.open(proxy)).echo(b"two") == b"two"

    through_proxy(talk)


def test_a_cut_resets_old_and_new_connections() -> None:
    async def talk(proxy: Proxy) -> None:
        old = await Talk.open(proxy)
        assert await old.echo(b"one") == b"one"
        proxy.cut()
        for connection in (old, await Talk.open(proxy)):
            with contextlib.suppress(ConnectionError):
                assert await connection.echo(b"two") == b""

    through_proxy(talk)


def test_half_open_connections_are_silent_for_ever() -> None:
    async def talk(proxy: Proxy) -> None:
        old = await Talk.open(proxy)
        assert await old.echo(b"one") == b"one"
        proxy.swallow()
        new = await Talk.open(proxy)
        for connection in (old, new):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.echo(b"two"), SILENT_S)
        proxy.mend()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(old.echo(b"three"), SILENT_S)
        assert await (await Talk.open(proxy)).echo(b"four") == b"four"

    through_proxy(talk)


def test_a_slow_network_delays() -> None:
    async def talk(proxy: Proxy) -> None:
        connection = await Talk.open(proxy)
        proxy.delay_s = 5
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.echo(b"one"), SILENT_S)

    through_proxy(talk)
