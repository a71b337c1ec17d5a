"""A kernel package or image -> its boot file, its release, and the BTF inside it.

==============================  =====================================================
.deb                            an ar archive; data.tar has boot/vmlinuz-RELEASE
vmlinuz (bzImage)               boot.rst, "The Real-Mode Kernel Header": the payload
payload                         vmlinux, an ELF file, packed by one of `PACKERS`
vmlinux, section .BTF           see `btf`
==============================  =====================================================

Nothing is written or executed, no path of an archive is used, and every size is bounded.
"""

from __future__ import annotations

import io
import re
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lockmodel.errors import FileError, ScenarioError

MEMBER = struct.Struct("16s12s6s6s8s10s2s")
"""Header of a member of an ar archive: name, date, user, group, mode, size, end."""
AR = b"!<arch>\n"

LARGEST_PACKAGE = 1 << 30
LARGEST_IMAGE = 256 << 20
LARGEST_KERNEL = 1 << 30
MOST_MEMBERS = 100_000

BOOT_MAGIC = b"HdrS"
MAGIC_AT, VERSION_AT, SETUP_AT, NAME_AT, PAYLOAD_AT = 0x202, 0x206, 0x1F1, 0x20E, 0x248
SECTOR = 512
WITH_PAYLOAD = 0x208
"""Boot protocol that says where the payload is."""

BOOT_FILE = re.compile(r"(?:\./)?(?:usr/lib/modules/[^/]+|boot)/vmlinuz(?:-[^/]+)?")


@dataclass(frozen=True)
class KernelImage:
    """A kernel that can be booted.

    Attributes
    ----------
    release : str
        As uname -r would print it.
    image : bytes
        The bzImage.
    """

    release: str
    image: bytes

    def btf(self) -> bytes | None:
        """Return the BTF of the kernel, or None where it was built without.

        Raises
        ------
        ScenarioError
            The image is packed in an unknown way, or damaged.
        """
        return _section(_unpacked(_payload(self.image)))


def read(path: str) -> KernelImage:
    """Return the kernel of a Debian package or of a vmlinuz file.

    Raises
    ------
    FileError
        The file cannot be read.
    ScenarioError
        It holds no x86 kernel.
    """
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(len(AR))
            stream.seek(0)
            if start == AR:
                image = _from_package(path, stream)
            else:
                image = _bounded(stream, LARGEST_IMAGE, path)
    except OSError as error:
        raise FileError(f"--kernel-deb {path}: cannot be read: {error.strerror}") from None
    except tarfile.TarError as error:
        raise ScenarioError(f"{path}: is damaged: {error}") from None
    return KernelImage(_release(path, image), image)


def _bounded(stream: IO[bytes], most: int, what: str) -> bytes:
    data = stream.read(most + 1)
    if len(data) > most:
        raise ScenarioError(f"{what}: is larger than {most >> 20} MiB; this is no kernel")
    return data


def _from_package(path: str, stream: IO[bytes]) -> bytes:
    """Return the boot file of a package."""
    name, packed = _data_member(path, stream)
    tar = _stream(name, packed)
    with tarfile.open(fileobj=tar, mode="r|") as archive:
        for seen, member in enumerate(archive):
            if seen > MOST_MEMBERS:
                break
            if member.isreg() and BOOT_FILE.fullmatch(member.name):
                content = archive.extractfile(member)
                if content is not None:
                    return _bounded(content, LARGEST_IMAGE, f"{path}: {member.name}")
    raise ScenarioError(
        f"{path}: has no boot/vmlinuz-*; give the package of an image (linux-image-*-amd64, not "
        f"the metapackage linux-image-amd64)"
    )


def _data_member(path: str, stream: IO[bytes]) -> tuple[str, bytes]:
    """Return name and content of data.tar.* of an ar archive."""
    stream.seek(len(AR))
    for _ in range(MOST_MEMBERS):
        header = stream.read(MEMBER.size)
        if len(header) < MEMBER.size:
            break
        name, *_, size, end = MEMBER.unpack(header)
        if end != b"`\n" or not size.strip().isdigit():
            break
        length = int(size)
        if length > LARGEST_PACKAGE:
            break
        if name.startswith(b"data.tar"):
            content = stream.read(length)
            if len(content) < length:
                raise ScenarioError(f"{path}: is cut off; load it again")
            return name.decode("ascii", "replace").strip(" /"), content
        stream.seek(length + length % 2, io.SEEK_CUR)
    raise ScenarioError(f"{path}: is no Debian package with a data.tar; load it again")


