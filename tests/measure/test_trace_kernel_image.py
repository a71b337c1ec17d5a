"""Kernel packages and images made by their format descriptions, whole and damaged."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import kernel_images as made
import pytest
import zstandard

from lockmodel.errors import FileError, ScenarioError
from lockmodel.measure.trace import btf, kernel_image
from lockmodel.measure.trace.kernel_image import module, read
from lockmodel.measure.trace.lab.experiment import offsets_of
from lockmodel.measure.trace.offsets import of_types

RELEASE = "6.12.107+deb13-cloud-amd64"
BTF = made.kernel_btf(72, 144, 64)
VMLINUX = made.elf(BTF)
IMAGE = made.bzimage(made.PACKERS["gzip"](VMLINUX))


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], str]:
    def write(content: bytes) -> str:
        path = tmp_path / "given"
        path.write_bytes(content)
        return str(path)

    return write


File = Callable[[bytes], str]


@pytest.mark.parametrize("setup", [0, 3, 30])
@pytest.mark.parametrize("packer", made.PACKERS)
def test_the_btf_comes_out_of_every_packing(file: File, packer: str, setup: int) -> None:
    kernel = read(file(made.bzimage(made.PACKERS[packer](VMLINUX), setup=setup)))
    assert kernel.release == RELEASE
    assert kernel.btf() == BTF
    offsets = of_types(btf.types(kernel.btf() or b""), "t")
    assert (offsets.tree, offsets.lock) == (72, 144)


@pytest.mark.parametrize("size", [100, 4096])
def test_lz4_of_several_blocks(monkeypatch: pytest.MonkeyPatch, file: File, size: int) -> None:
    """Real kernels have blocks of 8 MiB, of which the last is shorter."""
    packed = made.lz4_packed(VMLINUX, size)
    assert len(VMLINUX) > 2 * size or size == 4096
    assert read(file(made.bzimage(packed))).btf() == BTF
    assert read(file(made.bzimage(packed[:-4]))).btf() == BTF  # without the size that make appends


def test_lz4_of_two_whole_blocks_of_8_mib(file: File) -> None:
    kernel = made.elf(BTF, filler=(8 << 20) + 512)
    assert made.LZ4_BLOCK < len(kernel) < 2 * made.LZ4_BLOCK
    assert read(file(made.bzimage(made.lz4_packed(kernel)))).btf() == BTF


def test_a_kernel_without_btf(file: File) -> None:
    kernel = read(file(made.bzimage(made.gzip_packed(made.elf(None)))))
    assert kernel.btf() is None
    assert offsets_of(kernel).lock == 144  # the stated one of 6.12
    assert "the stated table" in offsets_of(kernel).source


def test_its_own_btf_goes_before_the_stated_table(file: File) -> None:
    image = made.bzimage(made.gzip_packed(made.elf(made.kernel_btf(80, 160, 72))))
    offsets = offsets_of(read(file(image)))
    assert (offsets.tree, offsets.lock, offsets.inode) == (80, 160, 72)
    assert offsets.source == f"the BTF of {RELEASE}"


TARS: dict[str, Callable[[bytes], bytes]] = {
    "data.tar": bytes,
    "data.tar.gz": gzip.compress,
    "data.tar.xz": lzma.compress,
    "data.tar.bz2": bz2.compress,
    "data.tar.zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("prefix", ["./", ""])
@pytest.mark.parametrize("name", TARS)
def test_packages(file: File, name: str, prefix: str) -> None:
    content = made.tar(
        {
            f"{prefix}boot/config-{RELEASE}": b"CONFIG_X86=y\n",
            f"{prefix}boot/vmlinuz-{RELEASE}": IMAGE,
            f"{prefix}lib/modules/{RELEASE}/a.ko": bytes(3000),
        },
        folders=[f"{prefix}boot", f"{prefix}lib"],
    )
    kernel = read(file(made.package(TARS[name](content), name)))
    assert (kernel.release, kernel.image) == (RELEASE, IMAGE)
    assert kernel.btf() == BTF


MODULE = b"\x7fELF" + bytes(range(200))


@pytest.mark.parametrize("prefix", ["./lib", "./usr/lib", "lib"])
@pytest.mark.parametrize(("suffix", "packer"), [("", None), (".xz", "xz"), (".zst", "zstd")])
def test_a_module_comes_out_of_a_package(
    file: File, prefix: str, suffix: str, packer: str | None
) -> None:
    content = MODULE if packer is None else made.PACKERS[packer](MODULE)
    folder = f"{prefix}/modules/{RELEASE}/kernel/drivers/block"
    files = {
        "./boot/vmlinuz": IMAGE,
        f"{folder}/loop2.ko{suffix}": b"no",
        f"{folder}/loop.ko{suffix}": content,
    }
    assert module(file(made.package(made.tar(files))), "loop") == MODULE


def test_a_module_that_is_not_in_the_package_is_none(file: File) -> None:
    files = {"./boot/vmlinuz": IMAGE, "./opt/lib/modules/6/kernel/loop.ko": MODULE}
    assert module(file(made.package(made.tar(files))), "loop") is None


def test_a_module_needs_a_package_and_must_be_whole(file: File) -> None:
    with pytest.raises(ScenarioError, match="no Debian package, whose module loop is needed"):
        module(file(IMAGE), "loop")
    name = f"./lib/modules/{RELEASE}/kernel/loop.ko.zst"
    packed = made.PACKERS["zstd"](MODULE)
    for content in (b"no module", packed[:-8]):
        with pytest.raises(ScenarioError):
            module(file(made.package(made.tar({name: content}))), "loop")


def test_the_boot_file_may_lie_with_the_modules(file: File) -> None:
    content = made.tar({"./usr/lib/modules/6.12.107/vmlinuz": IMAGE})
    assert read(file(made.package(content))).image == IMAGE


@pytest.mark.parametrize(
    "files",
    [
        {"./usr/share/doc/linux-image-amd64/changelog.gz": b"x"},
        {"./boot/System.map-6.12": b"x", "./opt/boot/vmlinuz-6.12": IMAGE},
        {"../boot/vmlinuz-6.12": IMAGE},
        {},
    ],
)
def test_a_metapackage_is_refused_with_the_remedy(file: File, files: dict[str, bytes]) -> None:
    with pytest.raises(ScenarioError, match=r"has no boot/vmlinuz-\*; .*not the metapackage"):
        read(file(made.package(made.tar(files))))


def test_a_link_in_place_of_the_boot_file_is_not_followed(file: File) -> None:
    import io
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("./boot/vmlinuz-6.12")
        entry.type = tarfile.SYMTYPE
        entry.linkname = "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(ScenarioError, match="has no boot/vmlinuz"):
        read(file(made.package(stream.getvalue())))


@pytest.mark.parametrize("name", TARS)
def test_a_package_that_is_cut_off_is_refused(file: File, name: str) -> None:
    content = made.tar({f"./boot/vmlinuz-{RELEASE}": IMAGE})
    whole = made.package(TARS[name](content), name)
    for length in range(0, len(whole) - 1, len(whole) // 40):
        with pytest.raises(ScenarioError, match="given: "):
            read(file(whole[:length]))


@pytest.mark.parametrize("name", TARS)
def test_a_damaged_data_tar_is_refused_or_read(file: File, name: str) -> None:
    """The archive is whole, what is in it is not: each library has its own errors."""
    content = TARS[name](made.tar({f"./boot/vmlinuz-{RELEASE}": IMAGE}))
    for at in range(0, len(content), len(content) // 60):
        changed = content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]
        with contextlib.suppress(ScenarioError):
            assert read(file(made.package(changed, name))).release
        with pytest.raises(ScenarioError, match="given: "):
            read(file(made.package(content[: at // 4], name)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no x86 kernel image"),
        (b"MZ" + bytes(2000), "is no x86 kernel image"),
        (VMLINUX, "is no x86 kernel image"),
        (IMAGE[:0x24F], "is no x86 kernel image"),
        (b"!<arch>\n", "no Debian package with a data.tar"),
        (b"!<arch>\n" + b"x" * 500, "no Debian package with a data.tar"),
        (b"!<arch>\n" + made.member("data.tar", b"", "-1"), "no Debian package with a data.tar"),
        (b"!<arch>\n" + made.member("data.tar", b"", "9999999999"), "no Debian package with"),
        (b"!<arch>\n" + made.member("data.tar", b"x", "999999999"), "is cut off"),
        (b"!<arch>\n" + made.member("other", b"x", "999999999"), "no Debian package with"),
    ],
)
def test_what_is_no_kernel_is_refused(file: File, content: bytes, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ScenarioError, match=message):
        read(file(content))
    assert time.perf_counter() - start < 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileError, match=r"--kernel-deb .*: cannot be read: "):
            read(str(path))


@pytest.mark.parametrize(
    "release",
    [
        "",
        " 6.12",
        "6.12'; reboot #",
        "6.12$(reboot)",
        "6.12`reboot`",
        '6.12";reboot',
        "6.12\nreboot",
        "6.*",
        "\x1b[31m",
        "9" * 81,
    ],
)
def test_a_release_that_a_shell_would_run_is_refused(file: File, release: str) -> None:
    """It is printed, and written into a script that root runs."""
    image = made.bzimage(made.gzip_packed(VMLINUX), release)
    if release in ("6.12\nreboot",):
        assert b"6.12\nreboot" in image
    with pytest.raises(ScenarioError, match=r"names no release such as 6\.12\.107"):
        read(file(image))


def test_a_header_without_a_release_is_refused(file: File) -> None:
    image = bytearray(IMAGE)
    image[0x20E:0x210] = bytes(2)
    with pytest.raises(ScenarioError, match="names no release"):
        read(file(bytes(image)))
    image[0x20E:0x210] = b"\xff\xff"
    with pytest.raises(ScenarioError, match="names no release"):
        read(file(bytes(image)))


def test_the_header_must_say_where_the_kernel_is(file: File) -> None:
    packed = made.gzip_packed(VMLINUX)
    for image in (
        made.bzimage(packed, version=0x207),
        made.bzimage(packed, claimed=len(packed) + 51),
        made.bzimage(packed, claimed=0xFFFFFFFF),
        made.bzimage(packed)[: -len(packed) // 2],
    ):
        with pytest.raises(ScenarioError, match="its header does not say where the kernel is"):
            read(file(image)).btf()


@pytest.mark.parametrize("payload", [b"", b"\x89LZO\0" + bytes(100), b"\x1e\x8b" + bytes(99)])
def test_an_unknown_packing_is_refused(file: File, payload: bytes) -> None:
    with pytest.raises(ScenarioError, match=r"packed in an unknown way .*known: gzip, xz, lzma"):
        read(file(made.bzimage(payload))).btf()


@pytest.mark.parametrize("packer", made.PACKERS)
def test_a_packed_kernel_that_is_cut_off_is_refused(file: File, packer: str) -> None:
    """A part of it must not pass for a kernel without BTF."""
    packed = made.PACKERS[packer](VMLINUX)
    for length in (len(packed) // 3, len(packed) // 2, len(packed) - 40):
        with pytest.raises(ScenarioError, match=r"kernel image: (cannot be|the packed kernel is)"):
            read(file(made.bzimage(packed[:length]))).btf()


@pytest.mark.parametrize("packer", made.PACKERS)
def test_a_damaged_kernel_is_refused_or_read(file: File, packer: str) -> None:
    packed = made.PACKERS[packer](VMLINUX)
    for at in range(0, len(packed), len(packed) // 60):
        changed = packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :]
        with contextlib.suppress(ScenarioError):
            types = read(file(made.bzimage(changed))).btf()
            assert types is None or len(types) > 0


@pytest.mark.parametrize("packer", made.PACKERS)
def test_a_bomb_is_refused_and_not_cut(
    monkeypatch: pytest.MonkeyPatch, file: File, packer: str
) -> None:
    """A kernel cut at the limit has lost its section headers, so it would have no BTF."""
    limit = 1 << 20
    monkeypatch.setattr(kernel_image, "LARGEST_KERNEL", limit)
    bomb = made.PACKERS[packer](VMLINUX + bytes(24 << 20))
    with pytest.raises(ScenarioError, match="unpacks to more than 1 MiB; this is no kernel"):
        read(file(made.bzimage(bomb))).btf()
    exact = VMLINUX + bytes(limit - len(VMLINUX))
    assert read(file(made.bzimage(made.PACKERS[packer](exact)))).btf() == BTF
    with pytest.raises(ScenarioError, match="unpacks to more than 1 MiB"):
        read(file(made.bzimage(made.PACKERS[packer](exact + b"\0")))).btf()


@pytest.mark.parametrize("name", [name for name in TARS if name != "data.tar"])
def test_a_package_that_unpacks_without_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, file: File, name: str
) -> None:
    monkeypatch.setattr(kernel_image, "LARGEST_CONTENT", 1 << 20)
    content = made.tar({"./a": bytes(8 << 20), f"./boot/vmlinuz-{RELEASE}": IMAGE})
    with pytest.raises(ScenarioError, match="unpacks to more than 1 MiB; this is no kernel"):
        read(file(made.package(TARS[name](content), name)))


SMALL, GROWTH = 16 << 20, 64
"""Bytes that anything may unpack to, and times its size that it may."""


@pytest.mark.parametrize("packer", [name for name in made.PACKERS if name != "lz4"])
def test_a_small_kernel_may_not_become_a_large_one(file: File, packer: str) -> None:
    """135 kB used to become 0.8 GB before they were refused."""
    packed = made.PACKERS[packer](bytes(128 << 20))
    most = max(SMALL, GROWTH * len(packed))
    assert most < 128 << 20
    image = read(file(made.bzimage(packed)))
    tracemalloc.start()
    with pytest.raises(ScenarioError, match=f"unpacks to more than {most >> 20} MiB"):
        image.btf()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * most


@pytest.mark.parametrize("name", [name for name in TARS if name != "data.tar"])
def test_a_small_package_may_not_become_a_large_one(file: File, name: str) -> None:
    content = made.tar({"./a": bytes(128 << 20), f"./boot/vmlinuz-{RELEASE}": IMAGE})
    packed = TARS[name](content)
    most = max(SMALL, GROWTH * len(packed))
    assert most < 128 << 20
    with pytest.raises(ScenarioError, match=f"unpacks to more than {most >> 20} MiB"):
        read(file(made.package(packed, name)))


def test_too_large_a_boot_file_is_refused(monkeypatch: pytest.MonkeyPatch, file: File) -> None:
    monkeypatch.setattr(kernel_image, "LARGEST_IMAGE", len(IMAGE) - 1)
    content = made.tar({f"./boot/vmlinuz-{RELEASE}": IMAGE})
    for given in (IMAGE, made.package(content)):
        with pytest.raises(ScenarioError, match="is larger than 0 MiB; this is no kernel"):
            read(file(given))


def test_a_boot_file_that_claims_more_than_there_is(file: File) -> None:
    content = bytearray(made.tar({f"./boot/vmlinuz-{RELEASE}": IMAGE}))
    content[124:136] = b"00077777777\0"
    content[148:156] = b"        "
    content[148:156] = b"%06o\0 " % sum(content[:512])
    with pytest.raises(ScenarioError, match="is damaged"):
        read(file(made.package(bytes(content))))


def section(number: int) -> int:
    """Return where the header of a section is in `VMLINUX`."""
    (table,) = struct.unpack_from("<Q", VMLINUX, 0x28)
    return int(table) + 64 * number


def changed(at: int, value: bytes) -> bytes:
    return VMLINUX[:at] + value + VMLINUX[at + len(value) :]


BTF_SECTION = 2
DAMAGED_ELF = {
    "no_elf": (b"\x7fELG" + VMLINUX[4:], "holds no 64-bit ELF file"),
    "32_bit": (changed(4, b"\x01"), "holds no 64-bit ELF file"),
    "big_endian": (changed(5, b"\x02"), "holds no 64-bit ELF file"),
    "short": (VMLINUX[:20], "section headers are damaged"),
    "cut": (VMLINUX[:-100], "section headers are damaged"),
    "table_far": (changed(0x28, b"\xff" * 8), "section headers are damaged"),
    "many": (changed(0x3C, b"\xff\xff"), "section headers are damaged"),
    "names_far": (changed(0x3E, b"\xff\xff"), "section headers are damaged"),
    "size": (changed(section(BTF_SECTION) + 32, b"\xff" * 7), "its .BTF is cut off"),
    "offset": (changed(section(BTF_SECTION) + 24, b"\xff" * 8), "its .BTF is cut off"),
}


@pytest.mark.parametrize("name", DAMAGED_ELF)
def test_a_damaged_elf_file_is_refused(file: File, name: str) -> None:
    content, message = DAMAGED_ELF[name]
    with pytest.raises(ScenarioError, match=f"kernel image: .*{message}"):
        read(file(made.bzimage(made.gzip_packed(content)))).btf()


def test_an_elf_file_without_sections_has_no_btf(file: File) -> None:
    content = changed(0x3C, bytes(4))
    assert read(file(made.bzimage(made.gzip_packed(content)))).btf() is None
