"""The demo's live table: headline KPIs, leaderboard, events a second, as-of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

HEADLINES = (
    ("activities", "1h"),
    ("contacts_touched", "24h"),
    ("email_open_ratio", "7d"),
    ("email_response_ratio", "7d"),
    ("email_response_seconds", "7d"),
    ("deals_won", "month"),
    ("win_ratio", "30d"),
    ("revenue_eur", "month"),
    ("open_deals", None),
    ("pipeline_value_eur", None),
    ("pipeline_velocity_eur_per_day", "30d"),
)
LEADERS = 10

Row = dict[str, Any]


@dataclass
class Wall:
    """What the demo shows: the latest values by (kpi, window, group), and how the stream is doing."""

    titles: dict[str, str]
    names: dict[str, str]
    values: dict[tuple[str, str | None, str], Row] = field(default_factory=dict)
    clocks: dict[int, datetime] = field(default_factory=dict)
    sent: int = 0
    processed: int = 0
    per_s: str = ""
    rejected: int = 0
    duplicates: int = 0

    def take(self, row: Row) -> None:
        """Take one record of `kpi.values`."""
        if "clock" in row:
            self.clocks[row["clock"]] = datetime.fromisoformat(row["as_of"])
            return
        group = "=".join(*row["group"].items()) if row["group"] else ""
        self.values[row["kpi"], row["window"], group] = row

    @property
    def as_of(self) -> datetime | None:
        """As of when all values hold: the clock of the task that is furthest behind."""
        return min(self.clocks.values(), default=None)

    def render(self) -> RenderableType:
        return Group(Columns([self._headlines(), self._leaderboard()], padding=(0, 3)), self._status())

    def _headlines(self) -> Table:
        table = Table("KPI", "window", title="Company", title_justify="left")
        for heading in ("value", "n", "before", "target", "reached", "pace"):
            table.add_column(heading, justify="right")
        table.add_column("band")
        for kpi, window in HEADLINES:
            row = self.values.get((kpi, window, ""))
            n = f"{row['n']:,}" if row is not None else ""
            table.add_row(self.titles.get(kpi, kpi), window or "now", show(row), n, *_against(row or {}))
        return table

    def _leaderboard(self) -> Table:
        table = Table("", "rep", title="Leaderboard: revenue, 30 days", title_justify="left")
        for heading in ("revenue", "won", "win rate", "activities 1h", "response 7d"):
            table.add_column(heading, justify="right")
        reps = [
            group for kpi, window, group in self.values if (kpi, window) == ("revenue_eur", "30d") and "rep=" in group
        ]
        reps.sort(key=lambda group: -self.values["revenue_eur", "30d", group]["value"])
        for place, group in enumerate(reps[:LEADERS], 1):
            rep = group.partition("=")[2]
            cells = [
                show(self.values.get((kpi, window, group)))
                for kpi, window in (
                    ("revenue_eur", "30d"),
                    ("deals_won", "30d"),
                    ("win_ratio", "30d"),
                    ("activities", "1h"),
                    ("email_response_ratio", "7d"),
                )
            ]
            table.add_row(str(place), self.names.get(rep, rep), *cells)
        return table

    def _status(self) -> Text:
        as_of = self.as_of
        return Text(
            f"{self.processed:,} events processed, {self.per_s}, of {self.sent:,} sent; "
            f"{self.duplicates} duplicates dropped, {self.rejected} rejected; "
            f"as of {as_of.strftime('%Y-%m-%d %H:%M:%S') + ' UTC' if as_of else '(no values yet)'}"
        )


def _against(row: Row) -> list[str]:
    """Previous value, target, attainment, pace and band; empty where there is none."""
    unit = row.get("unit", "")
    shown = {"previous": unit, "target": unit, "attainment": "ratio", "pace": "ratio"}
    texts = [show({"value": row[name], "unit": one}) if name in row else "" for name, one in shown.items()]
    return [*texts, row.get("band", "")]


def show(row: Row | None) -> str:
    """A value as people read it."""
    if row is None or row["value"] is None:
        return "-"
    value = row["value"]
    match row["unit"]:
        case "ratio":
            return f"{value:.1%}"
        case "seconds":
            return f"{value / 86_400:.1f} d" if value >= 172_800 else f"{value / 3600:.1f} h"
        case "count":
            return f"{value:,}"
        case unit:
            return f"{value:,.0f} {unit.upper().replace('_PER_DAY', '/day')}"
