"""Machines as people write them, and a scenario that moves to another one."""

from __future__ import annotations

import msgspec
import pytest

from lockmodel.errors import ArgumentError
from lockmodel.model.handoff import TopologyHandOff
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.machines import MODELS, find, known, move, name_of, parse
from lockmodel.model.network import build
from lockmodel.model.placement import cpu_order
from lockmodel.model.published import published_machines
from lockmodel.model.scenario import Calibrated, Lock, Provenance, Scenario, Site
from lockmodel.model.shipped import find_scenario, model_names
from lockmodel.solvers.solve import points
from lockmodel.solvers.validity import contradiction, outside

OWN = Machine(name="old", cpus=8, cores=4, nodes=2, same_node_cost=0.25, placement="spread")


def passed_on(machine: Machine) -> Scenario:
    """Ten passes per iteration, 100 ns in the node and 400 ns to another, nothing held."""
    return Scenario(
        name="passes",
        title="ten passes",
        iteration="ten passes",
        machine=machine,
        think=10e-6,
        think_remote=8e-6,
        locks=(
            Lock(
                name="l",
                time_per_instruction_local=1e-9,
                time_per_instruction_remote=1e-9,
                handoff=TopologyHandOff(local=100e-9, remote=400e-9),
            ),
        ),
        sites=(Site(lock="l", phase="a", name="b", acquires=10.0, held_instructions=0.0),),
        calibrated=Calibrated(low=1, high=8, throughput_per_s=1e9),
        provenance=(
            Provenance(value="machine.smt_speedup", origin="assumed", note="a"),
            Provenance(value="think", origin="assumed", note="b"),
        ),
    )


def test_a_text_gives_sockets_cores_and_threads():
    assert parse("2x20x2") == Machine(
        name="2x20x2",
        cpus=80,
        cores=40,
        sockets=2,
        nodes=2,
        smt_speedup=1.25,
        same_node_cost=0.4,
        placement="fill",
    )
    assert parse("1x16x1") == Machine(name="1x16x1", cpus=16, cores=16)
    assert parse("1x65536x1").cpus == 65_536


@pytest.mark.parametrize(
    "text",
    ["0x2x2", "2x0x2", "2x20", "2x20x2x2", "1e9x1x1", "999999999x1x1", "2x20x2 ", "1x65537x1"],
)
def test_what_is_no_machine_is_refused_with_the_rule(text):
    with pytest.raises(ArgumentError) as raised:
        parse(text)
    assert str(raised.value) == (
        f"--machine {text!r}: write SOCKETSxCORESxTHREADS, e.g. 2x20x2: sockets, cores per "
        f"socket, threads per core; whole numbers from 1, at most 65536 CPUs in all"
    )


def test_an_unknown_name_gets_the_nearest_and_where_the_list_is():
    listed = "`lockmodel machines` lists them; or write SOCKETSxCORESxTHREADS"
    for text, near in (("spr22", "spr224"), ("epyc776", "epyc7763")):
        with pytest.raises(ArgumentError) as raised:
            parse(text)
        assert str(raised.value).startswith(
            f"--machine {text!r}: no such machine; did you mean {near!r}? {listed}"
        )
    for text in ("", "-2x2x2", "qqq"):
        with pytest.raises(ArgumentError) as far:
            parse(text)
        assert str(far.value).startswith(f"--machine {text!r}: no such machine; {listed}")


def test_a_published_machine_has_its_caches_and_line_times():
    machine = parse("epyc7302")
    assert (machine.cpus, machine.cores, machine.sockets, machine.caches) == (64, 32, 2, 16)
    assert machine.line == LineTimes(smt=8.4e-9, cache=25.4e-9, socket=134.7e-9, remote=230.3e-9)
    assert (machine.nodes, machine.smt_speedup, machine.same_node_cost) == (2, 1.25, 0.4)
    assert parse("epyc7601").line is None  # socket and remote were not told apart


@pytest.mark.parametrize(("name", "why"), [("xeon8360y", "144 CPUs"), ("xeone5-4650v2", "80 CPUs")])
def test_a_machine_whose_topology_its_numbers_contradict_is_refused(name, why):
    with pytest.raises(ArgumentError, match=f"--machine {name}: topology not known: .*{why}"):
        parse(name)


