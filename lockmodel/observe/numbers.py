"""Numbers as tools print them, in any locale, and refused where they can be read in two ways.

`1,174` is 1174 where a whole number must stand and is refused elsewhere; `12,5` can only be a
decimal comma; `1.234,5` and `1,234.5` can be read in one way only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

LONGEST = 40
"""Characters of the longest number: 64-bit integers have 20 digits."""

PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
GROUPS = re.compile(r"[+-]?\d{1,3}(?:([,.'\u00a0\u202f\u2009])\d{3})(?:\1\d{3})*", re.ASCII)
COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
MIXED = re.compile(
    r"([+-]?\d{1,3}(?:([,.'\u00a0\u202f\u2009])\d{3})(?:\2\d{3})*)([.,])(\d+)", re.ASCII
)

SECONDS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Time unit as printed -> s."""

EXPONENT = {"s": 0, "ms": -3, "us": -6, "ns": -9}
"""Time unit -> power of ten, applied as a decimal so that no digit is lost."""


class BadNumberError(ValueError):
    """A text is not one number; the message completes "... is"."""


def number(text: str) -> float:
    """Return a finite number.

    Parameters
    ----------
    text : str
        A number with a decimal point or comma, digits grouped or not.

    Returns
    -------
    float

    Raises
    ------
    BadNumberError
        It is not a number, not finite, or `1,174`: grouped digits or a decimal comma.
    """
    return _finite(_canonical(text.strip()))


def _canonical(text: str) -> str:
    """Return a number as Python writes it."""
    if len(text) > LONGEST:
        raise BadNumberError("not a number")
    if PLAIN.fullmatch(text):
        return text
    if mixed := MIXED.fullmatch(text):
        before, group, point, after = mixed.groups()
        if group != point:
            return f"{before.replace(group, '')}.{after}"
    if GROUPS.fullmatch(text):
        groups = re.split(r"[^\d+-]", text)
        if len(groups) > 2 or "," not in text:
            return "".join(groups)
        if groups[0].lstrip("+-").startswith("0"):  # nobody groups the digits after a 0
            return text.replace(",", ".")
        raise BadNumberError("either grouped digits or a decimal comma; run the tool with LC_ALL=C")
    if COMMA.fullmatch(text):
        return text.replace(",", ".")
    raise BadNumberError("not a number")


SUFFIXED = re.compile(r"([+-]?[\d.,]+)\s?([kKMGT])(?:i?[bB])?", re.ASCII)
MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
"""Letter behind a number -> factor."""


def abbreviated(text: str, grouped: bool = False) -> float:
    """Return a number that may be short (10K, 1.2M) or in groups.

    Parameters
    ----------
    text : str
    grouped : bool
        Whether a comma before three digits is known to group them: 1,234 is 1234.

    Raises
    ------
    BadNumberError
        As `number`.
    """
    short = SUFFIXED.fullmatch(text.strip())
    plain, factor = (short[1], MULTIPLES[short[2]]) if short else (text.strip(), 1.0)
    if grouped and GROUPS.fullmatch(plain):
        plain = re.sub(r"[^\d+-]", "", plain)
    return number(plain) * factor


def in_groups(texts: Iterable[str], pointed: bool = False) -> bool:
    """Return whether the commas of a column group digits, as some of its cells show.

    1,234,567 and 1,234.5 do; so does a whole number below 1000 beside others that have all
    exactly three digits behind their comma, or these alone where a decimal comma is not to be
    expected (`pointed`).
    """
    cells = [text.strip() for text in texts]
    commas = [text for text in cells if "," in text]
    if any(COMMA.fullmatch(text) and not GROUPS.fullmatch(text) for text in commas):
        return False
    if any(
        text.count(",") > 1 or ("." in text and text.index(",") < text.index("."))
        for text in commas
    ):
        return True
    bare = [text for text in cells if re.fullmatch(r"\d+", text, re.ASCII)]
    if any(len(text) > 3 for text in bare):
        return False
    return (
        bool(commas) and (pointed or bool(bare)) and all(GROUPS.fullmatch(text) for text in commas)
    )


def whole(text: str) -> int:
    """Return a whole number, digits grouped or not; raises BadNumberError otherwise."""
    text = text.strip()
    if len(text) <= LONGEST:
        if re.fullmatch(r"[+-]?\d+", text, re.ASCII):
            return int(text)
        if GROUPS.fullmatch(text):
            return int(re.sub(r"[^\d+-]", "", text))
    raise BadNumberError("not a whole number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadNumberError("too large for a number")
    return value


class Measured(NamedTuple):
    """A printed time in s, and half a unit of its last digit in s."""

    value: float
    half_digit: float


def printed(text: str, scale: float = 1.0) -> Measured:
    """Return a printed number times `scale`, with its rounding; raises BadNumberError."""
    plain = _canonical(text.strip())
    mantissa, _, exponent = plain.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return Measured(_finite(plain) * scale, 0.5 * 10.0 ** -max(digits, -300) * scale)


def time(text: str, unit: str) -> Measured:
    """Return a time printed in a unit, in s; raises BadNumberError."""
    if unit not in SECONDS:
        raise BadNumberError(f"not a time: its unit {unit!r} is none of {', '.join(SECONDS)}")
    measured = printed(text, SECONDS[unit])
    if unit not in EXPONENT:
        return measured
    exact = Decimal(_canonical(text.strip())).scaleb(EXPONENT[unit])
    return Measured(float(exact), measured.half_digit)
