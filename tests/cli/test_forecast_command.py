"""`streamproc forecast` and `streamproc compare-variants`: from files and from the workers' state."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.conftest import Result, Run
from cli.samples import deal, event, lines
from streamproc.backtest import Backtest
from streamproc.cli.state import Changelog
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.history import running
from streamproc.pipeline import KpisStage
from streamproc.windows.calendar import DAY_MS, Calendar

MONDAY_MS = 1_780_272_000_000  # 2026-06-01T00:00:00Z
STAGES = ("new", "offer")
OWN = Path(__file__).resolve().parents[2] / "deploy" / "kpis.example.yaml"


def time(day: float) -> str:
    """RFC 3339 of a time, in days after the first Monday."""
    from streamproc.outputs.topics import rfc3339

    return rfc3339(round(MONDAY_MS + day * DAY_MS))


def call(day: float, rep: str = "ann") -> bytes:
    return event("call.logged", time(day), f"call/{rep}-{day}", {"rep": rep})


def mails(variant: str, sent: int, replied: int) -> list[bytes]:
    found = []
    for n in range(sent):
        name = f"{variant}{n}"
        data = {"message_id": name, "variant": variant}
        found.append(event("email.sent", time(1), f"email/{name}", data))
        if n < replied:
            found.append(event("email.replied", time(1.1), f"email/{name}", {"message_id": name}))
    return found


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.code == 0, result.err
    return [orjson.loads(line) for line in result.out.splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A call each day of six weeks at 06:00, two on Saturdays; a deal won every third day."""
    path = tmp_path / "events.ndjson"
    days = range(42)
    calls = [call(day + 0.25) for day in days] + [call(day + 0.5) for day in days if day % 7 == 5]
    won = [one for day in range(0, 42, 3) for one in deal(day, time(day), time(day + 0.5), 100.0)]
    path.write_bytes(lines(*calls, *won))
    return path


# --- forecast --------------------------------------------------------------------------------------------------------


def test_a_forecast_in_json(run: Run, file: Path) -> None:
    """Thursday of the sixth week, 00:01: three calls so far; to come Thursday, Friday, two on Saturday, Sunday."""
    args = ("--at", "2026-07-09T00:01:00Z", "--kpi", "calls", "--period", "week", "--format", "json")
    (row,) = rows(run("forecast", file, *args))
    assert row == {
        "kpi": "calls",
        "group": {},
        "window": "week",
        "method": "pace",
        "so_far": 3,
        "expected": 8.0,
        "low": 3.0 + 5.0,
        "high": 3.0 + 5.0,
        "confidence": 0.8,
        "why_none": None,
        "unit": "count",
        "window_end": "2026-07-13T00:00:00.000Z",
        "as_of": "2026-07-09T00:01:00.000Z",
    }


def test_groups_and_periods_each_have_a_row(run: Run, file: Path) -> None:
    args = ("--kpi", "calls", "--where", "company", "--where", "rep=ann", "--period", "today", "--period", "month")
    found = rows(run("forecast", file, *args, "--format", "json"))
    assert [(row["group"], row["window"]) for row in found] == [
        ({}, "today"),
        ({}, "month"),
        ({"rep": "ann"}, "today"),
        ({"rep": "ann"}, "month"),
    ]
    assert [row["expected"] for row in found[:2]] == [row["expected"] for row in found[2:]]


def test_what_is_too_thin_says_why(run: Run, file: Path) -> None:
    args = ("--kpi", "calls", "--kpi", "deals_won", "--at", "2026-06-20")
    result = run("forecast", file, *args)
    assert result.code == 0
    assert "calls" in result.out
    assert result.errors == [
        "no forecast of calls, company, month, pace: 2 weeks of history, expected at least 4",
        "no forecast of deals_won, company, month, pace: 2 weeks of history, expected at least 4",
        "no forecast of deals_won, company, month, pipeline: "
        "the order of stages is not known (no deal has one): define them",
    ]
    found = rows(run("forecast", file, *args, "--format", "json"))
    assert [(row["expected"], row["low"], row["high"]) for row in found] == [(None, None, None)] * 3
    assert all(row["why_none"] for row in found)


def test_without_a_kpi_all_flows_of_the_group_come(run: Run, file: Path) -> None:
    found = rows(run("forecast", file, "--where", "rep=ann", "--format", "json"))
    names = {row["kpi"] for row in found}
    assert {"calls", "deals_won", "revenue_eur"} <= names
    assert not names & {"win_ratio", "open_deals", "deal_size_eur"}


