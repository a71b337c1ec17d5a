"""What the plugin wrote (see lines.c) -> phases with their iterations and sections.

A phase without its end was cut short and is left out, so what was finished before ^C is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lockmodel.errors import NotTrustworthyError, shortened
from lockmodel.measure.trace.sites import site

INTERRUPTED, SWITCHED, WAITED, OVERFLOWN = 1, 2, 4, 8
"""Bits of `happened`, see section.h."""
NUMBERS = 16
"""Of a section, before its callers."""


@dataclass(frozen=True, slots=True)
class Section:
    """One time a file's lock was held.

    Attributes
    ----------
    at : int
        Place in the order of all records; a section is recorded when it ends.
    cpu, file, iteration : int
        The file by its number among those that the guest maps.
    site : str
    operations : int
        Of the interval tree.
    before, locking, held : int
        Instructions since this CPU let go of a file's lock, in down_write, and under the lock.
    happened : int
        Bits: an interrupt or a fault, another task, the slow path of down_write, too many lines.
    touched, written : int
        Lines, without those of the task's own stack.
    foreign : int
        Of the touched: another CPU was the last to write it, however long ago.
    fetched, taken : int
        Of the touched: read after another CPU had written it; only written, and another CPU had it.
    stack : int
        Lines of the own stack.
    lock, lock_moved : int
        Lines that down_write and up_write touched, and that they had to fetch or take.
    """

    at: int
    cpu: int
    file: int
    iteration: int
    site: str
    operations: int
    before: int
    locking: int
    held: int
    happened: int
    touched: int
    written: int
    foreign: int
    fetched: int
    taken: int
    stack: int
    lock: int
    lock_moved: int

    @property
    def undisturbed(self) -> bool:
        """Whether nothing but the section itself touched lines in it."""
        return not self.happened & (INTERRUPTED | SWITCHED | OVERFLOWN)

    @property
    def transferred(self) -> int:
        """Lines that came from another CPU."""
        return self.fetched + self.taken


@dataclass(frozen=True, slots=True)
class Mark:
    """The start of an iteration on a CPU, or the end of its loop (number + 1 then).

    Attributes
    ----------
    at : int
        As in `Section`.
    cpu, number : int
        Iterations count from 1.
    executed : int
        Instructions of the CPU until then.
    """

    at: int
    cpu: int
    number: int
    executed: int


@dataclass(frozen=True)
class Phase:
    """What was recorded in one setting.

    Attributes
    ----------
    number : int
        From 1, in the order of the settings.
    sections : tuple of Section
    marks : tuple of Mark
    over : int
        Place of the first loop's end.
    waits, late : int
        Times a CPU waited for its turn, and how often in vain.
    """

    number: int
    sections: tuple[Section, ...]
    marks: tuple[Mark, ...]
    over: int
    waits: int
    late: int


class Functions:
    """Addresses -> names of kernel functions.

    Parameters
    ----------
    lines : iterable of str
        "START END NAME", of functions that do not overlap.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        rows = sorted((int(a, 16), int(b, 16), name) for a, b, name in map(str.split, lines))
        self._starts = [start for start, _, _ in rows]
        self._rows = rows

    def name(self, address: int) -> str:
        """Return the name of the function that an address lies in, or `?`."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._rows[at][1]:
            return "?"
        return self._rows[at][2]

    def site(self, calls: Sequence[str]) -> str:
        """Return the site of an acquire by these callers, in hexadecimal, innermost first."""
        return site(tuple(self.name(int(call, 16)) for call in calls))


def read(lines: Iterable[str], functions: Functions) -> tuple[set[int], tuple[Phase, ...]]:
    """Return the files whose lock is known, and the phases that were finished.

    Raises
    ------
    NotTrustworthyError
        A line is not one of the plugin's.
    """
    named = lru_cache(lambda calls: functions.site(calls.split()))
    files: set[int] = set()
    phases: list[Phase] = []
    sections: list[Section] = []
    marks: list[Mark] = []
    over = 0
    for at, line in enumerate(lines):
        what, _, rest = line.rstrip("\n").partition(" ")
        try:
            if what == "section":
                fields = rest.split(" ", NUMBERS)
                numbers = [int(field) for field in fields[:NUMBERS]]
                calls = fields[NUMBERS] if len(fields) > NUMBERS else ""
                cpu, file, iteration, *others = numbers
                sections.append(Section(at, cpu, file, iteration, named(calls), *others))
                continue
            numbers = [int(field) for field in rest.split()]
            if what in ("iteration", "over"):
                cpu, iteration, executed = numbers
                marks.append(Mark(at, cpu, iteration + (what == "over"), executed))
                over = over or (at if what == "over" else 0)
            elif what == "file":
                files.update(numbers)
            elif what == "done":
                number, waits, late = numbers
                phases.append(Phase(number, tuple(sections), tuple(marks), over, waits, late))
            elif what == "phase":
                sections, marks, over = [], [], 0
            else:
                raise ValueError
        except (TypeError, ValueError):
            if not line.endswith("\n"):  # cut short
                break
            raise NotTrustworthyError(
                f"lab: the plugin wrote {shortened(line.strip())!r} in line {at + 1}, which is no "
                f"record; run it again"
            ) from None
    return files, tuple(phases)
