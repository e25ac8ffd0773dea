"""docker-compose.yml against the compose schema, our own command line and the files that are there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from deploy.clicheck import refused
from deploy.composefile import ROOT, Missing, example, filled, load, variables

from streamproc.settings import PREFIX, Settings

SCHEMA = json.loads((Path(__file__).parent / "compose-spec" / "compose-spec.json").read_text())
ENV = {"GRAFANA_ADMIN_PASSWORD": "secret"}
OURS = ("topics", "facts", "kpis", "simulator")
ONE_SHOT = ("topics", "simulator", "playlists")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load(ENV)


def services() -> list[str]:
    return list(load(ENV)["services"])


def mounts(service: dict[str, Any]) -> Iterator[list[str]]:
    for volume in service.get("volumes", ()):
        yield volume.split(":")


def test_the_schema_accepts_it(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, SCHEMA)


@pytest.mark.parametrize(("key", "value"), [("restrat", "always"), ("ports", "3000"), ("deploy", {"limits": {}})])
def test_the_schema_refuses_mistakes(compose: dict[str, Any], key: str, value: Any) -> None:
    wrong = {**compose, "services": {"kafka": {**compose["services"]["kafka"], key: value}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


@pytest.mark.parametrize("name", OURS)
def test_our_commands_are_taken(name: str, compose: dict[str, Any]) -> None:
    assert refused(compose["services"][name]["command"]) is None


def test_wrong_commands_are_not() -> None:
    assert refused(["worker", "--stage", "both"])
    assert refused(["worker", "--stag", "kpis"])
    assert refused(["wroker"])


@pytest.mark.parametrize("name", OURS)
def test_our_settings_are_taken(name: str, compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    found = compose["services"][name]["environment"]
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    assert found.keys() <= known
    for variable, value in found.items():
        monkeypatch.setenv(variable, "" if value is None else str(value))
    assert Settings().bootstrap_servers == "kafka:19092"


def test_all_of_ours_have_the_same_settings_and_image(compose: dict[str, Any]) -> None:
    ours = [compose["services"][name] for name in OURS]
    assert all(service["environment"] == ours[0]["environment"] for service in ours)
    assert {service["image"] for service in ours} == {"streamproc:0.2.0"}


@pytest.mark.parametrize("name", services())
def test_ports_are_those_of_this_machine_only(name: str, compose: dict[str, Any]) -> None:
    ports = compose["services"][name].get("ports", [])
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert "network_mode" not in compose["services"][name]


def test_ports_differ(compose: dict[str, Any]) -> None:
    ports = [port.split(":")[1] for service in compose["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 5
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("name", services())
def test_what_is_mounted_is_there(name: str, compose: dict[str, Any]) -> None:
    for source, target, *mode in mounts(compose["services"][name]):
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == ["ro"], f"{source} can be written"
        else:
            assert source in compose["volumes"], source


def test_every_volume_is_used(compose: dict[str, Any]) -> None:
    used = {source for service in compose["services"].values() for source, *_ in mounts(service)}
    assert set(compose["volumes"]) <= used


@pytest.mark.parametrize("name", services())
def test_images_have_a_version_limits_and_bounded_logs(name: str, compose: dict[str, Any]) -> None:
    service = compose["services"][name]
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", services())
def test_whatever_stays_up_has_a_health_check(name: str, compose: dict[str, Any]) -> None:
    service = compose["services"][name]
    if name in ONE_SHOT:
        assert service["restart"] != "unless-stopped"
        return
    assert service["restart"] == "unless-stopped"
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "healthcheck" in service or ("build" in service and "HEALTHCHECK" in dockerfile)


def test_order_of_start(compose: dict[str, Any]) -> None:
    """Who is waited for can be healthy, or ends."""
    for name, service in compose["services"].items():
        for before, how in service.get("depends_on", {}).items():
            assert before in compose["services"], f"{name} waits for {before}"
            ends = how["condition"] == "service_completed_successfully"
            assert ends == (before in ONE_SHOT)
    for stage in ("facts", "kpis"):
        assert list(compose["services"][stage]["depends_on"]) == ["topics"]


def test_workers_can_be_scaled(compose: dict[str, Any]) -> None:
    for stage in ("facts", "kpis"):
        service = compose["services"][stage]
        assert not {"container_name", "hostname"} & service.keys()
        assert all("-" in port.split(":")[1] for port in service.get("ports", ()))  # a range: one for each
        assert "STREAMPROC_INSTANCE" not in service["environment"]
        assert service["read_only"]


def test_a_retention_of_a_quarter_at_least(compose: dict[str, Any]) -> None:
    command = " ".join(compose["services"]["prometheus"]["command"])
    found = re.search(r"retention\.time=(\d+)d", command)
    assert found
    assert int(found[1]) >= 100


# --- variables -------------------------------------------------------------------------------------------------------


def test_the_example_has_every_variable_with_its_default() -> None:
    expected = {name: "" if default == "?" else default for name, default in variables().items()}
    assert example() == expected


def test_without_a_password_nothing_starts() -> None:
    with pytest.raises(Missing, match="GRAFANA_ADMIN_PASSWORD"):
        filled(example())


def test_no_secret_has_a_default() -> None:
    secret = re.compile("PASSWORD|TOKEN|KEY|SECRET")
    assert [name for name, default in variables().items() if secret.search(name) and default != "?"] == []


# --- files of the services -------------------------------------------------------------------------------------------


def without_addresses(config: dict[str, Any]) -> dict[str, Any]:
    jobs = [
        {key: value for key, value in job.items() if not key.endswith("sd_configs") and key != "static_configs"}
        for job in config["scrape_configs"]
    ]
    return {**config, "scrape_configs": jobs, "alerting": None}


def test_prometheus_is_that_of_the_shipped_file() -> None:
    shipped, ours = (
        yaml.safe_load((ROOT / "deploy" / folder / "prometheus.yml").read_text())
        for folder in ("prometheus", "compose")
    )
    assert without_addresses(ours) == without_addresses(shipped)


def test_prometheus_and_grafana_ask_services_that_there_are(compose: dict[str, Any]) -> None:
    texts = [(ROOT / "deploy" / "compose" / name).read_text() for name in ("prometheus.yml", "datasource.yaml")]
    asked = re.findall(r"(?:\[\"|//)([a-z]+):\d+", "".join(texts))
    found = yaml.safe_load(texts[0])["scrape_configs"][0]["dns_sd_configs"][0]
    assert {*asked, *found["names"]} == {"alertmanager", "prometheus", "facts", "kpis"}
    assert compose["services"].keys() >= {*asked, *found["names"]}
    assert compose["services"]["kpis"]["expose"] == [str(found["port"])]


def test_the_data_source_is_the_shipped_one_but_for_its_address() -> None:
    shipped = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text())
    ours = yaml.safe_load((ROOT / "deploy/compose/datasource.yaml").read_text())
    shipped["datasources"][0]["url"] = ours["datasources"][0]["url"]
    assert ours == shipped


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing; install the Debian package prometheus")
    shutil.copy(ROOT / "deploy/compose/prometheus.yml", tmp_path)
    shutil.copytree(ROOT / "deploy/prometheus/rules", tmp_path / "rules")
    done = subprocess.run([promtool, "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rule files found" in done.stdout


class Grafana:
    """What the playlists are told to: keeps names, and who asks."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.logins: set[str] = set()
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(grafana) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (`self` is the request)
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer([{"uid": str(n), "name": name} for n, name in enumerate(grafana.names)])

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                grafana.names.append(body["name"])
                self.answer({"uid": "1"})

            def answer(self, body: Any) -> None:
                grafana.logins.add(self.headers["Authorization"])
                assert self.path == "/api/playlists"
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(body, separators=(",", ":")).encode())

            def log_message(self, *_args: object) -> None: ...

        return Handler


def test_playlists_are_loaded_once(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing; install the Debian package curl")
    for path in (ROOT / "deploy/grafana").glob("playlist-*.json"):
        shutil.copy(path, tmp_path)
    script = shutil.copy(ROOT / "deploy/compose/load-playlists.sh", tmp_path)
    grafana = Grafana()
    env = {
        "PATH": "/usr/bin:/bin",
        "GRAFANA_URL": f"http://127.0.0.1:{grafana.server.server_port}",
        "GRAFANA_ADMIN_PASSWORD": 'a"b\\c d',
    }
    try:
        first, second = (
            subprocess.run(["sh", script], env=env, capture_output=True, text=True, check=True).stdout for _ in range(2)
        )
    finally:
        grafana.server.shutdown()
        grafana.server.server_close()
    assert sorted(grafana.names) == ["Sales walls", "Vertrieb an der Wand"]
    assert (first.count("made"), second.count("is there")) == (2, 2)
    assert grafana.logins == {"Basic YWRtaW46YSJiXGMgZA=="}  # admin:a"b\c d
