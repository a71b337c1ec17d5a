"""The mappings of one file, and what mmap, munmap and mprotect do to them and to its lock.

Everything here follows mm/mmap.c (mm/vma.c from Linux 6.12 on). A `Space` holds the mappings
(VMAs) of one file in one address space, together with the anonymous ones that replace parts of
them, and remembers every acquire of the file's `i_mmap_rwsem` as a `FileAcquire`. Neighbours of
other files never merge with these, so one file at a time is enough.

=====================  =================  ============================================
what the kernel does   tree operations    kernel function
=====================  =================  ============================================
link a new mapping     1                  vma_link
split one in two       3: -1, +2          __split_vma: vma_prepare, vma_complete
extend a neighbour     2: -1, +1          vma_expand; 3 if it closes the gap to another
unlink one             1                  unlink_file_vma, or its batch
change protection      0, 3, 4            mprotect_fixup: whole, split, merged with one
=====================  =================  ============================================

Anonymous memory has no file, so it takes no lock here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PAGE = 4096
"""Bytes of a page on x86-64: PAGE_SIZE."""

READ, WRITE, EXECUTE = 4, 2, 1
"""Protection bits, as the p_flags of a program header have them."""

NONE = 0
"""PROT_NONE."""

LINK = "exec.map_link"
SPLIT = "exec.map_split"
UNLINK = "exec.map_unlink"
EXPAND = "exec.map_expand"
MPROTECT = "exec.mprotect_split"

LINK_OPERATIONS = 1
SPLIT_OPERATIONS = 3
"""The old mapping out of the tree, both halves in."""
EXPAND_OPERATIONS = 2
"""The neighbour out of the tree and in again with its new size."""
SWALLOW_OPERATIONS = 1
"""One more mapping out of the tree because its neighbour grew over it."""
SHIFT_OPERATIONS = 4
"""Two neighbours out and in again, with the border between them moved."""


def page_down(address: int) -> int:
    """Return the address of the page: ELF_PAGESTART."""
    return address & -PAGE


def page_up(address: int) -> int:
    """Return the end of the last page before or at the address: ELF_PAGEALIGN."""
    return (address + PAGE - 1) & -PAGE


@dataclass(frozen=True)
class Vma:
    """One mapping.

    Attributes
    ----------
    start, end : int
        First address and first address behind it, multiples of `PAGE`.
    offset : int or None
        Byte offset of `start` in the file; None is anonymous memory.
    protection : int
        READ, WRITE and EXECUTE.
    accounted : bool
        VM_ACCOUNT: it is or was writable. mprotect never takes it away, so what was made
        read-only again (RELRO) does not merge with what always was.
    """

    start: int
    end: int
    offset: int | None
    protection: int
    accounted: bool

    @property
    def in_file(self) -> bool:
        """Whether it maps the file."""
        return self.offset is not None

    def part(self, start: int, end: int) -> Vma:
        """Return the part from `start` to `end`."""
        offset = None if self.offset is None else self.offset + start - self.start
        return replace(self, start=start, end=end, offset=offset)

    def continued_by(self, after: Vma) -> bool:
        """Return whether `after` could be one mapping with this: can_vma_merge_after."""
        if self.end != after.start or self.in_file != after.in_file:
            return False
        if (self.protection, self.accounted) != (after.protection, after.accounted):
            return False
        return self.offset is None or self.offset + self.end - self.start == after.offset


@dataclass(frozen=True)
class FileAcquire:
    """One acquire of the file's lock: where, and how many tree operations it covers."""

    site: str
    operations: int


