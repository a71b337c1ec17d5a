"""What one iteration of a loop takes: mappings duplicated, torn down and made, per file.

=======  ============  ==============  ===================  ==============
loop     fork.dup      exec.teardown   exec.map_*, RELRO    exit.teardown
=======  ============  ==============  ===================  ==============
fork     launcher      launcher        program              program
vfork    -             -               program              program
execl    -             program         program              -
=======  ============  ==============  ===================  ==============

fork copies every mapping, one acquire and one insert each (dup_mmap, copy_process). execve drops
the copy (exec_mmap, exit_mmap); after vfork the mappings are the parent's, so nothing is dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lockmodel.measure.acquires.images import Mapped
from lockmodel.measure.acquires.kernels import BATCH_LIMIT, Rules
from lockmodel.measure.acquires.vmas import EXPAND, LINK, MPROTECT, SPLIT, UNLINK, FileAcquire

DUPLICATE = "fork.dup"
OLD_GONE = "exec.teardown"
EXITED = "exit.teardown"

SITES = (DUPLICATE, OLD_GONE, LINK, SPLIT, UNLINK, EXPAND, MPROTECT, EXITED)
"""In the order of the iteration."""


def iteration(
    loop: str, launcher: Sequence[Mapped], program: Sequence[Mapped], rules: Rules
) -> dict[str, tuple[FileAcquire, ...]]:
    """Return the acquires of one iteration per file, by name.

    Parameters
    ----------
    loop : {'fork', 'vfork', 'execl'}
    launcher, program : sequence of Mapped
        The files of the process that starts the program, and of the program.
    rules : Rules
    """
    by_file: dict[str, list[FileAcquire]] = {}

    def add(events: Iterator[tuple[str, FileAcquire]]) -> None:
        for name, event in events:
            by_file.setdefault(name, []).append(event)

    if loop == "fork":
        add(_duplicated(launcher))
        add(_torn_down(launcher, OLD_GONE, rules))
    if loop == "execl":
        add(_torn_down(program, OLD_GONE, rules))
    add((file.name, event) for file in program for event in file.events)
    if loop != "execl":
        add(_torn_down(program, EXITED, rules))
    return {name: tuple(events) for name, events in by_file.items()}


def _duplicated(files: Sequence[Mapped]) -> Iterator[tuple[str, FileAcquire]]:
    """Yield one acquire and insert per mapping: vma_interval_tree_insert_after in dup_mmap."""
    for file in files:
        for _ in range(file.mappings):
            yield file.name, FileAcquire(DUPLICATE, 1)


def _torn_down(
    files: Sequence[Mapped], site: str, rules: Rules
) -> Iterator[tuple[str, FileAcquire]]:
    """Yield the acquires of free_pgtables: one per mapping, or one per batch of a run."""
    most = BATCH_LIMIT if rules.batched else 1
    for file in files:
        for run in file.runs:
            for first in range(0, run, most):
                yield file.name, FileAcquire(site, min(most, run - first))


def tally(events: Sequence[FileAcquire]) -> dict[str, tuple[int, int]]:
    """Return acquires and tree operations per site, in the order of `SITES`."""
    acquires = Counter(event.site for event in events)
    operations: Counter[str] = Counter()
    for event in events:
        operations[event.site] += event.operations
    return {site: (acquires[site], operations[site]) for site in SITES if acquires[site]}
