"""What a trace consists of, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OPERATIONS = ("ins", "rem", "insa")

EventKind = Literal["dw", "dwr", "dwk", "dwkr", "up", "ins", "rem", "insa", "frk", "exe", "ext"]
KINDS: tuple[EventKind, ...] = (
    "dw",
    "dwr",
    "dwk",
    "dwkr",
    "up",
    "ins",
    "rem",
    "insa",
    "frk",
    "exe",
    "ext",
)


@dataclass(frozen=True, slots=True)
class TracedEvent:
    """One line of a trace.

    Attributes
    ----------
    kind : EventKind
        See `probes`.
    pid : int
        Of the thread.
    comm : str
        Its name at that time.
    address : int
        Of the semaphore (dw, up) or of the root of the tree (ins, rem, insa); 0 for others.
    inode : int
        Inode number, 0 where none was read.
    time : float
        In the unit of the trace's clock.
    stack : tuple of str
        Kernel functions, innermost first; empty where none was recorded.
    line : int
        In the file, for messages.
    """

    kind: EventKind
    pid: int
    comm: str
    address: int
    inode: int
    time: float
    stack: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Trace:
    """A trace as it was read.

    Attributes
    ----------
    events : tuple of TracedEvent
        In the order of the file.
    kernel : str or None
        Release, where the file says so.
    names : dict of int to str
        Inode number -> path.
    """

    events: tuple[TracedEvent, ...]
    kernel: str | None = None
    names: dict[int, str] = field(default_factory=dict)
