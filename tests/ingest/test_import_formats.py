"""Cells as times, numbers, truth values and words."""

from typing import Any

import pytest

DEALS = """
id: id
csv: {delimiter: ;}
time: {format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
events:
  - {type: deal.created, time: created, data: {deal: id, amount: value, currency: {value: EUR}}}
"""
AT = "01.01.2024 00:00"


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("15.01.2024 12:00", "2024-01-15T11:00:00Z"),
        ("15.07.2024 12:00", "2024-07-15T10:00:00Z"),
        ("27.10.2024 02:30", "2024-10-27T00:30:00Z"),  # occurs twice: the first
        ("31.03.2024 02:30", "2024-03-31T01:30:00Z"),  # does not exist: becomes 03:30
    ],
)
def test_local_times_over_changes_of_the_clock(export: Any, local: str, utc: str) -> None:
    events = export.events(DEALS, f"id;value;created\n1;1;{local}\n")
    assert [event["time"] for event in events] == [utc]


@pytest.mark.parametrize(
    ("time", "cell", "utc"),
    [
        ("{column: at, format: iso}", "2024-01-15T12:00:00.1239+02:00", "2024-01-15T10:00:00.123000Z"),
        ("{column: at, format: iso, zone: America/New_York}", "2024-01-15 12:00", "2024-01-15T17:00:00Z"),
        ("{column: at, format: epoch_s}", "1705312800.5", "2024-01-15T10:00:00.500000Z"),
        ("{column: at, format: epoch_ms}", "1705312800500", "2024-01-15T10:00:00.500000Z"),
        ("{column: at, format: '%d/%b/%y %I:%M %p'}", "15/Jan/24 01:05 PM", "2024-01-15T13:05:00Z"),
        (
            "{column: at, format: '%Y-%m-%d %H:%M %z', zone: Asia/Tokyo}",
            "2024-01-15 12:00 +0100",
            "2024-01-15T11:00:00Z",
        ),
    ],
)
def test_time_formats(export: Any, time: str, cell: str, utc: str) -> None:
    mapping = f"id: id\nevents:\n  - {{type: deal.lost, time: {time}, data: {{deal: id}}}}\n"
    assert [event["time"] for event in export.events(mapping, f"id,at\n1,{cell}\n")] == [utc]


def test_date_and_time_in_two_columns(export: Any) -> None:
    mapping = (
        "id: [day, hour, who]\nevents:\n"
        "  - {type: call.logged, time: {column: [day, hour], format: '%d.%m.%Y %H:%M'}, data: {rep: who}}\n"
    )
    events = export.events(mapping, "day,hour,who\n15.01.2024,09:30,ann\n")
    assert [(event["id"], event["subject"], event["time"]) for event in events] == [
        ("15.01.2024/09:30/ann:call.logged", "call/15.01.2024/09:30/ann", "2024-01-15T09:30:00Z")
    ]


@pytest.mark.parametrize(
    ("numbers", "cell", "amount"),
    [
        ("{}", "1054.5", 1054.5),
        ("{}", "-3", -3.0),
        ("{decimal: ','}", "1054,50", 1054.5),
        ("{decimal: ',', thousands: '.'}", "1.234.054,50", 1234054.5),
        ("{decimal: ',', thousands: '.'}", "54,5", 54.5),
        ("{thousands: ','}", "12,054.50", 12054.5),
        ("{decimal: ',', thousands: ' '}", "1\u202f054,5", 1054.5),
        ('{thousands: "\'"}', "1\u2019054", 1054.0),
        ("{decimal: ',', thousands: '.', unit: €}", "1.054,50 €", 1054.5),
        ("{unit: EUR}", "EUR 12", 12.0),
        ("{times: 0.01}", "55", 0.55),
    ],
)
def test_numbers(export: Any, numbers: str, cell: str, amount: float) -> None:
    events = export.events(f"numbers: {numbers}\n{DEALS}", f"id;value;created\n1;{cell};{AT}\n")
    assert [event["data"]["amount"] for event in events] == [amount]


@pytest.mark.parametrize(
    ("numbers", "cell"),
    [
        ("{}", "1,054.50"),
        ("{}", "1054,50"),
        ("{}", "€ 5"),
        ("{}", "nan"),
        ("{}", "1e5"),
        ("{decimal: ','}", "1054.50"),
        ("{decimal: ',', thousands: '.'}", "1054.50"),
        ("{thousands: ','}", "10,54"),
    ],
)
def test_a_number_written_otherwise_is_a_bad_row(export: Any, numbers: str, cell: str) -> None:
    found = export.load(f"numbers: {numbers}\n{DEALS}", f"id;value;created\n1;{cell};{AT}\n")
    (bad,) = found.bad
    assert bad.line == 2
    assert bad.reason.startswith("deal.created: amount: column 'value': expected a number written like 1")
    assert bad.reason.endswith(f"found {cell!r}")
    assert found.events == []


def test_one_column_may_be_written_in_its_own_way(export: Any) -> None:
    mapping = """
id: id
numbers: {decimal: ","}
events:
  - type: call.logged
    time: {column: at, format: epoch_s}
    data: {rep: who, duration_s: {column: minutes, decimal: ".", times: 60}, outcome: outcome}
"""
    events = export.events(mapping, "id,who,at,minutes,outcome\n1,ann,1705312800,1.5,No answer\n")
    assert events[0]["data"] == {"rep": "ann", "duration_s": 90.0, "outcome": "no_answer"}


@pytest.mark.parametrize(("cell", "new"), [("yes", True), ("TRUE", True), ("0", False), ("nein", False), ("", None)])
def test_truth_values(export: Any, cell: str, new: bool | None) -> None:
    mapping = "id: id\nevents:\n  - {type: deal.won, time: at, data: {deal: id, new_customer: new}}\n"
    events = export.events(mapping, f"id,at,new\n1,2024-01-01,{cell}\n")
    assert events[0]["data"].get("new_customer") is new


def test_a_time_field_is_read_like_a_time(export: Any) -> None:
    mapping = """
id: id
time: {format: "%d.%m.%Y", zone: Europe/Berlin}
events:
  - {type: deal.won, time: at, data: {deal: id, first_contact_at: first}}
"""
    events = export.events(mapping, "id,at,first\n1,05.01.2024,01.07.2023\n")
    assert events[0]["data"]["first_contact_at"] == "2023-06-30T22:00:00Z"


@pytest.mark.parametrize("cell", ["12/31/2024", "31.12.2024 25:00", "soon"])
def test_a_time_written_otherwise_is_a_bad_row(export: Any, cell: str) -> None:
    (bad,) = export.load(DEALS, f"id;value;created\n1;1;{cell}\n").bad
    assert bad.reason == f"deal.created: time: column 'created': expected a time as %d.%m.%Y %H:%M, found {cell!r}"
