"""The chart, rendered by Helm, against schemas, our command line and settings: part of `make check-deploy`.

Not a part of `make test`, since Helm must be built first, and schemas installed (schemas.py, requirements.txt).
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.clicheck import refused
from deploy.composefile import ROOT

from streamproc.settings import PREFIX, Settings
from streamproc.supervise import GRACE_S

CHART = ROOT / "deploy" / "helm" / "streamproc"
VALUES = ROOT / "tests" / "deploy" / "values"
CASES = sorted(path.stem for path in VALUES.glob("*.yaml"))
VERSIONS = ("1.27", "1.31", "1.37")  # the oldest that the chart takes, one between, the newest
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML has it
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MAX_RELEASE_BYTES = 1_000_000  # a release is kept in one secret

Doc = dict[str, Any]


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    found = ROOT / ".venv" / "go" / "helm"
    program = str(found) if found.exists() else shutil.which("helm")
    assert program, "helm is missing: make check-deploy"
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


@cache
def rendered(case: str) -> list[Doc]:
    done = helm("template", "prod", str(CHART), "--values", str(VALUES / f"{case}.yaml"), "--namespace", "sales")
    assert done.returncode == 0, done.stderr
    return [doc for doc in yaml.load_all(done.stdout, Loader) if doc]


def of_kind(case: str, *kinds: str) -> list[Doc]:
    return [doc for doc in rendered(case) if doc["kind"] in kinds]


def containers(case: str) -> Iterator[tuple[str, Doc, Doc]]:
    """Name of the object, its pod's spec and its container."""
    for doc in of_kind(case, "StatefulSet", "Job"):
        spec = doc["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        yield doc["metadata"]["name"], spec, container


@pytest.mark.parametrize("case", CASES)
def test_helm_lint_finds_nothing(case: str) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(VALUES / f"{case}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def schemas(docs: list[Doc]) -> str:
    """What is wrong by the schemas; "" if nothing is."""
    words = [ROOT / ".venv" / "deploy" / "bin" / "python", Path(__file__).parent / "schemas.py", *VERSIONS]
    done = subprocess.run(words, input=yaml.dump_all(docs, Dumper=Dumper), capture_output=True, text=True, check=False)
    assert done.returncode == int(bool(done.stdout.strip())), done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("case", CASES)
def test_the_schemas_accept_every_object(case: str) -> None:
    assert schemas(rendered(case)) == ""


@pytest.mark.parametrize(
    ("kind", "path", "field"),
    [
        ("StatefulSet", ("spec", "template", "spec"), "livenessProb"),
        ("NetworkPolicy", ("spec",), "podSelectr"),
        ("ServiceMonitor", ("spec",), "sampleLimits"),
        ("PrometheusRule", ("spec",), "group"),
    ],
)
def test_the_schemas_refuse_mistakes(kind: str, path: tuple[str, ...], field: str) -> None:
    doc = json.loads(json.dumps(of_kind("full", kind)[0]))
    place = doc
    for name in path:
        place = place[name]
    place[field] = {}
    assert doc["metadata"]["name"] in schemas([doc])


def test_small_leaves_out_what_is_switched_off() -> None:
    assert {doc["kind"] for doc in rendered("small")} == {"StatefulSet", "Service"}


@pytest.mark.parametrize("case", CASES)
def test_our_commands_are_taken(case: str) -> None:
    found = {name: container["args"] for name, _, container in containers(case)}
    assert {name: words for name, words in found.items() if refused(words)} == {}
    assert any("backfill" in words for words in found.values()) == (case == "backfill")
    stages = {name: words[words.index("--stage") + 1] for name, words in found.items() if "--stage" in words}
    assert stages == {f"prod-streamproc-{stage}": stage for stage in ("facts", "kpis")}


@pytest.mark.parametrize("case", CASES)
def test_our_settings_are_taken(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each container's environment makes settings; files that it names are mounted."""
    for name, spec, container in containers(case):
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounted.values()) == {volume["name"] for volume in spec["volumes"]}
        with monkeypatch.context() as env:
            for one in container["env"]:
                value = one.get("value", "a-name")
                if value.startswith(("/run/", "/etc/")):
                    assert str(Path(value).parent) in mounted, value
                    secret = tmp_path / Path(value).name
                    secret.write_text("secret")
                    value = str(secret)
                variable = one["name"].removeprefix(PREFIX).removesuffix("_FILE").lower()
                assert variable in Settings.model_fields or one["name"] == "STREAMPROC_KPIS_FILE", (name, variable)
                env.setenv(one["name"], value)
            assert Settings().partitions == {"full": 24, "small": 3, "backfill": 12}[case]


def test_a_takeover_has_more_time_than_its_processes_need_to_end() -> None:
    probes = {name: container.get("livenessProbe") for name, _, container in containers("backfill")}
    probe = probes["prod-streamproc-backfill"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > 2 * GRACE_S


def test_no_secret_is_in_what_is_rendered() -> None:
    assert of_kind("full", "Secret") == []
    for _, _, container in containers("full"):
        names = {one["name"] for one in container["env"]}
        assert "STREAMPROC_SASL_PASSWORD_FILE" in names
        assert not {"STREAMPROC_SASL_PASSWORD", "STREAMPROC_HTTP_TOKEN"} & names


@pytest.mark.parametrize("case", CASES)
def test_pods_are_static_members_without_rights(case: str) -> None:
    for name, spec, container in containers(case):
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        if not name.endswith("-topics"):
            (instance,) = [one for one in container["env"] if one["name"] == "STREAMPROC_INSTANCE"]
            assert instance["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
            assert container["livenessProbe"]["httpGet"]["path"] == "/live"
            assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
            assert spec["terminationGracePeriodSeconds"] >= 60


@pytest.mark.parametrize("case", CASES)
def test_selectors_find_the_pods_that_are_meant(case: str) -> None:
    pods = [doc["spec"]["template"]["metadata"]["labels"] for doc in of_kind(case, "StatefulSet")]
    assert len(pods) == (3 if case == "backfill" else 2)

    def count(selector: Doc) -> int:
        return sum(selector.items() <= labels.items() for labels in pods)

    for doc in of_kind(case, "StatefulSet", "PodDisruptionBudget"):
        assert count(doc["spec"]["selector"]["matchLabels"]) == 1, doc["metadata"]["name"]
    for doc in of_kind(case, "NetworkPolicy"):
        assert count(doc["spec"]["podSelector"]["matchLabels"]) == len(pods)
    (service,) = of_kind(case, "Service")
    assert count(service["spec"]["selector"]) == len(pods)
    assert {doc["spec"]["serviceName"] for doc in of_kind(case, "StatefulSet")} == {service["metadata"]["name"]}
    for doc in of_kind(case, "ServiceMonitor"):
        assert doc["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert service["metadata"]["labels"][doc["spec"]["jobLabel"]] == "streamproc"


def test_rules_and_dashboards_are_those_of_the_repository() -> None:
    rules = [doc["spec"] for doc in of_kind("full", "PrometheusRule")]
    shipped = [yaml.load(path.read_text(), Loader) for path in (ROOT / "deploy/prometheus/rules").glob("*.rules.yml")]
    assert sorted(map(json.dumps, rules)) == sorted(map(json.dumps, shipped))
    boards = {name: text for doc in of_kind("full", "ConfigMap") for name, text in doc["data"].items()}
    files = {path.name: path for path in (ROOT / "deploy/grafana/dashboards").rglob("*.json")}
    assert boards.keys() - {"kpis.yaml"} == files.keys()
    assert all(json.loads(boards[name]) == json.loads(path.read_text()) for name, path in files.items())


def test_names_are_unique_and_a_release_is_not_too_big() -> None:
    docs = rendered("full")
    names = [(doc["kind"], doc["metadata"]["name"]) for doc in docs]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for kind, name in names if kind != "PrometheusRule" and kind != "ConfigMap")
    files = [path for path in CHART.rglob("*") if path.is_file()]
    files += [path for folder in ("rules", "dashboards") for path in (CHART / folder).rglob("*") if path.is_file()]
    whole = b"".join([base64.b64encode(path.read_bytes()) for path in files]) + json.dumps(docs).encode()
    assert len(base64.b64encode(gzip.compress(whole))) < MAX_RELEASE_BYTES


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("settings.BOOTSTRAP_SERVERS=kafka", "BOOTSTRAP_SERVERS"),
        ("settings.SASL_PASSWORD=hunter2", "SASL_PASSWORD"),
        ("settings.CURENCY=USD", "CURENCY"),
        ("facts.replica=2", "replica"),
        ("image.digest=sha256:12", "digest"),
        ("secrets.PASSWORD.secret=a", "PASSWORD"),
        ("backfill.app=streamproc", "backfill.app"),
    ],
)
def test_wrong_values_are_refused(setting: str, said: str) -> None:
    done = helm("template", "prod", str(CHART), "--values", str(VALUES / "small.yaml"), "--set", setting)
    assert done.returncode != 0
    assert said in done.stderr
