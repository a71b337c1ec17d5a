"""Counted acquires with held instructions: the scenario that --toml writes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import elf_files
import pytest
from msgspec.structs import replace
from places import timed

from lockmodel.answers.predict import predict
from lockmodel.measure.acquires.count import Counts, FileCount, SiteCount, count
from lockmodel.measure.acquires.held import held
from lockmodel.measure.acquires.kernels import rules_of
from lockmodel.measure.acquires.lines import lines
from lockmodel.measure.acquires.machine import local
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.scenario import CROWD, demands, scenario
from lockmodel.measure.acquires.sysroot import Sysroot
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import EVERYWHERE, Site
from lockmodel.model.shipped import find_scenario
from lockmodel.model.toml import dumps, loads

MACHINE = Machine(name="test", cpus=64, cores=64)


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    return Resolver(Sysroot(elf_files.system(tmp_path_factory.mktemp("root"))))


def counted(resolver: Resolver, binary: str, kernel: str = "6.12", loop: str = "fork") -> Counts:
    return count(resolver, f"/usr/bin/{binary}", kernel, loop, "/usr/bin/dynloop")


def test_the_sites_are_those_of_the_shipped_scenario(resolver: Resolver) -> None:
    """models/sysexec-spr224-v6.12 was made from the traced table of the same loop."""
    made = scenario(counted(resolver, "dyntrue"), MACHINE)
    shipped = timed("sysexec-spr224-v6.12")
    names = {"dyntrue": "executable", "dynloop": "launcher"}
    ours = {(names.get(s.lock, s.lock), s.label): s for s in made.sites if s.label != EVERYWHERE}
    theirs = {(s.lock, s.label): s for s in shipped.sites}
    assert {key: s.acquires for key, s in ours.items()} == {
        key: s.acquires for key, s in theirs.items()
    }
    for key, site in theirs.items():
        assert ours[key].held_instructions == pytest.approx(site.held_instructions, abs=1), key
        assert ours[key].growth_per_doubling == pytest.approx(site.growth_per_doubling, abs=0.06)
    assert ours["libc.so.6", "exec.map_split"].held_instructions == 1143


@pytest.mark.parametrize("loop", ["fork", "vfork", "execl"])
@pytest.mark.parametrize("kernel", ["6.1", "6.12", "7.2"])
@pytest.mark.parametrize("binary", ["cxxtrue", "sttrue", "nosep"])
def test_every_scenario_survives_a_round_trip(
    resolver: Resolver, binary: str, kernel: str, loop: str
) -> None:
    counts = counted(resolver, binary, kernel, loop)
    made = scenario(counts, MACHINE)
    assert loads(dumps(made)) == made
    for file in counts.files:
        assert made.acquires(file.name) == file.acquires
    assert made.lock(counts.files[0].name).kind == "rwsem"
    values = [p.value for p in made.provenance]
    assert len(values) == len(set(values))
    assert {"acquires", "held_instructions, growth_per_doubling", "machine"} < set(values)


def test_libc_binds_and_the_ceiling_is_one_over_its_demand(resolver: Resolver) -> None:
    made = scenario(counted(resolver, "git"), MACHINE)
    points = predict(made, (1, 64), "product-form").points
    assert points[0].throughput_per_s > 2000
    assert points[1].binding == "libc.so.6"


def test_a_smaller_batch_holds_in_proportion(resolver: Resolver) -> None:
    counts = counted(resolver, "dyntrue")
    batches = {
        n: held(FileCount("libx.so", "library", n, {"exit.teardown": SiteCount(1, n)}), counts)[
            "exit.teardown"
        ].start
        for n in (1, 5)
    }
    assert batches[5] == pytest.approx(5 * batches[1])
    assert batches[5] == pytest.approx((493 + 3 * 359) / 4)  # libc.so.6 at four numbers of mappers


def test_a_smaller_batch_moves_lines_in_proportion(resolver: Resolver) -> None:
    counts = counted(resolver, "dyntrue")

    def torn(mappings: int) -> Site:
        file = FileCount("libx.so", "library", mappings, {"exit.teardown": SiteCount(1, mappings)})
        made = scenario(dataclasses.replace(counts, files=(*counts.files, file)), MACHINE)
        return next(s for s in made.sites_of("libx.so") if s.label == "exit.teardown")

    whole, one = torn(5), torn(1)
    assert whole.lines > 5
    assert one.lines == pytest.approx(whole.lines / 5, abs=0.01)
    assert one.lines_per_doubling == pytest.approx(whole.lines_per_doubling / 5, abs=0.01)


def test_the_demand_in_lines_is_that_of_the_table(resolver: Resolver) -> None:
    """lines_totals.csv, fork, libc.so.6: 342.1 at 16 loops, 395.6 at 32, so 449 at 64."""
    instructions, lines = demands(counted(resolver, "dyntrue"))["libc.so.6"]
    # models/sysexec-spr224-v6.12: fork, teardowns, then what maps, each line at one mapper
    by_hand = 5 * 68 + 360 + 392 + 1105 + 3 * 87 + 5 * 1143 + 4 * 68 + 1260
    assert instructions == pytest.approx(by_hand, abs=7)  # there they are rounded
    assert CROWD == 64
    assert lines == pytest.approx(395.6 + (395.6 - 342.1) + 21 * 5.8, rel=0.05)


def test_a_count_predicts_with_an_interval_and_what_comes_next(resolver: Resolver) -> None:
    known = find_scenario("execl-xeon8369b").machine
    ratios = []
    for machine in (known, replace(known, line=None, line_overlap=1.0, times_of="")):
        made = scenario(counted(resolver, "git"), machine)
        assert {"lru_lock", "pcpu_lock", "not_counted"} < {lock.name for lock in made.locks}
        (point,) = predict(made, [128], "product-form").points
        low, high = point.interval_per_s
        assert low < point.throughput_per_s < high
        ratios.append(high / low)
    with_times, guessed = ratios
    assert with_times < 0.9 * guessed  # whose lines take typical times


def test_the_program_of_an_execl_loop_has_its_own_lines(resolver: Resolver) -> None:
    loops = {
        loop: scenario(counted(resolver, "dyntrue", loop=loop), MACHINE)
        for loop in ("execl", "fork")
    }
    own, shared = (
        next(s for s in made.sites_of("dyntrue") if s.label == "exec.map_split")
        for made in loops.values()
    )
    law = lines("6.12.107", "execl", True, "exec.map_split")
    assert own.lines == pytest.approx(law.start, abs=0.01)
    assert shared.lines != own.lines


def test_names_that_a_lever_could_not_spell(resolver: Resolver) -> None:
    sites = {"exec.map_link": SiteCount(1, 1)}
    files = tuple(
        FileCount(name, "library", 1, sites) for name in ("all", "a=b", "a:b", "lib.so (2)")
    )
    counts = Counts(rules_of("6.12"), "fork", "/usr/bin/x y", "l", files, ())
    made = scenario(counts, MACHINE)
    assert [lock.name for lock in made.locks][:4] == ["all_", "a_b", "a_b_", "lib.so_(2)"]
    assert made.name == "fork-x_y"


def topology(root: Path, cpus: list[tuple[int, int]], nodes: int) -> Path:
    for i, (package, core) in enumerate(cpus):
        folder = root / f"cpu/cpu{i}/topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{package}\n")
        (folder / "core_id").write_text(f"{core}\n")
    for i in range(nodes):
        (root / f"node/node{i}").mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("cpus", "nodes", "expected"),
    [
        ([(0, 0), (0, 1), (0, 0), (0, 1)], 1, (4, 2, 1, 1, 1.25)),
        ([(0, 0), (0, 1), (1, 0), (1, 1)], 2, (4, 4, 2, 2, 1.0)),
        ([(0, 0), (0, 1), (0, 0)], 1, (3, 3, 1, 1, 1.0)),  # a thread is off
        ([], 0, (8, 8, 1, 1, 1.0)),  # nothing known
    ],
)
def test_this_machine(
    tmp_path: Path, cpus: list[tuple[int, int]], nodes: int, expected: tuple[float, ...]
) -> None:
    this = local(topology(tmp_path, cpus, nodes), len(cpus) or 8)
    assert (this.cpus, this.cores, this.sockets, this.nodes, this.smt_speedup) == expected
