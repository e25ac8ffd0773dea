"""The dashboards: identity, grid, texts, units, links and colours, and that they ask for what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from support.panels import DASHBOARDS, ROOT, Target, boards, panels, selectors, targets

from streamproc.generate.boards import MARKER
from streamproc.generate.names import ROSTER, of_kpi, recorded
from streamproc.generate.panels import BAD, GOOD, LINES, MIDDLING, PLAIN, UNKNOWN
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.views import MOST, views
from streamproc.outputs.judged_metrics import JudgedExposition
from streamproc.outputs.own_metrics import OwnMetrics
from streamproc.windows.calendar import WINDOWS

BOARDS = boards()
LANGS = ("en", "de")
# Of Grafana's units, those in use; the linter knows all of them.
UNITS = {"percentunit", "s", "dtdurations", "currencyEUR", "short", "none", "cps", "dateTimeAsLocalNoDateIfToday"}
OF_NOW = {"stat", "bargauge", "table"}
WAY = r"\b((?:kpi|streamproc)-[a-z-]+-en)(?:\?var-(\w+))?"
WALL_ROWS, LEAST_SIDE = 27, 6
KPI_METRICS = {of_kpi(kpi.name): kpi for kpi in catalogue().kpis}
FAMILIES = {recorded(name) for name in JudgedExposition().names}

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def all_targets() -> Iterator[Target]:
    return chain.from_iterable(targets(board) for board in BOARDS.values())


def colours(found: Any) -> Iterator[str]:
    """All colours anywhere in a board."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name in ("color", "fixedColor", "iconColor") and isinstance(value, str):
                yield value
            yield from colours(value)
    elif isinstance(found, list):
        for one in found:
            yield from colours(one)


def pinned(matchers: str) -> dict[str, str]:
    """Labels that a selector gives a value."""
    return dict(re.findall(r'(\w+)="([^"]*)"', matchers))


# --- files -----------------------------------------------------------------------------------------------------------


@each_board
def test_grafanas_schema_knows_all_of_it(board: dict[str, Any]) -> None:
    """The SDK's classes are made from the schema: what they do not know would be lost on the way."""
    plugins.register_default_plugins()
    without = {**board, "annotations": {"list": [unmarked(one) for one in board["annotations"]["list"]]}}
    assert json.loads(json.dumps(Dashboard.from_json(without), cls=JSONEncoder)) == without


def unmarked(annotation: dict[str, Any]) -> dict[str, Any]:
    """Without the options that only the Prometheus datasource has."""
    return {name: value for name, value in annotation.items() if name not in MARKER}


def test_every_board_is_there_in_both_languages_with_the_same_queries() -> None:
    names = {lang: sorted(uid.removesuffix(f"-{lang}") for uid in BOARDS if uid.endswith(f"-{lang}")) for lang in LANGS}
    assert names["en"] == names["de"]
    assert len(names["en"]) * len(LANGS) == len(BOARDS)
    for name in names["en"]:
        one, other = ([read_by(target) for target in targets(BOARDS[f"{name}-{lang}"])] for lang in LANGS)
        assert one == other


def read_by(target: Target) -> tuple[str, list[tuple[str, str]], bool]:
    return target.ref, selectors(target.expr), target.instant


@each_board
def test_identity(board: dict[str, Any]) -> None:
    uid, lang = board["uid"], board["uid"].rpartition("-")[2]
    assert (DASHBOARDS / lang / f"{uid}.json").exists()
    assert "id" not in board
    assert re.fullmatch(r"(kpi|streamproc)-[a-z-]+-(en|de)", uid)
    assert len(uid) <= 40
    assert {lang, "generated"} < set(board["tags"])
    assert (board["editable"], board["refresh"], board["schemaVersion"]) == (False, "5s", 41)
    assert board["title"]
    assert board["description"]


def test_titles_differ_within_a_language() -> None:
    for lang in LANGS:
        titles = [board["title"] for uid, board in BOARDS.items() if uid.endswith(f"-{lang}")]
        assert len(titles) == len(set(titles))


