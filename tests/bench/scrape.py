"""A scrape of 100,000 series, a hundredth of which has changed since the last one: how long it takes, and how long the
event loop of the worker that serves it is blocked at most meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import aiohttp

from streamproc.ingest.kpis_file import full_catalogue
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.http import MetricsServer
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.outputs.prometheus import KpiExposition
from streamproc.windows.calendar import WINDOWS

SERIES = 100_000
SCRAPES, PAUSE_S = 12, 0.3
BEAT_S = 0.001


class Scrape(NamedTuple):
    """Seconds: the scrapes after the first, the first, and the longest block of the event loop during each."""

    took: list[float]
    first: float
    blocked: list[float]
    size: int


def scrape() -> Scrape:
    return asyncio.run(run())


async def run() -> Scrape:
    exposition = KpiExposition(full_catalogue("EUR"), max_series=2 * SERIES)
    exposition.apply(values(range(SERIES), 0))
    server = MetricsServer(port=0, metrics=OwnMetrics("kpis", "bench", "bench").page(exposition), live=ok, ready=ok)
    await server.start()
    took, blocked, size = [], [], 0
    try:
        async with aiohttp.ClientSession() as http:
            for turn in range(SCRAPES):
                exposition.apply(values(range(turn, SERIES, 100), turn + 1))
                await asyncio.sleep(PAUSE_S)
                beats: list[float] = []
                beating = asyncio.create_task(beat(beats))
                began = time.perf_counter()
                async with http.get(f"http://127.0.0.1:{server.port}/metrics") as answer:
                    size = len(await answer.read())
                took.append(time.perf_counter() - began)
                beating.cancel()
                blocked.append(max(beats))
    finally:
        await server.stop()
    return Scrape(took[1:], took[0], blocked, size)


def values(numbers: range, turn: int) -> list[KpiValue]:
    windows = tuple(WINDOWS)
    return [
        KpiValue(
            kpi="calls",
            group=f"rep=rep-{n // len(windows):05d}",
            window=windows[n % len(windows)],
            value=float(n + turn),
            numerator=None,
            denominator=None,
            n=n,
            unit="calls",
            window_start_ms=0,
            as_of_ms=turn,
        )
        for n in numbers
    ]


async def beat(found: list[float]) -> None:
    """How much later than it should each turn of the event loop comes."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(BEAT_S)
        found.append(time.perf_counter() - began - BEAT_S)


def ok() -> tuple[bool, dict[str, object]]:
    return True, {}
