"""Kubernetes objects (YAML on standard input) against their schemas; prints what is wrong. Arguments: versions.

Kubernetes' own objects are held against the schemas of the package kubernetes-validate, strict: unknown fields are
wrong. Those of the Prometheus operator are held against the classes of cloudcoil-models-prometheus-operator, which lose
what they do not know. Runs in an environment of its own, see requirements.txt.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import kubernetes_validate
import yaml
from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML has it
OPERATOR = {"PrometheusRule": PrometheusRule, "ServiceMonitor": ServiceMonitor}


def wrong(doc: dict[str, Any], versions: Sequence[str]) -> Iterator[str]:
    """What is wrong with one object."""
    name = f"{doc['kind']} {doc['metadata']['name']}"
    if doc["kind"] in OPERATOR:
        try:
            found = OPERATOR[doc["kind"]].model_validate(doc)
        except ValueError as error:
            yield f"{name}: {error}"
            return
        if found.model_dump(mode="json", by_alias=True, exclude_unset=True)["spec"] != doc["spec"]:
            yield f"{name}: has fields that the operator does not know"
        return
    for version in versions:
        try:
            kubernetes_validate.validate(doc, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{name}, Kubernetes {version}: {error.message}"


def main(versions: Sequence[str]) -> int:
    found = [line for doc in yaml.load_all(sys.stdin, Loader) if doc for line in wrong(doc, versions)]
    print("\n".join(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
