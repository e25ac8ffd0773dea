"""What the live page shows: latest values of the views' KPIs, alerts and celebrations; and what changed since.

Pure: records of `kpi.values`, `kpi.alerts` and `kpi.events` in, messages for readers out. Everything kept has the
number of the change that brought it, so one function makes both the first message of a reader and all later ones.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from streamproc.kpis.kpi import Catalogue
from streamproc.kpis.views import View, views
from streamproc.outputs.scopes import BRIEF, scope_of
from streamproc.outputs.topics import CLOCK_KEY
from streamproc.windows.calendar import WINDOWS

FUNNEL = ("leads_created", "leads_mql", "leads_sql", "deals_created", "deals_won")
FUNNEL_WINDOW = "90d"  # where the reader has chosen none
BY_STAGE = "deal_stage"
PEOPLE = ("rep", "team", "region")  # dimensions whose groups are of people; of others nobody knows how many there are
SPARK_POINTS = 60  # one a minute
RECENT = 30  # alerts, and celebrations, that are kept
MAX_ROWS = 100_000  # about half a kB each; those of the company come on top
MAX_SPARKS = 4_000  # about 6 kB each, likewise
MINUTE = len("2026-01-01T00:00")  # that much of a time tells its minute

# What a reader gets of a value, of those that it has.
_FIELDS = ("value", "n", "previous", "change", "target", "attainment", "pace", "benchmark", "band", "trend")
_ALERT = ("id", "kpi", "title_en", "title_de", "window", "value", "n", "unit", "band", "previous_band", "as_of")
_NEWS = ("id", "type", "kpi", "title_en", "title_de", "window", "target", "unit", "deal", "amount", "currency")


class Kind(NamedTuple):
    """What series of a KPI have in common that stand side by side; `dimension` is "" for the company."""

    kpi: str
    window: str | None
    dimension: str


class Channel(NamedTuple):
    """What readers of one kind get: a role's view, with the windows that it has (None) or one for all its KPIs."""

    role: str
    window: str | None


class _Row(NamedTuple):
    """The latest of a series, as JSON; None where it has ceased. `seq`: number of the change."""

    seq: int
    text: bytes | None


class _News(NamedTuple):
    """An alert or a celebration. `groups`: all that it tells of."""

    seq: int
    time: str
    groups: tuple[str, ...]
    row: dict[str, Any]


