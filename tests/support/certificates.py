"""Certificates made for one test run, as PEM files: a CA, the broker's, a client's, and a CA that nobody trusts."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

KEY_PASSWORD = "key-password-of-the-test"


class Certificates(NamedTuple):
    """Paths of PEM files."""

    cafile: Path
    stranger: Path  # a CA of which nothing is
    keystore: Path  # the broker's key and certificate, for 127.0.0.1 only
    client: Path  # certificate and key
    client_key: Path  # the same key, encrypted with KEY_PASSWORD


def make(folder: Path) -> Certificates:
    files = Certificates(*(folder / f"{name}.pem" for name in Certificates._fields))
    ca = trustme.CA()
    ca.cert_pem.write_to_path(files.cafile)
    trustme.CA().cert_pem.write_to_path(files.stranger)
    broker, client = ca.issue_cert("127.0.0.1"), ca.issue_cert("ann@example.org")
    files.keystore.write_bytes(_key(broker, NoEncryption()) + _chain(broker))
    files.client.write_bytes(_key(client, NoEncryption()) + _chain(client))
    files.client_key.write_bytes(_key(client, BestAvailableEncryption(KEY_PASSWORD.encode())))
    return files


def _key(cert: trustme.LeafCert, encryption: KeySerializationEncryption) -> bytes:
    """As PKCS 8, the only form that Kafka reads."""
    key = load_pem_private_key(cert.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _chain(cert: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in cert.cert_chain_pems)
