"""Fixtures for everybody, and honesty about skips: what was not tested, why, and what to install for it."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from xdist.scheduler import LoadScopeScheduling

from streamproc.bus import topics
from streamproc.bus.connection import Broker
from streamproc.bus.embedded import EmbeddedKafka, is_available

# In CI everything must run, except what needs data that is not part of the repository.
ALLOWED_CI_SKIP = "shared data"
KAFKA = ("tests/kafka/", "tests/faults/", "tests/drill/", "tests/cli/test_with_kafka")
OWN_BROKER = ("tests/kafka/test_embedded", "tests/kafka/test_broker_away")  # needed by nobody else: beside the others
VISIBLE_TIMEOUT_S = 30.0


class FreshTopics(NamedTuple):
    """A broker with all topics of `app` just made, hence empty."""

    bootstrap: str
    app: str


@pytest.fixture(scope="session")
def kafka() -> Iterator[EmbeddedKafka]:
    """The embedded broker, started once for the whole run. A broker that cannot start fails the tests."""
    if not is_available():
        pytest.skip("embedded Kafka not installed: pip install 'streamproc[embedded]'")
    with EmbeddedKafka() as broker:
        yield broker


@pytest.fixture
def app_name(request: pytest.FixtureRequest) -> str:
    """An application id of this test's own, so that groups, changelogs and transactions of tests never meet."""
    return "t-" + re.sub(r"[^a-zA-Z0-9]+", "-", request.node.nodeid.removeprefix("tests/")).strip("-")[-80:]


@pytest.fixture
def no_topics(kafka: EmbeddedKafka) -> str:
    """The address of a broker without any topic but Kafka's own."""
    asyncio.run(_delete_all_topics(kafka.bootstrap))
    return kafka.bootstrap


@pytest.fixture
def fresh_topics(no_topics: str, app_name: str) -> FreshTopics:
    """All topics of the table, deleted and made again: event topics have fixed names, so tests take turns."""
    asyncio.run(topics.create(Broker(no_topics), topics.table(app_name)))
    return FreshTopics(no_topics, app_name)


async def _delete_all_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(VISIBLE_TIMEOUT_S):
            while names := [name for name in await admin.list_topics() if not name.startswith("__")]:
                await admin.delete_topics(names)
    finally:
        await admin.close()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Tests that share a Kafka run in one process, hence with one broker, beside all others, and first: they take long.

    Those of the live page, which come second, are together too: they have a browser and figures that take long to make.

    Marks of xdist_group would say the same, but xdist 3.8 does not see them with pytest 9.
    """
    scheduling = LoadScopeScheduling(config, log)
    scheduling._split_scope = _together  # type: ignore[method-assign]
    return scheduling


def _together(nodeid: str) -> str:
    if nodeid.startswith(KAFKA) and not nodeid.startswith(OWN_BROKER):
        return "kafka"
    return "page" if nodeid.startswith("tests/page/") else nodeid


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"kafka", "site"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
            assert item.nodeid.startswith(KAFKA), f"{item.nodeid} needs a broker: expected in one of {KAFKA}"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if forbidden_skips(skip_reasons(session.config)) and exitstatus in (
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reasons = skip_reasons(config)
    if not reasons:
        terminalreporter.write_line("Nothing was skipped.")
        return
    terminalreporter.section("not tested")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count} skipped: {reason}")
    if forbidden_skips(reasons):
        terminalreporter.write_line(
            f"CI is set, so only skips for absent {ALLOWED_CI_SKIP} are allowed: failed.", red=True
        )


def skip_reasons(config: pytest.Config) -> Counter[str]:
    """How many tests (or whole files) were skipped, by reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    return Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)


def forbidden_skips(reasons: Counter[str]) -> bool:
    return bool(os.environ.get("CI")) and any(ALLOWED_CI_SKIP not in reason for reason in reasons)
