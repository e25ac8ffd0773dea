"""Every way to connect reaches aiokafka and Faust alike; a password is not logged with the request that carries it."""

import logging
import ssl
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import SaslAuthenticateRequest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from pydantic import SecretStr
from support.certificates import KEY_PASSWORD, make

from streamproc.bus.connection import Broker, SecurityError

LOGIN = {"mechanism": "SCRAM-SHA-256", "username": "ann", "password": SecretStr("sesame")}


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_connects_as_all_others_do(protocol: str) -> None:
    broker = Broker("kafka-1:9093, kafka-2:9093", protocol, **LOGIN if "SASL" in protocol else {})
    faust = broker.faust()
    assert faust["broker"] == "kpi://kafka-1:9093;kpi://kafka-2:9093"
    given = credentials_to_aiokafka_auth(faust.get("broker_credentials"))
    expected = {"ssl_context": None} | broker.security() if "SASL" in protocol else broker.security()
    assert given == expected
    assert given["security_protocol"] == protocol
    assert given.get("sasl_plain_password") == ("sesame" if "SASL" in protocol else None)


def test_all_arguments_are_ones_that_clients_know() -> None:
    broker = Broker("kafka-1:9093", "SASL_SSL", **LOGIN)
    assert AIOKafkaAdminClient.__init__.__kwdefaults__.keys() >= broker.client().keys()


def test_certificates_and_names_are_always_checked(tmp_path: Path) -> None:
    files = make(tmp_path)
    for cafile in ("", str(files.cafile)):
        tls = Broker("kafka-1:9093", "SSL", cafile=cafile).tls
        assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_key_opens_with_its_password_only(tmp_path: Path) -> None:
    files = make(tmp_path)
    certificate = {"cafile": str(files.cafile), "certfile": str(files.client), "keyfile": str(files.client_key)}
    assert Broker("kafka-1:9093", "SSL", **certificate, key_password=SecretStr(KEY_PASSWORD)).tls
    for password in (None, SecretStr("wrong")):
        with pytest.raises(SecurityError, match="STREAMPROC_SSL_CERTFILE: expected a PEM file"):
            _ = Broker("kafka-1:9093", "SSL", **certificate, key_password=password).tls


def test_a_broker_is_told_of_without_its_password() -> None:
    broker = Broker("kafka-1:9093", "SASL_SSL", **LOGIN)
    assert str(broker) == "kafka-1:9093 (SASL_SSL, SCRAM-SHA-256 as ann)"
    assert str(Broker("kafka-1:9092")) == "kafka-1:9092"
    assert "sesame" not in repr(broker) + repr(vars(broker))


def test_requests_with_passwords_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """As aiokafka logs them: `Request to %s:%d %d: %s`."""
    log = logging.getLogger("aiokafka.conn")
    request = SaslAuthenticateRequest(b"\0ann\0sesame").prepare({36: (0, 1)})
    assert "sesame" in repr(request)
    with caplog.at_level(logging.DEBUG, logger="aiokafka.conn"):
        log.debug("Request to %s:%d %d: %s", "kafka-1", 9093, 1, request)
        log.debug("Request to %s:%d %d: %s", "kafka-1", 9093, 2, "another")
    assert [record.getMessage() for record in caplog.records] == ["Request to kafka-1:9093 2: another"]
