"""A worker goes on from a state of its own version that was fed with what its KPIs need; any other it refuses."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from oracle.oracle import values as oracle
from support.build import Rec, ms, rec
from support.compare import differences

from streamproc.backtest import load_reference
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.fed import PROJECTION, STATE_VERSION, VERSION, BackfillNeeded, StateVersionError
from streamproc.kpis.kpi import Catalogue, Count
from streamproc.pipeline import FactsStage, KpisStage, State
from streamproc.windows.calendar import Calendar

DATA = Path(__file__).parent / "data"
ZONE = "Europe/Berlin"
Log = dict[str, bytes]


class Recording:
    """A recorded history: reference data, events by arrival, and both changelogs as release 0.1.0 wrote them."""

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

    def taken(self) -> Recording:
        """With the changelogs that this release writes for the same part of the events."""
        self.logs = ({}, {})
        worker = Worker(self)
        for start in range(0, self.done, 500):
            worker.take(self.events[start : min(start + 500, self.done)])
        return self


class Worker:
    """Both stages, restored from the changelogs and writing to them."""

    def __init__(self, recording: Recording) -> None:
        self.logs = recording.logs
        reference = load_reference(recording.reference, Reference())
        self.facts = FactsStage(catalogue(), reference)
        self.kpis = KpisStage(catalogue(), Calendar(ZONE), reference=reference)
        self.facts.restore(dict(self.logs[0]))
        self.kpis.restore(dict(self.logs[1]))

    def take(self, events: list[Rec]) -> None:
        """One batch of each stage, and a checkpoint; then the events that were derived, as they come back."""
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
        if cut.derived:
            self.take([Rec(one.value, events[-1].timestamp, topic=one.topic) for one in cut.derived])


def write(log: Log, state: State) -> None:
    for key, value in state:
        if value is None:
            log.pop(key, None)
        else:
            log[key] = value


PATHS = sorted(DATA.glob("state-v*/*.gz"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name} {path.name}")
def test_a_state_goes_on_to_the_values_of_the_whole_history(path: Path) -> None:
    """With a restart after every few batches: the state is rewritten bit by bit, and both forms of it are read."""
    recording = Recording(path).taken()
    assert 0 < recording.done < len(recording.events)
    left = recording.events[recording.done :]
    for number, start in enumerate(range(0, len(left), 30)):
        if number % 4 == 0:
            worker = Worker(recording)
        worker.take(left[start : start + 30])
    at_ms = worker.kpis.slices.clock_ms
    lines = [event.value or b"" for event in recording.events]
    expected = oracle(lines, at_ms, reference=recording.reference, zone=ZONE)
    assert differences(values(worker), expected) == []
    assert [msgspec.msgpack.decode(log[VERSION]) for log in recording.logs] == [STATE_VERSION] * 2


def test_what_was_kept_is_half_of_the_story() -> None:
    """Without the state the values differ: the test above would notice that it was not read."""
    recording = Recording(DATA / "state-v1" / "simulated.ndjson.gz")
    recording.logs = ({}, {})
    worker = Worker(recording)
    worker.take(recording.events[recording.done :])
    lines = [event.value or b"" for event in recording.events]
    expected = oracle(lines, worker.kpis.slices.clock_ms, reference=recording.reference, zone=ZONE)
    assert differences(values(worker), expected)


def values(worker: Worker) -> dict[tuple[Any, ...], Any]:
    latest = worker.kpis.evaluator.latest.items()
    return {tuple(series): worker.kpis.evaluator.value(series, parts) for series, parts in latest}


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name} {path.name}")
def test_the_recorded_state_of_the_first_release_is_refused_with_advice(path: Path) -> None:
    """What it was made of lacks facts that KPIs need now, and nothing in it tells which."""
    for log, stage in zip(Recording(path).logs, stages(), strict=True):
        assert len(log) > 50
        with pytest.raises(
            BackfillNeeded, match=r"is of version 1, .* reads version 3: .*`streamproc backfill --app NEW`"
        ):
            stage.restore(log)


def test_the_state_of_the_second_version_is_refused_with_advice() -> None:
    for stage in stages():
        with pytest.raises(BackfillNeeded, match=r"is of version 2, .*`streamproc backfill --app NEW`"):
            stage.restore({VERSION: msgspec.msgpack.encode(2)})


def test_a_later_state_is_refused_with_advice() -> None:
    for stage in stages():
        with pytest.raises(
            StateVersionError, match=r"version 4, .* version 3: start the release that wrote it .*STREAMPROC_APP"
        ):
            stage.restore({VERSION: msgspec.msgpack.encode(STATE_VERSION + 1)})


def test_the_version_is_written_once_with_the_first_state() -> None:
    facts = FactsStage(catalogue(), Reference())
    facts.on_batch([Rec(b"no event")], None)
    cuts = [facts.take_cut()]
    for name in ("m1", "m2"):
        facts.on_batch([rec("email.sent", name)], None)
        cuts.append(facts.take_cut())
    for key in (VERSION, PROJECTION):
        assert [cut and [name for name, _ in cut.changelog].count(key) for cut in cuts] == [0, 1, 0]


# --- what the state was fed with -------------------------------------------------------------------------------------

TEXT: dict[str, Any] = {"means": "m", "formula": "f", "source": "A", "title_de": "t", "title_en": "t", "events": ()}
CALLS = Count(name="calls", of=("call",), by=("rep",), **TEXT)
MEETINGS = Count(name="meetings", of=("meeting_held",), by=("rep",), **TEXT)
CALLS_BY_TEAM = Count(name="calls_too", of=("call",), by=("rep", "team"), **TEXT)


def stages(*kpis: Count) -> tuple[FactsStage, KpisStage]:
    found = Catalogue(kpis) if kpis else catalogue()
    return FactsStage(found, Reference()), KpisStage(found)


def grown(logs: tuple[Log, Log], name: str, *kpis: Count) -> tuple[Log, Log]:
    """The changelogs, after a worker with these KPIs has gone on with one more call."""
    facts, kpi_values = stages(*kpis)
    facts.restore(dict(logs[0]))
    kpi_values.restore(dict(logs[1]))
    facts.on_batch([rec("call.logged", name, rep="ann")], None)
    cut = facts.take_cut()
    assert cut is not None
    write(logs[0], cut.changelog)
    kpi_values.on_batch([Rec(value, key=group.encode()) for group, value in cut.partials])
    kpi_values.on_tick(ms("12:00"))
    later = kpi_values.take_cut()
    assert later is not None
    write(logs[1], later.changelog)
    return logs


@pytest.mark.parametrize(
    ("kpi", "words"),
    [(MEETINGS, r"meetings \(fact meeting_held\)"), (CALLS_BY_TEAM, r"calls_too \(fact call by team\)")],
)
def test_kpis_that_need_more_than_the_state_was_fed_with_are_refused(kpi: Count, words: str) -> None:
    for log, stage in zip(grown(({}, {}), "c1", CALLS), stages(CALLS, kpi), strict=True):
        with pytest.raises(BackfillNeeded, match=rf"not fed with: {words}\. .*`streamproc backfill --app NEW`"):
            stage.restore(log)


def test_another_kpi_of_the_same_facts_goes_on() -> None:
    logs = grown(({}, {}), "c1", CALLS, MEETINGS)
    both = Count(name="both", of=("call", "meeting_held"), by=("rep",), **TEXT)
    _, kpi_values = stages(CALLS, MEETINGS, both)
    kpi_values.restore(grown(logs, "c2", CALLS, MEETINGS, both)[1])
    latest = kpi_values.evaluator.latest.items()
    found = {one.kpi: parts.value for one, parts in latest if (one.group, one.window) == ("", "all")}
    assert found == {"calls": 2, "both": 2}  # nobody met


def test_what_was_left_out_for_a_while_is_missing_from_then_on() -> None:
    """Needing less is fine; but facts were not kept meanwhile, so needing them again is refused."""
    logs = grown(grown(({}, {}), "c1", CALLS, MEETINGS), "c2", CALLS)
    assert [msgspec.msgpack.decode(log[PROJECTION]) for log in logs] == [{"call": ["rep"]}] * 2
    for log, stage in zip(logs, stages(CALLS, MEETINGS), strict=True):
        with pytest.raises(BackfillNeeded, match="meeting_held"):
            stage.restore(log)


def test_an_empty_state_takes_any_kpis() -> None:
    for stage in stages(CALLS, CALLS_BY_TEAM, MEETINGS):
        stage.restore({})
