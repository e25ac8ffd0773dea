"""Encrypted listeners of the embedded Kafka beside its plain one, to try secured connections on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_JAAS = "org.apache.kafka.common.security"
_CONFIG = """\
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={cafile}
listener.name.ssl.ssl.client.auth=required
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config={jaas}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
"""


@dataclass
class Secured:
    """Two listeners: SASL_SSL, which takes one user by PLAIN and SCRAM-SHA-512, and SSL, which asks for certificates.

    `keystore` is a PEM file with the broker's key (PKCS 8, not encrypted) and certificate, `cafile` one with the CA of
    clients' certificates. `addresses` has host:port of each listener once the broker has been started.
    """

    keystore: Path
    cafile: Path
    user: str
    password: str = field(repr=False)
    addresses: dict[str, str] = field(default_factory=lambda: {"SASL_SSL": "", "SSL": ""})

    @property
    def format_options(self) -> list[str]:
        """For Kafka's storage tool: SCRAM users are part of the data."""
        return ["--add-scram", f"SCRAM-SHA-512=[name={self.user},password={self.password}]"]

    def added_to(self, config: str, addresses: Mapping[str, str]) -> str:
        """A broker's configuration with these listeners added."""
        self.addresses = dict(addresses)
        listeners = "".join(f",{name}://{address}" for name, address in addresses.items())
        protocols = "".join(f",{name}:{name}" for name in addresses)
        added = {
            "listeners=": listeners,
            "advertised.listeners=": listeners,
            "listener.security.protocol.map=": protocols,
        }
        lines = [
            line + next((more for start, more in added.items() if line.startswith(start)), "")
            for line in config.splitlines()
        ]
        secrets = _CONFIG.format(
            keystore=self.keystore, cafile=self.cafile, jaas=_JAAS, user=self.user, password=self.password
        )
        return "\n".join(lines) + "\n" + secrets
