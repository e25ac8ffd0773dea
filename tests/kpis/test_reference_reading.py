"""KPIs that read reference data: evaluated anew when headcounts or targets change, with the clock or by a record."""

from __future__ import annotations

from support.build import decoded, ms, rec
from support.replay import roster

from streamproc.facts.reference import Reference
from streamproc.kpis.kpi import Catalogue, Count, Derived, KpiValue, Parts, Totals
from streamproc.pipeline import FactsStage, KpisStage

TEAMS = ("team",)
TEXT = {"means": "m", "formula": "f", "events": ("call.logged",), "source": "A", "title_de": "d", "title_en": "e"}


def per_rep(now: Totals) -> Parts:
    calls = now.window.get("call", 0)
    return Parts(calls / now.reps if now.reps else None, calls, now.reps, now.reps)


def attained(now: Totals) -> Parts:
    calls = now.window.get("call", 0)
    return Parts(calls / now.target if now.target else None, calls, now.target, calls)


KPIS = Catalogue(
    (
        Count(name="calls", of=("call",), by=TEAMS, **TEXT),
        Derived(name="calls_per_rep", of=("call",), compute=per_rep, reads_reps=True, unit="per_rep", by=TEAMS, **TEXT),
        Derived(name="calls_ratio", of=("call",), compute=attained, target_of="calls", unit="ratio", by=TEAMS, **TEXT),
    )
)
ROSTER = """
    rep.defined ann team=x
    rep.defined bob team=x
    rep.defined cy  team=y valid_from=10:30
"""


Values = dict[tuple[str, str, str | None], KpiValue]


class Live:
    """Both stages over one reference, as a worker has them."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.facts = FactsStage(KPIS, reference)
        self.kpis = KpisStage(KPIS, reference=reference)
        self.changelog: dict[str, bytes | None] = {}

    def call(self, time: str, rep: str) -> None:
        self.facts.on_batch([rec("call.logged", f"{rep}-{time}", time, rep=rep)], None)
        cut = self.facts.take_cut()
        assert cut is not None
        sums = [
            rec("call.logged", "0", time, rep=rep)._replace(key=key.encode(), value=raw) for key, raw in cut.partials
        ]
        self.kpis.on_batch(sums)

    def at(self, time: str) -> Values:
        self.kpis.on_tick(ms(time))
        cut = self.kpis.take_cut()
        self.changelog.update(cut.changelog if cut else ())
        return {} if cut is None else {(v.kpi, v.group, v.window): v for v in cut.values}


def test_a_rep_who_joins_changes_the_mean_of_the_company_when_the_time_comes() -> None:
    live = Live(roster(ROSTER))
    live.at("10:00")
    live.call("09:59", "ann")
    live.call("09:59", "bob")
    found = live.at("10:01")
    assert (found["calls_per_rep", "", "1h"].value, found["calls_per_rep", "team=x", "1h"].value) == (1, 1)
    later = live.at("10:30")
    assert (later["calls_per_rep", "", "1h"].value, later["calls_per_rep", "", "1h"].n) == (2 / 3, 3)
    assert ("calls_per_rep", "team=x", "1h") not in later
    assert ("calls", "", "1h") not in later


def ratios(values: Values) -> dict[tuple[str, str, str | None], float | None]:
    """Calls themselves are told anew as well, since they are judged by the target."""
    return {key: value.value for key, value in values.items() if key[0] == "calls_ratio"}


def test_a_target_counts_at_once_for_its_group_and_window_only() -> None:
    live = Live(roster(ROSTER))
    live.at("10:00")
    live.call("09:59", "ann")
    assert live.at("10:01")["calls_ratio", "team=x", "today"].value is None
    live.reference.apply(decoded("target.set", "t", kpi="calls", group={"team": "x"}, period="day", value=4))
    assert ratios(live.at("10:01")) == {("calls_ratio", "team=x", "today"): 0.25}
    live.reference.apply(decoded("target.set", "t", kpi="calls", group={"team": "x"}, period="day"))
    assert ratios(live.at("10:01")) == {("calls_ratio", "team=x", "today"): None}


def test_a_restart_goes_on_with_the_same_values() -> None:
    live = Live(roster(ROSTER))
    live.reference.apply(decoded("target.set", "t", kpi="calls", period="day", value=4))
    live.at("10:00")
    live.call("09:59", "ann")
    before = {key: (v.value, v.n) for key, v in live.at("10:01").items()}
    again = KpisStage(KPIS, reference=live.reference)
    again.restore({key: value for key, value in live.changelog.items() if value is not None})
    restored = again.take_cut()
    assert restored is not None
    assert {(v.kpi, v.group, v.window): (v.value, v.n) for v in restored.values} == before
