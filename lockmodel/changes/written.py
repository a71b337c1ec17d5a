"""Values of levers from text, and back."""

from __future__ import annotations

import math

from lockmodel.changes.lever import Written
from lockmodel.errors import ArgumentError


def number(written: Written, key: str = "") -> float:
    """Return the value, or an option, as a number."""
    text = written.options[key] if key else written.value
    try:
        return float(text)
    except ValueError:
        name = written.form.partition(":")[0].partition("=")[0]
        raise ArgumentError(f"{name}: {text!r} is not a number; write {written.form}") from None


def count(written: Written, key: str = "") -> int:
    """Return the value, or an option, as a whole number."""
    value = number(written, key)
    if not math.isfinite(value) or value != int(value):
        text = written.options[key] if key else written.value
        raise ArgumentError(f"shard: {text!r} is not a whole number; write {written.form}")
    return int(value)


def spelt(value: float) -> str:
    """Return a number as it is written."""
    return f"{value:g}"
