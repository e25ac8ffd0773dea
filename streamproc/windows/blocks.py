"""Distinct counts of many slices, merged ahead by blocks, so that a window is counted anew from few parts.

A distinct count cannot be subtracted from: when slices leave a window, those still inside must be merged. A 90 day
window has 2,160 hourly slices, but 90 blocks of them and the hours of two broken ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streamproc.windows.aggregates import Distinct

BLOCK = 24  # slices of a block

Read = Callable[[int], Distinct]  # start of a slice → its count


@dataclass
class _Block:
    starts: set[int] = field(default_factory=set)  # of its slices that have a count
    merged: Distinct | None = None  # None: to be merged


class Blocks:
    """One count of one group in one tier. `step_ms`: length of a slice."""

    def __init__(self, step_ms: int) -> None:
        self._length_ms = BLOCK * step_ms
        self._blocks: dict[int, _Block] = {}

    def note(self, start_ms: int) -> None:
        """A slice has got a count, or another one."""
        block = self._blocks.setdefault(start_ms // self._length_ms * self._length_ms, _Block())
        block.starts.add(start_ms)
        block.merged = None

    def forget(self, start_ms: int) -> None:
        """A slice is gone."""
        block_ms = start_ms // self._length_ms * self._length_ms
        block = self._blocks[block_ms]
        block.starts.discard(start_ms)
        block.merged = None
        if not block.starts:
            del self._blocks[block_ms]

    def total(self, from_ms: int, to_ms: int, read: Read) -> Distinct | None:
        """The count of all slices that start at or after a time and before another; None if there are none."""
        parts = []
        for block_ms, block in self._blocks.items():
            if from_ms <= block_ms and block_ms + self._length_ms <= to_ms:
                parts.append(_merged(block, read))
            elif block_ms + self._length_ms > from_ms and block_ms < to_ms:
                parts += [read(start_ms) for start_ms in block.starts if from_ms <= start_ms < to_ms]
        return merge(parts) if parts else None

    def __len__(self) -> int:
        return sum(len(block.starts) for block in self._blocks.values())


def _merged(block: _Block, read: Read) -> Distinct:
    if block.merged is None:
        block.merged = merge([read(start_ms) for start_ms in block.starts])
    return block.merged


def merge(parts: list[Distinct]) -> Distinct:
    """Counts as one."""
    total = Distinct()
    for part in parts:
        total.merge(part)
    return total
