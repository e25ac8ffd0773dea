"""How clients of Kafka connect: the only place that knows addresses, logins and certificates; and why they cannot."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest
from pydantic import SecretStr

from streamproc.settings import Settings, variable

CONNECT_TIMEOUT_S = 10.0  # a broker that takes longer to say hello is not there
PROBE_TIMEOUT_S = 5.0
MAX_FETCH_BYTES = 8 * 1024 * 1024


def _without_logins(record: logging.LogRecord) -> bool:
    """aiokafka logs whole requests at level debug, with the password of a PLAIN login among them."""
    args = record.args if isinstance(record.args, tuple) else ()
    return not any(type(arg).__name__.startswith("SaslAuthenticate") for arg in args)


logging.getLogger("aiokafka.conn").addFilter(_without_logins)


class BrokerUnavailable(ConnectionError):
    """No Kafka broker answers at `address` ("host:port[,host:port]"). The message is one line for people."""

    def __init__(self, address: str, message: str = "") -> None:
        super().__init__(
            message
            or f"no Kafka broker answers at {address}: start it, or give the address of a running one (host:port)"
        )
        self.address = address


class BrokerRefuses(BrokerUnavailable):
    """Something answers at `address`, but the connection, its encryption or the login fails."""


class SecurityError(ValueError):
    """A file of certificates or a key cannot be used; the message is one line for people."""


@dataclass(frozen=True)
class Broker:
    """Where the brokers are and how to connect to them. Shows no secrets."""

    bootstrap: str  # host:port[,host:port]
    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str = ""
    password: SecretStr | None = None
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""
    key_password: SecretStr | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say."""
        return cls(
            settings.bootstrap_servers,
            settings.security_protocol,
            settings.sasl_mechanism,
            settings.sasl_username,
            settings.sasl_password,
            settings.ssl_cafile,
            settings.ssl_certfile,
            settings.ssl_keyfile,
            settings.ssl_key_password,
        )

    def __str__(self) -> str:
        """For people: `kafka-1:9093 (SASL_SSL, SCRAM-SHA-512 as ann)`."""
        login = f", {self.mechanism} as {self.username}" if self.has_login else ""
        return self.bootstrap if self.protocol == "PLAINTEXT" else f"{self.bootstrap} ({self.protocol}{login})"

    @property
    def addresses(self) -> list[str]:
        return [address.strip() for address in self.bootstrap.split(",")]

    @property
    def has_login(self) -> bool:
        return self.protocol.startswith("SASL_")

    @property
    def is_encrypted(self) -> bool:
        return self.protocol.endswith("SSL")

    def client(self) -> dict[str, Any]:
        """Arguments that every aiokafka client gets. Raises SecurityError."""
        return {"bootstrap_servers": self.addresses, **self.security()}

    def security(self) -> dict[str, Any]:
        """The same without the addresses."""
        found: dict[str, Any] = {"security_protocol": self.protocol}
        if self.is_encrypted:
            found["ssl_context"] = self.tls
        if self.has_login:
            found["sasl_mechanism"] = self.mechanism
            found["sasl_plain_username"] = self.username
            found["sasl_plain_password"] = _text(self.password)
        return found

    def consumer(self, **extra: Any) -> AIOKafkaConsumer:
        """A consumer, not started, of what is committed; it commits nothing by itself."""
        return AIOKafkaConsumer(
            **self.client(),
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=MAX_FETCH_BYTES,
            **extra,
        )

    def faust(self) -> dict[str, Any]:
        """Arguments of a Faust app: addresses of our transport, and credentials."""
        from faust.auth import SASLCredentials, SSLCredentials

        found: dict[str, Any] = {"broker": ";".join(f"kpi://{address}" for address in self.addresses)}
        if self.has_login:
            found["broker_credentials"] = SASLCredentials(
                username=self.username,
                password=_text(self.password),
                mechanism=self.mechanism,
                ssl_context=self.tls if self.is_encrypted else None,
            )
        elif self.is_encrypted:
            found["broker_credentials"] = SSLCredentials(self.tls)
        return found

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Checks certificates and host names, always. Raises SecurityError."""
        with _usable("ssl_cafile", self.cafile, "PEM file with the CA of the brokers' certificates"):
            context = ssl.create_default_context(cafile=self.cafile or None)
        if self.certfile:
            files = " and ".join(filter(None, (self.certfile, self.keyfile)))
            with _usable("ssl_certfile", files, "PEM file with a certificate, its key, and the key's password"):
                # A password, be it empty, or OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.certfile, self.keyfile or None, lambda: _text(self.key_password))
        return context


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


@contextmanager
def _usable(name: str, path: str, expected: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise SecurityError(f"{variable(name)}: expected a {expected}, found {path}: {reason}") from None


@asynccontextmanager
async def reaching(broker: Broker) -> AsyncIterator[None]:
    """What a client raises where it reaches no broker becomes BrokerUnavailable, or BrokerRefuses with the reason."""
    try:
        yield
    except BrokerUnavailable:
        raise
    except (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, OSError) as error:
        why = await refusal(broker)
        raise (BrokerRefuses(broker.bootstrap, why) if why else BrokerUnavailable(broker.bootstrap)) from error


@contextmanager
def quiet_connect() -> Iterator[None]:
    """aiokafka logs each address that does not answer; BrokerUnavailable says it once."""

    def drop(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Unable ")

    log = logging.getLogger("aiokafka")
    log.addFilter(drop)
    try:
        yield
    finally:
        log.removeFilter(drop)


async def refusal(broker: Broker) -> str:
    """Why a broker that answers does not let us in, in one line; "" if none answers, or all is well now.

    Clients tell only that they got nowhere, so this connects once more to each address.
    """
    for host, port, _ in collect_hosts(broker.addresses, randomize=False):
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                why = await _greet(broker, host, port)
                if why is not None:
                    return f"{host}:{port}: {await _explain(why, broker, host, port)}"
        except OSError:  # not there, or silent
            continue
    return ""


async def _greet(broker: Broker, host: str, port: int) -> BaseException | None:
    """Connect, log in and ask for metadata; what went wrong, None if nothing did. Raises OSError if nobody answers."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    try:
        connection = await create_conn(host, port, **broker.security())
        try:
            await connection.send(MetadataRequest([]))
        finally:
            connection.close()
    except Exception as error:
        return error
    return None


