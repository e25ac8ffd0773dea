"""A folder with a CSV file, the files it refers to, and a mapping."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamproc.ingest.importer import Imported, read
from streamproc.ingest.mapping import load_mapping
from streamproc.ingest.mapping_file import MappingErrors


class Export:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mapping_path = folder / "mapping.yaml"

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def load(
        self, mapping: str, text: str | bytes, *, secret: bytes | None = None, name: str = "export.csv"
    ) -> Imported:
        csv_path = self.write(name, text)
        self.write("mapping.yaml", mapping)
        return read(csv_path, load_mapping(self.mapping_path, csv_path), secret)

    def events(self, mapping: str, text: str | bytes, **options: Any) -> list[dict[str, Any]]:
        """The events of an export without bad rows."""
        found = self.load(mapping, text, **options)
        assert found.bad == []
        return [msgspec.json.decode(body) for body in found.events]

    def problems(self, mapping: str | bytes, text: str | bytes) -> list[tuple[str, str]]:
        """Everything wrong with a mapping, as (place, message)."""
        csv_path = self.write("export.csv", text)
        self.write("mapping.yaml", mapping)
        with pytest.raises(MappingErrors) as caught:
            load_mapping(self.mapping_path, csv_path)
        return [(problem.place, problem.message) for problem in caught.value.problems]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)
