"""Write what docs/dashboards.md says about each board: `make dashboards-docs`, in the repository's root.

The values are those that a real Prometheus gave; see `support.workers_pages` for where they come from.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from support.panels import Answers, Target, answers, boards, recorded_sales, targets  # noqa: E402
from support.tools import missing  # noqa: E402
from support.workers_pages import AS_OF_MS  # noqa: E402

from streamproc.generate import dashboards  # noqa: E402
from streamproc.generate.dashboard_texts import Words  # noqa: E402
from streamproc.kpis.catalogue import catalogue  # noqa: E402

PAGE = TESTS.parent / "docs" / "dashboards.md"
BEGIN = "<!-- written by `make dashboards-docs` -->"
END = "<!-- end of what is written -->"
BANDS = ("ok", "warning", "critical")
SHOWN = 3  # members of a query with many
NO_NAME = {"__name__", "job", "instance", "scope", "window", "kpi", "unit", "rep_name", "op", "period", "severity"}


def page(text: str, sections: str) -> str:
    """The page with its written part anew. Raises ValueError where the marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{sections}\n{END}{after}"


def sections(found: Answers, program: str, now: datetime) -> str:
    """A table for each English board; the German ones have the same queries."""
    as_of = datetime.fromtimestamp(AS_OF_MS / 1000, UTC)
    lines = [
        "",
        f"Asked on {now:%d %B %Y} of {program}. The organisation is simulated, as of {as_of:%d %B %Y, %H:%M} UTC.",
    ]
    words = Words("en", catalogue())
    for uid in [words.uid(board.name) for board in dashboards.boards(words)]:
        board = boards()[uid]
        lines += ["", f"### `{uid}`", "", f"{board['title']}. {board['description']}", ""]
        lines += ["| panel | query | value |", "|---|---|---|"]
        lines += [row(target, shown(target, found[target])) for target in targets(board)]
    return "\n".join([*lines, ""])


def row(target: Target, value: str) -> str:
    """A query of a panel."""
    return f"| {target.panel} | `{target.expr.replace('|', chr(92) + '|')}` | {value.replace('|', chr(92) + '|')} |"


def shown(target: Target, series: list[tuple[dict[str, str], float]]) -> str:
    """What a query gave: a few of its series."""
    if not series:
        return "nothing"
    is_band = "kpi_band" in target.expr
    parts = [
        f"{member(labels)}{BANDS[int(value)] if is_band else number(value, target.unit)}"
        for labels, value in series[:SHOWN]
    ]
    more = f", … ({len(series)} series)" if len(series) > SHOWN else ""
    return ", ".join(parts) + more


def member(labels: Mapping[str, str]) -> str:
    """What tells a series from the others of its query."""
    if "who" in labels:
        return f"{labels['who']} "
    names = [value for name, value in sorted(labels.items()) if name not in NO_NAME]
    return f"{' '.join(names)} " if names else ""


def number(value: float, unit: str) -> str:
    """A number in a unit of Grafana, briefly."""
    match unit:
        case "percentunit":
            return f"{value:.1%}"
        case "currencyEUR":
            return f"€{value:,.0f}"
        case "s" | "dtdurations":
            return duration(value)
        case "dateTimeAsLocalNoDateIfToday":
            return f"{datetime.fromtimestamp(value / 1000, UTC):%H:%M:%S} UTC"
        case "cps":
            return f"{value:,.1f}/s"
        case _:
            return f"{value:,.3f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """In the greatest unit that there is at least one of."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if abs(seconds) >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds * 1000:.1f} ms"


def main() -> None:
    """Ask, and write the page."""
    if absent := missing("prometheus"):
        sys.exit(absent)
    with tempfile.TemporaryDirectory() as folder, recorded_sales(Path(folder)) as (sales, prometheus):
        found, version = answers(prometheus, sales), prometheus.version()
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        page(text, sections(found, f"Prometheus {version}", datetime.fromtimestamp(time.time(), UTC))), encoding="utf-8"
    )
    for target in [target for target, series in found.items() if not series]:
        print(f"nothing: {target.board}, {target.panel}: {target.expr}")


if __name__ == "__main__":
    main()
