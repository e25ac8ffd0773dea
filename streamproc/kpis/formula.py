"""Formula: a KPI that is arithmetic over other KPIs, as people write it; never code."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import Any

from streamproc.kpis.kpi import Kpi, Parts, Totals

MAX_CHARACTERS = 200
WIDE = 2**63
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_EXPECTED = "expected names of KPIs and facts, numbers, + - * / and parentheses, such as revenue_eur / calls"


class FormulaError(ValueError):
    """A text that is no formula; the message says what was expected."""


def parse(text: str) -> ast.expr:
    """The tree of a formula. Raises FormulaError."""
    if len(text) > MAX_CHARACTERS:
        raise FormulaError(f"has {len(text)} characters; expected at most {MAX_CHARACTERS}: name parts as KPIs")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"'{text}' cannot be read; {_EXPECTED}") from None
    for node in ast.walk(tree):
        if not _allowed(node):
            raise FormulaError(f"'{ast.unparse(node) or text}' is not allowed; {_EXPECTED}")
    if not names_of(tree):
        raise FormulaError(f"'{text}' names nothing; {_EXPECTED}")
    return tree


def _allowed(node: ast.AST) -> bool:
    match node:
        case ast.BinOp():
            return isinstance(node.op, _OPERATORS)
        case ast.UnaryOp():
            return isinstance(node.op, ast.USub)
        case ast.Constant():
            return type(node.value) in (int, float)
    return isinstance(node, (ast.Name, ast.Load, ast.USub, *_OPERATORS))


def names_of(tree: ast.expr) -> list[str]:
    """The names in a formula, each once, in their order."""
    return list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


@dataclass(frozen=True, kw_only=True)
class Formula(Kpi):
    """Arithmetic over values of other KPIs of the same group and window; undefined where one of them is.

    `n` is that of the operand with least behind it. A quotient has its two sides as numerator and denominator.
    """

    tree: ast.expr
    operands: tuple[tuple[str, Kpi], ...]
    reads_previous: bool
    reads_reps: bool
    reads_length: bool
    target_of: str

    @classmethod
    def of(cls, tree: ast.expr, operands: tuple[tuple[str, Kpi], ...], common: dict[str, Any]) -> Formula:
        """`common`: what every KPI declares."""
        kpis = [kpi for _, kpi in operands]
        return cls(
            tree=tree,
            operands=operands,
            reads_previous=any(kpi.reads_previous for kpi in kpis),
            reads_reps=any(kpi.reads_reps for kpi in kpis),
            reads_length=any(kpi.reads_length for kpi in kpis),
            target_of=next((kpi.target_of for kpi in kpis if kpi.target_of), ""),
            **common,
        )

    @property
    def facts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(fact for _, kpi in self.operands for fact in kpi.facts))

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(level for _, kpi in self.operands for level in kpi.levels))

    def parts(self, now: Totals) -> Parts:
        found = {name: kpi.parts(now) for name, kpi in self.operands}
        values = {name: one.value for name, one in found.items()}
        n = min(one.n for one in found.values())
        value = _value(self.tree, values)
        if isinstance(self.tree, ast.BinOp) and isinstance(self.tree.op, ast.Div):
            return Parts(value, _value(self.tree.left, values), _value(self.tree.right, values), n)
        return Parts(value, value, None, n)


def _value(node: ast.expr, values: dict[str, float | int | None]) -> float | int | None:
    """None where a part is undefined, by 0 is divided, or the result is beyond what a float holds."""
    match node:
        case ast.Name():
            return values[node.id]
        case ast.Constant():
            return _narrow(node.value)  # type: ignore[arg-type]  # numbers only: `parse`
        case ast.UnaryOp():
            inner = _value(node.operand, values)
            return None if inner is None else -inner
        case ast.BinOp():
            left, right = _value(node.left, values), _value(node.right, values)
            return None if left is None or right is None else _result(node.op, left, right)
    raise TypeError(f"no formula: {ast.dump(node)}")


def _result(op: ast.operator, left: float, right: float) -> float | int | None:
    try:
        match op:
            case ast.Add():
                found = left + right
            case ast.Sub():
                found = left - right
            case ast.Mult():
                found = left * right
            case _:
                found = left / right
        return _narrow(found) if math.isfinite(found) else None
    except (ZeroDivisionError, OverflowError):
        return None


def _narrow(number: float) -> float | int:
    """Integers that a record's 64 bits do not hold become floats."""
    return number if abs(number) < WIDE else float(number)
