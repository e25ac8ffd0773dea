"""The dead-letter limit trips at a share of a block of one topic, and at nothing else."""

from __future__ import annotations

import pytest

from streamproc.facts.reject_limit import BLOCK, RejectLimit, TooManyRejected


def feed(limit: RejectLimit, topic: str, records: int, rejected: int, reason: str = "not_json") -> None:
    limit.taken(topic, records)
    for _ in range(rejected):
        limit.rejected(topic, 3, reason)


def test_more_than_the_share_trips_and_says_where_and_what_to_do() -> None:
    limit = RejectLimit(0.5)
    feed(limit, "sales.crm", BLOCK // 2, BLOCK // 2)
    with pytest.raises(TooManyRejected, match=r"sales\.crm partition 3.*50%.*not_json.*STREAMPROC_REJECT_LIMIT=1"):
        limit.rejected("sales.crm", 3, "not_json")


def test_a_new_block_begins_anew() -> None:
    limit = RejectLimit(0.5)
    for _ in range(5):
        feed(limit, "sales.crm", BLOCK, BLOCK // 2)


def test_topics_are_counted_by_themselves() -> None:
    limit = RejectLimit(0.5)
    feed(limit, "sales.crm", 100, BLOCK // 2)
    feed(limit, "sales.email", 100, BLOCK // 2)


@pytest.mark.parametrize(("share", "reason"), [(1.0, "not_json"), (0.0, "late")])
def test_no_limit_and_old_data_never_trip(share: float, reason: str) -> None:
    feed(RejectLimit(share), "sales.crm", 1, 2 * BLOCK, reason)
