"""Write what is made from the catalogue: `python -m streamproc.generate`, in the repository's root."""

from __future__ import annotations

from pathlib import Path

from streamproc.generate import dashboards

# Folders of which every file is generated: what is no longer made goes.
FOLDERS = ("deploy/grafana",)
PARTS = (dashboards,)


def generated() -> dict[str, str]:
    """All files by their path."""
    return {path: text for part in PARTS for path, text in part.files().items()}


def write(root: Path) -> list[str]:
    """Write them; returns the paths that changed or went."""
    files, changed = generated(), []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and name not in files:
                path.unlink()
                changed.append(name)
    for name, text in files.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


if __name__ == "__main__":
    found = write(Path.cwd())
    print("\n".join(found) or "nothing to change")
