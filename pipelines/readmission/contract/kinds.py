"""Kinds of raw columns: how a value of each kind is judged, read from text, listed and drawn.

A new kind is one class here. Everybody else asks a column about its values and never which kind it is.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import ClassVar, Literal

#: A value as a request states it.
Value = str | int
#: Type of a column in the typed frame. Numbers are float64 because they may be missing; identifiers never are.
Dtype = Literal["str", "float64", "int64"]

#: ICD-9-CM codes as the file states them: 250.83, V27, E878. External causes begin with E800; below it, a code such as
#: E119 is one of ICD-10-CM without its dot.
ICD9_PATTERN = r"(?:[0-9]{1,3}(?:\.[0-9]{1,2})?|V[0-9]{1,2}(?:\.[0-9]{1,2})?|E[89][0-9]{2}(?:\.[0-9])?)"
_ICD9 = re.compile(ICD9_PATTERN)
_NO_DESCRIPTIONS: Mapping[str, str] = MappingProxyType({})


class Kind(ABC):
    """Values that a column may hold.

    Attributes:
        dtype: Type of the column in the typed frame.
        violation: Problem of a value that has the right type and is not allowed: ``level``, ``range`` or ``pattern``.
        levels: Texts of a closed list, else empty.
        descriptions: Words for the levels that are codes, else empty.
        minimum: Smallest number of an open range, else 0.
        maximum: Largest number of an open range, else 0.
        pattern: Regular expression that a text must match as a whole, else empty.
    """

    __slots__ = ()
    dtype: ClassVar[Dtype] = "str"
    violation: ClassVar[str] = "level"

    levels: tuple[str, ...] = ()
    descriptions: Mapping[str, str] = _NO_DESCRIPTIONS
    minimum: int = 0
    maximum: int = 0
    pattern: str = ""

    @property
    def is_number(self) -> bool:
        """Whether a request states the value as a number."""
        return self.dtype != "str"

    @property
    @abstractmethod
    def allowed(self) -> str:
        """The values in words."""

    @abstractmethod
    def problem(self, text: str) -> str | None:
        """Return ``type`` or the kind's violation for a text that is not allowed, else None."""

    def parse(self, text: str) -> Value:
        """Return the value of an allowed text."""
        return int(text) if self.is_number else text

    def values(self) -> tuple[Value, ...]:
        """Return every allowed value in order; empty if they cannot be listed."""
        return tuple(map(self.parse, self.levels))

    @abstractmethod
    def draw(self, random: Random) -> Value:
        """Draw any allowed value, the extreme ones included."""


@dataclass(frozen=True, slots=True)
class Level(Kind):
    """One text of a closed list."""

    levels: tuple[str, ...] = field()

    @property
    def allowed(self) -> str:
        """The levels."""
        return "one of " + ", ".join(map(repr, self.levels))

    def problem(self, text: str) -> str | None:
        """Refuse what is not a level."""
        return None if text in self.levels else "level"

    def draw(self, random: Random) -> Value:
        """Draw a level."""
        return random.choice(self.levels)


@dataclass(frozen=True, slots=True)
class Icd9(Kind):
    """A diagnosis in ICD-9-CM."""

    violation: ClassVar[str] = "pattern"
    pattern: str = ICD9_PATTERN

    @property
    def allowed(self) -> str:
        """The forms of a code."""
        return "an ICD-9 code such as '250.83', '428', 'V27' or 'E878'"

    def problem(self, text: str) -> str | None:
        """Refuse what does not have the form of a code; whether the code exists is not checked."""
        return None if _ICD9.fullmatch(text) else "pattern"

    def draw(self, random: Random) -> Value:
        """Draw a code of any form, often one of diabetes."""
        whole = random.choice((f"{random.randint(0, 999)}", f"V{random.randint(1, 91):02d}"))
        decimals = random.choice(("", f".{random.randint(0, 9)}", f".{random.randint(0, 99):02d}"))
        number = random.choice((whole + decimals, f"250.{random.randint(0, 93):02d}"))
        return random.choice((number, number, f"E{random.randint(800, 999)}"))


@dataclass(frozen=True, slots=True)
class Coded(Kind):
    """A number of a closed list, each with a description."""

    dtype: ClassVar[Dtype] = "float64"
    descriptions: Mapping[str, str] = field()

    @property
    def levels(self) -> tuple[str, ...]:  # type: ignore[override]  # derived, not stored
        """The codes."""
        return tuple(self.descriptions)

    @property
    def allowed(self) -> str:
        """The codes."""
        return "one of the integers " + ", ".join(self.descriptions)

    def problem(self, text: str) -> str | None:
        """Refuse what is not a code."""
        return None if text in self.descriptions else "level" if _is_digits(text) else "type"

    def draw(self, random: Random) -> Value:
        """Draw a code."""
        return int(random.choice(self.levels))


@dataclass(frozen=True, slots=True)
class Integer(Kind):
    """A whole number of a range, whose ends are allowed."""

    dtype: ClassVar[Dtype] = "float64"
    violation: ClassVar[str] = "range"
    minimum: int = field()
    maximum: int = field()

    @property
    def allowed(self) -> str:
        """The range."""
        return f"an integer from {self.minimum} to {self.maximum}"

    def problem(self, text: str) -> str | None:
        """Refuse signs, leading zeros, fractions and numbers out of range."""
        if not _is_digits(text) or str(int(text)) != text:
            return "type"
        return None if self.minimum <= int(text) <= self.maximum else "range"

    def values(self) -> tuple[Value, ...]:
        """Return the whole range."""
        return tuple(range(self.minimum, self.maximum + 1))

    def draw(self, random: Random) -> Value:
        """Draw a number of the range."""
        return random.randint(self.minimum, self.maximum)


@dataclass(frozen=True, slots=True)
class Identifier(Integer):
    """A positive whole number without meaning of its own; too many to list."""

    dtype: ClassVar[Dtype] = "int64"
    minimum: int = 1
    maximum: int = 10**18 - 1

    @property
    def allowed(self) -> str:
        """The sign: the size is limited only by what stores can hold."""
        return "a positive integer"

    def values(self) -> tuple[Value, ...]:
        """Return nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Moment(Kind):
    """A date, or a date and time, in ISO 8601; without an offset in UTC."""

    violation: ClassVar[str] = "pattern"

    @property
    def allowed(self) -> str:
        """The forms of a moment."""
        return "a date or a time in ISO 8601 such as '2008-03-31' or '2008-03-31T14:30:00Z'"

    def problem(self, text: str) -> str | None:
        """Refuse what is no moment after the year 1900."""
        try:
            return None if moment(text).year > 1900 else "range"
        except (ValueError, OverflowError):
            return "pattern"

    def draw(self, random: Random) -> Value:
        """Draw a date of the years of the data set."""
        return (datetime(1999, 1, 1, tzinfo=UTC) + timedelta(days=random.randrange(3650))).date().isoformat()


def moment(text: str) -> datetime:
    """Return the moment of a text in ISO 8601, with its offset, or in UTC without one.

    Raises:
        ValueError: The text is not a moment.
    """
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _is_digits(text: str) -> bool:
    """Whether the text consists of ASCII digits, few enough for int64."""
    return text.isascii() and text.isdigit() and len(text) <= 18
