"""Text of options → values, and values → text for people."""

import pytest

from streamproc.cli import arguments, show

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
NEW_YEAR_2018_MS = 1_514_764_800_000


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("30d", 2_592_000)])
def test_durations(text: str, seconds: float) -> None:
    assert arguments.duration_s(text, "--for") == seconds


@pytest.mark.parametrize(
    ("text", "zone", "time_ms"),
    [
        ("2018-01-01", "UTC", NEW_YEAR_2018_MS),
        ("2018-01-01", "Europe/Berlin", NEW_YEAR_2018_MS - HOUR_MS),
        ("2018-01-01T00:00:00Z", "Europe/Berlin", NEW_YEAR_2018_MS),
        ("2018-01-01T01:00+01:00", "UTC", NEW_YEAR_2018_MS),
        ("2018-01-01T00:00:00.250Z", "UTC", NEW_YEAR_2018_MS + 250),
    ],
)
def test_times(text: str, zone: str, time_ms: int) -> None:
    assert arguments.instant_ms(text, "--at", zone) == time_ms


def test_rates() -> None:
    assert arguments.rate_per_s("2.5", "--rate") == 2.5
    assert arguments.rate_per_s("max", "--rate") is None


def test_groups() -> None:
    assert arguments.groups(["rep=ann", "company", "team=a=b"]) == ["rep=ann", "", "team=a=b"]


def test_windows() -> None:
    assert arguments.known_windows(["7d", "level"]) == ["7d", None]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ratio", "–"),
        (12345, "count", "12,345"),
        (0.4251, "ratio", "42.5 %"),
        (1234567.891, "eur", "1,234,567.89 EUR"),
        (10, "usd_per_day", "10.00 USD/day"),
        (2.25, "seconds", "2.2 s"),
        (59.99, "seconds", "60.0 s"),
        (60, "seconds", "1 min 0 s"),
        (3599.6, "seconds", "1 h 0 min"),
        (7_384, "seconds", "2 h 3 min"),
        (200_000, "seconds", "2 d 7 h"),
    ],
)
def test_values_for_people(value: float | None, unit: str, text: str) -> None:
    assert show.amount(value, unit) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2018-01-01T09:30:00.000Z", "2018-01-01 09:30 UTC"),
        ("2018-01-01T09:30:05.000Z", "2018-01-01 09:30:05 UTC"),
        ("2018-01-01T09:30:00.250Z", "2018-01-01 09:30:00.250 UTC"),
        ("2018-01-01T00:00:00.000Z", "2018-01-01 00:00 UTC"),
    ],
)
def test_times_for_people(time: str, text: str) -> None:
    assert show.time_text(time) == text
