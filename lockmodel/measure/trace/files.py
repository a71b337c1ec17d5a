"""Counts by inode and site -> files with names, as `acquires.count` has them; and a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockmodel.measure.acquires.count import LIBC, LOADER, FileCount, Role, SiteCount
from lockmodel.measure.acquires.loops import SITES
from lockmodel.measure.acquires.resolve import base
from lockmodel.measure.acquires.sysroot import printable
from lockmodel.measure.trace.windows import Counted

UNKNOWN = 0
"""Mappings of a file: a trace shows how many go, but not of how many processes."""


@dataclass(frozen=True)
class Difference:
    """A file and site at which two counts differ: (acquires, operations), None for neither."""

    file: str
    site: str
    traced: tuple[int, int] | None
    derived: tuple[int, int] | None


@dataclass(frozen=True)
class FileComparison:
    """Traced counts against derived ones.

    Attributes
    ----------
    compared : int
        Files and sites that either has.
    differences : tuple of Difference
    """

    compared: int
    differences: tuple[Difference, ...]


def names(counted: Counted, paths: Mapping[int, str]) -> dict[int, str]:
    """Return the name of each inode: its base name, or what tells two files apart.

    That is the path, and where that is the same (a file that was replaced) the inode number too.
    """
    inodes = sorted({inode for inode, _ in counted.counts})
    plain = {i: f"inode {i}" for i in inodes}
    short = {i: base(paths[i]) if i in paths else plain[i] for i in inodes}
    long = {i: printable(paths[i]) if i in paths else plain[i] for i in inodes}
    for wider in (long, {i: f"{long[i]} ({plain[i]})" for i in inodes}):
        every = Counter(short.values())
        short = {i: wider[i] if every[name] > 1 else name for i, name in short.items()}
    return short


def files(counted: Counted, paths: Mapping[int, str]) -> tuple[FileCount, ...]:
    """Return the files of a trace, most acquires first.

    Parameters
    ----------
    counted : Counted
    paths : mapping of int to str
        Inode number -> path.
    """
    by_file = []
    for inode, name in names(counted, paths).items():
        counts = {where: both for (i, where), both in counted.counts.items() if i == inode}
        sites = {where: SiteCount(*counts[where]) for where in SITES if where in counts}
        by_file.append(FileCount(name, _role(name), UNKNOWN, sites))
    return tuple(sorted(by_file, key=lambda file: (-file.acquires, -file.operations, file.name)))


def _role(name: str) -> Role:
    """Return the role that a name tells; a trace does not say which file was the program."""
    return "libc" if name == LIBC else "loader" if name == LOADER else "library"


def compare(traced: Sequence[FileCount], derived: Sequence[FileCount]) -> FileComparison:
    """Return where traced counts and those derived from the files differ."""
    ours, theirs = _flat(traced), _flat(derived)
    keys = sorted({*ours, *theirs})
    differences = [
        Difference(*key, ours.get(key), theirs.get(key))
        for key in keys
        if ours.get(key) != theirs.get(key)
    ]
    return FileComparison(len(keys), tuple(differences))


def _flat(files: Sequence[FileCount]) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (file.name, where): (count.acquires, count.operations)
        for file in files
        for where, count in file.sites.items()
    }
