"""Which files a program loads: the search of ld.so, on systems made of headers."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import elf_files
import pytest
from elf_files import LIBRARIES, LOADER, write

from lockmodel.errors import ArgumentError, FileError, ScenarioError
from lockmodel.measure.acquires import cache
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.sysroot import Sysroot

Make = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with nothing but ld.so and libc."""
    made = tmp_path / "root"
    write(made / LOADER.lstrip("/"), soname="ld-linux-x86-64.so.2", program_headers=elf_files.PLAIN)
    write(
        made / LIBRARIES.lstrip("/") / "libc.so.6", soname="libc.so.6", needed=[Path(LOADER).name]
    )
    return made


def program(root: Path, path: str = "/usr/bin/prog", **options: object) -> str:
    write(root / path.lstrip("/"), interpreter=LOADER, **options)
    return path


def library(root: Path, path: str, **options: object) -> None:
    write(root / path.lstrip("/"), soname=Path(path).name, **options)


def loaded(root: Path, path: str, *library_path: str) -> list[str]:
    """Return the paths of the libraries in the order of their loading."""
    resolved = Resolver(Sysroot(root.resolve()), tuple(library_path)).program(path)
    return [each.place.path for each in resolved.libraries]


def test_breadth_first_each_file_once_and_cycles_end(root: Path) -> None:
    folder = LIBRARIES
    library(root, f"{folder}/liba.so", needed=["libdeep.so", "libc.so.6"])
    library(root, f"{folder}/libb.so", needed=["liba.so", "libb.so"])
    library(root, f"{folder}/libdeep.so", needed=["liba.so", "libb.so"])
    path = program(root, needed=["liba.so", "libb.so", "libc.so.6"])
    names = ["liba.so", "libb.so", "libc.so.6", "libdeep.so"]
    assert loaded(root, path) == [f"{folder}/{name}" for name in names]


def test_a_second_name_of_a_loaded_file_is_not_mapped_again(root: Path) -> None:
    library(root, f"{LIBRARIES}/libone.so")
    (root / "usr/lib/libtwo.so").symlink_to("x86_64-linux-gnu/libone.so")
    path = program(root, needed=["libone.so", "libtwo.so"])
    assert loaded(root, path) == [f"{LIBRARIES}/libone.so"]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"runpath": "/opt/a:/opt/b"}, "/opt/a"),
        ({"rpath": "$ORIGIN/../lib"}, "/usr/bin/../lib"),
        ({"runpath": "${ORIGIN}/../../opt/b"}, "/usr/bin/../../opt/b"),
        ({"rpath": "/opt/a", "runpath": "/opt/b"}, "/opt/b"),
        ({"runpath": "/opt/$LIB"}, "/opt/lib64"),
        ({"runpath": "/nowhere"}, "/usr/lib64"),
    ],
)
def test_rpath_and_runpath(root: Path, options: dict[str, str], where: str) -> None:
    for folder in ("/opt/a", "/opt/b", "/opt/lib64", "/usr/lib", "/usr/lib64"):
        library(root, f"{folder}/libx.so")
    assert loaded(root, program(root, needed=["libx.so"], **options)) == [f"{where}/libx.so"]


@pytest.mark.parametrize(
    ("program_has", "library_has", "inherited"),
    [
        ({"rpath": "/opt/a"}, {}, True),  # DT_RPATH is inherited
        ({"runpath": "/opt/a"}, {}, False),  # DT_RUNPATH is not
        ({"rpath": "/opt/a"}, {"runpath": "/opt/none"}, False),  # and switches RPATH off
        ({"rpath": "/opt/a", "runpath": "/opt/none"}, {}, False),  # also beside it
    ],
)
def test_what_a_library_inherits(
    root: Path, program_has: dict[str, str], library_has: dict[str, str], inherited: bool
) -> None:
    library(root, "/opt/a/libdeep.so")
    library(root, f"{LIBRARIES}/liba.so", needed=["libdeep.so"], **library_has)
    path = program(root, needed=["liba.so"], **program_has)
    if inherited:
        assert loaded(root, path)[1] == "/opt/a/libdeep.so"
    else:
        with pytest.raises(FileError, match="library 'libdeep"):
            loaded(root, path)


def test_the_order_of_rpath_library_path_and_runpath(root: Path) -> None:
    for folder in ("/opt/r", "/opt/l"):
        library(root, f"{folder}/libx.so")
    with_rpath = program(root, "/usr/bin/rpath", needed=["libx.so"], rpath="/opt/r")
    with_runpath = program(root, "/usr/bin/runpath", needed=["libx.so"], runpath="/opt/r")
    assert loaded(root, with_rpath, "/opt/l") == ["/opt/r/libx.so"]
    assert loaded(root, with_runpath, "/opt/l") == ["/opt/l/libx.so"]


