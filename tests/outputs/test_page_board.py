"""The state of the live page, by tables: what each reader gets first, what later, and what is withheld."""

import subprocess
import sys

import orjson
import pytest

from streamproc.kpis.catalogue import catalogue
from streamproc.outputs import page_board
from streamproc.outputs.page_board import SPARK_POINTS, Board, Channel, description

REP = Channel("rep", None)
SALES = Channel("head_of_sales", None)
MEMBERS = [("r1", "Ann", "north", "dach"), ("r2", "Ben", "north", "dach"), ("r3", "Cy", "south", "dach")]
HEADCOUNTS = {"": 3, "team=north": 2, "team=south": 1, "region=dach": 3}


def at(minute, second=0):
    return f"2026-03-02T10:{minute:02}:{second:02}.000Z"


def put(board, kpi, window, group="", value=1, time=None, **more):
    """A record of `kpi.values`; value None: the series has ceased."""
    key = f"{kpi}|{window or ''}|{group}".encode()
    row = {"kpi": kpi, "window": window, "value": value, "n": 3, "as_of": time or at(0), **more}
    board.take_value(key, None if value is None else orjson.dumps(row))


def won(board, id="w1", **fields):
    row = {"id": id, "type": "deal.won", "deal": "d7", "rep": "r3", "team": "south", "region": "dach", "amount": 500.0}
    board.take_event(orjson.dumps({**row, "currency": "EUR", "time": at(1), **fields}))


def alert(board, id="a1", group=None, **fields):
    row = {"id": id, "kpi": "win_ratio", "title_en": "Win rate", "title_de": "Gewinnquote", "group": group or {}}
    row |= {"window": "90d", "value": 0.2, "n": 20, "unit": "ratio", "band": "critical", "previous_band": "ok"}
    board.take_alert(orjson.dumps({**row, "as_of": at(1), **fields}))


def told(board, channel=SALES, since=None):
    """A message as a reader gets it."""
    return orjson.loads(orjson.dumps(board.message(channel, since)))


def values(message):
    return {(row["kpi"], row["window"], row["group"]): row.get("value") for row in message.get("rows", [])}


@pytest.fixture
def board():
    return Board(catalogue())


@pytest.mark.parametrize(
    ("kpi", "window", "group", "channel", "shown"),
    [
        ("win_ratio", "90d", "", SALES, True),
        ("win_ratio", "90d", "team=north", SALES, True),
        ("win_ratio", "30d", "", SALES, False),  # the view has another window
        ("win_ratio", "30d", "", Channel("head_of_sales", "30d"), True),
        ("win_ratio", "90d", "", Channel("head_of_sales", "30d"), False),
        ("pipeline_weighted_eur", None, "", Channel("head_of_sales", "30d"), True),  # a level has no window
        ("win_ratio", "90d", "rep=r1", SALES, False),  # that view has no reps
        ("win_ratio", "90d", "rep=r1", REP, True),
        ("win_ratio", "90d", "product=x", SALES, False),
        ("leads_created", "90d", "", SALES, True),  # of the funnel
        ("pipeline_value_eur", None, "deal_stage=offer", SALES, True),
        ("calls", "90d", "", SALES, False),
    ],
)
def test_what_a_channel_shows(board, kpi, window, group, channel, shown):
    put(board, kpi, window, group)
    assert values(told(board, channel)) == ({(kpi, window, group): 1} if shown else {})


def test_a_reader_gets_everything_first_and_then_what_changed(board):
    put(board, "win_ratio", "90d", value=0.5)
    put(board, "win_ratio", "90d", "team=north", value=0.25, band="warning", target=0.4)
    first = told(board)
    assert values(first) == {("win_ratio", "90d", ""): 0.5, ("win_ratio", "90d", "team=north"): 0.25}
    assert {row["group"]: row.get("band") for row in first["rows"]} == {"": None, "team=north": "warning"}
    seq = board.seq
    assert "rows" not in told(board, since=seq)
    put(board, "win_ratio", "90d", value=0.6)
    put(board, "win_ratio", "90d", value=0.7)
    put(board, "win_ratio", "90d", "team=north", value=None)
    later = told(board, since=seq)
    assert values(later) == {("win_ratio", "90d", ""): 0.7}
    assert later["gone"] == [["win_ratio", "team=north", "90d"]]
    assert values(told(board)) == {("win_ratio", "90d", ""): 0.7}
    assert "gone" not in told(board)


def test_as_of_is_that_of_the_slowest_partition(board):
    assert told(board)["as_of"] is None
    for partition, minute in ((0, 5), (1, 3), (2, 4)):
        board.take_value(f"clock|{partition}".encode(), orjson.dumps({"as_of": at(minute)}))
    assert told(board)["as_of"] == at(3)


