"""Who may read /metrics: over real HTTP, with credentials as Prometheus, curl and Kubernetes send them or do not."""

import asyncio
import base64
import json
import logging

import aiohttp
import pytest

from streamproc.outputs.http import EVERYBODY, Access, MetricsServer

TOKEN, USER, PASSWORD = "token-1", "viewer", "Pässword: 1"
BEARER = Access(token=TOKEN)
BASIC = Access(user=USER, password=PASSWORD)
BOTH = Access(TOKEN, USER, PASSWORD)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def visit(access, *requests, host="127.0.0.1"):
    """Start a server, make GET requests (path, Authorization or None), stop it; (status, headers, body) of each."""

    async def run():
        server = MetricsServer(
            port=0,
            metrics=lambda _openmetrics: b"kpi_x 1\n",
            live=lambda: (True, {"loop_seconds": 0.1}),
            ready=lambda: (False, {"partitions": [3]}),
            host=host,
            access=access,
        )
        await server.start()
        try:
            async with aiohttp.ClientSession() as http:
                answers = []
                for path, authorization in requests:
                    headers = {} if authorization is None else {"Authorization": authorization}
                    async with http.get(f"http://127.0.0.1:{server.port}{path}", headers=headers) as answer:
                        answers.append((answer.status, answer.headers, await answer.read()))
                return answers
        finally:
            await server.stop()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("access", "authorization"),
    [
        (EVERYBODY, None),
        (EVERYBODY, "Bearer whatever"),
        (BEARER, f"Bearer {TOKEN}"),
        (BEARER, f"bearer  {TOKEN}"),
        (BASIC, basic(USER, PASSWORD)),
        (BASIC, basic(USER, PASSWORD).replace("Basic", "BASIC")),
        (BOTH, f"Bearer {TOKEN}"),
        (BOTH, basic(USER, PASSWORD)),
    ],
)
def test_let_in(access, authorization):
    ((status, _, body),) = visit(access, ("/metrics", authorization))
    assert (status, body) == (200, b"kpi_x 1\n")


@pytest.mark.parametrize(
    ("access", "authorization"),
    [
        (BEARER, None),
        (BEARER, ""),
        (BEARER, "Bearer"),
        (BEARER, "Bearer "),
        (BEARER, TOKEN),
        (BEARER, f"Bearer {TOKEN}x"),
        (BEARER, f"Bearer {TOKEN[:-1]}"),
        (BEARER, f"Bearer {TOKEN.upper()}"),
        (BEARER, f"Basic {TOKEN}"),
        (BEARER, basic(USER, PASSWORD)),
        (BEARER, basic("", "")),
        (BEARER, "Bearer \udcff"),
        (BASIC, f"Bearer {TOKEN}"),
        (BASIC, "Bearer "),
        (BASIC, basic(USER, "")),
        (BASIC, basic(USER, PASSWORD + "x")),
        (BASIC, basic("viewers", PASSWORD)),
        (BASIC, "Basic not base64"),
        (BOTH, basic(USER, TOKEN)),
        (BOTH, f"Bearer {PASSWORD}"),
    ],
)
def test_kept_out(access, authorization):
    assert not access.admits(authorization or "")
    if authorization and "\udcff" in authorization:  # no client of ours sends such bytes
        return
    ((status, headers, body),) = visit(access, ("/metrics", authorization))
    assert status == 401
    assert headers.getall("WWW-Authenticate") == access.challenges
    assert b"kpi" not in body


def test_challenges_name_what_is_accepted():
    assert EVERYBODY.challenges == []
    assert BEARER.challenges == ['Bearer realm="streamproc"']
    assert BASIC.challenges == ['Basic realm="streamproc", charset="UTF-8"']
    assert BOTH.challenges == BEARER.challenges + BASIC.challenges


@pytest.mark.parametrize("access", [EVERYBODY, BEARER, BASIC, BOTH])
def test_a_client_of_ours_is_let_in(access):
    assert access.admits(access.headers.get("Authorization", ""))
    assert bool(access.headers) == bool(access.challenges)


@pytest.mark.parametrize("path", ["/", "/nothing/here", "/metrics/", "/live/", "/ready/x", "//live"])
def test_only_the_probes_are_open(path):
    ((status, _, _),) = visit(BEARER, (path, None))
    assert status == 401


def test_probes_answer_everybody_but_tell_details_only_with_credentials():
    without = visit(BEARER, ("/live", None), ("/ready", None), ("/live", "Bearer wrong"))
    assert [(status, json.loads(body)) for status, _, body in without] == [
        (200, {"ok": True}),
        (503, {"ok": False}),
        (200, {"ok": True}),
    ]
    within = visit(BEARER, ("/live", f"Bearer {TOKEN}"), ("/ready", f"Bearer {TOKEN}"))
    assert [(status, json.loads(body)) for status, _, body in within] == [
        (200, {"ok": True, "loop_seconds": 0.1}),
        (503, {"ok": False, "partitions": [3]}),
    ]


@pytest.mark.parametrize(
    ("host", "access", "warnings"),
    [("127.0.0.1", EVERYBODY, 0), ("localhost", EVERYBODY, 0), ("0.0.0.0", BEARER, 0), ("0.0.0.0", EVERYBODY, 1)],
)
def test_an_address_that_others_reach_without_credentials_is_warned_of(host, access, warnings, caplog):
    with caplog.at_level(logging.WARNING, logger="streamproc"):
        visit(access, ("/live", None), host=host)
    found = [record.getMessage() for record in caplog.records]
    assert len(found) == warnings
    assert all("0.0.0.0:" in message and "set credentials" in message for message in found)


def test_secrets_are_not_shown():
    assert TOKEN not in repr(BOTH)
    assert PASSWORD not in repr(BOTH)
