"""Numbers with three digits and a prefixed unit."""

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
    fits = (pair for pair in prefixes if abs(value) >= 0.9995 * pair[0])
    factor, prefix = next(fits, prefixes[-1])
    scaled = value / factor
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f} {prefix}{unit}"
