"""The longest time in which a task committed nothing although it had something to read."""

from __future__ import annotations

from collections.abc import Hashable


class Pauses:
    """Told again and again how far each task is. Begins with its first commit: the first start is no pause."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._moved: dict[Hashable, tuple[int, float]] = {}  # how far it was, and when it came there

    def see(self, task: Hashable, done: int, lag: int, now_s: float) -> None:
        """`done`: sum of committed offsets, 0 before the first commit; `lag`: records behind them."""
        if done == 0:
            return
        before, moved_at_s = self._moved.get(task, (done, now_s))
        if done != before or lag > 0:
            self.longest_s = max(self.longest_s, now_s - moved_at_s)
        if done != before or lag == 0 or task not in self._moved:
            self._moved[task] = done, now_s
