"""What a thousand open pages cost: memory of the server, and how long a change takes until the last of them has it.

The server is a process of its own, with figures of an organisation of 12 people made here, so that what making them
took is not in its memory; the pages read on this side.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from msgspec.structs import replace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from page.conftest import Server  # noqa: E402
from page.figures import Figures, figures, put  # noqa: E402

PAGES, CHANGES = 1000, 20
MB = 1024 * 1024


def serve(pipe: Connection, found: Figures) -> None:
    server = Server(found)
    pipe.send(server.port)
    values = [value for value in found.values if value.group == ""]
    numbers = count(1)
    while (asked := pipe.recv()) is not None:
        if asked == "memory":
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            pipe.send((pages * 4096, server.page.readers, server.page.serialised, server.page.dropped))
        else:

            def change() -> None:
                more = next(numbers)
                for value in values:
                    put(server.board, replace(value, n=value.n + more))  # what is as it was is told to nobody
                server.page.tick(time.monotonic() + 3600)

            server.do(change)
    server.end()


async def read_until(reader: asyncio.StreamReader, text: bytes) -> float:
    while text not in await reader.readuntil(b"\n"):
        pass
    return time.monotonic()


async def main() -> None:
    pipe, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(other, figures(int(time.time() * 1000))))
    process.start()
    port = await asyncio.to_thread(pipe.recv)
    pipe.send("memory")
    before, *_ = await asyncio.to_thread(pipe.recv)
    limit = 8 * MB
    streams = [await asyncio.open_connection("127.0.0.1", port, limit=limit) for _ in range(PAGES)]
    began = time.monotonic()
    for _, writer in streams:
        writer.write(b"GET /page/events?view=head_of_sales HTTP/1.1\r\nHost: x\r\n\r\n")
    ends = await asyncio.gather(*(read_until(reader, b"now_ms") for reader, _ in streams))
    pipe.send("memory")
    after, readers, *_ = await asyncio.to_thread(pipe.recv)
    print(f"{readers} pages: {(after - before) / MB:.1f} MB more; the last is full after {max(ends) - began:.2f} s")
    delays = []
    for _ in range(CHANGES):
        waiting = [asyncio.create_task(read_until(reader, b'"rows"')) for reader, _ in streams]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        pipe.send("change")
        delays += [end - began for end in await asyncio.gather(*waiting)]
    delays.sort()
    pipe.send("memory")
    after, _, serialised, dropped = await asyncio.to_thread(pipe.recv)
    print(
        f"change to page: median {1000 * delays[len(delays) // 2]:.0f} ms, slowest {1000 * delays[-1]:.0f} ms; "
        f"{serialised} serialisations, {dropped} dropped, {(after - before) / MB:.1f} MB more"
    )
    pipe.send(None)
    process.join(30)


if __name__ == "__main__":
    asyncio.run(main())
