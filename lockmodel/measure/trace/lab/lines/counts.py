"""A phase -> acquires, instructions and lines per iteration, by file and site.

1. Acquires and tree operations are those of most whole iterations; they do not depend on who
   waits for whom.
2. Lines and instructions are means over the sections of the window in which all loops run, without
   the first `SETTLING` iterations of each, and without sections in which an interrupt, a page fault
   or another task touched lines as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from lockmodel.errors import NotTrustworthyError
from lockmodel.measure.trace.lab.lines.records import Mark, Phase, Section

SETTLING = 2
"""Iterations of each loop before the window: caches are cold and the loops not yet mixed."""

Where = tuple[int, str]
"""Number of the file, and site."""
Taken = tuple[tuple[Where, tuple[int, int]], ...]


@dataclass(frozen=True)
class SiteLines:
    """One file and site: counts per iteration, the rest per acquire.

    Attributes
    ----------
    file : int
    site : str
    acquires, operations : int
        Per iteration.
    samples, left_out : int
        Sections that the means are of, and those in which something else happened.
    before, locking, held : float
        Instructions, as in `Section`; the first two are means of all sections, so that they and the
        held ones add up to all instructions of an iteration.
    touched, written, foreign, transferred, fetched, lock, lock_transferred : float
        Lines, as in `Section`.
    """

    file: int
    site: str
    acquires: int
    operations: int
    samples: int
    left_out: int
    before: float
    locking: float
    held: float
    touched: float
    written: float
    foreign: float
    transferred: float
    fetched: float
    lock: float
    lock_transferred: float


@dataclass(frozen=True)
class Counts:
    """What one setting showed.

    Attributes
    ----------
    sites : tuple of SiteLines
    iterations, agreeing : int
        Whole ones, and those whose acquires and operations are the ones in `sites`.
    executed, outside : float
        Instructions per iteration, the median: all, and those neither under a file's lock nor in
        its down_write.
    others_served : float or None
        Other CPUs that had the saturated lock between two sections of one, the mean: loops - 1 if
        it served everybody by turns.
    """

    sites: tuple[SiteLines, ...]
    iterations: int
    agreeing: int
    executed: float
    outside: float
    others_served: float | None


def counts(phase: Phase, saturated: int | None) -> Counts:
    """Return the counts of a phase.

    Parameters
    ----------
    phase : Phase
    saturated : int or None
        Number of the file that was served by turns.

    Raises
    ------
    NotTrustworthyError
        There is no window in which all loops run, or most iterations differ from each other.
    """
    starts = _starts(phase.marks)
    first, end = _window(phase, starts)
    taken, executed, outside = _iterations(phase, starts)
    (most, agreeing), *_ = Counter(taken).most_common()
    if 2 * agreeing <= len(taken) and len(taken) > 1:
        raise NotTrustworthyError(
            f"lab: of {len(taken)} iterations under the plugin at most {agreeing} take the same "
            f"acquires; run it again with nothing else on this machine"
        )
    sections: dict[Where, list[Section]] = defaultdict(list)
    for each in phase.sections:
        if first < each.at < end:
            sections[each.file, each.site].append(each)
    missing = [where for where, _ in most if not sections[where]]
    if missing:
        raise NotTrustworthyError(
            f"lab: no acquire at {missing[0][1]} while all loops ran; run it again with fewer loops"
        )
    return Counts(
        sites=tuple(_site(where, both, sections[where]) for where, both in most),
        iterations=len(taken),
        agreeing=agreeing,
        executed=median(executed),
        outside=median(outside),
        others_served=None if saturated is None else _others_served(phase.sections, saturated),
    )


def _starts(marks: Iterable[Mark]) -> Mapping[int, list[Mark]]:
    """Return the marks of each CPU, in order."""
    by_cpu: dict[int, list[Mark]] = defaultdict(list)
    for mark in marks:
        by_cpu[mark.cpu].append(mark)
    return by_cpu


def _window(phase: Phase, starts: Mapping[int, list[Mark]]) -> tuple[int, int]:
    """Return where all loops have settled and where the first begins its last iteration."""
    if not starts or min(len(marks) for marks in starts.values()) < SETTLING + 3:
        raise NotTrustworthyError(
            f"lab: a loop had fewer than {SETTLING + 2} iterations; run it again"
        )
    first = max(marks[SETTLING].at for marks in starts.values())
    end = min(marks[-2].at for marks in starts.values())
    if first >= end:
        raise NotTrustworthyError(
            "lab: the loops did not run at the same time; run it again with fewer loops or with "
            "nothing else on this machine"
        )
    return first, end


def _iterations(
    phase: Phase, starts: Mapping[int, list[Mark]]
) -> tuple[list[Taken], list[int], list[int]]:
    """Return what each whole iteration took, its instructions, and those outside the locks."""
    by_iteration: dict[tuple[int, int], list[Section]] = defaultdict(list)
    for each in phase.sections:
        by_iteration[each.cpu, each.iteration].append(each)
    taken, executed, outside = [], [], []
    for cpu, marks in starts.items():
        for mark, after in pairwise(marks[SETTLING:-1]):
            sections = by_iteration[cpu, mark.number]
            both: dict[Where, tuple[int, int]] = {}
            for each in sections:
                acquires, operations = both.get((each.file, each.site), (0, 0))
                both[each.file, each.site] = (acquires + 1, operations + each.operations)
            taken.append(tuple(sorted(both.items())))
            executed.append(after.executed - mark.executed)
            outside.append(executed[-1] - sum(each.locking + each.held for each in sections))
    return taken, executed, outside


def _site(where: Where, both: tuple[int, int], sections: Sequence[Section]) -> SiteLines:
    used = [each for each in sections if each.undisturbed] or sections

    def mean(name: str, over: Sequence[Section] = used) -> float:
        return fmean(getattr(each, name) for each in over)

    return SiteLines(
        *(*where, *both),
        samples=len(used),
        left_out=len(sections) - len(used),
        before=mean("before", sections),
        locking=mean("locking", sections),
        held=mean("held"),
        touched=mean("touched"),
        written=mean("written"),
        foreign=mean("foreign"),
        transferred=mean("transferred"),
        fetched=mean("fetched"),
        lock=mean("lock"),
        lock_transferred=mean("lock_moved"),
    )


def _others_served(sections: Iterable[Section], file: int) -> float:
    """Return how many other CPUs had a lock between two sections of a CPU that has settled."""
    since: dict[int, set[int]] = {}
    served = []
    for each in sections:
        if each.file != file:
            continue
        for cpu, others in since.items():
            if cpu != each.cpu:
                others.add(each.cpu)
        if each.cpu in since and each.iteration > SETTLING:
            served.append(len(since[each.cpu]))
        since[each.cpu] = set()
    return fmean(served) if served else 0.0
