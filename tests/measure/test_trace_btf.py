"""Member offsets from BTF, on sections built by the format description."""

from __future__ import annotations

import contextlib
import random
import struct
import time

import pytest
from kernel_images import (
    ARRAY,
    CONST,
    DATASEC,
    DECL_TAG,
    ENUM,
    ENUM64,
    FLOAT,
    FUNC,
    FUNC_PROTO,
    FWD,
    INT,
    PTR,
    RESTRICT,
    TYPE_TAG,
    TYPEDEF,
    UNION,
    VAR,
    VOLATILE,
    Btf,
    kernel_btf,
)

from lockmodel.errors import ScenarioError
from lockmodel.measure.trace.btf import types
from lockmodel.measure.trace.offsets import of_types

EXTRA = {
    INT: (0, 4),
    PTR: (0, 0),
    ARRAY: (0, 12),
    UNION: (2, 24),
    ENUM: (3, 24),
    FWD: (0, 0),
    TYPEDEF: (0, 0),
    VOLATILE: (0, 0),
    CONST: (0, 0),
    RESTRICT: (0, 0),
    FUNC: (1, 0),
    FUNC_PROTO: (3, 24),
    VAR: (0, 4),
    DATASEC: (2, 24),
    FLOAT: (0, 0),
    DECL_TAG: (0, 4),
    TYPE_TAG: (0, 0),
    ENUM64: (2, 24),
}
"""Kind -> vlen and bytes that follow, by btf.rst; the vlen of FUNC is its linkage."""


@pytest.mark.parametrize("kind", EXTRA)
def test_types_of_every_kind_are_skipped(kind: int) -> None:
    made = Btf()
    vlen, size = EXTRA[kind]
    # What follows looks like a type, so that a reader in the wrong place sees a structure.
    made.add(kind, "other", vlen, 8, b"\x04" * size)
    made.struct("wanted", [("first", 1, 0), ("second", 1, 8 * 40)])
    assert types(made.bytes()).offset("wanted", "second") == 40


def nested() -> bytes:
    """Return struct outer {int a; union {int b; struct {int c; int d;};}; struct {int e;} f;}."""
    made = Btf()
    number = made.add(INT, "int", size=4, extra=struct.pack("<I", 32))
    inner = made.struct("", [("c", number, 32), ("d", number, 96)])
    union = made.struct("", [("b", number, 0), ("", inner, 64)], UNION)
    named = made.struct("", [("e", number, 8 * 4)])
    members = [("a", number, 0), ("", union, 128), ("f", named, 512), ("g", number, 1024)]
    made.struct("outer", members)
    return made.bytes()


@pytest.mark.parametrize(
    ("member", "offset"),
    [("a", 0), ("b", 16), ("c", 16 + 8 + 4), ("d", 16 + 8 + 12), ("f", 64), ("g", 128)],
)
def test_members_inside_anonymous_structures(member: str, offset: int) -> None:
    assert types(nested()).offset("outer", member) == offset


@pytest.mark.parametrize(
    ("structure", "member"), [("outer", "e"), ("outer", "none"), ("other", "a"), ("", "c")]
)
def test_what_is_not_there_is_refused(structure: str, member: str) -> None:
    with pytest.raises(ScenarioError, match=f"struct {structure} has no member {member};"):
        types(nested()).offset(structure, member)


def test_all_members_with_those_of_anonymous_structures() -> None:
    found = types(nested()).members("outer")
    assert found == [(0, "a"), (16, "b"), (28, "c"), (36, "d"), (64, "f"), (128, "g")]
    assert types(nested()).size("outer") == 64  # what `struct` writes for every one


@pytest.mark.parametrize("ask", ["members", "size"])
def test_a_structure_that_is_not_there_has_no_members(ask: str) -> None:
    with pytest.raises(ScenarioError, match="has no struct none; give /sys/kernel/btf/vmlinux"):
        getattr(types(nested()), ask)("none")


def test_bitfields_have_their_width_in_the_upper_byte() -> None:
    made = Btf()
    number = made.add(INT, "int", size=4, extra=struct.pack("<I", 32))
    members = [("a", number, 0), ("b", number, 3), ("c", number, 8 * 24)]
    made.struct("with", members, widths=[3, 29, 0])
    made.struct("without", [("far", number, 8 * (1 << 22))])  # bit 25: no width here
    structures = types(made.bytes())
    assert [structures.offset("with", name) for name in "abc"] == [0, 0, 24]
    assert structures.offset("without", "far") == 1 << 22


