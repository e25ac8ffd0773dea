"""A TCP proxy before the broker that can be slow, cut, or swallow everything."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

CHUNK = 64 * 1024
HOST = "127.0.0.1"


class Proxy:
    """Passes 127.0.0.1:`port` on to 127.0.0.1:`target`. Async context manager; begins by passing everything."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.delay_s = 0.0  # of each chunk, in each direction
        self.is_cut = False
        self._swallowing = False
        self._doomed: set[asyncio.StreamWriter] = set()  # connections that lead nowhere for ever
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for one in self._tasks:
            one.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset all connections, and new ones as they come, until `mend`."""
        self.is_cut = True
        self._abort_all()

    def swallow(self) -> None:
        """Accept everything and answer nothing, until `mend`: nobody is told that the connection is gone.

        Connections from before and during this time stay so: a firewall that forgot them does not remember.
        """
        self._swallowing = True
        self._doomed |= self._open

    def mend(self) -> None:
        """From now on new connections pass."""
        self.delay_s, self.is_cut, self._swallowing = 0.0, False, False

    def _abort_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        self._open.add(writer)
        if self._swallowing:
            self._doomed.add(writer)
        try:
            with contextlib.suppress(OSError):
                there_reader, there = await asyncio.open_connection(HOST, self.target)
                try:
                    await self._both_ways(reader, writer, there_reader, there)
                finally:
                    there.transport.abort()
        finally:
            self._open.discard(writer)
            self._doomed.discard(writer)
            writer.transport.abort()

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
    ) -> None:
        pumps = [
            asyncio.create_task(self._pump(reader, there, writer)),
            asyncio.create_task(self._pump(there_reader, writer, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            if client in self._doomed:
                continue
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            writer.write(data)
            await writer.drain()
        if client in self._doomed:  # its end is not passed on either: the client is left waiting
            await asyncio.Event().wait()
