"""What values stand against, as metrics: families, labels, and that nothing lingers."""

from __future__ import annotations

from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from streamproc.kpis.against import Against, Limits
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.judged_metrics import Period
from streamproc.outputs.prometheus import KpiExposition

LABELS = {"scope": "team", "team": "dach-1"}


def value(kpi: str, window: str, unit: str, against: Against | None, group: str = "team=dach-1") -> KpiValue:
    return KpiValue(
        kpi=kpi, group=group, window=window, value=3, numerator=3, denominator=None, n=3, unit=unit,
        window_start_ms=0, as_of_ms=1, against=against,
    )  # fmt: skip


def samples(exposition: KpiExposition, openmetrics: bool = False) -> dict[str, list[tuple[dict[str, str], float]]]:
    parse = openmetrics_families if openmetrics else text_string_to_metric_families
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in parse(exposition.render(openmetrics).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    found.pop("kpi_revenue_eur", None)
    found.pop("kpi_win_ratio", None)
    return found


TARGET = Against(target=50_000, attainment=0.5, pace=1.25, elapsed=0.4, band="ok")
LIMITS = Against(band="critical", limits=Limits(warning=0.25, critical=0.2, clear=0.3, min_samples=20))


def test_a_target_with_attainment_pace_and_band() -> None:
    exposition = KpiExposition(catalogue())
    exposition.apply([value("revenue_eur", "month", "eur", TARGET)])
    month = {"kpi": "revenue_eur", **LABELS, "window": "month"}
    for openmetrics in (False, True):
        assert samples(exposition, openmetrics) == {
            "kpi_target": [({**month, "unit": "eur", "period": "month"}, 50_000)],
            "kpi_attainment_ratio": [(month, 0.5)],
            "kpi_target_pace_ratio": [(month, 1.25)],
            "kpi_band": [(month, 0)],
        }


def test_limits_with_severity_and_side() -> None:
    exposition = KpiExposition(catalogue())
    exposition.apply([value("win_ratio", "30d", "ratio", LIMITS)])
    labels = {"kpi": "win_ratio", **LABELS, "window": "30d"}
    with_unit = {**labels, "unit": "ratio", "op": "lt"}
    assert samples(exposition) == {
        "kpi_threshold": [({**with_unit, "severity": "warning"}, 0.25), ({**with_unit, "severity": "critical"}, 0.2)],
        "kpi_threshold_clear": [(with_unit, 0.3)],
        "kpi_samples": [(labels, 3)],
        "kpi_min_samples": [(labels, 20)],
        "kpi_band": [(labels, 2)],
    }
    exposition.apply([value("win_ratio", "30d", "ratio", replace(LIMITS, is_below=False))])
    assert {labels["op"] for labels, _ in samples(exposition)["kpi_threshold"]} == {"gt"}


def test_what_is_taken_away_goes() -> None:
    exposition = KpiExposition(catalogue())
    exposition.apply([value("revenue_eur", "month", "eur", TARGET), value("win_ratio", "30d", "ratio", LIMITS)])
    assert len(samples(exposition)) == 8
    assert exposition.series_exposed()["kpi_threshold"] == 2
    only = replace(LIMITS, limits=Limits(critical=0.2), band="none")
    exposition.apply([value("revenue_eur", "month", "eur", None), value("win_ratio", "30d", "ratio", only)])
    found = samples(exposition)
    assert sorted(found) == ["kpi_min_samples", "kpi_samples", "kpi_threshold"]
    assert [labels["severity"] for labels, _ in found["kpi_threshold"]] == ["critical"]
    exposition.drop([("win_ratio", "team=dach-1", "30d")])
    assert samples(exposition) == {}


def test_a_value_comes_with_that_of_the_window_before() -> None:
    exposition = KpiExposition(catalogue())
    compared = Against(previous=2, change=0.5, trend="rising")
    exposition.apply([value("revenue_eur", "30d", "eur", compared)])
    labels = {"kpi": "revenue_eur", **LABELS, "window": "30d"}
    assert samples(exposition) == {
        "kpi_previous": [({**labels, "unit": "eur"}, 2)],
        "kpi_change_ratio": [(labels, 0.5)],
    }
    exposition.apply([value("revenue_eur", "30d", "eur", Against(previous=0, change=None))])
    assert sorted(samples(exposition)) == ["kpi_previous"]
    exposition.apply([value("revenue_eur", "30d", "eur", None)])
    assert samples(exposition) == {}


def test_a_rep_has_none_of_the_window_before() -> None:
    exposition = KpiExposition(catalogue())
    exposition.apply([value("revenue_eur", "30d", "eur", Against(previous=2, change=0.5), group="rep=ann")])
    assert samples(exposition) == {}


def test_the_window_before_takes_room_under_the_cap() -> None:
    series = [value("revenue_eur", "30d", "eur", None, group=f"team={i}") for i in range(10)]
    for compared, fit in ((frozenset[str](), 10), (frozenset({"revenue_eur"}), 3)):
        exposition = KpiExposition(catalogue(), max_series=10, compared=compared)
        exposition.apply(series)
        assert exposition.series_dropped == 10 - fit


def test_periods_go_with_the_task_that_tells_them() -> None:
    exposition = KpiExposition(catalogue())
    exposition.set_periods({"day": Period(0.5, 100.0), "week": Period(None, 700.0)}, owner=1)
    exposition.set_periods({"day": Period(0.6, 100.0), "week": Period(None, 700.0)}, owner=1)
    exposition.drop_owner(2)
    assert samples(exposition) == {
        "kpi_period_elapsed_ratio": [({"period": "day"}, 0.6)],
        "kpi_period_end_timestamp_seconds": [({"period": "day"}, 100), ({"period": "week"}, 700)],
    }
    exposition.drop_owner(1)
    assert samples(exposition) == {}
