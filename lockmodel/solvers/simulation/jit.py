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

import numba

from lockmodel.solvers.numba_cache import current

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return a function that numba compiles at its first call, or loads from its cache."""
    decorate: Any = numba.njit
    wrapped = decorate(cache=True, nogil=True, error_model="numpy", forceinline=True, _nrt=False)
    return cast(F, current(wrapped(function), Path(__file__).parent))
