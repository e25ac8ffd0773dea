"""The KPI series of /metrics, read back with prometheus_client's parsers and compared with what it would write."""

import math
import random
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support import tools

from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.kpi import Catalogue, Count, KpiValue, MeanDuration, Ratio, Totals
from streamproc.outputs.prometheus import KpiExposition, RepInfo
from streamproc.windows.aggregates import THRESHOLDS_S, Durations

BOTH = pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
LABELS = {"scope", "window", "le", "rep", "team", "sales_region", "product", "channel", "campaign"} | {
    "lead_source",
    "segment",
    "deal_stage",
    "partner",
    "account",
    "variant",
    "lead_stage",
}


def value(kpi, group="", window="24h", amount=None, parts=(None, None), n=0, buckets=None):
    return KpiValue(
        kpi=kpi,
        group=group,
        window=window,
        value=amount,
        numerator=parts[0],
        denominator=parts[1],
        n=n,
        unit="",
        window_start_ms=None,
        as_of_ms=0,
        buckets=buckets,
    )


def mean(kpi, group, *seconds, window="24h"):
    """What the KPI itself makes of these durations."""
    durations = Durations()
    for second in seconds:
        durations.add_ms(round(second * 1000))
    declared = catalogue()[kpi]
    parts = declared.parts(Totals({declared.of: durations}))
    return value(kpi, group, window, parts.value, (parts.numerator, parts.denominator), parts.n, parts.buckets)


def exposition(*values, owner=0, **settings):
    made = KpiExposition(catalogue(), **settings)
    made.apply(values, owner)
    return made


def families(page, openmetrics):
    return list((parse_openmetrics if openmetrics else parse_text)(page.decode()))


def samples(made, openmetrics=False):
    """Samples by name and labels; a label set that occurs twice fails."""
    found = [sample for family in families(made.render(openmetrics), openmetrics) for sample in family.samples]
    keys = [(sample.name, frozenset(sample.labels.items())) for sample in found]
    assert [key for key, n in Counter(keys).items() if n > 1] == []
    return dict(zip(keys, (sample.value for sample in found), strict=True))


def get(made, name, openmetrics=False, **labels):
    return samples(made, openmetrics).get((name, frozenset(labels.items())))


@BOTH
def test_scope_company_and_window(openmetrics):
    made = exposition(value("calls", "", "1h", 7))
    assert samples(made, openmetrics) == {("kpi_calls", frozenset({("scope", "company"), ("window", "1h")})): 7}


@BOTH
@pytest.mark.parametrize(
    ("group", "labels"),
    [
        ("rep=ann", {"scope": "rep", "rep": "ann"}),
        ("region=EMEA=north", {"scope": "region", "sales_region": "EMEA=north"}),
        ("deal_stage=demo", {"scope": "deal_stage", "deal_stage": "demo"}),
        ("lead_source=web", {"scope": "lead_source", "lead_source": "web"}),
    ],
)
def test_group_becomes_scope_and_its_own_label_and_levels_have_no_window(group, labels, openmetrics):
    made = exposition(value("open_deals", group, None, 3))
    assert samples(made, openmetrics) == {("kpi_open_deals", frozenset(labels.items())): 3}


@BOTH
def test_label_values_survive_every_special_character(openmetrics):
    name = 'a\\b"c"\nd\\n{e},f=ü %d €\u2028\r'
    made = exposition(value("calls", f"campaign={name}", "1h", 1))
    assert get(made, "kpi_calls", openmetrics, scope="campaign", campaign=name, window="1h") == 1


@BOTH
def test_ratio_with_its_parts(openmetrics):
    made = exposition(value("win_ratio", "team=x", "7d", 0.25, (1, 4), 4))
    labels = {"scope": "team", "team": "x", "window": "7d"}
    assert get(made, "kpi_win_ratio", openmetrics, **labels) == 0.25
    assert get(made, "kpi_win_ratio_numerator", openmetrics, **labels) == 1
    assert get(made, "kpi_win_ratio_denominator", openmetrics, **labels) == 4
    assert len(samples(made, openmetrics)) == 3


@pytest.mark.parametrize("kpi", ["deal_size_eur", "pipeline_velocity_eur_per_day"])
def test_mean_money_and_derived_have_parts_too(kpi):
    made = exposition(value(kpi, "", "7d", 12.5, (25.0, 2), 2))
    assert {name for name, _ in samples(made)} == {f"kpi_{kpi}", f"kpi_{kpi}_numerator", f"kpi_{kpi}_denominator"}


