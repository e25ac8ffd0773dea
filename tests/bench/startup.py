"""From the start of a worker's process, with nothing in its state, until it takes part in its group (`/ready`)."""

from __future__ import annotations

import time
from urllib.error import URLError

from throughput import cluster_of

LOOK_S = 0.01
LIMIT_S = 60.0


def startup(stage: str) -> float:
    """Seconds."""
    with cluster_of() as cluster:
        began = time.monotonic()
        cluster.start(stage, stage)
        while time.monotonic() < began + LIMIT_S:
            try:
                cluster.get(stage, "/ready")
            except (URLError, ConnectionError):
                time.sleep(LOOK_S)
            else:
                return time.monotonic() - began
        raise TimeoutError(f"{stage} is not ready after {LIMIT_S:g} s: {cluster.log(stage)}")
