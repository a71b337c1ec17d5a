"""Figures of traces and maps: counts that must agree, and lines against the shipped models."""

from __future__ import annotations

import csv
from pathlib import Path

import elf_files
import pytest
from places import timed

from lockmodel.errors import ArgumentError
from lockmodel.figures import acquires, error_map, held
from lockmodel.measure.acquires.count import count
from lockmodel.measure.acquires.kernels import TRACED
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.sysroot import Sysroot
from lockmodel.model.shipped import shipped_dir


def test_the_shipped_table_is_what_the_rules_count(tmp_path_factory):
    resolver = Resolver(Sysroot(elf_files.system(tmp_path_factory.mktemp("root"))))
    counts = [
        count(resolver, f"/usr/bin/{binary}", kernel, loop, "/usr/bin/dynloop")
        for kernel in TRACED
        for loop, binary in (("fork", "dyntrue"), ("execl", "dynloop"))
    ]
    of_libc = {
        (one.kernel.traced, one.loop): {
            site: counted.acquires
            for file in one.files
            if file.name == acquires.FILE
            for site, counted in file.sites.items()
        }
        for one in counts
    }
    assert of_libc == acquires.shipped_elf()


def test_the_table_says_where_it_comes_from():
    lines = acquires.ELF_TABLE.read_text().splitlines()
    keys = [line[2:].partition(":")[0] for line in lines if line.startswith("# ")]
    assert keys[:6] == ["what", "where", "who", "when", "unit", "source"]


@pytest.fixture(scope="module")
def counted():
    return acquires.data().panels


def test_three_counts_agree_in_total(counted):
    totals = [(sum(p.traced), sum(p.elf), sum(p.from_shares)) for p in counted]
    assert totals == [(29, 29, 29), (21, 21, 21), (15, 15, 15)]


def test_trace_and_rules_agree_at_every_site(counted):
    for panel in counted:
        assert panel.traced == panel.elf


def test_shares_agree_at_every_site_where_the_stacks_tell(counted):
    for panel in counted[:2]:
        assert panel.from_shares == panel.traced
    for panel in counted:
        pairs = zip(panel.shares, panel.from_shares, strict=True)
        assert max(abs(ratio - whole) for ratio, whole in pairs) < 0.25
    # the third profile calls what expands a mapping, and most splits, by other names
    third = dict(zip(counted[2].sites, counted[2].from_shares, strict=True))
    traced = dict(zip(counted[2].sites, counted[2].traced, strict=True))
    merged = [("exec.map_link", "exec.map_expand"), ("exec.map_split", "exec.mprotect_split")]
    for pair in merged:
        assert sum(third[site] for site in pair) == sum(traced[site] for site in pair)


def test_held_medians_are_those_of_the_table():
    sites = {one.site: one for one in held.data().sites}
    split = sites["exec.map_split"]
    assert split.mappers == (1, 101, 1001, 4001)
    assert split.instructions == (1093, 1553, 1841, 2033)
    link, unlink = sites["exec.map_link"].instructions, sites["exec.map_unlink"].instructions
    assert (link[0], link[-1], unlink[0], unlink[-1]) == (152, 309, 92, 321)
    assert [kernel for kernel, _ in split.by_kernel] == ["6.1.187", "6.12.107", "7.2.13"]
    assert "exit.teardown" not in sites  # execl never exits


def test_held_lines_are_those_of_the_shipped_model():
    model = timed("execl-xeon8369b").sites_of("libc.so.6")
    lines = {one.site: one for one in held.data().sites}
    assert set(lines) == {site.label for site in model}
    for site in model:
        line = lines[site.label]
        assert line.start == pytest.approx(site.held_instructions, abs=0.6)
        assert line.growth == pytest.approx(site.growth_per_doubling, abs=0.06)


def test_the_error_map_keeps_the_worst_population():
    path = shipped_dir("data") / "computed" / "product_form_error.csv"
    lines = path.read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    writing = [row for row in rows if float(row["readers"]) == 0]
    data = error_map.data()
    assert data.populations == (2, 4, 8, 16, 64)
    assert len(data.lines) == 5 * 4
    assert sum(len(line.load) for line in data.lines) == len(
        {(row["hold_scv"], row["handoff"], row["load"]) for row in writing}
    )
    largest = max(abs(float(row["error"])) for row in writing)
    assert max(abs(e) for line in data.lines for e in line.error) == largest
    # exponential holds without hand-off are product form: nothing but noise
    exact = next(line for line in data.lines if (line.hold_scv, line.handoff) == (1, 0))
    assert max(map(abs, exact.error)) < 0.005
    steady = next(line for line in data.lines if (line.hold_scv, line.handoff) == (0, 0))
    assert min(steady.error) < -0.04  # with its sign: constant holds wait less


def test_a_share_of_readers_that_was_not_measured():
    assert error_map.data(1).readers == 1
    with pytest.raises(ArgumentError, match=r"readers = 0.3 is not in the map; 0 and 1 are"):
        error_map.data(0.3)


def test_the_table_ships_with_the_package():
    assert acquires.ELF_TABLE.parent == Path(acquires.__file__).parent
