"""The short form of the fault suite: one trial each of the cases that take seconds. All of them: `make test-faults`."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest

from faults.cases import CASES, POINTS
from faults.history import simulated
from faults.site import Site
from faults.trial import Trial

SEED = 1
SHORT = (
    "sigkill-live",
    "kill-facts-batch",
    "kill-kpis-transaction",
    "kill-facts-committed",
    "kill-kpis-recovery",
    "kill-facts-revoke",
    "sigterm",
    "network-cut",
    "clock-jumps",
    "rewind-kpis",
    "only-poison",
)
BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("name", SHORT)
def test_every_value_is_that_of_the_recount(site: Site, name: str) -> None:
    outcome = asyncio.run(BY_NAME[name].run(site, SEED))
    assert outcome.wrong == []


def test_every_marked_point_is_passed_once() -> None:
    assert sorted(name.rpartition("-")[2] for name in SHORT if name.startswith("kill-")) == sorted(POINTS)


def test_the_recount_sees_one_event_more_or_less(site: Site) -> None:
    asyncio.run(_compare_with_others(site))


async def _compare_with_others(site: Site) -> None:
    history = simulated(400, days=1)
    await site.hold(history)
    calls = [sent for sent in history.events if b"call.logged" in sent[2]]
    async with Trial(site, "recount", history) as trial:
        trial.start("facts", "kpis")
        assert (await trial.outcome()).wrong == []
        trial.history = replace(history, events=[sent for sent in history.events if sent != calls[5]])
        assert any("('calls', '', '30d')" in line for line in (await trial.outcome()).wrong)
        trial.history = replace(history, events=[*history.events, ("sales.crm", b"k", b"not sent")])
        assert len((await trial.outcome()).wrong) == 1


def test_the_page_has_every_case_and_no_other() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [
        name for first in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(.*?)`", first)
    ]
    named = [name.replace("<stage>", stage) for name in rows for stage in ("facts", "kpis")]
    assert set(named) == {case.name for case in CASES}
