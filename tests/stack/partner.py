"""A partner that is slow and silent at first, and then quick and thorough."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from streamproc.bus.publish import Record, record
from streamproc.outputs.topics import rfc3339

SLOW, QUICK = 12, 40  # leads
HOUR_MS, MINUTE_MS = 3_600_000, 60_000


class Partner:
    """`now_ms`: when the story is told. The catalogue's limits hold: a mean of an hour, feedback on 75 %, in 7 days."""

    name = "p-stack"

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def slow(self) -> list[Record]:
        """Twelve leads, each accepted 3 hours after the offer."""
        return [one for n in range(SLOW) for one in self._taken(f"slow-{n}", 3 * HOUR_MS)]

    def quick(self) -> list[Record]:
        """Forty leads accepted within a minute; the mean of all comes to 42.3 minutes. Feedback on all leads."""
        found = [one for n in range(QUICK) for one in self._taken(f"quick-{n}", MINUTE_MS)]
        leads = [*(f"slow-{n}" for n in range(SLOW)), *(f"quick-{n}" for n in range(QUICK))]
        return [*found, *(self._event("lead.feedback", lead, 0) for lead in leads)]

    def _taken(self, lead: str, after_ms: int) -> Iterator[Record]:
        yield self._event("lead.offered", lead, after_ms)
        yield self._event("lead.accepted", lead, 0)

    def _event(self, kind: str, lead: str, ago_ms: int) -> Record:
        time_ms = self._now_ms - ago_ms
        body = {"specversion": "1.0", "id": f"stack-{kind}-{lead}", "source": "stack", "type": kind}
        data = {"lead": lead, "partner": self.name}
        return record(orjson.dumps({**body, "subject": f"lead/{lead}", "time": rfc3339(time_ms), "data": data}))