def test_a_sparkline_has_a_point_a_minute_and_so_many(board):
    for minute in range(3):
        put(board, "win_ratio", "90d", value=minute, time=at(minute, 1))
        put(board, "win_ratio", "90d", value=minute + 0.5, time=at(minute, 59))
    (spark,) = told(board)["sparks"]
    assert spark["points"] == [["2026-03-02T10:00", 0.5], ["2026-03-02T10:01", 1.5], ["2026-03-02T10:02", 2.5]]
    for n in range(SPARK_POINTS):
        put(board, "win_ratio", "90d", value=n, time=f"2026-03-02T11:{n:02}:00.000Z")
    (spark,) = told(board)["sparks"]
    assert [value for _, value in spark["points"]] == [*range(SPARK_POINTS)]
    put(board, "win_ratio", "90d", value=None)
    assert told(board)["sparks"] == []


@pytest.mark.parametrize("channel", [SALES, REP])
def test_alerts_and_celebrations_come_once_in_the_order_of_their_time(board, channel):
    alert(board, "late", as_of=at(9))
    alert(board, "early", as_of=at(2))
    won(board, "w1")
    seq = board.seq
    alert(board, "late", as_of=at(9))  # the topic is read anew
    assert board.seq == seq
    assert [one["id"] for one in told(board, channel)["alerts"]] == ["early", "late"]
    won(board, "w2", time=at(5))
    later = told(board, channel, seq)
    assert ("alerts" in later, [one["id"] for one in later["news"]]) == (False, ["w2"])


def test_of_alerts_the_latest_are_kept(board):
    for n in range(page_board.RECENT + 5):
        alert(board, f"a{n}", as_of=f"2026-03-02T{n // 60:02}:{n % 60:02}:00.000Z")
    ids = [one["id"] for one in told(board)["alerts"]]
    assert ids == [f"a{n}" for n in range(5, page_board.RECENT + 5)]


@pytest.mark.parametrize(
    ("least", "withheld"),
    [
        (0, set()),
        (1, {"team=gone"}),
        (2, {"rep=r1", "team=south", "team=gone"}),
        (3, {"rep=r1", "team=south", "team=gone", "team=north"}),
        (4, {"rep=r1", "team=south", "team=gone", "team=north", "region=dach"}),
    ],
)
def test_groups_of_few_people_are_withheld(least, withheld):
    board = Board(catalogue(), min_people=least)
    board.set_people(MEMBERS, HEADCOUNTS, [])
    groups = ["", "rep=r1", "team=north", "team=south", "team=gone", "region=dach"]
    for group in groups:
        put(board, "win_ratio", "90d", group, value=0.5)
    rows = {row["group"]: row for channel in (SALES, REP) for row in told(board, channel)["rows"]}
    assert {group for group, row in rows.items() if row.get("withheld")} == withheld
    assert {group for group, row in rows.items() if "value" not in row} == withheld
    assert {spark["group"] for channel in (SALES, REP) for spark in told(board, channel)["sparks"]}.isdisjoint(withheld)


def test_a_group_that_shrinks_is_withheld_from_then_on():
    board = Board(catalogue(), min_people=2)
    board.set_people(MEMBERS, HEADCOUNTS, [])
    put(board, "win_ratio", "90d", "team=north", value=0.5)
    assert values(told(board)) == {("win_ratio", "90d", "team=north"): 0.5}
    seq = board.seq
    board.set_people(MEMBERS[1:], {**HEADCOUNTS, "team=north": 1}, [])
    assert [row["withheld"] for row in told(board, since=seq)["rows"]] == [True]


def test_when_a_withheld_group_does_something_is_not_told():
    board = Board(catalogue(), min_people=2)
    board.set_people(MEMBERS, HEADCOUNTS, [])
    put(board, "win_ratio", "90d", "team=south", value=0.5)
    seq = board.seq
    put(board, "win_ratio", "90d", "team=south", value=0.6)
    assert "rows" not in told(board, since=seq)
    board.set_people(MEMBERS, {**HEADCOUNTS, "team=south": 2}, [])
    assert values(told(board, since=seq)) == {("win_ratio", "90d", "team=south"): 0.6}


@pytest.mark.parametrize(
    ("least", "groups", "names_the_deal"),
    [
        (0, ["rep=r3", "team=south", "region=dach"], True),
        (2, ["region=dach"], False),
        (9, [], False),
    ],
)
def test_a_celebration_names_only_groups_that_are_not_withheld(least, groups, names_the_deal):
    board = Board(catalogue(), min_people=least)
    board.set_people(MEMBERS, HEADCOUNTS, [])
    won(board)
    (news,) = told(board)["news"]
    assert (news["groups"], "deal" in news) == (groups, names_the_deal)
    assert "rep" not in news


