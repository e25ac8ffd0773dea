"""Errors for people: one line on stderr each, without a stack trace, and an exit code.

Every exception that this project defines has a message for people; so what is expected is told by where it was defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

FAILED = 1
WRONG_USE = 2  # a wrong option, setting or address, or something a start needs is missing: trying again will not help
NEEDS_PERSON = 3  # a worker stopped, and starting it again gives the same until somebody has decided something
INTERRUPTED = 130
# Those that keep a worker from starting at all.
_REFUSALS = ("BrokerUnavailable", "TopicsMissing", "ListenError", "SecurityError", "OwnKpiErrors")
_NEEDS_PERSON = ("OffsetsLost", "TooManyRejected", "StateVersionError", "BackfillNeeded", "HandoverError")

# typer has its own copy of click since 0.20; both are meant.
ClickError: Any = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


class CliError(Exception):
    """Something expected went wrong: lines for stderr and the exit code."""

    def __init__(self, *lines: str, code: int = FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.code = code


def wrong_use(message: str) -> CliError:
    """An option, argument or setting that will not do."""
    return CliError(message, code=WRONG_USE)


def explain(error: BaseException) -> tuple[Sequence[str], int] | None:
    """Lines and exit code of an expected error; None for a mistake of ours, which deserves its stack trace."""
    if isinstance(error, CliError):
        return error.lines, error.code
    if isinstance(error, ClickError):
        return _usage(error), WRONG_USE
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("streamproc.")}
    if names:
        return str(error).splitlines(), _code(names)
    if type(error).__module__.startswith("aiokafka."):
        return [f"Kafka: {type(error).__name__}: {error}"], FAILED
    if isinstance(error, OSError) and error.filename is not None:
        return [f"{error.filename}: {_reason(error)}"], FAILED
    return None


def _code(names: set[str]) -> int:
    if names.intersection(_NEEDS_PERSON):
        return NEEDS_PERSON
    return WRONG_USE if names.intersection(_REFUSALS) else FAILED


def _usage(error: Any) -> list[str]:
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
        return []
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    advice = f" (see `{context.command_path} --help`)" if context is not None else ""
    return [f"{message[:1].lower()}{message[1:].rstrip('.')}{advice}"]


def _reason(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return "no permission"
        case IsADirectoryError():
            return "is a directory; expected a file"
    return error.strerror or str(error)