def test_counts_and_money_have_no_parts():
    made = exposition(value("calls", "", "7d", 3, (3, None), 3), value("revenue_eur", "", "7d", 9.5, (9.5, None), 3))
    assert {name for name, _ in samples(made)} == {"kpi_calls", "kpi_revenue_eur"}


@BOTH
@pytest.mark.parametrize("undefined", [None, math.nan, math.inf])
def test_undefined_value_has_no_sample_but_its_known_parts_have(undefined, openmetrics):
    made = exposition(value("win_ratio", "", "7d", undefined, (0, 0)))
    assert {name: n for (name, _), n in samples(made, openmetrics).items()} == {
        "kpi_win_ratio_numerator": 0,
        "kpi_win_ratio_denominator": 0,
    }


def test_a_value_that_becomes_undefined_disappears_and_comes_back():
    made = exposition(value("win_ratio", "", "7d", 0.5, (1, 2)))
    made.apply([value("win_ratio", "", "7d", None, (None, None))])
    assert samples(made) == {}
    assert made.render(openmetrics=False) == b""
    made.apply([value("win_ratio", "", "7d", 1.0, (2, 2))])
    assert get(made, "kpi_win_ratio", scope="company", window="7d") == 1


@BOTH
def test_mean_duration_with_its_histogram(openmetrics):
    made = exposition(mean("email_response_seconds", "team=x", 30, 3600, 3601, 90_000_000))
    labels = {"scope": "team", "team": "x", "window": "24h"}
    assert get(made, "kpi_email_response_seconds", openmetrics, **labels) == (30 + 3600 + 3601 + 90_000_000) / 4
    family = "kpi_email_response_duration_seconds"
    assert get(made, f"{family}_gcount", openmetrics, **labels) == 4
    assert get(made, f"{family}_gsum", openmetrics, **labels) == 30 + 3600 + 3601 + 90_000_000
    expected = {"60.0": 1, "1800.0": 1, "3600.0": 2, "7200.0": 3, "+Inf": 4}
    assert {le: get(made, f"{family}_bucket", openmetrics, le=le, **labels) for le in expected} == expected
    buckets = [key for key in samples(made, openmetrics) if key[0] == f"{family}_bucket"]
    assert {float(dict(found)["le"]) for _, found in buckets} == {*map(float, THRESHOLDS_S), math.inf}


@BOTH
def test_reps_have_the_mean_but_no_histogram(openmetrics):
    made = exposition(mean("email_response_seconds", "rep=ann", 30))
    assert {name for name, _ in samples(made, openmetrics)} == {"kpi_email_response_seconds"}


def test_empty_mean_has_neither_mean_nor_histogram():
    made = exposition(mean("email_response_seconds", "team=x", 30))
    made.apply([mean("email_response_seconds", "team=x")])
    assert samples(made) == {}


@BOTH
def test_roster(openmetrics):
    made = exposition()
    made.set_roster(
        [RepInfo("r1", "Old", "", ""), RepInfo("r1", 'Ann "A"', "dach-1", "DACH"), RepInfo("r2", "", "", "")]
    )
    assert get(made, "kpi_rep_info", openmetrics, rep="r1", rep_name='Ann "A"', team="dach-1", sales_region="DACH") == 1
    assert len(samples(made, openmetrics)) == 2
    made.set_roster([])
    assert samples(made, openmetrics) == {}


class Oracle:
    """The same values as prometheus_client's metric families."""

    def __init__(self, values, roster):
        self.values, self.roster = values, roster

    def collect(self):
        found = {}
        for item in self.values:
            labels = {"scope": "company"}
            if item.group:
                dimension, member = item.group.split("=", 1)
                labels = {"scope": dimension, {"region": "sales_region"}.get(dimension, dimension): member}
            if item.window:
                labels["window"] = item.window
            names, texts = tuple(labels), tuple(labels.values())
            for suffix, number in zip(("", "_numerator", "_denominator"), self.numbers(item), strict=False):
                name = f"kpi_{item.kpi}{suffix}"
                if number is not None:
                    family = found.setdefault(name, GaugeMetricFamily(name, "x", labels=names))
                    family._labelnames = names
                    family.add_metric(texts, number)
            if item.buckets and not item.group.startswith("rep="):
                name = f"kpi_{item.kpi.removesuffix('_seconds')}_duration_seconds"
                family = found.setdefault(name, GaugeHistogramMetricFamily(name, "x", labels=names))
                family._labelnames = names
                buckets = [(self.le(limit), n) for limit, n in zip(THRESHOLDS_S, item.buckets, strict=True)]
                family.add_metric(texts, [*buckets, ("+Inf", item.n)], item.numerator)
        yield from found.values()
        info = InfoMetricFamily("kpi_rep", "x", labels=["rep"])
        for row in self.roster:
            info.add_metric([row.rep], {"rep_name": row.rep_name, "team": row.team, "sales_region": row.sales_region})
        yield info

    @staticmethod
    def numbers(item):
        has_parts = item.kpi.endswith("_ratio") or item.kpi.startswith(("deal_size", "pipeline_velocity"))
        return (item.value, item.numerator, item.denominator) if has_parts else (item.value,)

    @staticmethod
    def le(limit):
        return (
            f"{float(limit)}"
            if limit < 1_000_000
            else f"{limit / 1e6:g}e+06"
            if limit < 1e7
            else f"{limit / 1e7:g}e+07"
        )


