"""The JSON Schemas in `schemas/` are those of `streamproc/events.py`, and accept what the decoder accepts."""

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from streamproc.events import EVENT_TOPICS, EVENTS, decoder
from streamproc.schemas import files
from streamproc.simulate import Organisation

FOLDER = Path(__file__).resolve().parents[1] / "schemas"


def test_files_are_generated() -> None:
    found = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert found == files(), "schemas/ differs from events.py: run `make schemas`"


@pytest.mark.parametrize("name", EVENTS)
def test_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads((FOLDER / f"{name}.json").read_text()))


def test_accepts_what_the_decoder_accepts_and_refuses_what_it_refuses() -> None:
    validators = {
        name: jsonschema.Draft202012Validator(json.loads((FOLDER / f"{name}.json").read_text())) for name in EVENTS
    }
    decode = decoder(*EVENT_TOPICS).decode
    organisation = Organisation(seed=3, start_ms=1_790_000_000_000, flaws=0)
    lines = [line for _, _, _, line in organisation.events(1_790_000_000_000 + 86_400_000, rate_per_s=0.01)]
    assert lines
    for line in lines:
        decode(line)
        event = json.loads(line)
        validators[event["type"]].validate(event)
        for field in EVENTS[event["type"]].data.__struct_fields__:
            if field not in event["data"]:
                continue
            broken = event | {"data": event["data"] | {field: {"not": "this"}}}
            assert not validators[event["type"]].is_valid(broken)
            with pytest.raises(msgspec.ValidationError):
                decode(json.dumps(broken).encode())
