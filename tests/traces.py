"""Traces for the tests: recorded ones, the table they must agree with, and made ones.

A made trace is written from a list of `Take`s, so what it counts is known beforehand.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from places import ROOT, TESTS

SAMPLES = TESTS / "recorded"
TRACED = ROOT / "data" / "traced"

Rows = dict[tuple[str, str], tuple[int, int]]
"""(file, phase.site) -> acquires, tree operations."""

RENAMED = {"dynloop": "loop", "dyntrue": "true"}
"""What the programs of the table are called in the samples."""


def sample(name: str) -> str:
    """Return the text of a recorded trace."""
    return gzip.decompress((SAMPLES / f"{name}.txt.gz").read_bytes()).decode()


def read_table(name: str) -> list[dict[str, str]]:
    lines = (TRACED / name).read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def table(kernel: str, loop: str, binary: str) -> Rows:
    """Return the exact counts that others traced."""
    return {
        (RENAMED.get(row["file"], row["file"]), f"{row['phase']}.{row['site']}"): (
            int(row["acquires"]),
            int(row["tree_operations"]),
        )
        for row in read_table("acquires_traced.csv")
        if (row["kernel"], row["loop"], row["binary"]) == (kernel, loop, binary)
    }


def of_json(data: dict[str, Any]) -> Rows:
    """Return the counts of an answer as JSON."""
    return {
        (name, site): (both["acquires"], both["operations"])
        for name, file in data["files"].items()
        for site, both in file["sites"].items()
    }


STACKS = {
    "fork.dup": "down_write dup_mmap dup_mm.constprop.0 copy_process kernel_clone",
    "exec.teardown": "down_write unlink_file_vma_batch_process free_pgtables exit_mmap __mmput "
    "begin_new_exec load_elf_binary bprm_execve",
    "exec.map_link": "down_write vma_link mmap_region do_mmap vm_mmap_pgoff do_syscall_64",
    "exec.map_split": "down_write __vma_adjust __split_vma do_mas_align_munmap mmap_region",
    "exec.map_unlink": "down_write unlink_file_vma free_pgtables unmap_region mmap_region",
    "exec.map_expand": "down_write vma_prepare vma_expand mmap_region do_mmap",
    "exec.mprotect_split": "down_write __split_vma vma_modify mprotect_fixup do_mprotect_pkey",
    "exit.teardown": "down_write unlink_file_vma free_pgtables exit_mmap __mmput do_exit",
}
"""Site -> where its acquire comes from, by the rules of data/README.md."""


@dataclass(frozen=True)
class Take:
    """One acquire of the lock of a file, and the operations under it."""

    file: int
    site: str
    operations: tuple[str, ...] = ("ins",)


@dataclass
class Machine:
    """Writes what a kernel would print.

    Attributes
    ----------
    distance : int
        From tree to lock.
    inodes : sequence of int
        Of each file.
    lines : list of str
        As ftrace prints them.
    """

    distance: int
    inodes: Sequence[int]
    lines: list[str]
    clock: int = 0

    def root(self, file: int) -> int:
        """Return where the tree of a file is: no two of them in one structure."""
        return 0xFF11000004000000 + 0x10000 * file

    def line(self, pid: int, what: str) -> None:
        self.clock += 1
        self.lines.append(f"  prog-{pid}     [000] .....  {self.clock / 1e6:.6f}: {what}")

    def stack(self, pid: int, names: str) -> None:
        self.line(pid, "<stack trace>")
        self.lines += [f" => {name}" for name in names.split()]

    def mark(self, kind: str, pid: int) -> None:
        self.line(pid, f"{kind}: (function+0x4/0x100)")
        self.stack(pid, "function caller")

    def take(self, pid: int, take: Take) -> None:
        root = self.root(take.file)
        self.line(pid, f"dw: (down_write+0x4/0x60) sem=0x{root + self.distance:x}")
        self.stack(pid, STACKS[take.site])
        self.line(pid, f"dw: (down_write+0x4/0x60) sem=0x{0xFF11000900000000 + 64 * pid:x}")
        self.stack(pid, "down_write anon_vma_fork caller")
        for kind in take.operations:
            inode = self.inodes[take.file]
            self.line(pid, f"{kind}: (vma_interval_tree+0x0/0xd0) root=0x{root:x} ino={inode}")
            self.stack(pid, "vma_interval_tree caller")

    def forking(self, parent: int, child: int, takes: Sequence[Take]) -> None:
        """Write one iteration: what is duplicated before the child is there, then the child."""
        self.mark("frk", parent)
        for each in takes:
            if each.site == "fork.dup":
                self.take(parent, each)
        self.mark("exe", child)
        for each in takes:
            if each.site.startswith("exec"):
                self.take(child, each)
        self.mark("ext", child)
        for each in takes:
            if each.site == "exit.teardown":
                self.take(child, each)

    def again(self, pid: int, takes: Sequence[Take]) -> None:
        """Write one iteration of execl."""
        self.mark("exe", pid)
        for each in takes:
            self.take(pid, each)


def expected(
    takes: Sequence[Take], inodes: Sequence[int]
) -> dict[tuple[int, str], tuple[int, int]]:
    """Return what one iteration takes."""
    acquires: Counter[tuple[int, str]] = Counter()
    operations: Counter[tuple[int, str]] = Counter()
    for each in takes:
        key = (inodes[each.file], each.site)
        acquires[key] += 1
        operations[key] += len(each.operations)
    return {key: (acquires[key], operations[key]) for key in acquires}
