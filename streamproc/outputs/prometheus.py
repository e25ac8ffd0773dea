"""KPI values as Prometheus text format 0.0.4 and OpenMetrics 1.0.0.

Each series is kept as its finished text line. A scrape writes anew the lines whose values have changed since the last
one and joins all of them: 100,000 lines in tens of milliseconds, where building `MetricFamily` objects takes about a
second. What prometheus_client writes for the same families is the model, and the tests' oracle.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from prometheus_client.utils import floatToGoString

from streamproc.kpis.kpi import Catalogue, Derived, Growth, Kpi, KpiValue, Mean, MeanDuration, Ratio, WithinDuration
from streamproc.outputs.gauge import Gauge, escape, head
from streamproc.outputs.judged_metrics import JudgedExposition, Period
from streamproc.outputs.scopes import BRIEF, scope_of
from streamproc.outputs.scopes import labels as labels_of
from streamproc.windows.aggregates import THRESHOLDS_S

Key = tuple[str, str, str | None]  # KPI, group, window

EOF = "# EOF\n"
_LE = (*(floatToGoString(limit) for limit in THRESHOLDS_S), "+Inf")  # type: ignore[no-untyped-call]
_HISTOGRAM_LINES = len(_LE) + 2  # and _gcount, _gsum
_COMPARED_SERIES = 2  # kpi_previous, kpi_change_ratio


class RepInfo(NamedTuple):
    """A row of the roster: whom the pseudonymous `rep` stands for. Unknown texts are empty."""

    rep: str
    rep_name: str
    team: str
    sales_region: str


class _GaugeHistogram:
    """A family of gauge histograms: per series its buckets, its count and its sum.

    Text 0.0.4 has no such type. As prometheus_client does, the buckets go out as a histogram, then counts and sums as
    gauges of their own; `histogram_quantile` works on both forms, without `rate()`.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines: dict[Key, tuple[str, str, str]] = {}
        self._head = head(name, text, "gaugehistogram", quote=True)
        self._text_heads = (
            head(name, text, "histogram", quote=False),
            head(f"{name}_gcount", text, "gauge", quote=False),
            head(f"{name}_gsum", text, "gauge", quote=False),
        )

    def put(self, key: Key, labels: str, value: KpiValue) -> None:
        if value.buckets is None or value.numerator is None:
            self.lines.pop(key, None)
            return
        head = f"{self.name}_bucket{{{labels},le="
        counts = (*value.buckets, value.n)
        self.lines[key] = (
            "".join([f'{head}"{le}"}} {n}\n' for le, n in zip(_LE, counts, strict=True)]),
            f"{self.name}_gcount{{{labels}}} {value.n}\n",
            f"{self.name}_gsum{{{labels}}} {value.numerator}\n",
        )

    def count(self) -> int:
        return len(self.lines) * _HISTOGRAM_LINES

    def text(self, openmetrics: bool) -> str:
        lines = self.lines.values()
        if openmetrics:
            return self._head + "".join([part for series in lines for part in series])
        return "".join(
            head + "".join(part) for head, part in zip(self._text_heads, zip(*lines, strict=True), strict=True)
        )


def has_parts(kpi: Kpi) -> bool:
    """Whether a KPI's numerator and denominator are shown beside its value."""
    return isinstance(kpi, Ratio | Mean | Growth | WithinDuration | Derived)


class _Block:
    """The families of one KPI."""

    def __init__(self, kpi: Kpi, compared: bool) -> None:
        name = f"kpi_{kpi.name}"
        text = f"{kpi.means} Formula: {kpi.formula}. Events: {', '.join(kpi.events)}."
        self.kpi = kpi
        self.value = Gauge(name, text)
        self.parts: tuple[Gauge, Gauge] | None = None
        self.durations: _GaugeHistogram | None = None
        self._compared = _COMPARED_SERIES if compared else 0
        if has_parts(kpi):
            self.parts = (
                Gauge(f"{name}_numerator", f"Numerator of {name}. {text}"),
                Gauge(f"{name}_denominator", f"Denominator of {name}. {text}"),
            )
        elif isinstance(kpi, MeanDuration):
            family = f"{name.removesuffix('_seconds')}_duration_seconds"
            self.durations = _GaugeHistogram(family, f"Durations behind {name}. {text}")

    def families(self) -> Iterator[Gauge | _GaugeHistogram]:
        yield self.value
        if self.parts:
            yield from self.parts
        if self.durations:
            yield self.durations

    def cost(self, scope: str) -> int:
        """Number of series that a group of this scope can come to in one window."""
        detail = 0 if scope in BRIEF else self._compared + _HISTOGRAM_LINES * (self.durations is not None)
        return detail + (3 if self.parts else 1)

    def put(self, key: Key, labels: str, value: KpiValue) -> None:
        self.value.put(key, labels, value.value)
        if self.parts:
            known = value.denominator is not None
            self.parts[0].put(key, labels, value.numerator if known else None)
            self.parts[1].put(key, labels, value.denominator)
        elif self.durations and scope_of(value.group) not in BRIEF:
            self.durations.put(key, labels, value)

    def remove(self, key: Key) -> None:
        for family in self.families():
            family.lines.pop(key, None)


