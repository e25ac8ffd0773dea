"""Forecasts against what came: months of simulated history, looked at from many points of their weeks and months."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import orjson
import pytest

from streamproc.backtest import Backtest, load_reference
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.forecast import CONFIDENCE, Forecast, FromPipeline, at_end, from_pipeline
from streamproc.kpis.history import open_stage, running
from streamproc.kpis.kpi import Catalogue, Totals
from streamproc.simulate import Organisation
from streamproc.simulate_world import FX
from streamproc.windows.calendar import DAY, DAY_MS, HOUR_MS
from streamproc.windows.slices import SliceKey

START_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z
DAYS = 181  # to the end of June
FIRST_DAY = 70  # of the forecasts: deals take up to 38 days, so the first weeks are unlike the rest
EVERY_MS = 84 * HOUR_MS  # so that midnight, noon and all days of the week come
RATE_PER_S = 0.005
FLOWS = ("deals_won", "deals_lost", "deals_created", "revenue_eur")
PIPELINE = ("pipeline_value_eur", "pipeline_weighted_eur", "stage_dwell_seconds")
PERIODS = ("week", "month")
SEEDS = (1, 2)


class Flow(NamedTuple):
    """A forecast of a flow, what came, and what the period before had come to."""

    kpi: str
    period: str
    found: Forecast
    came: float
    before: float


class Open(NamedTuple):
    """A forecast from the open deals, the wins and money they brought in time, and all wins that are to be expected."""

    period: str
    found: FromPipeline
    wins: int
    money: float
    ever: float


class Deal(NamedTuple):
    """When a deal was open and what it came to; `won_ms` may lie in none of the spans if it was reopened."""

    spans: list[tuple[int, int]]
    won_ms: int | None
    amount: float


class Simulated:
    """A history and all forecasts made in it."""

    def __init__(self, seed: int) -> None:
        full = catalogue()
        sales = Organisation(seed, START_MS, flaws=0)
        self.reference = load_reference(sales.reference(), Reference())
        # The rest of the stream costs time and changes none of these KPIs.
        events = sales.events(START_MS + DAYS * DAY_MS, RATE_PER_S)
        self.lines = [(time_ms, line) for time_ms, _, _, line in events if b'"deal.' in line]
        self.kpis = Catalogue(
            (
                *(replace(full[name], by=()) for name in FLOWS),
                *(replace(full[name], by=("deal_stage",)) for name in PIPELINE),
            )
        )
        self.test = Backtest((line for _, line in self.lines), self.kpis, self.reference)
        self.slices = self.test.kpis.slices
        self.calendar = self.slices.calendar
        self.flows: list[Flow] = []
        self.open: list[Open] = []
        self._look()

    def _look(self) -> None:
        """Forecasts first, then, at the end, what came."""
        end_ms = START_MS + DAYS * DAY_MS
        flows, pipelines = [], []
        for at_ms, _ in self.test.at([*range(START_MS + FIRST_DAY * DAY_MS, end_ms, EVERY_MS), end_ms]):
            for period in PERIODS if at_ms < end_ms else ():
                until_ms = self.calendar.window_end(period, at_ms)
                if until_ms > end_ms or until_ms == at_ms:
                    continue
                for name in FLOWS:
                    now = running(self.kpis[name], "", period, self.slices)
                    assert now.end_ms == until_ms
                    flows.append((name, period, at_ms, at_end(now.so_far, now.past)))
                stages = [open_stage(name, self.slices) for name in self.reference.open_stages()["default"]]
                pipelines.append((period, at_ms, until_ms, stages))
        for name, period, at_ms, found in flows:
            self.flows.append(Flow(name, period, found, *self._came(name, period, at_ms)))
        deals = list(self._deals())
        for period, at_ms, until_ms, stages in pipelines:
            found = from_pipeline(stages, (until_ms - at_ms) / 1000)
            brought = [deal.amount for deal in deals if _is_open(deal, at_ms) and _is_won(deal, at_ms, until_ms)]
            ever = from_pipeline(stages, DAYS * DAY_MS).wins.expected
            self.open.append(Open(period, found, len(brought), sum(brought), ever))

    def _came(self, name: str, period: str, at_ms: int) -> tuple[float, float]:
        """Value of the whole period that ran, and of the one before."""
        start_ms = self.calendar.window_start(period, at_ms) or 0
        before_ms = self.calendar.window_start(period, start_ms) or 0
        end_ms = self.calendar.window_end(period, at_ms)
        return self._sum(name, start_ms, end_ms), self._sum(name, before_ms, start_ms)

    def _sum(self, name: str, from_ms: int, until_ms: int) -> float:
        bags = [self.slices.bag(SliceKey("", DAY, day_ms)) for day_ms in range(from_ms, until_ms, DAY_MS)]
        return sum(float(self.kpis[name].parts(Totals(bag)).value or 0) for bag in bags)

    def _deals(self) -> Iterator[Deal]:
        """Deals as the events tell them, without the pipeline."""
        events: dict[str, list[tuple[int, str, dict[str, float | str]]]] = {}
        for time_ms, line in self.lines:
            event = orjson.loads(line)
            events.setdefault(event["subject"], []).append((time_ms, event["type"], event["data"]))
        for history in events.values():
            spans, won_ms, since_ms, amount, rate = [], None, None, 0.0, 1.0
            for time_ms, kind, data in history:
                if "amount" in data:
                    rate = FX[str(data["currency"])] if "currency" in data else rate
                    amount = float(data["amount"]) * rate
                if kind in ("deal.created", "deal.reopened"):
                    since_ms = time_ms
                elif kind in ("deal.won", "deal.lost", "deal.deleted") and since_ms is not None:
                    spans.append((since_ms, time_ms))
                    since_ms, won_ms = None, time_ms if kind == "deal.won" else None
            yield Deal(spans, won_ms, amount)


def _is_open(deal: Deal, at_ms: int) -> bool:
    return any(since_ms < at_ms <= end_ms for since_ms, end_ms in deal.spans)


def _is_won(deal: Deal, from_ms: int, until_ms: int) -> bool:
    return deal.won_ms is not None and from_ms <= deal.won_ms < until_ms


@pytest.fixture(scope="module")
def histories() -> list[Simulated]:
    return [Simulated(seed) for seed in SEEDS]


def share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found)


def flows(histories: list[Simulated], period: str, name: str | None = None) -> list[Flow]:
    found = [case for one in histories for case in one.flows if case.period == period and name in (None, case.kpi)]
    assert len(found) > 40
    return found


def opens(histories: list[Simulated], period: str) -> list[Open]:
    found = [case for one in histories for case in one.open if case.period == period]
    assert len(found) > 40
    return found


@pytest.mark.parametrize("period", PERIODS)
def test_intervals_hold_what_came_about_as_often_as_they_say(histories: list[Simulated], period: str) -> None:
    """Cases of one month or week are not independent, hence the room around 0.8."""
    held = share(case.found.low <= case.came <= case.found.high for case in flows(histories, period))
    assert CONFIDENCE - 0.1 < held < CONFIDENCE + 0.1


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("name", FLOWS)
def test_forecasts_are_closer_than_the_value_of_the_period_before(
    histories: list[Simulated], name: str, period: str
) -> None:
    cases = flows(histories, period, name)
    wrong = sum(abs(case.found.expected - case.came) for case in cases)
    naive = sum(abs(case.before - case.came) for case in cases)
    assert wrong < naive


@pytest.mark.parametrize("period", PERIODS)
def test_the_pipeline_brings_about_what_it_is_expected_to(histories: list[Simulated], period: str) -> None:
    """The simulated probabilities of stages are as people set them: plausible, not exact."""
    cases = opens(histories, period)
    wins, money = sum(case.wins for case in cases), sum(case.money for case in cases)
    assert sum(case.found.wins.expected for case in cases) == pytest.approx(wins, rel=0.2)
    assert sum(case.found.money for case in cases) == pytest.approx(money, rel=0.25)


def test_wins_of_the_pipeline_lie_in_their_interval_about_as_often_as_it_says(histories: list[Simulated]) -> None:
    """By the end of the week; over a month it is the stages' probabilities that count, and they are not exact."""
    held = share(case.found.wins.low <= case.wins <= case.found.wins.high for case in opens(histories, "week"))
    assert CONFIDENCE - 0.12 < held < CONFIDENCE + 0.12


@pytest.mark.parametrize("period", PERIODS)
def test_the_time_that_stages_take_makes_the_weighted_pipeline_closer(histories: list[Simulated], period: str) -> None:
    cases = opens(histories, period)
    wrong = sum(abs(case.found.wins.expected - case.wins) for case in cases)
    naive = sum(abs(case.ever - case.wins) for case in cases)
    assert wrong < 0.8 * naive
