"""Compile with numba and keep the result on disk: current, private, once for all processes.

Current: numba compiles callees into their caller, but takes a cached caller as current while the
one file that defines it is unchanged: an edit elsewhere would go unnoticed and old code would run.

Private: what is loaded from the cache is executed, so a folder that others can write to is not
used. Beside the source comes first, then the user's cache, then a folder below a temporary one.
Where there is none (a container without a home and with a package of root's) every run compiles.

Once: processes that start together would each compile for a quarter of a minute. One does, the
others wait for it and load what it made.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

NAME = "lockmodel"
OWN = 0o700
"""Mode of a folder that we make: nobody else can even look into it."""

LONGEST_WAIT_S = 120.0
"""Longest wait for another process that compiles: it may have been suspended."""

POLL_S = 0.05

TEMPORARY = ("/tmp", "/var/tmp")

BESIDE = ""
"""Place of the cache beside the source, in numba's words."""

UNCACHED = (
    "the solvers are compiled anew in every run (a quarter of a minute): no folder for what was "
    "compiled can be written by this user alone; set NUMBA_CACHE_DIR to one"
)

_uncached = False
_spent = 0.0
_since: float | None = None


def compiled(function: Callable[..., Any], folder: Path | None = None, **options: Any) -> Any:
    """Return a function that numba compiles at its first call, or loads from its cache.

    Parameters
    ----------
    function : callable
    folder : Path, optional
        The package that it calls: the cache is void once any module of it changes.
    **options
        Of numba.njit, beside those all our functions have.

    Notes
    -----
    Numba has no public way to say what a cache depends on; its cache keeps a stamp of the source
    in `_source_stamp`. A test fails if a new numba no longer looks at it.
    """
    import numba

    global _uncached
    options = {"nogil": True, "error_model": "numpy", **options}
    config: Any = numba.config
    given = config.CACHE_DIR
    try:
        config.CACHE_DIR = given or _place(Path(function.__code__.co_filename).parent)
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no such folder, or it cannot be written
        _uncached = True
        return _guarded(numba.njit(**options)(function), None)
    finally:
        config.CACHE_DIR = given
    if folder is not None:
        made._cache._cache_file._source_stamp = _stamp(folder)
    return _guarded(made, made._cache.cache_path)


def uncached() -> bool:
    """Return whether something was compiled that no later run can use (see `UNCACHED`)."""
    return _uncached


def compile_s() -> float:
    """Return the seconds this process has spent compiling, or waiting for one that does."""
    return _spent + (0.0 if _since is None else time.monotonic() - _since)


def folder() -> Path | None:
    """Return where what is compiled is kept; None where no run can keep it."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        try:
            os.makedirs(given, exist_ok=True)  # as numba does
        except OSError:
            return None
        return Path(given) if os.access(given, os.W_OK | os.X_OK) else None
    source = Path(__file__).parent
    try:
        place = _place(source)
    except RuntimeError:
        return None
    return source / "__pycache__" if place == BESIDE else Path(place)


@lru_cache(maxsize=8)
def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, time of change and size of every module of a folder."""
    sources = [(path.name, path.stat()) for path in sorted(folder.glob("*.py"))]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in sources)


@lru_cache(maxsize=8)
def _place(source: Path) -> str:
    """Return where to keep what is compiled from a folder's modules; RuntimeError for nowhere."""
    if _is_private(source):
        return BESIDE
    folders = [_users(), *(Path(base, f"{NAME}-{os.getuid()}") for base in _temporary())]
    for folder in folders:
        if folder is not None and _is_own(folder):
            return str(folder)
    raise RuntimeError(f"{source}: no folder for what numba compiles")


def _users() -> Path | None:
    """Return our folder in the user's cache; None where the user has no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", NAME)
    except RuntimeError:
        return None


def _temporary() -> list[str]:
    return [base for base in (os.environ.get("TMPDIR"), *TEMPORARY) if base]


def _is_private(source: Path) -> bool:
    """Return whether numba's folder beside a source can be written by us, and by no stranger.

    Who owns the source may: he could change the source as well.
    """
    folder = source / "__pycache__"
    try:
        folder.mkdir(0o755, exist_ok=True)
        status, owners = folder.lstat(), {os.getuid(), 0, source.stat().st_uid}
    except OSError:
        return False
    strangers = stat.S_IWOTH | (0 if status.st_gid == os.getgid() else stat.S_IWGRP)
    safe = status.st_uid in owners and not status.st_mode & strangers
    return safe and stat.S_ISDIR(status.st_mode) and os.access(folder, os.W_OK | os.X_OK)


def _is_own(folder: Path) -> bool:
    """Return whether a folder is ours alone, made if it is missing; a link to one is not.

    Nor is one whose parent lets others put another in its place.
    """
    try:
        with suppress(FileExistsError):
            folder.mkdir(OWN)
        status, parent = folder.lstat(), folder.parent.stat()
    except OSError:
        return False
    shared = parent.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not parent.st_mode & stat.S_ISVTX
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    mode = stat.S_IMODE(status.st_mode)
    return ours and mode == OWN and parent.st_uid in (0, os.getuid()) and not shared


def _guarded(dispatcher: Any, folder: str | None) -> Any:
    """Return a numba function whose compilations are counted, and made by one process at a time.

    Numba's own lock comes first: threads that call the function hold it in the same order.
    """
    from numba.core.compiler_lock import global_compiler_lock

    inner = dispatcher.compile

    def outer(signature: Any) -> Any:
        global _spent, _since
        with global_compiler_lock:
            if _since is not None:  # compiled into a function that is being compiled
                return inner(signature)
            _since = time.monotonic()
            try:
                with _alone(folder):
                    return inner(signature)
            finally:
                _spent, _since = compile_s(), None

    dispatcher.compile = outer
    return dispatcher


@contextmanager
def _alone(folder: str | None) -> Iterator[None]:
    """Lock a folder against other processes that compile, for as long as the block runs."""
    try:
        handle = None if folder is None else os.open(folder, os.O_RDONLY)
    except OSError:
        handle = None
    if handle is None:
        yield
        return
    try:
        until = time.monotonic() + LONGEST_WAIT_S
        while not _locked(handle) and time.monotonic() < until:
            time.sleep(POLL_S)
        yield
    finally:
        with suppress(OSError):  # said aloud: a process forked meanwhile has the handle, too
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _locked(handle: int) -> bool:
    """Return whether we hold the lock, or no lock can be had on this file system."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
