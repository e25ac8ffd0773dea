# ruff: noqa: E501 - messages are quoted in full
"""Rows that cannot be imported: the true line, and a reason that says what was expected."""

from typing import Any

import pytest

DEALS = """
id: id
time: {format: "%Y-%m-%d"}
constants: {currency: EUR}
lookups: {agents: {file: teams.csv, key: agent, from: owner}}
events:
  - {type: deal.created, time: created, data: {deal: id, amount: value, rep: owner, region: {lookup: agents.region}}}
  - {type: deal.won, time: closed, when: {stage: Won}, data: {deal: id, account: note}}
"""
HEADER = "id,owner,stage,value,created,closed,note\n"
GOOD = "{},ann,Won,1,2024-01-01,2024-01-02,\n"


@pytest.fixture(autouse=True)
def teams(export: Any) -> None:
    export.write("teams.csv", "agent,region\nann,North\n")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,ann,Open,x,2024-01-01,,", "deal.created: amount: column 'value': expected a number written like 1054.50, found 'x'"),
        ("1,ann,Open,,2024-01-01,,", "deal.created: amount: column 'value' is empty, but the field is required"),
        ("1,ann,Open,1,,,", "deal.created: time: column 'created' is empty; if such rows make no event, add a `when` with not_empty: true"),
        (",ann,Open,1,2024-01-01,,", "deal.created: id: column 'id' is empty; expected an id that stays the same; deal: column 'id' is empty, but the field is required"),
        ("1,bob,Open,1,2024-01-01,,", "deal.created: region: column 'owner': 'bob' is not in teams.csv; add it there or under `aliases`"),
        ("1,a@b.org,Open,1,2024-01-01,,", "rep: column 'owner' holds an e-mail address; list it under `pseudonymise`"),
        ("1,ann,Open,1,2024-01-01,", "expected 7 cells as in the header, found 6"),
        ("1,ann,Open,1e,2024-13-01,,", "time: column 'created': expected a time as %Y-%m-%d, found '2024-13-01'; amount: column 'value'"),
        ("1,ann,Won,1,2024-01-01,2024-01-02," + "n" * 300, "length <= 256 - at `$.data.account` (column 'note')"),
        ('1,"ann"x,Open,1,2024-01-01,,', "not readable as CSV"),
    ],
)  # fmt: skip
def test_reasons(export: Any, row: str, reason: str) -> None:
    found = export.load(DEALS, f"{HEADER}{GOOD.format(7)}{row}\n{GOOD.format(8)}")
    (bad,) = found.bad
    assert reason in bad.reason
    assert bad.line == 3
    assert found.rows == 3
    assert len(found.events) == 4, "the good rows are taken, and nothing of the bad one"


def test_lines_are_true_after_cells_of_many_lines_and_blank_lines(export: Any) -> None:
    text = (
        HEADER
        + '1,ann,Open,1,2024-01-01,,"two\nlines"\n'  # lines 2 and 3
        + "\n,,,,,,\n"  # 4 and 5
        + '2,ann,Open,wrong,2024-01-01,,"three\nlong\nlines"\n'  # from 6 to 8
        + "3,ann,Open,wrong,2024-01-01,,\n"
    )
    for line_end in ("\n", "\r\n"):
        found = export.load(DEALS, text.replace("\n", line_end))
        assert [bad.line for bad in found.bad] == [6, 9]
        assert found.rows == 3


def test_a_repeated_id_is_told_as_it_would_be_dropped_later(export: Any) -> None:
    found = export.load(DEALS, HEADER + GOOD.format(1) + GOOD.format(2) + GOOD.format(1))
    (bad,) = found.bad
    assert bad.line == 4
    assert "id: column 'id' is the same as in line 2; expected `id` to name columns that are unique" in bad.reason


def test_an_unclosed_quote_does_not_swallow_the_file_in_silence(export: Any) -> None:
    found = export.load(DEALS, HEADER + GOOD.format(1) + '2,"ann,Open,1,2024-01-01,,\n' + GOOD.format(3))
    assert len(found.events) == 2
    assert [bad.line for bad in found.bad] == [3]


def test_bytes_of_another_encoding_cost_one_row(export: Any) -> None:
    text = (HEADER + GOOD.format(1)).encode() + "2,ann,Won,1,2024-01-01,2024-01-02,Müller\n".encode("cp1252")
    found = export.load(DEALS, text + GOOD.format(3).encode())
    assert [(bad.line, bad.reason.partition(";")[0]) for bad in found.bad] == [(3, "not utf-8 text")]
    assert len(found.events) == 4
