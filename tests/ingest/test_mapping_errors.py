# ruff: noqa: E501 - messages are quoted in full
"""A broken mapping: everything wrong is told at once, with its place and what would be right."""

from pathlib import Path
from typing import Any

import pytest

from streamproc.ingest.mapping import load_mapping
from streamproc.ingest.mapping_file import MappingErrors

HEADER = "id,owner,stage,value,created,closed\n"
MANY = """
id: idd
csv: {delimeter: ","}
time: {format: "%d.%m", zone: Europe/Berln}
numbers: {decimal: ";"}
lookups:
  agents: {file: teams.csv, key: agnt, from: owner}
  products: {file: none.csv, key: product}
pseudonymise: [agents.boss, ownr]
constants: {curency: EUR}
surprise: 1
events:
  - type: deal.win
    time: engage_dat
    data: {deal: no_such}
  - type: deal.created
    time: {column: creatd, format: "%Q", zone: Mars}
    when: {stagee: Won, stage: {is: Won}, closed: {not_empty: maybe}}
    data:
      deal: id
      amout: value
      team: {lookup: agents.boss}
      region: {lookup: agent.boss}
      product: {lookup: agents.prod}
      pipeline: {nothing: 1}
      probability: {value: 2}
  - type: deal.created
    data: {deal: id, amount: {column: value, zone: UTC}, currency: {value: EURO}, channel: id}
"""


def test_all_errors_at_once(export: Any) -> None:
    export.write("teams.csv", "agent,boss\nann,zoe\n")
    expected = [
        ("id", "no column 'idd' in export.csv (did you mean 'id'?); columns: id, owner, stage, value, created, closed"),
        ("csv.delimeter", "unknown key 'delimeter' (did you mean 'delimiter'?); expected delimiter, encoding"),
        ("time.format", "names no full date; expected year (%Y), month (%m) and day (%d)"),
        ("time.zone", "unknown time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)"),
        ("numbers", "expected decimal: '.' or ','"),
        ("lookups.agents.key", "no column 'agnt' in teams.csv (did you mean 'agent'?); columns: agent, boss"),
        ("lookups.products.key", "no column 'product' in export.csv"),
        ("lookups.products.file", "none.csv': No such file or directory; expected it beside the CSV file"),
        ("pseudonymise[1]", "no column 'ownr' in export.csv (did you mean 'owner'?)"),
        ("constants.curency", "none of the events has a field 'curency' (did you mean 'currency'?)"),
        ("surprise", "unknown key 'surprise'; expected source, csv, time"),
        ("events[0].type", "unknown event type 'deal.win' (did you mean 'deal.won'?); expected one of deal.created, deal."),
        ("events[0].time", "no column 'engage_dat' in export.csv; columns: id, owner"),
        ("events[0].data.deal", "no column 'no_such' in export.csv"),
        ("events[1].time.column", "no column 'creatd' in export.csv (did you mean 'created'?)"),
        ("events[1].time.format", "'%Q': not a time format"),
        ("events[1].time.zone", "unknown time zone 'Mars'"),
        ("events[1].when.stagee", "no column 'stagee' in export.csv (did you mean 'stage'?)"),
        ("events[1].when.stage.is", "unknown key 'is'; expected not, empty, not_empty"),
        ("events[1].when.closed.not_empty", "expected true or false"),
        ("events[1].data", "deal.created needs amount, currency"),
        ("events[1].data.amout", "deal.created has no field 'amout' (did you mean 'amount'?); fields: "),
        ("events[1].data.region.lookup", "no lookup 'agent' (did you mean 'agents'?); expected lookup.column; lookups: agents, products"),
        ("events[1].data.product.lookup", "no column 'prod' in teams.csv; columns: agent, boss"),
        ("events[1].data.pipeline", "expected a column, {column: …}, {lookup: name.column} or {value: …}"),
        ("events[1].data.probability.value", "'2' will not do: Expected `float` <= 1.0"),
        ("events[2]", "'time' is missing"),
        ("events[2]", "second event of type deal.created: tell them apart by a `name` of its own"),
        ("events[2].data.amount.zone", "unknown key 'zone'; expected column, lookup, decimal, thousands, unit, times"),
        ("events[2].data.currency.value", "'EURO' will not do: Expected `str` matching regex"),
    ]  # fmt: skip
    problems = export.problems(MANY, HEADER)
    for place, message in expected:
        assert [found for found in problems if found[0] == place and message in found[1]], (place, message, problems)
    # Also told: that `pipeline`'s `nothing` is no key. Nothing else is.
    assert {place for place, _ in problems} - {place for place, _ in expected} == {"events[1].data.pipeline.nothing"}


