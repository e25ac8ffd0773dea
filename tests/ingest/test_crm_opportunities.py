"""The shipped mapping on the real export, against figures computed apart from the pipeline."""

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamproc.codec import Rejection, decode, decode_reference
from streamproc.ingest.importer import Imported, read
from streamproc.ingest.mapping import load_mapping

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "crm-opportunities"
EXPORT = ROOT.parent / "shared" / "data" / "crm-opportunities" / "sales_pipeline.csv"

needs_export = pytest.mark.skipif(not EXPORT.exists(), reason="shared data of crm-opportunities not present")


@pytest.fixture(scope="module")
def imported() -> Imported:
    return read(EXPORT, load_mapping(EXAMPLE / "mapping.yaml", EXPORT))


@pytest.fixture(scope="module")
def events(imported: Imported) -> list[dict[str, Any]]:
    return [msgspec.json.decode(body) for body in imported.events]


def by_deal(events: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {event["data"]["deal"]: event for event in events if event["type"] == kind}


@needs_export
def test_every_row_is_taken(imported: Imported) -> None:
    assert (imported.rows, imported.bad, imported.rows_without_events) == (8800, [], 500)
    assert not [body for body in imported.events if isinstance(decode(body), Rejection)]
    times = [decode(body).time_ms for body in imported.events]
    assert times == sorted(times)


@needs_export
def test_the_companys_figures(events: list[dict[str, Any]]) -> None:
    created, won, lost = (by_deal(events, kind) for kind in ("deal.created", "deal.won", "deal.lost"))
    assert (len(won), len(lost)) == (4238, 2473)
    assert len(won) / (len(won) + len(lost)) == pytest.approx(0.6315, abs=5e-5)
    revenue = sum(event["data"]["amount"] for event in won.values())
    assert revenue == 10_005_534
    assert len({event["data"]["customer"] for event in won.values()}) == 85  # every account of accounts.csv
    assert revenue / len(won) == pytest.approx(2360.91, abs=0.005)
    seconds = [
        (datetime.fromisoformat(event["time"]) - datetime.fromisoformat(created[deal]["time"])).total_seconds()
        for deal, event in won.items()
    ]
    assert sum(seconds) / len(seconds) / 86_400 == pytest.approx(51.78, abs=0.005)
    assert max(event["time"] for event in events) < "2018-01-01"


@needs_export
def test_dimensions_agree_with_the_export(events: list[dict[str, Any]]) -> None:
    created = by_deal(events, "deal.created")
    with EXPORT.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["engage_date"]]
    with EXPORT.with_name("products.csv").open(encoding="utf-8", newline="") as file:
        prices = {row["product"].replace(" ", ""): float(row["sales_price"]) for row in csv.DictReader(file)}
    with EXPORT.with_name("sales_teams.csv").open(encoding="utf-8", newline="") as file:
        teams = {row["sales_agent"]: (row["manager"], row["regional_office"]) for row in csv.DictReader(file)}
    assert len(created) == len(rows)
    for row in rows:
        data = created[row["opportunity_id"]]["data"]
        assert data["rep"] == row["sales_agent"]
        assert (data["team"], data["region"]) == teams[row["sales_agent"]]
        assert data["amount"] == prices[row["product"].replace(" ", "")]
        assert data.get("account", "") == row["account"]
    assert {event["data"]["product"] for event in created.values()} & {"GTXPro", "GTX Pro"} == {"GTX Pro"}


def test_the_reference_file_names_the_stages_in_order() -> None:
    found = [decode_reference(line) for line in (EXAMPLE / "reference.ndjson").read_bytes().splitlines()]
    assert [event.data.stage for event in found] == ["Prospecting", "Engaging", "Won", "Lost"]
    assert [event.data.stage for event in found if event.data.is_won or event.data.is_lost] == ["Won", "Lost"]
