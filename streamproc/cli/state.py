"""Slices of the groups that a command asks for: from a file of events, or from the changelog of the workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamproc.cli import arguments, show
from streamproc.cli.backtest import END, EventLines, reference_of, times_of
from streamproc.cli.errors import wrong_use
from streamproc.cli.lines import numbered, open_input, size_of
from streamproc.cli.options import broker, run_async, set_up_logging

if TYPE_CHECKING:
    from streamproc.bus.connection import Broker
    from streamproc.facts.reference import Reference
    from streamproc.kpis.kpi import Catalogue
    from streamproc.pipeline import KpisStage
    from streamproc.settings import Settings
    from streamproc.windows.slices import Slices


@dataclass(frozen=True)
class Source:
    """Where a command gets its slices: a file as of a time, or without a file the workers of an app as of now."""

    settings: Settings
    file: str | None
    at: str | None
    reference: Path | None

    def groups(self, catalogue: Catalogue, wanted: Callable[[str], bool]) -> Groups:
        """The groups that are wanted (and perhaps others)."""
        if self.file is not None:
            return self._of_file(self.file, catalogue)
        for option, given in (("--at", self.at), ("--reference", self.reference)):
            if given is not None:
                raise wrong_use(
                    f"{option}: expected with a file of events only; without one, the workers' state is read"
                )
        set_up_logging()
        return run_async(_of_workers(broker(self.settings), self.settings, catalogue, wanted))

    def _of_file(self, file: str, catalogue: Catalogue) -> Groups:
        settings, text = self.settings, self.at or END
        at = None if text == END else arguments.whole_minute_ms(text, "--at", settings.business_timezone)
        reading = EventLines(reference_of(settings, self.reference), arguments.target_check(settings))
        with show.progress(with_total=size_of(file) is not None) as progress:
            task = progress.add_task("Reading", total=size_of(file))
            with open_input(file) as lines:
                test = reading.backtest(
                    numbered(lines, lambda count: progress.advance(task, count)), catalogue, settings
                )
            progress.update(task, description="Computing", total=None)
            list(test.at(times_of(test, [at])))
        reading.report(test)
        return Groups([test.kpis], reading.reference)


@dataclass(frozen=True)
class Groups:
    """Groups of one or more tasks, and the reference data."""

    tasks: list[KpisStage]
    reference: Reference

    def slices(self, group: str) -> Slices | None:
        """Slices of the task that has a group; None where none has."""
        return next((task.slices for task in self.tasks if group in task.slices.groups), None)

    def members(self, dimension: str) -> list[str]:
        """Members of a dimension that there are, in order."""
        groups = {group for task in self.tasks for group in task.slices.groups}
        return sorted(group.partition("=")[2] for group in groups if group.startswith(f"{dimension}="))


@dataclass
class Changelog:
    """The state of stage 2 as its changelog tells it, of the groups that are wanted."""

    wanted: Callable[[str], bool]
    states: dict[int, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))

    def take(self, partition: int, key: bytes, value: bytes | None) -> None:
        from streamproc.kpis.fed import PROJECTION, VERSION
        from streamproc.kpis.judge import PREFIX as BANDS
        from streamproc.pipeline import CLOCK, parse_key

        name = key.decode()
        is_slice = "/" in name and not name.startswith(BANDS)
        if name not in (CLOCK, VERSION, PROJECTION) and not (is_slice and self.wanted(parse_key(name).group)):
            return
        if value is None:
            self.states[partition].pop(name, None)
        else:
            self.states[partition][name] = value

    def tasks(self, catalogue: Catalogue, zone: str) -> list[KpisStage]:
        """Raises StateVersionError, BackfillNeeded."""
        from streamproc.pipeline import KpisStage
        from streamproc.windows.calendar import Calendar

        made = []
        for state in self.states.values():
            made.append(KpisStage(catalogue, Calendar(zone)))
            made[-1].restore(state)
        return made


async def _of_workers(to: Broker, settings: Settings, catalogue: Catalogue, wanted: Callable[[str], bool]) -> Groups:
    from streamproc.bus.follow import read
    from streamproc.bus.reading import read_reference, reader

    changelog, topic = Changelog(wanted), f"{settings.app}-kpis-changelog"
    async with reader(to, topic) as consumer:
        async for records in read(consumer, topic, follow=False):
            for record in records:
                changelog.take(record.partition, record.key, record.value)
    known = await read_reference(to, reference_of(settings, None))
    return Groups(changelog.tasks(catalogue, settings.business_timezone), known)
