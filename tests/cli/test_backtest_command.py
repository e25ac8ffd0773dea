"""`streamproc backtest`: what it prints, and what it says of lines that do not count."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.conftest import Result, Run
from cli.samples import call, deal, event, lines
from streamproc.cli.values import KEYS

T = "2024-05-06T10:00:00Z"
LATER = "2024-05-06T12:30:00Z"
ROSTER = """
reps: [{rep: ann, team: south}, {rep: bob, team: north}]
rates: [{currency: USD, rate: 0.5}]
"""


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.code == 0, result.err
    return [orjson.loads(line) for line in result.out.splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_bytes(lines(call(1, T), call(2, T, "bob"), call(3, LATER), *deal(4, T, LATER, 100.0)))
    return path


def test_json_has_exactly_the_agreed_keys(run: Run, file: Path) -> None:
    (row,) = rows(run("backtest", file, "--kpi", "calls", "--by", "company", "--window", "1h", "--format", "json"))
    assert tuple(row) == KEYS
    assert row == {
        "kpi": "calls",
        "group": {},
        "window": "1h",
        "value": 1,
        "numerator": 1,
        "denominator": None,
        "n": 1,
        "unit": "count",
        "window_start": "2024-05-06T11:31:00.000Z",
        "as_of": "2024-05-06T12:31:00.000Z",
    }


def test_durations_come_without_their_buckets(run: Run, file: Path) -> None:
    found = rows(run("backtest", file, "--kpi", "sales_cycle_seconds", "--format", "json"))
    assert found
    assert {tuple(row) for row in found} == {KEYS}


def test_several_times_come_in_order(run: Run, file: Path) -> None:
    args = ("--kpi", "calls", "--by", "company", "--window", "all", "--format", "json")
    found = rows(run("backtest", file, "--at", "end", "--at", "2024-05-06T11:00:00Z", "--at", "2024-05-07", *args))
    assert [(row["as_of"], row["value"]) for row in found] == [
        ("2024-05-06T11:00:00.000Z", 2),
        ("2024-05-06T12:31:00.000Z", 3),
        ("2024-05-07T00:00:00.000Z", 3),
    ]


def test_a_date_begins_in_the_business_time_zone(run: Run, file: Path) -> None:
    (row,) = rows(
        run(
            *("backtest", file, "--kpi", "calls", "--by", "company", "--window", "month", "--format", "json"),
            *("--at", "2024-05-07", "--timezone", "Europe/Berlin"),
        )
    )
    assert row["as_of"] == "2024-05-06T22:00:00.000Z"
    assert row["window_start"] == "2024-04-30T22:00:00.000Z"


def test_filters_leave_out_rows_and_change_no_value(run: Run, file: Path) -> None:
    every = rows(run("backtest", file, "--format", "json"))
    chosen = rows(
        run(
            *("backtest", file, "--kpi", "calls", "--kpi", "open_deals", "--by", "rep"),
            *("--window", "level", "--window", "7d", "--format", "json"),
        )
    )
    assert chosen == [
        row
        for row in every
        if row["kpi"] in ("calls", "open_deals") and list(row["group"]) == ["rep"] and row["window"] in (None, "7d")
    ]
    assert {row["kpi"] for row in chosen} == {"calls", "open_deals"}


def test_rows_are_in_order_of_kpi_group_and_window(run: Run, file: Path) -> None:
    found = rows(run("backtest", file, "--kpi", "win_ratio", "--kpi", "calls", "--by", "rep", "--format", "json"))
    assert [row["kpi"] for row in found] == sorted(row["kpi"] for row in found)
    calls = [(row["group"]["rep"], row["window"]) for row in found if row["kpi"] == "calls"]
    windows = ["1h", "24h", "7d", "30d", "90d", "today", "week", "month", "quarter", "year", "all"]
    assert calls == [(rep, window) for rep in ("ann", "bob") for window in windows]


def test_reference_data_count_from_their_file_or_from_the_events(run: Run, file: Path, tmp_path: Path) -> None:
    args = ("--kpi", "calls", "--by", "team", "--window", "all", "--format", "json")
    assert rows(run("backtest", file, *args)) == []
    roster = tmp_path / "roster.yaml"
    roster.write_text(ROSTER)
    by_file = rows(run("backtest", file, *args, "--reference", roster))
    assert [(row["group"], row["value"]) for row in by_file] == [({"team": "north"}, 1), ({"team": "south"}, 2)]
    run("reference", "load", roster, "--out", tmp_path / "roster.ndjson")
    together = file.read_bytes() + (tmp_path / "roster.ndjson").read_bytes()  # at the end: their place means nothing
    assert rows(run("backtest", "-", *args, stdin=together)) == by_file


def test_money_of_another_currency_needs_a_rate(run: Run, tmp_path: Path) -> None:
    file, roster = tmp_path / "deals.ndjson", tmp_path / "roster.yaml"
    file.write_bytes(lines(*deal(1, T, LATER, 100.0, "USD"), *deal(2, T, LATER, 10.0)))
    roster.write_text(ROSTER)
    args = ("backtest", file, "--kpi", "revenue_eur", "--by", "company", "--window", "all", "--format", "json")
    result = run(*args)
    assert [row["value"] for row in rows(result)] == [10.0]
    assert result.errors == ["1 of 4 lines do not count: 1 unknown_currency"]
    result = run(*args, "--reference", roster)
    assert [row["value"] for row in rows(result)] == [60.0]
    assert result.err == ""


def test_bad_lines_are_told_with_their_numbers(run: Run) -> None:
    definition = event("rep.defined", T, "rep/ann", {"rep": "ann", "team": "south"})
    stdin = lines(call(1, T), b"", definition, b"{not json", call(2, T), call(3, "soon"), definition, b"[]")
    result = run(
        "backtest", "-", "--kpi", "calls", "--by", "company", "--window", "all", "--format", "json", stdin=stdin
    )
    assert [row["value"] for row in rows(result)] == [2]
    assert [line.partition(": ")[0] for line in result.errors[:-1]] == ["line 4", "line 6", "line 8"]
    assert result.errors[-1] == "3 of 7 lines do not count: 2 schema, 1 not_json"


def test_without_any_valid_event_there_is_no_end(run: Run) -> None:
    result = run("backtest", "-", stdin=b"")
    assert (result.code, result.errors) == (1, ["error: the input has no valid event: there is no `--at end`"])


def test_before_the_first_event_there_is_nothing_but_bad_lines_are_told(run: Run) -> None:
    result = run("backtest", "-", "--at", "2020-01-01", stdin=lines(call(1, T), b"{"))
    assert (result.code, result.out) == (0, "")
    assert result.errors[-2:] == ["1 of 2 lines do not count: 1 not_json", "no values as of 2020-01-01 00:00 UTC"]


def test_mistakes_in_the_reference_file_are_all_told(run: Run, file: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.yaml"
    roster.write_text("reps:\n  - {rap: ann}\nrates:\n  - {currency: usd, rate: 1}\n")
    result = run("backtest", file, "--reference", roster)
    assert (result.code, result.out) == (1, "")
    assert [line.partition(": ")[2].partition(": ")[0] for line in result.errors] == [
        f"{roster}:2",
        f"{roster}:2",
        f"{roster}:4",
    ]


def test_the_table_is_for_people(run: Run, file: Path) -> None:
    result = run("backtest", file, "--kpi", "revenue_eur", "--kpi", "sales_cycle_seconds", "--window", "all")
    assert "as of 2024-05-06 12:31 UTC" in result.out
    assert "100.00 EUR" in result.out
    assert "2 h 30 min" in result.out
    assert "rep=ann" in result.out
