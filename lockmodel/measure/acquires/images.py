"""How a file comes into an address space: by the kernel (program, ld.so) or by ld.so (library).

Each function replays the mmap, munmap and mprotect calls of its loader on `vmas.Space`.

kernel: fs/binfmt_elf.c, load_elf_binary and load_elf_interp with elf_load, elf_map, vm_brk_flags.
ld.so: glibc elf/dl-load.c and dl-map-segments.h, _dl_map_object_from_fd and _dl_map_segments;
elf/dl-reloc.c, _dl_protect_relro.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from lockmodel.errors import ScenarioError
from lockmodel.measure.acquires.elf import Image, Segment
from lockmodel.measure.acquires.kernels import BATCH_LIMIT, RUN_GAP, Rules
from lockmodel.measure.acquires.vmas import (
    NONE,
    PAGE,
    READ,
    WRITE,
    FileAcquire,
    Space,
    page_down,
    page_up,
)


@dataclass(frozen=True)
class Mapped:
    """A file in the address space of a started program.

    Attributes
    ----------
    name : str
        Base name of the file as it was opened.
    events : tuple of FileAcquire
        Acquires on the way there.
    runs : tuple of int
        Mappings of the file in each run that free_pgtables takes at once: more than one only
        where `RUN_GAP` bytes or more are free between them.
    """

    name: str
    events: tuple[FileAcquire, ...]
    runs: tuple[int, ...]

    @property
    def mappings(self) -> int:
        """Mappings of the file."""
        return sum(self.runs)


def by_kernel(image: Image, rules: Rules, name: str) -> Mapped:
    """Return a program or ld.so as execve maps it and RELRO leaves it.

    An ET_DYN is first mapped over its total size, to find room for all of it, and everything
    behind the first segment is unmapped at once (elf_map with total_size). An ET_EXEC has its
    place. RELRO is ld.so's doing, also for itself, or that of the start code of a static
    program (_dl_relocate_static_pie, _dl_non_dynamic_init).
    """
    space = Space(rules.batched, BATCH_LIMIT)
    total = 0 if image.fixed else image.end - image.start
    alone = not image.fixed and image.interpreter is None and image.pie
    if alone and rules.static_pie_twice and _largest_alignment(image) > PAGE:
        space = _elf_map(space, image.segments[0], total)
        space = space.munmap(image.start, image.end)
    for segment in image.segments:
        space = _elf_map(space, segment, total)
        total = 0
        if segment.memory_size > segment.file_size:
            zero = page_up(segment.file_end) if segment.file_size else page_down(segment.address)
            space = space.mmap(zero, page_up(segment.end), segment.protection, None)
    return _settled(space, image, name)


def _largest_alignment(image: Image) -> int:
    """Return the largest power of two among the alignments: maximum_alignment."""
    return max(
        (s.alignment for s in image.segments if s.alignment & (s.alignment - 1) == 0), default=0
    )


def _elf_map(space: Space, segment: Segment, total: int) -> Space:
    """Return the space after elf_map; `total` > 0 reserves room for the segments that follow."""
    start, end = page_down(segment.address), page_up(segment.file_end)
    if not segment.file_size or end == start:
        return space
    offset = page_down(segment.offset)
    space = space.mmap(start, max(end, start + total), segment.protection, offset)
    return space.munmap(end, start + total)


def by_loader(image: Image, rules: Rules, name: str) -> Mapped:
    """Return a library as ld.so maps it and RELRO leaves it: _dl_map_segments.

    The first segment is mapped over the whole length; holes between segments lose all access;
    each later segment goes over its part with MAP_FIXED; what is zero beyond the last page of
    the file becomes anonymous.
    """
    if image.fixed:
        raise ScenarioError(
            f"{image.path}: is a program with a fixed address (ET_EXEC); ld.so does not "
            f"load it as a library"
        )
    space = Space(rules.batched, BATCH_LIMIT)
    segments = [s for s in image.segments if s.memory_size]
    first, last = segments[0], segments[-1]
    first_end = page_up(first.file_end)
    space = space.mmap(image.start, image.end, first.protection, page_down(first.offset))
    if any(page_up(a.file_end) != page_down(b.address) for a, b in pairwise(segments)):
        space = space.mprotect(first_end, page_down(last.address), NONE)
    for segment in segments:
        if segment is not first and segment.file_size:
            start, end = page_down(segment.address), page_up(segment.file_end)
            space = space.mmap(start, end, segment.protection, page_down(segment.offset))
        space = _zero_fill(space, segment)
    return _settled(space, image, name)


def _zero_fill(space: Space, segment: Segment) -> Space:
    """Return the space after the bss of a segment: c->allocend > c->dataend."""
    if segment.memory_size == segment.file_size:
        return space
    page = page_down(segment.file_end)
    if segment.file_end != page and not segment.protection & WRITE:
        space = space.mprotect(page, page + PAGE, segment.protection | WRITE)
        space = space.mprotect(page, page + PAGE, segment.protection)
    return space.mmap(page_up(segment.file_end), page_up(segment.end), segment.protection, None)


def _settled(space: Space, image: Image, name: str) -> Mapped:
    """Return the file after relocation: text made writable and back (DT_TEXTREL), then RELRO."""
    if image.text_relocations:
        fixed = [s for s in image.segments if not s.protection & WRITE]
        for segment in fixed:
            start, end = page_down(segment.address), page_up(segment.file_end)
            space = space.mprotect(start, end, segment.protection | WRITE)
        for segment in fixed:
            start, end = page_down(segment.address), page_up(segment.file_end)
            space = space.mprotect(start, end, segment.protection)
    if image.relro is not None:
        address, size = image.relro
        space = space.mprotect(page_down(address), page_down(address + size), READ)
    return Mapped(name, space.events, _runs(space))


def _runs(space: Space) -> tuple[int, ...]:
    """Return the mappings of the file in each run of free_pgtables.

    Anonymous mappings between them carry a run on, but have no file to unlink.
    """
    runs = [0]
    end = None
    for vma in space.vmas:
        if end is not None and vma.start > end + RUN_GAP:
            runs.append(0)
        runs[-1] += vma.in_file
        end = vma.end
    return tuple(run for run in runs if run)


def without_events(mapped: Mapped) -> Mapped:
    """Return the file as a process has it that was started long ago."""
    return replace(mapped, events=())
