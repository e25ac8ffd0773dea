"""CSV rows in, canonical events in time order out."""

from typing import Any

import msgspec
import pytest

from streamproc.codec import decode
from streamproc.ingest import importer
from streamproc.ingest.importer import Imported, read
from streamproc.ingest.mapping import load_mapping
from streamproc.ingest.mapping_file import MappingErrors

DEALS = """
id: id
time: {format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
constants: {currency: EUR}
events:
  - {type: deal.created, time: created, data: {deal: id, amount: value, rep: owner}}
  - {type: deal.won, time: closed, when: {stage: Won}, data: {deal: id, amount: value}}
"""
DEALS_CSV = """id,owner,stage,value,created,closed
1,ann,Won,100,02.01.2024 09:00,05.01.2024 17:00
2,bob,Open,250.5,01.01.2024 09:00,
"""


def decoded(found: Imported) -> list[dict[str, Any]]:
    return [msgspec.json.decode(body) for body in found.events]


def test_rows_become_events_in_time_order(export: Any) -> None:
    found = export.load(DEALS, DEALS_CSV)
    assert [(event["type"], event["subject"], event["time"]) for event in decoded(found)] == [
        ("deal.created", "deal/2", "2024-01-01T08:00:00Z"),
        ("deal.created", "deal/1", "2024-01-02T08:00:00Z"),
        ("deal.won", "deal/1", "2024-01-05T16:00:00Z"),
    ]
    assert decoded(found)[0]["data"] == {"deal": "2", "amount": 250.5, "rep": "bob", "currency": "EUR"}
    assert (found.rows, found.bad, found.rows_without_events) == (2, [], 0)
    assert found.topics == ["sales.crm"] * 3
    assert found.subjects == ["deal/2", "deal/1", "deal/1"]
    assert found.by_type == {"deal.created": 2, "deal.won": 1}
    assert all(event["partitionkey"] == event["subject"] for event in decoded(found))


def test_every_event_is_taken_by_the_workers_decoder(export: Any) -> None:
    found = export.load(DEALS, DEALS_CSV)
    assert [decode(body).time_ms for body in found.events] == sorted(decode(body).time_ms for body in found.events)


def test_ids_are_the_same_at_every_import(export: Any) -> None:
    first, second = export.load(DEALS, DEALS_CSV), export.load(DEALS, DEALS_CSV)
    assert first.events == second.events
    assert [(event["source"], event["id"]) for event in decoded(first)] == [
        ("import/export.csv", "2:deal.created"),
        ("import/export.csv", "1:deal.created"),
        ("import/export.csv", "1:deal.won"),
    ]


def test_source_keeps_ids_over_files_of_other_names(export: Any) -> None:
    found = export.load("source: import/crm\n" + DEALS, DEALS_CSV, name="deals of may.csv")
    assert {event["source"] for event in decoded(found)} == {"import/crm"}
    assert {event["source"] for event in export.events(DEALS, DEALS_CSV, name="deals of may.csv")} == {
        "import/deals%20of%20may.csv"
    }


def test_equal_times_keep_the_order_of_file_and_mapping(export: Any) -> None:
    at = "01.01.2024 09:00"
    text = f"id,owner,stage,value,created,closed\n9,a,Won,1,{at},{at}\n3,b,Won,1,{at},{at}\n"
    assert [event["id"] for event in export.events(DEALS, text)] == [
        "9:deal.created",
        "9:deal.won",
        "3:deal.created",
        "3:deal.won",
    ]


def test_two_events_of_one_type_have_ids_of_their_own(export: Any) -> None:
    mapping = """
id: id
time: {format: "%Y-%m-%d"}
events:
  - type: lead.stage_changed
    name: mql
    time: mql
    when: {mql: {not_empty: true}}
    data: {lead: id, stage: {value: MQL}}
  - type: lead.stage_changed
    name: sql
    time: sql
    when: {sql: {not_empty: true}}
    data: {lead: id, stage: {value: SQL}}
"""
    found = export.load(mapping, "id,mql,sql\n7,2024-01-01,2024-02-01\n8,,\n")
    assert [(event["id"], event["data"]["stage"]) for event in decoded(found)] == [
        ("7:lead.stage_changed:mql", "MQL"),
        ("7:lead.stage_changed:sql", "SQL"),
    ]
    assert found.rows_without_events == 1


