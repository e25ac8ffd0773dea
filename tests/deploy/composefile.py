"""docker-compose.yml as compose reads it: with the variables of an environment filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
# ${NAME:-default} and ${NAME:?message}: the two forms that the file uses.
VARIABLE = re.compile(r"\$\{(\w+):([-?])([^}]*)\}")


class Missing(ValueError):
    """A variable without a default is not set; the message is that of the file."""


def variables() -> dict[str, str]:
    """Names and defaults in the file; those without a default have the mark "?"."""
    return {name: default if sign == "-" else "?" for name, sign, default in VARIABLE.findall(_without_comments())}


def example() -> dict[str, str]:
    """What .env.example sets."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def filled(env: Mapping[str, str]) -> str:
    """The text with variables filled in. Raises Missing."""

    def value(found: re.Match[str]) -> str:
        name, sign, rest = found.groups()
        if env.get(name):
            return env[name]
        if sign == "?":
            raise Missing(f"{name}: {rest}")
        return rest

    return VARIABLE.sub(value, _without_comments())


def load(env: Mapping[str, str]) -> dict[str, Any]:
    """The whole file, anchors resolved."""
    return dict(yaml.safe_load(filled(env)))


def _without_comments() -> str:
    return "\n".join(line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")) + "\n"
