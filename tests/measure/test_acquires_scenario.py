"""Counted acquires with held instructions: the scenario that --toml writes."""

from __future__ import annotations

from pathlib import Path

import elf_files
import pytest
from places import timed

from lockmodel.answers.predict import predict
from lockmodel.measure.acquires.count import Counts, FileCount, SiteCount, count
from lockmodel.measure.acquires.held import held
from lockmodel.measure.acquires.kernels import rules_of
from lockmodel.measure.acquires.machine import local
from lockmodel.measure.acquires.resolve import Resolver
from lockmodel.measure.acquires.scenario import demand, scenario
from lockmodel.measure.acquires.sysroot import Sysroot
from lockmodel.model.machine import Machine
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
    ours = {(names.get(s.lock, s.lock), s.label): s for s in made.sites}
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
    assert {p.origin for p in made.provenance} == {"derived", "assumed"}


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


def test_the_demand_is_tau_i_plus_m_c(resolver: Resolver) -> None:
    counts = counted(resolver, "dyntrue")
    libc = next(f for f in counts.files if f.name == "libc.so.6")
    instructions, seconds = demand(libc, counts)
    # models/sysexec-spr224-v6.12: fork, teardowns, then what maps, each line at one mapper
    by_hand = 5 * 68 + 360 + 392 + 1105 + 3 * 87 + 5 * 1143 + 4 * 68 + 1260
    assert instructions == pytest.approx(by_hand, abs=7)  # there they are rounded
    assert seconds == pytest.approx(instructions * 3.2e-9 + 21 * 0.958e-6)


def test_names_that_a_lever_could_not_spell(resolver: Resolver) -> None:
    sites = {"exec.map_link": SiteCount(1, 1)}
    files = tuple(
        FileCount(name, "library", 1, sites) for name in ("all", "a=b", "a:b", "lib.so (2)")
    )
    counts = Counts(rules_of("6.12"), "fork", "/usr/bin/x y", "l", files, ())
    made = scenario(counts, MACHINE)
    assert [lock.name for lock in made.locks] == ["all_", "a_b", "a_b_", "lib.so_(2)"]
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
