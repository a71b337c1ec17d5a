"""What a script of the paper gives: named values, tables and formulae.

A script is a file with a function `make(out)`. It decides of every number the unit and how it is
rounded; the text only names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from lockmodel.units import gain, prefix_of, share, si, three_digits, to
from paper.tools.errors import PaperError

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

WORDS = ("text", "code", "math")
"""How a value is set: as it stands, in the font of commands, as mathematics."""


@dataclass(frozen=True)
class Value:
    """A named value.

    Attributes
    ----------
    text : str
        As it is printed, unit and rounding included; Typst source for kind 'math'.
    kind : {'text', 'code', 'math'}
    value : float or None
        In the base unit; None for words.
    unit : str
        Base unit: "s", "/s", "" for a count or a ratio.
    """

    text: str
    kind: str = "text"
    value: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A table: heads, rows of texts, and how many of the first columns are words."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def micro(text: str) -> str:
    """Return a text with the unit of microseconds as it is printed: 28.7 us -> 28.7 µs."""
    return re.sub(r"(?<=\d )us\b", "µs", text)


def si_range(low: float, high: float, unit: str) -> str:
    """Return two numbers with their units, the unit once if it is the same."""
    return to(micro(si(low, unit)), micro(si(high, unit)))


def si_with_range(value: float, low: float, high: float, unit: str) -> str:
    """Return a number with its interval in the same unit: 29.5 µs (28.3 to 30.9)."""
    factor, _ = prefix_of(value)
    ends = f"{three_digits(low / factor)} to {three_digits(high / factor)}"
    return f"{micro(si(value, unit))} ({ends})"


def gain_range(low: float, high: float) -> str:
    """Return an interval of gains in per cent, without signs where both ends are above 0."""
    digits = 1 if abs(100 * high) < 9.95 else 0
    sign = "+" if low < 0 else ""
    ends = (round(100 * end, digits) + 0.0 for end in (low, high))  # + 0.0: no minus before 0
    return " to ".join(f"{end:{sign},.{digits}f}" if end else "0" for end in ends)


@dataclass
class Out:
    """Collects what a script makes.

    Attributes
    ----------
    values : dict of str to Value
    tables : dict of str to Table
    """

    values: dict[str, Value] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def _put(self, name: str, value: Value) -> None:
        if not NAME.match(name):
            raise PaperError(f"{name!r} is no name: small letters, digits and _")
        if name in self.values:
            raise PaperError(f"the name {name!r} is given twice")
        if value.value is not None and not math.isfinite(value.value):
            raise PaperError(f"{name} = {value.value} is not finite")
        self.values[name] = value

    def number(self, name: str, value: float, text: str, unit: str = "") -> None:
        """Name a number; `text` is how it is printed."""
        self._put(name, Value(text, "text", float(value), unit))

    def count(self, name: str, value: float) -> None:
        """Name a whole number."""
        if value != round(value):
            raise PaperError(f"{name} = {value} is not whole; say how to round it")
        self.number(name, value, f"{round(value):,}")

    def si(self, name: str, value: float, unit: str) -> None:
        """Name a time ("s") or a rate ("/s") with three digits."""
        self.number(name, value, micro(si(value, unit)), unit)

    def gain(self, name: str, value: float, ends: tuple[float, float] | None = None) -> None:
        """Name a gain; with an interval NAME_range is named as well."""
        self.number(name, value, gain(value))
        if ends is not None:
            self._put(f"{name}_range", Value(gain_range(*ends) + " %"))

    def share(self, name: str, value: float, digits: int = 0) -> None:
        """Name a share in per cent."""
        self.number(name, value, share(value, digits))

    def words(self, name: str, text: str, kind: str = "text") -> None:
        """Name something that has digits in it and is no number: a product, a command."""
        if kind not in WORDS:
            raise PaperError(f"{name}: {kind!r} is none of {', '.join(WORDS)}")
        self._put(name, Value(text, kind))

    def table(
        self, name: str, heads: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1
    ) -> None:
        """Name a table; the first `words` columns are aligned left."""
        if any(len(row) != len(heads) for row in rows) or not rows:
            raise PaperError(f"table {name!r} has rows that do not fit its heads")
        if name in self.tables:
            raise PaperError(f"the table {name!r} is given twice")
        self.tables[name] = Table(tuple(heads), tuple(map(tuple, rows)), words)
