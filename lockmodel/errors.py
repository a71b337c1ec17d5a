"""Every error lockmodel raises on purpose, with the exit code the command line gives it.

A message names the argument or key, the value seen, the rule it breaks and the remedy.
Anything else that escapes is a bug.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any


class LockmodelError(Exception):
    """Base class; `exit_code` is what the command line returns."""

    exit_code = 1


class NotTrustworthyError(LockmodelError):
    """The answer exists but must not be relied on (exit 1); `answer` is what Python gets of it."""

    exit_code = 1
    answer: Any = None


class SaturatedError(NotTrustworthyError):
    """Walkers alone keep a lock busy: no throughput is left (exit 1)."""


class ScenarioError(LockmodelError, ValueError):
    """A scenario (or another input file) is not valid (exit 2)."""

    exit_code = 2


MOST_PROBLEMS = 20
"""Problems of one file that an error lists."""


class ScenarioErrors(ScenarioError):
    """Several things are not valid in one file; `problems` has a sentence of each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - MOST_PROBLEMS
        lines = [*self.problems[:MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
        super().__init__("\n  ".join([f"{len(self.problems)} errors", *lines]))


def problems_of(error: ScenarioError) -> tuple[str, ...]:
    """Return what an error says is not valid, one sentence each."""
    return error.problems if isinstance(error, ScenarioErrors) else (str(error),)


def raise_all(problems: Iterable[str]) -> None:
    """Raise a ScenarioError that has all problems; none where there are none."""
    found = list(dict.fromkeys(problems))
    if len(found) > 1:
        raise ScenarioErrors(found)
    if found:
        raise ScenarioError(found[0])


class ArgumentError(LockmodelError, ValueError):
    """An argument is not valid (exit 3)."""

    exit_code = 3


class FileError(LockmodelError, OSError):
    """A file cannot be read or written (exit 4)."""

    exit_code = 4


class GateFailedError(LockmodelError):
    """A measured curve is slower than it may be (exit 5)."""

    exit_code = 5


LONGEST = 60
"""Characters of a value that an error shows."""


def shortened(text: str) -> str:
    """Return a text cut to `LONGEST` characters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def shown(value: Any) -> str:
    """Return a value as an error shows it: bounded length and depth, numbers as typed."""
    if isinstance(value, Decimal):
        return shortened(str(value))
    return shortened(reprlib.repr(value) if isinstance(value, dict | list) else repr(value))


def nearest(word: str, known: list[str]) -> str:
    """Return a "did you mean" clause for `word`, or the list of what is known.

    Parameters
    ----------
    word : str
        What was given.
    known : list of str
        What would have been accepted.

    Returns
    -------
    str
        Text that completes an error message.
    """
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "nothing is known here"


def one_of(owner: str, known: tuple[str, ...], **values: str) -> None:
    """Raise ScenarioError unless every value is one of the known words; keys name them."""
    for key, value in values.items():
        if value not in known:
            raise ScenarioError(f"{owner}: {key} = {value!r} must be one of {', '.join(known)}")


def not_negative(owner: str, **values: float) -> None:
    """Raise ScenarioError unless every value is a finite number >= 0; keys name them."""
    for key, value in values.items():
        number = type(value) in (float, int) or (
            isinstance(value, Real) and not isinstance(value, bool)
        )
        if not number or not math.isfinite(value) or value < 0:
            raise ScenarioError(
                f"{owner}: {key} = {shown(value)} must be a finite number >= 0; "
                f"give 0 if it does not matter"
            )
