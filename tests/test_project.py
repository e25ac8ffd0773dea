"""Rules of the repository itself: sizes, nothing of a developer's machine in it, and no silent skips in CI."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_README_LINES = 80

# In two halves, so that this file does not contain what it forbids.
FORBIDDEN = [
    first + second
    for first, second in [
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("registry.npm", "js.org"),
        ("registry.yarn", "pkg.com"),
        ("repo.maven", ".apache.org"),
        ("repo1.maven", ".org"),
        ("proxy.golang", ".org"),
        ("crates", ".io"),
        ("rubygems", ".org"),
        ("conda.anaconda", ".org"),
        ("/work/", "shared"),
        ("/work/", "main"),
    ]
]


def repository_files() -> list[Path]:
    """What is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def sources() -> list[Path]:
    return sorted((ROOT / "streamproc").rglob("*.py"))


def test_files_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = {f"{path.relative_to(ROOT)}:{name}": length for path in sources() for name, length in functions(path)}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


def test_no_registry_host_and_no_path_of_a_machine() -> None:
    files = repository_files()
    assert Path(__file__).resolve() in files
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in files
        for text in FORBIDDEN
        if text.encode() in path.read_bytes()
    ]
    assert found == []


@pytest.mark.parametrize(
    ("reason", "ci", "status"),
    [
        ("promtool not installed: apt install prometheus", "true", pytest.ExitCode.TESTS_FAILED),
        ("promtool not installed: apt install prometheus", "", pytest.ExitCode.OK),
        ("shared data not present", "true", pytest.ExitCode.OK),
    ],
)
@pytest.mark.parametrize("whole_file", [False, True])
def test_skips_are_told_and_fail_in_ci(reason: str, ci: str, status: int, whole_file: bool, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    skip = f"import pytest\npytest.skip({reason!r}, allow_module_level=True)\n"
    if not whole_file:
        skip = f"import pytest\n@pytest.mark.skip(reason={reason!r})\ndef test_skipped(): pass\n"
    (tmp_path / "test_skips.py").write_text(skip)
    (tmp_path / "test_passes.py").write_text("def test_passes(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={"CI": ci, "PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"1 skipped: {reason}" in run.stdout
    assert run.returncode == status, run.stdout + run.stderr
