"""Ids seen before: a week by arrival, in buckets of days."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import DAY_MS, ms

from streamproc.facts.seen import HORIZON_DAYS, MAX_PART, Arrived, Seen, id_hash

NOW = ms("09:00")


def changelog(*parts: list[tuple[str, bytes | None]]) -> dict[str, bytes]:
    kept: dict[str, bytes] = {}
    for part in parts:
        for key, value in part:
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
    return kept


def restored(kept: dict[str, bytes]) -> Seen:
    seen = Seen()
    seen.restore(kept)
    return seen


def add(seen: Seen, source: str, event_id: str, arrival_ms: int) -> bool:
    (is_new,) = seen.add([Arrived(source, event_id, arrival_ms)])
    return is_new


def test_an_id_counts_once_for_its_source() -> None:
    seen = Seen()
    assert add(seen, "crm", "1", NOW)
    assert not add(seen, "crm", "1", NOW)
    assert not add(seen, "crm", "1", NOW + 3 * DAY_MS)
    assert add(seen, "mail", "1", NOW)
    assert add(seen, "crm", "2", NOW)
    assert len(seen) == 3


def test_source_and_id_are_told_apart() -> None:
    """Nothing forbids NUL in either."""
    seen = Seen()
    assert add(seen, "a\0b", "c", NOW)
    assert add(seen, "a", "b\0c", NOW)


def test_ids_are_kept_for_the_horizon_and_then_forgotten() -> None:
    seen = Seen()
    add(seen, "crm", "1", NOW)
    assert seen.expire(NOW + HORIZON_DAYS * DAY_MS) == []
    assert not add(seen, "crm", "1", NOW)
    seen.expire(NOW + (HORIZON_DAYS + 1) * DAY_MS)
    assert len(seen) == 0
    assert add(seen, "crm", "1", NOW + 8 * DAY_MS)


def test_expiry_deletes_every_record_that_was_written() -> None:
    seen, written = Seen(), {}
    for number in range(3):
        add(seen, "crm", str(number), NOW)
        add(seen, "crm", f"next-{number}", NOW + DAY_MS)
        written |= dict(seen.take_dirty())
    add(seen, "crm", "not written", NOW)
    gone = seen.expire(NOW + (HORIZON_DAYS + 1) * DAY_MS)
    left = changelog(list(written.items()), [(key, None) for key in gone])
    assert len(gone) == 3
    assert len(restored(left)) == 3
    assert not add(restored(left), "crm", "next-1", NOW)


def test_a_part_is_never_overwritten_after_a_restart() -> None:
    seen = Seen()
    add(seen, "crm", "1", NOW)
    kept = changelog(seen.take_dirty())
    again = restored(kept)
    add(again, "crm", "2", NOW)
    kept |= dict(again.take_dirty())
    assert len(kept) == 2
    assert len(restored(kept)) == 2


def test_a_day_that_was_forgotten_may_come_back() -> None:
    """A backlog has arrivals of long ago: their bucket is deleted and written again in one cut."""
    seen = Seen()
    add(seen, "crm", "1", NOW)
    kept = changelog(seen.take_dirty())
    gone = seen.expire(NOW + 30 * DAY_MS)
    add(seen, "crm", "2", NOW)
    kept = changelog(list(kept.items()), [(key, None) for key in gone], seen.take_dirty())
    again = restored(kept)
    assert not add(again, "crm", "2", NOW)
    assert add(again, "crm", "1", NOW)


steps = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 8), st.integers(0, 12)),
    st.tuples(st.just("expire"), st.integers(0, 0), st.integers(0, 20)),
    st.tuples(st.sampled_from(["cut", "restart"]), st.integers(0, 0), st.integers(0, 0)),
)


@settings(max_examples=150, deadline=None)
@given(script=st.lists(steps, max_size=30))
def test_a_restart_at_a_cut_makes_no_difference(script: list[tuple[str, int, int]]) -> None:
    kept: dict[str, bytes] = {}
    whole, broken = Seen(), Seen()
    forgotten: list[tuple[str, bytes | None]] = []

    def cut() -> None:
        nonlocal kept
        kept = changelog(list(kept.items()), forgotten, broken.take_dirty())
        forgotten.clear()

    for what, number, day in script:
        if what == "add":
            assert add(whole, "s", str(number), day * DAY_MS) == add(broken, "s", str(number), day * DAY_MS)
        elif what == "expire":
            whole.expire(day * DAY_MS)
            forgotten += [(key, None) for key in broken.expire(day * DAY_MS)]
        else:
            cut()
            broken = restored(kept) if what == "restart" else broken
        assert len(whole) == len(broken)


def test_ids_are_found_among_many_in_sets_and_arrays() -> None:
    """Enough for several arrays of a day, and some that are not in an array yet."""
    seen = Seen()
    for day in (0, 1):
        for start in range(0, 21_000, 1000):
            batch = [Arrived("crm", f"{day}-{n}", NOW + day * DAY_MS) for n in range(start, start + 1000)]
            assert all(seen.add(batch))
    assert len(seen) == 42_000
    known = [Arrived("mail", "0-1", NOW), *(Arrived("crm", f"{n % 2}-{n}", NOW) for n in range(0, 21_000, 7))]
    assert seen.add(known) == [True] + [False] * 3000
    seen.expire(NOW + (HORIZON_DAYS + 1) * DAY_MS)
    assert len(seen) == 21_000
    assert add(seen, "crm", "0-5", NOW + 8 * DAY_MS)
    assert not add(seen, "crm", "1-5", NOW + 8 * DAY_MS)


def test_an_id_twice_in_a_batch_counts_once() -> None:
    seen = Seen()
    twice = [Arrived("crm", name, NOW) for name in ("1", "2", "1", "3", "2")]
    assert seen.add(twice) == [True, True, False, True, False]


def test_records_of_a_day_are_few_and_hold_every_id_once() -> None:
    """Ten ids a checkpoint, 2,000 checkpoints: at most seven records of each size, not 2,000."""
    seen, kept, most = Seen(), {}, 0
    written = 0
    for cut in range(2_000):
        seen.add(Arrived("crm", f"{cut}-{n}", NOW) for n in range(10))
        records = seen.take_dirty()
        written += sum(len(value) for _, value in records if value)
        kept = changelog(list(kept.items()), records)
        most = max(most, len(kept))
    assert most <= 7 * 5  # sizes 10, 80, 640, 5,120 and their like
    assert sum(map(len, kept.values())) == 8 * 20_000
    assert written < 5 * 8 * 20_000  # each id is written once for each size
    assert len(restored(kept)) == 20_000
    assert restored(kept).take_dirty() == []


def test_a_record_is_smaller_than_what_a_broker_takes() -> None:
    seen, kept = Seen(), {}
    for start in range(0, 130_000, 65_000):
        seen.add(Arrived("crm", str(n), NOW) for n in range(start, start + 65_000))
        kept = changelog(list(kept.items()), seen.take_dirty())
    assert max(map(len, kept.values())) == MAX_PART * 8 < 1_000_000
    again = restored(kept)
    assert len(again) == 130_000
    assert len(again.expire(NOW + 8 * DAY_MS)) == len(kept) == 4


def test_the_many_records_of_the_first_release_are_merged_at_the_first_cut() -> None:
    day = NOW // DAY_MS
    old = {f"{day}/{n}": id_hash("crm", str(n)) for n in range(1000)}
    seen = restored(old)
    assert not any(seen.add(Arrived("crm", str(n), NOW) for n in range(1000)))
    kept = changelog(list(old.items()), seen.take_dirty())
    assert len(kept) == 1
    assert len(restored(kept)) == 1000
