"""The commands that talk to Kafka, with a real broker."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from cli.conftest import Result, Run
from cli.samples import call, deal, lines
from streamproc.backtest import Backtest
from streamproc.bus.connection import Broker
from streamproc.bus.publish import CHUNK, Publisher
from streamproc.bus.record_batches import partition_of
from streamproc.bus.topics import TopicError
from streamproc.events import EVENT_TOPICS, REFERENCE
from streamproc.facts.reference import Reference
from streamproc.kpis.catalogue import catalogue
from streamproc.kpis.evaluate import Series
from streamproc.kpis.kpi import KpiValue
from streamproc.outputs.topics import clock_record, encode_value, value_key

T = "2024-05-06T10:00:00Z"
VALUES = "kpi.values"


@pytest.fixture
def bootstrap(fresh_topics: tuple[str, str]) -> str:
    """The address of a broker with all topics, and nothing in them."""
    return fresh_topics[0]


@pytest.fixture
def kafka_run(run: Run, bootstrap: str) -> Run:
    def command(*args: str, stdin: bytes = b"") -> Result:
        return run(*args, "--bootstrap-servers", bootstrap, stdin=stdin)

    return command


def consume(bootstrap: str, *topics: str) -> list[ConsumerRecord]:
    """All records of topics, in the order of each partition."""

    async def read() -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
        )
        await consumer.start()
        found: list[ConsumerRecord] = []
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        finally:
            await consumer.stop()
        return found

    return asyncio.run(read())


@asynccontextmanager
async def producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def test_topics_are_made_and_listed(run: Run, no_topics: str, app_name: str) -> None:
    options = ("--bootstrap-servers", no_topics, "--app", app_name, "--format", "json")
    before = run("topics", "list", *options)
    assert {orjson.loads(row)["state"] for row in before.out.splitlines()} == {"missing"}
    made = run("topics", "create", *options, "--partitions", "2")
    assert {orjson.loads(row)["state"] for row in made.out.splitlines()} == {"created"}
    after = [orjson.loads(row) for row in run("topics", "list", *options).out.splitlines()]
    assert {row["topic"]: row["state"] for row in after if row["state"] != "other partition count"} == {REFERENCE: "ok"}
    refused = run("topics", "create", *options)
    assert (refused.code, len(refused.errors)) == (1, 1)
    assert "sales.crm (found 2, expected 4)" in refused.err


def test_the_doctor_says_what_is_missing(run: Run, no_topics: str, app_name: str, unused_ports: int) -> None:
    options = ("--bootstrap-servers", no_topics, "--app", app_name, "--port", unused_ports)
    ill = run("doctor", *options, "--format", "json")
    assert ill.code == 1
    problems = [row for row in map(orjson.loads, ill.out.splitlines()) if row["state"] == "problem"]
    assert [(row["what"], row["todo"]) for row in problems] == [
        ("topics", f"streamproc topics create --app {app_name}")
    ]
    run("topics", "create", "--bootstrap-servers", no_topics, "--app", app_name)
    assert run("doctor", *options).code == 0


@pytest.fixture
def unused_ports() -> int:
    """A port that is free, and the next one, too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def test_a_replay_keeps_the_order_of_every_subject(kafka_run: Run, bootstrap: str) -> None:
    sent = [one for n in range(CHUNK // 8) for number in range(5) for one in deal(number, T, T, float(n))]
    assert len(sent) > CHUNK
    result = kafka_run("replay", "-", stdin=lines(*sent))
    assert result.code == 0, result.err
    assert result.err.startswith(f"{len(sent):,} events sent in ")
    found = consume(bootstrap, *EVENT_TOPICS)
    assert {(record.topic, record.partition) for record in found} == {
        ("sales.crm", partition_of(f"deal/{number}".encode(), 4)) for number in range(5)
    }
    for number in range(5):
        key = f"deal/{number}"
        assert [r.value for r in found if r.key == key.encode()] == [
            one for one in sent if orjson.loads(one)["subject"] == key
        ]


def test_a_replay_with_bad_lines_sends_nothing_but_on_request(kafka_run: Run, bootstrap: str) -> None:
    stdin = lines(call(1, T), b"{", b"", call(2, T), b'{"type": "x", "subject": "y"}')
    refused = kafka_run("replay", "-", stdin=stdin)
    assert refused.code == 1
    assert [line.partition(": ")[2].partition(": ")[0] for line in refused.errors] == [
        "-:2",
        "-:5",
        "2 bad lines; nothing was sent (--skip-bad sends the others)",
    ]
    assert consume(bootstrap, *EVENT_TOPICS) == []
    taken = kafka_run("replay", "-", "--skip-bad", "--rate", "1000", stdin=stdin)
    assert taken.code == 0
    assert taken.errors[-2] == "2 bad lines were not sent"
    keys = {record.key for record in consume(bootstrap, *EVENT_TOPICS)}
    assert keys == {b"call/1", b"call/2"}


def test_missing_topics_are_named(run: Run, no_topics: str) -> None:
    result = run("replay", "-", "--bootstrap-servers", no_topics, stdin=lines(call(1, T)))
    assert (result.code, result.errors) == (1, ["error: no topic sales.crm: run `streamproc topics create` first"])
    result = run("values", "--bootstrap-servers", no_topics)
    assert (result.code, result.errors) == (1, ["error: no topic kpi.values: run `streamproc topics create` first"])
    result = run("worker", "--stage", "facts", "--bootstrap-servers", no_topics)
    assert (result.code, len(result.errors)) == (2, 1)
    assert "run `streamproc topics create` first" in result.err


def test_all_versions_of_reference_data_are_kept(kafka_run: Run, bootstrap: str, tmp_path: Path) -> None:
    file = tmp_path / "reference.yaml"
    file.write_text("reps: [{rep: ann, team: south}, {rep: ann, team: north, valid_from: 2024-07-01}]")
    assert kafka_run("reference", "load", file).code == 0
    found = {record.key: orjson.loads(record.value) for record in consume(bootstrap, REFERENCE)}
    assert {key: event["data"]["team"] for key, event in found.items()} == {
        b"rep/ann": "south",
        b"rep/ann@2024-07-01T00:00:00.000Z": "north",
    }


def test_a_simulation_sends_reference_data_and_events_of_now(kafka_run: Run, bootstrap: str) -> None:
    result = kafka_run("simulate", "--rate", "200", "--for", "1s", "--flaws", "0")
    assert result.code == 0, result.err
    found = consume(bootstrap, *EVENT_TOPICS)
    assert result.errors == [f"{len(found):,} events sent"]
    assert found
    assert consume(bootstrap, REFERENCE)


def values_at(time_ms: int, events: list[bytes]) -> list[KpiValue]:
    [(_, values)] = Backtest(events, catalogue(), Reference()).at([time_ms])
    return values


def key_of(value: KpiValue) -> bytes:
    return value_key(Series(value.kpi, value.group, value.window))


def test_values_are_those_of_the_backtest(run: Run, bootstrap: str) -> None:
    events = [call(1, T), call(2, "2024-05-06T09:30:00Z", "bob"), *deal(3, T, "2024-05-06T11:00:00Z", 50.0)]
    # Values of 11:01 which still hold at noon; those of the last hour would have been published again.
    early = [value for value in values_at(1_714_993_260_000, events) if value.window != "1h"]
    noon_ms = 1_714_996_800_000

    async def publish() -> None:
        async with producer(bootstrap) as kafka:
            sent = [
                await kafka.send(VALUES, encode_value(value), key_of(value), partition_of(value.group.encode(), 4))
                for value in early
            ]
            sent.append(await kafka.send(VALUES, encode_value(early[0]), b"gone", 0))
            sent.append(await kafka.send(VALUES, None, b"gone", 0))
            for partition in range(4):
                key, clock = clock_record(partition, noon_ms)
                sent.append(await kafka.send(VALUES, clock, key, partition))
            await asyncio.gather(*sent)

    asyncio.run(publish())
    options = ("--bootstrap-servers", bootstrap)
    result = run("values", "--format", "json", *options)
    assert result.code == 0, result.err
    at_noon = run("backtest", "-", "--at", "2024-05-06T12:00:00Z", "--format", "json", stdin=lines(*events)).out
    assert result.out.splitlines() == [row for row in at_noon.splitlines() if orjson.loads(row)["window"] != "1h"]
    chosen = run("values", "--kpi", "calls", "--where", "rep=bob", "--window", "all", *options)
    assert "as of 2024-05-06 12:00 UTC" in chosen.out
    assert "rep=bob" in chosen.out
    assert "rep=ann" not in chosen.out


def test_a_view_shows_the_team_beside_its_reps(kafka_run: Run, bootstrap: str, tmp_path: Path) -> None:
    roster = tmp_path / "reference.yaml"
    roster.write_text("reps: [{rep: ann, team: south}, {rep: bob, team: south}, {rep: cem, team: north}]")
    assert kafka_run("reference", "load", roster).code == 0
    values = values_at(1_714_993_260_000, [call(1, T), call(2, T, "bob"), call(3, T, "cem")])

    async def publish() -> None:
        async with producer(bootstrap) as kafka:
            for value in values:
                await kafka.send(VALUES, encode_value(value), key_of(value), partition_of(value.group.encode(), 4))
            await kafka.flush()

    asyncio.run(publish())
    shown = kafka_run("values", "--view", "team_lead", "--team", "south", "--lang", "de")
    assert shown.code == 0, shown.err
    assert [word for word in ("rep=ann", "rep=bob", "team=south", "company") if word not in shown.out] == []
    assert "rep=cem" not in shown.out
    (activities,) = [line for line in shown.out.splitlines() if line.strip().startswith("Aktivitäten")]
    assert activities.split() == ["Aktivitäten", "week", "1", "(1)", "1", "(1)", "–", "3", "(3)"]
    rows = kafka_run("values", "--view", "rep", "--rep", "ann", "--format", "json").out.splitlines()
    assert {(row["window"], str(row["group"])) for row in map(orjson.loads, rows) if row["kpi"] == "activities"} == {
        ("today", "{'rep': 'ann'}"),
        ("today", "{}"),
    }


def test_followed_values_come_as_they_change(bootstrap: str) -> None:
    (value, *_) = [v for v in values_at(1_714_993_260_000, [call(1, T)]) if (v.group, v.window) == ("", "all")]
    command = [sys.executable, "-m", "streamproc", "values", "--follow", "--format", "json"]

    async def publish(amount: int | None) -> None:
        body = None if amount is None else encode_value(msgspec.structs.replace(value, value=amount))
        async with producer(bootstrap) as kafka:
            await kafka.send_and_wait(VALUES, body, key_of(value), partition=0)

    asyncio.run(publish(1))
    follower = subprocess.Popen(
        [*command, "--bootstrap-servers", bootstrap], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert follower.stdout is not None
    try:
        seen = [orjson.loads(follower.stdout.readline())["value"]]
        for amount in (2, None):
            asyncio.run(publish(amount))
            seen.append(orjson.loads(follower.stdout.readline())["value"])
    finally:
        follower.send_signal(signal.SIGINT)
        _out, err = follower.communicate()
    assert seen == [1, 2, None]
    assert (follower.returncode, err) == (130, b"")


def test_the_latest_rejected_records_are_shown(kafka_run: Run, bootstrap: str) -> None:
    assert kafka_run("rejected", "show").errors == ["nothing was rejected"]

    async def publish() -> None:
        async with producer(bootstrap) as kafka:
            for number in range(7):
                headers = {"reason": "schema", "error": f"error {number}", "source_topic": "sales.crm"}
                headers |= {"source_partition": "3", "source_offset": str(number)}
                encoded = [(name, text.encode()) for name, text in headers.items()]
                await kafka.send_and_wait("sales.rejected", b"\xff{", b"key", number % 4, headers=encoded)

    asyncio.run(publish())
    table = kafka_run("rejected", "show", "--last", "3").out
    assert [number for number in range(7) if f"error {number}" in table] == [4, 5, 6]
    rows = [orjson.loads(row) for row in kafka_run("rejected", "show", "--format", "json").out.splitlines()]
    assert [row["source"] for row in rows] == [f"sales.crm/3/{number}" for number in range(7)]
    assert {(row["reason"], row["key"], row["value"]) for row in rows} == {("schema", "key", "\ufffd{")}


def test_a_publisher_must_be_entered_and_names_a_missing_topic(bootstrap: str) -> None:
    async def scenario() -> None:
        publisher = Publisher(Broker(bootstrap))
        with pytest.raises(RuntimeError, match="async with"):
            await publisher.publish([("sales.crm", b"k", b"v")])
        async with publisher:
            assert await publisher.publish([]) == 0
            with pytest.raises(TopicError, match=r"no topic sales\.nowhere"):
                await publisher.publish([("sales.nowhere", b"k", b"v")])

    asyncio.run(scenario())


def test_an_embedded_broker_in_the_foreground_ends_at_sigterm(kafka: object) -> None:
    command = [sys.executable, "-m", "streamproc", "kafka", "--port", "0"]
    broker = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert broker.stderr is not None
    steps = list(iter(broker.stderr.readline, "Ctrl-C stops it.\n"))
    address = steps[-1].rpartition(" ")[2].strip()
    listed = subprocess.run(
        [sys.executable, "-m", "streamproc", "topics", "list", "--bootstrap-servers", address],
        capture_output=True,
        text=True,
        check=False,
    )
    broker.terminate()
    assert broker.wait() == 0
    assert broker.stderr.read() == "stopping\n"
    broker.stderr.close()
    assert listed.returncode == 0
    assert "missing" in listed.stdout
