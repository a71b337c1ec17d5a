"""Events -> acquires and tree operations per iteration, by file and site.

1. A tree operation happens under the lock of its tree. So the distance from root to lock is the
   one difference that all operations share with an acquire that their thread made just before.
2. An acquire counts if its semaphore lies at that distance from a known root; an operation
   belongs to the last acquire of its lock by its thread.
3. A window is one iteration: from copy_process to the end of the child it made, or from one
   begin_new_exec of a process to its next (not from its first, when it was another program).
4. The answer is what more than half of the windows show; the others are mentioned.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lockmodel.errors import NotTrustworthyError, ScenarioError
from lockmodel.measure.acquires.loops import DUPLICATE
from lockmodel.measure.trace.events import OPERATIONS, Trace, TracedEvent
from lockmodel.measure.trace.sites import site

LOOK_BACK = 8
"""Acquires of a thread before a tree operation among which its lock must be."""
FARTHEST = 4096
"""Bytes between root and lock, which are members of one structure."""
UNDER_LOCK = 0.95
"""Operations whose lock must be seen; those at the start of a trace may lack it."""
FEWEST_OPERATIONS = 4

Taken = tuple[int, str]
"""Inode and site."""


@dataclass(frozen=True)
class Acquire:
    """One acquire of a file's lock.

    Attributes
    ----------
    at : int
        Its place among the events.
    pid : int
        Of the thread.
    root : int
        Address of the tree.
    inode : int
    site : str
    operations : int
    """

    at: int
    pid: int
    root: int
    inode: int
    site: str
    operations: int


@dataclass(frozen=True)
class Window:
    """One iteration: acquires and operations by inode and site.

    Attributes
    ----------
    counts : tuple of ((inode, site), (acquires, operations))
    shared : tuple of int
        Inode numbers that several trees have.
    """

    counts: tuple[tuple[Taken, tuple[int, int]], ...]
    shared: tuple[int, ...]


@dataclass(frozen=True)
class Counted:
    """What one iteration takes, as most windows show it.

    Attributes
    ----------
    loop : {'fork', 'vfork', 'execl'}
    windows, agreeing : int
        Iterations seen, and how many of them are equal to the answer.
    counts : dict
        (inode, site) -> (acquires, operations).
    distance : int
        Bytes from the root of a tree to its lock.
    """

    loop: str
    windows: int
    agreeing: int
    counts: dict[Taken, tuple[int, int]]
    distance: int


def count(trace: Trace) -> Counted:
    """Return acquires and operations per iteration.

    Raises
    ------
    ScenarioError
        The trace has no tree operations, no stacks, or no whole iteration.
    NotTrustworthyError
        Its iterations differ so much that no count is right for more than half of them.
    """
    events = trace.events
    distance = _distance(events)
    acquires = _acquires(events, distance)
    spans = _spans(events)
    if not spans:
        raise ScenarioError(
            "trace: no whole iteration: neither copy_process (frk) with the exit of a child that "
            "executed a program, nor three begin_new_exec (exe) of one process; trace a loop of "
            "at least three iterations"
        )
    windows = [_window(acquires, pids, first, last) for pids, first, last in spans]
    (most, times), *_ = Counter(windows).most_common()
    if 2 * times <= len(windows) and len(windows) > 1:
        raise NotTrustworthyError(
            f"trace: the {len(windows)} iterations differ, at most {times} are equal; trace "
            f"with nothing else running, or a loop that does the same each time"
        )
    if most.shared:
        raise NotTrustworthyError(
            f"trace: two files have inode number {most.shared[0]}, on different file systems or "
            f"because it was not recorded; trace with copies on one file system"
        )
    counts = dict(most.counts)
    if not counts:
        raise ScenarioError(
            "trace: its iterations take no lock of a file; trace a loop that starts a program"
        )
    return Counted(_loop(events, spans, counts), len(windows), times, counts, distance)


def _distance(events: Sequence[TracedEvent]) -> int:
    """Return the bytes from root to lock that explain the tree operations."""
    recent: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=LOOK_BACK))
    votes: Counter[int] = Counter()
    operations = 0
    for event in events:
        if event.kind == "dw":
            recent[event.pid].append(event.address)
        elif event.kind in OPERATIONS:
            operations += 1
            gaps = {sem - event.address for sem in recent[event.pid]}
            votes.update(gap for gap in gaps if abs(gap) <= FARTHEST)
    if operations < FEWEST_OPERATIONS or not votes:
        raise ScenarioError(
            f"trace: {operations} tree operations (ins, rem, insa), of which none follows an "
            f"acquire; trace with all probes of `lockmodel trace --print-probes`"
        )
    (distance, seen), *others = votes.most_common(2)
    if others and others[0][1] == seen:
        raise ScenarioError(
            f"trace: {distance} and {others[0][0]} bytes from tree to lock explain as many "
            f"operations; trace a loop that maps more files"
        )
    if seen < UNDER_LOCK * operations:
        raise ScenarioError(
            f"trace: {seen} of {operations} tree operations happen under a lock at one distance "
            f"({distance} bytes), not nearly all; events are missing or the probes are not those "
            f"of this kernel"
        )
    return distance


def _acquires(events: Sequence[TracedEvent], distance: int) -> list[Acquire]:
    """Return the acquires of locks that have a tree, with their operations."""
    inodes = {e.address: e.inode for e in events if e.kind in OPERATIONS}
    last: dict[tuple[int, int], int] = {}
    covered: Counter[int] = Counter()
    shown: dict[int, int] = {}
    taken: list[tuple[int, TracedEvent]] = []
    for at, event in enumerate(events):
        if event.kind == "dw" and event.address - distance in inodes:
            taken.append((at, event))
            last[event.pid, event.address - distance] = at
        elif event.kind in OPERATIONS:
            under = last.get((event.pid, event.address), -1)
            covered[under] += 1
            shown[under] = event.inode
    bare = sum(not event.stack for _, event in taken)
    if bare:
        raise ScenarioError(
            f"trace: {bare} of {len(taken)} acquires have no kernel stack, so their sites are not "
            f"known; set options/stacktrace to 1 (the script of --print-probes does)"
        )
    roots = [(at, e, e.address - distance) for at, e in taken]
    return [
        # An address may be another file's later on, so the operations under the lock go first.
        Acquire(at, e.pid, root, shown.get(at, inodes[root]), site(e.stack), covered[at])
        for at, e, root in roots
    ]


Span = tuple[frozenset[int], int, int]
"""Threads, first and last event of a window."""


def _spans(events: Sequence[TracedEvent]) -> list[Span]:
    """Return the windows of the process that shows most of them.

    The first begin_new_exec of a process drops another program's mappings, so it begins none.
    """
    execs = Counter(event.pid for event in events if event.kind == "exe")
    again = execs.most_common(1)[0][0] if execs else 0
    marks = [at for at, e in enumerate(events) if e.kind == "exe" and e.pid == again]
    alone = [(frozenset({again}), first, last) for first, last in pairwise(marks[1:])]
    best: list[Span] = []
    for parent, forks in Counter(e.pid for e in events if e.kind == "frk").most_common():
        if forks <= len(best):
            break
        best = max(best, list(_children(events, parent)), key=len)
    return max(best, alone, key=len)


def _children(events: Sequence[TracedEvent], parent: int) -> Iterator[Span]:
    """Yield the windows of a process that forks: it and the child it made, until that is gone.

    The child is the first new thread that executes a program (its name is no help: ftrace prints
    the last one for all its events). It must exit, and something must happen after its last
    event, or the trace may have been cut. What the child forks in turn belongs to the window.
    """
    marks = [at for at, e in enumerate(events) if e.kind == "frk" and e.pid == parent]
    seen = {event.pid for event in events[: marks[0]]} | {parent}
    for first, end in zip(marks, [*marks[1:], len(events)], strict=True):
        within = events[first:end]
        child = next((e.pid for e in within if e.pid not in seen and e.kind == "exe"), None)
        family = _family(within, parent, seen)
        seen.update(e.pid for e in within)
        if child is None or child not in family:
            continue
        own = [at for at, e in enumerate(within, first) if e.pid in family and e.pid != parent]
        exits = any(e.kind == "ext" and e.pid == child for e in within)
        if exits and own[-1] + 1 < len(events):
            yield family, first, own[-1] + 1


def _family(events: Sequence[TracedEvent], parent: int, seen: set[int]) -> frozenset[int]:
    """Return a process and all that descend from it, as far as the order of events tells.

    A new thread is taken for the child of who forked last and has no child yet. Where that may be
    another process as well, nobody descends.
    """
    family, known = {parent}, set(seen)
    forked: list[int] = []
    for event in events:
        if event.pid not in known:
            known.add(event.pid)
            if len({pid in family for pid in forked}) > 1:
                return frozenset({parent})
            if forked and forked.pop() in family:
                family.add(event.pid)
        if event.kind == "frk":
            forked.append(event.pid)
    return frozenset(family)


def _window(acquires: Sequence[Acquire], pids: frozenset[int], first: int, last: int) -> Window:
    counts: dict[Taken, tuple[int, int]] = {}
    roots: dict[int, set[int]] = defaultdict(set)
    start = bisect_left(acquires, first, key=lambda a: a.at)
    end = bisect_left(acquires, last, key=lambda a: a.at)
    for acquire in acquires[start:end]:
        if acquire.pid in pids:
            roots[acquire.inode].add(acquire.root)
            key = (acquire.inode, acquire.site)
            before = counts.get(key, (0, 0))
            counts[key] = (before[0] + 1, before[1] + acquire.operations)
    shared = tuple(sorted(inode for inode, trees in roots.items() if len(trees) > 1))
    return Window(tuple(sorted(counts.items())), shared)


def _loop(events: Sequence[TracedEvent], spans: Sequence[Span], counts: Iterable[Taken]) -> str:
    """Return the loop: vfork duplicates no mapping, execl has no child."""
    if len(spans[0][0]) == 1:
        return "execl"
    return "fork" if any(where == DUPLICATE for _, where in counts) else "vfork"
