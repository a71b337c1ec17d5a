"""Inode numbers -> names, and traced counts against derived ones."""

from __future__ import annotations

import pytest

from lockmodel.measure.acquires.count import FileCount, SiteCount
from lockmodel.measure.trace.files import Difference, compare, files, names
from lockmodel.measure.trace.windows import Counted


def counted(*inodes: int) -> Counted:
    counts = {(inode, "exec.map_link"): (inode, 2 * inode) for inode in inodes}
    return Counted("fork", 3, 3, counts, 72)


def test_files_have_their_base_names() -> None:
    named = names(counted(1, 2, 3), {1: "/lib/libc.so.6", 2: "/usr/bin/true"})
    assert named == {1: "libc.so.6", 2: "true", 3: "inode 3"}


def test_two_files_of_one_base_name_have_their_paths() -> None:
    named = names(counted(1, 2, 3), {1: "/lib/libc.so.6", 2: "/opt/libc.so.6", 3: "/bin/true"})
    assert named == {1: "/lib/libc.so.6", 2: "/opt/libc.so.6", 3: "true"}


@pytest.mark.parametrize(
    "paths",
    [
        {1: "/lib/libc.so.6", 2: "/lib/libc.so.6"},
        {1: f"/a/{'x' * 300}/libc.so.6", 2: f"/b/{'x' * 300}/libc.so.6"},
        {1: "inode 2"},
    ],
)
def test_no_file_hides_another(paths: dict[int, str]) -> None:
    """An updated library: the old file and the new one have the same path."""
    named = names(counted(1, 2), paths)
    assert len(set(named.values())) == 2
    assert len(files(counted(1, 2), paths)) == 2
    assert all(f"inode {inode}" in name for inode, name in named.items())


def test_control_characters_are_escaped() -> None:
    paths = {1: "/bin/\x1b[31mred\n", 2: "/a/\x07", 3: "/b/\x07"}
    for name in names(counted(1, 2, 3), paths).values():
        assert name.isprintable()


def test_files_are_in_the_order_of_their_acquires_and_sites_in_that_of_the_loop() -> None:
    counts = {
        (1, "exit.teardown"): (1, 5),
        (1, "fork.dup"): (5, 5),
        (1, "exec.map_split"): (1, 3),
        (2, "exec.map_link"): (9, 9),
    }
    first, second = files(
        Counted("fork", 3, 3, counts, 72), {1: "/lib/ld-linux-x86-64.so.2", 2: "/lib/libc.so.6"}
    )
    assert (first.name, first.role, first.acquires, first.operations) == ("libc.so.6", "libc", 9, 9)
    assert (second.role, second.acquires, second.operations) == ("loader", 7, 13)
    assert list(second.sites) == ["fork.dup", "exec.map_split", "exit.teardown"]
    assert second.sites["exec.map_split"] == SiteCount(1, 3)


def file(name: str, **sites: tuple[int, int]) -> FileCount:
    counts = {where.replace("_", ".", 1): SiteCount(*both) for where, both in sites.items()}
    return FileCount(name, "library", 5, counts)


def test_where_traced_and_derived_counts_differ() -> None:
    traced = [
        file("a", exec_map_link=(4, 4), exit_teardown=(1, 5)),
        file("b", exec_map_link=(1, 1)),
    ]
    derived = [file("a", exec_map_link=(4, 4), exit_teardown=(5, 5)), file("c", fork_dup=(2, 2))]
    comparison = compare(traced, derived)
    assert comparison.compared == 4
    assert comparison.differences == (
        Difference("a", "exit.teardown", (1, 5), (5, 5)),
        Difference("b", "exec.map_link", (1, 1), None),
        Difference("c", "fork.dup", None, (2, 2)),
    )
    assert compare(traced, traced[::-1]).differences == ()
