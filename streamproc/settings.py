"""All settings, from the environment (`STREAMPROC_…`) or the command line. Only `app`, `demo`, `cli` and
`bus.connection` read them. Secrets come from the environment or from files that it names, never from options.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "STREAMPROC_"
MAX_PORT = 65_535
Port = Annotated[int, Field(ge=0, le=MAX_PORT)]
Stage = Literal["facts", "kpis"]
_LOGIN = ("sasl_mechanism", "sasl_username", "sasl_password")
_TLS = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_key_password")


class SecretFileError(ValueError):
    """A file that a `STREAMPROC_…_FILE` variable names holds no secret; the message is one line for people."""


class Settings(BaseSettings):
    """What a worker needs to know. Defaults are safe: everything on this machine only."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True)

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port[,host:port]")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to connect to Kafka: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="login to Kafka with SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    sasl_username: str = Field("", description="user of the login to Kafka")
    sasl_password: SecretStr | None = Field(None, min_length=1, description="secret: its password")
    ssl_cafile: str = Field(
        "", description="PEM file of the CA that brokers' certificates are from; default: the system's"
    )
    ssl_certfile: str = Field("", description="PEM file of the client's certificate, where brokers ask for one")
    ssl_keyfile: str = Field("", description="PEM file of its key, if that is not in the same file")
    ssl_key_password: SecretStr | None = Field(
        None, min_length=1, description="secret: password of the key, if it is encrypted"
    )
    app: str = Field("streamproc", pattern=r"^[A-Za-z0-9._-]+$", description="prefix of groups and changelogs")
    partitions: int = Field(4, ge=1, le=1000, description="partitions of the topics made by `topics create`")
    host: str = Field("127.0.0.1", description="address that /metrics listens on")
    port: Port = Field(8700, description="port of /metrics, /live and /ready")
    http_token: SecretStr | None = Field(None, min_length=1, description="secret: bearer token that /metrics asks for")
    http_user: str = Field("", description="user that /metrics asks for (basic authentication)")
    http_password: SecretStr | None = Field(None, min_length=1, description="secret: its password")
    page_min_people: int = Field(0, ge=0, description="groups of fewer people are withheld on the live page; 0: none")
    kpis_file: str = Field("", description="YAML file of people's own KPIs, beside the built-in ones")
    clock: Literal["wall", "event"] = Field("wall", description="evaluation clock: wall (live) or event (replay)")
    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="reporting currency")
    business_timezone: str = Field("UTC", description="time zone of calendar windows and working time")
    holidays: str = Field("", description="region whose holidays are no working time, such as DE or DE-BY")
    stages: list[str] = Field(default=[], description="order of deal stages where none is defined by reference data")
    instance: str = Field("", description="stable name of this worker in its group; default: host and port")
    reject_limit: float = Field(
        0.5, ge=0, le=1, description="share of 10,000 records of a topic that may be refused; 1: any"
    )
    max_series: int = Field(200_000, ge=1, description="cap on exposed series")
    max_entities: int = Field(2_000_000, ge=0, description="cap on entities of a facts task; 0: none")
    max_groups: int = Field(200_000, ge=0, description="cap on groups of a kpis task; 0: none")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="log level")
    pseudonym_key: SecretStr | None = Field(None, description="secret: key of pseudonyms, for `import csv`")

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in value.split(","):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
                raise ValueError("expected host:port[,host:port]")
        return value

    @field_validator("business_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("expected a time zone such as Europe/Berlin") from error
        return value

    @field_validator("holidays")
    @classmethod
    def _known_region(cls, value: str) -> str:
        from streamproc.kpis.working_time import check_region

        return check_region(value)

    @field_validator("http_user")
    @classmethod
    def _no_colon(cls, value: str) -> str:
        if ":" in value:
            raise ValueError("expected a user name without a colon")
        return value

    @field_validator("http_token")
    @classmethod
    def _one_word(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("expected ASCII characters without spaces")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """What is missing, or would have no effect, is refused: else a connection may be less safe than was meant."""
        protocol = self.security_protocol
        for name in _LOGIN:
            if protocol.startswith("SASL_") and not getattr(self, name):
                raise ValueError(
                    f"{variable(name)}: expected with {variable('security_protocol')}={protocol}, found none"
                )
            if not protocol.startswith("SASL_"):
                self._refuse(name, "SASL_PLAINTEXT or SASL_SSL")
        for name in _TLS:
            if not protocol.endswith("SSL"):
                self._refuse(name, "SSL or SASL_SSL")
        if not self.ssl_certfile and (self.ssl_keyfile or self.ssl_key_password):
            raise ValueError(f"{variable('ssl_certfile')}: expected with a key, found none")
        if bool(self.http_user) != bool(self.http_password):
            raise ValueError(f"{variable('http_user')}: expected together with {variable('http_password')}")
        return self

    def _refuse(self, name: str, protocols: str) -> None:
        if getattr(self, name):
            raise ValueError(
                f"{variable(name)}: expected only with {variable('security_protocol')}={protocols}, "
                f"found {self.security_protocol}"
            )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options, variables, files of secrets."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _from_files())

    def secret(self, name: str) -> str:
        """The text of a secret setting; "" if it is not set."""
        found: SecretStr | None = getattr(self, name)
        return found.get_secret_value() if found else ""

    def member(self, stage: Stage) -> str:
        """Static member id in the stage's consumer group; one of its own at each start where the port is any."""
        place = self.port or uuid4().hex[:12]
        return f"{self.instance or f'{socket.gethostname()}-{place}'}-{stage}"


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def secrets() -> list[str]:
    """Names of the settings that must never be shown."""
    return [name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)]


def _from_files() -> dict[str, str]:
    """Secrets of which the variable with `_FILE` behind its name says where they are, as containers get them."""
    found = {}
    for name in secrets():
        place = f"{variable(name)}_FILE"
        if path := os.environ.get(place):
            if variable(name) in os.environ:
                raise SecretFileError(f"{place}: expected only one of it and {variable(name)}")
            try:
                text = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not UTF-8"
                raise SecretFileError(f"{place}: expected a file with the secret, found {path!r}: {reason}") from None
            found[name] = text.rstrip("\r\n")
    return found
