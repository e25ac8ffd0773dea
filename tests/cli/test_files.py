"""Commands that read and write files: `simulate --out`, `import csv`, `reference load`, `kpis`."""

from pathlib import Path

import orjson
import pytest

from cli.conftest import Run
from streamproc.bus.publish import record
from streamproc.codec import Rejection, decode, decode_reference
from streamproc.events import EVENTS, REFERENCE
from streamproc.ingest.reference_file import load
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.catalogue.judgement import judgements
from streamproc.kpis.limits import TargetCheck

MAPPING = """
id: Nr
pseudonymise: [Rep]
constants: {currency: EUR}
events:
  - {type: deal.created, time: Day, data: {deal: Nr, amount: Amount, rep: Rep}}
"""
CSV = "Nr,Rep,Amount,Day\n1,Ann,10,2024-01-02\n2,Bob,ten,2024-01-02\n3,Ann,30,2024-01-01\n"


def test_a_simulated_file_is_reference_data_then_events_and_the_same_again(run: Run, tmp_path: Path) -> None:
    options = ("--for", "20s", "--rate", "20", "--history", "1d", "--seed", "5", "--start", "2025-03-01")
    first, second = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    assert run("simulate", "--out", first, *options).code == 0
    assert run("simulate", "--out", second, *options).code == 0
    assert first.read_bytes() == second.read_bytes()
    found = first.read_bytes().splitlines()
    is_reference = [record(line)[0] == REFERENCE for line in found]
    assert is_reference == sorted(is_reference, reverse=True)
    assert any(is_reference)
    assert not any(isinstance(decode_reference(line), Rejection) for line in found[: sum(is_reference)])
    assert not any(isinstance(decode(line), Rejection) for line in found[sum(is_reference) :])
    days = {orjson.loads(line)["time"][:10] for line in found[sum(is_reference) :]}
    assert days == {"2025-02-28", "2025-03-01"}


def test_flaws_can_be_had_in_a_file(run: Run) -> None:
    result = run("simulate", "--out", "-", "--for", "30s", "--rate", "20", "--flaws", "1")
    events = [line.encode() for line in result.out.splitlines() if EVENTS.get(kind(line)) is None]
    assert events
    assert all(isinstance(decode(line), Rejection) for line in events)


def kind(line: str) -> str:
    try:
        return str(orjson.loads(line)["type"])
    except orjson.JSONDecodeError:
        return ""


@pytest.fixture
def export(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "deals.csv").write_text(CSV)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path / "deals.csv", tmp_path / "mapping.yaml"


