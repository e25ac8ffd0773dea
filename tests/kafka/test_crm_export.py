"""A real CRM export through the command line into Kafka, to KPIs; and `backtest` of the same events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.workers import Cluster

ROOT = Path(__file__).resolve().parents[2]
EXPORT = ROOT.parent / "shared" / "data" / "crm-opportunities" / "sales_pipeline.csv"
EXAMPLE = ROOT / "examples" / "crm-opportunities"
KPIS = ("deals_won", "deals_lost", "win_ratio", "revenue_eur", "deal_size_eur", "sales_cycle_seconds")

pytestmark = pytest.mark.skipif(not EXPORT.exists(), reason="shared data is absent: the CRM export")


def streamproc(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "streamproc", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def rows(text: str) -> dict[str, dict[str, Any]]:
    return {row["kpi"]: row for row in map(json.loads, text.splitlines())}


def test_crm_export_through_kafka_and_backtest(fresh_topics: Any, tmp_path: Path) -> None:
    broker = ["--bootstrap-servers", fresh_topics.bootstrap]
    mapping = ["--mapping", EXAMPLE / "mapping.yaml"]
    streamproc("reference", "load", EXAMPLE / "reference.ndjson", *broker)
    streamproc("import", "csv", EXPORT, *mapping, *broker)
    cluster = Cluster(fresh_topics.bootstrap, fresh_topics.app, tmp_path)
    try:
        for stage in ("facts", "kpis"):
            cluster.start(stage, stage)
        cluster.settle()
        asked = [option for kpi in KPIS for option in ("--kpi", kpi)] + ["--window", "all", "--format", "json"]
        live = streamproc("values", *asked, *broker)
    finally:
        cluster.stop()

    company = rows("\n".join(line for line in live.splitlines() if json.loads(line)["group"] == {}))
    assert company["deals_won"]["value"] == 4238
    assert company["deals_lost"]["value"] == 2473
    assert round(company["win_ratio"]["value"], 4) == 0.6315
    assert company["revenue_eur"]["value"] == 10_005_534
    assert round(company["deal_size_eur"]["value"], 2) == 2360.91
    assert round(company["sales_cycle_seconds"]["value"] / 86_400, 2) == 51.78

    streamproc("import", "csv", EXPORT, *mapping, "--out", tmp_path / "events.ndjson")
    reference = ["--reference", EXAMPLE / "reference.ndjson"]
    assert streamproc("backtest", tmp_path / "events.ndjson", "--at", "end", *reference, *asked) == live
    new_year = streamproc(
        "backtest", tmp_path / "events.ndjson", "--at", "2018-01-01", *reference, *asked, "--by", "company"
    )
    assert {kpi: row["value"] for kpi, row in rows(new_year).items()} == {
        kpi: row["value"] for kpi, row in company.items()
    }