def small_set():
    return [
        value("calls", "", "1h", 7, (7, None), 7),
        value("calls", "rep=ann", "30d", 12_345_678, (12_345_678, None), 12_345_678),
        value("win_ratio", "region=DACH", "7d", 1 / 3, (1, 3), 3),
        value("win_ratio", "rep=ann", "7d", None, (0, 0), 0),
        value("deal_size_eur", "", "7d", 1e-7, (1e21, 2), 2),
        value("pipeline_velocity_eur_per_day", "team=x", "90d", 1234.5, (12345.0, 10.0), 4),
        mean("email_response_seconds", "team=x", 30, 3600, 90_000_000),
        mean("email_response_seconds", 'campaign=a"b\\c\nd', 1.5, 4),
        mean("email_response_seconds", "rep=ann", 9),
        mean("sales_cycle_seconds", "", 86_400 * 40.0),
        value("open_deals", "deal_stage=demo", None, 5, (5, None), 5),
    ]


@BOTH
def test_equals_what_prometheus_client_would_write(openmetrics):
    roster = [RepInfo("ann", "Ann", "dach-1", "DACH")]
    made = exposition(*small_set())
    made.set_roster(roster)
    registry = CollectorRegistry()
    registry.register(Oracle(small_set(), roster))
    oracle = (generate_openmetrics if openmetrics else generate_latest)(registry)

    def facts(page):
        return {
            (family.name, family.type): sorted((s.name, sorted(s.labels.items()), s.value) for s in family.samples)
            for family in families(page, openmetrics)
        }

    assert facts(made.render(openmetrics)) == facts(oracle)


@BOTH
def test_help_says_meaning_formula_and_events(openmetrics):
    kpi = Count(
        name="odd",
        title_en="",
        title_de="",
        means='A "quoted" \\ back\nslash.',
        formula="n(a)",
        events=("x.y", "z.w"),
        source="",
        of=("a",),
        by=(),
    )
    made = KpiExposition(Catalogue((kpi,)))
    made.apply([value("odd", "", "1h", 1)])
    (family,) = families(made.render(openmetrics), openmetrics)
    assert family.documentation == 'A "quoted" \\ back\nslash. Formula: n(a). Events: x.y, z.w.'


def full_page(made, seed=1):
    """A value of every KPI, group and window: random, as the KPIs themselves would give them."""
    dice = random.Random(seed)
    for kpi in made.kpis:
        for group in ("", *(f"{dimension}={name}" for dimension in kpi.by for name in ("a", "b"))):
            for window in ("1h", "24h") if kpi.windowed else (None,):
                if isinstance(kpi, MeanDuration):
                    yield mean(
                        kpi.name, group, *(dice.uniform(0, 1e8) for _ in range(dice.randrange(4))), window=window
                    )
                else:
                    bag = {name: dice.randrange(9) for name in kpi.facts}
                    if isinstance(kpi, Ratio):
                        bag[kpi.part] = dice.randrange(sum(bag[name] for name in kpi.whole) + 1)
                    try:
                        parts = kpi.parts(Totals(bag, dict.fromkeys(kpi.levels, 3)))
                    except AttributeError:  # needs durations or a sketch
                        continue
                    shown = parts.numerator, parts.denominator
                    yield value(kpi.name, group, window, parts.value, shown, parts.n, parts.buckets)


@BOTH
def test_rules_of_the_page(openmetrics):
    known = catalogue()
    made = exposition(*full_page(known))
    found = samples(made, openmetrics)  # fails on label sets that occur twice
    assert len({name for name, _ in found}) > len(known.kpis)
    for (name, labels), number in found.items():
        names = dict(labels).keys()
        assert math.isfinite(number), name
        assert "scope" in names
        assert names <= LABELS
        kpi = _kpi(known, name)
        assert ("window" in names) is (kpi is None or kpi.windowed), name
        if isinstance(kpi, Ratio) and name.endswith("_ratio"):
            assert 0 <= number <= 1
        assert not name.endswith(("_total", "_count", "_sum", "_info")), name