def test_alerts_of_withheld_groups_are_not_told():
    board = Board(catalogue(), min_people=2)
    board.set_people(MEMBERS, HEADCOUNTS, [])
    alert(board, "company")
    alert(board, "south", {"team": "south"})
    alert(board, "north", {"team": "north"})
    assert [one["id"] for one in told(board)["alerts"]] == ["company", "north"]


def test_people_and_stages_come_first_and_when_they_change(board):
    board.set_people(MEMBERS, HEADCOUNTS, ["lead", "offer"])
    first = told(board)
    assert first["people"]["r1"] == ["Ann", "north", "dach"]
    assert first["stages"] == ["lead", "offer"]
    seq = board.seq
    board.set_people(MEMBERS, HEADCOUNTS, ["lead", "offer"])
    assert "people" not in told(board, since=seq)
    board.set_people(MEMBERS[:1], HEADCOUNTS, ["lead", "offer"])
    assert [*told(board, since=seq)["people"]] == ["r1"]


def test_new_series_are_refused_at_the_cap_and_known_ones_and_the_company_go_on(board, monkeypatch):
    monkeypatch.setattr(page_board, "MAX_ROWS", 1)
    put(board, "win_ratio", "90d", "team=north", value=1)
    put(board, "win_ratio", "90d", "team=south", value=2)
    put(board, "win_ratio", "90d", "team=north", value=3)
    put(board, "win_ratio", "90d", value=4)
    message = told(board)
    assert values(message) == {("win_ratio", "90d", "team=north"): 3, ("win_ratio", "90d", ""): 4}
    assert message["not_shown"] == 1


def test_there_are_so_many_sparklines_and_always_those_of_the_company(board, monkeypatch):
    monkeypatch.setattr(page_board, "MAX_SPARKS", 1)
    put(board, "win_ratio", "90d", "team=north")
    put(board, "win_ratio", "90d", "team=south")
    put(board, "win_ratio", "90d")
    assert {spark["group"] for spark in told(board)["sparks"]} == {"team=north", ""}
    put(board, "win_ratio", "90d", "team=north", value=None)
    put(board, "win_ratio", "90d", value=None)
    put(board, "win_ratio", "90d", "team=south", time=at(1))
    assert {spark["group"] for spark in told(board)["sparks"]} == {"team=south"}


def test_a_topic_that_is_read_anew_changes_nothing(board):
    def read():
        for minute in range(3):
            put(board, "win_ratio", "90d", value=minute, time=at(minute))
        put(board, "win_ratio", "90d", "team=north", time=at(0))
        put(board, "win_ratio", "90d", "team=gone", time=at(0))
        put(board, "win_ratio", "90d", "team=gone", value=None)

    read()
    seq, first = board.seq, told(board)
    read()
    assert (told(board)["sparks"], values(told(board))) == (first["sparks"], values(first))
    assert "team=north" not in {row["group"] for row in told(board, since=seq)["rows"]}


SERIES = 20_000
FULL = f"""
import orjson
from streamproc.kpis.catalogue import catalogue
from streamproc.outputs.page_board import Board
def memory():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
board = Board(catalogue())
row = {{"value": 0.5, "n": 3, "as_of": "{at(0)}", "previous": 0.25, "change": 1.0, "target": 0.4, "band": "ok"}}
before = memory()
for n in range({SERIES}):
    board.take_value(f"win_ratio|90d|rep=r-{{n}}".encode(), orjson.dumps(row))
print(memory() - before)
"""


def test_a_series_takes_less_than_a_kilobyte():
    took = subprocess.run([sys.executable, "-c", FULL], check=True, capture_output=True, text=True, timeout=60)
    assert SERIES * 100 < int(took.stdout) < SERIES * 1000


def test_the_description_has_each_kpi_of_each_view_in_both_languages(board):
    found = description(board, "wall", {"win_ratio": "up"})
    assert [view["role"] for view in found["views"]] == ["rep", "team_lead", "head_of_sales", "partner_manager"]
    shown = {one["kpi"] for view in found["views"] for one in view["headlines"]} | set(found["funnel"])
    assert shown | {found["by_stage"]} == set(found["kpis"])
    assert all(kpi["title_en"] and kpi["title_de"] and kpi["means_de"] for kpi in found["kpis"].values())
    assert found["kpis"]["win_ratio"]["direction"] == "up"
    assert {view["role"]: view["leader"]["kpi"] for view in found["views"]} == {
        "rep": "revenue_eur",
        "team_lead": "revenue_eur",
        "head_of_sales": "revenue_eur",
        "partner_manager": "leads_offered",
    }
