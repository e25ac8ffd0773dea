"""The input offsets that a task's state is of: kept with it in the changelog, checked against the topics at start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

log = logging.getLogger(__name__)

OFFSETS = "offsets"  # their changelog key
LOOK_MS = 10_000  # how long the broker may take for the record that was read last


class OffsetsLost(RuntimeError):
    """The state's offsets and the topics do not fit together; going on would lose or double events."""


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """How far an input topic has been read: the next offset; offset and arrival (epoch ms) of the last record, or -1.

    The last record tells this topic from one made anew that happens to be as long.
    """

    offset: int
    last: int = -1
    arrived_ms: int = -1


class Found(NamedTuple):
    """Where a task goes on, and where its inputs end now."""

    kept: dict[TopicPartition, Kept]
    ends: dict[TopicPartition, int]


_decode = msgspec.msgpack.Decoder(dict[str, Kept]).decode


def packed(kept: Mapping[TopicPartition, Kept]) -> bytes:
    """As it is written to the changelog."""
    return msgspec.msgpack.encode({tp.topic: one for tp, one in kept.items()})


async def find(
    consumer: AIOKafkaConsumer, inputs: list[TopicPartition], raw: bytes | None, has_state: bool, changelog: str
) -> Found:
    """Where to go on: at the offsets kept with the state (`raw`), whatever has become of the group's.

    State without offsets is that of a release before 0.2, which had them in the group only. Raises OffsetsLost, so
    that nothing is skipped or read again in silence.
    """
    consumer.assign(inputs)
    first = await consumer.beginning_offsets(inputs)
    end = await consumer.end_offsets(inputs)
    of_group = await asyncio.gather(*(consumer.committed(tp) for tp in inputs))
    kept = None if raw is None else _decode(raw)
    found = {}
    for tp, committed in zip(inputs, of_group, strict=True):
        if kept is None:
            if (committed is not None) != has_state:
                what = "there is state, but no offset" if has_state else f"there is offset {committed}, but no state"
                raise OffsetsLost(_advice(tp, what, changelog))
            one = Kept(first[tp] if committed is None else committed)
        else:
            one = kept.get(tp.topic, Kept(first[tp]))
        if not first[tp] <= one.offset <= end[tp]:
            what = f"the state is of offset {one.offset}, the topic has {first[tp]} to {end[tp]}"
            raise OffsetsLost(_advice(tp, what, changelog))
        if first[tp] <= one.last and await _arrival_ms(consumer, tp, one.last) != one.arrived_ms:
            what = f"record {one.last} is another than the one that was read"
            raise OffsetsLost(_advice(tp, what, changelog))
        if kept is not None and one.offset != committed:
            log.warning("%s: the group's offset is %s, not %s as the state says", tp, committed, one.offset)
        found[tp] = one
    return Found(found, end)


async def _arrival_ms(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> int | None:
    """When the record at an offset arrived; None if there is none."""
    consumer.seek(tp, offset)
    records = (await consumer.getmany(tp, timeout_ms=LOOK_MS, max_records=1)).get(tp, [])
    return records[0].timestamp if records and records[0].offset == offset else None


def _advice(tp: TopicPartition, what: str, changelog: str) -> str:
    return (
        f"{tp.topic} partition {tp.partition}: {what}. This topic or {changelog} was made anew, or its retention is "
        f"too short for so long a standstill. Start under a new app id (STREAMPROC_APP) to rebuild from the topics, "
        f"or restore the topic."
    )
