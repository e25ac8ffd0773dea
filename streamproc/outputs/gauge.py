"""A family of gauges as finished text lines, in Prometheus text format 0.0.4 and OpenMetrics 1.0.0."""

from __future__ import annotations

from collections.abc import Hashable
from math import isfinite


class Gauge:
    """A family of gauges: per series its line. `key` names a series, and is up to who puts it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines: dict[Hashable, str] = {}
        self._heads = (head(name, text, "gauge", quote=False), head(name, text, "gauge", quote=True))

    def put(self, key: Hashable, labels: str, number: float | int | None) -> None:
        if number is None or not isfinite(number):
            self.lines.pop(key, None)  # undefined: no sample, never NaN (it poisons every aggregation)
        else:
            self.lines[key] = f"{self.name}{{{labels}}} {number}\n"

    def count(self) -> int:
        return len(self.lines)

    def text(self, openmetrics: bool) -> str:
        return self._heads[openmetrics] + "".join(self.lines.values())


def escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def head(name: str, text: str, kind: str, *, quote: bool) -> str:
    """HELP and TYPE lines. OpenMetrics escapes quotes in help texts (`quote`), text 0.0.4 does not."""
    escaped = escape(text) if quote else text.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {escaped}\n# TYPE {name} {kind}\n"
