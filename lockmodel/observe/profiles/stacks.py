"""From a call stack to the site that waits, in the words of the traced tables.

A stack is a tuple of function names from the innermost (leaf) to the outermost. The mapping is
the one of the traces (data/traced/acquires_traced.csv, caveat "site by stack").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

WAITERS = frozenset(
    [
        "osq_lock",
        "rwsem_spin_on_owner",
        "rwsem_optimistic_spin",
        "rwsem_down_write_slowpath",
        "rwsem_down_write_failed",
        "call_rwsem_down_write_failed",
        "native_queued_spin_lock_slowpath",
        "queued_spin_lock_slowpath",
        "pv_queued_spin_lock_slowpath",
        "__pv_queued_spin_lock_slowpath",
        "mutex_spin_on_owner",
        "__mutex_lock",
        "rwsem_down_read_slowpath",
        "queued_write_lock_slowpath",
        "queued_read_lock_slowpath",
        "schedule",
        "schedule_preempt_disabled",
        "__schedule",
        "io_schedule",
    ]
)
"""Functions in which a task waits for a lock. (schedule: only below another of them.)"""

SLEEPING = frozenset({"schedule", "schedule_preempt_disabled", "__schedule", "io_schedule"})

PLUMBING = frozenset(
    [
        "down_write",
        "down_write_killable",
        "down_read",
        "down_read_killable",
        "mutex_lock",
        "mutex_lock_killable",
        "mutex_lock_interruptible",
        "_raw_spin_lock",
        "_raw_spin_lock_irqsave",
        "_raw_spin_lock_irq",
        "_raw_spin_lock_bh",
        "i_mmap_lock_write",
        "__down_write",
        "__down_write_common",
        "down_write_nested",
        "__mutex_lock_slowpath",
        "do_raw_spin_lock",
    ]
)
"""Functions between the one that waits and its caller."""

OTHER_LOCKS = re.compile(
    r"(unlink_)?anon_vma\w*|__anon_vma\w*|unlink_anon_vmas|vm_mmap_pgoff|do_mprotect_pkey|"
    r"__vm_munmap|mmap_write_lock\w*|__mm_populate|do_user_addr_fault|lru_\w+|folio_\w+"
)
"""Callers of a lock that is not i_mmap_rwsem, though the stack may also hold its functions."""

EXEC = re.compile(r"begin_new_exec|setup_new_exec|exec_mmap|bprm_execve|flush_old_exec")
LEAVING = re.compile(r"exit_mmap|exit_mm|mmput|__mmput|do_exit")
I_MMAP = re.compile(
    r"dup_mmap|copy_process|unlink_file_vma\w*|vma_link\w*|__vma_link_file|vma_expand|__split_vma|"
    r"vma_prepare|__?vma_adjust|vma_merge\w*|mmap_region|__mmap_region|mprotect|mprotect_fixup|"
    r"i_mmap_lock_write|vma_modify\w*|vma_shrink|split_vma"
)
"""Functions that lock i_mmap_rwsem themselves or by those they call."""

RWSEM = re.compile(r"rwsem_\w+|call_rwsem\w+|(__)?down_(write|read)\w*|i_mmap_lock_write|osq_lock")
"""i_mmap_rwsem is a read-write semaphore: a spinlock taken by the same callers is another lock."""

SUFFIX = re.compile(r"(\.(isra|constprop|part|cold|llvm)(\.\d+)*|_?\[k\]|\+0x[0-9a-f]+.*)+$")


def plain(frame: str) -> str:
    """Return a frame's function: without module, offset and the compiler's suffixes."""
    name = frame.strip().rpartition("`")[2]
    return SUFFIX.sub("", name)


def site_of(stack: Sequence[str]) -> str | None:
    """Return the site (phase.name) of a stack that takes i_mmap_rwsem; None for other stacks.

    Parameters
    ----------
    stack : sequence of str
        Function names, innermost first.
    """
    if not any(I_MMAP.fullmatch(name) for name in stack):
        return None
    leaving = any(LEAVING.fullmatch(name) for name in stack)
    if any(name in ("dup_mmap", "copy_process") for name in stack):
        return "fork.dup"
    if leaving or any(name == "exec_mmap" for name in stack):
        ending = any(EXEC.fullmatch(name) for name in stack)
        return "exec.teardown" if ending else "exit.teardown"
    if any(name in ("mprotect_fixup", "mprotect") for name in stack):
        return "exec.mprotect_split"
    if any(name in ("__split_vma", "split_vma") for name in stack):
        return "exec.map_split"
    if any(name.startswith("unlink_file_vma") for name in stack):
        return "exec.map_unlink"
    return "exec.map_expand" if "vma_expand" in stack else "exec.map_link"


def from_name(name: str) -> str | None:
    """Return the site behind a name like "exec_mmap > unlink_file_vma", or None."""
    words = re.findall(r"\w+", name)
    return site_of([plain(word) for word in reversed(words)])


def waits(stack: Sequence[str]) -> str | None:
    """Return the caller of the lock a stack waits for (innermost first); None if it does not."""
    first = next((i for i, name in enumerate(stack) if name in WAITERS - SLEEPING), None)
    if first is None:
        return None
    for name in stack[first:]:
        if name not in WAITERS and name not in PLUMBING:
            return name
    return None


@dataclass(frozen=True)
class Waited:
    """Waiting of stacks, by the place that asks for the lock.

    Attributes
    ----------
    known : dict of str to float
        Site of the traced tables -> waiting for i_mmap_rwsem.
    callers : dict of str to float
        Function that asks for a lock -> waiting for any other.
    """

    known: dict[str, float]
    callers: dict[str, float]


def waited(stacks: Sequence[tuple[Sequence[str], float]]) -> Waited:
    """Return the waiting of stacks by site.

    Parameters
    ----------
    stacks : sequence of (stack, value)
        Innermost first; value in percent or samples.
    """
    known: dict[str, float] = {}
    callers: dict[str, float] = {}
    for stack, value in stacks:
        found = place(stack)
        if found is not None:
            name, traced = found
            where = known if traced else callers
            where[name] = where.get(name, 0.0) + value
    return Waited(known, callers)


def place(stack: Sequence[str]) -> tuple[str, bool] | None:
    """Return the site or caller that a stack waits at, and whether the traced tables have it.

    None if it waits for no lock.
    """
    names = [plain(name) for name in stack]
    caller = waits(names)
    if caller is None:
        return None
    other = OTHER_LOCKS.fullmatch(caller) or not _is_rwsem(names)
    site = None if other else site_of(names)
    return (caller, False) if site is None else (site, True)


def _is_rwsem(names: Sequence[str]) -> bool:
    """Return whether a stack waits for a read-write semaphore and not for a mutex."""
    mutex = any(name.startswith(("mutex_", "__mutex_")) for name in names)
    return not mutex and any(RWSEM.fullmatch(name) for name in names)
