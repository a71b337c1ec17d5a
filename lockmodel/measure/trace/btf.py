"""Byte offsets of members of kernel structures, from the kernel's own type description (BTF).

Format: Documentation/bpf/btf.rst in the Linux source. Only sizes and structures are decoded;
every offset is checked against the end of the data, and nesting is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lockmodel.errors import ScenarioError

MAGIC = 0xEB9F
HEADER = struct.Struct("<HBBIIIII")
TYPE = struct.Struct("<III")
MEMBER = struct.Struct("<III")

STRUCT, UNION = 4, 5
SIZE_OF_REST = {1: 4, 3: 12, 14: 4, 17: 4}
"""Bytes behind the common part, by kind: INT, ARRAY, VAR, DECL_TAG."""
SIZE_OF_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
"""Bytes per member, by kind: STRUCT, UNION, ENUM, FUNC_PROTO, DATASEC, ENUM64."""
LAST_KIND = 19
BITFIELD_SHIFT = 0xFFFFFF
"""With kind_flag, the upper 8 bits of a member's offset are its width."""

DEEPEST = 8
"""Anonymous structures inside each other."""
LONGEST_NAME = 1024
"""Bytes of a name; the kernel allows 511 (KSYM_NAME_LEN)."""
REMEDY = "give /sys/kernel/btf/vmlinux of the machine to be traced"


@dataclass(frozen=True)
class Types:
    """The structures of a kernel.

    Attributes
    ----------
    data : bytes
        The BTF section.
    strings : int
        Where its names start.
    starts : list of int
        Where the type of each number starts; number 0 is void.
    by_name : dict of str to int
        Structures with a name.
    """

    data: bytes
    strings: int
    starts: list[int]
    by_name: dict[str, int]

    def offset(self, structure: str, member: str) -> int:
        """Return the byte offset of a member, also inside anonymous structures.

        Raises
        ------
        ScenarioError
            There is no such structure or member.
        """
        number = self.by_name.get(structure)
        try:
            bits = None if number is None else self._find(number, member, 0, set())
        except (struct.error, ValueError):
            raise ScenarioError(f"BTF: struct {structure} is damaged; {REMEDY}") from None
        if bits is None:
            raise ScenarioError(
                f"BTF: struct {structure} has no member {member}; this kernel is not laid out as "
                f"the probes expect"
            )
        return bits

    def members(self, structure: str) -> list[tuple[int, str]]:
        """Return offset in bytes and name of all members, also of anonymous structures inside.

        Raises
        ------
        ScenarioError
            There is no such structure, or it is damaged.
        """
        number = self.by_name.get(structure)
        if number is None:
            raise ScenarioError(f"BTF: has no struct {structure}; {REMEDY}")
        try:
            return self._members(number, 0, set())
        except (struct.error, ValueError):
            raise ScenarioError(f"BTF: struct {structure} is damaged; {REMEDY}") from None

    def size(self, structure: str) -> int:
        """Return the size of a structure in bytes.

        Raises
        ------
        ScenarioError
            There is no such structure.
        """
        number = self.by_name.get(structure)
        if number is None:
            raise ScenarioError(f"BTF: has no struct {structure}; {REMEDY}")
        return int(TYPE.unpack_from(self.data, self.starts[number])[2])

    def _members(self, number: int, depth: int, tried: set[int]) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for name, kind, at in self._each(number, depth, tried):
            if name:
                found.append((at, name))
            else:
                found += [(at + inner, n) for inner, n in self._members(kind, depth + 1, tried)]
        return found

    def _each(self, number: int, depth: int, tried: set[int]) -> Iterator[tuple[str, int, int]]:
        """Yield name, type and offset of the members of a type; `tried` ones have been read."""
        if depth > DEEPEST or number in tried or not 0 < number < len(self.starts):
            return
        tried.add(number)
        start = self.starts[number]
        _, info, _ = TYPE.unpack_from(self.data, start)
        if info >> 24 & 0x1F not in (STRUCT, UNION):
            return
        mask = BITFIELD_SHIFT if info >> 31 else 0xFFFFFFFF
        for i in range(info & 0xFFFF):
            name, kind, bits = MEMBER.unpack_from(self.data, start + TYPE.size + MEMBER.size * i)
            yield _name(self.data, self.strings + name), kind, int(bits & mask) // 8

    def _find(self, number: int, member: str, depth: int, tried: set[int]) -> int | None:
        """Return the offset of a member; `tried` types do not have it, so each is read once."""
        for name, kind, here in self._each(number, depth, tried):
            if name == member:
                return here
            inside = None if name else self._find(kind, member, depth + 1, tried)
            if inside is not None:
                return here + inside
        return None


def types(data: bytes) -> Types:
    """Return the structures that a BTF section describes.

    Parameters
    ----------
    data : bytes
        Content of /sys/kernel/btf/vmlinux, or the section .BTF of vmlinux.

    Raises
    ------
    ScenarioError
        It is no BTF of a little-endian machine, or is cut off.
    """
    try:
        return _types(data)
    except ScenarioError:
        raise
    except (struct.error, IndexError, ValueError):
        raise ScenarioError(f"BTF: {len(data)} bytes are cut off or damaged; {REMEDY}") from None


def _types(data: bytes) -> Types:
    magic, version, _, header, types_at, types_size, names_at, names_size = HEADER.unpack_from(data)
    if magic != MAGIC or version != 1:
        raise ScenarioError(f"BTF: starts with {data[:3].hex()}, not with 9feb01; {REMEDY}")
    at, end = header + types_at, header + types_at + types_size
    strings = header + names_at
    if max(end, strings + names_size) > len(data):
        raise ValueError
    starts: list[int] = [0]
    by_name: dict[str, int] = {}
    while at < end:
        name, info, _ = TYPE.unpack_from(data, at)
        kind = info >> 24 & 0x1F
        if kind > LAST_KIND:
            raise ScenarioError(f"BTF: type {len(starts)} is of unknown kind {kind}; {REMEDY}")
        if kind == STRUCT and name:
            by_name.setdefault(_name(data, strings + name), len(starts))
        starts.append(at)
        each = SIZE_OF_EACH.get(kind, 0) * (info & 0xFFFF)
        at += TYPE.size + SIZE_OF_REST.get(kind, 0) + each
    if at != end:
        raise ValueError
    return Types(data[: max(end, strings + names_size)], strings, starts, by_name)


def _name(data: bytes, start: int) -> str:
    return data[start : data.index(0, start, start + LONGEST_NAME)].decode("ascii", "replace")
