"""Which time each window and its previous one cover now, and when a slice leaves them.

A span is a window or a previous window; its name is that of the window, or the one in `PREVIOUS`. Spans over minutes,
quarters and hours move on step by step, so that a slice's way through them is known when it is made. Spans of local
days change at midnight only.
"""

from __future__ import annotations

from typing import NamedTuple

from streamproc.windows.calendar import CALENDAR, DAY, EVER, PREVIOUS, ROLLING, TIERS, Calendar, rolling_start

FOREVER = 2**62
WINDOW_OF = {name: name for name in PREVIOUS} | {name: window for window, name in PREVIOUS.items()}
_ROLLING_BEFORE = {window: PREVIOUS[window] for window in ROLLING if window != "90d"}  # of the same slices
_DAY_BEFORE = tuple(window for window in PREVIOUS if window not in _ROLLING_BEFORE)


class Span(NamedTuple):
    """Slices that start in [start_ms, end_ms)."""

    name: str
    start_ms: int
    end_ms: int


def _stays() -> dict[str, int]:
    found = {}
    for window, (rolling, tier) in ROLLING.items():
        found[window] = tier.step_ms + rolling.length_ms
        if window in _ROLLING_BEFORE:
            found[_ROLLING_BEFORE[window]] = tier.step_ms + 2 * rolling.length_ms
    return found


STAYS_MS = _stays()  # span → time from a slice's start until it leaves
ENTERS = _ROLLING_BEFORE  # span → the one that a slice enters when it leaves
LAST = frozenset(  # leaving these spans, a slice is no longer needed
    max((name for name in STAYS_MS if ROLLING[WINDOW_OF[name]][1] is tier), key=STAYS_MS.__getitem__) for tier in TIERS
)


class Spans:
    """All spans as of a clock."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._day_end_ms = EVER
        self._tiers: dict[str, list[Span]] = {DAY: []}
        self.move(0)

    def move(self, clock_ms: int) -> list[tuple[Span, Span]]:
        """Move the clock on. Returns the spans of days that changed, as they were and as they are."""
        for tier in TIERS:
            found = self._tiers[tier.name] = []
            for window in tier.windows:
                start_ms = rolling_start(window.name, clock_ms)
                found.append(Span(window.name, start_ms, FOREVER))
                if window.name in _ROLLING_BEFORE:
                    found.append(Span(_ROLLING_BEFORE[window.name], start_ms - window.length_ms, start_ms))
        if clock_ms <= self._day_end_ms:
            return []
        self._day_end_ms = self._calendar.day_end(clock_ms)
        before, self._tiers[DAY] = self._tiers[DAY], self._days(clock_ms)
        return [(old, new) for old, new in zip(before, self._tiers[DAY], strict=False) if old != new]

    def holding(self, tier: str, start_ms: int) -> list[str]:
        """Names of the spans that hold a slice."""
        return [name for name, first_ms, end_ms in self._tiers[tier] if first_ms <= start_ms < end_ms]

    def span(self, tier: str, name: str) -> Span:
        return next(span for span in self._tiers[tier] if span.name == name)

    def _days(self, clock_ms: int) -> list[Span]:
        starts = ((window, self._calendar.window_start(window, clock_ms)) for window in CALENDAR)
        before = ((PREVIOUS[window], self._calendar.previous(window, clock_ms)) for window in _DAY_BEFORE)
        return [
            *(Span(window, start_ms, self._day_end_ms) for window, start_ms in starts if start_ms is not None),
            *(Span(name, *edges) for name, edges in before if edges is not None),
        ]
