"""The chart's values schema beside our settings. What needs Helm is in check_chart.py."""

from __future__ import annotations

import json

from deploy.composefile import ROOT

from streamproc.settings import Settings, secrets

SCHEMA = json.loads((ROOT / "deploy/helm/streamproc/values.schema.json").read_text())["properties"]
BY_TEMPLATES = {"HOST", "PORT", "INSTANCE", "PARTITIONS", "KPIS_FILE"}
FILES = {"SSL_CAFILE", "SSL_CERTFILE", "SSL_KEYFILE"}
NOT_OF_WORKERS = {"PSEUDONYM_KEY"}


def test_the_schema_has_every_setting_once() -> None:
    """A misspelt one, which workers would not notice, is refused; a new one must be given a place."""
    given, secret = set(SCHEMA["settings"]["properties"]), set(SCHEMA["secrets"]["propertyNames"]["enum"])
    assert SCHEMA["settings"]["additionalProperties"] is False
    assert secret == {name.upper() for name in secrets()} - NOT_OF_WORKERS | FILES
    assert sorted([*given, *secret, *BY_TEMPLATES, *NOT_OF_WORKERS]) == sorted(map(str.upper, Settings.model_fields))
