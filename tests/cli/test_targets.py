"""`reference set-target` and `set-threshold`: the event that they make, and what they refuse."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.conftest import Run
from streamproc.codec import Rejection, decode_reference

OWN = Path(__file__).resolve().parents[2] / "deploy" / "kpis.example.yaml"


def made(run: Run, *words: str) -> dict[str, Any]:
    result = run("reference", *words, "--out", "-")
    assert result.code == 0, result.err
    assert not isinstance(decode_reference(result.out.strip().encode()), Rejection)
    event: dict[str, Any] = orjson.loads(result.out)
    return event


def test_a_target_of_a_team_from_now_on(run: Run) -> None:
    before = int(time.time())
    event = made(run, "set-target", "revenue_eur", "50000", "--group", "team=dach-1", "--period", "month")
    assert (event["type"], event["subject"]) == ("target.set", "target/revenue_eur/team=dach-1/month")
    since = datetime.fromisoformat(event["data"].pop("valid_from")).timestamp()
    assert before <= since <= time.time()
    assert event["data"] == {"kpi": "revenue_eur", "group": {"team": "dach-1"}, "period": "month", "value": 50000}


def test_a_threshold_of_the_company_from_a_day_on(run: Run) -> None:
    event = made(
        run, "set-threshold", "win_ratio", "--warning", "0.25", "--critical", "0.2", "--clear", "0.3",
        "--min-samples", "20", "--window", "30d", "--valid-from", "2027-01-01", "--timezone", "Europe/Berlin",
    )  # fmt: skip
    assert (event["type"], event["subject"]) == ("threshold.set", "threshold/win_ratio/30d")
    assert event["data"] == {
        "kpi": "win_ratio", "group": {}, "window": "30d", "warning": 0.25, "critical": 0.2, "clear": 0.3,
        "min_samples": 20, "valid_from": "2026-12-31T23:00:00Z",
    }  # fmt: skip


def test_ones_own_kpis_have_thresholds_as_the_workers_take_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_KPIS_FILE", str(OWN))
    event = made(run, "set-threshold", "deal_events", "--warning", "5", "--critical", "3", "--window", "7d")
    assert event["subject"] == "threshold/deal_events/7d"


def test_a_target_is_taken_away(run: Run) -> None:
    assert "value" not in made(run, "set-target", "calls", "--period", "day", "--remove")["data"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set-target", "revenue_er", "5", "--period", "month"), "did you mean 'revenue_eur'?"),
        (("set-target", "calls", "5", "--period", "mont"), "did you mean 'month'?"),
        (("set-target", "calls", "5"), "expected a window or a period"),
        (("set-target", "calls", "5", "--group", "account=x", "--period", "day"), "not kept by 'account'"),
        (("set-target", "calls", "5", "--group", "team", "--period", "day"), "expected a group such as rep=ann"),
        (("set-target", "calls", "--period", "day"), "expected a VALUE, or --remove"),
        (("set-target", "calls", "5", "--period", "day", "--remove"), "expected a VALUE, or --remove"),
        (("set-threshold", "calls", "--window", "7d"), "expected --warning, --critical or both, or --remove"),
        (("set-threshold", "calls", "--warning", "1", "--critical", "2", "--window", "7d"), "expected critical below"),
    ],
)
def test_what_will_not_do_is_told_and_nothing_is_set(run: Run, words: tuple[str, ...], says: str) -> None:
    result = run("reference", *words, "--out", "-")
    assert (result.code, result.out) == (2, "")
    assert says in result.err