class _Series:
    """What is known of an admitted KPI, group and window."""

    __slots__ = ("admitted", "cost", "owner")

    def __init__(self, owner: int, cost: int, admitted: int) -> None:
        self.owner = owner
        self.cost = cost  # its share of the cap
        self.admitted = admitted  # number of the scrape that will be the first to show it; -1: its line may be there


class KpiExposition:
    """The series of `/metrics` for KPI values: `apply` and `drop` by the event loop, `render` by a worker thread.

    `compared`: names of the KPIs whose values come with that of the window before.
    `max_series` caps the series (samples). Beyond it new ones are refused; those already there go on. A KPI's group
    takes room for all the series that it can come to, so that a value that becomes defined always finds its place.

    Threads: the event loop only notes what changed (`_changes`: the latest value, None to remove), a dictionary entry a
    value. `_lock` is held for a batch of those, so a scrape sees a batch whole or not at all (a ratio always matches
    its parts), and by a scrape just to take the notes away and put an empty dictionary there. The lines belong to who
    holds `_scrape_lock`; the event loop never takes that one, hence never waits for text being written.
    """

    def __init__(
        self, catalogue: Catalogue, max_series: int = 200_000, compared: Collection[str] = frozenset()
    ) -> None:
        self._blocks = {kpi.name: _Block(kpi, kpi.windowed and kpi.name in compared) for kpi in catalogue.kpis}
        self._check_names()
        self._max_series = max_series
        self._lock = threading.Lock()
        self._series: dict[Key, _Series] = {}
        self._owned: dict[int, set[Key]] = {}
        self._reserved = 0
        self._dropped = 0
        self._changes: dict[Key, KpiValue | None] = {}
        self._scrapes = 0
        self._roster: list[RepInfo] = []
        self._periods: dict[str, Period] = {}
        self._periods_owner: int | None = None
        self._judged = JudgedExposition()
        self._scrape_lock = threading.Lock()
        self._labels: dict[Key, str] = {}  # of the series with lines

    @property
    def series_dropped(self) -> int:
        """Values refused because the cap was reached; a refused series counts at each of its values."""
        return self._dropped

    def series_exposed(self) -> dict[str, int]:
        """Number of series by metric family in the last page; families without any are left out."""
        with self._scrape_lock:
            found = {family.name: family.count() for block in self._blocks.values() for family in block.families()}
            found |= self._judged.counts()
        found["kpi_rep_info"] = len(self._roster)
        return {name: count for name, count in found.items() if count}

    def apply(self, values: Iterable[KpiValue], owner: int = 0) -> None:
        """Take in new values, each replacing the one before. `owner`: the task (partition) that computes them.

        Raises ValueError for a KPI that the catalogue does not have, or a dimension that the KPI does not declare.
        """
        with self._lock:
            for value in values:
                key = (value.kpi, value.group, value.window)
                series = self._series.get(key) or self._admit(key, owner)
                if series is None:
                    self._dropped += 1
                    continue
                if series.owner != owner:
                    self._disown(key, series)
                    self._owned.setdefault(owner, set()).add(key)
                    series.owner = owner
                self._changes[key] = value

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget series (KPI, group, window); those not there are ignored."""
        with self._lock:
            for key in keys:
                self._forget(key)

    def drop_owner(self, owner: int) -> None:
        """Forget all series of a task, at once: its partition has been revoked."""
        with self._lock:
            if owner == self._periods_owner:
                self._periods, self._periods_owner = {}, None
            for key in tuple(self._owned.get(owner, ())):
                self._forget(key)

    def set_periods(self, periods: dict[str, Period], owner: int = 0) -> None:
        """Replace what is shown of calendar periods, as of the clock of a task; it goes when the task does."""
        with self._lock:
            self._periods, self._periods_owner = periods, owner

    def set_roster(self, rows: Iterable[RepInfo]) -> None:
        """Replace the roster behind `kpi_rep_info`; of rows for the same rep the last counts."""
        roster = list({row.rep: row for row in rows}.values())
        with self._lock:
            self._roster = roster

    def render(self, openmetrics: bool) -> bytes:
        """The whole page: OpenMetrics 1.0.0 (ends in `# EOF`) or Prometheus text 0.0.4."""
        with self._scrape_lock:
            with self._lock:
                changes, self._changes = self._changes, {}
                self._scrapes += 1
                roster, periods = self._roster, self._periods
            try:
                self._write(changes)
            except Exception:
                with self._lock:  # nothing noted may get lost, else the next pages would be stale without a word
                    self._changes = changes | self._changes
                    self._scrapes += 1  # some of it may have lines by now
                raise
            families = [family for block in self._blocks.values() for family in block.families() if family.lines]
            # Encoded by family: a non-ASCII label then widens only its own family's text, not the page.
            families += self._judged.families(periods)
            pages = [family.text(openmetrics).encode() for family in families]
        pages.append((_roster_text(roster, openmetrics) + EOF * openmetrics).encode())
        return b"".join(pages)

    def _write(self, changes: dict[Key, KpiValue | None]) -> None:
        for key, value in changes.items():
            block = self._blocks[key[0]]
            if value is None:
                block.remove(key)
                self._judged.remove(key)
                self._labels.pop(key, None)
                continue
            labels = self._labels.get(key)
            if labels is None:
                labels = self._labels[key] = labels_of(value.group, value.window)
            block.put(key, labels, value)
            self._judged.put(key, labels, value)

    def _admit(self, key: Key, owner: int) -> _Series | None:
        name, group, _ = key
        block = self._blocks.get(name)
        if block is None:
            raise ValueError(f"KPI {name!r} is not in the catalogue; give the exposition the catalogue that evaluates")
        scope = scope_of(group)
        if scope and scope not in block.kpi.by:
            raise ValueError(f"group {group!r} of KPI {name!r}: expected one of the dimensions {block.kpi.by}")
        cost = block.cost(scope)
        if self._reserved + cost > self._max_series:
            return None
        removal_due = key in self._changes  # it was there, was dropped, and no scrape has come since
        series = self._series[key] = _Series(owner, cost, -1 if removal_due else self._scrapes)
        self._owned.setdefault(owner, set()).add(key)
        self._reserved += cost
        return series

    def _forget(self, key: Key) -> None:
        series = self._series.pop(key, None)
        if series is None:
            return
        self._reserved -= series.cost
        self._disown(key, series)
        if series.admitted == self._scrapes:
            self._changes.pop(key, None)  # never shown: nothing to remove, so notes stay bounded without scrapes
        else:
            self._changes[key] = None

    def _disown(self, key: Key, series: _Series) -> None:
        mine = self._owned[series.owner]
        mine.discard(key)
        if not mine:
            del self._owned[series.owner]

    def _check_names(self) -> None:
        seen = {"kpi_rep", "kpi_rep_info", *JudgedExposition().names}
        for block in self._blocks.values():
            for family in block.families():
                if family.name in seen:
                    raise ValueError(f"KPI {block.kpi.name!r}: metric {family.name!r} exists already; rename the KPI")
                seen.add(family.name)


def _roster_text(roster: list[RepInfo], openmetrics: bool) -> str:
    if not roster:
        return ""
    text = "Who a rep is: name, team and sales region; join it by rep. Events: rep.defined, team.defined."
    name, kind = ("kpi_rep", "info") if openmetrics else ("kpi_rep_info", "gauge")
    lines = [
        f'kpi_rep_info{{rep="{escape(row.rep)}",rep_name="{escape(row.rep_name)}",team="{escape(row.team)}",'
        f'sales_region="{escape(row.sales_region)}"}} 1\n'
        for row in roster
    ]
    return head(name, text, kind, quote=openmetrics) + "".join(lines)
