"""Open what is read whole: regular files, and pipes that somebody has opened for us.

A named pipe, a device or a socket may block for ever, or never end. A pipe behind /dev/fd, as the
shell makes for <(command), or behind /dev/stdin has its writer already: it ends when that does.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lockmodel.errors import FileError

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe, which may never end",
    stat.S_IFSOCK: "a socket, which may never end",
    stat.S_IFCHR: "a device, which may never end",
    stat.S_IFBLK: "a device",
}
DESCRIPTORS = re.compile(r"/proc/\d+(/task/\d+)?/fd")
"""The folder that /dev/fd and /dev/stdin point into."""


def is_open_pipe(path: Path | str) -> bool:
    """Return whether a path names a pipe that this process was given open."""
    text = os.fspath(path)
    try:
        target = os.readlink(text) if os.path.dirname(text) == "/dev" else text
        named = DESCRIPTORS.fullmatch(os.path.realpath(os.path.dirname(target)))
        return named is not None and stat.S_ISFIFO(os.stat(text).st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def reading(path: Path | str, called: str | None = None) -> Iterator[IO[bytes]]:
    """Open a file for reading.

    Parameters
    ----------
    path : Path or str
    called : str, optional
        What errors call it; the path otherwise.

    Raises
    ------
    FileError
        It cannot be opened or read, or is neither a regular file nor an open pipe.
    """
    called = called or str(path)
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{called}: cannot be read: {reason}") from None
    if kind != stat.S_IFREG and not is_open_pipe(path):
        what = KINDS.get(kind, "no file")
        raise FileError(f"{called}: cannot be read: it is {what}; give a regular file")
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            os.set_blocking(stream.fileno(), True)
            yield stream
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{called}: cannot be read: {error.strerror or error}") from None


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe that took its place meanwhile does not block."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
