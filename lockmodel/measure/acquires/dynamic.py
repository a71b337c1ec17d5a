"""The dynamic section of an ELF file: tags, and the texts that some of them name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from lockmodel.errors import ScenarioError

DYNAMIC_BYTES = 16
"""sizeof(Elf64_Dyn)."""
MAX_DYNAMIC = 4096
"""Entries of a dynamic section that are read; real ones have below 100."""
MAX_TEXT = 4095
"""Bytes of a path: PATH_MAX without the NUL."""


def at(struct: Any, stream: IO[bytes], position: int) -> Any:
    """Return a struct of pyelftools read at a position of the file."""
    from elftools.common.utils import struct_parse

    return struct_parse(struct, stream, stream_pos=position)


def entries(
    structs: Any, stream: IO[bytes], entry: Any, size: int, called: str
) -> Iterator[tuple[str, int]]:
    """Yield tag and value of the dynamic section up to DT_NULL."""
    start, length = entry["p_offset"], entry["p_filesz"]
    if start + length > size:
        raise ScenarioError(f"{called}: truncated: PT_DYNAMIC lies beyond {size} bytes")
    count = length // DYNAMIC_BYTES
    for i in range(min(count, MAX_DYNAMIC)):
        row = at(structs.Elf_Dyn, stream, start + i * DYNAMIC_BYTES)
        if row["d_tag"] == "DT_NULL":
            return
        yield str(row["d_tag"]), int(row["d_val"])
    if count > MAX_DYNAMIC:
        raise ScenarioError(
            f"{called}: dynamic section of {count} entries without an end in the first "
            f"{MAX_DYNAMIC}"
        )


@dataclass(frozen=True)
class Texts:
    """The dynamic string table: DT_STRTAB is an address, so a segment says where it is.

    Attributes
    ----------
    stream : binary file
    segments : tuple of (int, int, int)
        First address, first behind it, and offset in the file.
    tags : list of (str, int)
        The dynamic section.
    called : str
        The file, for messages.
    """

    stream: IO[bytes]
    segments: tuple[tuple[int, int, int], ...]
    tags: list[tuple[str, int]]
    called: str

    def first(self, wanted: str) -> str | None:
        """Return the text of the first such tag."""
        place = next((value for tag, value in self.tags if tag == wanted), None)
        return None if place is None else self.at(place, wanted)

    def at(self, index: int, tag: str) -> str:
        """Return the text at an index of the table."""
        table = next((value for name, value in self.tags if name == "DT_STRTAB"), None)
        if table is None:
            raise ScenarioError(f"{self.called}: {tag} without a string table (DT_STRTAB)")
        address = table + index
        for start, end, offset in self.segments:
            if start <= address < end:
                self.stream.seek(offset + address - start)
                content = self.stream.read(min(MAX_TEXT + 1, end - address))
                text, nul, _ = content.partition(b"\0")
                if nul:
                    return os.fsdecode(text)
        raise ScenarioError(
            f"{self.called}: {tag} is no text inside the file (address {address:#x})"
        )