def test_an_anonymous_structure_within_a_bitfield_structure() -> None:
    made = Btf()
    number = made.add(INT, "int", size=4, extra=struct.pack("<I", 32))
    inner = made.struct("", [("x", number, 64)])
    made.struct("s", [("a", number, 0), ("", inner, 256)], widths=[5, 0])
    assert types(made.bytes()).offset("s", "x") == 32 + 8


def test_the_first_structure_of_a_name_counts_and_a_union_of_that_name_does_not() -> None:
    made = Btf()
    number = made.add(INT, "int", size=4, extra=struct.pack("<I", 32))
    made.struct("inode", [("i_ino", number, 8)], UNION)
    made.add(FWD, "inode")
    made.struct("inode", [("i_ino", number, 512)])
    made.struct("inode", [("i_ino", number, 1024)])
    assert types(made.bytes()).offset("inode", "i_ino") == 64


def test_offsets_of_the_probes() -> None:
    offsets = of_types(types(kernel_btf(72, 144, 64)), "a test")
    assert (offsets.tree, offsets.lock, offsets.inode, offsets.source) == (72, 144, 64, "a test")


def test_cut_off_anywhere_it_is_refused() -> None:
    data = nested()
    for length in range(len(data)):
        with pytest.raises(ScenarioError, match="BTF: "):
            types(data[:length])
    assert types(data + b"more").offset("outer", "d") == 36


def test_any_wrong_byte_gives_an_answer_or_is_refused() -> None:
    """Never another exception, and never an endless search."""
    data = nested()
    start = time.perf_counter()
    for at in range(len(data)):
        for value in (0, 1, 0x04, 0x7F, 0x84, 0xFF):
            changed = data[:at] + bytes([value]) + data[at + 1 :]
            with contextlib.suppress(ScenarioError):
                assert types(changed).offset("outer", "d") >= 0
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("seed", range(5))
def test_random_types_are_refused_or_answered(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(200):
        made = Btf()
        for _ in range(6):
            made.add(source.randrange(32), "outer", source.randrange(4), 8, source.randbytes(12))
        with contextlib.suppress(ScenarioError):
            types(made.bytes()).offset("outer", "d")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes are cut off"),
        (b"\x9f\xeb\x01", "3 bytes are cut off"),
        (b"\xeb\x9f\x01" + bytes(40), "starts with eb9f01, not with 9feb01"),
        (b"\x9f\xeb\x02" + bytes(40), "starts with 9feb02, not with 9feb01"),
        (b"\x7fELF" + bytes(40), "starts with 7f454c"),
    ],
)
def test_what_is_no_btf_is_refused_with_the_remedy(data: bytes, message: str) -> None:
    with pytest.raises(ScenarioError, match=message) as refused:
        types(data)
    assert "/sys/kernel/btf/vmlinux" in str(refused.value)


def test_an_unknown_kind_is_refused() -> None:
    made = Btf()
    made.add(25, "new")
    with pytest.raises(ScenarioError, match="type 1 is of unknown kind 25"):
        types(made.bytes())


def test_anonymous_structures_that_hold_themselves_take_no_time() -> None:
    """Each of 3,000 members would be followed to depth 8."""
    made = Btf()
    made.struct("", [("", 1, 0)] * 3000)
    made.struct("s", [("", 1, 0), ("", 2, 0), ("x", 1, 800)])
    start = time.perf_counter()
    structures = types(made.bytes())
    assert structures.offset("s", "x") == 100
    with pytest.raises(ScenarioError, match="has no member"):
        structures.offset("s", "y")
    assert time.perf_counter() - start < 1


def test_members_beyond_the_end_are_refused() -> None:
    made = Btf()
    made.add(4, "s", 1000, 8, struct.pack("<III", 0, 0, 0))
    with pytest.raises(ScenarioError, match="cut off or damaged"):
        types(made.bytes())


@pytest.mark.parametrize("name", [1 << 20, 0xFFFFFFFF])
def test_names_beyond_the_end_are_refused(name: int) -> None:
    made = Btf()
    made.add(4, "s", 1, 8, struct.pack("<III", name, 0, 0))
    with pytest.raises(ScenarioError, match="struct s is damaged"):
        types(made.bytes()).offset("s", "x")
    structure = Btf()
    structure.add(4, "s", 0, 8)
    structure.types[0:4] = struct.pack("<I", name)
    with pytest.raises(ScenarioError, match="cut off or damaged"):
        types(structure.bytes())


def test_names_of_5_mb_take_no_time() -> None:
    made = Btf()
    made.strings += b"x" * 5_000_000 + b"\0"
    made.types += struct.pack("<III", 1, 4 << 24, 0) * 20_000
    start = time.perf_counter()
    with pytest.raises(ScenarioError, match="cut off or damaged"):
        types(made.bytes())
    assert time.perf_counter() - start < 1
