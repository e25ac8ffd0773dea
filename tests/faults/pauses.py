"""The longest time in which a stage committed nothing although it had something to read."""

from __future__ import annotations


class Pauses:
    """Told again and again how far a stage is. Begins with the first commit: the first start is no pause."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._done: int | None = None
        self._moved_at_s = 0.0

    def see(self, done: int, lag: int | None, now_s: float) -> None:
        """`done`: sum of committed offsets; `lag`: records behind them, None before the first commit."""
        if lag is None:
            return
        if self._done is None or done != self._done:
            self._count(now_s)
            self._done, self._moved_at_s = done, now_s
        elif lag == 0:
            self._moved_at_s = now_s
        else:
            self._count(now_s)

    def _count(self, now_s: float) -> None:
        if self._done is not None:
            self.longest_s = max(self.longest_s, now_s - self._moved_at_s)