def pipeline(path: Path) -> tuple[Path, Path]:
    """Twelve deals that each stayed a day in both stages and were won, then four that are in their last stage."""
    events = []
    for n in range(16):
        subject, data, day = f"deal/{n}", {"deal": str(n)}, n if n < 12 else 40
        created = {**data, "amount": 1000.0, "currency": "EUR", "stage": "new"}
        events.append(event("deal.created", time(day), subject, created))
        events.append(event("deal.stage_changed", time(day + 1), subject, {**data, "stage": "offer"}))
        if n < 12:
            events.append(event("deal.won", time(day + 2), subject, data))
    file, reference = path / "deals.ndjson", path / "stages.yaml"
    file.write_bytes(lines(*events))
    reference.write_text(
        "stages:\n  - {stage: new, pipeline: default, order: 1, probability: 0.1}\n"
        "  - {stage: offer, pipeline: default, order: 2, probability: 0.5}\n"
    )
    return file, reference


def test_the_open_pipeline_brings_wins_and_money_in_time(run: Run, tmp_path: Path) -> None:
    """Four deals at 0.5 with a rest of at most a day, and 19 days left: two more wins, 2,000 EUR more."""
    file, reference = pipeline(tmp_path)
    args = ("--kpi", "deals_won", "--kpi", "revenue_eur", "--reference", reference, "--at", "2026-07-13")
    found = {
        row["kpi"]: row for row in rows(run("forecast", file, *args, "--format", "json")) if row["method"] == "pipeline"
    }
    assert found["deals_won"]["so_far"] == 0
    assert found["deals_won"]["expected"] == pytest.approx(2, abs=0.01)
    assert 0 <= found["deals_won"]["low"] < 2 < found["deals_won"]["high"] <= 4
    assert found["revenue_eur"]["expected"] == pytest.approx(2000, abs=10)
    assert found["revenue_eur"]["low"] is None


def test_the_pipeline_of_unknown_stages_says_so(run: Run, tmp_path: Path) -> None:
    file, _ = pipeline(tmp_path)
    result = run("forecast", file, "--kpi", "deals_won", "--at", "2026-07-13")
    assert any("the order of stages is not known (offer): define them" in line for line in result.errors)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--kpi", "win_ratio"), "--kpi: win_ratio does not add up over time; expected a count or a sum"),
        (("--kpi", "deal_won"), "--kpi: unknown KPI 'deal_won'"),
        (
            ("--kpi", "calls", "--where", "account=x"),
            "--where: calls is not kept by account, but by company, rep, team",
        ),
        (("--period", "7d"), "--period: unknown period '7d'"),
        (("--at", "2026-07-09T00:01:30Z"), "--at: expected a whole minute"),
    ],
)
def test_wrong_use_of_forecast(run: Run, file: Path, args: tuple[str, ...], says: str) -> None:
    result = run("forecast", file, *args)
    assert (result.code, result.out) == (2, "")
    assert says in result.err


def test_options_of_a_file_need_one(run: Run, tmp_path: Path) -> None:
    result = run("forecast", "--at", "2026-07-09")
    assert (result.code, result.errors) == (
        2,
        ["error: --at: expected with a file of events only; without one, the workers' state is read"],
    )
    assert run("compare-variants", "win_ratio", "--reference", tmp_path / "x.yaml").code == 2


def test_a_group_that_is_not_there(run: Run, file: Path) -> None:
    result = run("forecast", file, "--kpi", "calls", "--where", "rep=nobody")
    assert (result.code, result.errors) == (1, ["error: there is nothing of rep=nobody yet"])


