"""All cases of the fault suite, in the order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from faults import worker_cases as workers
from faults.site import Site
from faults.trial import Outcome

POINTS = ("batch", "transaction", "committed", "recovery", "revoke")


class Case(NamedTuple):
    """`run` does one trial; the same seed does the same."""

    name: str
    run: Callable[[Site, int], Awaitable[Outcome]]
    seeds: int = 5


CASES = [
    Case("sigkill", workers.sigkill, seeds=50),
    *(
        Case(f"kill-{stage}-{point}", partial(workers.kill_point, stage=stage, point=point))
        for stage in ("facts", "kpis")
        for point in POINTS
    ),
]