@dataclass(frozen=True)
class Space:
    """The mappings of one file and the acquires that led to them.

    Attributes
    ----------
    batched : bool
        Whether one munmap unlinks the mappings of the file under one acquire
        (see `kernels.Rules`).
    batch_limit : int
        Mappings that one batch takes at most.
    vmas : tuple of Vma
        By address, never overlapping.
    events : tuple of FileAcquire
        In the order in which they happen.
    """

    batched: bool
    batch_limit: int
    vmas: tuple[Vma, ...] = ()
    events: tuple[FileAcquire, ...] = ()

    def _done(self, vmas: list[Vma], *events: FileAcquire) -> Space:
        ordered = tuple(sorted(vmas, key=lambda vma: vma.start))
        return replace(self, vmas=ordered, events=self.events + events)

    def munmap(self, start: int, end: int) -> Space:
        """Return the space without [start, end): __do_munmap, vms_gather_munmap_vmas.

        A mapping that sticks out at a border is split there first; what lies inside is
        unlinked in free_pgtables.
        """
        if end <= start:
            return self
        kept: list[Vma] = []
        splits = 0
        unlinked = 0
        for vma in self.vmas:
            if vma.end <= start or vma.start >= end:
                kept.append(vma)
                continue
            if vma.start < start:
                kept.append(vma.part(vma.start, start))
                splits += vma.in_file
            if vma.end > end:
                kept.append(vma.part(end, vma.end))
                splits += vma.in_file
            unlinked += vma.in_file
        events = [FileAcquire(SPLIT, SPLIT_OPERATIONS)] * splits
        for size in self._batches(unlinked):
            events.append(FileAcquire(UNLINK, size))
        return self._done(kept, *events)

    def _batches(self, count: int) -> list[int]:
        """Return how many mappings each acquire unlinks."""
        most = self.batch_limit if self.batched else 1
        return [min(most, count - first) for first in range(0, count, most)]

    def mmap(self, start: int, end: int, protection: int, offset: int | None) -> Space:
        """Return the space with [start, end) mapped anew, fixed and private: mmap_region.

        What was there goes first. A neighbour that the new mapping continues is extended
        (vma_merge_new_range, vma_expand), otherwise it is linked (vma_link).
        """
        if end <= start:
            return self
        space = self.munmap(start, end)
        new = Vma(start, end, offset, protection, accounted=bool(protection & WRITE))
        if offset is None:
            return space._done([*space.vmas, new])
        before, after = space._neighbours(new)
        if before is None and after is None:
            return space._done([*space.vmas, new], FileAcquire(LINK, LINK_OPERATIONS))
        kept = [v for v in space.vmas if v not in (before, after)]
        first, last = before or new, after or new
        whole = replace(first, end=last.end)
        both = before is not None and after is not None
        operations = EXPAND_OPERATIONS + (SWALLOW_OPERATIONS if both else 0)
        return space._done([*kept, whole], FileAcquire(EXPAND, operations))

    def _neighbours(self, new: Vma) -> tuple[Vma | None, Vma | None]:
        """Return the mappings before and behind a new one that could be one with it."""
        before = next((v for v in self.vmas if v.end == new.start), None)
        after = next((v for v in self.vmas if v.start == new.end), None)
        return (
            before if before and before.continued_by(new) else None,
            after if after and new.continued_by(after) else None,
        )

    def mprotect(self, start: int, end: int, protection: int) -> Space:
        """Return the space with [start, end) protected so: mprotect_fixup, piece by piece."""
        space = self
        for vma in self.vmas:
            if vma.start < end and vma.end > start:
                space = space._protect(max(start, vma.start), min(end, vma.end), protection)
        return space

    def _protect(self, start: int, end: int, protection: int) -> Space:
        """Return the space with a range inside one mapping protected so."""
        old = next(vma for vma in self.vmas if vma.start <= start and end <= vma.end)
        if old.protection == protection:
            return self
        accounted = old.accounted or bool(protection & WRITE)
        new = replace(old.part(start, end), protection=protection, accounted=accounted)
        before, after = self._neighbours(new)
        rest = [old.part(old.start, start)] if old.start < start else []
        rest += [old.part(end, old.end)] if end < old.end else []
        kept = [v for v in self.vmas if v not in (old, before, after)]
        whole = replace(new, start=before.start, offset=before.offset) if before else new
        whole = replace(whole, end=after.end) if after else whole
        events = _protect_events(len(rest), (before is not None) + (after is not None))
        return self._done([*kept, *rest, whole], *(events if old.in_file else ()))


def _protect_events(rests: int, merged: int) -> tuple[FileAcquire, ...]:
    """Return the acquires of one mprotect_fixup.

    `rests` counts the parts of the mapping that keep their protection, `merged` the neighbours
    that the changed part joins. vma_merge grows the neighbour in one acquire: it swallows a
    whole mapping, or moves the border to a rest. Without a neighbour every rest is a split.
    """
    if not merged:
        return (FileAcquire(MPROTECT, SPLIT_OPERATIONS),) * rests
    if rests:
        return (FileAcquire(MPROTECT, SHIFT_OPERATIONS),)
    return (FileAcquire(MPROTECT, EXPAND_OPERATIONS + merged * SWALLOW_OPERATIONS),)
