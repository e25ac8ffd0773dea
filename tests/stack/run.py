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
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from stack.partner import Partner
from stack.parts import Stack, Wanted

SOON_S = 120.0
FEEDBACK, ACCEPTANCE = "lead_feedback_ratio", "lead_acceptance_seconds"
ALERTS = {
    FEEDBACK: Wanted(FEEDBACK, "KpiLeadFeedbackRatioLow", "critical"),
    ACCEPTANCE: Wanted(ACCEPTANCE, "KpiLeadAcceptanceSecondsHigh", "warning"),
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


def play(stack: Stack, partner: Partner, story: Story) -> None:
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


def _played(stack: Stack, story: Story, console: Console) -> bool:
    try:
        play(stack, Partner(int(time.time() * 1000)), story)
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
