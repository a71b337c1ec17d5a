"""What mmap, munmap and mprotect do to mappings and to the lock, call by call."""

from __future__ import annotations

import pytest

from lockmodel.measure.acquires.vmas import (
    EXECUTE,
    NONE,
    PAGE,
    READ,
    WRITE,
    FileAcquire,
    Space,
    page_down,
    page_up,
)

RX, RW = READ | EXECUTE, READ | WRITE
LINK = FileAcquire("exec.map_link", 1)
SPLIT = FileAcquire("exec.map_split", 3)
UNLINK = FileAcquire("exec.map_unlink", 1)
MSPLIT = FileAcquire("exec.mprotect_split", 3)


def empty(batched: bool = False) -> Space:
    return Space(batched, 8)


def whole(pages: int = 8, batched: bool = False) -> Space:
    return empty(batched).mmap(0, pages * PAGE, READ, 0)


def layout(space: Space) -> list[tuple[int, int, int | None, int]]:
    """Return start and end, file offset (all in pages) and protection."""
    return [
        (
            v.start // PAGE,
            v.end // PAGE,
            None if v.offset is None else v.offset // PAGE,
            v.protection,
        )
        for v in space.vmas
    ]


def test_pages() -> None:
    assert [page_down(a) for a in (0, 1, 4095, 4096)] == [0, 0, 0, 4096]
    assert [page_up(a) for a in (0, 1, 4096, 4097)] == [0, 4096, 4096, 8192]


def test_a_first_mapping_is_linked() -> None:
    assert whole().events == (LINK,)
    assert layout(whole()) == [(0, 8, 0, READ)]


def test_a_mapping_in_the_middle_splits_twice_unlinks_and_links() -> None:
    space = whole().mmap(2 * PAGE, 4 * PAGE, RX, 2 * PAGE)
    assert space.events == (LINK, SPLIT, SPLIT, UNLINK, LINK)
    assert layout(space) == [(0, 2, 0, READ), (2, 4, 2, RX), (4, 8, 4, READ)]


def test_a_mapping_like_what_follows_extends_it_instead_of_being_linked() -> None:
    space = whole().mmap(2 * PAGE, 4 * PAGE, RX, 2 * PAGE)
    after = space.mmap(4 * PAGE, 6 * PAGE, READ, 4 * PAGE)
    assert after.events[5:] == (SPLIT, UNLINK, FileAcquire("exec.map_expand", 2))
    assert layout(after) == layout(space)


def test_a_mapping_like_both_neighbours_joins_them_in_one_acquire() -> None:
    space = whole().mmap(2 * PAGE, 4 * PAGE, READ, 2 * PAGE)
    assert space.events[-1] == FileAcquire("exec.map_expand", 3)
    assert layout(space) == [(0, 8, 0, READ)]


@pytest.mark.parametrize("offset", [1, 5])
def test_another_place_of_the_file_does_not_merge(offset: int) -> None:
    space = whole(4).mmap(4 * PAGE, 5 * PAGE, READ, offset * PAGE)
    assert space.events == (LINK, LINK)


def test_memory_without_a_file_takes_no_lock_but_replaces() -> None:
    space = whole().mmap(6 * PAGE, 8 * PAGE, RW, None)
    assert space.events == (LINK, SPLIT, UNLINK)
    assert layout(space)[-1] == (6, 8, None, RW)
    assert space.munmap(6 * PAGE, 8 * PAGE).events == space.events


@pytest.mark.parametrize(("batched", "acquires"), [(False, [1] * 9), (True, [8, 1])])
def test_one_munmap_unlinks_eight_mappings_per_acquire_from_611(
    batched: bool, acquires: list[int]
) -> None:
    space = empty(batched)
    for page in range(9):
        space = space.mmap(page * PAGE, (page + 1) * PAGE, READ, 100 * page * PAGE)
    gone = space.munmap(0, 9 * PAGE)
    assert [e.operations for e in gone.events if e.site == "exec.map_unlink"] == acquires
    assert gone.vmas == ()


@pytest.mark.parametrize(
    ("start", "end", "splits"), [(0, 8, 0), (0, 3, 1), (3, 8, 1), (3, 5, 2), (9, 9, 0)]
)
def test_mprotect_splits_at_each_border_inside(start: int, end: int, splits: int) -> None:
    space = whole().mprotect(start * PAGE, end * PAGE, NONE)
    assert space.events[1:] == (MSPLIT,) * splits


def test_mprotect_to_the_same_protection_does_nothing() -> None:
    assert whole().mprotect(PAGE, 2 * PAGE, READ) == whole()


def test_relro_does_not_merge_with_what_was_never_writable() -> None:
    space = whole(4).mmap(4 * PAGE, 8 * PAGE, RW, 4 * PAGE)
    after = space.mprotect(4 * PAGE, 6 * PAGE, READ)
    assert after.events[2:] == (MSPLIT,)
    assert layout(after) == [(0, 4, 0, READ), (4, 6, 4, READ), (6, 8, 6, RW)]


def test_mprotect_shifts_the_border_to_a_like_neighbour() -> None:
    space = whole().mprotect(0, 2 * PAGE, NONE).mprotect(2 * PAGE, 4 * PAGE, NONE)
    assert space.events[1:] == (MSPLIT, FileAcquire("exec.mprotect_split", 4))
    assert layout(space) == [(0, 4, 0, NONE), (4, 8, 4, READ)]


def test_mprotect_back_joins_all_three() -> None:
    space = whole().mprotect(2 * PAGE, 4 * PAGE, NONE).mprotect(2 * PAGE, 4 * PAGE, READ)
    assert space.events[1:] == (MSPLIT, MSPLIT, FileAcquire("exec.mprotect_split", 4))
    assert layout(space) == [(0, 8, 0, READ)]
