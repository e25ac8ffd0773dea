"""All settings, from the environment (`STREAMPROC_…`) or the command line. Only `app.py` and `cli` read them."""

from __future__ import annotations

import socket
from typing import Annotated, Literal
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_PORT = 65_535
Port = Annotated[int, Field(ge=0, le=MAX_PORT)]
Stage = Literal["facts", "kpis"]


class Settings(BaseSettings):
    """What a worker needs to know. Defaults are safe: everything on this machine only."""

    model_config = SettingsConfigDict(env_prefix="STREAMPROC_", extra="ignore")

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port[,host:port]")
    app: str = Field("streamproc", pattern=r"^[A-Za-z0-9._-]+$", description="prefix of groups and changelogs")
    partitions: int = Field(4, ge=1, le=1000, description="partitions of the topics made by `topics create`")
    host: str = Field("127.0.0.1", description="address that /metrics listens on")
    port: Port = Field(8700, description="port of /metrics, /live and /ready")
    clock: Literal["wall", "event"] = Field("wall", description="evaluation clock: wall (live) or event (replay)")
    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="reporting currency")
    business_timezone: str = Field("UTC", description="time zone of calendar windows")
    stages: list[str] = Field(default=[], description="order of deal stages where none is defined by reference data")
    instance: str = Field("", description="stable name of this worker in its group; default: host and port")
    reject_limit: float = Field(
        0.5, ge=0, le=1, description="share of 10,000 records of a topic that may be refused; 1: any"
    )
    max_series: int = Field(200_000, ge=1, description="cap on exposed series")
    max_entities: int = Field(2_000_000, ge=0, description="cap on entities of a facts task; 0: none")
    max_groups: int = Field(200_000, ge=0, description="cap on groups of a kpis task; 0: none")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="log level")
    pseudonym_key: SecretStr | None = Field(None, description="secret key of pseudonyms, for `import csv`")

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

    def member(self, stage: Stage) -> str:
        """Static member id in the stage's consumer group; one of its own at each start where the port is any."""
        place = self.port or uuid4().hex[:12]
        return f"{self.instance or f'{socket.gethostname()}-{place}'}-{stage}"
