"""The documentation says what the code says: tables by row, commands, links, and the README's cheap commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from prometheus_client import Metric

from streamproc import kpi_docs
from streamproc.bus.topics import table
from streamproc.cli import app
from streamproc.codec import REASONS
from streamproc.event_data import Dims
from streamproc.events import EVENTS, Event, EventType
from streamproc.kpis.catalogue import catalogue
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.settings import Settings
from streamproc.windows.calendar import WINDOWS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DAY_MS = 86_400_000
# What a reader may run at once: no broker, no files but those that the README itself makes, no installation.
CHEAP = ("streamproc --", "streamproc kpis ", "streamproc simulate --out ", "streamproc backtest events.ndjson")
LEAST_CHEAP = 4


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def cells(*texts: str) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def code(text: str) -> str:
    return f"`{text}`"


def event_row(row: EventType) -> str:
    family, *fields = row.subject.split("/")
    subject = code("/".join([family, *(f"<{name}>" for name in fields or ["id"])])) if family else "any"
    shared = {field.name for field in msgspec.structs.fields(Dims)}
    required, optional = [], []
    for field in msgspec.structs.fields(row.data):
        if field.required:
            required.append(code(field.name))
        elif field.name not in shared or not issubclass(row.data, Dims):
            optional.append(code(field.name))
    return cells(code(row.name), subject, ", ".join(required) or "–", ", ".join(optional) or "–")


def envelope_field(field: msgspec.structs.FieldInfo) -> str:
    return f"| {code(field.name)} | {'yes' if field.required else 'no'} |"


def setting_row(name: str) -> str:
    field = Settings.model_fields[name]
    default = field.default
    shown = "none" if default in (None, "", []) else code(str(default))
    return cells(code(f"STREAMPROC_{name.upper()}"), shown, field.description or "")


def topic_row(spec: Any) -> str:
    kept = "latest record of each key" if spec.retention_ms is None else f"{spec.retention_ms // DAY_MS} days"
    partitions = "1" if spec.partitions == 1 else "P"
    name = (
        "`kpi.partials` (`kpi.partials.<app>`)"
        if spec.name == "kpi.partials.APP"
        else code(spec.name.replace("APP-", "<app>-"))
    )
    return f"| {name} | {spec.key} | {partitions} | {kept} |"


def metric_start(family: Metric) -> str:
    """How the row of a metric of the worker itself begins: its name as in the text format."""
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return f"| {code(family.name + suffix)} |"


def commands() -> Iterator[str]:
    def walk(command: Any, path: str) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if not children:
            yield path
            return
        for name, child in children.items():
            yield from walk(child, f"{path} {name}")

    yield from walk(typer.main.get_command(app), "streamproc")


def example_of(command: str) -> str | None:
    """The first example of a command's section in docs/commands.md."""
    found = re.search(
        rf"^## `{re.escape(command)}`$(.*?)(?=^## |\Z)", page("docs/commands.md"), re.DOTALL | re.MULTILINE
    )
    block = re.search(r"```\n(.*?)```", found[1], re.DOTALL) if found else None
    return block[1] if block else None


def shell_blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def cheap_commands() -> list[str]:
    lines = [line for block in shell_blocks(page("README.md")) for line in block.splitlines()]
    return [line for line in lines if line.startswith(CHEAP)]


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVENTS)
def test_events_page_has_every_event_type_under_its_topic(name: str) -> None:
    row = EVENTS[name]
    sections = re.split(r"^## ", page("docs/events.md"), flags=re.MULTILINE)
    (section,) = [one for one in sections if one.startswith(f"`{row.topic}`")]
    assert event_row(row) in section.splitlines()


def test_events_page_has_no_event_type_that_is_no_more() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", page("docs/events.md"), re.MULTILINE)
    assert sorted(rows) == sorted(EVENTS)


@pytest.mark.parametrize("field", msgspec.structs.fields(Event), ids=lambda field: field.name)
def test_events_page_has_the_envelope(field: msgspec.structs.FieldInfo) -> None:
    assert envelope_field(field) in page("docs/events.md")


def test_events_page_says_of_which_types_kpis_are_made() -> None:
    before_tables = page("docs/events.md").split("```json")[0]
    named = re.findall(r"`([a-z_]+\.[a-z_]+)`", before_tables)
    assert sorted(named) == sorted({event for kpi in catalogue().kpis for event in kpi.events})


def test_events_page_has_every_dimension_and_every_reason_of_rejection() -> None:
    text = page("docs/events.md")
    assert [field.name for field in msgspec.structs.fields(Dims) if code(field.name) not in text] == []
    assert re.findall(r"^\| `([a-z0-9_]+)` \| [^|]+ \| [^|]+ \|$", text.split("## Bad input")[1], re.MULTILINE) == [
        *REASONS
    ]


