"""The dead-letter limit: when most records of a topic are refused, something other than single events is broken."""

from __future__ import annotations

from collections import Counter

BLOCK = 10_000  # records of a topic over which the share is taken


class TooManyRejected(RuntimeError):
    """Most records of a topic are refused; going on would only fill `sales.rejected`. Needs a person."""


class RejectLimit:
    """Counts by topic in blocks of 10,000 records; `share` (0 to 1) of a block may be refused, 1 = no limit.

    Events that are merely too old do not count as refused: importing old data is no fault.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._records: Counter[str] = Counter()
        self._rejected: dict[str, Counter[str]] = {}

    def taken(self, topic: str, records: int) -> None:
        """Tell of records that have been looked at; a full block begins the next one."""
        self._records[topic] += records
        if self._records[topic] >= BLOCK:
            self._records[topic] = 0
            self._rejected.pop(topic, None)

    def rejected(self, topic: str, partition: int, reason: str) -> None:
        """Tell of a refused record. Raises TooManyRejected when that is one too many."""
        if self.share >= 1 or reason == "late":
            return
        reasons = self._rejected.setdefault(topic, Counter())
        reasons[reason] += 1
        if reasons.total() > self.share * BLOCK:
            raise TooManyRejected(
                f"{topic} partition {partition}: more than {self.share:.0%} of {BLOCK:,} records were refused, most as "
                f"{reasons.most_common(1)[0][0]}. Expected single bad records, this looks like a broken producer or a "
                f"wrong release. Nothing is lost: refused records are in sales.rejected (`streamproc rejected`), the "
                f"others are not read yet. Mend the producer, or let them pass with STREAMPROC_REJECT_LIMIT=1; then "
                f"start again."
            )
