"""The kernel's symbol table, read from tables written as scripts/kallsyms.c of Linux does."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Sequence

import pytest

from lockmodel.errors import ScenarioError
from lockmodel.measure.trace.kallsyms import functions, symbols

BASE = 0xFFFFFFFF81000000
PAIRS = ["lock", "_s", "spin", "read", "__x64_sys_"]
"""Tokens of several characters, in place of bytes that no name has."""

LONGEST_FIRST = [0x80 + PAIRS.index(pair) for pair in sorted(PAIRS, key=len, reverse=True)]

Named = Sequence[tuple[int, str]]
"""Address, and type and name in one."""


def tables(named: Named, layout: str = "6.12", per_cpu: bool = True) -> bytes:
    """Return a kernel with these symbols; the order of its tables is that of 6.1 or of 6.12."""
    tokens = [bytes((code,)) if 0x20 < code < 0x7F else b"" for code in range(256)]
    for code, pair in enumerate(PAIRS, 0x80):
        tokens[code] = pair.encode()
    names, marks = b"", []
    for i, (_, name) in enumerate(named):
        if i % 256 == 0:
            marks.append(len(names))
        packed, text = [], name.encode()
        while text:
            longest = (c for c in LONGEST_FIRST if text.startswith(tokens[c]))
            code = next(longest, text[0])
            packed.append(code)
            text = text[len(tokens[code]) :]
        size = len(packed)
        names += bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
        names += bytes(packed)
    table, index = b"", []
    for token in tokens:
        index.append(len(table))
        table += token + b"\0"

    def offset(address: int) -> int:
        if not per_cpu:
            return address - BASE
        return BASE - 1 - address if address >= BASE else address

    code = "<i" if per_cpu else "<I"
    addresses = aligned(b"".join(struct.pack(code, offset(at)) for at, _ in named))
    addresses += struct.pack("<Q", BASE)
    number = struct.pack("<Q", len(named))
    behind = aligned(names) + aligned(struct.pack(f"<{len(marks)}I", *marks)) + aligned(table)
    behind += aligned(struct.pack("<256H", *index))
    parts = [number, behind, addresses] if layout == "6.12" else [addresses, number, behind]
    filler = bytes(random.Random(1).randbytes(4096))
    return filler + b"".join(parts) + filler


def aligned(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 8)


def made(number: int = 3000) -> list[tuple[int, str]]:
    stems = ("_raw_spin_lock", "down_read", "__x64_sys_read", "a", "x" * 200)
    kinds = "tTdDbBrRw"
    return [
        (BASE + 16 * i, f"{kinds[i % len(kinds)]}{stems[i % len(stems)]}_{i}")
        for i in range(number)
    ]


@pytest.mark.parametrize("per_cpu", [True, False])
@pytest.mark.parametrize("layout", ["6.1", "6.12"])
def test_all_symbols_are_read(layout: str, per_cpu: bool) -> None:
    named = made()
    found = symbols(tables(named, layout, per_cpu))
    assert [(s.address, s.kind + s.name) for s in found] == named


def test_memory_per_cpu_is_left_out() -> None:
    named = [(0, "A__per_cpu_start"), (0x1000, "dcpu_hot"), *made()]
    found = symbols(tables(named))
    assert len(found) == 3000
    assert "cpu_hot" not in {s.name for s in found}


def test_a_function_ends_where_the_next_symbol_begins() -> None:
    named = [
        (BASE, "T_stext"),
        (BASE, "Tfirst"),  # two names
        (BASE + 0x40, "tsecond.isra.0"),
        (BASE + 0x50, "dno_function"),
        (BASE + 0x90, "Tthird"),
        *made()[100:2000],
    ]
    found = functions(symbols(tables(named)))
    assert (BASE, BASE + 0x40, "first") in found
    assert (BASE, BASE + 0x40, "_stext") in found
    assert (BASE + 0x40, BASE + 0x50, "second.isra.0") in found
    assert "no_function" not in {name for _, _, name in found}
    assert functions([]) == []


@pytest.mark.parametrize("cut", [4096, 12000, 60000])
def test_a_kernel_without_whole_tables_is_refused(cut: int) -> None:
    with pytest.raises(ScenarioError, match=r"kernel image: has no .*distribution's kernel"):
        symbols(tables(made())[:cut])


def test_damaged_tables_are_no_traceback_and_no_endless_search() -> None:
    """In a process of its own: a search that does not end is ended."""
    script = (
        "import random\n"
        "from test_trace_kallsyms import made, tables\n"
        "from lockmodel.errors import ScenarioError\n"
        "from lockmodel.measure.trace.kallsyms import symbols\n"
        "whole, rng, read = tables(made()), random.Random(5), 0\n"
        "for _ in range(200):\n"
        "    data = bytearray(whole)\n"
        "    for _ in range(3):\n"
        "        data[rng.randrange(4096, len(data) - 4096)] ^= 1 << rng.randrange(8)\n"
        "    try:\n"
        "        read += bool(symbols(bytes(data)))\n"
        "    except ScenarioError:\n"
        "        pass\n"
        "print(read)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=__file__.rpartition("/")[0],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50  # a damaged name or address is not noticed
