"""What the state of a task was fed with: its version, and the facts by dimensions that some KPI read.

Facts that no KPI reads are not kept, nor are groups of dimensions that none needs. So a catalogue that needs more than
the state was fed with would show too little of it for ever, in silence; such a start is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from streamproc.kpis.kpi import Catalogue

VERSION = "version"  # keys of both changelogs
PROJECTION = "projection"
# 1 (no such record): release 0.1.0; 2: 0.2.0. Raise it with any change of the state, or of what a fact means.
STATE_VERSION = 3
SHOWN = 3  # KPIs that are named in the refusal
BACKFILL = (
    "run `streamproc backfill --app NEW` with an application id of your choice: it rebuilds everything from the topics "
    "beside this application, and takes over when it has caught up"
)

_pack = msgspec.msgpack.Encoder().encode
_unpack: Any = msgspec.msgpack.Decoder().decode
_projection = msgspec.msgpack.Decoder(dict[str, list[str]]).decode


class StateVersionError(RuntimeError):
    """The changelog was written by a later release than this one."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"the state in the changelog is of version {version}, this release reads version {STATE_VERSION}: "
            "start the release that wrote it (or a later one), or start this one under a new app id "
            "(STREAMPROC_APP) to rebuild everything from the topics"
        )


class BackfillNeeded(RuntimeError):
    """The state was not fed with what the KPIs need: it must be rebuilt from the events."""


class Fed:
    """What one task's state was fed with. Its records are written once, with the first state."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._records = {VERSION: _pack(STATE_VERSION), PROJECTION: _pack(catalogue.projection())}

    def take(self) -> list[tuple[str, bytes | None]]:
        """Changelog records that are still to be written with the state."""
        records, self._records = self._records, {}
        return [*records.items()]

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Check the state of a predecessor. Raises StateVersionError, BackfillNeeded."""
        if not state:
            return
        version: int = _unpack(state[VERSION]) if VERSION in state else 1
        if version > STATE_VERSION:
            raise StateVersionError(version)
        if version < STATE_VERSION:
            raise BackfillNeeded(
                f"the state in the changelog is of version {version}, this release reads version {STATE_VERSION}: "
                f"facts that new KPIs need are not in it. To go on with this release, {BACKFILL}"
            )
        fed = {fact: set(found) for fact, found in _projection(state[PROJECTION]).items()}
        lacking = [(kpi.name, text) for kpi in self._catalogue.kpis if (text := _lacking(kpi, fed))]
        if lacking:
            named = ", ".join(f"{name} ({text})" for name, text in lacking[:SHOWN])
            more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
            raise BackfillNeeded(
                f"KPIs need facts that the state in the changelog was not fed with: {named}{more}. To add them, "
                f"{BACKFILL}; without them, this application goes on as it is"
            )
        # A catalogue that needs less feeds less from now on, and so there is less to go on with later.
        self._records = {key: value for key, value in self._records.items() if state[key] != value}


def _lacking(kpi: Any, fed: Mapping[str, set[str]]) -> str:
    """The first fact of a KPI that the state lacks, with the dimensions that it lacks."""
    for fact in (*kpi.facts, *kpi.levels):
        if fact not in fed:
            return f"fact {fact}"
        if dimensions := [one for one in kpi.by if one not in fed[fact]]:
            return f"fact {fact} by {', '.join(dimensions)}"
    return ""
