"""Whether our command line takes some words, without running the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from streamproc.cli import app
from streamproc.cli.errors import ClickError


def refused(words: Sequence[str]) -> str | None:
    """What `streamproc WORDS` would be refused for; None if it would start."""
    command: Any = typer.main.get_command(app)
    name, rest, parent = "streamproc", list(words), None
    try:
        while True:
            context = command.make_context(name, rest, parent=parent)
            if not hasattr(command, "commands"):
                return None
            name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            parent = context
    except ClickError as error:
        return str(error.format_message())
