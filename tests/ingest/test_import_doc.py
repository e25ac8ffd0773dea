"""The example of docs/import.md does what the page says."""

import re
from pathlib import Path
from typing import Any

DOC = Path(__file__).resolve().parents[2] / "docs" / "import.md"


def test_the_documented_example_works(export: Any) -> None:
    blocks = re.findall(r"```\w*\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    (text,) = [block for block in blocks if block.startswith("Nr;")]
    (mapping,) = [block for block in blocks if block.startswith("id: Nr")]
    export.write("agents.csv", "name;team\nAnn Lee;North\n")
    events = export.events(mapping, text.encode("cp1252"), secret=b"a key for tests")
    assert [(event["type"], event["time"], event["subject"]) for event in events] == [
        ("deal.created", "2024-03-01T08:30:00Z", "deal/4711"),
        ("deal.won", "2024-05-17T14:00:00Z", "deal/4711"),
    ]
    assert events[0]["data"]["amount"] == 1054.5
    assert events[0]["data"]["team"] == "North"
