"""Cells: the text of a CSV cell as a number, a time, a truth value or a word.

A converter takes a non-empty cell and raises ValueError with what was expected; it never quotes the cell, which
may be somebody's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

Convert = Callable[[str], Any]

DECIMALS = (".", ",")
THOUSANDS = ("", ".", ",", " ", "'")
# Spellings of the same sign: no-break spaces, the typographic apostrophe and the minus sign.
_SPELLINGS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'", "\u2212": "-"})
_TRUE, _FALSE = ("true", "yes", "y", "1", "ja"), ("false", "no", "n", "0", "nein")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_TEXT = re.compile(r"-?[0-9]{1,15}(?:[.][0-9]{1,9})?")
_EPOCH_UNITS_MS = {"epoch_s": 1000, "epoch_ms": 1}


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written. `unit` is text around a number to be ignored; the number is multiplied by `times`."""

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    times: Decimal = Decimal(1)

    def error(self) -> str | None:
        if self.decimal not in DECIMALS:
            return "expected decimal: '.' or ','"
        if self.thousands not in THOUSANDS or self.thousands == self.decimal:
            return f"expected for thousands one of {list(THOUSANDS)}, and not the decimal sign"
        return None

    def convert(self) -> Convert:
        thousands, decimal = re.escape(self.thousands), re.escape(self.decimal)
        grouped = rf"|[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+" if self.thousands else ""
        shape = re.compile(rf"[+-]?(?:[0-9]+{grouped})(?:{decimal}[0-9]+)?")
        example = f"1{self.thousands}054{self.decimal}50"

        def number(text: str) -> float:
            bare = text.translate(_SPELLINGS)
            if self.unit:
                bare = bare.removeprefix(self.unit).removesuffix(self.unit).strip()
            if not shape.fullmatch(bare):
                raise ValueError(f"expected a number written like {example}")
            plain = bare.replace(self.thousands, "") if self.thousands else bare
            return float(Decimal(plain.replace(self.decimal, ".")) * self.times)

        return number


def whole(number: Convert) -> Convert:
    """The same, for whole numbers only."""

    def convert(text: str) -> int:
        value = number(text)
        if not float(value).is_integer():
            raise ValueError("expected a whole number")
        return int(value)

    return convert


@dataclass(frozen=True)
class TimeFormat:
    """How times are written: a strptime format, `iso`, `epoch_s` or `epoch_ms`; times without offset are `zone`'s.

    Where the clock goes back, a local time occurs twice: the first is taken. Where it goes forward, the times
    between do not exist: they are read with the offset before the change, so 02:30 becomes 03:30.
    """

    format: str = "iso"
    zone: str = "UTC"

    def error(self) -> str | None:
        """What is wrong with the format, or None."""
        if self.format == "iso" or self.format in _EPOCH_UNITS_MS:
            return None
        sample = datetime(2001, 12, 31, 13, 45, 59, tzinfo=UTC)
        try:
            again = datetime.strptime(sample.strftime(self.format), self.format)
        except (ValueError, re.error) as error:
            return f"not a time format: {error}; expected iso, epoch_s, epoch_ms or directives such as %d.%m.%Y %H:%M"
        if again.date() != sample.date():
            return "names no full date; expected year (%Y), month (%m) and day (%d), or iso, epoch_s, epoch_ms"
        return None

    def convert(self) -> Convert:
        zone = ZoneInfo(self.zone)
        unit_ms = _EPOCH_UNITS_MS.get(self.format)
        in_words = {"iso": "an ISO 8601 time such as 2017-10-20T14:30:00"}.get(self.format, f"a time as {self.format}")

        @lru_cache(maxsize=65_536)  # exports repeat their dates
        def time(text: str) -> datetime:
            try:
                if unit_ms and not _EPOCH_TEXT.fullmatch(text):
                    raise ValueError
                if unit_ms:
                    return _EPOCH + timedelta(milliseconds=int(Decimal(text) * unit_ms))
                iso = self.format == "iso"
                found = datetime.fromisoformat(text) if iso else datetime.strptime(text, self.format)
                if found.tzinfo is None:
                    found = found.replace(tzinfo=zone, fold=0)
                found = found.astimezone(UTC)
            except (ValueError, OverflowError):
                raise ValueError(f"expected {in_words}") from None
            return found.replace(microsecond=found.microsecond // 1000 * 1000)

        return time


def truth(text: str) -> bool:
    word = text.casefold()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"expected one of {', '.join(_TRUE + _FALSE)}")


def word_of(words: tuple[str, ...]) -> Convert:
    """One of the words; `No answer` is taken for `no_answer`."""

    def convert(text: str) -> str:
        word = text if text in words else re.sub(r"[\s-]+", "_", text.casefold())
        if word not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return word

    return convert


def kind_of(annotation: Any) -> msgspec.inspect.Type:
    """The type behind a field's annotation, without `None`."""
    kind = msgspec.inspect.type_info(annotation)
    if isinstance(kind, msgspec.inspect.UnionType):
        return next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
    return kind


def converter(kind: msgspec.inspect.Type, number: NumberFormat, time: TimeFormat) -> Convert | None:
    """How to read a cell for a field of this type; None if no cell can fill it."""
    match kind:
        case msgspec.inspect.StrType():
            return str
        case msgspec.inspect.FloatType():
            return number.convert()
        case msgspec.inspect.IntType():
            return whole(number.convert())
        case msgspec.inspect.BoolType():
            return truth
        case msgspec.inspect.DateTimeType():
            return time.convert()
        case msgspec.inspect.LiteralType(values=values):
            return word_of(tuple(str(value) for value in values))
    return None
