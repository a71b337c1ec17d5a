"""Numbers as people read them: three digits and a prefixed unit, gains, shares, ranges."""

from __future__ import annotations

import math

Prefixes = tuple[tuple[float, str], ...]

PREFIXES: Prefixes = (
    *((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")),
    *((1e-3, "m"), (1e-6, "u"), (1e-9, "n")),
)


def si(value: float, unit: str, prefixes: Prefixes = PREFIXES) -> str:
    """Return a number with three digits and a prefixed unit: 33918, "/s" -> "33.9 k/s".

    Parameters
    ----------
    value : float
    unit : str
    prefixes : tuple of (float, str), optional
        Factors and their prefixes, largest first; below the last it stays.
    """
    if value == 0:
        return f"0 {unit}"
    if not math.isfinite(value):
        return "unbounded"
    factor, prefix = prefix_of(value, prefixes)
    return f"{three_digits(value / factor)} {prefix}{unit}"


def prefix_of(value: float, prefixes: Prefixes = PREFIXES) -> tuple[float, str]:
    """Return the factor of a number's prefix, and the prefix: 33918 -> 1000, "k"."""
    fits = (pair for pair in prefixes if abs(value) >= 0.9995 * pair[0])
    return next(fits, prefixes[-1])


def three_digits(value: float) -> str:
    """Return a number up to 1000 with three digits: 9.527 -> "9.53", 28.34 -> "28.3"."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}"


def to(low: str, high: str) -> str:
    """Return a range, a unit of both ends once: "27.8 us", "30.9 us" -> "27.8 to 30.9 us"."""
    number, _, unit = low.partition(" ")
    return f"{number if unit == high.partition(' ')[2] else low} to {high}"


def gain(value: float) -> str:
    """Return a gain as a signed percentage: 0.8 -> "+80 %", 0.043 -> "+4.3 %"."""
    rounded = 100 * value
    if abs(rounded) < 0.05:
        return "0 %"
    return f"{rounded:+.1f} %" if abs(rounded) < 9.95 else f"{rounded:+,.0f} %"


def share(value: float, digits: int = 0) -> str:
    """Return a share in per cent: 0.323 -> "32 %"."""
    return f"{100 * value:.{digits}f} %"


def cut(text: str, most: int, mark: str = "..") -> str:
    """Return a text of at most so many characters; `mark` stands for the end that is cut off."""
    return text if len(text) <= most else text[: most - len(mark)] + mark
