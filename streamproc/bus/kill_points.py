"""Test hook: `STREAMPROC_KILL_AT=point[:n]` ends this process with SIGKILL at the n-th passage of a marked point.

For `tests/faults/` only; without the variable a passage costs one comparison. A crash at these points is what exactly
once must survive:

- `batch`: a batch is folded into the state, its offsets are not moved yet
- `transaction`: a checkpoint's records and offsets are sent, its transaction is not committed
- `committed`: a checkpoint is committed, and nothing done since
- `recovery`: a task's changelog is read, its offsets not asked for yet
- `revoke`: partitions are being revoked, the last checkpoint before it is not made yet
"""

from __future__ import annotations

import os
import signal
from typing import Literal

Point = Literal["batch", "transaction", "committed", "recovery", "revoke"]

_point, _, _count = os.environ.get("STREAMPROC_KILL_AT", "").partition(":")
_left = [int(_count or 1)]


def passing(point: Point) -> None:
    """Tell that a marked point is passed."""
    if point == _point:
        _left[0] -= 1
        if _left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
