"""Expected errors are one clear line each on stderr, with an exit code and without a stack trace."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from cli.conftest import Run
from streamproc import __version__
from streamproc.cli import app, doctor

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nope"], "no such command 'nope'"),
        (["replay"], "missing argument 'FILE'"),
        (["replay", "x", "--fast"], "no such option: --fast"),
        (["replay", "x", "--rate", "quick"], "--rate: expected events a second, such as 500, or max, found 'quick'"),
        (["worker", "--port", "99999"], "--port: expected less than or equal to 65535, found 99999"),
        (["worker", "--port", "65535"], "--port: expected at most 65534"),
        (["worker", "--clock", "sun"], "--clock: expected 'wall' or 'event', found 'sun'"),
        (["worker", "--stage", "two"], "'--stage'"),
        (["topics", "list", "--bootstrap-servers", "here"], "--bootstrap-servers: expected host:port[,host:port]"),
        (["topics", "list", "--app", "a b"], "--app: expected text matching"),
        (["kpis", "show", "win_rati"], "unknown KPI 'win_rati' (did you mean 'win_ratio'?)"),
        (["values", "--kpi", "call"], "--kpi: unknown KPI 'call' (did you mean 'calls'?)"),
        (["values", "--where", "rap=ann"], "--where: unknown dimension 'rap' (did you mean 'rep'?)"),
        (["values", "--where", "rep"], "--where: expected a group such as rep=ann, or company, found 'rep'"),
        (["values", "--where", "company=x"], "--where: expected a group"),
        (["values", "--window", "7 d"], "--window: unknown window '7 d' (did you mean '7d'?)"),
        (["backtest", "x", "--by", "reg"], "--by: unknown dimension 'reg'"),
        (["backtest", "x", "--kpi", "win_ratio", "--by", "deal_stage"], "win_ratio is not kept by deal_stage, but by"),
        (["backtest", "x", "--at", "2018-01-01T00:00:01Z"], "--at: expected a whole minute"),
        (["backtest", "x", "--at", "2018-01-01T00:00"], "has no UTC offset; expected a time such as"),
        (["backtest", "x", "--at", "yesterday"], "--at: expected a date or a time such as"),
        (["backtest", "x", "--timezone", "Berlin"], "--timezone: expected a time zone such as Europe/Berlin"),
        (["simulate", "--out", "x"], "--out needs --for"),
        (["simulate", "--start", "2025-01-01"], "--start: goes with --out only"),
        (["simulate", "--for", "10"], "--for: expected a duration such as 60s"),
        (["demo", "--for", "0s"], "--for: expected a duration such as 60s"),
    ],
)
def test_wrong_use_is_one_line_that_says_what_was_expected(run: Run, args: list[str], says: str) -> None:
    result = run(*args)
    assert (result.code, result.out) == (2, "")
    assert len(result.errors) == 1
    assert result.err.startswith("error: ")
    assert says in result.err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("STREAMPROC_CURRENCY", "euro", "expected text matching ^[A-Z]{3}$, found 'euro'"),
        ("STREAMPROC_BUSINESS_TIMEZONE", "Mars/Base", "expected a time zone such as Europe/Berlin, found 'Mars/Base'"),
        ("STREAMPROC_PORT", "http", "expected a valid integer"),
        ("STREAMPROC_STAGES", "new,old", "expected a list in JSON"),
    ],
)
def test_a_wrong_environment_variable_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    result = run("kpis", "list")
    assert result.code == 2
    assert len(result.errors) == 1
    assert result.err.startswith(f"error: {name}: ")
    assert says in result.err


def test_options_go_before_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_CURRENCY", "USD")
    assert "revenue_usd" in run("kpis", "list").out
    assert "revenue_chf" in run("kpis", "list", "--currency", "CHF").out


@pytest.mark.parametrize(
    "args",
    [
        ["topics", "create"],
        ["topics", "list"],
        ["values"],
        ["rejected", "show"],
        ["simulate", "--for", "1s"],
        ["worker", "--stage", "facts"],
        ["worker"],
        ["demo"],
    ],
)
def test_a_broker_that_is_not_there_is_named(run: Run, args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    result = run(*args, "--bootstrap-servers", NOBODY)
    assert (result.code, result.out) == (2, "")
    assert result.errors == [
        f"error: no Kafka broker answers at {NOBODY}: start it, or give the address of a running one (host:port)"
    ]
    gc.collect()  # a client that nobody closed says so when it goes
    assert capsys.readouterr().err == ""


def test_what_is_sent_to_a_broker_that_is_not_there(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "reference.yaml"
    file.write_text("reps: [{rep: ann}]")
    assert run("reference", "load", file, "--bootstrap-servers", NOBODY).code == 2
    assert run("replay", "-", "--bootstrap-servers", NOBODY).code == 2


def test_nothing_else_is_printed_until_the_process_ends() -> None:
    command = [sys.executable, "-m", "streamproc", "values", "--bootstrap-servers", NOBODY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("args", [["replay"], ["backtest"], ["reference", "load"]])
def test_a_missing_file_is_named(run: Run, tmp_path: Path, args: list[str]) -> None:
    result = run(*args, tmp_path / "none.ndjson")
    assert (result.code, result.errors) == (1, [f"error: {tmp_path}/none.ndjson: no such file"])
    result = run(*args, tmp_path)
    assert (result.code, result.errors) == (1, [f"error: {tmp_path}: is a directory; expected a file"])


def test_an_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "examine", interrupt)
    assert run("doctor") == (130, "", "")


def test_a_mistake_of_ours_keeps_its_stack_trace(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_settings: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(doctor, "examine", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        run("doctor")


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    writer = subprocess.Popen(
        [sys.executable, "-m", "streamproc", "simulate", "--out", "-", "--for", "60s", "--rate", "500"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    writer.stderr.close()
    assert writer.wait() == 1


def commands() -> list[list[str]]:
    found = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        found += [[name, sub] for sub in getattr(command, "commands", ())] or [[name]]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_examples(run: Run, command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.code == 0
    assert "Examples" in result.out
    assert f"streamproc {' '.join(command)}" in result.out.partition("Examples")[2]


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"streamproc {__version__}\n", "")


def test_help_does_not_wait_for_what_only_commands_need() -> None:
    code = (
        "import sys; from streamproc.cli import run_command; run_command(['--help']); "
        "print({'faust', 'aiokafka', 'pydantic', 'asyncio', 'msgspec', 'orjson', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