def _stream(name: str, packed: bytes) -> IO[bytes]:
    """Return the content of data.tar, .gz, .xz, .bz2 or .zst as a stream."""
    source = io.BytesIO(packed)
    if name.endswith(".zst"):
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(source)
    if name.endswith(".xz"):
        import lzma

        return lzma.open(source)
    if name.endswith(".gz"):
        import gzip

        return gzip.GzipFile(fileobj=source)  # type: ignore[return-value]  # a binary stream
    return source


def _release(path: str, image: bytes) -> str:
    """Return the release that the header of a bzImage names.

    Source: Documentation/arch/x86/boot.rst, kernel_version.
    """
    if len(image) < PAYLOAD_AT + 8 or image[MAGIC_AT : MAGIC_AT + 4] != BOOT_MAGIC:
        raise ScenarioError(
            f"{path}: is no x86 kernel image (bzImage) and no Debian package of one"
        )
    (at,) = struct.unpack_from("<H", image, NAME_AT)
    text = image[at + SECTOR : at + SECTOR + 128].split(b"\0")[0].decode("ascii", "replace")
    release = text.split(" ")[0]
    if not release:
        raise ScenarioError(f"{path}: names no release; give another build of this kernel")
    return release


def _payload(image: bytes) -> bytes:
    """Return the packed kernel inside a bzImage."""
    (version,) = struct.unpack_from("<H", image, VERSION_AT)
    offset, length = struct.unpack_from("<II", image, PAYLOAD_AT)
    start = (image[SETUP_AT] + 1) * SECTOR + offset
    if version < WITH_PAYLOAD or start + length > len(image):
        raise ScenarioError(
            "kernel image: its header does not say where the kernel is, or it is cut off"
        )
    return image[start : start + length]


def _unpacked(payload: bytes) -> bytes:
    """Return vmlinux; the last 4 bytes of most payloads are its size, which is not trusted."""
    unpack = next((how for magic, how in PACKERS.items() if payload.startswith(magic)), None)
    if unpack is None:
        raise ScenarioError(
            f"kernel image: packed in an unknown way ({payload[:4].hex()}); known: gzip, xz, lzma, "
            f"bzip2, lz4, zstd"
        )
    try:
        return unpack(payload)
    except Exception as error:  # each library has its own errors for damaged data
        raise ScenarioError(f"kernel image: cannot be unpacked: {error}") from None


def _gzip(payload: bytes) -> bytes:
    import zlib

    return zlib.decompressobj(31).decompress(payload, LARGEST_KERNEL)


def _lzma(payload: bytes) -> bytes:
    import lzma

    return lzma.LZMADecompressor().decompress(payload, LARGEST_KERNEL)


def _bzip2(payload: bytes) -> bytes:
    import bz2

    return bz2.BZ2Decompressor().decompress(payload, LARGEST_KERNEL)


def _zstd(payload: bytes) -> bytes:
    import zstandard

    with zstandard.ZstdDecompressor().stream_reader(payload) as reader:
        return reader.read(LARGEST_KERNEL)


LZ4_BLOCK = 8 << 20
"""Uncompressed bytes of a block of the legacy frame that `lz4 -l` writes."""


def _lz4(payload: bytes) -> bytes:
    """Return the content of a legacy frame: blocks, each after its size, the last may be short."""
    import lz4.block

    parts, at, total = [], 4, 0
    while at + 4 <= len(payload) and total < LARGEST_KERNEL:
        (size,) = struct.unpack_from("<I", payload, at)
        if not 0 < size <= len(payload) - at - 4:
            break  # the size of the kernel, which make appends
        parts.append(lz4.block.decompress(payload[at + 4 : at + 4 + size], LZ4_BLOCK))
        total += len(parts[-1])
        at += 4 + size
    return b"".join(parts)


PACKERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": _gzip,
    b"\xfd7zXZ": _lzma,
    b"]\0\0": _lzma,
    b"BZh": _bzip2,
    b"\x02\x21\x4c\x18": _lz4,
    b"\x28\xb5\x2f\xfd": _zstd,
}
"""First bytes -> how to unpack: scripts/Makefile.lib and lib/decompress.c of Linux."""


def _section(kernel: bytes) -> bytes | None:
    """Return the section .BTF of vmlinux."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        section = ELFFile(io.BytesIO(kernel)).get_section_by_name(".BTF")
        return None if section is None else bytes(section.data())
    except (ELFError, ValueError, OverflowError) as error:
        raise ScenarioError(f"kernel image: holds no ELF file: {error}") from None