def test_bad_rows_are_listed_and_nothing_is_imported(
    run: Run, export: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMPROC_PSEUDONYM_KEY", "secret")
    csv, mapping = export
    out = csv.parent / "out.ndjson"
    result = run("import", "csv", csv, "--mapping", mapping, "--out", out)
    assert result.code == 1
    assert result.errors[0].startswith("line 3: deal.created: amount: column 'Amount': expected a number")
    assert result.errors[1] == (
        f"error: {csv}: 1 of 3 rows are bad; nothing was imported (--skip-bad imports the others)"
    )
    assert not out.exists()


def test_bad_rows_can_be_left_out(run: Run, export: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_PSEUDONYM_KEY", "secret")
    csv, mapping = export
    result = run("import", "csv", csv, "--mapping", mapping, "--skip-bad", "--out", "-")
    assert result.code == 0
    events = [orjson.loads(line) for line in result.out.splitlines()]
    assert [event["data"]["deal"] for event in events] == ["3", "1"]
    assert "Ann" not in result.out
    assert result.errors[-1] == "3 rows: 2 events (2 deal.created); 1 bad rows left out"


def test_pseudonyms_need_their_key(run: Run, export: tuple[Path, Path]) -> None:
    csv, mapping = export
    result = run("import", "csv", csv, "--mapping", mapping, "--out", "-")
    assert (result.code, result.out, len(result.errors)) == (1, "", 1)
    assert "set the environment variable STREAMPROC_PSEUDONYM_KEY" in result.err


def test_mistakes_in_a_mapping_are_all_told(run: Run, export: tuple[Path, Path]) -> None:
    csv, mapping = export
    mapping.write_text("id: Nr\nevents:\n  - {type: deal.creatd, time: Dy, data: {}}\n")
    result = run("import", "csv", csv, "--mapping", mapping)
    assert result.code == 1
    assert [line.split(":")[0] for line in result.errors] == ["error", "error"]
    assert "did you mean 'deal.created'?" in result.err
    assert "did you mean 'Day'?" in result.err


def reference(tmp_path: Path, text: str, zone: str = "UTC") -> list[bytes]:
    path = tmp_path / "reference.yaml"
    path.write_text(text)
    return load(path, 0, TargetCheck(catalogue(), judgements()), zone)


def test_all_kinds_of_reference_data_become_events(tmp_path: Path) -> None:
    made = reference(
        tmp_path,
        """
        reps: [{rep: ann, name: Ann Lee, team: south, active: no}]
        teams: [{team: south, region: DACH}]
        stages: [{stage: Qualified, order: 2, probability: 0.3, qualified: yes}]
        rates: [{currency: NOK, rate: 0.09}]
        targets: [{kpi: revenue_eur, group: {rep: ann}, period: quarter, value: 1000}]
        thresholds: [{kpi: win_ratio, window: 30d, warning: 0.2, min_samples: 10}]
        """,
    )
    assert not any(isinstance(decode_reference(line), Rejection) for line in made)
    events = {event["subject"]: event["data"] for event in map(orjson.loads, made)}
    assert events == {
        "rep/ann": {"rep": "ann", "name": "Ann Lee", "team": "south", "active": False},
        "team/south": {"team": "south", "region": "DACH"},
        "stage/default/Qualified": {"stage": "Qualified", "order": 2, "probability": 0.3, "qualified": True},
        "fx/NOK": {"currency": "NOK", "rate": 0.09},
        "target/revenue_eur/rep=ann/quarter": {
            "kpi": "revenue_eur",
            "group": {"rep": "ann"},
            "period": "quarter",
            "value": 1000,
        },
        "threshold/win_ratio/30d": {"kpi": "win_ratio", "window": "30d", "warning": 0.2, "min_samples": 10},
    }


def test_versions_of_one_rep_have_keys_of_their_own(tmp_path: Path) -> None:
    made = reference(
        tmp_path,
        """
        reps:
          - {rep: ann, team: south}
          - {rep: ann, team: north, valid_from: 2024-07-01}
          - {rep: ann, team: west, valid_from: "2024-09-01T08:00:00Z"}
        """,
        "Europe/Berlin",
    )
    assert [record(line)[:2] for line in made] == [
        (REFERENCE, b"rep/ann"),
        (REFERENCE, b"rep/ann@2024-06-30T22:00:00.000Z"),
        (REFERENCE, b"rep/ann@2024-09-01T08:00:00.000Z"),
    ]
    assert len({orjson.loads(line)["id"] for line in made}) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("reps: [{name: Ann}]", ":1: reps[0]: 'rep' is missing"),
        ("reps: [{rep: ann, teem: x}]", "unknown key 'teem' (did you mean 'team'?)"),
        ("rep: [{rep: ann}]", "unknown key 'rep' (did you mean 'reps'?)"),
        ("reps: ann", "expected a list of entries, each `- rep: …`"),
        ("reps: [{rep: ann, active: perhaps}]", "expected one of true, yes"),
        ("reps: [{rep: ann, valid_from: soon}]", "expected an ISO 8601 time"),
        ("rates: [{currency: USD, rate: 0}]", "'0' will not do: Expected `float` > 0.0"),
        ("reps: [{rep: ann}, {rep: ann, team: x}]", "defined in line 1 already; tell them apart by valid_from"),
        ("targets: [{kpi: calls, group: {team: a, rep: b}}]", "expected one dimension"),
        ("targets: [{kpi: calls, window: 31d}]", "targets[0].window: unknown window '31d' (did you mean '30d'?)"),
        ("targets: [{kpi: cals, window: 30d}]", "targets[0].kpi: unknown KPI 'cals' (did you mean 'calls'?)"),
        ("targets: [{kpi: calls, period: day}, {kpi: calls, window: today}]", "targets[1]: defined in line 1 already"),
        (
            "thresholds: [{kpi: calls, window: 7d, warning: 1, critical: 2}]",
            "thresholds[0].critical: 2 with warning 1: higher is better, so expected critical below it",
        ),
        ("", "is empty; expected reps, teams, stages, rates, targets, thresholds"),
        ("reps: [", "not YAML"),
    ],
)
def test_mistakes_in_reference_data_say_what_would_be_right(run: Run, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "reference.yaml"
    path.write_text(text)
    result = run("reference", "load", path, "--out", "-")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {path}:")
    assert says in result.err


def test_reference_events_are_checked_line_by_line(run: Run, tmp_path: Path) -> None:
    made = reference(tmp_path, "reps: [{rep: ann}]\nteams: [{team: south}]")
    path = tmp_path / "reference.ndjson"
    path.write_bytes(b"\n".join([*made, b"", b"{", made[0].replace(b"rep.defined", b"call.logged")]))
    result = run("reference", "load", path, "--out", "-")
    assert result.code == 1
    assert [line.split(" ")[1] for line in result.errors] == [f"{path}:4:", f"{path}:5:"]
    path.write_bytes(b"\n".join(made))
    assert run("reference", "load", path, "--out", "-").out.encode().splitlines() == made


def test_kpis_can_be_listed_shown_and_checked(run: Run) -> None:
    names = [kpi.name for kpi in catalogue("USD").kpis]
    listed = run("kpis", "list", "--currency", "USD", "--format", "json").out.splitlines()
    assert [orjson.loads(line)["kpi"] for line in listed] == names
    table = run("kpis", "list", "--currency", "USD").out
    assert all(name in table for name in names)
    shown = run("kpis", "show", "win_ratio").out
    assert catalogue()["win_ratio"].formula in shown
    assert catalogue()["win_ratio"].means in shown
    assert run("kpis", "check", "--currency", "CHF") == (0, "", f"{len(names)} KPIs, all right\n")


EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "kpis.example.yaml"


def test_ones_own_kpis_are_beside_the_built_in_ones(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("kpis", "check", EXAMPLE) == (0, "", f"{len(catalogue().kpis) + 12} KPIs, all right\n")
    assert (
        "revenue_eur / effort_points" in run("kpis", "show", "revenue_per_effort_eur_per_point", "--kpis", EXAMPLE).out
    )
    events = tmp_path / "events.ndjson"
    assert run("simulate", "--out", events, "--for", "20s", "--rate", "20", "--start", "2025-03-01").code == 0
    monkeypatch.setenv("STREAMPROC_KPIS_FILE", str(EXAMPLE))
    found = run("backtest", events, "--kpi", "effort_points", "--by", "company", "--window", "all", "--format", "json")
    (row,) = map(orjson.loads, found.out.splitlines())
    assert row["value"] > 20


def test_a_bad_file_of_kpis_is_refused_with_all_its_mistakes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "kpis.yaml"
    path.write_text(
        EXAMPLE.read_text().replace("of: contact_touched", "of: contact_tuched").replace("q: 0.75", "q: 75")
    )
    told = run("kpis", "check", path)
    assert (told.code, told.out, len(told.errors)) == (1, "", 2)
    assert "people_by_account: of: unknown fact 'contact_tuched' (did you mean 'contact_touched'?)" in told.errors[0]
    for command in (("worker",), ("worker", "--stage", "kpis"), ("worker", "--stage", "facts"), ("kpis", "list")):
        assert run(*command, "--kpis", path) == (2, "", told.err)
