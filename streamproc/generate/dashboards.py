"""Grafana's dashboards in both languages, their provisioning and the playlists of the walls."""

from __future__ import annotations

import json

import yaml

from streamproc.generate import boards_detail, boards_health, boards_sales
from streamproc.generate.boards import Board, text_of
from streamproc.generate.dashboard_texts import LANGS, Words
from streamproc.kpis.catalogue import catalogue

FOLDER = "deploy/grafana"
MOUNTED = "/etc/grafana/dashboards"  # where provisioning expects the folder `dashboards`
SLIDE = "30s"


def boards(words: Words) -> list[Board]:
    """All dashboards in one language."""
    sales = [boards_sales.wall(words), boards_sales.team(words), boards_sales.rep(words)]
    mobiles = boards_sales.mobiles(words)
    return [*sales, *boards_detail.details(words), *mobiles, boards_health.health(words)]


def files() -> dict[str, str]:
    """All files by their path."""
    found = {
        f"{FOLDER}/provisioning/datasources/prometheus.yaml": _yaml(_datasource()),
        f"{FOLDER}/provisioning/dashboards/streamproc.yaml": _yaml(_providers()),
    }
    kpis = catalogue()
    for lang in LANGS:
        words = Words(lang, kpis)
        for board in boards(words):
            found[f"{FOLDER}/dashboards/{lang}/{words.uid(board.name)}.json"] = text_of(words, board)
        found[f"{FOLDER}/dashboards/{lang}/.lint"] = _yaml({"exclusions": _not_linted()})
        found[f"{FOLDER}/playlist-{lang}.json"] = _playlist(words)
    return found


def _playlist(words: Words) -> str:
    """As Grafana's API takes it: the boards for screens, one after the other."""
    walls = [board for board in boards(words) if "wall" in board.tags]
    items = [{"type": "dashboard_by_uid", "value": words.uid(board.name), "title": board.title} for board in walls]
    playlist = {"name": words("Sales walls", "Vertrieb an der Wand"), "interval": SLIDE, "items": items}
    return json.dumps(playlist, indent=1, ensure_ascii=False) + "\n"


def _not_linted() -> dict[str, object]:
    """Rules of grafana/dashboard-linter that do not hold here."""
    reason = (
        "KPIs are read from recorded series, which have no instance and are of one installation; "
        "streamproc-health chooses both, except for how old the values of all workers together are."
    )
    rules = ("template-job-rule", "template-instance-rule", "target-job-rule", "target-instance-rule")
    return {rule: {"reason": reason} for rule in rules}


def _datasource() -> dict[str, object]:
    one = {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": "http://127.0.0.1:9090",
        "isDefault": True,
        "editable": False,
        "jsonData": {"timeInterval": "5s", "httpMethod": "POST"},
    }
    return {"apiVersion": 1, "datasources": [one]}


def _providers() -> dict[str, object]:
    one = {
        "name": "streamproc",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 60,
        "options": {"path": MOUNTED, "foldersFromFilesStructure": True},
    }
    return {"apiVersion": 1, "providers": [one]}


def _yaml(content: dict[str, object]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
