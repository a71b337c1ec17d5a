"""Reading headers: what is refused and why, and that damaged files never end in a traceback."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import elf_files
import pytest
from elf_files import LOADER, content, write
from hypothesis import given, settings
from hypothesis import strategies as st

from lockmodel.errors import FileError, LockmodelError, ScenarioError
from lockmodel.measure.acquires import elf, images, kernels
from lockmodel.measure.acquires.count import count
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.sysroot import Sysroot

RULES = kernels.rules_of("6.12")
LOAD = ["PT_LOAD", 0x0, 0x0, 0x1000, 0x1000, 4, 0x1000]


def load(**changes: int) -> list[object]:
    keys = ("offset", "address", "file_size", "memory_size", "protection", "alignment")
    header: list[object] = list(LOAD)
    for i, key in enumerate(keys, 1):
        header[i] = changes.get(key, header[i])
    return header


def test_a_program(tmp_path: Path) -> None:
    path = write(
        tmp_path / "p",
        interpreter=LOADER,
        needed=["libc.so.6", "libm.so.6"],
        runpath="$ORIGIN",
        flags_1=elf_files.DF_1_PIE | elf_files.DF_1_NODEFLIB,
    )
    program = elf.read(path)
    assert (program.interpreter, program.needed) == (LOADER, ("libc.so.6", "libm.so.6"))
    assert (program.runpath, program.rpath, program.soname) == ("$ORIGIN", None, None)
    assert (program.pie, program.no_default_libraries, program.fixed) == (True, True, False)
    assert program.relro == (0x3DF0, 0x210)
    assert [s.address for s in program.segments] == [0, 0x1000, 0x2000, 0x3DF0]
    assert (program.start, program.end) == (0, 0x5000)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty"),
        (b"hello world", r"is not ELF \(starts with 68 65 6c 6c\)"),
        (b"#!/usr/bin/python3 -u\nprint()", "is a script for '/usr/bin/python3'"),
        (b"#!", "is a script for none"),
        (b"\x7fELF\x02\x01\x01", "truncated: 7 bytes"),
        (content()[:63], "truncated: 63 bytes"),
        (content()[:100], "program headers end at byte"),
        (b"\x7fELF\x07\x01" + bytes(70), "class 7, byte order 1"),
    ],
)
def test_files_that_are_no_program(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "p"
    path.write_bytes(data)
    with pytest.raises(ScenarioError, match=text):
        elf.read(path)


@pytest.mark.parametrize(
    ("machine", "elf_class", "text"),
    [
        (183, 2, "64-bit Arm"),
        (3, 1, "32-bit x86"),
        (62, 1, "x32"),
        (243, 2, "RISC-V"),
        (9999, 2, "9999"),
    ],
)
def test_foreign_machines(tmp_path: Path, machine: int, elf_class: int, text: str) -> None:
    path = write(tmp_path / "p", machine=machine, elf_class=elf_class)
    with pytest.raises(elf.WrongMachine, match=text) as caught:
        elf.read(path)
    assert "x86-64 only" in str(caught.value)
    assert "Trace it" in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ([], "no program headers"),
        ([LOAD] * 74, "74 program headers; Linux refuses more than 73"),
        ([["PT_GNU_RELRO", 0, 0, 0, 0, 4, 1]], "no PT_LOAD"),
        ([load(memory_size=0x800)], "4096 bytes of the file in 2048"),
        ([load(memory_size=1 << 62)], "do not fit into 47 address bits"),
        ([load(address=(1 << 64) - 0x1000)], "do not fit into 47 address bits"),
        ([load(address=0x10)], "not at the same place of a page"),
        ([LOAD, load(address=0x800, offset=0x800)], "overlap or are not in ascending order"),
        ([load(address=0x5000), LOAD], "overlap or are not in ascending order"),
        ([LOAD, ["PT_GNU_RELRO", 0, 1 << 60, 0, 1 << 62, 4, 1]], "PT_GNU_RELRO lies outside"),
        ([LOAD, ["PT_INTERP", 0, 0, 1, 1, 4, 1]], "PT_INTERP has 1 bytes"),
        ([LOAD, ["PT_INTERP", 0, 0, 1 << 40, 0, 4, 1]], "Linux takes 2 to 4096"),
        ([LOAD, ["PT_INTERP", 0x5000, 0, 9, 9, 4, 1]], "PT_INTERP lies beyond"),
        ([LOAD, ["PT_INTERP", 0, 0, 4, 4, 4, 1]], "does not end in NUL"),
        ([LOAD, ["PT_INTERP", 8, 0, 2, 2, 4, 1]], "PT_INTERP is empty"),
        ([LOAD, ["PT_DYNAMIC", 1 << 40, 0, 1 << 30, 0, 4, 8]], "PT_DYNAMIC lies beyond"),
    ],
)
def test_headers_that_no_loader_maps(
    tmp_path: Path, headers: list[list[object]], text: str
) -> None:
    path = tmp_path / "p"
    data = content(program_headers=headers)
    path.write_bytes(data + bytes(max(0, 0x2000 - len(data))))
    with pytest.raises(ScenarioError, match=text):
        elf.read(path)


def test_a_file_shorter_than_its_segments_is_truncated(tmp_path: Path) -> None:
    path = write(tmp_path / "p")
    os.truncate(path, 0x2E00)
    with pytest.raises(ScenarioError, match="truncated: ends at byte 12320 of 11776"):
        elf.read(path)


def test_thousands_of_libraries(tmp_path: Path) -> None:
    headers = [load(file_size=0x40000, memory_size=0x40000)]
    path = write(tmp_path / "p", program_headers=headers, needed=["x"] * 3000)
    with pytest.raises(ScenarioError, match="needs 3000 libraries directly"):
        elf.read(path)


def test_a_dynamic_section_without_end(tmp_path: Path) -> None:
    headers = [load(file_size=0x40000, memory_size=0x40000)]
    path = write(tmp_path / "p", program_headers=headers, needed=["x"] * 5000)
    with pytest.raises(ScenarioError, match="without an end in the first 4096"):
        elf.read(path)


@pytest.mark.parametrize("what", ["folder", "missing", "pipe", "secret"])
def test_what_cannot_be_read(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    if what == "pipe":
        os.mkfifo(path)
    if what == "secret":
        path.symlink_to(path)
    with pytest.raises(FileError, match=what):
        elf.read(path)


@pytest.mark.parametrize(
    ("version", "number", "batched", "traced"),
    [
        ("5.0", (5, 0), False, "6.1.187"),
        ("6.1", (6, 1), False, "6.1.187"),
        ("6.1.0-53-cloud-amd64", (6, 1), False, "6.1.187"),
        ("6.10", (6, 10), False, "6.1.187"),
        ("6.11", (6, 11), True, "6.12.107"),
        ("v6.12.107+deb13", (6, 12), True, "6.12.107"),
        ("7.2", (7, 2), True, "7.2.13"),
        ("6.18.44-fc-v657", (6, 18), True, "6.12.107"),
    ],
)
def test_versions(version: str, number: tuple[int, int], batched: bool, traced: str) -> None:
    rules = kernels.rules_of(version)
    assert (rules.number, rules.batched, rules.traced) == (number, batched, traced)


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("4.19", "older"),
        ("7.3", "newer"),
        ("999.1", "newer"),
        ("six", "not a version"),
        ("6", "not a version"),
        ("", "not a version"),
        ("6.12\n", "not a version"),
        ("9" * 5000 + ".1", "not a version"),
    ],
)
def test_unknown_versions_name_what_is_known(version: str, text: str) -> None:
    with pytest.raises(LockmodelError, match=text) as caught:
        kernels.rules_of(version)
    assert "known: 5.0 to 7.2" in str(caught.value)
    assert len(str(caught.value)) < 300


WHOLE = content(interpreter=LOADER, needed=["libc.so.6"], runpath="$ORIGIN/lib", soname="x")
INTERESTING = [0, 1, 2, 7, 0x7F, 0x80, 0xFF]


@settings(max_examples=400)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, len(WHOLE) - 1),
            st.one_of(st.sampled_from(INTERESTING), st.integers(0, 255)),
        ),
        max_size=8,
    ),
    length=st.one_of(st.just(0x4000), st.integers(0, 0x4000)),
)
def test_damaged_headers_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(WHOLE)
    for position, value in changes:
        data[position] = value
    _map_or_refuse(_file(tmp_path_factory, (bytes(data) + bytes(0x4000))[:length]))


WORDS = [0, 1, 0xFFF, 0x1000, 1 << 31, 1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


@settings(max_examples=300)
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(["PT_LOAD", "PT_LOAD", "PT_GNU_RELRO", "PT_INTERP", "PT_DYNAMIC"]),
            *([st.one_of(st.sampled_from(WORDS), st.integers(0, 8).map(lambda p: p * 0x1000))] * 4),
            st.integers(0, 7),
            st.sampled_from([*WORDS, 0x200000]),
        ),
        max_size=12,
    )
)
def test_absurd_program_headers_are_mapped_or_refused(
    tmp_path_factory: pytest.TempPathFactory, headers: list[tuple[object, ...]]
) -> None:
    _map_or_refuse(_file(tmp_path_factory, content(program_headers=headers) + bytes(0x9000)))


def _file(factory: pytest.TempPathFactory, data: bytes) -> Path:
    path = factory.getbasetemp() / "mutated"
    path.write_bytes(data)
    return path


def _map_or_refuse(path: Path) -> None:
    map_it: Callable[..., images.Mapped]
    said = "read and mapped, without any error"
    try:
        headers = elf.read(path)
        for map_it in (images.by_kernel, images.by_loader):
            mapped = map_it(headers, RULES, "x")
            # every mapping is linked, or what a split left over
            assert mapped.mappings <= sum(e.operations for e in mapped.events)
    except LockmodelError as error:
        said = str(error)
    assert 20 < len(said) < 600


@pytest.mark.parametrize(("libraries", "fits"), [(56, True), (400, False)])
def test_the_worst_program_takes_less_than_two_seconds(
    tmp_path: Path, libraries: int, fits: bool
) -> None:
    """Libraries of 70 segments each, all of them with bss and holes."""
    folder = tmp_path / "lib64"
    many = [
        ["PT_LOAD", 0x1000 * i, 0x4000 * i, 0x1000, 0x2000, 4 + i % 3, 0x1000] for i in range(70)
    ]
    many[0][3] = many[0][4] = 0x3000
    write(folder / Path(LOADER).name)
    for i in range(libraries):
        needed = [f"l{j}.so" for j in range(libraries)] if i == 0 else []
        write(folder / f"l{i}.so", program_headers=many, needed=needed)
    write(tmp_path / "prog", program_headers=many, interpreter=LOADER, needed=["l0.so"])
    resolver = Resolver(Sysroot(tmp_path))
    start = time.process_time()
    if fits:
        counts = count(resolver, "/prog", "6.12", "vfork")
        # a mapping per segment and per hole; the first segment fills its hole
        assert [f.mappings for f in counts.files].count(139) == libraries
    else:
        with pytest.raises(ScenarioError, match="more than 400 libraries or 4000 segments"):
            count(resolver, "/prog", "6.12", "vfork")
    assert time.process_time() - start < 2.0