def _kpi(known, metric):
    name = metric.removeprefix("kpi_").removesuffix("_numerator").removesuffix("_denominator")
    return next((kpi for kpi in known.kpis if kpi.name == name), None)


def test_no_sample_has_a_timestamp():
    made = exposition(*small_set())
    for openmetrics in (False, True):
        found = families(made.render(openmetrics), openmetrics)
        assert [sample for family in found for sample in family.samples if sample.timestamp is not None] == []


def test_promtool_accepts_the_page():
    made = exposition(*full_page(catalogue()))
    made.set_roster([RepInfo("ann", "Ann", "dach-1", "DACH")])
    assert tools.run("promtool", "check", "metrics", given=made.render(False)) == ""


def test_drop_forgets_series_with_all_their_families():
    made = exposition(*small_set())
    rest = [item for item in small_set() if item.kpi == "calls"]
    made.drop([(item.kpi, item.group, item.window) for item in small_set() if item.kpi != "calls"])
    made.drop([("calls", "rep=nobody", "1h")])
    assert made.render(True) == exposition(*rest).render(True)
    assert made.series_exposed() == {"kpi_calls": 2}


def test_drop_owner_forgets_what_is_its_own():
    made = exposition(value("calls", "rep=a", "1h", 1), mean("sales_cycle_seconds", "", 5), owner=0)
    made.apply([value("calls", "rep=b", "1h", 2)], owner=1)
    made.drop_owner(0)
    made.drop_owner(7)
    assert {name for name, _ in samples(made)} == {"kpi_calls"}
    assert get(made, "kpi_calls", scope="rep", rep="b", window="1h") == 2
    made.drop_owner(1)
    assert samples(made) == {}


def test_a_series_belongs_to_whom_it_came_from_last():
    made = exposition(value("calls", "rep=a", "1h", 1), owner=0)
    made.apply([value("calls", "rep=a", "1h", 2)], owner=1)
    made.drop_owner(0)
    assert get(made, "kpi_calls", scope="rep", rep="a", window="1h") == 2


def test_moving_a_partition_leaves_workers_disjoint():
    old = exposition(value("calls", "rep=a", "1h", 1), owner=0)
    old.apply([value("calls", "rep=b", "1h", 1)], owner=1)
    new = exposition()
    old.drop_owner(1)
    new.apply([value("calls", "rep=b", "1h", 1)], owner=1)
    assert samples(old).keys().isdisjoint(samples(new).keys())
    assert len(samples(old)) + len(samples(new)) == 2


KEYS = [(kpi, group, "1h") for kpi in ("calls", "win_ratio") for group in ("", "rep=a", "rep=b")]
STEPS = st.one_of(
    st.tuples(st.just("apply"), st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 9))), st.integers(0, 1)),
    st.tuples(st.just("drop"), st.lists(st.sampled_from(KEYS)), st.none()),
    st.tuples(st.just("drop_owner"), st.none(), st.integers(0, 1)),
    st.tuples(st.just("render"), st.none(), st.none()),
)


@given(st.lists(STEPS, max_size=12))
def test_any_order_of_steps_shows_what_is_there_now(steps):
    """Against a plain dictionary: key → (value, owner)."""
    made, there = exposition(), {}
    for step, what, owner in [*steps, ("render", None, None)]:
        if step == "apply":
            made.apply([value(*key, n, (n, 9)) for key, n in what], owner)
            there |= {key: (n, owner) for key, n in what}
        elif step == "drop":
            made.drop(what)
            there = {key: kept for key, kept in there.items() if key not in what}
        elif step == "drop_owner":
            made.drop_owner(owner)
            there = {key: kept for key, kept in there.items() if kept[1] != owner}
        else:
            fresh = exposition(*(value(*key, n, (n, 9)) for key, (n, _) in there.items()))
            assert samples(made) == samples(fresh)
            assert made.series_exposed() == fresh.series_exposed()


def test_notes_for_the_next_scrape_stay_bounded_when_none_comes():
    made = exposition(value("calls", "rep=shown", "1h", 1))
    made.render(openmetrics=False)
    for n in range(50):
        made.apply([value("calls", f"rep={n}", "1h", 1), value("calls", "rep=shown", "1h", n)])
        made.drop([("calls", f"rep={n}", "1h"), ("calls", "rep=shown", "1h")])
    assert len(made._changes) == 1  # only the removal of the line that a scrape has seen
    assert samples(made) == {}


