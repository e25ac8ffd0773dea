"""Ids seen before, so that a repeated event counts once. Kept by day of arrival, forgotten after the horizon."""

from __future__ import annotations

from array import array

from streamproc.facts.fact import hash64

DAY_MS = 86_400_000
HORIZON_DAYS = 7  # providers repeat deliveries for up to three days


class Seen:
    """Hashes of (source, id). Two different ids of n kept collide with odds n² / 2^65: 3 in 10^6 at 10 million."""

    def __init__(self, horizon_days: int = HORIZON_DAYS) -> None:
        self.horizon_days = horizon_days
        self._days: dict[int, set[int]] = {}
        self._fresh: dict[int, array[int]] = {}
        self._parts: dict[int, int] = {}  # changelog records written per day

    def add(self, source: str, event_id: str, arrival_ms: int) -> bool:
        """Remember an id. False if it was there already."""
        found = hash64(f"{len(source)}|{source}{event_id}")
        if any(found in ids for ids in self._days.values()):
            return False
        day = arrival_ms // DAY_MS
        if day not in self._days:
            self._days[day] = set()
        self._days[day].add(found)
        if day not in self._fresh:
            self._fresh[day] = array("Q")
        self._fresh[day].append(found)
        return True

    def expire(self, arrival_ms: int) -> list[str]:
        """Forget what arrived longer ago than the horizon. Returns the keys of the records to delete."""
        oldest = arrival_ms // DAY_MS - self.horizon_days
        gone = [day for day in self._days if day < oldest]
        keys = [f"{day}/{part}" for day in gone for part in range(self._parts.get(day, 0))]
        for day in gone:
            del self._days[day]
            self._fresh.pop(day, None)
            self._parts.pop(day, None)
        return keys

    def take_dirty(self) -> list[tuple[str, bytes]]:
        """New ids since the last time: one record a day of arrival."""
        records = []
        for day, hashes in self._fresh.items():
            part = self._parts.get(day, 0)
            self._parts[day] = part + 1
            records.append((f"{day}/{part}", hashes.tobytes()))
        self._fresh.clear()
        return records

    def restore(self, key: str, packed: bytes) -> None:
        day, part = map(int, key.split("/"))
        hashes: array[int] = array("Q")
        hashes.frombytes(packed)
        self._days.setdefault(day, set()).update(hashes)
        self._parts[day] = max(self._parts.get(day, 0), part + 1)

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))
