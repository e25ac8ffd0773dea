"""Dimensions of an event: what its data says, plus team and region from the roster at the event's time."""

from __future__ import annotations

from operator import attrgetter
from typing import Protocol

from streamproc.event_data import Dims as Data
from streamproc.facts.fact import DIMENSIONS, Dims

_OWN = DIMENSIONS[:-2]  # stages are not in the data; they come from the lives of deals and leads
_REP, _TEAM, _REGION, _CHANNEL = map(_OWN.index, ("rep", "team", "region", "channel"))
_values = attrgetter(*_OWN)


class Roster(Protocol):
    def roster(self, rep: str | None, team: str | None, time_ms: int) -> tuple[str | None, str | None]: ...


def resolve(data: Data, time_ms: int, roster: Roster, channel: str | None = None) -> dict[str, str]:
    """Dimensions of one event. `channel`: the one its type implies where the data names none."""
    return dict(packed(data, time_ms, roster, channel))


def packed(data: Data, time_ms: int, roster: Roster, channel: str | None = None) -> Dims:
    """Dimensions of one event (`resolve`) as facts carry them."""
    values = list(_values(data))
    rep, team, region = values[_REP], values[_TEAM], values[_REGION]
    if (rep or team) and not (team and region):
        their_team, their_region = roster.roster(rep, team, time_ms)
        team, region = team or their_team, region or their_region
    values[_TEAM], values[_REGION], values[_CHANNEL] = team, region, values[_CHANNEL] or channel
    return tuple([pair for pair in zip(_OWN, values, strict=True) if pair[1]])


def merge(base: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """Dimensions of an event, with what it lacks from its entity. Another rep's team and region are not taken over."""
    if "rep" in own and own["rep"] != base.get("rep"):
        base = {name: value for name, value in base.items() if name not in ("team", "region")}
    return {**base, **own}


def pack(dims: dict[str, str]) -> Dims:
    """Dimensions in their fixed order, as facts carry them."""
    return tuple([(name, dims[name]) for name in DIMENSIONS if name in dims])