def test_ones_own_kpis_are_forecast(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deal is created and won every third day: in this week on Tuesday, and it is Thursday 00:01."""
    monkeypatch.setenv("STREAMPROC_KPIS_FILE", str(OWN))
    args = ("--at", "2026-07-09T00:01:00Z", "--kpi", "deal_events", "--period", "week", "--format", "json")
    (row,) = rows(run("forecast", file, *args))
    assert (row["so_far"], row["unit"]) == (2, "count")


# --- variants --------------------------------------------------------------------------------------------------------


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    path = tmp_path / "mails.ndjson"
    path.write_bytes(lines(*mails("a", 1000, 100), *mails("b", 1000, 200), *mails("c", 50, 10)))
    return path


def test_variants_in_json(run: Run, trial: Path) -> None:
    b, c = rows(run("compare-variants", "email_response_ratio", trial, "--format", "json"))
    assert {name: b[name] for name in b if name not in ("low", "high")} == {
        "kpi": "email_response_ratio",
        "window": "all",
        "variant": "b",
        "value": 0.2,
        "n": 1000,
        "baseline": "a",
        "baseline_value": 0.1,
        "baseline_n": 1000,
        "difference": pytest.approx(0.1),
        "confidence": 0.95,
        "distinguishable": True,
        "window_start": None,
        "as_of": "2026-06-02T02:25:00.000Z",
    }
    assert 0 < b["low"] < 0.1 < b["high"]
    assert (c["variant"], c["difference"], c["low"], c["distinguishable"]) == ("c", None, None, False)


def test_ones_own_ratios_are_compared(run: Run, trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_KPIS_FILE", str(OWN))
    found = rows(run("compare-variants", "opened_of_sent_ratio", trial, "--format", "json"))
    assert [(row["variant"], row["value"], row["n"]) for row in found] == [("b", 0, 1000), ("c", 0, 50)]


def test_another_baseline(run: Run, trial: Path) -> None:
    found = rows(run("compare-variants", "email_response_ratio", trial, "--baseline", "b", "--format", "json"))
    assert [(row["variant"], row["baseline"]) for row in found] == [("a", "b"), ("c", "b")]
    assert found[0]["difference"] == pytest.approx(-0.1)


def test_the_table_of_variants_is_for_people(run: Run, trial: Path) -> None:
    result = run("compare-variants", "email_response_ratio", trial, "--window", "month")
    assert result.code == 0
    assert "email_response_ratio, month, as of 2026-06-02 02:25 UTC" in result.out
    assert "+10.00 points" in result.out
    assert "too little data" in result.out


@pytest.mark.parametrize(
    ("args", "says", "code"),
    [
        (("email_response_ratio", "--window", "30d"), "--window: 30d slides", 2),
        (("email_response_ratio", "--window", "level"), "--window: level is not a window", 2),
        (("email_response_ratio", "--baseline", "d"), "--baseline: unknown variant 'd'", 2),
        (("calls",), "KPI: calls is not a share of a whole", 2),
        (("email_respond_ratio",), "KPI: unknown KPI 'email_respond_ratio'", 2),
        (("win_ratio",), "win_ratio: expected at least two variants, found none", 1),
    ],
)
def test_wrong_use_of_compare_variants(run: Run, trial: Path, args: tuple[str, ...], says: str, code: int) -> None:
    result = run("compare-variants", args[0], trial, *args[1:])
    assert (result.code, result.out) == (code, "")
    assert says in result.err


# --- the workers' state ----------------------------------------------------------------------------------------------


def test_the_changelog_of_the_workers_gives_what_the_file_gives(file: Path) -> None:
    """Of the groups that are wanted; another's records, offsets and deleted ones are left out."""
    test = Backtest(file.read_bytes().splitlines(), catalogue(), Reference())
    changelog = Changelog(lambda group: group == "rep=ann")
    written: dict[str, bytes | None] = {}
    worker = KpisStage(catalogue())
    test.kpis = worker
    take_cut = worker.take_cut

    def keep() -> Any:
        cut = take_cut()
        written.update(cut.changelog if cut else [])
        return cut

    worker.take_cut = keep  # type: ignore[method-assign]
    list(test.at([MONDAY_MS + 30 * DAY_MS, MONDAY_MS + 40 * DAY_MS]))
    assert any(value is None for value in written.values())
    for key, value in [*((key, b"x") for key, value in written.items() if value is None), *written.items()]:
        changelog.take(3, key.encode(), value)
    changelog.take(3, b"offsets", b"x")
    (task,) = changelog.tasks(catalogue(), "UTC")
    assert set(task.slices.groups) == {"rep=ann"}
    for name in ("calls", "deals_won"):
        for period in ("today", "month"):
            kpi = catalogue()[name]
            assert running(kpi, "rep=ann", period, task.slices) == running(kpi, "rep=ann", period, worker.slices)
    assert task.calendar.zone == Calendar("UTC").zone