def test_errors_name_file_and_line(export: Any) -> None:
    mapping = "id: id\nevents:\n  - type: deal.won\n    time: close\n    data:\n      deal: ident\n"
    path = export.write("mapping.yaml", mapping)
    with pytest.raises(MappingErrors) as caught:
        load_mapping(path, export.write("export.csv", HEADER))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{path}:4: events[0].time: no column 'close' in export.csv")
    assert lines[1].startswith(f"{path}:6: events[0].data.deal: no column 'ident'")
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("mapping", "line"),
    [("id: id\nevents: [\n", 3), ("id: id\n\tevents: x\n", 2), ("a: *b\n", 1), ("a: &a [*a]\n", 1), ("", None)],
)
def test_what_is_no_mapping_is_told_by_line(export: Any, mapping: str, line: int | None) -> None:
    path = export.write("mapping.yaml", mapping)
    with pytest.raises(MappingErrors) as caught:
        load_mapping(path, export.write("export.csv", HEADER))
    assert [problem.line for problem in caught.value.problems] == [line]


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("- a\n", ("", "expected entries `name: …`")),
        ("id: id\nevents: []\n", ("events", "expected a list of events, each `- type: …`")),
        ("id: id\nid: owner\nevents: []\n", ("id", "given twice; expected once")),
        ("id:\nevents: []\n", ("id", "expected a column or a list of columns")),
        ("id: id\n", ("", "'events' is missing")),
        ("id: id\nevents: []\ncsv: {encoding: utf-9}\n", ("csv.encoding", "unknown encoding 'utf-9'; expected utf-8, cp1252, utf-16 …")),
        ("id: id\nevents: []\ncsv: {delimiter: tabs}\n", ("csv.delimiter", "expected one character such as ';', or tab")),
        ("id: id\nevents: []\nnumbers: {times: many}\n", ("numbers.times", "expected a number such as 60 or 0.01, found 'many'")),
        ("id: id\nevents: []\nlookups: {a.b: {file: t.csv, key: owner}}\n",
         ("lookups.a.b", "expected a name without a dot, as it stands before the dot in `lookup: name.column`")),
        ("id: id\nevents:\n  - {type: target.set, time: created, data: {kpi: id, group: owner}}\n",
         ("events[0].data.group", "group cannot be filled from a CSV file")),
    ],
)  # fmt: skip
def test_single_errors(export: Any, mapping: str, problem: tuple[str, str]) -> None:
    assert problem in export.problems(mapping, HEADER)


def test_the_wrong_delimiter_is_guessed(export: Any) -> None:
    ((place, message),) = export.problems(
        "id: id\nevents: [{type: deal.lost, time: at, data: {deal: id}}]\n", "id;at\n"
    )[:1]
    assert place == "id"
    assert "is the delimiter ';'? Then say csv: {delimiter: ';'}" in message


@pytest.mark.parametrize(
    ("teams", "message"),
    [
        (
            "agent,boss\nann,zoe\nbob,yan\nann,xi\n",
            "teams.csv: lines 2 and 4 have the same 'agent'; expected one line each",
        ),
        ("agent,boss\nann\n", "teams.csv, line 2: expected 2 cells as in the header, found 1"),
        ("", "teams.csv is empty; expected a line of column names"),
    ],
)
def test_a_lookup_file_that_cannot_be_used(export: Any, teams: str, message: str) -> None:
    export.write("teams.csv", teams)
    mapping = """
id: id
lookups: {agents: {file: teams.csv, key: agent, from: owner}}
events:
  - {type: deal.lost, time: closed, data: {deal: id, team: {lookup: agents.boss}}}
"""
    assert export.problems(mapping, HEADER) == [("lookups.agents.file", message)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "export.csv is empty; expected a line of column names"),
        ("id,id,at\n", "export.csv has more than one column 'id'; rename all but one"),
        ("id,Größe,at\n".encode("cp1252"), "export.csv, line 1: not utf-8 text"),
    ],
)
def test_an_export_whose_header_cannot_be_used(export: Any, header: str | bytes, message: str) -> None:
    problems = export.problems("id: id\nevents: [{type: deal.lost, time: at, data: {deal: id}}]\n", header)
    assert all(found.startswith(message) for _, found in problems)


def test_files_that_are_not_there(export: Any, tmp_path: Path) -> None:
    path = export.write("mapping.yaml", "id: id\nevents: [{type: deal.lost, time: at, data: {deal: id}}]\n")
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_mapping(path, tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        load_mapping(tmp_path / "none.yaml", export.write("export.csv", HEADER))
