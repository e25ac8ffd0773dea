"""Secured connections to a real broker: the whole path over SASL_SSL and SSL, and refusals that say why."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli.conftest import Run
from cli.conftest import run as run  # the fixture
from cli.samples import call, lines
from support.certificates import KEY_PASSWORD, Certificates, make
from support.workers import Cluster

from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka, is_available
from streamproc.bus.embedded_security import Secured
from streamproc.bus.topics import create, table

USER, PASSWORD, TOKEN = "ann", "Sesame-of-the-login", "token-of-the-metrics-page"
WRONG = "Mistyped-password"
HTTP_USER, HTTP_PASSWORD = "viewer", "Sesame-of-the-page"
EVENTS = lines(call(1, "2026-03-20T09:00:00Z"), call(2, "2026-03-20T09:10:00Z"), call(3, "2026-03-20T09:20:00Z"))
SetEnv = Callable[..., None]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(files: Certificates) -> Secured:
    return Secured(files.keystore, files.cafile, USER, PASSWORD)


@pytest.fixture(scope="module")
def kafka(secured: Secured) -> Iterator[EmbeddedKafka]:
    """In place of the broker of the other tests: one with encrypted listeners as well."""
    if not is_available():
        pytest.skip("embedded Kafka not installed: pip install 'streamproc[embedded]'")
    with EmbeddedKafka(secured=secured) as broker:
        yield broker


@pytest.fixture
def env(run: Run, monkeypatch: pytest.MonkeyPatch) -> SetEnv:
    """Set settings; `run` is needed first, as it forgets those of the environment."""

    def set_them(**settings: object) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"STREAMPROC_{name.upper()}", str(value))

    return set_them


@pytest.fixture
def login(env: SetEnv, kafka: EmbeddedKafka, secured: Secured, files: Certificates) -> SetEnv:
    """Settings of a login that works, with changes."""

    def set_them(**changes: object) -> None:
        settings = {
            "bootstrap_servers": secured.addresses["SASL_SSL"],
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "ssl_cafile": files.cafile,
        }
        env(**settings | changes)

    return set_them


@pytest.fixture
def cluster(kafka: EmbeddedKafka, app_name: str, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(kafka.bootstrap, app_name, tmp_path)
    yield cluster
    for process in cluster.workers.values():
        if process.poll() is None:
            process.kill()
            process.wait()


def compute(run: Run, cluster: Cluster, address: str, tmp_path: Path) -> list[dict[str, object]]:
    """From topics to values, all of it over a secured listener; only the wait is over the plain one."""
    events = tmp_path / "events.ndjson"
    events.write_bytes(EVENTS)
    over = ("--bootstrap-servers", address)
    assert run("topics", "create", *over, "--app", cluster.app).code == 0
    assert run("replay", events, *over).code == 0
    cluster.bootstrap, plain = address, cluster.bootstrap
    for stage in ("facts", "kpis"):
        cluster.start(stage, stage)
    cluster.bootstrap = plain
    cluster.settle()
    found = run("values", "--kpi", "calls", "--where", "rep=ann", "--window", "24h", *over, "--format", "json")
    return [json.loads(line) for line in found.out.splitlines()]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_the_whole_path_with_a_login(
    mechanism: str, login: SetEnv, run: Run, cluster: Cluster, secured: Secured, no_topics: str, tmp_path: Path
) -> None:
    """At log level debug, where aiokafka would log the password of a PLAIN login, and with a protected /metrics."""
    login(sasl_mechanism=mechanism, log_level="debug", http_token=TOKEN, http_user=HTTP_USER)
    login(sasl_mechanism=mechanism, http_password=HTTP_PASSWORD)
    (value,) = compute(run, cluster, secured.addresses["SASL_SSL"], tmp_path)
    assert value["value"] == 3
    pages = [_page(cluster, stage) for stage in ("facts", "kpis")]
    assert 'kpi_calls{scope="rep",rep="ann",window="24h"} 3' in pages[1]
    assert cluster.stop() == {"facts": 0, "kpis": 0}
    logs = [(tmp_path / f"{stage}.log").read_text() for stage in ("facts", "kpis")]
    assert all(f"Authenticated as {USER} via {mechanism}" in log and " DEBUG aiokafka" in log for log in logs)
    assert secrets_in(*logs, *pages) == []


def _page(cluster: Cluster, stage: str) -> str:
    """/metrics, which is not for everybody."""
    url = f"http://127.0.0.1:{cluster.ports[stage]}/metrics"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=10)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def test_the_whole_path_with_a_client_certificate(
    env: SetEnv, run: Run, cluster: Cluster, secured: Secured, files: Certificates, no_topics: str, tmp_path: Path
) -> None:
    env(security_protocol="SSL", ssl_cafile=files.cafile, ssl_certfile=files.client, ssl_keyfile=files.client_key)
    env(ssl_key_password=KEY_PASSWORD)
    (value,) = compute(run, cluster, secured.addresses["SSL"], tmp_path)
    assert value["value"] == 3
    assert cluster.stop() == {"facts": 0, "kpis": 0}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sasl_password": WRONG}, "refuses the login of 'ann' by SCRAM-SHA-512: check STREAMPROC_SASL_USERNAME"),
        ({"sasl_password": WRONG, "sasl_mechanism": "PLAIN"}, "refuses the login of 'ann' by PLAIN"),
        ({"sasl_username": "bob"}, "refuses the login of 'bob' by SCRAM-SHA-512"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "takes no logins by STREAMPROC_SASL_MECHANISM=SCRAM-SHA-256"),
        ({"ssl_cafile": "stranger"}, "certificate is not trusted (unable to get local issuer certificate)"),
        ({"bootstrap_servers": "localhost"}, "certificate is not valid for 'localhost'"),
        ({"ssl_cafile": "/no/such.pem"}, "STREAMPROC_SSL_CAFILE: expected a PEM file with the CA of the brokers'"),
    ],
)
@pytest.mark.parametrize("args", [["topics", "list"], ["replay", "-", "--skip-bad"], ["values"], ["worker"]])
def test_a_refusal_is_one_line_that_says_why(
    changes: dict[str, str], says: str, args: list[str], login: SetEnv, run: Run, secured: Secured, files: Certificates
) -> None:
    if changes.get("ssl_cafile") == "stranger":
        changes = {"ssl_cafile": str(files.stranger)}
    if changes.get("bootstrap_servers") == "localhost":
        changes = {"bootstrap_servers": secured.addresses["SASL_SSL"].replace("127.0.0.1", "localhost")}
    login(**changes)
    result = run(*args)
    assert (result.code, result.out, len(result.errors)) == (2, "", 1)
    assert says in result.err
    assert secrets_in(result.err) == []


@pytest.mark.parametrize(
    ("listener", "protocol", "says"),
    [
        ("SASL_SSL", "PLAINTEXT", "with STREAMPROC_SECURITY_PROTOCOL=PLAINTEXT: it speaks TLS"),
        ("SSL", "PLAINTEXT", "with STREAMPROC_SECURITY_PROTOCOL=PLAINTEXT: it speaks TLS"),
        ("SASL_SSL", "SSL", "not as expected with STREAMPROC_SECURITY_PROTOCOL=SSL"),
        ("SSL", "SSL", "expects a client certificate that it trusts, as STREAMPROC_SSL_CERTFILE"),
        ("plain", "SSL", "not as expected with STREAMPROC_SECURITY_PROTOCOL=SSL"),
        ("plain", "SASL_PLAINTEXT", "takes no logins here: check STREAMPROC_SECURITY_PROTOCOL=SASL_PLAINTEXT"),
    ],
)
def test_the_wrong_protocol_for_a_port_is_named(
    listener: str,
    protocol: str,
    says: str,
    env: SetEnv,
    run: Run,
    kafka: EmbeddedKafka,
    secured: Secured,
    files: Certificates,
) -> None:
    env(bootstrap_servers=secured.addresses.get(listener, kafka.bootstrap), security_protocol=protocol)
    if protocol == "SSL":
        env(ssl_cafile=files.cafile)
    if protocol == "SASL_PLAINTEXT":
        env(sasl_mechanism="PLAIN", sasl_username=USER, sasl_password=PASSWORD)
    result = run("topics", "list")
    assert (result.code, result.out, len(result.errors)) == (2, "", 1)
    assert says in result.err


def test_a_key_that_does_not_open_is_named(env: SetEnv, run: Run, secured: Secured, files: Certificates) -> None:
    """Without a password OpenSSL would ask at the terminal, and a worker would wait for ever."""
    env(security_protocol="SSL", ssl_cafile=files.cafile, ssl_certfile=files.client, ssl_keyfile=files.client_key)
    for password in (None, WRONG):
        if password:
            env(ssl_key_password=password)
        result = run("topics", "list")
        assert (result.code, len(result.errors)) == (2, 1)
        assert f"found {files.client} and {files.client_key}" in result.err


def test_doctor_looks_at_the_secured_connection(login: SetEnv, run: Run, secured: Secured, no_topics: str) -> None:
    login()
    address = secured.addresses["SASL_SSL"]
    asyncio.run(create(Broker(no_topics), table("streamproc")))
    found = {row["what"]: row for row in map(json.loads, run("doctor", "--format", "json").out.splitlines())}
    assert found["Kafka broker"]["found"] == f"{address} (SASL_SSL, SCRAM-SHA-512 as {USER})"
    assert {found["Kafka broker"]["state"], found["topics"]["state"]} == {"ok"}
    login(sasl_password=WRONG)
    result = run("doctor", "--format", "json")
    found = {row["what"]: row for row in map(json.loads, result.out.splitlines())}
    assert result.code == 1
    assert found["Kafka broker"]["state"] == "problem"
    assert "refuses the login of 'ann'" in found["Kafka broker"]["found"]
    assert secrets_in(result.out, result.err) == []


def secrets_in(*texts: str) -> list[str]:
    """Secrets of these tests that occur in some text, as they are or as they go over the wire."""
    basic = base64.b64encode(f"{HTTP_USER}:{HTTP_PASSWORD}".encode()).decode()
    return [
        secret for secret in (PASSWORD, WRONG, TOKEN, HTTP_PASSWORD, basic) if any(secret in text for text in texts)
    ]
