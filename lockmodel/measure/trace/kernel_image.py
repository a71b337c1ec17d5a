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
from typing import IO, cast

from lockmodel.errors import ScenarioError, shown
from lockmodel.regular import reading

MEMBER = struct.Struct("16s12s6s6s8s10s2s")
"""Header of a member of an ar archive: name, date, user, group, mode, size, end."""
AR = b"!<arch>\n"
ELF = b"\x7fELF"

LARGEST_PACKAGE = 1 << 30
LARGEST_CONTENT = 4 << 30
"""Of data.tar, unpacked, up to the boot file."""
LARGEST_IMAGE = 256 << 20
LARGEST_KERNEL = 1 << 30
MOST_GROWTH = 64
"""Times its size that packed data may unpack to; packages and kernels grow four to eight times."""
SMALL = 16 << 20
"""Bytes that anything may unpack to."""
MOST_MEMBERS = 100_000
STEP = 1 << 10
"""Bytes that are unpacked at once where the library cannot stop in between."""

BOOT_MAGIC = b"HdrS"
MAGIC_AT, VERSION_AT, SETUP_AT, NAME_AT, PAYLOAD_AT = 0x202, 0x206, 0x1F1, 0x20E, 0x248
SECTOR = 512
OLD_SETUP = 4
"""Sectors of the setup code where the header says 0."""
WITH_PAYLOAD = 0x208
"""Boot protocol that says where the payload is."""

RELEASE = re.compile(r"[0-9][\w.+~-]{0,79}", re.ASCII)
"""What may be a release: it gets into scripts that root runs."""
BOOT_FILE = re.compile(r"(?:\./)?(?:usr/lib/modules/[^/]+|boot)/vmlinuz(?:-[^/]+)?")
MODULE_FILE = r"(?:\./)?(?:usr/)?lib/modules/[^/]+/kernel/(?:[^/]+/)*{}\.ko(?:\.xz|\.zst|\.gz)?"


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
        return _section(self.unpacked())

    def unpacked(self) -> bytes:
        """Return the kernel as an ELF file (vmlinux).

        Raises
        ------
        ScenarioError
            The image is packed in an unknown way, or damaged.
        """
        return _unpacked(_payload(self.image))


def read(path: str) -> KernelImage:
    """Return the kernel of a Debian package or of a vmlinuz file.

    Raises
    ------
    FileError
        The file cannot be read.
    ScenarioError
        It holds no x86 kernel.
    """
    with reading(path, f"--kernel-deb {path}") as stream:
        start = stream.read(len(AR))
        stream.seek(0)
        if start == AR:
            image = _from_package(path, stream, BOOT_FILE)
            if image is None:
                raise ScenarioError(
                    f"{path}: has no boot/vmlinuz-*; give the package of an image "
                    f"(linux-image-*-amd64, not the metapackage linux-image-amd64)"
                )
        else:
            image = _bounded(stream, LARGEST_IMAGE, path)
    return KernelImage(_release(path, image), image)


def module(path: str, name: str) -> bytes | None:
    """Return a module of a Debian package, unpacked; None where the package has no such file.

    Parameters
    ----------
    path : str
    name : str
        Such as loop; not a pattern.

    Raises
    ------
    FileError
        The file cannot be read.
    ScenarioError
        It is no package, or damaged.
    """
    wanted = re.compile(MODULE_FILE.format(re.escape(name)))
    with reading(path, f"--kernel-deb {path}") as stream:
        if stream.read(len(AR)) != AR:
            raise ScenarioError(
                f"{path}: is no Debian package, whose module {name} is needed; give the package"
            )
        found = _from_package(path, stream, wanted)
    return found if found is None or found.startswith(ELF) else _unpacked(found)


def _bounded(stream: IO[bytes], most: int, what: str) -> bytes:
    data = stream.read(most + 1)
    if len(data) > most:
        raise ScenarioError(f"{what}: is larger than {most >> 20} MiB; this is no kernel")
    return data


def _from_package(path: str, stream: IO[bytes], wanted: re.Pattern[str]) -> bytes | None:
    """Return the first file of a package whose name fits."""
    name, packed = _data_member(path, stream)
    try:
        unpacked = _Limited(_stream(name, packed), path, _most(packed, LARGEST_CONTENT))
        return _member(path, unpacked, wanted)
    except ScenarioError:
        raise
    except Exception as error:  # each library has its own errors for damaged data
        raise ScenarioError(f"{path}: {name} is damaged: {error}; load it again") from None


def _member(path: str, tar: _Limited, wanted: re.Pattern[str]) -> bytes | None:
    with tarfile.open(fileobj=cast(IO[bytes], tar), mode="r|") as archive:
        for seen, member in enumerate(archive):
            if seen > MOST_MEMBERS:
                break
            if member.isreg() and wanted.fullmatch(member.name):
                content = archive.extractfile(member)
                if content is not None:
                    return _bounded(content, LARGEST_IMAGE, f"{path}: {member.name}")
    return None


