"""The program headers of an ELF file -> what the kernel and ld.so need to map it.

Only headers are read (pyelftools parses them), a few kilobytes at most, and every number is
checked before it is used: the file may be truncated or hostile. Nothing is executed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from lockmodel.errors import FileError, ScenarioError, shown
from lockmodel.measure.acquires import dynamic
from lockmodel.measure.acquires.sysroot import printable
from lockmodel.measure.acquires.vmas import PAGE, page_down, page_up

MAGIC = b"\x7fELF"
HEADER_BYTES = 64
"""sizeof(Elf64_Ehdr)."""
PROGRAM_HEADER_BYTES = 56
"""sizeof(Elf64_Phdr)."""

MAX_PROGRAM_HEADERS = 73
"""The kernel's limit (load_elf_phdrs): the table has to fit into one page."""
MAX_NEEDED = 512
"""DT_NEEDED entries of one file; real ones have below 100."""
MAX_ADDRESS = 1 << 47
"""TASK_SIZE of x86-64 with four levels of page tables."""

DF_1_NODEFLIB, DF_1_PIE = 0x800, 0x08000000

ARCHITECTURES = {
    "EM_386": "32-bit x86",
    "EM_AARCH64": "64-bit Arm",
    "EM_ARM": "32-bit Arm",
    "EM_RISCV": "RISC-V",
    "EM_PPC64": "PowerPC",
    "EM_S390": "s390x",
    "EM_LOONGARCH": "LoongArch",
    "EM_MIPS": "MIPS",
}


@dataclass(frozen=True)
class Segment:
    """A PT_LOAD: bytes of the file that become memory.

    Attributes
    ----------
    offset, file_size : int
        Bytes in the file.
    address, memory_size : int
        Bytes in memory before the load bias; what exceeds `file_size` is zero (bss).
    protection : int
        p_flags: READ, WRITE, EXECUTE of `vmas`.
    alignment : int
        p_align.
    """

    offset: int
    address: int
    file_size: int
    memory_size: int
    protection: int
    alignment: int

    @property
    def file_end(self) -> int:
        """First address behind the bytes of the file."""
        return self.address + self.file_size

    @property
    def end(self) -> int:
        """First address behind the segment."""
        return self.address + self.memory_size


@dataclass(frozen=True)
class Image:
    """An ELF file as the loaders see it.

    Attributes
    ----------
    path : str
        As it was opened, for messages.
    fixed : bool
        ET_EXEC: has its address; otherwise ET_DYN, which goes anywhere.
    segments : tuple of Segment
        The PT_LOADs, ascending.
    relro : tuple of (int, int) or None
        Address and size of PT_GNU_RELRO, read-only after relocation.
    interpreter : str or None
        PT_INTERP: the path of ld.so; None is static, static PIE or a library.
    needed : tuple of str
        DT_NEEDED, in order.
    soname : str or None
        DT_SONAME.
    rpath, runpath : str or None
        DT_RPATH and DT_RUNPATH as written.
    pie : bool
        DF_1_PIE: a program that goes anywhere.
    no_default_libraries : bool
        DF_1_NODEFLIB: neither cache nor default folders are searched.
    text_relocations : bool
        DT_TEXTREL: ld.so makes segments writable for a while.
    """

    path: str
    fixed: bool
    segments: tuple[Segment, ...]
    relro: tuple[int, int] | None = None
    interpreter: str | None = None
    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: str | None = None
    runpath: str | None = None
    pie: bool = False
    no_default_libraries: bool = False
    text_relocations: bool = False

    @property
    def start(self) -> int:
        """First page of the image."""
        return page_down(self.segments[0].address)

    @property
    def end(self) -> int:
        """First address behind its last page."""
        return page_up(max(segment.end for segment in self.segments))


class WrongMachine(ScenarioError):
    """An ELF file for another architecture or class: ld.so searches on."""


def read(file: Path, name: str | None = None) -> Image:
    """Return what an ELF file tells the loaders.

    Parameters
    ----------
    file : Path
        What to open.
    name : str, optional
        How messages call it (its path inside a sysroot).

    Raises
    ------
    FileError
        It cannot be opened, or is not a regular file.
    WrongMachine
        It is ELF, but not for x86-64.
    ScenarioError
        It is not ELF, a script, truncated, or no loader could map it.
    """
    called = printable(name or str(file))
    try:
        with open(file, "rb", opener=_open) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileError(f"{called}: is not a regular file; give an ELF program")
            return _parse(stream, status.st_size, called)
    except FileError:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, ScenarioError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{called}: cannot be read: {reason}") from None


