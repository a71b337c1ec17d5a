"""Times of cache lines between CPUs: where CPUs are, the plan, what is made of the times, a run."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import matrices
import pytest
from benches import big, process

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.measure.bench import lines, program
from lockmodel.measure.bench.kinds import alike
from lockmodel.measure.bench.line_matrix import spread
from lockmodel.measure.bench.lines import all_pairs, build, measure, order, places, visits
from lockmodel.model.machine import Machine
from lockmodel.model.published import Spread, published_machines
from lockmodel.model.toml import loads

CPUS = tuple(sorted(os.sched_getaffinity(0)))
MARK = "lockmodel-bench-"
PATIENCE_S = 30.0


def cache(root: Path, cpu: int, index: int, level: int, kind: str, shared: str) -> None:
    folder = root / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    folder.mkdir(parents=True)
    for name, text in (("level", level), ("type", kind), ("shared_cpu_list", shared)):
        (folder / name).write_text(f"{text}\n")


@pytest.fixture
def root(tmp_path) -> Path:
    """The caches of `benches.big`: an L3 per core pair 0, 1 and one per core of socket 1."""
    shared = {0: "0-1,4-5", 1: "0-1,4-5", 4: "0-1,4-5", 5: "0-1,4-5"}
    shared |= {2: "2,6", 6: "2,6", 3: "3,7", 7: "3,7"}
    for cpu, l3 in shared.items():
        core = f"{cpu % 4},{cpu % 4 + 4}"
        cache(tmp_path, cpu, 0, 1, "Data", core)
        cache(tmp_path, cpu, 1, 1, "Instruction", core)
        cache(tmp_path, cpu, 2, 2, "Unified", core)
        cache(tmp_path, cpu, 3, 3, "Unified", l3)
    return tmp_path


def test_distances_are_those_of_cores_caches_and_sockets(root):
    where = places(big(), root)  # cores 0, 1 in socket 0, cores 2, 3 in socket 1; CPU and CPU + 4
    assert (where.level, where.caches) == (3, 3)
    found = [where.distance(0, cpu) for cpu in range(1, 8)]
    assert found == ["cache", "remote", "remote", "smt", "cache", "remote", "remote"]
    assert [where.distance(2, cpu) for cpu in (3, 6, 7)] == ["socket", "smt", "socket"]
    pairs = all_pairs(where)
    assert {d: len(p) for d, p in pairs.items()} == {
        "smt": 4,
        "cache": 4,
        "socket": 4,
        "remote": 16,
    }


def test_without_a_word_on_caches_other_cores_are_in_the_socket(tmp_path):
    where = places(big(), tmp_path)
    assert (where.level, where.caches) == (0, None)
    assert [where.distance(0, cpu) for cpu in (1, 2, 4)] == ["socket", "remote", "smt"]


def test_a_cache_for_instructions_is_no_last_level(tmp_path):
    cache(tmp_path, 0, 0, 2, "Instruction", "0-7")
    cache(tmp_path, 0, 1, 1, "Data", "0,4")
    assert places(big(), tmp_path).level == 1


def test_only_cpus_that_may_be_used_are_paired(root):
    where = places(big(allowed=(0, 2, 4)), root)
    assert all_pairs(where) == {"smt": [(0, 4)], "remote": [(0, 2), (2, 4)]}


def test_one_cpu_is_refused_with_the_remedy(root):
    with pytest.raises(
        ArgumentError, match=r"needs two CPUs .* this process may use one: start it"
    ):
        all_pairs(places(big(allowed=(3,)), root))


def test_too_many_cpus_are_refused(root, monkeypatch):
    monkeypatch.setattr(lines, "MOST_CPUS", 7)
    with pytest.raises(ArgumentError, match="8 CPUs, at most 7 are measured; choose some"):
        all_pairs(places(big(), root))


def test_every_part_of_the_order_has_all_distances(root):
    pairs = all_pairs(places(big(), root))
    made = order(pairs, 1)
    assert sorted(made) == sorted(pair for found in pairs.values() for pair in found)
    where = places(big(), root)
    first = Counter(where.distance(*pair) for pair in made[:12])
    assert first == {"smt": 3, "cache": 3, "socket": 3, "remote": 3}
    assert order(pairs, 1) == made != order(pairs, 2)


def test_visits_are_rounds_spread_over_the_time(monkeypatch):
    pairs = [(0, 1), (2, 3)]
    made = visits(pairs, 4, 2.0)
    assert made == [(*pair, turn * 0.5) for turn in range(4) for pair in pairs]
    assert visits(pairs, 2, 600.0)[-1] == (2, 3, 1.0)  # no longer apart than a second
    monkeypatch.setattr(lines, "MOST_VISITS", 3)
    assert len(visits(pairs, 1000, 3600.0)) == 3


@pytest.mark.parametrize(
    ("values", "median", "low", "high"),
    [
        ((5.0,), 5.0, 5.0, 5.0),
        ((1.0, 3.0), 2.0, 1.1, 2.9),  # 5 % of the way from 1 to 3
        (tuple(map(float, range(21))), 10.0, 1.0, 19.0),
    ],
)
def test_spreads_are_interpolated(values, median, low, high):
    made = spread(values)
    assert (made.median, made.low, made.high) == pytest.approx((median, low, high), rel=1e-12)


def test_times_are_over_the_pairs_and_over_the_visits_of_a_lone_one():
    made = matrices.matrix({(0, 4): [8, 9, 10], (0, 1): [20], (1, 5): [22, 24, 26]})
    assert made.times()["smt"].median == pytest.approx(16.5e-9)  # of 9 and 24
    assert made.times()["cache"] == Spread(20e-9, 20e-9, 20e-9)
    lone = matrices.matrix({(0, 4): [8, 9, 10]}).times()["smt"]
    assert (lone.median, lone.low, lone.high) == pytest.approx((9e-9, 8.1e-9, 9.9e-9))


def test_the_mean_weighs_a_distance_by_the_pairs_there_are():
    """4 pairs share a core, 8 a cache, 16 are remote; 2, 1 and 1 of them were measured."""
    made = matrices.matrix({(0, 4): [8], (1, 5): [10], (0, 1): [25], (0, 2): [300]})
    assert made.mean() == pytest.approx((4 * 9 + 8 * 25 + 16 * 300) / 28 * 1e-9, rel=1e-12)
    line = made.line()
    assert (line.smt, line.cache, line.remote) == pytest.approx((9e-9, 25e-9, 300e-9), rel=1e-12)
    assert line.socket is None
    assert made.missing() == ["socket"]
    assert made.notes() == ["4 of 28 pairs were measured, at random from every distance"]


def test_times_of_another_distance_are_told():
    """Zen 3: a core 9.0 to 10.2, a cache 19.8 to 24.9, a socket 99.6 to 123 ns."""
    made = matrices.matrix({(0, 1): [25] * 6 + [110] * 3 + [10]}, kind="zen3")
    (only,) = made.unlike()
    assert (only.distance, only.other, only.like, only.visits) == ("cache", "socket", 3, 10)
    made = matrices.matrix({(0, 1): [25] * 6 + [110] * 2 + [10] * 2}, kind="zen3")
    assert [one.other for one in made.unlike()] == ["smt", "socket"]
    assert matrices.matrix({(0, 1): [16, 30, 37]}, kind="zen3").unlike() == []  # within 1.5 times


def test_where_a_socket_has_one_cache_it_stands_for_it():
    """Ice Lake: a socket 47.8 to 51.1 ns."""
    made = matrices.matrix({(0, 1): [50]}, kind="icelake")
    assert made.published()["cache"] == (47.8e-9, 51.1e-9)
    assert made.unlike() == []


def test_what_disturbed_is_said():
    made = matrices.matrix(
        {(0, 1): [25, 40], (0, 5): [25, 25]}, steal=0.02, interrupted=True, failed="no answer"
    )
    assert made.notes() == [
        "interrupted",
        "no answer",
        "2 of 28 pairs were measured, at random from every distance",
        "1 of 2 pairs vary by more than 25 % from visit to visit: other load, or a host that "
        "moves CPUs about",
        "the hypervisor took 2.0 % of the CPU time",
    ]


CPUINFO = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: any\n"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "title", "names"),
    [
        ("AuthenticAMD", 25, 1, "Zen 3", ["epyc7763", "epyc74f3"]),  # Milan
        ("AuthenticAMD", 25, 17, "Zen 4", ["epyc9654", "epyc9454"]),  # Genoa
        ("AuthenticAMD", 25, 160, "Zen 4c", ["epyc9754", "epyc9754-1s"]),  # Bergamo
        ("AuthenticAMD", 23, 49, "Zen 2", ["epyc7742", "epyc7702", "epyc7302"]),  # Rome
        ("AuthenticAMD", 23, 1, "Zen 1", ["epyc7601"]),  # Naples
        ("HygonGenuine", 24, 1, "Zen 1", ["epyc7601"]),  # Dhyana
        ("GenuineIntel", 6, 106, "Ice Lake", ["xeon8358", "xeon8360y", "xeon6336y"]),
        ("GenuineIntel", 6, 85, "Cascade Lake (or Skylake)", ["xeon6242"]),
        ("GenuineIntel", 6, 143, "Sapphire Rapids", ["xeonw9-3475x"]),
        ("GenuineIntel", 6, 62, "Ivy Bridge", ["xeone5-4650v2"]),
    ],
)
def test_kinds_are_told_by_family_and_model(vendor, family, model, title, names):
    found = alike(CPUINFO.format(vendor, family, model), published_machines())
    assert (found.title, [one.name for one in found.machines]) == (title, names)


def test_an_unknown_model_gets_its_vendor_and_an_unknown_vendor_all():
    amd = alike(CPUINFO.format("AuthenticAMD", 26, 2), published_machines())
    assert (amd.title, len(amd.machines)) == ("all of AuthenticAMD", 10)
    for text in (CPUINFO.format("Other", 6, 106), "", "model name : ARM"):
        assert alike(text, published_machines()).title == "all"
        assert len(alike(text, published_machines()).machines) == 16


# Runs: on one CPU there is nothing to run, and that is refused. Two CPUs must be free at once.

MANY = len(CPUS) > 1


@pytest.mark.alone
def test_the_program_times_a_pair(tmp_path):
    built, how = build(tmp_path)
    assert how.endswith("-O2")
    pair = (CPUS[0], CPUS[-1])
    with closing(measure(built, visits([pair], 3, 0.3), 20.0)) as measuring:
        made = list(measuring) if MANY else []
    assert len(made) == 3 * MANY
    assert all(one == pair and 1e-9 < took < 1e-3 for one, took in made)
    assert _gone(str(tmp_path))


@pytest.mark.alone
def test_the_time_that_is_given_is_kept(tmp_path):
    built, _ = build(tmp_path)
    start = time.monotonic()
    planned = [(CPUS[0], CPUS[-1], 0.5 * i) for i in range(100 if MANY else 0)]
    with closing(measure(built, planned, 0.8)) as measuring:
        assert len(list(measuring)) == 2 * MANY  # at 0 and at 0.5 s
    assert time.monotonic() - start < 5.0
    assert _gone(str(tmp_path))


def test_a_cpu_that_is_not_there_is_named(tmp_path):
    built, _ = build(tmp_path)
    with (
        closing(measure(built, [(60_000, 60_001, 0.0)], 5.0)) as measuring,
        pytest.raises(NotTrustworthyError, match="CPUs 60000 and 60001: lines: sched_setaffinity"),
    ):
        next(measuring)
    assert _gone(str(tmp_path))


def test_a_visit_that_does_not_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "ANSWER_S", 0.2)
    with (
        closing(measure(_sleeper(tmp_path), [(0, 1, 0.0)], 60.0)) as measuring,
        pytest.raises(NotTrustworthyError, match=r"CPUs 0 and 1: no answer within 0\.2 s"),
    ):
        next(measuring)
    assert _gone(str(tmp_path))


def _sleeper(folder: Path) -> Path:
    made = folder / "sleeper"
    made.write_text("#!/bin/sh\nexec sleep 4323.5\n")
    made.chmod(0o755)
    return made


def test_without_a_compiler_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "COMPILERS", ("no-such-compiler",))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ArgumentError, match=r"--lines needs a C compiler .*install gcc"):
        build(tmp_path)


@pytest.mark.alone
def test_the_report_the_json_the_csv_the_keys_and_the_picture(command, tmp_path):
    quick = ("bench", "--lines", "--seconds", "20", "--repeats", "3")
    ran = command(*quick, "--json", "--plot-file", "m.svg", "-o", "m.json")
    if not MANY:
        assert (ran.returncode, "may use one" in ran.stderr) == (3, True)
        return
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "m.svg").read_text().startswith("<?xml")
    data = json.loads((tmp_path / "m.json").read_text())
    assert data["schema"] == "lockmodel.bench-lines/1"
    assert data["planned_pairs"] == len(CPUS) * (len(CPUS) - 1) // 2
    assert all(1e-9 < pair["median_s"] < 1e-3 for pair in data["pairs"])
    assert 1e-9 < data["mean_s"] < 1e-3
    assert command(*quick, "-o", "m.csv").returncode == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "m.csv").read_text())))
    assert list(rows[0])[:4] == ["cpu", "other", "distance", "visits"]
    assert len(rows) == len(data["pairs"])
    text = command(*quick, "--toml").stdout
    assert text.startswith("# measured by lockmodel bench --lines, ")
    keys = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    made = loads(_scenario(data["machine"], keys)).machine
    assert isinstance(made, Machine)
    assert made.line is not None
    assert _gone(MARK)


def _scenario(machine: dict, keys: str) -> str:
    return (
        'schema = "lockmodel.scenario/1"\nname = "s"\ntitle = "t"\niteration = "i"\nthink_us = 1\n'
        f'[machine]\nname = "m"\ncpus = {machine["cpus"]}\ncores = {machine["cores"]}\n'
        f"sockets = {machine['sockets']}\n{keys}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--lines --check", "--check is for the loop, and --lines runs none: leave it out"),
        ("--lines -n 2", "-n is for the loop"),
        ("--lines --loop fork", "--loop is for the loop"),
        ("--lines --binary /bin/true", "--binary is for the loop"),
        ("--toml", "--toml is for --lines: add that, or leave --toml out"),
        ("--plot-file m.svg", "--plot-file is for --lines: add that, or"),
        ("--lines --plot-file m.txt", "a plot file ends in .svg, .pdf, .png"),
        ("--lines --toml --json", "--toml prints a line of a scenario; leave --json"),
        ("--lines --toml -o m.csv", "--toml prints a line of a scenario; leave --json"),
        ("--lines --seconds 0", "--seconds 0 must be from 0.05"),
        ("--lines --repeats 0", "--repeats 0 must be from 1"),
    ],
)
def test_options_that_do_not_apply_are_refused(arguments, message, command):
    ran = command("bench", *arguments.split())
    assert (ran.returncode, ran.stdout) == (3, "")
    assert message in ran.stderr
    assert not list(Path().glob("m.*"))


def test_nothing_in_time_says_who_takes_the_cpus_and_what_to_do(command, monkeypatch, tmp_path):
    monkeypatch.setattr(lines, "build", lambda folder: (_sleeper(folder), "sh"))
    monkeypatch.setattr(lines, "places", lambda machine: matrices.where())
    ran = command("bench", "--lines", "--seconds", "0.3", "-o", "m.csv")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "no pair of CPUs was measured: none in 0.3 s" in ran.stderr
    assert ran.stderr.endswith("; raise --seconds\n")
    assert not (tmp_path / "m.csv").exists()


def test_one_cpu_is_refused_by_the_command(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "lockmodel", "bench", "--lines", "-o", "m.csv"],
        cwd=tmp_path,
        preexec_fn=lambda: os.sched_setaffinity(0, CPUS[:1]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "--lines needs two CPUs" in ran.stderr
    assert not list(tmp_path.iterdir())


def _ours(part: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().decode("utf-8", "replace")
            state = (path / "stat").read_text().rpartition(") ")[2][:1]
        except OSError:
            continue
        if part in line and state not in "ZX" and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def _gone(part: str) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if not _ours(part):
            return True
        time.sleep(0.05)
    return False


def _started(tmp_path: Path) -> subprocess.Popen[str]:
    """Return a measurement of a minute as a process of its own, once its program runs."""
    options = ("--seconds", "60", "--repeats", "600", "-o", "m.csv")
    bench = process(tmp_path, "--lines", *options)
    end = time.monotonic() + PATIENCE_S
    while MANY and time.monotonic() < end and not _ours("/lines\0"):  # its compiler has it last
        time.sleep(0.02)
    return bench


@pytest.mark.alone
def test_an_interrupt_keeps_what_was_measured(tmp_path):
    process = _started(tmp_path)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    if not MANY:
        assert "may use one" in err
        return
    assert process.returncode == 1, err
    assert "interrupted: " in err
    assert "pairs were measured and kept" in err
    assert "Traceback" not in err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "m.csv").read_text())))
    assert rows
    assert int(rows[0]["visits"]) >= 1
    assert _gone(str(tmp_path))
    assert not list(tmp_path.glob(f"{MARK}*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_measurement_that_is_killed_leaves_no_process(tmp_path, number):
    process = _started(tmp_path)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode in ((143, -9) if MANY else (3, 143, -9))
    assert _gone(f"{tmp_path}/{MARK}")
    assert not (tmp_path / "m.csv").exists()
