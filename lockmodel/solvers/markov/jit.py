"""How this package compiles: lazily, cached on disk, with typed decorators.

A transition function is a value: `explore` is compiled once, for any model, and calls it through
a function pointer. That needs one explicit signature; a jitted function passed as such would be
part of the explorer's type, and every model would compile (and never find in the cache) an
explorer of its own. Measured: 0.1 us per call through the pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import types

from lockmodel.solvers import numba_cache

F = TypeVar("F", bound=Callable[..., Any])

ROW = types.int16[::1]
ROWS = types.int16[:, ::1]
INTS = types.int64[::1]
REALS = types.float64[::1]

SIGNATURE = types.int64(ROW, INTS, REALS, ROWS, REALS)
"""(state, ints, reals, out, rates) -> count: writes successors to `out`, their rates to `rates`."""

Transition = Any
"""A function compiled with `SIGNATURE`; called by numba through a pointer."""


def _lazy(function: Callable[..., Any]) -> Any:
    return numba_cache.compiled(function, Path(__file__).parent)


def _now(function: Callable[..., Any], signature: Any) -> Any:
    """Return what ``njit(signature)`` does, with a cache that knows the whole package."""
    made = _lazy(function)
    made.compile(signature)
    made.disable_compile()
    return made


def compiled(function: F) -> F:
    """Return a function that numba compiles at its first call, or loads from its cache."""
    return cast(F, _lazy(function))


@lru_cache(maxsize=64)
def transition(function: Callable[..., int]) -> Transition:
    """Return a transition function compiled with `SIGNATURE`, now or from numba's cache."""
    return _now(function, SIGNATURE)


@lru_cache(maxsize=64)
def taking_transition(function: Callable[..., Any]) -> Any:
    """Return a compiled function whose first argument is a transition function.

    The remaining arguments are those of `explorer.expand`.
    """
    signature = types.void(
        types.FunctionType(SIGNATURE),
        INTS,
        REALS,
        ROW,
        ROWS,
        types.int32[::1],
        types.int64[::1],
        types.int32[::1],
        REALS,
        ROWS,
        REALS,
        types.int64[::1],
    )
    return _now(function, signature)
