"""All cases of the fault suite, in the order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from faults import broker_cases as broker
from faults import input_cases as inputs
from faults import state_cases as state
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
    Case("sigkill", workers.sigkill, seeds=25),
    Case("sigkill-live", partial(workers.sigkill, live=True), seeds=25),
    *(
        Case(f"kill-{stage}-{point}", partial(workers.kill_point, stage=stage, point=point))
        for stage in ("facts", "kpis")
        for point in POINTS
    ),
    Case("sigterm", workers.sigterm),
    Case("scale-5-rounds", workers.scale, seeds=4),
    Case("sigstop", workers.sigstop),
    Case("broker-stopped-10s", partial(broker.stopped, for_s=10)),
    Case("broker-stopped-2min", partial(broker.stopped, for_s=120)),
    Case("broker-killed", broker.killed),
    Case("broker-out-of-disk", broker.out_of_disk),
    Case("broker-refuses", broker.refuses),
    *(Case(f"network-{fault}", partial(broker.network, fault=fault)) for fault in broker.FAULTS),
    Case("clock-jumps", state.clock_jumps),
    Case("duplicates", inputs.duplicates),
    *(Case(f"rewind-{stage}", partial(inputs.rewind, stage=stage)) for stage in ("facts", "kpis")),
    Case("disorder", inputs.disorder),
    Case("poison", inputs.poison),
    Case("only-poison", inputs.only_poison),
    Case("no-dead-letters", inputs.no_dead_letters),
    Case("changelog-compacted", state.compacted),
    Case("topic-recreated", state.recreated),
    Case("topic-refilled", partial(state.recreated, refilled=True)),
]