def test_a_value_that_cannot_be_written_fails_each_scrape_until_replaced():
    good = mean("sales_cycle_seconds", "", 5)
    made = exposition(value("sales_cycle_seconds", "", "24h", 5.0, (5.0, 1), 1, buckets=(1, 1)))
    made.apply([value("calls", "", "1h", 1)])
    for _ in range(2):
        with pytest.raises(ValueError, match="zip"):
            made.render(openmetrics=False)
    made.apply([good])
    assert samples(made) == samples(exposition(good, value("calls", "", "1h", 1)))


def test_cap_refuses_new_series_and_lets_old_ones_go_on():
    made = exposition(value("calls", "rep=a", "1h", 1), value("calls", "rep=b", "1h", 1), max_series=2)
    assert made.series_dropped == 0
    made.apply([value("calls", "rep=c", "1h", 1), value("calls", "rep=a", "1h", 5)])
    assert made.series_dropped == 1
    assert get(made, "kpi_calls", scope="rep", rep="a", window="1h") == 5
    assert get(made, "kpi_calls", scope="rep", rep="c", window="1h") is None
    made.drop([("calls", "rep=b", "1h")])
    made.apply([value("calls", "rep=c", "1h", 3)])
    assert get(made, "kpi_calls", scope="rep", rep="c", window="1h") == 3
    assert made.series_dropped == 1


@pytest.mark.parametrize(
    ("item", "size"),
    [
        (value("calls", "team=x", "1h", 1), 1),
        (value("win_ratio", "team=x", "1h", 0.5, (1, 2)), 3),
        (mean("sales_cycle_seconds", "team=x", 5), 1 + len(THRESHOLDS_S) + 1 + 2),
        (mean("sales_cycle_seconds", "rep=x", 5), 1),
    ],
    ids=["count", "ratio", "histogram", "mean of a rep"],
)
def test_cap_counts_samples(item, size):
    assert len(samples(exposition(item, max_series=size))) == size
    assert samples(exposition(item, max_series=size - 1)) == {}
    made = exposition(item)
    made.render(openmetrics=False)
    assert sum(made.series_exposed().values()) == size


def test_room_is_kept_for_values_still_undefined():
    made = exposition(value("win_ratio", "", "1h"), max_series=3)
    made.apply([value("calls", "", "1h", 1), value("win_ratio", "", "1h", 0.5, (1, 2))])
    assert {name for name, _ in samples(made)} == {
        "kpi_win_ratio",
        "kpi_win_ratio_numerator",
        "kpi_win_ratio_denominator",
    }


def test_unknown_kpi_or_dimension_is_refused_by_name():
    made = exposition()
    with pytest.raises(ValueError, match="KPI 'nonsense' is not in the catalogue"):
        made.apply([value("nonsense", "", "1h", 1)])
    with pytest.raises(ValueError, match="group 'recipient=x' of KPI 'calls': expected one of the dimensions"):
        made.apply([value("calls", "recipient=x", "1h", 1)])
    assert samples(made) == {}


def test_two_kpis_with_the_same_metric_are_refused():
    one = {"title_en": "", "title_de": "", "means": "", "formula": "", "events": (), "source": "", "by": ()}
    ratio = Ratio(name="x", part="a", whole=("b",), **one)
    with pytest.raises(ValueError, match="'kpi_x_numerator' exists already"):
        KpiExposition(Catalogue((ratio, Count(name="x_numerator", of=("a",), **one))))
    with pytest.raises(ValueError, match="'kpi_rep' exists already"):
        KpiExposition(Catalogue((Count(name="rep", of=("a",), **one),)))


def test_scrapes_see_each_batch_whole():
    """While batches come in that set two KPIs to the same number, no scrape finds them apart."""
    made = exposition(value("calls", "", "1h", 0), value("win_ratio", "", "1h", 0.0, (0, 1)))
    pages, stop = [], threading.Event()

    def scrape():
        while not stop.is_set():
            pages.append(made.render(False))

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        for n in range(1, 3000):
            made.apply([value("calls", "", "1h", n), value("win_ratio", "", "1h", 0.0, (n, 1))])
    finally:
        stop.set()
        thread.join()
    seen = set()
    for page in pages:
        found = {sample.name: sample.value for family in families(page, False) for sample in family.samples}
        assert found["kpi_calls"] == found["kpi_win_ratio_numerator"]
        seen.add(found["kpi_calls"])
    assert seen
