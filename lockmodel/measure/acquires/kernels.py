"""A kernel version -> the rules by which it takes the lock of a file.

====================  ==========================================================
from Linux            what changes here
====================  ==========================================================
6.10                  a static PIE with segments aligned above a page is mapped
                      once to find its place, and again (3545deff0ec7)
6.11                  consecutive mappings of one file are unlinked under one
                      acquire (3577dbb19241, unlink_file_vma_batch)
====================  ==========================================================

The rewrite of mmap_region in 6.12 links the new mapping before it unlinks the old one; the
counts stay the same, as the traces of 6.1, 6.12 and 7.2 in data/traced show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lockmodel.errors import ArgumentError, shown

TRACED = ("6.1.187", "6.12.107", "7.2.13")
"""Kernels of data/traced: the rules were compared with these row by row."""

OLDEST, NEWEST = (5, 0), (7, 2)
"""Versions the rules were written for; from 5.0 the functions named here have their form."""

STATIC_PIE_ALIGNED = (6, 10)
BATCHED = (6, 11)

BATCH_LIMIT = 8
"""Mappings per acquire: `vmas[8]` in struct unlink_vma_file_batch."""

RUN_GAP = 2 << 20
"""Bytes between two mappings of one run in free_pgtables: PMD_SIZE on x86-64."""

MAX_DIGITS = 4


@dataclass(frozen=True)
class Rules:
    """What a kernel does, as far as it matters here.

    Attributes
    ----------
    version : str
        As it was asked for.
    number : tuple of int
        Major and minor number.
    batched : bool
        Whether runs of mappings of one file are unlinked under one acquire.
    static_pie_twice : bool
        Whether an aligned static PIE is mapped twice.
    traced : str
        The traced kernel whose rules are the nearest.
    """

    version: str
    number: tuple[int, int]
    batched: bool
    static_pie_twice: bool
    traced: str

    @property
    def is_traced(self) -> bool:
        """Whether this version (to its minor number) is one of `TRACED`."""
        return any(major_minor(version) == self.number for version in TRACED)


def rules_of(version: str) -> Rules:
    """Return the rules of a kernel version such as 6.12, 6.12.107 or 6.1.0-53-cloud-amd64.

    Raises
    ------
    ArgumentError
        Not a version, or outside what is known.
    """
    number = major_minor(version)
    known = (
        f"known: {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, of which 6.1, 6.12 and 7.2 "
        f"were compared with traces"
    )
    if number is None:
        raise ArgumentError(f"--kernel {shown(version)} is not a version like 6.12; {known}")
    if number < OLDEST:
        raise ArgumentError(f"--kernel {version} is older than the rules; {known}")
    if number > NEWEST:
        raise ArgumentError(
            f"--kernel {version} is newer than the rules; {known}. Give the nearest known one"
        )
    batched = number >= BATCHED
    traced = TRACED[0] if not batched else TRACED[1] if number < (7, 0) else TRACED[2]
    return Rules(version, number, batched, number >= STATIC_PIE_ALIGNED, traced)


def major_minor(version: str) -> tuple[int, int] | None:
    """Return (major, minor) of a kernel version or release, or None for what is none."""
    digits = rf"[0-9]{{1,{MAX_DIGITS}}}"
    match = re.fullmatch(rf"v?({digits})\.({digits})([.+-][\w.+~-]*)?", version, re.ASCII)
    return (int(match[1]), int(match[2])) if match else None