def _open(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _parse(stream: IO[bytes], size: int, called: str) -> Image:
    from elftools.common.exceptions import ELFError, ELFParseError
    from elftools.elf.structs import ELFStructs

    head = stream.read(HEADER_BYTES)
    _is_elf(head, stream, called)
    structs = ELFStructs(little_endian=head[5] == 1, elfclass=64 if head[4] == 2 else 32)
    try:
        structs.create_basic_structs()
        structs.create_advanced_structs()
        header = dynamic.at(structs.Elf_Ehdr, stream, 0)
        _supported(header, head, called)
        structs.create_advanced_structs(header["e_type"], header["e_machine"])
        table = list(_program_headers(structs, stream, header, size, called))
        return _image(structs, stream, header, table, size, called)
    except (ELFError, ELFParseError, KeyError, OverflowError) as error:
        raise ScenarioError(f"{called}: damaged ELF headers ({error})") from None


def _is_elf(head: bytes, stream: IO[bytes], called: str) -> None:
    if head[:2] == b"#!":
        stream.seek(0)
        line = stream.read(256).split(b"\n")[0][2:].split()
        program = shown(line[0].decode("utf-8", "replace")) if line else "none"
        raise ScenarioError(
            f"{called}: is a script for {program}; the kernel maps its interpreter, so give that"
        )
    if not head:
        raise ScenarioError(f"{called}: is empty; give an ELF program")
    if head[:4] != MAGIC:
        raise ScenarioError(
            f"{called}: is not ELF (starts with {head[:4].hex(' ')}); give a compiled program"
        )
    if len(head) < HEADER_BYTES:
        raise ScenarioError(f"{called}: truncated: {len(head)} bytes, an ELF header has 64")
    if head[4] not in (1, 2) or head[5] not in (1, 2):
        raise ScenarioError(f"{called}: damaged ELF header: class {head[4]}, byte order {head[5]}")


def _supported(header: Any, head: bytes, called: str) -> None:
    machine = header["e_machine"]
    if machine != "EM_X86_64" or head[4] != 2 or head[5] != 1:
        what = ARCHITECTURES.get(str(machine), shown(machine))
        what = "x32 (32-bit class on x86-64)" if machine == "EM_X86_64" else what
        raise WrongMachine(
            f"{called}: is for {what}; the rules are known for 64-bit x86-64 only (page "
            f"size and ld.so differ elsewhere). Trace it there instead: `lockmodel trace`"
        )
    if header["e_type"] not in ("ET_EXEC", "ET_DYN"):
        raise ScenarioError(
            f"{called}: e_type {shown(header['e_type'])} is no program or shared library; "
            f"link it first"
        )


def _program_headers(
    structs: Any, stream: IO[bytes], header: Any, size: int, called: str
) -> Iterator[Any]:
    count, each, start = header["e_phnum"], header["e_phentsize"], header["e_phoff"]
    if count == 0:
        raise ScenarioError(f"{called}: has no program headers, so nothing can be mapped")
    if count > MAX_PROGRAM_HEADERS:
        raise ScenarioError(
            f"{called}: {count} program headers; Linux refuses more than {MAX_PROGRAM_HEADERS}"
        )
    if each != PROGRAM_HEADER_BYTES:
        raise ScenarioError(f"{called}: program headers of {each} bytes; they must have 56")
    if start + count * each > size:
        raise ScenarioError(
            f"{called}: truncated: program headers end at byte {start + count * each} of {size}"
        )
    for i in range(count):
        yield dynamic.at(structs.Elf_Phdr, stream, start + i * each)


def _image(
    structs: Any, stream: IO[bytes], header: Any, table: list[Any], size: int, called: str
) -> Image:
    segments = tuple(_segment(entry, size, called) for entry in table if _is(entry, "PT_LOAD"))
    _mappable(segments, called)
    relro = next((entry for entry in table if _is(entry, "PT_GNU_RELRO")), None)
    if relro is not None and relro["p_vaddr"] + relro["p_memsz"] > MAX_ADDRESS:
        raise ScenarioError(f"{called}: PT_GNU_RELRO lies outside the address space")
    entry = next((entry for entry in table if _is(entry, "PT_DYNAMIC")), None)
    tags = [] if entry is None else list(dynamic.entries(structs, stream, entry, size, called))
    spans = tuple((s.address, s.file_end, s.offset) for s in segments)
    texts = dynamic.Texts(stream, spans, tags, called)
    flags = next((value for tag, value in tags if tag == "DT_FLAGS_1"), 0)
    names = [value for tag, value in tags if tag == "DT_NEEDED"]
    if len(names) > MAX_NEEDED:
        raise ScenarioError(
            f"{called}: needs {len(names)} libraries directly; at most {MAX_NEEDED} are read"
        )
    return Image(
        path=called,
        fixed=header["e_type"] == "ET_EXEC",
        segments=segments,
        relro=None if relro is None else (relro["p_vaddr"], relro["p_memsz"]),
        interpreter=_interpreter(stream, table, size, called),
        needed=tuple(texts.at(value, "DT_NEEDED") for value in names),
        soname=texts.first("DT_SONAME"),
        rpath=texts.first("DT_RPATH"),
        runpath=texts.first("DT_RUNPATH"),
        pie=bool(flags & DF_1_PIE),
        no_default_libraries=bool(flags & DF_1_NODEFLIB),
        text_relocations=any(tag == "DT_TEXTREL" for tag, _ in tags),
    )


def _is(entry: Any, kind: str) -> bool:
    return bool(entry["p_type"] == kind)


def _segment(entry: Any, size: int, called: str) -> Segment:
    segment = Segment(
        offset=entry["p_offset"],
        address=entry["p_vaddr"],
        file_size=entry["p_filesz"],
        memory_size=entry["p_memsz"],
        protection=entry["p_flags"] & 7,
        alignment=entry["p_align"],
    )
    name = f"{called}: PT_LOAD at {segment.address:#x}"
    if segment.file_size > segment.memory_size:
        raise ScenarioError(
            f"{name}: has {segment.file_size} bytes of the file in {segment.memory_size} of memory"
        )
    if segment.end > MAX_ADDRESS:
        raise ScenarioError(f"{name}: {segment.memory_size} bytes do not fit into 47 address bits")
    if segment.offset + segment.file_size > size:
        raise ScenarioError(
            f"{name}: truncated: ends at byte {segment.offset + segment.file_size} of {size}"
        )
    if (segment.offset - segment.address) % PAGE:
        raise ScenarioError(
            f"{name}: file offset {segment.offset:#x} is not at the same place of a page; neither "
            f"the kernel nor ld.so can map it"
        )
    return segment


def _mappable(segments: tuple[Segment, ...], called: str) -> None:
    if not any(segment.memory_size for segment in segments):
        raise ScenarioError(f"{called}: has no PT_LOAD segment, so nothing can be mapped")
    for before, after in pairwise(segments):
        if after.address < before.end:
            raise ScenarioError(
                f"{called}: PT_LOAD segments at {before.address:#x} and {after.address:#x} "
                f"overlap or are not in ascending order; no linker writes that"
            )


def _interpreter(stream: IO[bytes], table: list[Any], size: int, called: str) -> str | None:
    entry = next((entry for entry in table if _is(entry, "PT_INTERP")), None)
    if entry is None:
        return None
    length = entry["p_filesz"]
    if not 2 <= length <= dynamic.MAX_TEXT + 1:
        raise ScenarioError(f"{called}: PT_INTERP has {length} bytes; Linux takes 2 to 4096")
    if entry["p_offset"] + length > size:
        raise ScenarioError(f"{called}: truncated: PT_INTERP lies beyond the {size} bytes")
    stream.seek(entry["p_offset"])
    content = stream.read(length)
    if content[-1:] != b"\0":
        raise ScenarioError(f"{called}: PT_INTERP does not end in NUL; Linux refuses to run it")
    path = os.fsdecode(content.split(b"\0")[0])
    if not path:
        raise ScenarioError(f"{called}: PT_INTERP is empty; Linux refuses to run it")
    return path
