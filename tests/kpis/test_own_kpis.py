"""People's own KPIs: computed like the built-in ones; a file that will not do is refused with all its mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.build import DAY as TODAY
from support.build import ms
from support.replay import _drawn, _event, roster

from streamproc.backtest import Backtest
from streamproc.facts.fact import DIMENSIONS, FACTS, Kind
from streamproc.ingest.kpis_file import OwnKpiErrors, full_catalogue
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue
from streamproc.kpis.own import KINDS
from streamproc.outputs.judged_metrics import JudgedExposition
from streamproc.outputs.topics import encode_value
from streamproc.schemas import kpis_schema

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "kpis.example.yaml"
CALLS: dict[str, Any] = {
    "name": "calls_made", "kind": "count", "of": "call",
    "title_en": "t", "title_de": "t", "means": "m", "events": ["call.logged"],
}  # fmt: skip
SHARE = CALLS | {"name": "connect_ratio", "kind": "ratio", "part": "call_connected", "whole": ["call"]}
SHARE.pop("of")
POINTS = CALLS | {"name": "call_points", "kind": "weighted"}
POINTS.pop("of")


def write(folder: Path, *kpis: dict[str, Any]) -> str:
    path = folder / "kpis.yaml"
    path.write_text(yaml.safe_dump({"kpis": list(kpis)}, sort_keys=False))
    return str(path)


def mistakes(path: str, currency: str = "EUR") -> list[str]:
    """What is said of a file that is refused, without the path."""
    with pytest.raises(OwnKpiErrors) as refused:
        full_catalogue(currency, path)
    return [line.removeprefix(path).removeprefix(":") for line in str(refused.value).splitlines()]


def formula(name: str, text: str, **other: Any) -> dict[str, Any]:
    found = CALLS | {"name": name, "kind": "derived", "formula": text, "unit": "count"} | other
    found.pop("of")
    return found


# --- values ----------------------------------------------------------------------------------------------------------

DAY = """
    08:00 call.logged   c1 rep=ann outcome=connected
    08:10 call.logged   c2 rep=ann outcome=busy account=acme contact=p1
    08:20 email.sent    m1 rep=ann segment=smb
    08:40 email.opened  m1
    08:50 email.replied m1
    08:30 email.sent    m2 rep=bob
    10:40 email.replied m2
    09:00 meeting.held  v1 rep=ann account=acme contact=p1
    09:00 deal.created  d1 rep=ann amount=300 account=acme
    09:30 deal.won      d1
    09:40 deal.created  d2 rep=bob amount=500 account=beta partner=zed
    10:00 deal.won      d2
    10:00 deal.created  d3 rep=bob amount=40 account=beta
    10:05 deal.created  d4 rep=bob amount=60 account=beta
    10:10 deal.lost     d4
