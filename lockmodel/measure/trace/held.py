"""Held instructions per acquire and site, from a trace whose clock counts instructions.

A section runs from the return of down_write to the entry of up_write. Between the two time
stamps lie the section and a part of the two probes; that part is measured with sections of
`EMPTY` instructions (see lab/init.c, calibrate). A lock taken inside another section adds three
whole probes, whose cost is what the same calibration takes longer with probes than without; and
where reading the inode number of something that is no file's lock faults, entering takes longer,
which the time stamps of that lock show.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from lockmodel.errors import ScenarioError
from lockmodel.measure.trace.events import TracedEvent
from lockmodel.measure.trace.sites import site

EMPTY = 20
"""Instructions under mmap_lock in prctl(PR_SET_THP_DISABLE), which changes one bit: 14 in the
disassembly of Debian's Linux 6.1.187, 24 in that of 6.12.107."""
ACCURACY = 20
"""Instructions that a result may be off: another compiler or version makes another `EMPTY`."""
NESTED_ACCURACY = 100
"""Likewise where another lock was taken inside."""

RETURNS = {"dwr": "dw", "dwkr": "dwk"}


@dataclass(frozen=True)
class Costs:
    """What the probes cost, in instructions.

    Attributes
    ----------
    inside : float
        Between the two time stamps of an empty section.
    whole : float
        Of the three probes of one acquire.
    entering : float
        Of that, between the time stamps of down_write's entry and return.
    """

    inside: float
    whole: float
    entering: float

    def nested(self, number: int, entering: float) -> float:
        """Return what the probes of acquires inside a section cost.

        Parameters
        ----------
        number : int
            How many.
        entering : float
            Between entry and return of down_write, of all of them.
        """
        return number * (self.whole - self.entering) + entering


@dataclass(frozen=True)
class Section:
    """One time a lock was held.

    Attributes
    ----------
    taken : TracedEvent
        The dw or dwk.
    ticks : float
        From the return of down_write to the entry of up_write.
    nested : int
        Acquires of other semaphores in between.
    entering : float
        Ticks that their down_write took.
    own : float
        Ticks that the own down_write took.
    recorded : bool
        Whether a stack was recorded in between: for a semaphore that looked like that of a file.
    """

    taken: TracedEvent
    ticks: float
    nested: int
    entering: float
    own: float
    recorded: bool


@dataclass(frozen=True)
class HeldSite:
    """Held instructions per acquire of one file at one site.

    Attributes
    ----------
    mappers : int
        Other processes that map the file.
    inode : int
    site : str
    samples : int
    median, low, high : float
        Instructions per acquire.
    nested : bool
        Whether another lock was taken inside, and its probes subtracted.
    """

    mappers: int
    inode: int
    site: str
    samples: int
    median: float
    low: float
    high: float
    nested: bool


@dataclass
class _Thread:
    """What one thread holds while its trace is read."""

    entered: TracedEvent | None = None
    acquires: int = 0
    entering: float = 0.0
    stacks: int = 0
    held: list[tuple[TracedEvent, float, float, int, float, int]] = field(default_factory=list)

    def enter(self, event: TracedEvent) -> None:
        self.entered = event

    def begin(self, time: float) -> None:
        if self.entered is None:
            return
        own = time - self.entered.time
        self.acquires += 1
        self.entering += own
        self.stacks += bool(self.entered.stack)
        state = (self.acquires, self.entering, self.stacks)
        self.held.append((self.entered, time, own, *state))
        self.entered = None

    def end(self, event: TracedEvent) -> list[Section]:
        # The last one: a lock that was let go of in another way (downgraded) is still there.
        places = range(len(self.held) - 1, -1, -1)
        at = next((i for i in places if self.held[i][0].address == event.address), None)
        if at is None:
            return []
        taken, since, own, acquires, entering, stacks = self.held.pop(at)
        section = Section(
            taken=taken,
            ticks=event.time - since,
            nested=self.acquires - acquires,
            entering=self.entering - entering,
            own=own,
            recorded=self.stacks > stacks,
        )
        return [section]


def sections(events: Sequence[TracedEvent]) -> list[Section]:
    """Return the sections of a trace, in the order of their ends.

    A section without an end, or that begins before the trace, is left out.
    """
    threads: dict[int, _Thread] = defaultdict(_Thread)
    closed = []
    for event in events:
        thread = threads[event.pid]
        if event.kind in ("dw", "dwk"):
            thread.enter(event)
        elif event.kind in RETURNS:
            thread.begin(event.time)
        elif event.kind == "up":
            closed += thread.end(event)
    return closed


def costs(calibration: Sequence[TracedEvent], count: int, ticks_without: int) -> Costs:
    """Return what the probes cost.

    Parameters
    ----------
    calibration : sequence of TracedEvent
        Of `count` sections of `EMPTY` instructions in a row.
    count : int
    ticks_without : int
        Instructions that as many took without probes.

    Raises
    ------
    ScenarioError
        The trace does not hold those sections.
    """
    timed = [each for each in sections(calibration) if each.taken.kind == "dwk"]
    starts = [e.time for e in calibration if e.kind == "dwk"]
    if len(timed) < count // 2 or len(starts) < 2:
        raise ScenarioError(
            f"lab: {len(timed)} of {count} calibration sections were traced; this kernel takes "
            f"mmap_lock in another way in prctl(PR_SET_THP_DISABLE), so held instructions cannot "
            f"be counted (leave them out by --no-held)"
        )
    gaps = [b - a for a, b in pairwise(starts)]
    inside = median(each.ticks for each in timed) - EMPTY
    return Costs(
        inside=inside,
        whole=median(gaps) - ticks_without / count,
        entering=median(each.own for each in timed),
    )


def held(
    events: Sequence[TracedEvent], wanted: Collection[tuple[int, str]], mappers: int, cost: Costs
) -> list[HeldSite]:
    """Return held instructions of these files at these sites.

    Parameters
    ----------
    events : sequence of TracedEvent
        With times in instructions, and stacks at the acquires of these files.
    wanted : collection of (inode, site)
    mappers : int
        Other processes that mapped the files meanwhile.
    cost : Costs
    """
    samples: dict[tuple[int, str], list[tuple[float, int]]] = defaultdict(list)
    exclusive = [each for each in sections(events) if each.taken.kind == "dw" and each.taken.stack]
    locks = _locks([each.taken for each in exclusive])
    for each in exclusive:
        taken = each.taken
        where = (taken.inode, site(taken.stack))
        if where in wanted and not each.recorded and locks[taken.inode] == taken.address:
            ticks = each.ticks - cost.inside - cost.nested(each.nested, each.entering)
            samples[where].append((max(0.0, ticks), each.nested))
    return [
        HeldSite(
            mappers=mappers,
            inode=inode,
            site=where,
            samples=len(both),
            median=median(ticks for ticks, _ in both),
            low=min(ticks for ticks, _ in both),
            high=max(ticks for ticks, _ in both),
            nested=any(nested for _, nested in both),
        )
        for (inode, where), both in sorted(samples.items())
    ]


def _locks(taken: Sequence[TracedEvent]) -> dict[int, int]:
    """Return the semaphore of each inode number: the one that has it most often.

    The number is read from where a file's lock would have it, so now and then the semaphore of
    something else seems to have the number of a file.
    """
    every: dict[int, Counter[int]] = defaultdict(Counter)
    for each in taken:
        every[each.inode][each.address] += 1
    return {inode: addresses.most_common(1)[0][0] for inode, addresses in every.items()}
