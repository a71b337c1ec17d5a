"""Keep numba's cache honest for functions that call compiled functions of other modules.

Numba compiles callees into their caller, but takes a cached caller as current while the one file
that defines it is unchanged: an edit elsewhere would go unnoticed and old code would run.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=8)
def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, time of change and size of every module of a folder."""
    sources = [(path.name, path.stat()) for path in sorted(folder.glob("*.py"))]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in sources)


def current(dispatcher: Any, folder: Path) -> Any:
    """Return a numba function whose cache is void once any module of `folder` changes.

    Parameters
    ----------
    dispatcher : numba function
        Compiled lazily, with ``cache=True``.
    folder : Path
        The package that it calls.

    Notes
    -----
    Numba has no public way to say so; its cache keeps a stamp of the source in `_source_stamp`.
    A test fails if a new numba no longer looks at it.
    """
    dispatcher._cache._cache_file._source_stamp = _stamp(folder)
    return dispatcher
