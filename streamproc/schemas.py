"""Writes the JSON Schemas of events, and of files of KPIs, to a folder: `python -m streamproc.schemas [schemas]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from streamproc.events import EVENTS, schema
from streamproc.kpis.own import File

KPIS = "kpis.schema.json"


def files() -> dict[str, str]:
    """File name → text of every schema."""
    found = {f"{name}.json": schema(name) for name in EVENTS} | {KPIS: kpis_schema()}
    return {name: json.dumps(one, indent=2, sort_keys=True) + "\n" for name, one in found.items()}


def kpis_schema() -> dict[str, Any]:
    """JSON Schema of a file of people's own KPIs, for editors; `streamproc kpis check FILE` knows more."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "streamproc: people's own KPIs"}
    found: dict[str, Any] = msgspec.json.schema(File)
    lists: dict[str, Any] = {}
    hoisted: dict[str, Any] = _hoisted(found, lists)
    hoisted["$defs"] |= lists
    return head | hoisted


def _hoisted(node: Any, lists: dict[str, Any]) -> Any:
    """The same schema with each list of allowed words written once."""
    if isinstance(node, list):
        return [_hoisted(one, lists) for one in node]
    if not isinstance(node, dict):
        return node
    if "enum" in node and "description" in node:
        name = node["description"].removeprefix("a ").removeprefix("an ")
        lists[name] = node
        return {"$ref": f"#/$defs/{quote(name)}"}
    return {key: _hoisted(one, lists) for key, one in node.items()}


def write(folder: Path) -> None:
    """Write all schemas, and remove those of types that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = files()
    for stale in folder.glob("*.json"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))
