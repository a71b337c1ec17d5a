"""Where the probes find a lock's tree, its inode number and the lock itself, by kernel.

From the kernel's own BTF where there is one (`of_types`), else from `STATED`: offsets that were
read from the BTF of these builds and used in traces (data/traced). They follow from the version
and the configuration, so another build of a stated version may differ; `windows` notices, because
then no acquire fits a tree.
"""

from __future__ import annotations

from dataclasses import dataclass

from lockmodel.errors import ArgumentError, shown
from lockmodel.measure.acquires.kernels import major_minor
from lockmodel.measure.trace.btf import Types


@dataclass(frozen=True)
class Offsets:
    """Byte offsets on x86-64.

    Attributes
    ----------
    tree : int
        i_mmap in struct address_space: the root of the interval tree.
    lock : int
        i_mmap_rwsem in struct address_space.
    inode : int
        i_ino in struct inode.
    source : str
        Where they are from.
    """

    tree: int
    lock: int
    inode: int
    source: str


STATED = {
    "6.1": (72, 88, 64),
    "6.12": (72, 144, 64),
    "7.2": (64, 120, 64),
}
"""Series -> tree, lock, inode of Debian's 6.1.187, 6.12.107 and 7.2.13 (cloud-amd64)."""


def of_types(types: Types, source: str) -> Offsets:
    """Return the offsets that a kernel's BTF states.

    Raises
    ------
    ScenarioError
        A structure or member is missing.
    """
    return Offsets(
        tree=types.offset("address_space", "i_mmap"),
        lock=types.offset("address_space", "i_mmap_rwsem"),
        inode=types.offset("inode", "i_ino"),
        source=source,
    )


def stated(release: str) -> Offsets:
    """Return the stated offsets of a kernel release such as 6.12 or 6.12.107+deb13-cloud-amd64.

    Raises
    ------
    ArgumentError
        It is no release, or none is stated for it.
    """
    number = major_minor(release)
    series = f"{number[0]}.{number[1]}" if number else None
    if series not in STATED:
        raise ArgumentError(
            f"--kernel {shown(release)}: no offsets are stated for it; known: "
            f"{', '.join(STATED)}. Copy /sys/kernel/btf/vmlinux from the machine to be traced and "
            f"give it by --btf, or its package by --kernel-deb"
        )
    tree, lock, inode = STATED[series]
    return Offsets(tree, lock, inode, f"the stated table, as on Debian's builds of {series}")
