"""The live page in a real Chromium: what it shows, how it is operated, and whether everybody can."""

from __future__ import annotations

import os
import re
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest
from page import figures
from page.conftest import Server
from page.figures import Figures

from streamproc.kpis.views import views

TITLES = {"en": "Sales: Company", "de": "Vertrieb: Unternehmen"}
IMAGES = os.environ.get("STREAMPROC_IMAGES", "")  # where `make page-images` wants the pictures


def shown(page: Any) -> dict[tuple[str, str, str], float]:
    """Values of the tiles by KPI, group and window."""
    tiles = page.eval_on_selector_all(
        ".tile[data-value]", "all => all.map(e => [e.dataset.kpi, e.dataset.group, e.dataset.window, e.dataset.value])"
    )
    return {(kpi, group, window): float(value) for kpi, group, window, value in tiles}


def metrics(server: Server) -> dict[tuple[str, str, str], float]:
    """Values of the company in /metrics by KPI, group ("") and window."""
    with urllib.request.urlopen(server.address.replace("/page/", "/metrics")) as answer:
        text = answer.read().decode()
    found = re.findall(r'^kpi_(\w+)\{scope="company"(?:,window="(\w+)")?\} (\S+)$', text, re.MULTILINE)
    return {(kpi, "", window): float(value) for kpi, window, value in found}


@pytest.mark.parametrize("role", views())
def test_the_tiles_say_what_the_metrics_say(server: Server, look: Any, role: str) -> None:
    tiles = shown(look(f"{server.address}?view={role}"))
    known = metrics(server)
    expected = {(kpi, "", window or "") for kpi, window in views()[role].headlines}
    assert tiles == {key: known[key] for key in expected if key in known}
    assert len(tiles) >= 5


def test_values_move(own_server: Server, look: Any, found: Figures) -> None:
    page = look(f"{own_server.address}?view=head_of_sales")
    old = next(one for one in found.values if (one.kpi, one.group, one.window) == ("win_ratio", "", "90d"))
    new = msgspec.structs.replace(old, value=0.123, as_of_ms=found.at_ms + 1000)

    def move() -> None:
        figures.put(own_server.board, new)
        figures.clock(own_server.board, own_server.now_ms + 1000)

    own_server.do(move)
    page.wait_for_selector('.tile[data-kpi=win_ratio][data-value="0.123"]')
    assert "12.3%" in page.inner_text(".tile[data-kpi=win_ratio] .value")
    assert page.get_attribute("#status time", "datetime") == figures.iso(own_server.now_ms + 1000)
    own_server.exposition.apply([new])
    assert shown(page).items() <= metrics(own_server).items()


def test_a_band_is_a_colour_and_a_word(server: Server, look: Any) -> None:
    page = look(f"{server.address}?view=head_of_sales&lang=de")
    bands = page.eval_on_selector_all(".tile .band", "all => all.map(e => [e.className, e.textContent])")
    words = {"band ok": "auf Kurs", "band warning": "Warnung", "band critical": "kritisch"}
    assert bands
    assert [text for _, text in bands] == [words[name] for name, _ in bands]


def test_pickers_are_in_the_address_and_back_goes_back(server: Server, look: Any) -> None:
    page = look(f"{server.address}?lang=en")
    assert page.inner_text("h1") == TITLES["en"]
    page.select_option("[name=lang]", "de")
    assert (page.inner_text("h1"), page.get_attribute("html", "lang")) == (TITLES["de"], "de")
    page.select_option("[name=view]", "team_lead")
    page.wait_for_selector("[name=group] option[value='team=dach-1']", state="attached")
    page.select_option("[name=group]", "team=dach-1")
    page.select_option("[name=window]", "30d")
    page.wait_for_selector('.tile[data-kpi=activities][data-window="30d"][data-group="team=dach-1"][data-value]')
    assert page.url.endswith("?lang=de&view=team_lead&group=team%3Ddach-1&window=30d")
    same = look(page.url)
    same.wait_for_selector('.tile[data-kpi=activities][data-window="30d"]')
    assert (same.inner_text("h1"), shown(same)) == (page.inner_text("h1"), shown(page))
    page.go_back()
    page.wait_for_selector('.tile[data-kpi=activities][data-window="week"][data-group="team=dach-1"]')
    assert page.input_value("[name=window]") == ""


