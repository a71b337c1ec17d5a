"""Curves from readings, and what headers say about machines."""

from __future__ import annotations

import numpy as np
import pytest

from lockmodel.errors import ScenarioError
from lockmodel.fitting.curves.curve import Curve, curves_of, merged
from lockmodel.fitting.curves.topology import cpus_of, machine_of
from lockmodel.model.machine import Machine
from lockmodel.model.shipped import shipped_dir
from lockmodel.observe.readers import read_text
from lockmodel.observe.text import from_text


def grouped(machine: Machine) -> tuple[int, int, int]:
    """Return sockets, cores per socket and threads per core."""
    assert machine.nodes == machine.sockets
    assert machine.smt_speedup == machine.cpus // machine.cores
    return machine.sockets, machine.cores // machine.sockets, machine.cpus // machine.cores


HEADER = "# machine: 2 sockets x 4 cores x 2 HT = 16 threads\n# unit: ops/s\n"


def test_curves_are_told_apart_by_variant_and_sorted_by_population() -> None:
    text = HEADER + "threads,throughput,variant\n4,30,a\n1,10,a\n2,20,a\n1,5,b\n2,6,b\n8,7,b\n"
    first, second = curves_of(read_text(from_text(text, "f.csv")))
    assert (first.label, first.n.tolist(), first.x.tolist()) == ("a", [1, 2, 4], [10, 20, 30])
    assert (second.label, second.n.tolist()) == ("b", [1, 2, 8])
    assert first.machine is not None
    assert grouped(first.machine) == (2, 4, 2)
    assert first.sd is None


def test_repeats_become_their_mean_with_its_standard_error() -> None:
    rows = "1,10\n1,12\n2,20\n2,20\n4,39\n4,41\n"
    (curve,) = curves_of(read_text(from_text(HEADER + "threads,throughput\n" + rows, "f.csv")))
    assert curve.x.tolist() == [11, 20, 40]
    assert curve.sd is not None
    # two values 2 apart: sd = sqrt(2), standard error 1
    assert curve.sd == pytest.approx([1, 0, 1])
    assert curve.spread == pytest.approx([1 / 11, 0, 1 / 40])


def test_variants_with_two_points_are_no_curves() -> None:
    text = "threads,throughput,variant\n1,1,a\n2,2,a\n1,1,b\n2,2,b\n3,3,b\n"
    assert [c.label for c in curves_of(read_text(from_text(text, "f.csv")))] == ["b"]


@pytest.mark.parametrize(
    ("n", "x", "sd", "message"),
    [
        ([1, 2], [1.0, 2.0], None, "2 points are too few"),
        ([1, 2, 2], [1.0, 2.0, 3.0], None, "population 2 is followed by 2"),
        ([1, 4, 2], [1.0, 2.0, 3.0], None, "population 4 is followed by 2"),
        ([0, 1, 2], [1.0, 2.0, 3.0], None, "must lie between 1 and 4096"),
        ([1, 2, 9999], [1.0, 2.0, 3.0], None, "must lie between 1 and 4096"),
        ([1, 2.5, 3], [1.0, 2.0, 3.0], None, "must be whole numbers"),
        ([1, np.nan, 3], [1.0, 2.0, 3.0], None, "must be whole numbers"),
        ([1, 2, 3], [1.0, 0.0, 3.0], None, "throughput 0 must be a finite number > 0"),
        ([1, 2, 3], [1.0, np.nan, 3.0], None, "throughput nan must be"),
        ([1, 2, 3], [1.0, 2.0], None, "two lists of one length"),
        ([1, 2, 3], [1.0, 2.0, 3.0], [0.1, -1.0, 0.1], "must be one number >= 0 per point"),
    ],
)
def test_bad_curves_are_refused(
    n: list[float], x: list[float], sd: list[float] | None, message: str
) -> None:
    with pytest.raises(ScenarioError, match=message):
        Curve(np.array(n), np.array(x), None if sd is None else np.array(sd), "here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 sockets x 48 cores x 2 HT = 192 threads; CPUs 0-95 are cores", (2, 48, 2)),
        ("2-socket 40-core 80-thread Skylake", (2, 20, 2)),
        ("4-socket 56-core 112-thread x86-64", (4, 14, 2)),
        ("4 x Intel Xeon E7; each socket 18 cores x 2 HT, in all 72 cores and 144 hardware "
         "threads", (4, 18, 2)),
        ("4x AMD Opteron 6344 2.6GHz, 8 NUMA nodes x 6 cores = 48", (8, 6, 1)),
        ("8-socket Intel Xeon @2.10GHz, 28 cores x 2 HT per socket, 448 CPUs", (8, 28, 2)),
        ("single-socket Skylake Xeon, 48 hardware threads (24 cores)", (1, 24, 2)),
        ("128 CPUs; 2 sockets x 32 cores x 2 threads is from its specification", (2, 32, 2)),
        ("8-socket IvyBridge-EX", None),
        ("64-core Graviton2", None),
        ("2 sockets x 8 cores x 2 HT = 40 threads", None),
        ("KVM guest; 2 sockets x 8 cores x 2 HT", None),
        ("2x Intel Xeon, 12 cores x 2 HT per socket; run pinned to socket 0 only", None),
        ("80-CPU Intel Xeon Gold 6138 (2 x 20 cores x 2 SMT); one pinned thread each", (2, 20, 2)),
        ('"hps": 8-socket Intel Xeon, 28 cores x 2 HT per socket, 448 CPUs', (8, 28, 2)),
        ("0 sockets x 0 cores", None),
        ("2 sockets x 99999 cores", None),
        ("", None),
    ],
)  # fmt: skip
def test_machines_are_read_only_where_they_are_stated(
    text: str, expected: tuple[int, int, int] | None
) -> None:
    machine = machine_of(text)
    assert expected == (machine and grouped(machine))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("Intel Xeon Gold 6132 (28 CPUs; sockets not stated)", 28),
        ("KVM guest with 16 vCPUs", 16),
        ("one box with 64 CPUs, another with 48 CPUs", None),
        ("88 CPUs, pinned to socket 0", None),
        ("E7", None),
    ],
)
def test_the_number_of_cpus_is_read_where_one_is_stated(text: str, cpus: int | None) -> None:
    assert cpus_of(text) == cpus


