"""Quality of a file, rows and advice; metrics there and back."""

from __future__ import annotations

from collections import Counter

import pytest
from cli.samples import call, event
from prometheus_client import CollectorRegistry

from streamproc.facts.quality import MAX_SOURCES, OTHER
from streamproc.facts.reference import Reference
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.outputs.source_metrics import MEASURES, read
from streamproc.quality import of_file, rows

NOON = "2024-05-06T12:00:00Z"
AT = ("crm", "sales.crm")


def advice(**counts: int) -> list[str]:
    """Advice for a row; `missing_rep` and the like have a detail behind the `_`."""
    found: Counter[tuple[str, ...]] = Counter()
    for name, n in counts.items():
        what, _, detail = name.partition("__")
        found[what, *AT, *([detail] if detail else [])] = n
    (row,) = rows(found)
    return row.suggestions


def test_a_file_is_counted_by_source_and_topic() -> None:
    sent = event("email.sent", NOON, "email/m1", {"message_id": "m1", "rep": "ann"})
    lost = event("email.opened", NOON, "email/m2", {"message_id": "m2"})
    lines = [call(1, NOON), call(1, NOON), sent, lost, b"{", b'{"source": "erp", "type": "call.logged"}']
    crm_of_erp, crm, email, unknown = rows(of_file(lines, Reference()))
    assert (crm_of_erp.source, crm_of_erp.topic, crm_of_erp.rejected) == ("erp", "sales.crm", {"schema": 1})
    assert (crm.source, crm.topic, crm.events, crm.duplicates) == ("test", "sales.crm", 1, 1)
    assert (email.topic, email.events, email.orphans) == ("sales.email", 2, 1)
    assert (unknown.source, unknown.topic, unknown.rejected) == ("unknown", "unknown", {"not_json": 1})
    assert (crm.late, crm.skew_seconds, crm.negative_share) == (None, None, None)
    assert crm.missing == {"rep": 0, "team": 1, "region": 1, "product": 1, "campaign": 1}
    assert crm_of_erp.missing is None


def test_an_empty_file_has_no_rows() -> None:
    assert rows(of_file([], Reference())) == []


def test_skew_is_the_mean_of_both_directions() -> None:
    (row,) = rows(
        Counter(
            {("events", *AT): 4, ("delay_ms", *AT): 9000, ("early", *AT): 1, ("early_ms", *AT): 1000, ("late", *AT): 2}
        )
    )
    assert (row.skew_seconds, row.negative_share, row.late) == (2.0, 0.25, 2)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"events": 100}, []),
        ({"events": 99, "rejected__schema": 1}, []),
        ({"events": 97, "rejected__schema": 2, "rejected__late": 1}, ["3.0% refused, mostly schema"]),
        ({"events": 90, "duplicates": 10}, ["10.0% repeated"]),
        ({"events": 100, "early": 2, "early_ms": 5}, ["2.0% arrived before they happened"]),
        ({"events": 100, "late": 6, "delay_ms": 5}, ["6.0% arrived more than a day late"]),
        ({"events": 100, "orphans": 3}, ["3 entities without their first event"]),
        ({"events": 100, "anomalies__replied_before_sent": 2}, ["2 times replied before sent"]),
        (
            {"events": 9, "placed": 100, "missing__rep": 10, "missing__team": 10, "missing__region": 10},
            ["10.0% without rep"],
        ),
        ({"events": 9, "placed": 100, "missing__team": 10, "missing__region": 10}, ["10.0% with a rep but"]),
        ({"events": 9, "placed": 100, "missing__region": 10}, ["10.0% with a team but without region"]),
        ({"events": 9, "placed": 100, "missing__product": 100, "missing__campaign": 100}, []),
    ],
)
def test_advice_is_given_where_there_is_need(counts: dict[str, int], said: list[str]) -> None:
    found = advice(**counts)
    assert len(found) == len(said), found
    assert all(text.startswith(begin) for text, begin in zip(found, said, strict=True)), found


def test_metrics_tell_the_counts_and_are_read_back() -> None:
    counts = Counter(
        {("events", *AT): 3, ("rejected", *AT, "schema"): 2, ("missing", *AT, "rep"): 1, ("delay_ms", *AT): 2500}
    )
    own = OwnMetrics("facts", "1")
    own.sources.add(counts)
    own.sources.add(counts)
    page = own.render(False).decode()
    assert 'streamproc_source_events_total{source="crm",topic="sales.crm"} 6.0' in page
    assert 'streamproc_source_rejected_total{reason="schema",source="crm",topic="sales.crm"} 4.0' in page
    assert 'streamproc_source_delay_seconds_total{source="crm",topic="sales.crm"} 5.0' in page
    assert read(page) == counts + counts


def test_metrics_have_a_cap_on_sources() -> None:
    own = OwnMetrics("facts", "1")
    own.sources.add(Counter({("events", f"s{number}", "sales.crm"): 1 for number in range(MAX_SOURCES + 7)}))
    found = read(own.render(False).decode())
    assert len(found) == MAX_SOURCES + 1
    assert found["events", OTHER, "sales.crm"] == 7


def test_everything_that_is_counted_has_a_metric() -> None:
    own = OwnMetrics("facts", "1")
    assert isinstance(own.registry, CollectorRegistry)
    lines = [call(1, NOON), call(1, NOON), event("email.opened", NOON, "email/m2", {"message_id": "m2"}), b"{"]
    counts = of_file(lines, Reference())
    assert {what for what, *_ in counts} <= set(MEASURES)
    own.sources.add(counts)
    assert read(own.render(False).decode()) == counts
