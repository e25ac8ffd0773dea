"""The longest pause, told by hand."""

from faults.pauses import Pauses


def longest_s(*seen: tuple[float, int, int]) -> float:
    pauses = Pauses()
    for now_s, done, lag in seen:
        pauses.see("task", done, lag, now_s)
    return pauses.longest_s


def test_a_pause_lasts_from_commit_to_commit() -> None:
    assert longest_s((0, 10, 5), (1, 10, 5), (4, 12, 3), (5, 15, 0)) == 4


def test_a_pause_that_does_not_end_counts() -> None:
    assert longest_s((0, 10, 5), (7, 10, 5)) == 7


def test_nothing_to_read_is_no_pause() -> None:
    assert longest_s((0, 10, 0), (1, 10, 0), (9, 10, 0), (10, 10, 4), (11, 14, 0)) == 2


def test_the_time_before_the_first_commit_is_no_pause() -> None:
    assert longest_s((0, 0, 50), (9, 0, 50), (10, 5, 45)) == 0


def test_tasks_do_not_help_each_other() -> None:
    pauses = Pauses()
    for now_s in range(6):
        pauses.see("moves", 10 + now_s, 5, now_s)
        pauses.see("stands", 10, 5, now_s)
    assert pauses.longest_s == 5