class Board:
    """The state of the page. `min_people`: groups of fewer are withheld; 0 withholds none."""

    def __init__(self, catalogue: Catalogue, currency: str = "EUR", min_people: int = 0) -> None:
        self.catalogue = catalogue
        self.views = views(currency)
        self.min_people = min_people
        self.by_stage_kpi = f"pipeline_value_{currency.lower()}"
        self.seq = 0  # number of the latest change
        self.not_shown = 0  # values refused by the cap
        shown = {
            kind for role in self.views for window in (None, *WINDOWS) for kind in self.wanted(Channel(role, window))
        }
        headlines = {(one.kpi, one.window) for view in self.views.values() for one in view.headlines}
        # By group, the latest change last. So a message costs what is in it, not what is kept.
        self._rows: dict[Kind, dict[str, _Row]] = {kind: {} for kind in shown}
        self._sparks: dict[Kind, dict[str, deque[tuple[str, float]]]] = {
            kind: {} for kind in shown if kind[:2] in headlines and kind.dimension not in BRIEF
        }
        self._n_rows = self._n_sparks = 0
        self._clocks: dict[str, str] = {}
        self._alerts: list[_News] = []
        self._news: list[_News] = []
        self._people: dict[str, Any] = {"people": {}, "stages": []}
        self._people_seq = 0
        self._large: frozenset[str] = frozenset()  # groups of people that are not withheld

    def take_value(self, key: bytes, value: bytes | None) -> None:
        """A record of `kpi.values`; those that the page does not show are passed over at once."""
        name, _, rest = key.decode().partition("|")
        if name == CLOCK_KEY:
            if value is not None:
                self._clocks[rest] = orjson.loads(value)["as_of"]
            return
        window, _, group = rest.partition("|")
        kind = Kind(name, window or None, scope_of(group))
        rows = self._rows.get(kind)
        if rows is None:
            return
        if value is None:
            if group in rows:
                self._put(rows, group, None)
                self._n_sparks -= self._sparks.get(kind, {}).pop(group, None) is not None
        elif group in rows or not group or self._n_rows < MAX_ROWS:
            row = orjson.loads(value)
            self._n_rows += group not in rows
            self._put(rows, group, _row(kind, group, row))
            self._spark(kind, group, row)
        else:
            self.not_shown += 1

    def take_alert(self, value: bytes) -> None:
        """A record of `kpi.alerts`."""
        row = orjson.loads(value)
        group = _group(row["group"])
        self._add(self._alerts, row["as_of"], (group,), {**_some(row, _ALERT), "group": group})

    def take_event(self, value: bytes) -> None:
        """A record of `kpi.events`."""
        row = orjson.loads(value)
        if row["type"] == "deal.won":
            groups = tuple(f"{name}={row[name]}" for name in PEOPLE if row.get(name))
            time = row["time"]
        else:
            groups, time = (_group(row["group"]),), row["as_of"]
        self._add(self._news, time, groups, {**_some(row, _NEWS), "time": time, "groups": groups})

    def set_people(
        self, members: Iterable[tuple[str, str, str, str]], headcounts: Mapping[str, int], stages: list[str]
    ) -> None:
        """The roster (rep, name, team, region), active people by group, and the order of open stages."""
        people = {rep: [name, team, region] for rep, name, team, region in members}
        found = {"people": people, "stages": stages}
        large = frozenset(group for group, n in headcounts.items() if n >= self.min_people)
        if found != self._people:
            self.seq += 1
            self._people, self._people_seq = found, self.seq
        changed, self._large = self._large ^ large, large
        for rows in self._rows.values() if self.min_people else ():
            for group in changed & rows.keys():
                self._renew(rows, group, rows[group].text)

    def is_withheld(self, group: str) -> bool:
        """Whether so few people are behind a group that its values would tell of one of them."""
        scope = scope_of(group)
        if scope == "rep":
            return self.min_people > 1
        return self.min_people > 0 and scope in PEOPLE and group not in self._large

    def message(self, channel: Channel, since: int | None) -> dict[str, Any]:
        """What changed after a change's number; everything with None. Rows are JSON already (orjson.Fragment)."""
        wanted = self.wanted(channel)
        after = -1 if since is None else since
        rows, gone = [], []
        for kind, group, row in self._after(wanted, after):
            if row.text is None:
                gone.append([kind.kpi, group, kind.window])
            else:
                rows.append(orjson.Fragment(_withheld(kind, group) if self.is_withheld(group) else row.text))
        found: dict[str, Any] = {"as_of": min(self._clocks.values(), default=None)}
        found |= {"rows": rows} if rows else {}
        found |= {"alerts": told} if (told := self._told(self._alerts, after)) else {}
        found |= {"news": told} if (told := self._told(self._news, after)) else {}
        if self._people_seq > after:
            found |= self._people
        if since is None:
            return found | {"sparks": self._shown_sparks(wanted), "not_shown": self.not_shown}
        return found | ({"gone": gone} if gone else {})

    def wanted(self, channel: Channel) -> set[Kind]:
        """Everything that readers of a channel see."""
        view, chosen = self.views[channel.role], channel.window
        shown = [(one.kpi, one.window) for one in view.headlines] + [(name, FUNNEL_WINDOW) for name in FUNNEL]
        found = {Kind(self.by_stage_kpi, None, BY_STAGE)}
        for name, window in shown:
            windows = {None} if window is None else {chosen or window}
            found |= {Kind(name, one, dimension) for one in windows for dimension in ("", *view.groups)}
        return found

    def _after(self, wanted: set[Kind], seq: int) -> Iterator[tuple[Kind, str, _Row]]:
        for kind in wanted:
            for group, row in reversed(self._rows[kind].items()):
                if row.seq <= seq:
                    break
                yield kind, group, row

    def _put(self, rows: dict[str, _Row], group: str, text: bytes | None) -> None:
        old = rows.get(group)
        if old is not None and old.text == text:
            return  # the topic is read anew
        if old is not None and None not in (old.text, text) and self.is_withheld(group):
            rows[group] = _Row(old.seq, text)  # nor is it told when somebody did something
        else:
            self._renew(rows, group, text)

    def _renew(self, rows: dict[str, _Row], group: str, text: bytes | None) -> None:
        self.seq += 1
        rows.pop(group, None)  # so that it comes last
        rows[sys.intern(group)] = _Row(self.seq, text)

    def _spark(self, kind: Kind, group: str, row: dict[str, Any]) -> None:
        sparks = self._sparks.get(kind)
        if sparks is None or row["value"] is None:
            return
        if group not in sparks:
            if group and self._n_sparks >= MAX_SPARKS:
                return
            self._n_sparks += 1
            sparks[group] = deque(maxlen=SPARK_POINTS)
        points, minute = sparks[group], sys.intern(row["as_of"][:MINUTE])
        if points and points[-1][0] == minute:
            points.pop()
        if not points or points[-1][0] < minute:  # else the topic is read anew
            points.append((minute, row["value"]))

    def _shown_sparks(self, wanted: set[Kind]) -> list[dict[str, Any]]:
        return [
            {"kpi": kind.kpi, "group": group, "window": kind.window, "points": list(points)}
            for kind in wanted & self._sparks.keys()
            for group, points in self._sparks[kind].items()
            if not self.is_withheld(group)
        ]

    def _add(self, kept: list[_News], time: str, groups: tuple[str, ...], row: dict[str, Any]) -> None:
        if any(one.row["id"] == row["id"] for one in kept):
            return  # the topic is read anew
        self.seq += 1
        kept.append(_News(self.seq, time, groups, row))
        kept.sort(key=lambda one: one.time)  # topics have several partitions, each in order
        del kept[:-RECENT]

    def _told(self, kept: list[_News], after: int) -> list[dict[str, Any]]:
        """Those that are new. Of a won deal only the groups that are not withheld are named."""
        found = []
        for one in kept:
            if one.seq <= after:
                continue
            open_groups = [group for group in one.groups if not self.is_withheld(group)]
            if one.row.get("type") == "deal.won":
                row = {**one.row, "groups": open_groups}
                if len(open_groups) < len(one.groups):
                    row.pop("deal", None)  # whoever knows the deal knows whose it is
                found.append(row)
            elif len(open_groups) == len(one.groups):
                found.append(one.row)
        return found


