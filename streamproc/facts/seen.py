"""Ids seen before, so that a repeated event counts once. Kept by day of arrival, forgotten after the horizon.

In memory: sorted arrays of hashes, 8 bytes an id, searched a batch at a time; ids are collected in a set until they
are enough for an array. In the changelog: parts of a day, merged as they become many (`Parts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000
HORIZON_DAYS = 7  # providers repeat deliveries for up to three days
HASH_BYTES = 8

_LOOSE = 4_096  # ids in sets until they become an array
_LONGEST_RUN = 1 << 21  # ids in an array that is merged no more: merging two of half of this takes 25 ms
_MERGE = 8  # parts of a like size that become one
MAX_PART = 50_000  # ids in a changelog record: 400 kB, the broker takes 1 MB

Hashes = NDArray[np.uint64]


class Arrived(NamedTuple):
    """What tells an event from its repetitions, and when it arrived (epoch ms)."""

    source: str
    id: str
    arrival_ms: int


def id_hash(source: str, event_id: str) -> bytes:
    """Hash of an event's identity; the length keeps source and id apart."""
    return blake2b(f"{len(source)}|{source}{event_id}".encode(), digest_size=HASH_BYTES).digest()


class Seen:
    """Hashes of (source, id). Two different ids of n kept collide with odds n² / 2^65: 3 in 10^6 at 10 million."""

    def __init__(self, horizon_days: int = HORIZON_DAYS) -> None:
        self.horizon_days = horizon_days
        self._runs: dict[int, list[Hashes]] = {}  # day → sorted arrays, the longest first
        self._loose: dict[int, set[int]] = {}
        self._fresh: dict[int, list[int]] = {}  # not in the changelog yet
        self._parts: dict[int, Parts] = {}

    def add(self, arrived: Iterable[Arrived]) -> list[bool]:
        """Remember ids, in order. For each whether it is new: False if it was there already."""
        found = list(arrived)
        if not found:
            return []
        hashes = np.frombuffer(b"".join(id_hash(one.source, one.id) for one in found), np.uint64)
        new = []
        known = self._in_runs(hashes).tolist()
        for one, value, is_known in zip(found, hashes.tolist(), known, strict=True):
            is_new = not is_known
            for ids in self._loose.values():
                is_new = is_new and value not in ids
            if is_new:
                day = one.arrival_ms // DAY_MS
                self._loose.setdefault(day, set()).add(value)
                self._fresh.setdefault(day, []).append(value)
            new.append(is_new)
        if sum(map(len, self._loose.values())) >= _LOOSE:
            self._tidy()
        return new

    def expire(self, arrival_ms: int) -> list[str]:
        """Forget what arrived longer ago than the horizon. Returns the keys of the records to delete."""
        oldest = arrival_ms // DAY_MS - self.horizon_days
        gone = [day for day in {*self._runs, *self._loose} if day < oldest]
        keys = []
        for day in gone:
            for of_day in (self._runs, self._loose, self._fresh):
                of_day.pop(day, None)
            parts = self._parts.pop(day, None)
            keys += [f"{day}/{number}" for number in parts.numbers] if parts else []
        return keys

    def take_dirty(self) -> list[tuple[str, bytes | None]]:
        """Changelog records since the last time: new ids by day of arrival, and None for what has been merged."""
        records: list[tuple[str, bytes | None]] = []
        for day, fresh in self._fresh.items():
            parts = self._parts.setdefault(day, Parts())
            found = parts.add(np.array(fresh, np.uint64).tobytes())
            records += [(f"{day}/{number}", packed) for number, packed in found]
        self._fresh.clear()
        return records

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take over all records of the changelog."""
        packed: dict[int, list[bytes]] = {}
        for key, hashes in state.items():
            day, number = map(int, key.split("/"))
            self._parts.setdefault(day, Parts()).restore(number, hashes)
            packed.setdefault(day, []).append(hashes)
        for day, pieces in packed.items():
            self._runs[day] = _cut(np.sort(np.frombuffer(b"".join(pieces), np.uint64)))
            if self._parts[day].is_untidy:
                self._fresh[day] = []  # written by a release that did not merge: merge at the next cut

    def __len__(self) -> int:
        return sum(map(len, self._loose.values())) + sum(run.size for runs in self._runs.values() for run in runs)

    def _in_runs(self, hashes: Hashes) -> NDArray[np.bool_]:
        found = np.zeros(hashes.size, np.bool_)
        order = np.argsort(hashes)
        wanted = hashes[order]  # in order, they find their places twice as fast
        for runs in self._runs.values():
            for run in runs:
                places = np.searchsorted(run, wanted)
                found[order] |= run[np.minimum(places, run.size - 1)] == wanted
        return found

    def _tidy(self) -> None:
        """Loose ids become arrays; arrays are merged so that each is at least twice as long as the next."""
        for day, ids in self._loose.items():
            runs = self._runs.setdefault(day, [])
            last = np.fromiter(ids, np.uint64, len(ids))
            while runs and runs[-1].size < min(2 * last.size, _LONGEST_RUN):
                last = np.concatenate((runs.pop(), last))
            runs.append(np.sort(last))
        self._loose.clear()


class Parts:
    """The changelog records of one day. Eight of a like size become one, up to `MAX_PART` ids, where it stays.

    So an id is written about log8 times, and a day is read in some dozens of records and one for each `MAX_PART` ids.
    """

    def __init__(self) -> None:
        self._small: dict[int, bytes] = {}  # number → hashes, of those that may be merged yet
        self._full: list[int] = []
        self._next = 0

    def add(self, hashes: bytes) -> list[tuple[int, bytes | None]]:
        """Add hashes (8 bytes each). Returns the records to write by number, None for those that were merged."""
        before = set(self._small)
        records = self._put(hashes)
        while same := self._too_many():
            records |= self._put(b"".join(self._small.pop(number) for number in same))
            records |= dict.fromkeys(same)
        merged_at_once = [number for number, packed in records.items() if packed is None and number not in before]
        for number in merged_at_once:
            del records[number]
        return list(records.items())

    def restore(self, number: int, hashes: bytes) -> None:
        self._next = max(self._next, number + 1)
        if len(hashes) >= MAX_PART * HASH_BYTES:
            self._full.append(number)
        else:
            self._small[number] = hashes

    @property
    def numbers(self) -> list[int]:
        """Those of all records in the changelog."""
        return [*self._full, *self._small]

    @property
    def is_untidy(self) -> bool:
        return bool(self._too_many())

    def _put(self, hashes: bytes) -> dict[int, bytes | None]:
        records: dict[int, bytes | None] = {}
        for start in range(0, len(hashes), MAX_PART * HASH_BYTES):
            piece = hashes[start : start + MAX_PART * HASH_BYTES]
            records[self._next] = piece
            self.restore(self._next, piece)
        return records

    def _too_many(self) -> list[int]:
        """Small parts of a like size (within a factor of eight), if there are enough to be merged."""
        like: dict[int, list[int]] = {}
        for number, hashes in self._small.items():
            like.setdefault((len(hashes) // HASH_BYTES).bit_length() // 3, []).append(number)
        return next((numbers for numbers in like.values() if len(numbers) >= _MERGE), [])


def _cut(hashes: Hashes) -> list[Hashes]:
    """Sorted hashes as arrays that are not too long; copies, so that what they came from can go."""
    return [hashes[start : start + _LONGEST_RUN].copy() for start in range(0, hashes.size, _LONGEST_RUN)]
