"""Every KPI of the catalogue has a drawn timeline, in the test file of its module."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamproc.kpis import catalogue as package
from streamproc.kpis.catalogue import catalogue

HERE = Path(__file__).parent
DECLARE_NONE = ("durations", "judgement")
MODULES = [found.name for found in pkgutil.iter_modules(package.__path__) if found.name not in DECLARE_NONE]


def asked(path: Path) -> set[str]:
    """What tests of a file ask a timeline for: first arguments of `row` and the like, and what is looped over."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name for node in ast.walk(tree) for name in _names(node)}


def _names(node: ast.AST) -> Iterator[str]:
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("row", "value", "groups")
    ):
        yield from _literals(node.args[0])
    elif isinstance(node, ast.For):
        yield from _literals(node.iter)


def _literals(node: ast.AST) -> Iterator[str]:
    yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_catalogue_has_a_test_file(module: str) -> None:
    assert (HERE / f"test_{module}_kpis.py").is_file()


@pytest.mark.parametrize("kpi", [kpi.name for kpi in catalogue().kpis])
def test_every_kpi_has_a_timeline(kpi: str) -> None:
    assert any(kpi in asked(path) for path in HERE.glob("test_*_kpis.py")), f"no drawn timeline asks for {kpi}"