def description(board: Board, clock: str, directions: Mapping[str, str]) -> dict[str, Any]:
    """What never changes while a worker runs: views, KPIs, windows. `directions`: which way of a KPI is better."""
    names = sorted({name for role in board.views for name, _, _ in board.wanted(Channel(role, None))})
    kpis = {}
    for kpi in (board.catalogue[name] for name in names):
        texts = {name: getattr(kpi, name) for name in ("title_en", "title_de", "means", "means_de", "unit", "windowed")}
        kpis[kpi.name] = {**texts, "direction": directions.get(kpi.name, "none")}
    return {
        "clock": clock,
        "min_people": board.min_people,
        "views": [_view(view, board.catalogue) for view in board.views.values()],
        "kpis": kpis,
        "windows": list(WINDOWS),
        "funnel": FUNNEL,
        "funnel_window": FUNNEL_WINDOW,
        "by_stage": board.by_stage_kpi,
    }


def _view(view: View, catalogue: Catalogue) -> dict[str, Any]:
    """A view; its `leader` is the headline that its groups are ranked by: revenue, if it has that."""
    windowed = [one for one in view.headlines if one.window is not None]
    money = [one for one in windowed if one.kpi.startswith("revenue_") and catalogue[one.kpi].unit != "ratio"]
    return {
        "role": view.role,
        **{name: getattr(view, name) for name in ("title_en", "title_de", "means_en", "means_de", "groups")},
        "headlines": [one._asdict() for one in view.headlines],
        "leader": (money or windowed)[0]._asdict(),
    }


def _row(kind: Kind, group: str, row: dict[str, Any]) -> bytes:
    head = {"kpi": kind.kpi, "group": group, "window": kind.window, "at": row["as_of"]}
    # A copy, since what orjson returns keeps the room that it was written in: 4 kB a row.
    return bytes(bytearray(orjson.dumps(head | _some(row, _FIELDS))))


def _withheld(kind: Kind, group: str) -> bytes:
    return orjson.dumps({"kpi": kind.kpi, "group": group, "window": kind.window, "withheld": True})


def _some(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


def _group(group: dict[str, str]) -> str:
    return "=".join(next(iter(group.items()))) if group else ""
