"""Settings that must fit together, secrets from variables and files, and that no command ever shows a secret."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from cli.conftest import Run
from cli.conftest import run as run  # the fixture

from streamproc.bus.connection import Broker
from streamproc.cli import app
from streamproc.outputs.http import Access
from streamproc.settings import Settings, secrets, variable

SECRET = "Sesame-open-5"
LOGIN = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "ann", "sasl_password": SECRET}
SetEnv = Callable[..., None]


@pytest.fixture
def env(run: Run, monkeypatch: pytest.MonkeyPatch) -> SetEnv:
    """Set settings; `run` comes first, as it forgets those of the environment."""

    def set_them(**settings: object) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(variable(name), str(value))

    return set_them


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"security_protocol": "TLS"},
            "STREAMPROC_SECURITY_PROTOCOL: expected 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or",
        ),
        (
            {"security_protocol": "SASL_SSL"},
            "STREAMPROC_SASL_MECHANISM: expected with STREAMPROC_SECURITY_PROTOCOL=SASL_",
        ),
        (
            LOGIN | {"sasl_mechanism": "GSSAPI"},
            "STREAMPROC_SASL_MECHANISM: expected 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-",
        ),
        (
            LOGIN | {"sasl_username": ""},
            "STREAMPROC_SASL_USERNAME: expected with STREAMPROC_SECURITY_PROTOCOL=SASL_SSL",
        ),
        (LOGIN | {"sasl_password": ""}, "STREAMPROC_SASL_PASSWORD: expected"),
        (
            LOGIN | {"security_protocol": "SSL"},
            "STREAMPROC_SASL_MECHANISM: expected only with STREAMPROC_SECURITY_PROTOCOL=",
        ),
        (
            {"sasl_password": SECRET},
            "STREAMPROC_SASL_PASSWORD: expected only with STREAMPROC_SECURITY_PROTOCOL=SASL_PLAIN",
        ),
        (
            {"ssl_cafile": "ca.pem"},
            "STREAMPROC_SSL_CAFILE: expected only with STREAMPROC_SECURITY_PROTOCOL=SSL or SASL_SSL",
        ),
        (
            {"security_protocol": "SSL", "ssl_keyfile": "k.pem"},
            "STREAMPROC_SSL_CERTFILE: expected with a key, found none",
        ),
        ({"security_protocol": "SSL", "ssl_key_password": SECRET}, "STREAMPROC_SSL_CERTFILE: expected with a key"),
        ({"http_user": "ann"}, "STREAMPROC_HTTP_USER: expected together with STREAMPROC_HTTP_PASSWORD"),
        ({"http_password": SECRET}, "STREAMPROC_HTTP_USER: expected together with STREAMPROC_HTTP_PASSWORD"),
        ({"http_user": "ann:x", "http_password": SECRET}, "STREAMPROC_HTTP_USER: expected a user name without a colon"),
        ({"http_token": ""}, "STREAMPROC_HTTP_TOKEN: expected"),
        ({"http_token": f"{SECRET} {SECRET}"}, "STREAMPROC_HTTP_TOKEN: expected ASCII characters without spaces"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    settings: dict[str, str], says: str, env: SetEnv, run: Run
) -> None:
    env(**settings)
    result = run("kpis", "list")
    assert (result.code, result.out, len(result.errors)) == (2, "", 1)
    assert result.err.startswith(f"error: {says}")
    assert SECRET not in result.err


def test_a_secret_may_be_in_a_file(env: SetEnv, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(SECRET.encode() + b"\r\n")
    env(**LOGIN | {"sasl_password_file": file})
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STREAMPROC_SASL_PASSWORD")
        assert Settings().secret("sasl_password") == SECRET


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "expected a file with the secret, found '{file}': No such file or directory"),
        (b"\xff", "expected a file with the secret, found '{file}': not UTF-8"),
    ],
)
def test_a_secret_file_that_will_not_do_is_named(
    content: bytes | None, says: str, env: SetEnv, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    env(http_token_file=file)
    assert run("kpis", "list") == (2, "", f"error: STREAMPROC_HTTP_TOKEN_FILE: {says.format(file=file)}\n")


def test_an_empty_secret_file_protects_nothing_and_is_refused(env: SetEnv, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\n")
    env(http_token_file=file)
    result = run("kpis", "list")
    assert (result.code, len(result.errors)) == (2, 1)
    assert "STREAMPROC_HTTP_TOKEN: expected" in result.err


def test_a_secret_twice_is_refused(env: SetEnv, run: Run, tmp_path: Path) -> None:
    env(http_token=SECRET, http_token_file=tmp_path / "token")
    result = run("kpis", "list")
    assert (result.code, result.errors) == (
        2,
        ["error: STREAMPROC_HTTP_TOKEN_FILE: expected only one of it and STREAMPROC_HTTP_TOKEN"],
    )


def test_secrets_are_never_options() -> None:
    names = {option for command in _commands() for parameter in command.params for option in parameter.opts}
    assert "--bootstrap-servers" in names
    assert {f"--{name.replace('_', '-')}" for name in secrets()} & names == set()


def test_workers_get_secrets_from_the_environment_only(
    all_secrets: dict[str, str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reached(_broker: Broker, _specs: object) -> None:
        pass

    def start(commands: list[list[str]]) -> int:
        started.extend(commands)
        return 0

    started: list[list[str]] = []
    monkeypatch.setattr("streamproc.bus.topics.describe", reached)
    monkeypatch.setattr("streamproc.supervise.supervise", start)
    assert run("worker").code == 0
    assert [command[command.index("--stage") + 1] for command in started] == ["kpis", "facts"]
    assert not _shows(str(started))


def test_the_demos_own_kafka_takes_no_logins(env: SetEnv, run: Run) -> None:
    env(**LOGIN)
    result = run("demo", "--for", "1s")
    assert (result.code, len(result.errors)) == (2, 1)
    assert "STREAMPROC_SECURITY_PROTOCOL: expected with --bootstrap-servers only" in result.err


# --- nothing shows a secret ------------------------------------------------------------------------------------------


@pytest.fixture
def all_secrets(env: SetEnv) -> dict[str, str]:
    """Every secret set, each to a text of its own."""
    found = {name: f"{SECRET}-{name}" for name in secrets()}
    env(**LOGIN | found | {"http_user": "viewer", "ssl_certfile": "/no/such.pem", "log_level": "debug"})
    env(bootstrap_servers="127.0.0.1:1")
    return found


def test_every_secret_is_known_as_one() -> None:
    """A new setting whose name sounds like a secret must be one."""
    sounds = ("password", "token", "secret", "_key")
    assert sorted(secrets()) == sorted(name for name in Settings.model_fields if name.endswith(sounds))


def test_settings_and_connections_hide_secrets(all_secrets: dict[str, str]) -> None:
    settings = Settings()
    assert {settings.secret(name) for name in secrets()} == set(all_secrets.values())
    broker = Broker.of(settings)
    access = Access(settings.secret("http_token"), settings.http_user, settings.secret("http_password"))
    shown = [settings, settings.model_dump(), settings.model_dump_json(), broker, vars(broker), access]
    texts = [text for one in shown for text in (repr(one), str(one), f"{one}")]
    assert [text for text in texts if SECRET in text] == []


def test_a_wrong_setting_hides_the_others(all_secrets: dict[str, str], env: SetEnv) -> None:
    env(port="http", ssl_certfile="")
    with pytest.raises(ValueError, match="validation error") as caught:
        Settings()
    assert SECRET not in str(caught.value) + repr(caught.value)


def _commands() -> list[typer.main.TyperCommand]:
    def walk(command: object) -> list[typer.main.TyperCommand]:
        children = getattr(command, "commands", None)
        return [leaf for child in children.values() for leaf in walk(child)] if children else [command]  # type: ignore[list-item]

    return walk(typer.main.get_command(app))


def test_no_command_shows_a_secret(
    all_secrets: dict[str, str], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What works without Kafka, starts that fail for a missing certificate or broker, at log level debug."""
    events = tmp_path / "events.ndjson"
    lines = [["--help"], ["--version"], ["kpis", "list"]]
    lines += [["simulate", "--out", str(events), "--for", "20s", "--rate", "20"], ["backtest", str(events)]]
    starts = [["worker", "--stage", "facts"], ["worker"], ["topics", "list"], ["topics", "create"], ["values"]]
    starts += [["rejected", "show"], ["replay", str(events)], ["simulate", "--for", "1s"], ["doctor"]]
    starts += [["demo", "--bootstrap-servers", "127.0.0.1:1"]]
    results = [run(*line) for line in lines]
    results += [run(*line) for line in starts]
    assert results[-1].err.startswith("error: STREAMPROC_SSL_CERTFILE: ")
    monkeypatch.delenv("STREAMPROC_SSL_CERTFILE")
    monkeypatch.delenv("STREAMPROC_SSL_KEY_PASSWORD")
    results += [run(*line) for line in starts]
    assert results[-1].err.startswith("error: no Kafka broker answers at 127.0.0.1:1")
    assert [result.code for result in results[:5]] == [0] * 5
    assert all(result.code for result in results[5:])
    assert "".join(result.out for result in results)
    assert [result for result in results if _shows(result.out + result.err)] == []


def test_no_help_shows_a_secret(all_secrets: dict[str, str], run: Run) -> None:
    for group, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for name in getattr(command, "commands", None) or [""]:
            result = run(*filter(None, (group, name)), "--help")
            assert result.code == 0
            assert not _shows(result.out + result.err)


def _shows(text: str) -> bool:
    """As it is, or as basic authentication has it."""
    basic = base64.b64encode(f"viewer:{SECRET}-http_password".encode()).decode()
    return SECRET in text or basic in text