"""


def computed(path: str, at: str = "12:00") -> dict[tuple[str, str, Any], KpiValue]:
    """All values of the day with the KPIs of a file."""
    lines = [_event(number, drawn, "UTC", TODAY) for number, drawn in enumerate(_drawn(DAY), 1)]
    run = Backtest(lines, full_catalogue("EUR", path), roster("rep.defined ann team=north"), "UTC")
    ((_, values),) = run.at([ms(at)])
    return {(value.kpi, value.group, value.window): value for value in values}


@pytest.mark.parametrize(
    ("kpi", "group", "window", "value", "n"),
    [
        ("deal_events", "", "24h", 4 + 2 + 1, 7),
        ("deal_events", "rep=ann", "24h", 1 + 1, 2),
        ("people_by_account", "account=acme", "24h", 1, 1),
        ("opened_of_sent_ratio", "", "24h", 0.5, 2),
        ("revenue_by_account_eur", "account=beta", "24h", 500, 1),
        ("deal_size_by_partner_eur", "", "24h", 400, 2),
        ("deal_size_by_partner_eur", "partner=zed", "24h", 500, 1),
        ("effort_points", "rep=ann", "24h", 1 + 2 * 3 + 10, 17),
        ("reply_seconds", "segment=smb", "24h", 1800, 1),
        ("sales_cycle_p75_seconds", "team=north", "24h", pytest.approx(1800, rel=0.01), 1),
        ("reply_in_an_hour_ratio", "", "24h", 0.5, 2),
        ("open_value_by_account_eur", "account=beta", None, 40, 1),
        ("revenue_per_effort_eur_per_point", "rep=ann", "24h", 300 / 17, 1),
        ("revenue_per_effort_eur_per_point", "rep=bob", "24h", 500 / 1, 1),
    ],
)
def test_the_example_computes_what_it_says(kpi: str, group: str, window: str | None, value: Any, n: int) -> None:
    row = computed(str(EXAMPLE))[kpi, group, window]
    assert (row.value, row.n) == (value, n)


def test_the_example_has_every_kind_and_leaves_the_built_in_values_as_they_are() -> None:
    declared = yaml.safe_load(EXAMPLE.read_text())["kpis"]
    assert sorted(one["kind"] for one in declared) == sorted(KINDS)
    with_own, without = computed(str(EXAMPLE)), computed("")
    own = {one["name"] for one in declared}
    assert {key: row for key, row in with_own.items() if key[0] not in own} == without
    assert {kpi for kpi, _, _ in with_own} >= own


def test_a_formula_is_undefined_where_a_part_is_or_by_nought_is_divided(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        formula("lost_per_win", "deals_lost / deals_won", by=["rep"]),
        formula("balance", "-(calls - 3) * 2 + deals_created"),
        formula("of_undefined", "win_ratio * 2", by=["rep"]),
        formula("of_own", "balance / 2 + call"),
    )
    found = computed(path)
    assert [found["lost_per_win", f"rep={rep}", "24h"].value for rep in ("ann", "bob")] == [0, 1]
    late = computed(path, at="10:35")
    assert late["lost_per_win", "rep=ann", "1h"].value is None  # won at 9:30, lost none: 0 / 0 in this hour
    assert late["of_undefined", "rep=ann", "1h"].value is None
    assert found["balance", "", "24h"].value == -(2 - 3) * 2 + 4
    assert found["of_own", "", "24h"].value == 6 / 2 + 2
    row = found["lost_per_win", "rep=bob", "24h"]
    assert (row.numerator, row.denominator, row.n) == (1, 1, 1)


def test_a_formula_moves_with_the_clock_where_a_part_does(tmp_path: Path) -> None:
    """Of two customers one was lost on the 2nd: what the other is worth grows with the month, without any event."""
    drawn = """
        2026-02-01 00:00 subscription.started   c1 subscription=s1 mrr=100
        2026-02-01 00:00 subscription.started   c2 subscription=s2 mrr=100
        08:00            order.placed           c1 order=o1 amount=100
        09:00            subscription.cancelled c2 subscription=s2
    """
    lines = [_event(number, one, "UTC", TODAY) for number, one in enumerate(_drawn(drawn), 1)]
    path = write(tmp_path, formula("half_clv_eur", "clv_eur / 2", unit="eur"), formula("more", "clv_eur + 1"))
    run = Backtest(lines, full_catalogue("EUR", path), roster(""), "UTC")
    for _, values in run.at([ms("2026-03-03"), ms("2026-03-11")]):
        found = {value.kpi: value.value for value in values if (value.group, value.window) == ("", "month")}
        assert found["clv_eur"]
        assert (found["half_clv_eur"], found["more"]) == (found["clv_eur"] / 2, found["clv_eur"] + 1)


def test_numbers_beyond_64_bits_are_published_all_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        formula("product", "calls * 9000000000000000000 * 9000000000000000000"),
        formula("quotient", "calls / 1000000000000000000000000"),
    )
    found = computed(path)
    written = {name: json.loads(encode_value(found[name, "", "24h"])) for name in ("product", "quotient")}
    assert written["product"]["value"] == pytest.approx(2 * 81e36)
    assert (written["quotient"]["value"], written["quotient"]["denominator"]) == (pytest.approx(2e-24), 1e24)


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kpis", "words"),
    [
        ([CALLS | {"name": "calls"}], ("2: calls: name: ", "taken by a built-in")),
        ([CALLS, CALLS], ("calls_made: name: ", "twice")),
        ([CALLS | {"name": "target_calls"}], ("name: ", "another metric")),
        ([CALLS | {"name": "Calls"}], ("name: ", "lower case")),
        ([CALLS | {"kind": "cuont"}], ("kind: ", "'cuont' (did you mean 'count'?)", "duration_within")),
        ([CALLS | {"of": "cal"}], ("of: ", "unknown fact 'cal' (did you mean 'call'?)")),
        ([SHARE | {"whole": "cals"}], ("whole: ", "unknown fact 'cals' (did you mean 'call'?)")),
        ([CALLS | {"of": "revenue"}], ("of: ", "is a sum", "expected a count")),
        ([CALLS | {"events": ["call.loged"]}], ("events: ", "did you mean 'call.logged'")),
        ([CALLS | {"events": []}], ("events: ", "empty")),
        ([CALLS | {"by": ["tem"]}], ("by: ", "unknown dimension 'tem' (did you mean 'team'?)")),
        ([CALLS | {"by": ["deal_stage"]}], ("by: ", "facts call never carry deal_stage", "account")),
        ([CALLS | {"bye": ["rep"]}], ("bye: ", "unknown field (did you mean 'by'?)")),
        ([CALLS | {"unit": "ratio"}], ("unit: ", "expected count")),
        ([POINTS | {"weights": {"call": 10**18}}], ("weights: ", "up to a million")),
        ([CALLS | {"means": ""}], ("means: ", "empty")),
        ([{key: value for key, value in CALLS.items() if key != "of"}], ("of: ", "is missing")),
        ([SHARE | {"name": "connected_share"}], ("name: ", "expected to end in _ratio")),
        ([formula("x", "calls / cals")], ("formula: ", "unknown name 'cals' (did you mean 'calls'?)")),
        ([formula("xx", "calls / revenue")], ("formula: ", "fact revenue is a sum", "kind sum")),
        ([formula("xx", "calls +")], ("formula: ", "cannot be read", "revenue_eur / calls")),
        ([formula("xx", "abs(calls)")], ("formula: ", "'abs(calls)' is not allowed")),
        ([formula("xx", "calls ** 9")], ("formula: ", "'calls ** 9' is not allowed")),
        ([formula("xx", "calls.real")], ("formula: ", "'calls.real' is not allowed")),
        ([formula("xx", "calls * 'x'")], ("formula: ", "not allowed")),
        ([formula("xx", "1 / 2")], ("formula: ", "names nothing")),
        ([formula("xx", "calls + " * 40 + "1")], ("formula: ", "at most 200")),
        ([formula("xx", "xx + calls")], ("formula: ", "forms a cycle: xx → xx")),
        ([formula("aa", "bb"), formula("bb", "cc"), formula("cc", "aa + calls")], ("formula: ", "aa → bb → cc → aa")),
        ([formula("xx", "calls", by=["account"])], ("by: ", "calls is not grouped by account", "rep, team")),
        ([formula("xx_usd", "revenue_eur", unit="usd")], ("unit: ", "unknown unit 'usd'", "eur_per_day")),
        ([formula("xx", "calls", unit="cuont")], ("unit: ", "did you mean 'count'")),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, kpis: list[dict[str, Any]], words: tuple[str, ...]) -> None:
    told = mistakes(write(tmp_path, *kpis))
    if kpis[0]["name"] == "x":  # one letter is no name either
        told = [line for line in told if ": name: " not in line]
    assert len(told) == 1, told
    assert [word for word in words if word not in told[0]] == []


@pytest.mark.parametrize("family", sorted({"kpi_rep", *JudgedExposition().names}))
def test_names_of_other_metrics_are_refused_by_the_check_rather_than_by_the_worker(family: str, tmp_path: Path) -> None:
    told = mistakes(write(tmp_path, CALLS | {"name": family.removeprefix("kpi_")}))
    assert any("is that of another metric in /metrics" in line for line in told)


def test_money_is_in_the_reporting_currency(tmp_path: Path) -> None:
    won = {**CALLS, "kind": "sum", "total": "revenue", "count": "deal_won", "name": "won_eur"}
    won.pop("of")
    path = write(tmp_path, won)
    assert full_catalogue("EUR", path)["won_eur"].unit == "eur"
    assert mistakes(path, "USD") == ["2: won_eur: name: expected to end in _usd, since the unit is usd"]
    (told,) = mistakes(write(tmp_path, won | {"unit": "usd"}))
    assert told.endswith("unit: 'usd'; expected eur, the reporting currency (STREAMPROC_CURRENCY), or nothing")
    (told,) = mistakes(write(tmp_path, won | {"total": ["revenue", "research"]}))
    assert "total: facts are in eur and seconds" in told


def test_all_mistakes_are_told_at_once_by_line(tmp_path: Path) -> None:
    path = tmp_path / "kpis.yaml"
    path.write_text("""kpis:
  - name: connect_ratio
    kind: ratio
    part: call_conected
    whole: cals
    title_de: t
    means: m
    events: [call.logged]
    by: [rep, tem]
  - {name: loop, kind: derived, unit: count, formula: loop, title_en: t, title_de: t, means: m, events: call.logged}
  - {name: p_seconds, kind: duration_quantile, of: sales_cycle, q: much, title_en: t, title_de: t, means: m,
     events: deal.won}
  - just text
