"""The whole way from events to a webhook and back: `make stack`.

An embedded Kafka, a worker of each stage, a simulated organisation, and Debian's Prometheus and Alertmanager as plain
processes with the shipped configuration. A partner accepts leads after three hours and gives no feedback; the alerts of
both KPIs must fire in Prometheus, reach a webhook, agree with `kpi.alerts`, and end when the partner mends its ways.

The shipped files are used as they are but for addresses, and for times: what waits minutes there waits seconds here
(`HURRY`), and working hours are always. Prints a table of what happened when; exit code 1 if something did not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table
from support.panels import Target, answer, boards, choose, targets
from support.prometheus import Prometheus

from stack.partner import Partner
from stack.parts import Stack, Wanted

SOON_S = 180.0
FEEDBACK, ACCEPTANCE = "lead_feedback_ratio", "lead_acceptance_seconds"
ALERTS = {
    FEEDBACK: Wanted(FEEDBACK, "KpiLeadFeedbackRatioLow", "critical"),
    ACCEPTANCE: Wanted(ACCEPTANCE, "KpiLeadAcceptanceSecondsHigh", "warning"),
}
# Why a query may have no answer, by a part of its text; all others are told one by one.
REASONS = {
    **dict.fromkeys((":kpi_band:", ":kpi_threshold:", ":kpi_target", ":kpi_attainment"), "no limit or target is set"),
    **dict.fromkeys((":kpi_change_ratio:", ":kpi_previous:"), "nothing in the window before"),
}


class Story:
    """What is to happen, one after the other, with the seconds at which it did."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self.rows: list[tuple[str, str]] = []

    def see(self, what: str, seen: Callable[[], object]) -> None:
        """Wait until something is seen. Raises TimeoutError."""
        with self._console.status(f"waiting: {what}"):
            deadline = time.monotonic() + SOON_S
            while not _answered(seen):
                if time.monotonic() > deadline:
                    self.rows.append((what, "not seen"))
                    raise TimeoutError(f"not within {SOON_S:g} s: {what}")
                time.sleep(0.1)
        self.note(what)

    def note(self, what: str) -> None:
        self.rows.append((what, f"{time.monotonic() - self._began:.1f}"))
        self._console.print(f"{self.rows[-1][1]:>7} s  {what}", highlight=False)


def _answered(seen: Callable[[], object]) -> bool:
    """What is seen; not so while who is asked is not there."""
    try:
        return bool(seen())
    except OSError:
        return False


def play(stack: Stack, partner: Partner, story: Story, console: Console) -> None:
    """The story. Raises TimeoutError where it does not go on."""
    story.see("Prometheus scrapes both workers", stack.both_scraped)
    story.see("Watchdog reaches its webhook", lambda: stack.sink.has("watchdog", "Watchdog", "firing"))
    stack.publish(partner.slow())
    story.note("partner accepts 12 leads after 3 h and gives no feedback")
    for of in ALERTS.values():
        story.see(f"kpi.alerts: {of.kpi} is {of.severity}", lambda of=of: stack.band(of, partner.name) == of.severity)
    for of in ALERTS.values():
        story.see(f"Prometheus: {of.alert} fires", lambda of=of: stack.firing(of, partner.name))
        story.see(f"webhook: {of.alert} fires", lambda of=of: stack.sink.has("sales", of.alert, "firing", partner.name))
    story.see("each critical band has its alert, each critical alert its band", lambda: not stack.at_odds())
    stack.publish(partner.quick())
    story.note("partner accepts 40 leads at once and gives feedback on all")
    for of in ALERTS.values():
        story.see(f"kpi.alerts: {of.kpi} is ok", lambda of=of: stack.band(of, partner.name) == "ok")
    for of in ALERTS.values():
        story.see(f"Prometheus: {of.alert} has ended", lambda of=of: not stack.firing(of, partner.name))
        ended = ("sales", of.alert, "resolved", partner.name)
        story.see(f"webhook: {of.alert} is resolved", lambda ended=ended: stack.sink.has(*ended))
    story.see("no rule failed", lambda: stack.rule_failures() == 0)
    asked, empty = ask_boards(Prometheus(f"127.0.0.1:{stack.prometheus_port}"))
    story.note(f"{asked} queries of the dashboards: none refused, {asked - len(empty)} with values")
    for why, n in Counter(map(_why_empty, empty)).items():
        console.print(f"{'':11}{n} without: {why}", highlight=False)


def ask_boards(prometheus: Prometheus) -> tuple[int, list[Target]]:
    """Number of queries of all boards, and those without an answer. AssertionError if one is refused."""
    asked, empty = 0, []
    for board in boards().values():
        chosen = choose(board, prometheus, {})
        for target in targets(board):
            asked += 1
            if not answer(target, prometheus, chosen):
                empty.append(target)
    return asked, empty


def _why_empty(target: Target) -> str:
    reasons = (why for part, why in REASONS.items() if part in target.expr)
    return next(reasons, f"{target.board}, {target.panel}: undefined, or it has not happened")


def _played(stack: Stack, story: Story, console: Console) -> bool:
    try:
        play(stack, Partner(int(time.time() * 1000)), story, console)
    except TimeoutError as error:
        console.print(f"{stack.describe()}\n[bold]failed[/bold]: {error}", highlight=False)
        return False
    return True


def main() -> int:
    console = Console(stderr=True)
    story = Story(console)
    with (
        tempfile.TemporaryDirectory(prefix="streamproc-stack-") as folder,
        Stack(Path(folder), story.note) as stack,
    ):
        failed = not _played(stack, story, console)
    table = Table("what", "after (s)", title="From an event to a webhook and back")
    for row in story.rows:
        table.add_row(*row)
    Console(width=100).print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
