"""How kernel and ld.so map a file: layouts that the traced binaries do not have."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import elf_files
import pytest

from lockmodel.errors import ScenarioError
from lockmodel.measure.acquires import elf, images, kernels, loops
from lockmodel.measure.acquires.elf import Image

NEW, OLD = kernels.rules_of("6.12"), kernels.rules_of("6.1")
BIG = 0x200000
LLD = [
    ["PT_LOAD", 0x0, 0x0, 0x5E4, 0x5E4, 4, 0x1000],
    ["PT_LOAD", 0x5F0, 0x15F0, 0x180, 0x180, 5, 0x1000],
    ["PT_LOAD", 0x770, 0x2770, 0x1A0, 0x890, 6, 0x1000],
    ["PT_LOAD", 0x910, 0x3910, 0x30, 0x5000, 6, 0x1000],
    ["PT_GNU_RELRO", 0x770, 0x2770, 0x1A0, 0x890, 4, 1],
]
"""What lld makes: RELRO is a segment of its own, the next one continues it in the file."""
TWO_MB = [
    ["PT_LOAD", 0, 0, 0x700, 0x700, 5, BIG],
    ["PT_LOAD", 0xDF0, BIG + 0xDF0, 0x230, 0x238, 6, BIG],
    ["PT_GNU_RELRO", 0xDF0, BIG + 0xDF0, 0x210, 0x210, 4, 1],
]


def image(tmp_path: Path, **options: object) -> Image:
    return elf.read(elf_files.write(tmp_path / "file", **options))


def sites(mapped: images.Mapped) -> dict[str, tuple[int, int]]:
    return {site.removeprefix("exec."): both for site, both in loops.tally(mapped.events).items()}


def test_a_program_of_gnu_ld(tmp_path: Path) -> None:
    mapped = images.by_kernel(image(tmp_path, interpreter=elf_files.LOADER), NEW, "x")
    assert sites(mapped) == {
        "map_link": (4, 4),
        "map_split": (1, 3),
        "map_unlink": (1, 1),
        "mprotect_split": (1, 3),
    }
    assert mapped.runs == (5,)


def test_a_fixed_address_needs_no_room_of_its_own(tmp_path: Path) -> None:
    mapped = images.by_kernel(image(tmp_path, type="ET_EXEC"), NEW, "x")
    assert sites(mapped) == {"map_link": (4, 4), "mprotect_split": (1, 3)}


def test_one_segment_without_bss_needs_no_split(tmp_path: Path) -> None:
    one = [["PT_LOAD", 0, 0, 0x2000, 0x2000, 7, 0x1000]]
    mapped = images.by_kernel(image(tmp_path, program_headers=one, flags_1=1 << 27), NEW, "x")
    assert sites(mapped) == {"map_link": (1, 1)}


@pytest.mark.parametrize(
    ("kernel", "link", "split", "unlink"), [("6.9", 2, 1, 1), ("6.10", 3, 2, 3), ("7.2", 3, 2, 3)]
)
def test_an_aligned_static_pie_is_mapped_twice_from_610(
    tmp_path: Path, kernel: str, link: int, split: int, unlink: int
) -> None:
    static = image(tmp_path, program_headers=TWO_MB, flags_1=elf_files.DF_1_PIE)
    counts = sites(images.by_kernel(static, kernels.rules_of(kernel), "x"))
    assert (counts["map_link"][0], counts["map_split"][0]) == (link, split)
    assert counts["map_unlink"] == (unlink, unlink)


def test_a_library_with_a_hole_loses_access_in_between(tmp_path: Path) -> None:
    mapped = images.by_loader(image(tmp_path, program_headers=TWO_MB), NEW, "x")
    # hole: split behind the text and before the data; data over the rest, RELRO is one page
    assert sites(mapped) == {
        "map_link": (2, 2),
        "map_unlink": (1, 1),
        "mprotect_split": (3, 9),
    }
    assert mapped.runs == (4,)


def test_a_program_with_a_gap_of_more_than_two_mb_is_torn_down_in_two_runs(tmp_path: Path) -> None:
    table = [list(header) for header in TWO_MB]
    for header in table[1:]:
        header[2] += BIG
    far = images.by_kernel(image(tmp_path, type="ET_EXEC", program_headers=table), NEW, "x")
    near = images.by_kernel(image(tmp_path, type="ET_EXEC", program_headers=TWO_MB), NEW, "x")
    assert (near.runs, far.runs) == ((3,), (1, 2))
    gone = [loops.iteration("vfork", (), (each,), NEW)["x"] for each in (near, far)]
    assert [loops.tally(events)["exit.teardown"] for events in gone] == [(1, 3), (2, 3)]


def test_a_library_of_lld(tmp_path: Path) -> None:
    mapped = images.by_loader(image(tmp_path, program_headers=LLD), NEW, "x")
    # the whole; text: 2 splits; RELRO segment: 1; data: 1, then its bss takes the rest.
    # RELRO covers its mapping entirely: no split.
    assert sites(mapped) == {"map_link": (4, 4), "map_split": (4, 12), "map_unlink": (4, 4)}
    assert mapped.runs == (4,)


@pytest.mark.parametrize(
    ("memory", "splits", "unlinks"),
    [(0x238, 4, 3), (0x1210, 4, 3), (0x1211, 5, 4), (1 << 24, 5, 4)],
)
def test_bss_beyond_the_last_page_costs_a_split_and_an_unlink(
    tmp_path: Path, memory: int, splits: int, unlinks: int
) -> None:
    table = [list(header) for header in elf_files.PLAIN]
    table[3][3], table[3][4] = 0x210 + 0x20, memory
    counts = sites(images.by_loader(image(tmp_path, program_headers=table), NEW, "x"))
    assert counts["map_split"] == (splits, 3 * splits)
    assert counts["map_unlink"] == (unlinks, unlinks)


@pytest.mark.parametrize(("mappings", "batches"), [(8, 1), (9, 2), (16, 2), (17, 3)])
def test_a_batch_takes_eight_mappings(tmp_path: Path, mappings: int, batches: int) -> None:
    table = [
        ["PT_LOAD", 0x1000 * i, 0x1000 * i, 0x1000, 0x1000, 4 + i % 2, 0x1000]
        for i in range(mappings)
    ]
    many = images.by_kernel(image(tmp_path, type="ET_EXEC", program_headers=table), NEW, "x")
    assert many.runs == (mappings,)
    for rules, acquires in ((NEW, batches), (OLD, mappings)):
        events = loops.iteration("vfork", (), (many,), rules)["x"]
        assert loops.tally(events)["exit.teardown"] == (acquires, mappings)


@pytest.mark.parametrize(
    ("size", "splits"), [(0x20F, 0), (0x210, 1), (0x210 + 0xFFF, 1), (0x1210, 0), (0, 0)]
)
def test_relro_ends_at_the_last_whole_page(tmp_path: Path, size: int, splits: int) -> None:
    """The data take two pages: RELRO of none or of both of them splits nothing."""
    table = [list(header) for header in elf_files.PLAIN]
    table[3][3] = table[3][4] = 0x1210
    table[4][4] = size
    counts = sites(images.by_loader(image(tmp_path, program_headers=table), NEW, "x"))
    assert counts.get("mprotect_split", (0, 0)) == (splits, 3 * splits)


@pytest.mark.parametrize("address", [0x4000, 0x4800])
def test_a_segment_of_zeros_alone_is_anonymous(tmp_path: Path, address: int) -> None:
    table = [list(header) for header in elf_files.PLAIN[:3]]
    table.append(["PT_LOAD", address - 0x1000, address, 0, 0x9000, 6, 0x1000])
    path = elf_files.write(tmp_path / "p", program_headers=table, type="ET_EXEC")
    path.write_bytes(path.read_bytes() + bytes(0x2000))
    mapped = images.by_kernel(elf.read(path), NEW, "x")
    assert sites(mapped) == {"map_link": (3, 3)}
    assert mapped.runs == (3,)


def test_text_relocations_change_whole_mappings_so_only_relro_splits(tmp_path: Path) -> None:
    plain = images.by_loader(image(tmp_path), NEW, "x")
    dirty = images.by_loader(image(tmp_path, textrel=True), NEW, "x")
    assert sites(plain)["mprotect_split"] == (1, 3)
    assert sites(dirty)["mprotect_split"] == (1, 3)
    assert dirty.mappings == 5


def test_a_program_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="fixed address"):
        images.by_loader(image(tmp_path, type="ET_EXEC"), NEW, "x")


def test_mappings_of_this_very_process() -> None:
    """What Linux and glibc did to start this Python, against the replay: every file of it."""
    program = "print(open('/proc/self/maps').read())"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    )
    real: dict[str, int] = defaultdict(int)
    for line in done.stdout.splitlines():
        words = line.split(None, 5)
        if len(words) == 6 and words[5].startswith("/"):
            real[words[5].strip()] += 1
    compared = {}
    for path, mappings in real.items():
        if not re.search(r"/(python[\d.]*|ld-[^/]*|[^/]*\.so[\d.]*)$", path):
            continue  # locale
        file = elf.read(Path(path))
        alone = file.interpreter is not None and not path.endswith("libc.so.6")
        by_kernel = alone or "/ld-" in path
        mapped = (images.by_kernel if by_kernel else images.by_loader)(file, NEW, path)
        compared[path] = (mapped.mappings, mappings)
    assert len(compared) >= 3
    assert {path: both for path, both in compared.items() if both[0] != both[1]} == {}