@dataclass
class _Limited:
    """A stream that refuses to give more than `most` bytes."""

    stream: IO[bytes]
    path: str
    most: int
    given: int = 0

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.given += len(data)
        if self.given > self.most:
            raise ScenarioError(
                f"{self.path}: unpacks to more than {self.most >> 20} MiB; this is no kernel"
            )
        return data


def _most(packed: bytes, most: int) -> int:
    """Return how much packed data may unpack to: a few kilobytes can become gigabytes."""
    return min(most, max(SMALL, MOST_GROWTH * len(packed)))


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
    if name.endswith(".bz2"):
        import bz2

        return bz2.BZ2File(source)
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
    if not at or not RELEASE.fullmatch(release):
        raise ScenarioError(
            f"{path}: names no release such as 6.12.107 (but {shown(release)}); give another build "
            f"of this kernel"
        )
    return release


def _payload(image: bytes) -> bytes:
    """Return the packed kernel inside a bzImage."""
    (version,) = struct.unpack_from("<H", image, VERSION_AT)
    offset, length = struct.unpack_from("<II", image, PAYLOAD_AT)
    start = ((image[SETUP_AT] or OLD_SETUP) + 1) * SECTOR + offset
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
    except ScenarioError:
        raise
    except Exception as error:  # each library has its own errors for damaged data
        raise ScenarioError(f"kernel image: cannot be unpacked: {error}") from None


def _gzip(payload: bytes) -> bytes:
    import zlib

    state, most = zlib.decompressobj(31), _most(payload, LARGEST_KERNEL)
    return _whole(state.decompress(payload, most + 1), state.eof, most)


def _lzma(payload: bytes) -> bytes:
    import lzma

    state, most = lzma.LZMADecompressor(), _most(payload, LARGEST_KERNEL)
    return _whole(state.decompress(payload, most + 1), state.eof, most)


def _bzip2(payload: bytes) -> bytes:
    import bz2

    state, most = bz2.BZ2Decompressor(), _most(payload, LARGEST_KERNEL)
    return _whole(state.decompress(payload, most + 1), state.eof, most)


def _zstd(payload: bytes) -> bytes:
    import zstandard

    state, most = zstandard.ZstdDecompressor().decompressobj(), _most(payload, LARGEST_KERNEL)
    parts, total = [], 0
    for at in range(0, len(payload), STEP):
        parts.append(state.decompress(payload[at : at + STEP]))
        total += len(parts[-1])
        if state.eof or total > most:
            break
    return _whole(b"".join(parts), state.eof, most)


def _whole(kernel: bytes, ended: bool, most: int) -> bytes:
    """Return an unpacked kernel; refuse one that is too large or whose packed data do not end."""
    if len(kernel) > most:
        raise ScenarioError(
            f"kernel image: unpacks to more than {most >> 20} MiB; this is no kernel"
        )
    if not ended:
        raise ScenarioError("kernel image: the packed kernel is cut off; load it again")
    return kernel


LZ4_BLOCK = 8 << 20
"""Uncompressed bytes of a block of the legacy frame that `lz4 -l` writes."""


def _lz4(payload: bytes) -> bytes:
    """Return the content of a legacy frame: blocks, each after its size, the last may be short."""
    import lz4.block

    parts, at, total, most = [], 4, 0, _most(payload, LARGEST_KERNEL)
    while len(payload) - at > 4 and total <= most:  # make appends the kernel's size
        (size,) = struct.unpack_from("<I", payload, at)
        if not 0 < size <= len(payload) - at - 4:
            return _whole(b"", False, most)
        parts.append(lz4.block.decompress(payload[at + 4 : at + 4 + size], LZ4_BLOCK))
        total += len(parts[-1])
        at += 4 + size
    return _whole(b"".join(parts), True, most)


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
    """Return the section .BTF of vmlinux, a 64-bit little-endian ELF file (gABI, chapter 4)."""
    if kernel[:6] != b"\x7fELF\x02\x01":
        raise ScenarioError("kernel image: holds no 64-bit ELF file; the probes are for x86-64")
    try:
        (table,) = struct.unpack_from("<Q", kernel, 0x28)
        each, number, names = struct.unpack_from("<HHH", kernel, 0x3A)
        at = [struct.unpack_from("<I20xQQ", kernel, table + each * i) for i in range(number)]
        texts = at[names][1] if number else 0
        for name, start, size in at:
            if kernel.startswith(b".BTF\0", texts + name):
                if start + size > len(kernel):
                    raise ScenarioError("kernel image: its .BTF is cut off")
                return kernel[start : start + size]
    except (struct.error, IndexError, OverflowError):
        raise ScenarioError("kernel image: its section headers are damaged") from None
    return None