def cache_file(root: Path, *entries: tuple[str, str, int, int], before: bytes = b"") -> None:
    """Write an ld.so.cache of (name, path, flags, hwcap)."""
    texts = b""
    start = 48 + 24 * len(entries)
    table = b""
    for name, path, flags, hwcap in entries:
        key = start + len(texts)
        texts += name.encode() + b"\0"
        value = start + len(texts)
        texts += path.encode() + b"\0"
        table += struct.pack("<iIIIQ", flags, key, value, 0, hwcap)
    head = struct.pack("<20sII4xI12x", b"glibc-ld.so.cache1.1", len(entries), len(texts), 0)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/ld.so.cache").write_bytes(before + head + table + texts)


@pytest.mark.parametrize("before", [b"", b"ld.so-1.7.0" + bytes(5)])
def test_the_cache_comes_before_the_default_folders(root: Path, before: bytes) -> None:
    library(root, f"{LIBRARIES}/libx.so")
    library(root, "/opt/64/libx.so")
    write(root / "opt/32/libx.so", elf_class=1, machine=3)
    cache_file(
        root,
        ("libx.so", "/opt/32/libx.so", 0x0003, 0),
        ("libx.so", "/opt/v3/glibc-hwcaps/x86-64-v3/libx.so", 0x0303, 1 << 62),
        ("libx.so", "/opt/64/libx.so", 0x0303, 0),
        before=before,
    )
    assert loaded(root, program(root, needed=["libx.so"])) == ["/opt/64/libx.so"]


def test_a_stale_cache_entry_leads_to_the_default_folders(root: Path) -> None:
    library(root, f"{LIBRARIES}/libx.so")
    cache_file(root, ("libx.so", "/gone/libx.so", 0x0303, 0))
    assert loaded(root, program(root, needed=["libx.so"])) == [f"{LIBRARIES}/libx.so"]


@pytest.mark.parametrize("content", [b"", b"glibc-ld.so.cache1.1", b"x" * 100])
def test_a_damaged_cache_counts_as_none(root: Path, content: bytes) -> None:
    (root / "etc").mkdir()
    (root / "etc/ld.so.cache").write_bytes(content)
    assert cache.entries(Sysroot(root), ()) is None


def test_a_cache_that_lies_about_its_size(root: Path) -> None:
    head = struct.pack("<20sII4xI12x", b"glibc-ld.so.cache1.1", 0xFFFFFFFF, 0xFFFFFFFF, 0)
    entry = struct.pack("<iIIIQ", 0x0303, 0xFFFFFFF0, 0xFFFFFFF0, 0, 0)
    (root / "etc").mkdir()
    (root / "etc/ld.so.cache").write_bytes(head + entry * 3)
    assert cache.entries(Sysroot(root), ()) == {}


def test_hwcaps_of_the_cpu_come_first(root: Path) -> None:
    one, two = "/lib/glibc-hwcaps/x86-64-v2/libx.so", "/lib/glibc-hwcaps/x86-64-v3/libx.so"
    plain = ("libx.so", "/lib/libx.so", 0x0303, 0)
    cache_file(root, ("libx.so", one, 0x0303, 1 << 62), plain, ("libx.so", two, 0x0303, 1 << 62))
    usable = ("x86-64-v3", "x86-64-v2")
    assert cache.entries(Sysroot(root), usable) == {"libx.so": [two, one, "/lib/libx.so"]}
    assert cache.entries(Sysroot(root), ("x86-64-v2",)) == {"libx.so": [one, "/lib/libx.so"]}