# --- grid ------------------------------------------------------------------------------------------------------------


@each_board
def test_panels_have_their_own_ids_and_places(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24 for place in places)
    assert [(one, other) for one, other in combinations(places, 2) if overlap(one, other)] == []


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in ("xw", "yh"))


@each_board
def test_rows_are_full_from_the_top_down(board: dict[str, Any]) -> None:
    """No holes: an area of whole rows is covered."""
    places = [panel["gridPos"] for panel in board["panels"]]
    assert sum(place["w"] * place["h"] for place in places) == 24 * height(board)


def height(board: dict[str, Any]) -> int:
    return max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])


def test_walls_fit_a_screen() -> None:
    walls = {uid: height(board) for uid, board in BOARDS.items() if "wall" in board["tags"]}
    assert "kpi-wall-en" in walls
    assert {uid: rows for uid, rows in walls.items() if rows > WALL_ROWS} == {}


@each_board
def test_panels_of_kpis_can_be_read_from_afar(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if any("group:kpi_" in target["expr"] for target in panel["targets"]):
            assert min(panel["gridPos"]["w"], panel["gridPos"]["h"]) >= LEAST_SIDE, panel["title"]


# --- what people read ------------------------------------------------------------------------------------------------


@each_board
def test_every_panel_says_what_it_shows(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"] == "-", panel["title"]
        assert panel["targets"], panel["title"]
    assert {target.unit for target in targets(board)} <= UNITS


@pytest.mark.parametrize("lang", LANGS)
def test_the_wall_has_the_headlines_of_the_head_of_sales(lang: str) -> None:
    headlines = views()["head_of_sales"].headlines
    titles = {panel["title"]: panel for panel in panels(BOARDS[f"kpi-wall-{lang}"])}
    assert len(headlines) <= MOST
    for name, window in headlines:
        kpi = catalogue()[name]
        title, means = (kpi.title_en, kpi.means) if lang == "en" else (kpi.title_de, kpi.means_de)
        (panel,) = [found for of, found in titles.items() if of in (title, f"{title} per day", f"{title} je Tag")]
        assert panel["description"].startswith(means)
        assert panel["targets"][0]["expr"] == f'{of_kpi(name)}{{scope="company",window="{window or ""}"}}'


@pytest.mark.parametrize("lang", LANGS)
def test_bands_are_words(lang: str) -> None:
    words = {"en": ["ok", "warning", "critical"], "de": ["gut", "Warnung", "kritisch"]}[lang]
    shown = 0
    for uid, board in BOARDS.items():
        for panel in panels(board) if uid.endswith(f"-{lang}") else []:
            for target in panel["targets"]:
                if target["expr"].startswith("group:kpi_band:max"):
                    assert word_mapping(panel, target["refId"]) == words
                    shown += 1
    assert shown


def word_mapping(panel: dict[str, Any], ref: str) -> list[str]:
    (override,) = [one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == ref]
    (mappings,) = [one["value"] for one in override["properties"] if one["id"] == "mappings"]
    return [mappings[0]["options"][str(band)]["text"] for band in (0, 1, 2)]


@each_board
def test_colours_are_safe_for_the_colour_blind(board: dict[str, Any]) -> None:
    assert set(colours(board)) <= {GOOD, MIDDLING, BAD, UNKNOWN, PLAIN, *LINES}
    modes = {panel["fieldConfig"]["defaults"]["color"]["mode"] for panel in panels(board)}
    assert modes <= {"thresholds", "continuous-BlPu"}


@pytest.mark.parametrize("lang", LANGS)
def test_mobile_boards_are_one_column_of_a_few_numbers(lang: str) -> None:
    mobile = [board for uid, board in BOARDS.items() if uid.startswith("kpi-mobile-") and uid.endswith(f"-{lang}")]
    assert len(mobile) == 4
    for board in mobile:
        assert len(board["panels"]) <= 6
        assert {(panel["type"], panel["gridPos"]["w"]) for panel in board["panels"]} == {("stat", 24)}


# --- links -----------------------------------------------------------------------------------------------------------


@each_board
def test_links_lead_to_boards_that_there_are(board: dict[str, Any]) -> None:
    lang = board["uid"].rpartition("-")[2]
    for link in board["links"]:
        assert link["type"] == "dashboards"
        assert (link["includeVars"], link["keepTime"]) == (True, True)
        assert any(set(link["tags"]) <= set(other["tags"]) for other in BOARDS.values())
    for panel in panels(board):
        for link in panel["fieldConfig"]["defaults"].get("links", []):
            found = re.match(r"/d/([a-z-]+)\?", link["url"])
            assert found, link["url"]
            assert found[1].endswith(f"-{lang}")
            known = {variable["name"] for variable in BOARDS[found[1]]["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", link["url"])) <= known


def test_alerts_lead_to_boards_that_there_are() -> None:
    paths = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
    groups = [group for path in paths for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    found = {way for rule in rules for way in re.findall(WAY, rule["annotations"].get("dashboard_url", ""))}
    assert ("kpi-rep-en", "rep") in found
    for uid, variable in found:
        names = {one["name"] for one in BOARDS[uid]["templating"]["list"]}
        assert variable in (*names, "")


def test_the_company_leads_to_teams_and_teams_to_reps() -> None:
    for lang in LANGS:
        assert leads_to(f"kpi-wall-{lang}") >= {f"kpi-team-{lang}", f"kpi-rep-{lang}"}
        assert leads_to(f"kpi-team-{lang}") == {f"kpi-rep-{lang}"}


def leads_to(uid: str) -> set[str]:
    links = [link for panel in panels(BOARDS[uid]) for link in panel["fieldConfig"]["defaults"].get("links", [])]
    return {link["url"].removeprefix("/d/").partition("?")[0] for link in links}


# --- queries ---------------------------------------------------------------------------------------------------------


@each_board
def test_everything_asks_the_chosen_datasource(board: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    first = board["templating"]["list"][0]
    assert (first["name"], first["type"], first["query"], first["label"]) == (
        "datasource", "datasource", "prometheus", "Data source",
    )  # fmt: skip
    asking = [*board["annotations"]["list"], *panels(board), *[t for panel in panels(board) for t in panel["targets"]]]
    asking += [variable for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert [one for one in asking if one["datasource"] != chosen] == []


@each_board
def test_variables_are_there_and_used(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    asked = [variable["query"]["query"] for variable in variables.values() if variable["type"] == "query"]
    text = " ".join([*asked, *(target.expr for target in targets(board))])
    used = set(re.findall(r"\$(\w+)", text)) - {"__rate_interval", "1"}
    assert used == set(variables) - {"datasource"}
    for variable in variables.values():
        if variable["type"] == "query":  # else new teams would not show up
            assert variable["refresh"] == 2
        if variable["type"] == "custom":
            listed = dict(option.split(" : ") for option in variable["query"].split(","))
            assert listed == {option["text"]: option["value"] for option in variable["options"]}
            assert listed[variable["current"]["text"]] == variable["current"]["value"]


@each_board
def test_kpis_are_read_from_recorded_series_with_scope_and_window(board: dict[str, Any]) -> None:
    exprs = [target.expr for target in targets(board)]
    bare = [expr for expr in exprs if re.search(r"(?<![:\w])kpi_\w+", re.sub(r'"[^"]*"', "", expr))]
    assert bare == []
    for name, matchers in chain.from_iterable(selectors(expr) for expr in exprs):
        given = pinned(matchers)
        if name == ROSTER:
            continue
        if name.startswith("period:"):
            assert name in FAMILIES
            assert set(given) == {"period"}
            continue
        kpi = catalogue()[given["kpi"]] if name in FAMILIES else KPI_METRICS[name]
        assert given["scope"] in ("company", *kpi.by)
        assert given["window"] in (("$window", "$period", *WINDOWS) if kpi.windowed else ("",))


@each_board
def test_numbers_are_of_now_and_lines_are_over_time(board: dict[str, Any]) -> None:
    """A range with its last value would show a series that is gone as if it lived."""
    for panel in panels(board):
        for target in panel["targets"]:
            assert target["instant"] is (panel["type"] in OF_NOW), panel["title"]
            assert target["range"] is not target["instant"]


def test_the_processors_metrics_are_there() -> None:
    families = [family for stage in ("facts", "kpis") for family in OwnMetrics(stage, "0").registry.collect()]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}
    exposed = {family.name + suffix for family in families for suffix in suffixes[family.type]}
    used = {name for target in all_targets() for name in re.findall(r"\bstreamproc_\w+", target.expr)}
    assert used
    assert used - exposed == set()


def test_alerts_are_drawn_on_every_board() -> None:
    for board in BOARDS.values():
        (annotation,) = board["annotations"]["list"]
        assert annotation["expr"] == 'ALERTS{alertstate="firing",domain="kpi"}'


# --- rules of grafana/dashboard-linter that are not above ------------------------------------------------------------


@each_board
def test_counters_are_rated_over_the_rate_interval(board: dict[str, Any]) -> None:
    for target in targets(board):
        counters = re.findall(r"\b\w+_(?:total|bucket|count|sum)\b", target.expr)
        assert counters == re.findall(r"\brate\((\w+)\{[^}]*\}\[\$__rate_interval\]\)", target.expr)
        assert target.expr.count("[") == len(counters)


def test_the_processors_queries_choose_job_and_instance() -> None:
    for lang in LANGS:
        for target in targets(BOARDS[f"streamproc-health-{lang}"]):
            if "watermark" in target.expr:
                continue  # how old the values are is of all workers together
            own = re.findall(r"streamproc_\w+\{([^}]*)\}", target.expr)
            assert own
            assert all('job=~"$job",instance=~"$instance"' in matchers for matchers in own)


def test_what_the_linter_shall_not_say_has_a_reason() -> None:
    for lang in LANGS:
        rules = yaml.safe_load((DASHBOARDS / lang / ".lint").read_text(encoding="utf-8"))["exclusions"]
        assert set(rules) == {"template-job-rule", "template-instance-rule", "target-job-rule", "target-instance-rule"}
        assert all(rule["reason"] for rule in rules.values())


# --- provisioning and playlists --------------------------------------------------------------------------------------


def test_provisioning_keeps_the_boards_as_they_are() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    (datasource,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (datasource["uid"], datasource["type"]) == ("prometheus", "prometheus")
    (provider,) = yaml.safe_load((folder / "dashboards" / "streamproc.yaml").read_text())["providers"]
    assert (provider["allowUiUpdates"], provider["disableDeletion"]) == (False, True)
    assert provider["options"]["foldersFromFilesStructure"] is True


@pytest.mark.parametrize("lang", LANGS)
def test_playlists_have_the_walls(lang: str) -> None:
    playlist = json.loads((ROOT / "deploy" / "grafana" / f"playlist-{lang}.json").read_text(encoding="utf-8"))
    walls = {uid for uid, board in BOARDS.items() if {"wall", lang} <= set(board["tags"])}
    assert {item["type"] for item in playlist["items"]} == {"dashboard_by_uid"}
    assert {item["value"] for item in playlist["items"]} == walls
    assert playlist["items"][0]["value"] == f"kpi-wall-{lang}"
    assert playlist["name"]
    assert re.fullmatch(r"\d+s", playlist["interval"])


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_has_every_panels_query() -> None:
    wanted_rows = {row_start(target) for target in all_targets() if target.board.endswith("-en")}
    text = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
    there = {line.rpartition("` | ")[0] + "`" for line in text.splitlines() if line.startswith("| ") and "` | " in line}
    assert wanted_rows - there == set(), "run `make dashboards-docs`"


def row_start(target: Target) -> str:
    return f"| {target.panel} | `{target.expr.replace('|', chr(92) + '|')}`"


def test_the_page_has_every_board() -> None:
    text = (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### `([a-z-]+)`$", text, re.MULTILINE)) == {uid for uid in BOARDS if uid.endswith("-en")}