async def _explain(error: BaseException, broker: Broker, host: str, port: int) -> str:
    # A connection that broke carries the reason as its cause.
    cause = error.__cause__ if isinstance(error, KafkaConnectionError) and error.__cause__ else error
    protocol = f"{variable('security_protocol')}={broker.protocol}"
    match cause:
        case ssl.SSLCertVerificationError():
            return (
                f"the broker's certificate is not trusted ({cause.verify_message.rstrip('.')}): give the CA that it is "
                f"from as {variable('ssl_cafile')}, and the broker's name as in its certificate"
            )
        case SaslAuthenticationFailed():
            return (
                f"the broker refuses the login of {broker.username!r} by {broker.mechanism}: check "
                f"{variable('sasl_username')}, {variable('sasl_password')} and {variable('sasl_mechanism')}"
            )
        case UnsupportedSaslMechanismError():
            return (
                f"the broker takes no logins by {variable('sasl_mechanism')}={broker.mechanism}: use one that it takes"
            )
        case IllegalSaslStateError():
            return f"the broker takes no logins here: check {protocol} and the port"
        case ssl.SSLError() if "ALERT" in (cause.reason or ""):
            return (
                f"the broker ends the encryption ({cause.reason}): it expects a client certificate that it trusts, as "
                f"{variable('ssl_certfile')} and {variable('ssl_keyfile')}"
            )
    encrypted = not broker.is_encrypted and await _speaks_tls(host, port)
    hint = (
        "it speaks TLS, so it expects SSL or SASL_SSL"
        if encrypted
        else "it may be stopping, or expects another protocol"
    )
    return f"something answers, but not as expected with {protocol}: {hint}"


async def _speaks_tls(host: str, port: int) -> bool:
    anything = ssl.create_default_context()  # only to see whether it is TLS: nothing is sent
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=anything)
    except OSError:
        return False
    writer.close()
    return True
