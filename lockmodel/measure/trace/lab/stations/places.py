"""An address of the kernel -> a function, a variable, or a member of a file's inode.

Boot options keep addresses where the kernel's build puts them (nokaslr, no5lvl).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lockmodel.measure.trace.btf import Types
from lockmodel.measure.trace.kallsyms import KERNEL, TEXT, Symbol

LINE = 64
PAGES = range(0xFFFFEA0000000000, 0xFFFFEA0000000000 + (1 << 40))
"""struct page of all memory (Documentation/arch/x86/x86_64/mm.rst, virtual memory map)."""

LARGEST_VARIABLE = 1 << 20
"""Bytes behind the start of a variable that may still be its own."""


@dataclass(frozen=True)
class Layout:
    """Where the members of a file's inode lie, from the lock of its mappings.

    Attributes
    ----------
    members : tuple of (int, str)
        Offset from i_mmap_rwsem and name, increasing; those of i_data and of ext4's own part
        are among them.
    end : int
        Offset behind the last one.
    """

    members: tuple[tuple[int, str], ...]
    end: int


LOCK = "i_mmap_rwsem"


def layout(types: Types) -> Layout:
    """Return the layout that a kernel's BTF states.

    Raises
    ------
    ScenarioError
        A structure or member is missing.
    """
    data = types.offset("inode", "i_data")
    lock = data + types.offset("address_space", LOCK)
    members = [(at - lock, name) for at, name in types.members("inode") if name != "i_data"]
    members += [(data + at - lock, name) for at, name in types.members("address_space")]
    if "ext4_inode_info" in types.by_name:
        before = types.offset("ext4_inode_info", "vfs_inode")
        members += [
            (at - before - lock, name)
            for at, name in types.members("ext4_inode_info")
            if name != "vfs_inode"
        ]
    members.sort()
    return Layout(tuple(members), types.size("inode") - lock)


@dataclass(frozen=True)
class Places:
    """All that is known of the addresses of one kernel while it runs.

    Attributes
    ----------
    symbols : sequence of Symbol
    layout : Layout
    files : mapping of int to str
        Word of a file's i_mmap_rwsem -> what the file is called.
    """

    symbols: Sequence[Symbol]
    layout: Layout
    files: Mapping[int, str]
    _text: list[tuple[int, str]] = field(init=False, repr=False)
    _data: list[tuple[int, str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, wanted in (("_text", True), ("_data", False)):
            some = [(s.address, s.name) for s in self.symbols if (s.kind in TEXT) is wanted]
            object.__setattr__(self, name, sorted(some))

    def function(self, address: int) -> str:
        """Return the function that an address lies in, without the compiler's suffix, or ""."""
        at = bisect_right(self._text, (address, "\U0010ffff")) - 1
        if at < 0 or address < KERNEL:
            return ""
        return self._text[at][1].split(".")[0]

    def functions(self, chain: Sequence[int]) -> tuple[str, ...]:
        """Return the functions of a chain of calls."""
        return tuple(name for name in map(self.function, chain) if name)

    def variable(self, address: int) -> str:
        """Return the variable that an address lies in; "" outside the kernel's image."""
        if address < KERNEL:
            return ""
        at = bisect_right(self._data, (address, "\U0010ffff")) - 1
        if at < 0 or address - self._data[at][0] > LARGEST_VARIABLE:
            return ""
        return self._data[at][1]

    def variables(self, line: int) -> tuple[str, ...]:
        """Return the variables in a line: one that reaches into it, then those that begin there."""
        at = bisect_right(self._data, (line + LINE - 1, "\U0010ffff"))
        found = []
        while at > 0 and self._data[at - 1][0] > line:
            at -= 1
            found.append(self._data[at][1])
        first = self.variable(line)
        return tuple(([first] if first else []) + found[::-1]) if line >= KERNEL else ()

    def member(self, address: int) -> tuple[str, tuple[str, ...]] | None:
        """Return the file whose inode has a member at an address, and that member's name."""
        for word, file in self.files.items():
            names = [name for offset, name in self.layout.members if offset == address - word]
            if names:
                return file, (names[-1],)
        return None

    def members(self, line: int) -> tuple[str, tuple[str, ...]] | None:
        """Return the file in whose inode a line lies, and the members that begin in the line.

        The one that reaches into it comes first.
        """
        members = self.layout.members
        for word, file in self.files.items():
            at = line - word
            if members[0][0] - LINE < at < self.layout.end:
                last = bisect_left(members, (at, "")) - 1
                names = [name for offset, name in members if at <= offset < at + LINE]
                return file, tuple(([members[last][1]] if last >= 0 else []) + names)
        return None