def test_all_shipped_throughput_files_with_stated_sockets_are_understood() -> None:
    groups = {}
    for path in sorted((shipped_dir("data") / "published").glob("*.csv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        machine = [line for line in lines if line.startswith("# machine:")]
        made = machine_of(machine[0])
        groups[path.stem] = made and grouped(made)
    assert groups["cna_v3_lock2_threads"] == (4, 18, 2)
    assert groups["rqspin_x86_lock1_threads"] == (2, 48, 2)
    assert groups["unixbench_execl_xeon8369b"] == (2, 32, 2)
    assert groups["rwsem_generic_vs_asm_4socket"] == (4, 14, 2)
    assert groups["cna_v3_open1_paravirt_guest"] is None
    assert groups["wis_page_fault1_vm16"] is None


def test_many_populations_are_merged_to_points_of_the_same_curve():
    """1,000 points of 2 % noise: 64 at most remain, those of many with the noise of their means."""
    n = np.arange(1, 1001)
    truth = 1.0 / np.maximum(120.0 / n, 8.0 + 0.002 * n)
    noisy = Curve(n, truth * np.exp(np.random.default_rng(3).normal(0.0, 0.02, n.size)))
    few = merged(noisy)
    assert 30 < len(few.n) <= 64
    assert (few.n[0], few.n[-1] > 900) == (1, True)
    off = np.log(few.x / truth[few.n - 1])
    assert np.sqrt(np.mean(off**2)) < 0.025
    assert np.sqrt(np.mean(off[few.n > 100] ** 2)) < 0.008
    small = Curve(n[:64], truth[:64])
    assert merged(small) is small


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80-CPU Intel Xeon (2 x 20 cores x 2 SMT), pinned by numactl", (2, 20, 2)),
        ('"hps": 8-socket Intel Xeon, 28 cores x 2 HT per socket', (8, 28, 2)),
        ("80-CPU Intel Xeon (2 x 28 cores x 2 SMT)", None),
        ("2 x 20 cores x 2 SMT; pinned to 10 CPUs", None),
    ],
)
def test_counts_in_one_and_sockets_before_cores(text, expected):
    machine = machine_of(text)
    assert expected == (machine and grouped(machine))


PASTED = """\
# machine: a server of ours
# CPU(s):              80
# Thread(s) per core:  2
# Core(s) per socket:  20
# Socket(s):           2
# NUMA node(s):        4
tasks,throughput
1,100
2,190
4,300
"""


def test_lscpu_in_comments_is_the_machine():
    reading = read_text(from_text(PASTED, "x.csv"))
    (curve,) = curves_of(reading)
    made = curve.machine
    assert made is not None
    assert (made.cpus, made.cores, made.sockets, made.nodes) == (80, 40, 2, 4)
    assert not reading.warnings


def test_lscpu_that_is_wrong_is_said_and_left_out():
    reading = read_text(from_text(PASTED.replace("80", "72"), "x.csv"))
    (curve,) = curves_of(reading)
    assert curve.machine is None
    (text,) = reading.warnings
    assert "x.csv:2: 'CPU(s): 72': 72 CPUs are not 40 cores x 2 threads" in text
