"""Ids seen before: a week by arrival, in buckets of days."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.build import DAY_MS, ms

from streamproc.facts.seen import HORIZON_DAYS, Arrived, Seen

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