@pytest.mark.parametrize(
    ("condition", "made"),
    [
        ("Won", ["1"]),
        ("[Won, Lost]", ["1", "2"]),
        ("{not: Won}", ["2", "3", "4"]),
        ("{not: [Won, Lost]}", ["3", "4"]),
        ("{empty: true}", ["4"]),
        ("{not_empty: true}", ["1", "2", "3"]),
        ("{not_empty: false}", ["4"]),
    ],
)
def test_when(export: Any, condition: str, made: list[str]) -> None:
    mapping = f"id: id\nevents:\n  - {{type: deal.lost, time: at, when: {{stage: {condition}}}, data: {{deal: id}}}}\n"
    at = "2024-01-01T00:00:00"
    found = export.load(mapping, f"id,stage,at\n1,Won,{at}\n2,Lost,{at}\n3,Open,{at}\n4,,{at}\n")
    assert [event["data"]["deal"] for event in decoded(found)] == made
    assert found.rows_without_events == 4 - len(made)


@pytest.mark.parametrize(
    ("mapping", "row", "subject"),
    [
        ("{type: call.logged, time: at, data: {rep: who}}", "1,2024-01-01,ann,", "call/1"),
        (
            "{type: webinar.attended, time: at, data: {webinar_id: {value: w}, contact: who}}",
            "1,2024-01-01,c,",
            "webinar/w/c",
        ),
        (
            "{type: survey.answered, time: at, data: {survey: {value: nps}, score: {value: 9}, customer: buyer}}",
            "1,2024-01-01,,acme",
            "customer/acme",
        ),
        (
            "{type: survey.answered, time: at, data: {survey: {value: nps}, score: {value: 9}, customer: buyer}}",
            "1,2024-01-01,,",
            "survey/1",
        ),
        ("{type: rep.defined, time: at, data: {rep: who}}", "1,2024-01-01,ann,", "rep/1"),
    ],
)
def test_subject_follows_from_the_type(export: Any, mapping: str, row: str, subject: str) -> None:
    events = export.events(f"id: id\nevents:\n  - {mapping}\n", f"id,at,who,buyer\n{row}\n")
    assert [event["subject"] for event in events] == [subject]


def test_empty_cells_are_absent_and_aliases_apply_before_everything(export: Any) -> None:
    mapping = """
id: id
aliases: {stage: {gewonnen: Won}, product: {GTXPro: GTX Pro, n/a: ""}}
events:
  - {type: deal.won, time: at, when: {stage: Won}, data: {deal: id, product: product, account: account}}
"""
    events = export.events(
        mapping, "id,at,stage,product,account\n1,2024-01-01,gewonnen,GTXPro,\n2,2024-01-01,Won,n/a,A\n"
    )
    assert [event["data"] for event in events] == [{"deal": "1", "product": "GTX Pro"}, {"deal": "2", "account": "A"}]


def test_lookups(export: Any) -> None:
    export.write("teams.csv", "\ufeffagent;boss;region\nann;zoe;North\nbob;;South\n")
    mapping = """
id: id
lookups: {agents: {file: teams.csv, key: agent, from: owner, delimiter: ;}}
events:
  - {type: deal.lost, time: at, data: {deal: id, team: {lookup: agents.boss}, region: {lookup: agents.region}}}
"""
    events = export.events(mapping, "id,at,owner\n1,2024-01-01,ann\n2,2024-01-01,bob\n3,2024-01-01,\n")
    assert [event["data"] for event in events] == [
        {"deal": "1", "team": "zoe", "region": "North"},
        {"deal": "2", "region": "South"},
        {"deal": "3"},
    ]


@pytest.mark.parametrize(
    ("encoding", "written"), [("utf-8", "utf-8"), ("utf-8", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16")]
)
def test_encodings(export: Any, encoding: str, written: str) -> None:
    mapping = f"id: id\ncsv: {{encoding: {encoding}, delimiter: tab}}\n" + (
        "events:\n  - {type: deal.lost, time: at, data: {deal: id, account: account}}\n"
    )
    events = export.events(mapping, "id\tat\taccount\r\n1\t2024-01-01\tMüller\r\n".encode(written))
    assert [event["data"]["account"] for event in events] == ["Müller"]


def test_progress_is_told_now_and_then_and_at_the_end(export: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "PROGRESS_EVERY_ROWS", 2)
    export.load(DEALS, DEALS_CSV)
    csv_path = export.write("export.csv", DEALS_CSV + "3,cid,Open,1,01.01.2024 10:00,\n")
    told: list[int] = []
    read(csv_path, load_mapping(export.mapping_path, csv_path), on_progress=told.append)
    assert told == [2, 3]


def test_a_file_without_the_mappings_columns_is_refused(export: Any) -> None:
    export.load(DEALS, DEALS_CSV)
    mapping = load_mapping(export.mapping_path, export.folder / "export.csv")
    with pytest.raises(MappingErrors, match=r"no column closed, created in other\.csv"):
        read(export.write("other.csv", "id,owner,stage,value\n"), mapping)
