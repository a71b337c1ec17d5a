"""How the event loop is compiled: into one function, without reference counts.

Measured on an execl scenario (128 processes, three locks), million events per second: 0.4 as
numba compiles by default, because every call counts references to each of the world's two dozen
arrays; 4 without counting; 20 when calls are inlined too, so that the arrays are not handed over.
Nothing here allocates, which is what counting is for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from lockmodel.solvers import numba_cache

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return a function that numba compiles at its first call, or loads from its cache."""
    folder = Path(__file__).parent
    return cast(F, numba_cache.compiled(function, folder, forceinline=True, _nrt=False))


def called(function: F) -> F:
    """Return the same, not inlined: what happens seldom need not be compiled into every place."""
    folder = Path(__file__).parent
    return cast(F, numba_cache.compiled(function, folder, _nrt=False))
