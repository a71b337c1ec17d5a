"""Kernel images and packages for the tests, by the format descriptions that the code reads.

BTF: Documentation/bpf/btf.rst. bzImage: Documentation/arch/x86/boot.rst. ELF: gABI. ar: deb(5).
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF = 1, 2, 3, 4, 5, 6, 7, 8
VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC = 9, 10, 11, 12, 13, 14, 15
FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = 16, 17, 18, 19


@dataclass
class Btf:
    """A BTF section that is built type by type."""

    strings: bytearray = field(default_factory=lambda: bytearray(b"\0"))
    types: bytearray = field(default_factory=bytearray)
    count: int = 0

    def text(self, name: str) -> int:
        if not name:
            return 0
        at = len(self.strings)
        self.strings += name.encode() + b"\0"
        return at

    def add(
        self,
        kind: int,
        name: str = "",
        vlen: int = 0,
        size: int = 0,
        extra: bytes = b"",
        flag: int = 0,
    ) -> int:
        """Add a type; return its number."""
        info = flag << 31 | kind << 24 | vlen
        self.types += struct.pack("<III", self.text(name), info, size) + extra
        self.count += 1
        return self.count

    def struct(
        self,
        name: str,
        members: Iterable[tuple[str, int, int]],
        kind: int = STRUCT,
        widths: Iterable[int] | None = None,
    ) -> int:
        """Add a structure of members (name, type, offset in bits); `widths` sets kind_flag."""
        each = list(members)
        wide = list(widths) if widths is not None else [0] * len(each)
        extra = b"".join(
            struct.pack("<III", self.text(text), number, width << 24 | bits)
            for (text, number, bits), width in zip(each, wide, strict=True)
        )
        return self.add(kind, name, len(each), 64, extra, int(widths is not None))

    def bytes(self) -> bytes:
        sizes = (0, len(self.types), len(self.types), len(self.strings))
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, *sizes)
        return header + bytes(self.types) + bytes(self.strings)


def kernel_btf(tree: int, lock: int, inode: int) -> bytes:
    """Return the BTF of a kernel with these byte offsets."""
    made = Btf()
    number = made.add(INT, "unsigned long", size=8, extra=struct.pack("<I", 64))
    made.struct("inode", [("i_mode", number, 0), ("i_ino", number, 8 * inode)])
    made.struct("address_space", [("i_mmap", number, 8 * tree), ("i_mmap_rwsem", number, 8 * lock)])
    return made.bytes()


def elf(btf: bytes | None, filler: int = 3000) -> bytes:
    """Return a vmlinux of sections: nothing, .text, perhaps .BTF, and their names."""
    contents = {".text": bytes(range(256)) * (filler // 256)}
    if btf is not None:
        contents[".BTF"] = btf
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*contents, ".shstrtab"])
    contents[".shstrtab"] = names
    body, headers = b"", bytes(64)
    for name, content in contents.items():
        at = names.index(name.encode() + b"\0")
        headers += struct.pack("<IIQQQQIIQQ", at, 1, 0, 0, 64 + len(body), len(content), 0, 0, 1, 0)
        body += content
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    number = len(contents) + 1
    head = struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, 64 + len(body), 0, 64, 56, 0, 64, number, number - 1
    )
    return ident + head + body + headers


def gzip_packed(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data) + struct.pack("<I", len(data))


def xz_packed(data: bytes) -> bytes:
    """Pack as scripts/xz_wrap.sh does."""
    import lzma

    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6}]
    packed = lzma.compress(data, check=lzma.CHECK_CRC32, filters=filters)
    return packed + struct.pack("<I", len(data))


def lzma_packed(data: bytes) -> bytes:
    import lzma

    return lzma.compress(data, format=lzma.FORMAT_ALONE) + struct.pack("<I", len(data))


def bzip2_packed(data: bytes) -> bytes:
    import bz2

    return bz2.compress(data) + struct.pack("<I", len(data))


def zstd_packed(data: bytes) -> bytes:
    """Pack without the size in the header, as from a pipe."""
    import zstandard

    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return packer.compress(data) + packer.flush() + struct.pack("<I", len(data))


LZ4_BLOCK = 8 << 20


def lz4_packed(data: bytes, block: int = LZ4_BLOCK) -> bytes:
    """Pack as lz4 -l: doc/lz4_Frame_format.md, "Legacy frame"."""
    import lz4.block

    packed = b"\x02\x21\x4c\x18"
    for at in range(0, len(data), block):
        part = lz4.block.compress(data[at : at + block], store_size=False)
        packed += struct.pack("<I", len(part)) + part
    return packed + struct.pack("<I", len(data))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip_packed,
    "xz": xz_packed,
    "lzma": lzma_packed,
    "bzip2": bzip2_packed,
    "lz4": lz4_packed,
    "zstd": zstd_packed,
}


def bzimage(
    payload: bytes,
    release: str = "6.12.107+deb13-cloud-amd64",
    setup: int = 3,
    version: int = 0x20F,
    claimed: int | None = None,
) -> bytes:
    """Return a boot file: setup code of `setup` sectors (0 means 4), then the payload."""
    sectors = (setup or 4) + 1
    head = bytearray(sectors * 512)
    head[0x1F1] = setup
    head[0x1FE:0x200] = b"\x55\xaa"
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, version)
    struct.pack_into("<H", head, 0x20E, 0x400 - 0x200)
    text = f"{release} (debian-kernel@lists.debian.org) #1 SMP\0".encode()
    head[0x400 : 0x400 + len(text)] = text
    decompressor = b"\x90" * 100
    length = len(payload) if claimed is None else claimed
    struct.pack_into("<II", head, 0x248, len(decompressor), length)
    return bytes(head) + decompressor + payload + b"\xcc" * 50


def tar(files: dict[str, bytes], folders: Iterable[str] = ()) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def member(name: str, content: bytes, size: str | None = None) -> bytes:
    """Return a member of an ar archive."""
    length = str(len(content)) if size is None else size
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{length:<10}`\n".encode()
    return head + content + b"\n" * (len(content) % 2)


def package(data_tar: bytes, name: str = "data.tar") -> bytes:
    return b"!<arch>\n" + b"".join(
        [
            member("debian-binary", b"2.0\n"),
            member("_odd", b"odd"),
            member("control.tar", tar({"./control": b"Package: linux-image\n"})),
            member(name, data_tar),
        ]
    )


RELEASE = "6.12.107+deb13-cloud-amd64"
PACKAGE = package(
    tar({f"./boot/vmlinuz-{RELEASE}": bzimage(gzip_packed(elf(kernel_btf(72, 144, 64))))})
)
"""A package with a kernel that has the offsets of 6.12."""