def test_levels_of_the_cpu(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    flags = " ".join(cache.LEVEL_FLAGS[level] for level in ("x86-64-v2", "x86-64-v3"))
    info.write_text(f"processor : 0\nflags\t\t: fpu {flags}\n")
    assert cache.levels(Sysroot(), info) == ("x86-64-v3", "x86-64-v2")
    assert cache.levels(Sysroot(tmp_path), info) == ()


def test_without_cache_the_folders_of_ld_so_conf(root: Path) -> None:
    (root / "etc/ld.so.conf.d").mkdir(parents=True)
    (root / "etc/ld.so.conf").write_text("include ld.so.conf.d/*.conf\n/opt/last # folder\n")
    (root / "etc/ld.so.conf.d/b.conf").write_text("/opt/b\ninclude /etc/ld.so.conf\n")
    (root / "etc/ld.so.conf.d/a.conf").write_text("/opt/a:/opt/c\nhwcap 0 nosegneg\n")
    (root / "etc/ld.so.conf.d/ignored").write_text("/opt/ignored\n")
    assert cache.configured(Sysroot(root)) == ["/opt/a", "/opt/c", "/opt/b", "/opt/last"]
    library(root, "/opt/c/libx.so")
    assert loaded(root, program(root, needed=["libx.so"])) == ["/opt/c/libx.so"]


def test_absolute_links_stay_in_the_sysroot(root: Path) -> None:
    library(root, "/real/libx.so")
    (root / "opt").symlink_to("/real")
    (root / "up").symlink_to("../../../real")
    assert loaded(root, program(root, needed=["libx.so"], runpath="/opt")) == ["/opt/libx.so"]
    assert Sysroot(root).follow("/up/libx.so") == "/real/libx.so"
    (root / "loop").symlink_to("loop")
    assert Sysroot(root).follow("/loop/libx.so") is None


def test_a_program_outside_the_sysroot_keeps_its_origin(root: Path, tmp_path: Path) -> None:
    library(tmp_path, "/own/lib/libx.so")
    write(tmp_path / "own/prog", interpreter=LOADER, needed=["libx.so"], runpath="$ORIGIN/lib")
    assert loaded(root, str(tmp_path / "own/prog")) == [str(tmp_path / "own/lib/libx.so")]


def test_a_path_as_name_is_opened_as_it_is(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    library(tmp_path, "/here/libx.so")
    write(tmp_path / "prog", interpreter=LOADER, needed=["here/libx.so"])
    assert loaded(root, "prog") == [str(tmp_path / "here/libx.so")]


def test_nodefaultlib_leaves_default_folders_out(root: Path) -> None:
    library(root, f"{LIBRARIES}/libx.so")
    cache_file(root, ("libx.so", f"{LIBRARIES}/libx.so", 0x0303, 0))
    path = program(root, needed=["libx.so"], flags_1=elf_files.DF_1_NODEFLIB)
    with pytest.raises(FileError, match="library 'libx"):
        loaded(root, path)


def test_a_missing_library_is_named_with_who_needs_it_and_where_it_was_searched(root: Path) -> None:
    library(root, f"{LIBRARIES}/liba.so", needed=["libgone.so.7"], runpath="/opt/a")
    path = program(root, needed=["liba.so"])
    with pytest.raises(FileError) as caught:
        loaded(root, path, "/own")
    text = str(caught.value)
    assert "library 'libgone.so.7', needed by /usr/lib/x86_64-linux-gnu/liba.so" in text
    assert "/own" in text
    assert "/opt/a, /lib/x86_64-linux-gnu" in text
    assert f"below {root.resolve()}" in text
    assert "--sysroot DIR" in text


def test_a_library_for_another_machine_is_passed_over(root: Path) -> None:
    write(root / "opt/a/libx.so", machine=183)
    path = program(root, needed=["libx.so"], runpath="/opt/a")
    with pytest.raises(FileError, match=r"for another architecture: /opt/a/libx.so"):
        loaded(root, path)
    library(root, f"{LIBRARIES}/libx.so")
    assert loaded(root, path) == [f"{LIBRARIES}/libx.so"]


def test_interpreters(root: Path) -> None:
    write(root / "a", interpreter="/lib64/none.so")
    write(root / "b", interpreter="ld.so")
    write(root / "c", interpreter="/lib/ld-musl-x86_64.so.1")
    for name, error, text in (
        ("a", FileError, "interpreter /lib64/none.so .PT_INTERP. does not exist"),
        ("b", ScenarioError, "no absolute path"),
        ("c", ScenarioError, "musl"),
    ):
        with pytest.raises(error, match=text):
            loaded(root, f"/{name}")


def test_what_is_no_program(root: Path) -> None:
    with pytest.raises(ArgumentError, match="shared library"):
        loaded(root, f"{LIBRARIES}/libc.so.6")
    with pytest.raises(FileError, match="no such file"):
        loaded(root, "/usr/bin/none")


def test_too_many_libraries(root: Path) -> None:
    for i in range(401):
        library(root, f"{LIBRARIES}/l{i}.so", needed=[f"l{i + 1}.so"])
    with pytest.raises(ScenarioError, match="more than 400 libraries"):
        loaded(root, program(root, needed=["l0.so"]))


def test_preloaded_libraries_come_first_and_missing_ones_are_ignored(root: Path) -> None:
    library(root, f"{LIBRARIES}/libpre.so")
    (root / "etc").mkdir()
    (root / "etc/ld.so.preload").write_text("libgone.so # comment\n/nowhere/x.so:libpre.so\n")
    path = program(root, needed=["libc.so.6"])
    assert loaded(root, path) == [f"{LIBRARIES}/libpre.so", f"{LIBRARIES}/libc.so.6"]


def test_folders_without_end_are_refused(root: Path) -> None:
    path = program(root, needed=["libx.so"], runpath=":".join(f"/{i:x}" for i in range(600)))
    with pytest.raises(ScenarioError, match="more than 500 folders"):
        loaded(root, path)
    same = program(root, needed=["libx.so"], runpath="/:" * 1500)
    with pytest.raises(FileError, match=r"library 'libx\.so'"):
        loaded(root, same)


def test_names_are_printable(root: Path) -> None:
    name = "lib\x1b[31m.so"
    library(root, f"{LIBRARIES}/{name}")
    resolved = Resolver(Sysroot(root)).program(program(root, needed=[name]))
    assert resolved.libraries[0].name == r"lib\x1b[31m.so"
    assert os.path.basename(resolved.libraries[0].place.path) == name
