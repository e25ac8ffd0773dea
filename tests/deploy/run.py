"""`make check-deploy [ARGS="NAME ..."]`: everything for deployment, as far as it goes without Docker and Kubernetes.

Runs the checks one after the other and ends with a table; exit code 1 if one failed. What cannot be tried here has a
row too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deploy.composefile import ROOT, example, filled
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
BIN = ROOT / ".venv"
OK, FAILED, NOT_RUN = "ok", "failed", "not run"
TAIL = 3000  # characters of a failed check's output


class Check(NamedTuple):
    """A check: `words` are its command, or what makes it."""

    name: str
    what: str
    words: list[str] | Callable[[Path], list[str]]


def pytest(*files: str) -> list[str]:
    words = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    return [*words, *(str(HERE / name) for name in files)]


def compose_loader(folder: Path) -> list[str]:
    """Compose's own loader, on the file with its variables filled in: it reads none from its environment."""
    text = filled({**example(), "GRAFANA_ADMIN_PASSWORD": "secret"})
    (folder / "docker-compose.yml").write_text(text)
    return [str(BIN / "go" / "cmd"), str(folder / "docker-compose.yml")]


CHECKS = (
    Check("compose", "compose file: schema, commands, settings, files, ports, variables", pytest("test_compose.py")),
    Check("loader", "compose file: the loader of docker compose (compose-go)", compose_loader),
    Check("processes", "compose file: its services as plain processes", [sys.executable, str(HERE / "processes.py")]),
    Check("hadolint", "Dockerfile: hadolint", [str(BIN / "deploy" / "bin" / "hadolint"), str(ROOT / "Dockerfile")]),
    Check("image", "Dockerfile: its RUN steps in a clean environment", [sys.executable, str(HERE / "image.py")]),
    Check(
        "helm",
        "chart: helm lint, helm template, schemas of Kubernetes and operator",
        pytest("check_chart.py", "test_chart_values.py"),
    ),
    Check("systemd", "units: systemd-analyze verify, commands, settings", pytest("test_systemd.py")),
    Check("drill", "disasters: workers, state, cluster lost", [sys.executable, str(HERE.parent / "drill" / "run.py")]),
)
NEVER_HERE = {
    "image built, its size, its user; docker compose up": "needs a Docker daemon and base images",
    "Grafana in the compose file": "needs its image",
    "chart installed: scheduling, probes, NetworkPolicy": "needs a Kubernetes cluster",
    "units started": "needs a systemd that runs as PID 1",
}


def run(check: Check, console: Console) -> tuple[str, float]:
    """Outcome and seconds; the output of a check that failed is printed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, console.status(check.what):
        words = check.words if isinstance(check.words, list) else check.words(Path(folder))
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    outcome = FAILED if done.returncode else OK
    console.print(f"{outcome}: {check.what}", highlight=False)
    if done.returncode:
        console.print((done.stdout + done.stderr)[-TAIL:], markup=False, highlight=False)
    return outcome, time.monotonic() - began


def main(names: list[str]) -> int:
    unknown = set(names) - {check.name for check in CHECKS}
    if unknown:
        raise SystemExit(f"no such check: {', '.join(unknown)}; there are {', '.join(check.name for check in CHECKS)}")
    console = Console(stderr=True)
    table = Table("name", "what", "", "seconds", title="Deployment")
    outcomes = []
    for check in CHECKS:
        if names and check.name not in names:
            table.add_row(check.name, check.what, "not asked for", "")
            continue
        outcome, seconds = run(check, console)
        outcomes.append(outcome)
        table.add_row(check.name, check.what, outcome, f"{seconds:.1f}")
    for what, why in NEVER_HERE.items():
        table.add_row("", what, f"{NOT_RUN}: {why}", "")
    Console(width=150).print(table)
    return int(FAILED in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
