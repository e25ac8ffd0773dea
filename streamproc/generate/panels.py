"""Panels in the few forms that the dashboards use, and what they have in common: units, colours, links.

Colours can be told apart by people who do not see red and green, and say nothing alone: numbers, words and arrows do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from streamproc.generate.queries import Query
from streamproc.kpis.kpi import Kpi

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
NO_VALUE = "-"
GOOD, MIDDLING, BAD, UNKNOWN, PLAIN = "#56B4E9", "#E69F00", "#CC79A7", "#8E8E8E", "text"
LINES = (GOOD, BAD, "#F0E442", "#0072B2")  # blue, magenta, yellow, dark blue
ATTAINMENT = ((None, UNKNOWN), (0.0, BAD), (0.9, MIDDLING), (1.0, GOOD))

Panel = Builder[model.Panel]
P = TypeVar("P", stat.Panel, bargauge.Panel, timeseries.Panel, table.Panel)
Steps = Sequence[tuple[float | None, str]]  # from a number on, a colour; the first from None, for all below


class Text(NamedTuple):
    """What a panel is called, and what it tells."""

    title: str
    about: str


class Look(NamedTuple):
    """How numbers are shown: of a panel, or of one of its queries."""

    unit: str = "short"
    steps: Steps = ((None, PLAIN),)
    words: Sequence[tuple[str, str]] = ()  # in place of the numbers 0, 1, 2 ...: word and colour
    decimals: int | None = None


class Link(NamedTuple):
    """Where a click on a value leads."""

    title: str
    url: str


def unit_of(kpi: Kpi) -> str:
    """Grafana's unit for a KPI's values."""
    if kpi.unit in ("ratio", "seconds"):
        return {"ratio": "percentunit", "seconds": "s"}[kpi.unit]
    currency = kpi.unit.partition("_")[0]
    return f"currency{currency.upper()}" if len(currency) == 3 and currency != "per" else "short"


def look_of(kpi: Kpi, steps: Steps = ((None, PLAIN),)) -> Look:
    """How a KPI's values are shown."""
    return Look(unit_of(kpi), steps, decimals=1 if kpi.unit == "ratio" else None)


def numbers(text: Text, queries: Sequence[Query], look: Look, others: dict[int, Look] | None = None) -> stat.Panel:
    """One line for each query; `others`: how the lines of other queries than the first are shown."""
    panel = (
        _common(stat.Panel(), text, queries, look)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .color_mode(common_model.BigValueColorMode.VALUE)
        .text_mode(common_model.BigValueTextMode.VALUE_AND_NAME)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .wide_layout(True)
        .reduce_options(_latest())
    )
    for n, other in (others or {}).items():
        panel.override_by_query(_ref(n), _properties(other))
    return panel


def bars(
    text: Text, queries: Sequence[Query], look: Look, link: Link | None = None, most: float | None = None
) -> bargauge.Panel:
    """Horizontal bars, in the order that the queries give. `most`: the value of a full bar."""
    panel = (
        _common(bargauge.Panel(), text, queries, look)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .value_mode(common_model.BarGaugeValueMode.TEXT)
        .name_placement(common_model.BarGaugeNamePlacement.LEFT)
        .show_unfilled(True)
        .reduce_options(_latest())
        .min(0)
    )
    if most is not None:
        panel.max(most)
    return panel.data_links([_data_link(link)]) if link else panel


def chart(text: Text, queries: Sequence[Query], look: Look, limits: Sequence[int] = ()) -> timeseries.Panel:
    """Lines over time; `limits` are the queries of limits and targets, drawn dashed.

    Queries of one line each have colours of their own; many lines of a query have shades by value, from blue to purple.
    """
    panel = (
        _common(timeseries.Panel(), text, queries, look)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.CONTINUOUS_BL_PU))
        .line_width(2)
        .fill_opacity(0)
        .show_points(common_model.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_model.LegendDisplayMode.LIST)
            .placement(common_model.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
    )
    for n, query in enumerate(queries):
        if n in limits:
            dashes = model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]})
            panel.override_by_query(_ref(n), [_fixed(MIDDLING), dashes])
        elif "{{" not in query.legend:
            panel.override_by_query(_ref(n), [_fixed(LINES[n])])
    return panel


def _fixed(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


class Column(NamedTuple):
    """A column of a table: its query gives a value for each row."""

    name: str
    expr: str
    look: Look


def rows(
    text: Text, key: str, columns: Sequence[Column], heads: dict[str, str], link: Link | None = None
) -> table.Panel:
    """A table with one row for each value of a label, `key`; `heads` names the labels that are shown."""
    queries = [Query(column.expr) for column in columns]
    panel = _common(table.Panel(), text, queries, columns[0].look, PromQueryFormat.TABLE)
    panel.show_header(True).align(common_model.FieldTextAlignment.AUTO)
    names = {f"Value #{_ref(n)}": column.name for n, column in enumerate(columns)}
    if len(columns) == 1:
        names = {"Value": columns[0].name}
    else:
        panel.with_transformation(_transformation("joinByField", byField=key, mode="outer"))
    panel.with_transformation(_transformation("filterFieldsByName", include={"names": [*heads, *names]}))
    panel.with_transformation(_transformation("organize", renameByName={**heads, **names}))
    for column in columns:
        panel.override_by_name(column.name, _properties(column.look))
    return panel.data_links([_data_link(link)]) if link else panel


def band_look(words: Sequence[str]) -> Look:
    """How `kpi_band` is shown: by its words in the order ok, warning, critical."""
    return Look("none", words=tuple(zip(words, (GOOD, MIDDLING, BAD), strict=True)))


def _common(
    panel: P, text: Text, queries: Sequence[Query], look: Look, kind: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> P:
    panel.title(text.title).description(text.about).datasource(DATASOURCE).no_value(NO_VALUE).unit(look.unit)
    panel.thresholds(_thresholds(look.steps)).color_scheme(
        dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
    )
    if look.decimals is not None:
        panel.decimals(look.decimals)
    if look.words:
        panel.mappings([_mapping(look.words)])
    for n, query in enumerate(queries):
        target = prometheus.Dataquery().datasource(DATASOURCE).expr(query.expr).legend_format(query.legend)
        target = target.ref_id(_ref(n)).format(kind)
        panel.with_target(target.instant() if query.instant else target.range())
    return panel


def _ref(n: int) -> str:
    return chr(ord("A") + n)


def _latest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [model.Threshold(value, colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def _mapping(words: Sequence[tuple[str, str]]) -> model.ValueMap:
    return model.ValueMap(
        {str(n): model.ValueMappingResult(word, colour, index=n) for n, (word, colour) in enumerate(words)}
    )


def _properties(look: Look) -> list[model.DynamicConfigValue]:
    """The same as overrides."""
    steps = [{"value": value, "color": colour} for value, colour in look.steps]
    found: list[tuple[str, Any]] = [
        ("unit", look.unit),
        ("thresholds", {"mode": "absolute", "steps": steps}),
        ("color", {"mode": "thresholds"}),
        ("mappings", [_mapping(look.words)] if look.words else []),
    ]
    if look.decimals is not None:
        found.append(("decimals", look.decimals))
    return [model.DynamicConfigValue(*one) for one in found]


def _data_link(link: Link) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(link.title).url(link.url).type(model.DashboardLinkType.LINK)


def _transformation(name: str, **options: object) -> model.DataTransformerConfig:
    return model.DataTransformerConfig(id_val=name, options=options)
