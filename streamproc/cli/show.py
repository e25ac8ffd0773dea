"""Output: JSON lines for programs, tables and units for people, progress for terminals."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

NOTHING = "–"
PIPED_WIDTH = 200  # columns of a table that goes into a file or another program


def note(text: str) -> None:
    """Something for the person, not part of the output."""
    print(text, file=sys.stderr)


def json_lines(rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    import orjson

    for row in rows:
        sys.stdout.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode())
    sys.stdout.flush()


def console(stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH, highlight=False)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = (), title: str = ""
) -> Table:
    """A table; columns named in `right` hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))
    return made


def progress(*, with_total: bool = True) -> Progress:
    """Progress on stderr; silent where that is no terminal."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}")]
    if with_total:
        columns += [BarColumn(), TaskProgressColumn()]
    target = console(stderr=True)
    return Progress(*columns, TimeElapsedColumn(), console=target, transient=True, disable=not target.is_terminal)


def value_rows(rows: Sequence[dict[str, Any]], title: str = "", against: bool = False) -> Table:
    """KPI values as a table. `against`: with what they stand against."""
    cells = [
        (
            row["kpi"],
            group_text(row["group"]),
            row["window"] or NOTHING,
            amount(row["value"], row["unit"]),
            f"{row['n']:,}",
            *(_against(row) if against else ()),
        )
        for row in rows
    ]
    numbers = ("previous", "change", "target", "attainment", "pace") if against else ()
    words = ("trend", "band") if against else ()
    headings = ("KPI", "group", "window", "value", "n", *numbers, *words)
    return table(headings, cells, right=("value", "n", *numbers), title=title)


def _against(row: dict[str, Any]) -> list[str]:
    amounts = [amount(row.get(name), unit) for name, unit in (("previous", row["unit"]), ("change", "ratio"))]
    amounts += [amount(row.get(name), unit) for name, unit in (("target", row["unit"]), ("attainment", "ratio"))]
    return [*amounts, amount(row.get("pace"), "ratio"), row.get("trend") or NOTHING, row.get("band") or NOTHING]


def group_text(group: dict[str, str]) -> str:
    return ", ".join(f"{dimension}={member}" for dimension, member in group.items()) or "company"


def amount(value: float | None, unit: str) -> str:
    """A value with its unit."""
    if value is None:
        return NOTHING
    match unit:
        case "count":
            return f"{value:,.0f}"
        case "ratio":
            return f"{value * 100:.1f} %"
        case "seconds":
            return duration(value)
    currency, _, per = unit.partition("_per_")
    shown = currency.upper() if len(currency) == 3 else currency
    return f"{value:,.2f} {shown}" + (f"/{per}" if per else "")


def duration(seconds: float) -> str:
    """The two largest units of a duration."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for name, size, next_name, next_size in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // next_size} {next_name}"
    return f"{whole} s"


def time_text(rfc3339: str) -> str:
    """2018-01-01T09:30:00.000Z → 2018-01-01 09:30 UTC (with seconds where there are any)."""
    day, _, clock = rfc3339.removesuffix("Z").partition("T")
    clock = clock.removesuffix(".000")
    return f"{day} {clock.removesuffix(':00') if clock.count(':') == 2 else clock} UTC"


def row_order(row: dict[str, Any]) -> tuple[str, str, int]:
    """Rows by KPI, then group with the company first, then window, the shortest first."""
    from streamproc.windows.calendar import WINDOWS

    group = "" if not row["group"] else "=".join(next(iter(row["group"].items())))
    return row["kpi"], group, -1 if row["window"] is None else WINDOWS.index(row["window"])


def short(text: str, length: int = 120) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def listing(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
