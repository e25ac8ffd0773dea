"""Records the changelogs of both stages half way through two histories, as release 0.1.0 wrote them.

Run once, with the code of that release: `PYTHONPATH=.:tests python tests/data/state-v1/record.py`. The files are what
a later release must know as old: since state version 3 it refuses them, with advice. They are never made anew. Each
line of a file is
["reference", event], ["event", arrival_ms, event], or [stage, key, base64 of the changelog record]; events come in
order of arrival, and those before the first line of a stage are in the state.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oracle.histories import history, shuffled
from support.build import DAY_MS, Rec, ms

from streamproc.backtest import load_reference
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.pipeline import FactsStage, KpisStage, State
from streamproc.simulate import Organisation
from streamproc.windows.calendar import Calendar

HERE = Path(__file__).parent
Delivery = tuple[int, str]  # arrival (epoch ms), event
START_MS = ms("2026-03-20")
BATCH = 40  # records a checkpoint


def simulated() -> tuple[list[str], list[Delivery]]:
    """Ten days of a small organisation: more than the horizon of repetitions, so that ids have been forgotten too."""
    organisation = Organisation(seed=41, start_ms=START_MS, flaws=0.03)
    deliveries = [
        (at, raw.decode(errors="replace")) for at, *_, raw in organisation.events(START_MS + 20 * DAY_MS, 0.001)
    ]
    return [raw.decode() for raw in organisation.reference()], deliveries


def contradicting() -> tuple[list[str], list[Delivery]]:
    """Lives full of contradictions over years of event time, in any order and partly twice, within two days."""
    found = history(7, lives=80)
    lines = shuffled(7, found.lines)
    step_ms = 2 * DAY_MS // len(lines)
    return [raw.decode() for raw in found.reference], [
        (START_MS + i * step_ms, raw.decode()) for i, raw in enumerate(lines)
    ]


def states(reference: list[str], deliveries: list[Delivery]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """What both changelogs hold after the deliveries, with a checkpoint a batch."""
    known = load_reference([line.encode() for line in reference], Reference())
    facts, kpis = FactsStage(catalogue(), known), KpisStage(catalogue(), Calendar("Europe/Berlin"))
    logs: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
    for start in range(0, len(deliveries), BATCH):
        batch = deliveries[start : start + BATCH]
        facts.on_batch([Rec(raw.encode(), at) for at, raw in batch], None)
        facts.on_tick(batch[-1][0])
        cut = facts.take_cut()
        if cut is None:
            continue
        write(logs[0], cut.changelog)
        kpis.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
        if cut.clock is not None:
            kpis.on_batch([Rec(cut.clock, key=b"clock")])
        kpis.on_tick(kpis.event_clock_ms)
        values = kpis.take_cut()
        if values is not None:
            write(logs[1], values.changelog)
    return logs


def write(log: dict[str, bytes], state: State) -> None:
    for key, value in state:
        if value is None:
            log.pop(key, None)
        else:
            log[key] = value


def rows(reference: list[str], deliveries: list[Delivery]) -> Iterator[list[Any]]:
    half = len(deliveries) // 2
    facts, kpis = states(reference, deliveries[:half])
    assert "version" not in facts, "this is not the code of release 0.1.0"
    yield from (["reference", line] for line in reference)
    yield from (["event", at, line] for at, line in deliveries[:half])
    for stage, log in (("facts", facts), ("kpis", kpis)):
        yield from ([stage, key, b64encode(value).decode()] for key, value in sorted(log.items()))
    yield from (["event", at, line] for at, line in deliveries[half:])


def main() -> None:
    for make in (simulated, contradicting):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(*make()))
        (HERE / f"{make.__name__}.ndjson.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
