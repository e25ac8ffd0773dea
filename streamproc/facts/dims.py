"""Dimensions of an event: what its data says, plus team and region from the roster at the event's time."""

from __future__ import annotations

from typing import Protocol

from streamproc.event_data import Dims as Data
from streamproc.facts.fact import DIMENSIONS, Dims

_OWN = DIMENSIONS[:-2]  # stages are not in the data; they come from the lives of deals and leads
_INDEX = {name: index for index, name in enumerate(DIMENSIONS)}


class Roster(Protocol):
    def roster(self, rep: str | None, team: str | None, time_ms: int) -> tuple[str | None, str | None]: ...


def resolve(data: Data, time_ms: int, roster: Roster, channel: str | None = None) -> dict[str, str]:
    """Dimensions of one event. `channel`: the one its type implies where the data names none."""
    found = {name: value for name in _OWN if (value := getattr(data, name)) is not None}
    rep, team = found.get("rep"), found.get("team")
    if (rep or team) and not (team and "region" in found):
        their_team, their_region = roster.roster(rep, team, time_ms)
        if their_team and not team:
            found["team"] = their_team
        if their_region and "region" not in found:
            found["region"] = their_region
    if channel and "channel" not in found:
        found["channel"] = channel
    return found


def merge(base: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """Dimensions of an event, with what it lacks from its entity. Another rep's team and region are not taken over."""
    if "rep" in own and own["rep"] != base.get("rep"):
        base = {name: value for name, value in base.items() if name not in ("team", "region")}
    return {**base, **own}


def pack(dims: dict[str, str]) -> Dims:
    """Dimensions in their fixed order, as facts carry them."""
    return tuple(sorted(dims.items(), key=lambda item: _INDEX[item[0]]))