def test_the_leaderboard_leads_to_a_group(server: Server, look: Any) -> None:
    page = look(f"{server.address}?view=head_of_sales")
    name = page.inner_text("#leaders a >> nth=0")
    page.focus("#leaders a")
    page.keyboard.press("Enter")
    page.wait_for_selector(f'.tile[data-group="team={name}"]')
    assert page.inner_text("h1") == f"Sales: {name}"
    assert page.inner_text("#leaders .chosen a") == name


@pytest.mark.parametrize(("lang", "money"), [("en", r"€[\d,]+$"), ("de", r"^[\d.]+\s€")])
def test_money_is_written_as_in_the_language(server: Server, look: Any, lang: str, money: str) -> None:
    page = look(f"{server.address}?view=head_of_sales&lang={lang}")
    assert re.search(money, page.inner_text(".tile[data-kpi=revenue_eur] .value").strip())


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
def test_on_a_wall_nothing_scrolls_and_nothing_is_cut(server: Server, look: Any, width: int, height: int) -> None:
    page = look(f"{server.address}?tv=600&lang=de", width, height)
    assert page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]") == [width, height]
    cut = "e => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1"
    assert page.eval_on_selector_all(".tile, section", f"all => all.filter({cut}).map(e => e.textContent)") == []


def test_a_wall_goes_round_the_views(server: Server, look: Any) -> None:
    page = look(f"{server.address}?tv=0.5&lang=en")
    for title in ("Partners: Company", "My day: Company", "My team: Company", "Sales: Company"):
        page.wait_for_function("title => document.querySelector('h1').textContent === title", arg=title)


@pytest.mark.parametrize("role", views())
def test_a_phone_does_not_scroll_sideways(server: Server, look: Any, role: str) -> None:
    page = look(f"{server.address}?view={role}&lang=de", 360, 740, has_touch=True, is_mobile=True)
    page.click("#choose summary")
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    sizes = page.eval_on_selector_all("select, button, a", "all => all.map(e => e.getBoundingClientRect().height)")
    assert min(sizes) >= 44


def test_stale_when_the_worker_stops_and_live_again_when_it_is_back(own_server: Server, look: Any) -> None:
    page = look(f"{own_server.address}?lang=en")
    before = shown(page)
    own_server.stop()
    page.wait_for_selector("html.stale")
    assert "Stale: no connection" in page.inner_text("#status")
    assert shown(page) == before
    own_server.again()
    page.wait_for_selector("html:not(.stale)")
    assert "live" in page.inner_text("#status")
    page.errors.clear()  # the browser tells of the refused connections


def test_stale_when_the_worker_says_nothing_or_nothing_new(own_server: Server, look: Any) -> None:
    page = look(f"{own_server.address}?lang=en")
    own_server.do(lambda: figures.clock(own_server.board, own_server.now_ms - 120_000))
    page.wait_for_selector("html.stale")
    assert "the values are late" in page.inner_text("#status")
    own_server.do(lambda: figures.clock(own_server.board, own_server.now_ms + 60_000))
    page.wait_for_selector("html:not(.stale)")
    own_server.do(lambda: setattr(own_server.page, "tick", lambda now_s: None))  # hangs, with the connection open
    page.wait_for_selector("html.stale")
    assert "no connection" in page.inner_text("#status")


def test_a_won_deal_is_celebrated_once_unless_quiet(own_server: Server, look: Any) -> None:
    page, quiet = look(f"{own_server.address}?lang=de"), look(f"{own_server.address}?lang=de&quiet=1")
    own_server.do(lambda: figures.won(own_server.board, own_server.now_ms))
    page.wait_for_selector(".news[data-id]")
    assert "Deal gewonnen 48.000 €" in page.inner_text(".news").replace("\xa0", " ")
    spoken = page.locator("[role=status]").all_inner_texts()
    assert spoken == ["live"]  # without the time, which would be read out every second
    later = look(f"{own_server.address}?lang=de")
    assert (quiet.locator(".news").count(), later.locator(".news").count()) == (0, 0)
    page.click("[name=quiet]")
    assert page.get_attribute("[name=quiet]", "aria-pressed") == "true"
    assert "quiet=1" in page.url