def test_one_list_has_every_name():
    assert list(known())[:5] == list(MODELS)
    assert list(known())[5:] == [found.name for found in published_machines()]
    assert find("epyc7763", "NAME").title == "2 x EPYC 7763 (Zen 3 Milan)"
    with pytest.raises(ArgumentError, match="NAME 'epyc7762': no such machine; did you mean"):
        find("epyc7762", "NAME")


def test_line_times_come_with_the_machine_and_go_with_it():
    there = move(passed_on(OWN), "epyc7302").machine
    assert (there.caches, there.line) == (16, parse("epyc7302").line)
    back = move(move(passed_on(OWN), "epyc7302"), "2x20x2").machine
    assert (back.caches, back.line) == (None, None)


@pytest.mark.parametrize("model", model_names())
def test_every_shipped_machine_has_a_name(model):
    machine = find_scenario(model).machine
    name = name_of(machine)
    there = msgspec.structs.replace(parse(name), line_overlap=machine.line_overlap)
    assert there == machine  # two kernels on it may want two overlaps
    assert find_scenario(MODELS[name]).machine == parse(name)
    assert name_of(parse("2x3x1")) == ""


@pytest.mark.parametrize(
    ("text", "n", "passes_us", "think_us"),
    [
        # Of 3 others, 2 are in the other node: c = 100 + 300 x 2/3 ns. Half of the lines come
        # from there, a quarter from the core beside (at 0.25): think = 10 + 8 (1/2 + 1/16) us.
        ("2x2x1", 4, 3.0, 14.5),
        ("1x4x1", 4, 1.0, 11.5),  # c = 100 ns; 3/4 of the lines from beside: 10 + 8 x 3/16 us
        ("4x1x1", 4, 4.0, 16.0),  # c = 400 ns; 3/4 of the lines from another node
        ("2x1x1", 2, 4.0, 14.0),
    ],
)
def test_distances_follow_the_new_machine(text, n, passes_us, think_us):
    moved = move(passed_on(OWN), text)
    (lock,) = build(moved, n).of("l")
    assert lock.contended == pytest.approx(passes_us * 1e-6, rel=1e-12)
    (cpu,) = build(moved, n).of("cpu")
    assert cpu.level(1) == pytest.approx(think_us * 1e-6, rel=1e-12)


def test_threads_and_cpus_follow_the_new_machine():
    """Without a lock, 1 x 2 x 2 does 2 x 1.25 as much as one CPU, whatever n is."""
    alone = msgspec.structs.replace(passed_on(OWN), think_remote=0.0, locks=(), sites=())
    rates = [p.throughput_per_s for p in points(move(alone, "1x2x2"), [1, 2, 4, 9])]
    assert rates == pytest.approx([1e5, 2e5, 2.5e5, 2.5e5])


def test_placement_and_the_cost_of_near_lines_stay():
    machine = move(passed_on(OWN), "2x2x2").machine
    assert (machine.placement, machine.same_node_cost) == ("spread", 0.25)
    assert cpu_order(machine).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


def test_a_moved_scenario_says_whose_times_it_has():
    moved = move(passed_on(OWN), "2x2x2")
    assert (moved.title, moved.machine.times_of) == ("ten passes, on 2x2x2", "old")
    assert [entry.value for entry in moved.provenance] == ["think", "machine"]
    assert "2x2x2 as asked, one node per socket, SMT x1.25" in moved.provenance[-1].note
    stay = "times and hand-off costs stay those of old; 2x2x2 only sets the CPUs and where they are"
    assert outside(moved, [8]) == [stay]
    assert outside(moved, [9]) == [stay, "calibrated for n = 1 to 8 only; n = 9 is extrapolated"]
    again = move(moved, "1x4x1")
    assert again.machine.times_of == "old"


def test_a_rate_measured_on_the_old_machine_contradicts_nothing_on_the_new():
    own = passed_on(OWN)
    assert contradiction(own, 1e6) != []
    assert contradiction(move(own, "2x2x2"), 1e6) == []


def test_times_to_be_fitted_there_are_its_own():
    assert outside(move(passed_on(OWN), "2x2x2", measured=True), [8]) == []


def test_the_same_machine_changes_nothing():
    own = find_scenario("execl-xeon8369b")
    assert move(own, "xeon8369b") is own
    assert move(own, "spr224").machine.cpus == 224