""")
    told = [(line.split(":")[0], line.split(": ")[2]) for line in mistakes(str(path))]
    assert told[:-1] == [
        ("2", "title_en"), ("4", "part"), ("5", "whole"), ("9", "by"), ("10", "formula"), ("11", "q"),
    ]  # fmt: skip
    assert told[-1][0] == "13"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("kpis: [", "not YAML"),
        ("kpis: 3", "expected a list of KPIs"),
        ("kpi: []", "unknown key 'kpi' (did you mean 'kpis'?)"),
    ],
)
def test_what_is_no_file_of_kpis(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "kpis.yaml"
    path.write_text(text)
    assert words in "\n".join(mistakes(str(path)))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert mistakes(str(tmp_path / "none.yaml")) == [" No such file or directory"]


def test_an_empty_list_adds_nothing(tmp_path: Path) -> None:
    assert [kpi.name for kpi in full_catalogue("EUR", write(tmp_path)).kpis] == [kpi.name for kpi in catalogue().kpis]


# --- schema ----------------------------------------------------------------------------------------------------------


def valid(*kpis: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(kpis_schema()).is_valid({"kpis": list(kpis)}))


def test_the_schema_takes_the_example_and_refuses_what_is_no_declaration() -> None:
    jsonschema.Draft202012Validator.check_schema(kpis_schema())
    assert valid(*yaml.safe_load(EXAMPLE.read_text())["kpis"])
    assert valid(CALLS, SHARE, formula("xx", "calls * 2"))
    for wrong in (
        CALLS | {"of": "cal"},
        CALLS | {"kind": "cuont"},
        CALLS | {"by": ["tem"]},
        CALLS | {"events": "call.loged"},
        CALLS | {"name": "Calls"},
        CALLS | {"bye": []},
        CALLS | {"means": 3},
        {key: value for key, value in CALLS.items() if key != "means"},
        SHARE | {"whole": "revenue"},
        formula("xx", "calls") | {"formula": 7},
    ):
        assert not valid(wrong), wrong


def test_the_schema_lists_every_fact_event_and_dimension() -> None:
    lists = {name: set(one["enum"]) for name, one in kpis_schema()["$defs"].items() if "enum" in one}
    assert lists["grouping dimension"] == set(DIMENSIONS)
    for kind in Kind:
        assert lists[f"fact of kind {kind.value}"] == {name for name, found in FACTS.items() if found is kind}
    assert json.dumps(kpis_schema())
