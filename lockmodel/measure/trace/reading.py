"""Trace text -> events: ftrace's trace file and the printout of `probes.bpftrace_script`.

==============================================  ===============================
line                                            what it is
==============================================  ===============================
``  loop-7  [000] .....  4.23: dw: (..) sem=0x`` an event of ftrace
``  loop-7  [000] .....  4.23: <stack trace>``   its stack follows
`` => copy_process``                             one function of it
``dw: pid=7 sem=0xff11 comm=loop``               an event of bpftrace
``    copy_process+4``                           one function of its stack
``inode 11 /lib/x86_64-linux-gnu/libc.so.6``     a name, from `stat`
``# kernel 6.12.107``                            where it was traced
==============================================  ===============================

Lost events spoil counts, so a file that says it lost some is refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from lockmodel import regular
from lockmodel.errors import ScenarioError, shortened
from lockmodel.measure.trace.events import KINDS, Trace, TracedEvent

LARGEST = 1 << 30
LONGEST_LINE = 4096
DEEPEST = 64
"""Functions of a stack that are kept; the sites need the innermost 20."""

FTRACE = re.compile(
    r"\s*(?P<comm>.{1,20}?)-(?P<pid>\d{1,10})\s+(?:\([\s\d-]{1,12}\)\s+)?\[\d{1,5}\]\s+"
    r"(?:[^\s:]{1,16}\s+)?(?P<time>\d{1,24}(?:\.\d{1,9})?):\s+(?P<what>[\w<][\w ]{0,40}[\w>]?):?"
    r"(?P<rest>(?:\s.*)?)",
    re.ASCII,
)
STACK = "<stack trace>"
FRAME = re.compile(
    r"\s+(?:=>\s+)?(?:[0-9a-f]{8,16}\s+)?(0x[0-9a-f]{1,16}|[A-Za-z_][\w.]{0,120})"
    r"(?:\+(?:0x)?[0-9a-f]{1,16})?(?:/0x[0-9a-f]{1,16})?(?:\s+[\[<][\w-]{1,64}[\]>])?\s*",
    re.ASCII,
)
BPFTRACE = re.compile(r"(\w{2,4}): pid=(\d{1,10})( .*)? comm=(.{0,20})", re.ASCII)
ADDRESS = re.compile(r"\b(?:sem|root)=(?:0x)?([0-9a-f]{1,16})\b", re.ASCII)
INODE = re.compile(r"\bino=(?:0x([0-9a-f]{1,16})|(\d{1,20}))\b", re.ASCII)
NAMED = re.compile(r"(?:inode\s+)?(\d{1,20})\s+(\S.*)", re.ASCII)
NAMED_LAST = re.compile(r"(/\S.{0,4000}?)\s+(\d{1,20})")
LOST = re.compile(r"LOST (?:(\d{1,20}) )?EVENTS|Lost (\d{1,20}) events", re.ASCII)
ENTRIES = re.compile(r"#\s*entries-in-buffer/entries-written:\s*(\d{1,20})/(\d{1,20})", re.ASCII)
KERNEL = re.compile(r"#\s*kernel\s+([\w.+~-]{1,80})", re.ASCII)


def read(path: str) -> Trace:
    """Return the events of a trace file.

    Raises
    ------
    FileError
        It cannot be read.
    ScenarioError
        It is no trace of these probes, or events were lost.
    """
    with _opened(path) as stream:
        return parse(_lines(stream, path), path)


def names(path: str) -> dict[int, str]:
    """Return inode number -> path of a file with lines as `stat -c '%i %n'` prints them.

    The other order, path first, is read as well.

    Raises
    ------
    FileError
        It cannot be read.
    ScenarioError
        A line is not a number and a path.
    """
    named = {}
    with _opened(path) as stream:
        for number, line in enumerate(_lines(stream, path), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            match = NAMED.fullmatch(text)
            turned = NAMED_LAST.fullmatch(text)
            if match is not None:
                named[int(match[1])] = match[2]
            elif turned is not None:
                named[int(turned[2])] = turned[1]
            else:
                raise ScenarioError(
                    f"{path}: line {number}: {shortened(text)!r} is not INODE PATH; make it by "
                    f"stat -L -c '%i %n' FILE..."
                )
    return named


@contextmanager
def _opened(path: str) -> Iterator[IO[str]]:
    """Open a text that others made; what is not UTF-8 in it is replaced."""
    with regular.reading(path) as stream:
        yield io.TextIOWrapper(stream, encoding="utf-8", errors="replace")


def _lines(stream: IO[str], path: str) -> Iterator[str]:
    """Yield lines without their ends; of a longer one only the first `LONGEST_LINE` characters."""
    size = 0
    inside = False
    while line := stream.readline(LONGEST_LINE):
        inside, rest = not line.endswith("\n"), inside
        size += len(line)
        if size > LARGEST:
            raise ScenarioError(
                f"{path}: is larger than {LARGEST >> 30} GiB; trace a few iterations"
            )
        if not rest:
            yield line.rstrip("\r\n")


def parse(lines: Iterable[str], path: str) -> Trace:
    """Return the events of the lines of a trace; `path` is for messages.

    Raises
    ------
    ScenarioError
        There are no events of these probes, or some were lost.
    """
    events: list[TracedEvent] = []
    stack: list[str] | None = None
    owner: int | None = None  # event whose stack it is
    last: dict[int, int] = {}  # thread -> its last event, if that is one of the probes'
    kernel = None
    named: dict[int, str] = {}

    def finish() -> None:
        nonlocal stack
        if stack and owner is not None and not events[owner].stack:
            events[owner] = replace(events[owner], stack=tuple(stack))
        stack = None

    for number, line in enumerate(lines, 1):
        if stack is not None and (not line.strip() or (frame := FRAME.fullmatch(line))):
            if line.strip() and frame and len(stack) < DEEPEST:
                stack.append(frame[1])
            continue
        finish()
        if line.startswith("#") or LOST.search(line):
            _refuse_lost(line, number, path)
            match = KERNEL.fullmatch(line)
            kernel = match[1] if match else kernel
            continue
        if line.startswith("inode "):
            match = NAMED.fullmatch(line)
            if match:
                named[int(match[1])] = match[2]
            continue
        match = BPFTRACE.fullmatch(line)
        if match and match[1] in KINDS:
            events.append(_event(match[1], match[2], match[4], match[3] or "", "0", number))
            stack, owner = [] if match[1] == "dw" else None, len(events) - 1
            continue
        match = FTRACE.fullmatch(line)
        if match is None:
            continue
        # Events of other processors come between an event and its stack; the thread tells.
        what, pid, comm = match["what"], int(match["pid"]), match["comm"].strip()
        if what == STACK:
            stack, owner = [], last.get(pid)
        elif what in KINDS:
            last[pid] = len(events)
            events.append(_event(what, pid, comm, match["rest"], match["time"], number))
        else:
            last.pop(pid, None)
    finish()
    if not events:
        raise ScenarioError(
            f"{path}: has no event of the probes (dw, ins, rem, insa ...); trace with what "
            f"`lockmodel trace --print-probes` prints"
        )
    return Trace(tuple(events), kernel, named)


def _refuse_lost(line: str, number: int, path: str) -> None:
    lost = LOST.search(line)
    entries = ENTRIES.match(line)
    missing = ""
    if lost:
        missing = f"{lost[1] or lost[2] or 'some'} "
    elif entries and int(entries[2]) > int(entries[1]):
        missing = f"{int(entries[2]) - int(entries[1])} "
    if missing and missing != "0 ":
        raise ScenarioError(
            f"{path}: line {number}: {missing}events were lost, so nothing can be counted; trace "
            f"fewer iterations or raise buffer_size_kb (BPFTRACE_PERF_RB_PAGES for bpftrace)"
        )


def _event(kind: str, pid: int | str, comm: str, rest: str, time: str, number: int) -> TracedEvent:
    address, inode = ADDRESS.search(rest), INODE.search(rest)
    return TracedEvent(
        kind=kind,  # type: ignore[arg-type]  # one of KINDS: its callers look
        pid=int(pid),
        comm=comm,
        address=int(address[1], 16) if address else 0,
        inode=(int(inode[1], 16) if inode[1] else int(inode[2])) if inode else 0,
        time=float(time),
        stack=(),
        line=number,
    )
