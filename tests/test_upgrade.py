"""A worker of this release goes on from the recorded state of earlier ones, and refuses that of later ones."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest
from oracle.oracle import values as oracle
from support.build import Rec, rec
from support.compare import differences

from streamproc.backtest import load_reference
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.pipeline import STATE_VERSION, VERSION, FactsStage, KpisStage, State, StateVersionError
from streamproc.windows.calendar import Calendar

DATA = Path(__file__).parent / "data"
ZONE = "Europe/Berlin"
Log = dict[str, bytes]


class Recording:
    """A recorded history: reference data, events by arrival, and both changelogs after the first of them."""

    def __init__(self, path: Path) -> None:
        self.reference: list[bytes] = []
        self.events: list[Rec] = []
        self.logs: tuple[Log, Log] = ({}, {})
        self.done = 0  # events that are in the changelogs
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for what, *row in map(json.loads, lines):
                if what == "reference":
                    self.reference.append(row[0].encode())
                elif what == "event":
                    self.events.append(Rec(row[1].encode(), row[0]))
                else:
                    self.logs[what == "kpis"][row[0]] = b64decode(row[1])
                    self.done = len(self.events)


class Worker:
    """Both stages, restored from the changelogs and writing to them."""

    def __init__(self, recording: Recording) -> None:
        self.logs = recording.logs
        self.facts = FactsStage(catalogue(), load_reference(recording.reference, Reference()))
        self.kpis = KpisStage(catalogue(), Calendar(ZONE))
        self.facts.restore(dict(self.logs[0]))
        self.kpis.restore(dict(self.logs[1]))

    def take(self, events: list[Rec]) -> None:
        """One batch of each stage, and a checkpoint."""
        self.facts.on_batch(events, None)
        self.facts.on_tick(events[-1].timestamp)
        cut = self.facts.take_cut()
        assert cut is not None
        write(self.logs[0], cut.changelog)
        self.kpis.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
        if cut.clock is not None:
            self.kpis.on_batch([Rec(cut.clock, key=b"clock")])
        self.kpis.on_tick(self.kpis.event_clock_ms)
        values = self.kpis.take_cut()
        if values is not None:
            write(self.logs[1], values.changelog)


def write(log: Log, state: State) -> None:
    for key, value in state:
        if value is None:
            log.pop(key, None)
        else:
            log[key] = value


@pytest.mark.parametrize("path", sorted(DATA.glob("state-v*/*.gz")), ids=lambda path: f"{path.parent.name} {path.name}")
def test_an_earlier_state_goes_on_to_the_values_of_the_whole_history(path: Path) -> None:
    """With a restart after every few batches: the state is rewritten bit by bit, and both forms of it are read."""
    recording = Recording(path)
    assert 0 < recording.done < len(recording.events)
    assert all(VERSION not in log for log in recording.logs) or "state-v1" not in str(path)
    left = recording.events[recording.done :]
    for number, start in enumerate(range(0, len(left), 30)):
        if number % 4 == 0:
            worker = Worker(recording)
        worker.take(left[start : start + 30])
    at_ms = worker.kpis.slices.clock_ms
    found = {
        tuple(series): worker.kpis.evaluator.value(series, parts)
        for series, parts in worker.kpis.evaluator.latest.items()
    }
    lines = [event.value or b"" for event in recording.events]
    expected = oracle(lines, at_ms, reference=recording.reference, zone=ZONE)
    assert differences(found, expected) == []
    assert [msgspec.msgpack.decode(log[VERSION]) for log in recording.logs] == [STATE_VERSION] * 2


def test_what_was_recorded_is_half_of_the_story() -> None:
    """Without the recorded state the values differ: the test above would notice that it was not read."""
    recording = Recording(DATA / "state-v1" / "simulated.ndjson.gz")
    recording.logs = ({}, {})
    worker = Worker(recording)
    worker.take(recording.events[recording.done :])
    found = {tuple(s): worker.kpis.evaluator.value(s, parts) for s, parts in worker.kpis.evaluator.latest.items()}
    lines = [event.value or b"" for event in recording.events]
    assert differences(found, oracle(lines, worker.kpis.slices.clock_ms, reference=recording.reference, zone=ZONE))


def test_a_later_state_is_refused_with_advice() -> None:
    state = {VERSION: msgspec.msgpack.encode(STATE_VERSION + 1)}
    for stage in (FactsStage(catalogue(), Reference()), KpisStage(catalogue())):
        with pytest.raises(
            StateVersionError, match=r"version 3, .* up to 2: start the release that wrote it .*STREAMPROC_APP"
        ):
            stage.restore(state)


def test_the_version_is_written_once_with_the_first_state() -> None:
    facts = FactsStage(catalogue(), Reference())
    facts.on_batch([Rec(b"no event")], None)
    cuts = [facts.take_cut()]
    for name in ("m1", "m2"):
        facts.on_batch([rec("email.sent", name)], None)
        cuts.append(facts.take_cut())
    assert [cut and [key for key, _ in cut.changelog].count(VERSION) for cut in cuts] == [0, 1, 0]
