"""`reference set-target` and `reference set-threshold`: one target or threshold, from now on."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from streamproc.cli import arguments, show
from streamproc.cli.errors import wrong_use
from streamproc.cli.lines import write
from streamproc.cli.load import Out, publish, reference
from streamproc.cli.options import (
    Bootstrap,
    Currency,
    Timezone,
    broker,
    examples,
    make_settings,
    run_async,
    set_up_logging,
)

Kpi = Annotated[str, typer.Argument(metavar="KPI", help="Name of the KPI.")]
Group = Annotated[
    str | None, typer.Option("--group", metavar="GROUP", help="Of this group: team=x, rep=ann.", show_default="company")
]
Period = Annotated[
    str | None, typer.Option("--period", metavar="NAME", help="For each day, week, month, quarter or year.")
]
Window = Annotated[str | None, typer.Option("--window", metavar="NAME", help="For this window, such as 7d.")]
ValidFrom = Annotated[
    str | None,
    typer.Option("--valid-from", metavar="TIME", help="Holds from then on: a date or a time.", show_default="now"),
]
Remove = Annotated[bool, typer.Option("--remove", help="There is none any more from then on.")]


@reference.command(
    epilog=examples(
        "streamproc reference set-target revenue_eur 50000 --group team=dach-1 --period month",
        "streamproc reference set-target email_response_ratio 0.2 --window 30d --valid-from 2027-01-01",
        "streamproc reference set-target calls --period day --remove",
    ),
    name="set-target",
)
def set_target(
    kpi: Kpi,
    value: Annotated[float | None, typer.Argument(metavar="VALUE", help="In the KPI's unit; ratios as 0.25.")] = None,
    group: Group = None,
    period: Period = None,
    window: Window = None,
    valid_from: ValidFrom = None,
    remove: Remove = False,
    out: Out = None,
    currency: Currency = None,
    timezone: Timezone = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Set what a KPI should come to; the workers judge by it at once."""
    if (value is None) != remove:
        raise wrong_use("expected a VALUE, or --remove")
    data = {"value": value, "period": period, "window": window}
    options = {"currency": currency, "business_timezone": timezone, "bootstrap_servers": bootstrap_servers}
    _set("targets", kpi, group, valid_from, out, data, options)


@reference.command(
    epilog=examples(
        "streamproc reference set-threshold win_ratio --warning 0.25 --critical 0.2 --window 30d --min-samples 20",
        "streamproc reference set-threshold win_ratio --window 30d --remove",
    ),
    name="set-threshold",
)
def set_threshold(
    kpi: Kpi,
    warning: Annotated[float | None, typer.Option("--warning", help="Values beyond it are a warning.")] = None,
    critical: Annotated[float | None, typer.Option("--critical", help="Values beyond it are critical.")] = None,
    clear: Annotated[float | None, typer.Option("--clear", help="What was bad is ok again from here on.")] = None,
    min_samples: Annotated[
        int | None, typer.Option("--min-samples", min=0, help="With less behind a value its band stays as it is.")
    ] = None,
    group: Group = None,
    period: Period = None,
    window: Window = None,
    valid_from: ValidFrom = None,
    remove: Remove = False,
    out: Out = None,
    currency: Currency = None,
    timezone: Timezone = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Set where a KPI's value is a warning or critical; the workers judge by it at once."""
    if (warning is None and critical is None) != remove:
        raise wrong_use("expected --warning, --critical or both, or --remove")
    data: dict[str, Any] = {"warning": warning, "critical": critical, "clear": clear, "min_samples": min_samples}
    data |= {"period": period, "window": window}
    options = {"currency": currency, "business_timezone": timezone, "bootstrap_servers": bootstrap_servers}
    _set("thresholds", kpi, group, valid_from, out, data, options)


def _set(
    section: str,
    kpi: str,
    group: str | None,
    valid_from: str | None,
    out: str | None,
    data: dict[str, Any],
    options: dict[str, Any],
) -> None:
    settings = make_settings(**options)
    set_up_logging()
    from streamproc.codec import Rejection, decode_reference
    from streamproc.ingest.reference_file import reference_event

    now_ms = int(time.time()) * 1000
    since_ms = now_ms
    if valid_from is not None:
        since_ms = arguments.instant_ms(valid_from, "--valid-from", settings.business_timezone)
    since = datetime.fromtimestamp(since_ms / 1000, UTC)
    given: dict[str, Any] = {"kpi": kpi, "group": _group(group), "valid_from": since}
    given |= {name: found for name, found in data.items() if found is not None}
    line = reference_event(section, given, now_ms, "cli")
    event = decode_reference(line)
    wrong = event.error if isinstance(event, Rejection) else arguments.target_check(settings).wrong(event)
    if wrong:
        raise wrong_use(wrong.replace("`$.data.", "`"))
    if out is None:
        run_async(publish(broker(settings), [line]))
    else:
        write(out, [line])
    show.note(f"{section.removesuffix('s')} of {kpi} set, valid from {show.time_text(_text(since_ms))}")


def _group(text: str | None) -> dict[str, str]:
    (group,) = arguments.groups([text], "--group") if text else [""]
    dimension, _, member = group.partition("=")
    return {dimension: member} if dimension else {}


def _text(time_ms: int) -> str:
    from streamproc.outputs.topics import rfc3339

    return rfc3339(time_ms)
