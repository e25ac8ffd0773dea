"""Two kpis workers share the partitions; no KPI series is ever exposed by both, all through a scale-out and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from faults.history import simulated
from faults.site import Site
from faults.trial import LOOK_S, PARTITIONS, SETTLE_S, Trial

EVENTS, PER_S = 4_000, 300
OLD, NEW = "kpis", "kpis-2"


class Scraper:
    """Scrapes two workers in turn: what the old one shows before and after the new one does is shown by both."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.both: set[str] = set()
        self.seen: dict[str, set[str]] = {OLD: set(), NEW: set()}
        self.rounds = 0

    async def run(self) -> None:
        before = await self._series(OLD)
        while True:
            between = await self._series(NEW)
            after = await self._series(OLD)
            self.both |= before & between & after
            before = after
            self.rounds += 1
            await asyncio.sleep(0.05)

    async def _series(self, name: str) -> set[str]:
        try:
            page = await asyncio.to_thread(self.trial.cluster.get, name, "/metrics")
        except (OSError, KeyError):  # not started yet, or ended
            return set()
        found = series(page.splitlines())
        self.seen[name] |= found
        return found


def series(lines: Iterable[str]) -> set[str]:
    """Names and labels of the KPI series of a page, without the roster, which every worker shows."""
    kpis = (line for line in lines if line.startswith("kpi_") and not line.startswith("kpi_rep_info"))
    return {line.rpartition(" ")[0] for line in kpis}


def test_each_series_is_exposed_by_one_worker_only(site: Site) -> None:
    asyncio.run(_scale_out(site))


async def _scale_out(site: Site) -> None:
    history = simulated(EVENTS, days=2)
    await site.clear(history)
    async with Trial(site, "scale-out", history) as trial:
        scraper, scaled = Scraper(trial), asyncio.Event()
        trial.start("facts", OLD)
        feeding = asyncio.create_task(trial.feed(history.events, PER_S, scaled))
        await trial.shared(OLD)
        scraping = asyncio.create_task(scraper.run())
        await _shown_of_all(trial, scraper)
        trial.start(NEW)
        await trial.shared(OLD, NEW)
        scaled.set()
        await feeding
        outcome = await trial.outcome()
        assert outcome.wrong == []
        apart = {name: await scraper._series(name) for name in (OLD, NEW)}
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)

    assert scraper.rounds > PARTITIONS  # it looked while partitions moved
    assert scraper.both == set()
    assert apart[OLD]
    assert apart[NEW]
    assert not apart[OLD] & apart[NEW]
    assert scraper.seen[OLD] & apart[NEW]  # those that moved
    together = [line for line in apart[OLD] | apart[NEW] if line.startswith("kpi_activities{")]
    assert len(together) == sum(kpi == "activities" for kpi, _, _ in history.expected(history.end_ms()))


async def _shown_of_all(trial: Trial, scraper: Scraper) -> None:
    """Wait until each partition has values, and they were scraped: whichever partition moves, some series do."""
    deadline = time.monotonic() + SETTLE_S
    while not all(rows := (await trial.rows()).values()):
        held = [len(found) for found in rows]
        assert time.monotonic() < deadline, f"values of some partitions only: {held}. {trial.describe()}"
        await asyncio.sleep(LOOK_S)
    after = scraper.rounds + 2  # a round that is under way may have begun before
    await trial.until(lambda: scraper.rounds >= after, "scraped anew")