def test_a_deal_that_is_won_while_a_wall_changes_its_view_is_celebrated(own_server: Server, look: Any) -> None:
    own_server.do(lambda: setattr(own_server.page, "tick", lambda now_s: None))
    page = look(f"{own_server.address}?lang=en&view=rep")
    own_server.do(lambda: figures.won(own_server.board, own_server.now_ms, currency=None))
    page.select_option("[name=view]", "team_lead")
    page.wait_for_selector(".news[data-id]")
    assert "€48,000" in page.inner_text(".news")


def test_names_are_text(own_server: Server, look: Any) -> None:
    page = look(f"{own_server.address}?view=rep")
    name = "<img src=x onerror=alert(1)>"
    best = page.inner_text("#leaders a >> nth=0")
    own_server.do(lambda: own_server.board.set_people([(best, name, "dach-1", "dach")], {}, []))
    page.wait_for_function("name => document.querySelector('#leaders a').textContent === name", arg=name)
    assert page.locator("img").count() == 0


def test_groups_of_few_people_are_shown_as_withheld(discreet: Server, look: Any) -> None:
    address = discreet.address.replace("//", "//ann:secret@")  # as of a wall that nobody types at
    page = look(f"{address}?view=rep&group=rep%3Drep-001&lang=en", wait=False)
    page.wait_for_selector(".tile.withheld")
    assert page.locator(".tile[data-value]").count() == 0
    assert "fewer than 2 people" in page.inner_text(".tile.withheld >> nth=0")
    assert set(page.locator("#leaders .amount").all_inner_texts()) == {"withheld"}


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("view=head_of_sales&lang=en&theme=light", (1280, 900)),
        ("view=team_lead&lang=de&theme=dark", (1280, 900)),
        ("view=rep&lang=de&theme=light", (360, 740)),
        ("tv=600&lang=en&theme=dark", (1920, 1080)),
    ],
)
def test_axe_finds_nothing_wrong(server: Server, look: Any, query: str, size: tuple[int, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe not installed: make install")
    page = look(f"{server.address}?{query}", *size, bypass_csp=True, reduced_motion="reduce")
    if size[0] < 640:
        page.click("#choose summary")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}})
    told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found.response["violations"]]
    assert told == []


def best_rep(found: Figures) -> str:
    """The rep with the most revenue of the month, as in an address."""
    known = [one for one in found.values if (one.kpi, one.window, one.group[:4]) == ("revenue_eur", "month", "rep=")]
    return max(known, key=lambda one: one.value or 0).group.replace("=", "%3D")


PICTURES = {
    "wall-1080p": ("?tv=600&lang=en", 1920, 1080),
    "wall-4k": ("?tv=600&lang=de", 3840, 2160),
    "phone": ("?view=rep&lang=de", 360, 740),
    "rep": ("?view=rep&group=REP&lang=en", 1280, 900),
    "dark": ("?theme=dark&view=team_lead&group=team%3Ddach-1&lang=de", 1280, 900),
    "stale": ("?view=partner_manager&lang=en", 1280, 900),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(server: Server, look: Any, found: Figures, tmp_path: Path, name: str) -> None:
    query, width, height = PICTURES[name]
    page = look(server.address + query.replace("REP", best_rep(found)), width, height, reduced_motion="reduce")
    if name == "stale":
        server.stop()
        page.wait_for_selector("html.stale")
        page.errors.clear()
    if name == "wall-1080p":
        server.do(lambda: figures.won(server.board, server.now_ms))
        page.wait_for_selector(".news")
    path = Path(IMAGES or tmp_path) / f"page-{name}.png"
    page.screenshot(path=path)
    if name == "stale":
        server.again()
    assert path.stat().st_size > 10_000
