"""Every row of the traced table, from program headers alone."""

from __future__ import annotations

import csv
from collections import defaultdict

import elf_files
import pytest
from places import ROOT

from lockmodel.measure.acquires.count import Counts, count
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.sysroot import Sysroot

TABLE = ROOT / "data" / "traced" / "acquires_traced.csv"
Rows = dict[tuple[str, str], tuple[int, int]]
"""(file, phase.site) -> acquires, tree operations."""


def traced() -> dict[tuple[str, str, str], Rows]:
    table: dict[tuple[str, str, str], Rows] = defaultdict(dict)
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    for row in csv.DictReader(lines):
        site = f"{row['phase']}.{row['site']}"
        both = int(row["acquires"]), int(row["tree_operations"])
        table[row["kernel"], row["loop"], row["binary"]][row["file"], site] = both
    return table


TRACED = traced()


def rows(counts: Counts) -> Rows:
    return {
        (file.name, label): (site.acquires, site.operations)
        for file in counts.files
        for label, site in file.sites.items()
    }


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    return Resolver(Sysroot(elf_files.system(tmp_path_factory.mktemp("root"))))


def test_the_table_has_nine_loops_on_three_kernels() -> None:
    assert len(TRACED) == 27
    assert sum(map(len, TRACED.values())) == 606


@pytest.mark.parametrize("case", TRACED, ids="-".join)
def test_every_row_of_the_traced_table(resolver: Resolver, case: tuple[str, str, str]) -> None:
    kernel, loop, binary = case
    counts = count(resolver, f"/usr/bin/{binary}", kernel, loop, "/usr/bin/dynloop")
    assert rows(counts) == TRACED[case]


@pytest.mark.parametrize(
    ("kernel", "loop", "acquires", "operations"),
    [
        ("6.1", "fork", 29, 42),
        ("6.12", "fork", 21, 42),
        ("7.2", "fork", 21, 42),
        ("6.1", "execl", 19, 32),
        ("6.12", "execl", 15, 32),
        ("6.10", "fork", 29, 42),
        ("6.11", "fork", 21, 42),
    ],
)
def test_libc_totals_of_the_published_profiles(
    resolver: Resolver, kernel: str, loop: str, acquires: int, operations: int
) -> None:
    counts = count(resolver, "/usr/bin/dyntrue", kernel, loop)
    libc = next(file for file in counts.files if file.name == "libc.so.6")
    assert (libc.acquires, libc.operations) == (acquires, operations)


def test_the_unnamed_launcher_counts_like_the_traced_one(resolver: Resolver) -> None:
    named = count(resolver, "/usr/bin/git", "6.12", "fork", "/usr/bin/dynloop")
    unnamed = count(resolver, "/usr/bin/git", "6.12", "fork")
    renamed = {
        ("launcher" if file == "dynloop" else file, site): both
        for (file, site), both in rows(named).items()
    }
    assert rows(unnamed) == renamed
