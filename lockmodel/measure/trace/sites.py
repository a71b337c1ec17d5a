"""The site of an acquire, from the kernel stack at down_write.

Source: the functions of mm/mmap.c, mm/vma.c, mm/memory.c and kernel/fork.c of Linux 6.1 to 7.2;
which of them appear depends on what the compiler put into its caller, so the first match of
`RULES` counts.
"""

from __future__ import annotations

from lockmodel.measure.acquires.loops import DUPLICATE, EXITED, OLD_GONE
from lockmodel.measure.acquires.vmas import EXPAND, LINK, MPROTECT, SPLIT, UNLINK

IN_EXECVE = ("begin_new_exec", "setup_new_exec", "exec_mmap")
TEARDOWN = "exit_mmap"

RULES = (
    (("dup_mmap", "copy_process", "dup_mm"), DUPLICATE),
    (("mprotect_fixup",), MPROTECT),
    (("__split_vma", "split_vma"), SPLIT),
    (("unlink_file_vma",), UNLINK),
    (("vma_expand",), EXPAND),
)
"""Starts of function names -> site; behind a '.' compilers add what they did (.constprop.0)."""


def site(stack: tuple[str, ...]) -> str:
    """Return the site of an acquire with this stack, innermost function first."""
    names = tuple(name.partition(".")[0] for name in stack)
    if TEARDOWN in names:
        return OLD_GONE if any(name in names for name in IN_EXECVE) else EXITED
    for starts, where in RULES:
        if any(name.startswith(starts) for name in names):
            return where
    return LINK
