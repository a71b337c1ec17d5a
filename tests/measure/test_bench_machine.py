"""Tests of lockmodel.measure.bench without running anything: parsers, machines, checks, curves."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from benches import LSCPU_TABLE, big, curve, run
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE

from lockmodel.fitting.curves.topology import machine_of
from lockmodel.measure.bench import machine as ma
from lockmodel.measure.bench import sources
from lockmodel.measure.bench.activity import Activity, Counters, between, counters
from lockmodel.measure.bench.checks import reasons, root_would_add
from lockmodel.measure.bench.curve import default_populations
from lockmodel.measure.bench.machine import read_machine
from lockmodel.measure.bench.runner import schedule, warmup_of
from lockmodel.measure.bench.sources import Cpu, CpuTime
from lockmodel.observe.readers import read_text
from lockmodel.observe.text import from_text

LSCPU_JSON = """{"lscpu": [
 {"field": "Architecture:", "data": "x86_64", "children": [
   {"field": "CPU op-mode(s):", "data": "32-bit, 64-bit"}]},
 {"field": "Vendor ID:", "data": "GenuineIntel", "children": [
   {"field": "Model name:", "data": "Intel(R) Xeon(R)", "children": [
      {"field": "Thread(s) per core:", "data": "2"}]}]},
 {"field": "Hypervisor vendor:", "data": "KVM"}]}"""

STAT = """cpu  100 0 50 800 10 0 5 20 0 0
cpu0 60 0 30 400 5 0 5 10 0 0
cpu1 40 0 20 400 5 0 0 10 0 0
intr 1 2 3
"""

MOUNTS = """22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/root rw
23 22 0:21 / /home rw - nfs4 server:/home rw
24 22 0:22 / /mnt/a\\040b rw - tmpfs tmpfs rw
"""


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def root(tmp_path) -> Path:
    """Return a folder that looks like the root of a laptop with four CPUs."""
    cpu = "sys/devices/system/cpu"
    files = {
        f"{cpu}/online": "0-3\n",
        "sys/devices/system/node/node0/cpulist": "0-3\n",
        f"{cpu}/cpufreq/policy0/scaling_governor": "powersave\n",
        f"{cpu}/cpufreq/policy1/scaling_governor": "performance\n",
        f"{cpu}/intel_pstate/no_turbo": "0\n",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet\n",
        "proc/cpuinfo": "processor: 0\nmodel name : Laptop CPU\nflags : fpu hypervisor sse\n",
        "proc/sys/kernel/osrelease": "6.1.0-test\n",
        "proc/sys/kernel/pid_max": "4194304\n",
        "proc/cmdline": "quiet mitigations=off\n",
        "proc/meminfo": "MemTotal: 100 kB\nSwapTotal:  2048 kB\nSwapFree:  1024 kB\n",
        "proc/loadavg": "1.50 1.00 0.50 2/100 1234\n",
        "proc/stat": STAT,
        "proc/self/cgroup": "0::/user.slice/job\n",
        "sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n",
        "sys/fs/cgroup/user.slice/job/cpu.stat": "usage_usec 5\nnr_throttled 7\n",
        "sys/fs/cgroup/user.slice/pids.max": "500\n",
        "boot/config-6.1.0-test": "CONFIG_KASAN=y\n# CONFIG_LOCKDEP is not set\nCONFIG_X=y\n",
        "proc/lock_stat": "",
        "proc/17/comm": "bpftrace\n",
        "proc/18/comm": "bash\n",
    }
    for i in range(4):
        files[f"{cpu}/cpu{i}/topology/core_id"] = f"{i // 2}\n"
        files[f"{cpu}/cpu{i}/topology/physical_package_id"] = "0\n"
        files[f"{cpu}/cpu{i}/thermal_throttle/core_throttle_count"] = "2\n"
    for path, text in files.items():
        write(tmp_path, path, text)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0-3,8\n", (0, 1, 2, 3, 8)),
        ("5", (5,)),
        ("", ()),
        ("x,1", (1,)),
        ("3-1", ()),
    ],
)
def test_cpu_lists(text, numbers):
    assert sources.cpu_list(text) == numbers


def test_a_huge_cpu_list_is_bounded():
    assert len(sources.cpu_list("0-999999")) == sources.MOST_CPUS + 1


def test_lscpu():
    assert sources.lscpu_fields(LSCPU_JSON)["Model name"] == "Intel(R) Xeon(R)"
    assert sources.lscpu_fields(LSCPU_JSON)["Hypervisor vendor"] == "KVM"
    table = sources.lscpu_table(LSCPU_TABLE)
    assert table[6] == Cpu(number=6, core=2, socket=1, node=1)
    assert len(table) == 8


@pytest.mark.parametrize("text", ["", "[]", '{"lscpu": 5}', '{"lscpu": [5]}', "[" * 99999, "x"])
def test_an_odd_lscpu_says_nothing(text):
    assert sources.lscpu_fields(text) == {}


@REPEATABLE
@given(st.text(max_size=200))
def test_no_parser_fails_on_rubbish(text):
    sources.cpu_list(text)
    sources.lscpu_fields(text)
    sources.lscpu_table(text)
    sources.keyed(text)
    sources.quota_cpus(text)
    sources.cgroup_path(text, "cpu")
    sources.file_system(text, "/a")
    sources.cpu_times(text)
    sources.options_on(text, ("X",))
    ma.load(text)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("200000 100000", 2.0), ("max 100000", None), ("50000 100000\n", 0.5), ("-1 100000", None)],
)
def test_quotas(text, cpus):
    assert sources.quota_cpus(text) == cpus


def test_control_groups_of_both_versions():
    text = "9:name=systemd:/\n2:cpu,cpuacct:/a:b\n0::/user\n"
    assert sources.cgroup_path(text, "cpu") == "/a:b"
    assert sources.cgroup_path(text) == "/user"
    assert sources.cgroup_path(text, "pids") is None


def test_the_file_system_of_a_path():
    assert sources.file_system(MOUNTS, "/usr/bin/true") == "ext4"
    assert sources.file_system(MOUNTS, "/home/me/true") == "nfs4"
    assert sources.file_system(MOUNTS, "/homes/true") == "ext4"
    assert sources.file_system(MOUNTS, "/mnt/a b/x") == "tmpfs"
    assert sources.file_system("", "/x") == ""


def test_cpu_times_are_busy_steal_and_all():
    assert sources.cpu_times(STAT) == {0: CpuTime(95, 10, 510), 1: CpuTime(60, 10, 475)}


def test_activity_is_the_difference_of_two_moments():
    early = Counters({0: CpuTime(10, 0, 100), 1: CpuTime(0, 0, 100)}, {"heat": 2}, 0.0)
    late = Counters({0: CpuTime(40, 10, 200), 1: CpuTime(5, 0, 200)}, {"heat": 5, "cgroup": 0}, 1.0)
    assert between(early, late, {0}) == Activity(0.3, 0.05, {"heat": 3})
    assert between(early, late, {1}).busy == pytest.approx(0.05)
    assert between(early, late, ()).busy is None
    assert between(late, late, {0}) == Activity(None, 0.0, {})


def test_a_machine_below_another_root(root):
    host = read_machine(root)
    assert host.cpus == tuple(Cpu(i, i // 2, 0, 0) for i in range(4))
    assert (host.sockets, host.cores, host.threads, host.nodes) == (1, 2, 2, 1)
    assert host.model == "Laptop CPU"
    assert host.kernel == "6.1.0-test"
    assert host.governors == ("performance", "powersave")
    assert host.turbo is True
    assert host.quota == 1.5
    assert host.processes_limit == 500
    assert host.load == 1.5
    assert host.swap_used == 1024 * 1024
    assert host.hypervisor == "not named"
    assert host.debug_options == ("KASAN", "LOCK_STAT")
    assert host.tracing == ("bpftrace",)
    assert counters(root).throttled == {"cgroup": 7, "heat": 8}
    assert [r.key for r in reasons(host, 0.4, 0.02, "nfs")] == [
        "few-cpus",
        "quota",
        "virtual-machine",
        "steal",
        "load",
        "tracing",
        "swap",
        "governor",
        "turbo",
        "smt",
        "clock",
        "debug-kernel",
        "mitigations-off",
        "file-system",
    ]


def test_control_groups_of_version_1(root):
    write(root, "proc/self/cgroup", "1:cpu:/box\n0::/\n")
    (root / "sys/fs/cgroup/user.slice/cpu.max").unlink()
    write(root, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000\n")
    write(root, "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n")
    assert ma.quota(root) == 0.5
    write(root, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n")
    assert ma.quota(root) is None


def test_options_of_a_compressed_config(root):
    (root / "boot/config-6.1.0-test").unlink()
    (root / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_PROVE_LOCKING=y\n"))
    assert ma.debug_options(root, "6.1.0-test") == ("PROVE_LOCKING", "LOCK_STAT")
    (root / "proc/config.gz").write_bytes(b"rubbish")
    assert ma.debug_options(root, "6.1.0-test") == ("LOCK_STAT",)


def test_a_machine_that_says_nothing(tmp_path):
    host = read_machine(tmp_path)
    assert (host.cpus, host.governors, host.turbo, host.quota) == ((), (), None, None)


def test_this_machine():
    host = read_machine()
    assert set(host.allowed) <= {cpu.number for cpu in host.cpus}
    assert sorted(host.fill_order()) == sorted(host.allowed)
    assert host.kernel
    assert "command_line" not in host.to_json()  # may hold what is nobody's business


def test_cores_are_filled_before_second_threads_and_node_by_node():
    assert big().fill_order() == (0, 1, 2, 3, 4, 5, 6, 7)
    assert big(allowed=(1, 2, 4, 5)).fill_order() == (4, 1, 2, 5)


def test_the_title_is_what_fit_reads_as_topology():
    machine = machine_of(big().title())
    assert (machine.sockets, machine.cores, machine.cpus) == (2, 4, 8)
    assert machine_of(big(hypervisor="KVM").title()) is None


def test_a_quiet_big_machine_has_no_reason():
    cpus = tuple(Cpu(i, i, i // 32, i // 32) for i in range(64))
    quiet = big(cpus=cpus, allowed=tuple(range(64)))
    assert reasons(quiet, 0.01, 0.0, "ext4") == []
    assert "frequency" not in root_would_add(quiet)
    less = reasons(replace(quiet, allowed=tuple(range(32))), None, 0.0, "")
    assert [str(r) for r in less] == [
        "32 of 64 CPUs are allowed (taskset, cpuset): start it without the restriction"
    ]


def test_root_would_fix_the_frequency():
    said = root_would_add(big(governors=("schedutil",), turbo=True))
    assert "a fixed CPU frequency" in said
    assert "turbo off" in said


def test_the_schedule_is_a_numbered_shuffle():
    plan = schedule((1, 2, 4), 5, 1)
    assert plan == schedule((1, 2, 4), 5, 1)
    assert plan != schedule((1, 2, 4), 5, 2)
    assert sorted(plan) == [(n, r) for n in (1, 2, 4) for r in range(1, 6)]
    assert [r for n, r in plan if n == 2] == [1, 2, 3, 4, 5]
    assert [n for n, _ in plan] != sorted(n for n, _ in plan)


def test_the_warm_up_is_short():
    assert (warmup_of(0.2), warmup_of(2), warmup_of(100)) == (pytest.approx(0.05), 0.5, 0.5)


@pytest.mark.parametrize(
    ("cpus", "populations"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (8, tuple(range(1, 9))),
        (24, (1, 2, 3, 4, 5, 6, 7, 8, 12, 18, 24)),
    ],
)
def test_default_populations(cpus, populations):
    assert default_populations(cpus) == populations


def test_default_populations_of_a_big_machine_are_few():
    assert len(default_populations(384)) < 20
    assert default_populations(384)[-1] == 384


def test_spread_over_repeats():
    levels = curve(run(2, 1, (100, 100)), run(1, 1, (60,)), run(2, 2, (110, 110))).levels()
    assert [(level.n, level.repeats, level.mean) for level in levels] == [(1, 1, 120), (2, 2, 420)]
    assert levels[0].sd is None
    assert levels[1].sd == pytest.approx(20 * 2**0.5)


def test_what_disturbed_the_runs_is_said():
    notes = curve(
        run(1, 1, (500,), busy=0.4, throttled={"cgroup": 3}),
        run(2, 1, (400, 100), steal=0.03),
        run(16, 1, (200,) * 16),
        planned=9,
        empty=(4, 4),
        note="the binary ends with exit code 1",
    ).notes()
    for part in (
        "exit code 1",
        "5 of 9 runs were made",
        "n = 4: left out",
        "up to 40 % of the CPUs that had no process of ours (1 of 3 runs)",
        "took up to 3.0 %",
        "throttled 3 times by cgroup",
        "uneven in 1 of 3 runs: the slowest process made as little as 25 %",
        "more processes (16) than CPUs (8)",
    ):
        assert any(part in note for note in notes), part
    assert curve(run(1, 1, (500,))).notes() == []
    assert "fewer than 100 iterations" in curve(run(1, 1, (5,))).notes()[0]


def test_the_csv_is_read_back_with_all_that_is_known():
    made = curve(run(2, 1, (100, 101)), run(1, 2, (70,)), run(1, 1, (60,)))
    reading = read_text(from_text(made.to_csv(), "curve.csv"))
    assert [(o.n, o.repeat, o.value, o.unit) for o in reading.observations] == [
        (1, 1, 120, "1/s"),
        (1, 2, 140, "1/s"),
        (2, 1, 402, "1/s"),
    ]
    assert reading.metadata["machine"].startswith("CPU X, 8 CPUs; 2 sockets x 2 cores x 2 threads")
    assert reading.metadata["kernel"] == "6.12.1"
    assert reading.metadata["loop"] == "fork"
    assert reading.metadata["caveat 1"].startswith("fewer than 100")
    assert reading.warnings == ()


def test_the_json_is_in_base_units():
    data = curve(run(2, 1, (100, 101))).to_json()
    assert data["schema"] == "lockmodel.bench/1"
    assert data["points"] == [
        {
            "n": 2,
            "repeats": 1,
            "throughput_per_s": 402,
            "sd_per_s": None,
            "per_process_per_s": 201,
        }
    ]
    assert data["runs"][0]["counts"] == [100, 101]
    assert [r["key"] for r in data["reasons"]] == ["few-cpus", "smt"]
