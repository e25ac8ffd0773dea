"""Records of alerts and celebrations: everything a receiver needs, ids that follow from it, both languages."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from streamproc.facts.won import Won
from streamproc.kpis.against import Against, Crossed
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.judge import Alert
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.news import alert_record, reached_record, won_record

KPIS = catalogue()
NOON = 1_772_452_800_000  # 2026-03-02 12:00 UTC
LOW = Against(band="critical", target=0.3, attainment=0.6, crossed=Crossed("value", "critical", 0.2))


def value(against: Against, kpi: str = "win_ratio", group: str = "team=dach-1", **more: Any) -> KpiValue:
    fields: dict[str, Any] = {
        "kpi": kpi, "group": group, "window": "30d", "value": 0.18, "numerator": 9, "denominator": 50, "n": 50,
        "unit": KPIS[kpi].unit, "window_start_ms": 0, "as_of_ms": NOON, "against": against,
    }  # fmt: skip
    return KpiValue(**fields | more)


def alert(before: Any = "ok", against: Against = LOW, **more: Any) -> dict[str, Any]:
    key, body = alert_record(Alert(value(against, **more), before), KPIS)
    assert key.decode().split("|")[0] == more.get("kpi", "win_ratio")
    row: dict[str, Any] = orjson.loads(body)
    return row


def test_an_alert_has_everything_a_receiver_needs() -> None:
    row = alert()
    assert len(row.pop("id")) == 32
    assert row == {
        "kpi": "win_ratio",
        "title_en": KPIS["win_ratio"].title_en,
        "title_de": KPIS["win_ratio"].title_de,
        "group": {"team": "dach-1"},
        "window": "30d",
        "value": 0.18,
        "n": 50,
        "unit": "ratio",
        "band": "critical",
        "previous_band": "ok",
        "limit": {"of": "value", "kind": "critical", "limit": 0.2},
        "target": 0.3,
        "attainment": 0.6,
        "pace": None,
        "as_of": "2026-03-02T12:00:00.000Z",
        "text_en": f"{KPIS['win_ratio'].title_en} (team=dach-1, 30d): 18.0 % (n 50): critical, value below 20.0 %",
        "text_de": f"{KPIS['win_ratio'].title_de} (team=dach-1, 30d): 18,0 % (n 50): kritisch, Wert unter 20,0 %",
    }


def test_an_id_is_of_series_time_and_band() -> None:
    ids = [
        alert()["id"],
        alert(group="team=dach-2")["id"],
        alert(as_of_ms=NOON + 1)["id"],
        alert(against=replace(LOW, band="warning"))["id"],
        alert(window="7d")["id"],
    ]
    assert len({*ids}) == len(ids)
    assert alert("warning", value=0.17)["id"] == ids[0]


@pytest.mark.parametrize(
    ("before", "against", "ending"),
    [
        ("critical", Against(band="warning", crossed=Crossed("value", "critical", 0.2)), "warning, value above 20.0 %"),
        ("warning", Against(band="ok", crossed=Crossed("value", "clear", 0.3)), "ok again, value above 30.0 %"),
        ("critical", Against(), "no longer judged"),
        ("ok", Against(band="warning", is_below=False, crossed=Crossed("value", "warning", 0.1)), "value above 10.0 %"),
        ("warning", Against(band="ok", is_below=False, crossed=Crossed("value", "warning", 0.1)), "value below 10.0 %"),
        (
            "ok",
            Against(band="warning", is_below=False, crossed=Crossed("pace", "warning", 1.0)),
            "pace against the target below 100.0 %",
        ),
    ],
)  # fmt: skip
def test_texts_say_which_limit_was_crossed(before: str, against: Against, ending: str) -> None:
    assert alert(before, against)["text_en"].endswith(ending)


def test_points_are_not_rounded_onto_their_limit() -> None:
    low = Against(band="warning", crossed=Crossed("value", "warning", 4.0))
    row = alert("ok", low, kpi="csat_points", value=3.94)
    assert row["text_en"].endswith(": 3.94 (n 50): warning, value below 4")
    assert row["text_de"].endswith(": 3,94 (n 50): Warnung, Wert unter 4")


def test_a_target_that_was_reached() -> None:
    found = value(
        Against(target=50_000, attainment=1.02), "revenue_eur", "", window="month", value=51_000.5, window_start_ms=NOON
    )
    key, body = reached_record(found, KPIS)
    row = orjson.loads(body)
    assert (key, row["type"], row["group"], row["period_start"]) == (b"", "target.reached", {}, row["as_of"])
    title = KPIS["revenue_eur"]
    assert row["text_en"] == f"{title.title_en} (company, month): 51,000.50 EUR: target 50,000.00 EUR reached"
    assert row["text_de"] == f"{title.title_de} (Unternehmen, month): 51.000,50 EUR: Ziel 50.000,00 EUR erreicht"
    later = reached_record(value(Against(), "revenue_eur", "", window="month", window_start_ms=NOON, as_of_ms=1), KPIS)
    assert orjson.loads(later[1])["id"] == row["id"]  # once a period, whatever else has changed


def test_a_deal_that_was_won() -> None:
    won = Won("crm", "e1", "d1", "ann", "dach-1", None, 5000, "CHF", NOON)
    key, body = won_record(won)
    row = orjson.loads(body)
    assert key == b"rep=ann"
    assert row.pop("id") == orjson.loads(won_record(won)[1])["id"]
    assert row == {
        "type": "deal.won",
        "deal": "d1",
        "rep": "ann",
        "team": "dach-1",
        "region": None,
        "amount": 5000,
        "currency": "CHF",
        "time": "2026-03-02T12:00:00.000Z",
        "text_en": "Deal d1 won by ann: 5,000.00 CHF",
        "text_de": "Deal d1 gewonnen von ann: 5.000,00 CHF",
    }
    bare = orjson.loads(won_record(won._replace(rep=None, amount=None, currency=None))[1])
    assert (bare["text_en"], bare["amount"]) == ("Deal d1 won", None)
