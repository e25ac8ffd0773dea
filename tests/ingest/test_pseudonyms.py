"""Pseudonyms: computed as documented, stable, and nothing of the name left anywhere."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from streamproc.ingest.mapping_file import MappingErrors
from streamproc.ingest.pseudonyms import pseudonym

MAPPING = """
id: owner
pseudonymise: [owner, agents.boss]
lookups: {agents: {file: teams.csv, key: agent, from: owner}}
events:
  - {type: call.logged, time: at, when: {owner: {not: nobody}}, data: {rep: owner, team: {lookup: agents.boss}}}
"""
KEY = b"a key for tests"


def test_pseudonym_is_a_truncated_hmac_of_the_normal_form() -> None:
    digest = hmac.new(KEY, b"ann@example.org", hashlib.sha256).digest()[:16]
    found = pseudonym(" Ann@Example.org ", KEY)
    assert len(found) == 26
    assert base64.b32decode(found.upper() + "======") == digest
    assert pseudonym("\uff21nn@example.org", KEY) == found, "compatible spellings are one"
    assert pseudonym("ann@example.org", b"another key") != found


def test_names_leave_neither_in_events_nor_in_reasons(export: Any) -> None:
    export.write("teams.csv", "agent,boss\nann@example.org,Zoe\n")
    found = export.load(
        MAPPING,
        "owner,at\nann@example.org,2024-01-01\nnobody,2024-01-01\nbob@example.org,2024-01-01\n",
        secret=KEY,
    )
    (event,) = found.events
    assert pseudonym("ann@example.org", KEY).encode() in event
    assert pseudonym("zoe", KEY).encode() in event
    (bad,) = found.bad
    assert bad.line == 4
    assert "is not in teams.csv" in bad.reason
    for name in ("ann", "bob", "Zoe", "example"):
        assert name.encode() not in event
        assert name not in bad.reason


@pytest.mark.parametrize("secret", [None, b""])
def test_without_a_key_nothing_is_imported(export: Any, secret: bytes | None) -> None:
    export.write("teams.csv", "agent,boss\n")
    with pytest.raises(MappingErrors, match="set the environment variable STREAMPROC_PSEUDONYM_KEY"):
        export.load(MAPPING, "owner,at\nann,2024-01-01\n", secret=secret)


def test_a_pseudonym_fills_only_text(export: Any) -> None:
    mapping = "id: id\npseudonymise: [cost]\nevents:\n  - {type: deal.won, time: at, data: {deal: id, amount: cost}}\n"
    assert export.problems(mapping, "id,at,cost\n") == [
        ("events[0].data.amount", "amount is no text; a pseudonymised column can only fill a field of text")
    ]
