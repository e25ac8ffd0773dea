"""Alerts on the processor itself: `processor.yaml` declares rule and runbook of each."""

from __future__ import annotations

from importlib.resources import files as resources

import msgspec

FRESH_S = "10.0"  # an event should be in its KPIs after so long; a bucket of streamproc_pipeline_latency_seconds


class Alert(msgspec.Struct, forbid_unknown_fields=True, rename={"held": "for"}):
    """`held`: for how long (`for`). `means`: what it is. `do`: what to do, step by step."""

    severity: str
    expr: str
    summary: str
    means: str
    do: list[str]
    held: str = ""


def _stale(window: str) -> dict[str, str]:
    family = "streamproc_pipeline_latency_seconds"
    return {
        "record": f"streamproc:pipeline_latency_seconds:stale_ratio_rate{window}",
        "expr": f'1 - sum by (job) (rate({family}_bucket{{le="{FRESH_S}"}}[{window}])) '
        f"/ sum by (job) (rate({family}_count[{window}]) > 0)",
    }


# Share of checkpoints in which an event took longer than that.
RECORDED = tuple(_stale(window) for window in ("5m", "30m", "1h", "6h", "3d"))


def alerts() -> dict[str, Alert]:
    """All of them by name. Raises msgspec.ValidationError if the file is wrong."""
    text = resources(__package__).joinpath("processor.yaml").read_bytes()
    return msgspec.yaml.decode(text, type=dict[str, Alert])
