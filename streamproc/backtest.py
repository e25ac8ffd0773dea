"""The same pipeline over a file, without Kafka: every event before T counts for T, late ones too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from streamproc.codec import Rejection, decode, decode_reference
from streamproc.facts.deals import RANKS
from streamproc.facts.reference import Reference
from streamproc.facts.seen import id_hash
from streamproc.kpis.kpi import Catalogue, KpiValue
from streamproc.pipeline import FactsStage, KpisStage
from streamproc.windows.calendar import Calendar, next_minute


class Line(NamedTuple):
    """An event of the file in the shape of a Kafka record. `time_ms` is None where it cannot be decoded."""

    value: bytes
    time_ms: int
    key: bytes | None = None
    topic: str = "file"
    partition: int = 0
    offset: int = 0
    timestamp: int = 0


class _Partial(NamedTuple):
    key: bytes
    value: bytes
    topic: str = "kpi.partials"
    partition: int = 0
    offset: int = 0
    timestamp: int = 0


class ReferenceErrors(ValueError):
    """Lines of reference data that cannot be used; `errors` has (line number, what is wrong)."""

    def __init__(self, errors: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"line {number}: {error}" for number, error in errors))
        self.errors = errors


def load_reference(lines: Iterable[bytes], reference: Reference) -> Reference:
    """Apply reference events. Raises ReferenceErrors with every bad line."""
    errors = []
    for number, line in enumerate(lines, 1):
        event = decode_reference(line)
        if isinstance(event, Rejection):
            errors.append((number, event.error))
        else:
            reference.apply(event)
    if errors:
        raise ReferenceErrors(errors)
    return reference


class Backtest:
    """Values of the catalogue at given times, from the events of a file in any order."""

    def __init__(
        self, lines: Iterable[bytes], catalogue: Catalogue, reference: Reference, zone: str = "UTC", holidays: str = ""
    ) -> None:
        self.facts = FactsStage(catalogue, reference)
        self.kpis = KpisStage(catalogue, Calendar(zone), reference=reference, holidays=holidays)
        self.lines, self.bad = _in_order(lines)
        self.facts.on_batch(self.bad, None)
        self._done = 0  # lines fed so far
        self.counts: Counter[tuple[str, ...]] = Counter()  # what happened so far, as in `FactsCut`

    def end_ms(self) -> int:
        """The event clock at the end of the input. Raises ValueError where no event is valid."""
        last_ms = -1
        seen: set[bytes] = set()
        for line in self.lines:
            event = decode(line.value)
            if isinstance(event, Rejection) or self.facts.refuse(event, line.time_ms, None) is not None:
                continue
            found = id_hash(event.source, event.id)
            if found not in seen:
                seen.add(found)
                last_ms = line.time_ms
        if last_ms < 0:
            raise ValueError("the input has no valid event")
        return next_minute(last_ms)

    def at(self, times_ms: Sequence[int]) -> Iterator[tuple[int, list[KpiValue]]]:
        """All values at each time (whole minutes), in ascending order of time.

        Raises ValueError for a time before one that was asked for earlier: the clock never goes back.
        """
        for at_ms in sorted(times_ms):
            if at_ms < self.kpis.slices.clock_ms:
                raise ValueError(f"{at_ms} is before {self.kpis.slices.clock_ms}, which was asked for already")
            self.kpis.on_tick(at_ms)
            end = self._done
            while end < len(self.lines) and self.lines[end].time_ms < at_ms:
                end += 1
            self._feed(self.lines[self._done : end])
            self._done = end
            self.kpis.take_cut()
            yield at_ms, [self.kpis.judge.value(*item) for item in self.kpis.evaluator.latest.items()]

    def _feed(self, lines: list[Line]) -> None:
        for start in range(0, len(lines) or 1, 10_000):
            self.facts.on_batch(lines[start : start + 10_000], None)
            while (cut := self.facts.take_cut()) is not None:
                self.counts += cut.counts
                self.kpis.on_batch([_Partial(group.encode(), value) for group, value in cut.partials])
                self.facts.on_batch([Line(one.value, 0, one.key, one.topic) for one in cut.derived], None)


def _in_order(lines: Iterable[bytes]) -> tuple[list[Line], list[Line]]:
    """Valid events by (time, rank, source, id, bytes), so that a file's order means nothing; and bad lines."""
    found, bad = [], []
    for offset, line in enumerate(lines):
        event = decode(line)
        if isinstance(event, Rejection):
            bad.append(Line(line, 0, offset=offset))
        else:
            rank = RANKS.get(event.type.partition(".")[2].removesuffix("_changed"), 1)
            found.append(
                ((event.time_ms, rank, event.source, event.id, line), Line(line, event.time_ms, offset=offset))
            )
    found.sort(key=lambda item: item[0])
    return [line for _, line in found], bad