def test_kpis_page_is_what_the_catalogue_generates() -> None:
    text = page("docs/kpis.md")
    assert text == kpi_docs.page(text), "docs/kpis.md is not that of the declarations: run `make docs`"


def test_kpis_page_has_every_kpi_and_every_window() -> None:
    text = page("docs/kpis.md")
    sections = re.findall(r"^### `([a-z0-9_]+)`$", text, re.MULTILINE)
    assert sections == [kpi.name for kpi in catalogue().kpis]
    assert [window for window in WINDOWS if code(window) not in text] == []


def test_only_the_generated_part_of_the_kpis_page_is_written_anew() -> None:
    text = page("docs/kpis.md")
    by_hand = text.replace("# KPIs\n", "# KPIs\n\nFirst.\n", 1) + "Last.\n"
    assert kpi_docs.page(by_hand.replace("### `win_ratio`", "### `gone`")) == by_hand
    with pytest.raises(ValueError, match="expected the marks"):
        kpi_docs.page("# KPIs\n")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_kafka_page_has_every_setting(name: str) -> None:
    assert setting_row(name) in page("docs/kafka.md").splitlines()


def test_kafka_page_has_no_setting_that_is_no_more() -> None:
    rows = re.findall(r"^\| `STREAMPROC_(\w+)` \|", page("docs/kafka.md"), re.MULTILINE)
    assert sorted(name.lower() for name in rows) == sorted(Settings.model_fields)


@pytest.mark.parametrize("spec", table("APP"), ids=lambda spec: spec.name)
def test_kafka_page_has_every_topic(spec: Any) -> None:
    assert topic_row(spec) in page("docs/kafka.md")


@pytest.mark.parametrize("family", list(OwnMetrics("facts", "0").registry.collect()), ids=lambda family: family.name)
def test_metrics_page_has_every_metric_of_the_worker(family: Metric) -> None:
    assert metric_start(family) in page("docs/metrics.md")


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", list(commands()))
def test_commands_page_has_every_command_with_an_example(command: str) -> None:
    example = example_of(command)
    assert example is not None, f"docs/commands.md: expected a section ## `{command}` with an example"
    assert command in example


def test_commands_page_has_no_command_that_is_no_more() -> None:
    sections = re.findall(r"^## `(streamproc [^`]+)`$", page("docs/commands.md"), re.MULTILINE)
    assert sorted(sections) == sorted(commands())


def test_contributing_has_every_target_of_make_and_no_other() -> None:
    (line,) = re.findall(r"^\.PHONY: (.+)$", page("Makefile"), re.MULTILINE)
    targets = set(line.split())
    assert set(re.findall(r"^\s+'make ([\w-]+) ", page("Makefile"), re.MULTILINE)) == targets - {"help"}
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", page("CONTRIBUTING.md"), re.MULTILINE)) == targets


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_options_exist(path: Path) -> None:
    """Every `streamproc …` line of a page names a command that there is, with options that it has."""
    known = set(commands())
    for block in re.findall(r"```(?:sh)?\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        for line in re.findall(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(streamproc (?!--).*)$", block, re.MULTILINE):
            words = shlex.split(line, comments=True)
            name = next((name for name in (" ".join(words[:3]), " ".join(words[:2])) if name in known), None)
            assert name, f"{line}: no such command"
            options = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert options <= options_of(name), f"{line}: {options - options_of(name)}"


def options_of(name: str) -> set[str]:
    command: Any = typer.main.get_command(app)
    for word in name.split()[1:]:
        command = command.commands[word]
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


# --- links and README ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith(("http:", "https:", "#"))]
    assert [link for link in links if not (path.parent / link.partition("#")[0]).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    text = page("README.md")
    pages = [
        path for path in PAGES if path.parent == ROOT / "docs" or path.name in ("ARCHITECTURE.md", "CONTRIBUTING.md")
    ]
    assert pages
    assert [str(path.relative_to(ROOT)) for path in pages if f"({path.relative_to(ROOT)})" not in text] == []


def test_the_readmes_cheap_commands_run_as_written(tmp_path: Path) -> None:
    """Literally, by a shell, in order, in an empty folder: none may fail, and each must print something."""
    lines = cheap_commands()
    assert len(lines) >= LEAST_CHEAP
    env = {name: value for name, value in os.environ.items() if not name.startswith("STREAMPROC_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    for line in lines:
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout or " --out " in line, f"{line}: printed nothing"
