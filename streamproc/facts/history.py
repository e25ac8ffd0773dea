"""Values by the time they hold from."""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """Values by the time they hold from. The latest definition for a time replaces an earlier one."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.values: dict[int, T] = {}

    def put(self, from_ms: int, value: T) -> None:
        if from_ms not in self.values:
            insort(self.times, from_ms)
        self.values[from_ms] = value

    def at(self, time_ms: int) -> T | None:
        found = bisect_right(self.times, time_ms)
        return self.values[self.times[found - 1]] if found else None
