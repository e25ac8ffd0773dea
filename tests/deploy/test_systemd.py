"""The systemd units: checked by systemd itself, their commands by our own command line."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from deploy.clicheck import refused
from deploy.composefile import ROOT

from streamproc.cli.errors import NEEDS_PERSON
from streamproc.settings import PREFIX, Settings

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("streamproc*.service"))
WORKERS = {"facts": "8701", "kpis": "8700"}
OWN = {"STREAMPROC_TOPICS"}  # read by a unit, not by the program


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read(FOLDER / name)
    return found


def settings() -> dict[str, str]:
    """What the example sets, with what is commented out."""
    text = (FOLDER / "streamproc.env.example").read_text()
    return dict(re.findall(r'^#?(STREAMPROC_\w+)="?([^"\n]*)"?$', text, re.MULTILINE))


def test_there_are_units() -> None:
    assert UNITS == ["streamproc-facts@.service", "streamproc-kpis@.service", "streamproc-topics.service"]


def test_systemd_accepts_them(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing; install the Debian package systemd")
    for path in FOLDER.iterdir():
        text = path.read_text().replace("/opt/streamproc/bin/streamproc", "/bin/true")
        (tmp_path / path.name).write_text(text)
    instances = [f"streamproc-{stage}@{port}.service" for stage, port in WORKERS.items()]
    verified = ["streamproc.target", "streamproc-topics.service", *instances]
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *(tmp_path / name for name in verified)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "streamproc" not in done.stderr, done.stderr


def test_systemd_refuses_mistakes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing; install the Debian package systemd")
    text = (FOLDER / "streamproc-topics.service").read_text().replace("/opt/streamproc/bin/streamproc", "/bin/true")
    (tmp_path / "streamproc-topics.service").write_text(text.replace("Restart=on-failure", "Restart=on-faliure"))
    command = [analyze, "verify", "--man=no", tmp_path / "streamproc-topics.service"]
    assert "on-faliure" in subprocess.run(command, capture_output=True, text=True).stderr


@pytest.mark.parametrize("name", UNITS)
def test_our_commands_are_taken(name: str) -> None:
    command = unit(name)["Service"]["ExecStart"].replace("%i", "8700")
    command = command.replace("$STREAMPROC_TOPICS", settings()["STREAMPROC_TOPICS"])
    program, *words = command.split()
    assert program == "/opt/streamproc/bin/streamproc"
    assert refused(words) is None


def test_what_needs_a_person_is_not_started_again() -> None:
    for stage in WORKERS:
        service = unit(f"streamproc-{stage}@.service")["Service"]
        assert service["RestartPreventExitStatus"] == str(NEEDS_PERSON)
        assert f"--stage {stage} " in service["ExecStart"]


def test_both_workers_differ_in_their_stage_only() -> None:
    facts, kpis = ((FOLDER / f"streamproc-{stage}@.service").read_text().splitlines() for stage in WORKERS)
    apart = [(a, b) for a, b in zip(facts, kpis, strict=True) if a != b and not a.startswith("#")]
    assert len(apart) == 2
    assert all(a.replace("facts", "kpis") == b for a, b in apart)


def test_the_cap_on_entities_fits_the_memory() -> None:
    """One facts worker may have all partitions, when the others are down; 500 bytes each, see docs/operations.md."""
    most = int(settings()["STREAMPROC_MAX_ENTITIES"]) * int(settings()["STREAMPROC_PARTITIONS"]) * 500
    assert unit("streamproc-facts@.service")["Service"]["MemoryMax"] == "4G"
    assert most < 2e9


def test_the_settings_of_the_example_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    names = {field.upper() for field in Settings.model_fields}
    for variable, value in settings().items():
        if variable not in OWN:
            assert variable.removeprefix(PREFIX).removesuffix("_FILE") in names
            monkeypatch.setenv(variable, str(tmp_path / "secret") if variable.endswith("_FILE") else value)
    assert Settings().security_protocol == "SASL_SSL"
