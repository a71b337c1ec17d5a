"""ELF files made of headers alone: what the loaders read, and holes where code would be.

`write` makes a file from numbers; `REFERENCE` has those of real programs and libraries
(tests/reference/elf_headers.json); `system` builds a root folder of them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REFERENCE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "reference" / "elf_headers.json").read_text()
)["files"]

TYPES = {"ET_EXEC": 2, "ET_DYN": 3}
KINDS = {"PT_LOAD": 1, "PT_DYNAMIC": 2, "PT_INTERP": 3, "PT_GNU_RELRO": 0x6474E552}
TAGS = {"needed": 1, "soname": 14, "rpath": 15, "runpath": 29}
DT_STRTAB, DT_TEXTREL, DT_FLAGS_1 = 5, 22, 0x6FFFFFFB
DF_1_PIE, DF_1_NODEFLIB = 0x08000000, 0x800
LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"

FAR = 1 << 24
"""A dynamic section from here on lies outside the file."""

Header = Sequence[Any]
"""Kind, offset, address, bytes in file, bytes in memory, flags, alignment."""

PLAIN: list[Header] = [
    ["PT_LOAD", 0x0, 0x0, 0x1000, 0x1000, 4, 0x1000],
    ["PT_LOAD", 0x1000, 0x1000, 0x800, 0x800, 5, 0x1000],
    ["PT_LOAD", 0x2000, 0x2000, 0x400, 0x400, 4, 0x1000],
    ["PT_LOAD", 0x2DF0, 0x3DF0, 0x230, 0x238, 6, 0x1000],
    ["PT_GNU_RELRO", 0x2DF0, 0x3DF0, 0x210, 0x210, 4, 1],
]
"""What GNU ld makes of a small program or library."""


def content(
    program_headers: Sequence[Header] = PLAIN,
    type: str = "ET_DYN",
    interpreter: str | None = None,
    needed: Sequence[str] = (),
    soname: str | None = None,
    rpath: str | None = None,
    runpath: str | None = None,
    flags_1: int = 0,
    textrel: bool = False,
    machine: int = 62,
    elf_class: int = 2,
) -> bytes:
    """Return the bytes up to the last one that is not zero."""
    table = [list(header) for header in program_headers]
    own = {str(header[0]) for header in table}
    texts, dynamic = b"\0", b""
    for key, values in (
        ("needed", needed),
        ("soname", [soname] if soname else []),
        ("rpath", [rpath] if rpath else []),
        ("runpath", [runpath] if runpath else []),
    ):
        for value in values:
            dynamic += struct.pack("<QQ", TAGS[key], len(texts))
            texts += value.encode() + b"\0"
    dynamic += struct.pack("<QQ", DT_TEXTREL, 0) if textrel else b""
    dynamic += struct.pack("<QQ", DT_FLAGS_1, flags_1) if flags_1 else b""
    path = (interpreter or "").encode() + b"\0"
    at = 64 + 56 * (len(table) + 2)
    pieces: dict[int, bytes] = {}
    if interpreter is not None and "PT_INTERP" not in own:
        table.insert(0, ["PT_INTERP", at, at, len(path), len(path), 4, 1])
        at += len(path)
    if interpreter is not None:
        header = next(h for h in table if h[0] == "PT_INTERP")
        pieces[header[1]] = path
        if header[1] < 0x1000:
            at = max(at, header[1] + header[3])
    pieces[at] = texts
    dynamic += struct.pack("<QQQQ", DT_STRTAB, at, 0, 0)
    at += len(texts) + -len(texts) % 8
    if len(dynamic) > 32 and "PT_DYNAMIC" not in own:
        table.append(["PT_DYNAMIC", at, at, len(dynamic), len(dynamic), 6, 8])
    where = next((h[1] for h in table if h[0] == "PT_DYNAMIC"), FAR)
    if where < FAR:
        pieces[where] = dynamic
    ident = b"\x7fELF" + bytes([elf_class, 1, 1]) + bytes(9)
    head = struct.pack(
        "<HHIQQQIHHHHHH", TYPES[type], machine, 1, 0, 64, 0, 0, 64, 56, len(table), 64, 0, 0
    )
    packed = b"".join(
        struct.pack("<IIQQQQQQ", KINDS[kind], flags, offset, address, address, size, memory, align)
        for kind, offset, address, size, memory, flags, align in table
    )
    pieces[0] = ident + head + packed
    whole = bytearray(max(start + len(piece) for start, piece in pieces.items()))
    for start, piece in sorted(pieces.items()):
        whole[start : start + len(piece)] = piece
    return bytes(whole)


def write(path: Path, **options: Any) -> Path:
    """Write a file of the given headers (see `content`) with its whole length, sparse."""
    data = content(**options)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = options.get("program_headers", PLAIN)
    with path.open("wb") as stream:
        stream.write(data)
        stream.truncate(max([len(data), *(h[1] + h[3] for h in table)]))
    return path


def reference(path: Path, name: str, **changes: Any) -> Path:
    """Write the reference file of a name."""
    return write(path, **{**REFERENCE[name], **changes})


def system(root: Path) -> Path:
    """Write every reference file where Debian has it, links and all; return the root."""
    for name in REFERENCE:
        library = name.startswith(("lib", "ld-"))
        reference(root / (LIBRARIES if library else "/usr/bin").lstrip("/") / name, name)
    (root / "lib").symlink_to("usr/lib")
    (root / "lib64").mkdir()
    (root / "lib64" / "ld-linux-x86-64.so.2").symlink_to(f"{LIBRARIES}/ld-linux-x86-64.so.2")
    return root
