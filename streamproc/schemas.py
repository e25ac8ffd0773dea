"""Writes the JSON Schemas of all events to a folder: `python -m streamproc.schemas [schemas]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from streamproc.events import EVENTS, schema


def files() -> dict[str, str]:
    """File name → text of every schema."""
    return {f"{name}.json": json.dumps(schema(name), indent=2, sort_keys=True) + "\n" for name in EVENTS}


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
