"""Write what is made from the catalogue: `python -m streamproc.generate`, in the repository's root."""

from __future__ import annotations

from pathlib import Path

from streamproc.generate import dashboards, rule_tests, rules, runbooks

# Folders of which every file is generated: what is no longer made goes.
FOLDERS = (rules.FOLDER, rule_tests.FOLDER, runbooks.FOLDER, dashboards.FOLDER)
PARTS = (rules, rule_tests, runbooks, dashboards)


def changes(root: Path) -> dict[str, str | None]:
    """What must be written (None: removed) so that everything under `root` is as generated; by path."""
    wanted = {path: text for part in PARTS for path, text in part.files().items()}
    there = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.is_file()]
    found: dict[str, str | None] = {
        name: None for path in there if (name := path.relative_to(root).as_posix()) not in wanted
    }
    for name, text in wanted.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            found[name] = text
    return found


def write(root: Path) -> list[str]:
    """Make it so; returns the paths that changed."""
    found = changes(root)
    for name, text in found.items():
        path = root / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return sorted(found)


if __name__ == "__main__":
    print("\n".join(write(Path.cwd())) or "nothing to change")
