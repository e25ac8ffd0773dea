"""Child processes that do not outlive us, whatever ends us."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

# A small watcher beside the child reads our end of a pipe: an end of file without a line first means that we are gone,
# be it by SIGKILL. (PR_SET_PDEATHSIG would fire when the *thread* that started the child ends, and is Linux only.)
# `exec` keeps the process id, so the child that we see is the command itself.
_LAUNCH = 'exec 3<&0; (read -r _ <&3 || kill -"$0" $$) & exec "$@" </dev/null 3<&-'


def launch(command: Sequence[str], at_our_end: signal.Signals, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command that gets the signal `at_our_end` when this process is gone. Call `released` after its end.

    It has a session of its own: Ctrl-C in the terminal reaches only us, and we tell the children in order.
    """
    name = at_our_end.name.removeprefix("SIG")
    return subprocess.Popen(
        ["/bin/sh", "-c", _LAUNCH, name, *command], stdin=subprocess.PIPE, start_new_session=True, **options
    )


def released(process: subprocess.Popen[bytes]) -> None:
    """Tell the watcher of a process that has ended that this is in order; its id may be another's by now."""
    with contextlib.suppress(OSError):  # the watcher may be gone already
        process.communicate(b"\n")
