"""Records → prebuilt batches for a producer, and the partition of a key: what everything that publishes shares."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer

Headers = list[tuple[str, bytes]]  # aiokafka takes no other sequence
Content = tuple[bytes, bytes | None, Headers]  # key, value (None deletes the key in a compacted topic), headers


def batches(producer: AIOKafkaProducer, contents: Iterable[Content]) -> list[Any]:
    """Records as prebuilt batches, in order: one future a batch instead of one a record."""
    done = []
    batch = producer.create_batch()
    for key, value, headers in contents:
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch.close()
            done.append(batch)
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
    batch.close()
    done.append(batch)
    return done


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key by Kafka's default partitioner (murmur2)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Murmur2 as Kafka's clients compute it, but word by word: about twice as fast as that of aiokafka."""
    length = len(data)
    tail = length & ~3
    h = 0x9747B28C ^ length
    for k in _words(length // 4)(data):
        k = k * 0x5BD1E995 & 0xFFFFFFFF
        h = (h * 0x5BD1E995 ^ (k ^ k >> 24) * 0x5BD1E995) & 0xFFFFFFFF
    if length > tail:
        h = (h ^ int.from_bytes(data[tail:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return h ^ h >> 15


@lru_cache(maxsize=1024)
def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    return struct.Struct(f"<{count}I").unpack_from
