"""`lockmodel simulate` as people type it: text, JSON, files, and every way to end early."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from places import timed_path

from lockmodel.model.toml import loads
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.solve import points

MODEL = timed_path("execl-xeon8369b")
TOML = """schema = "lockmodel.scenario/1"
name = "good"
title = "for people"
iteration = "one"
think_us = 4
[machine]
name = "any"
cpus = 8
cores = 8
[[locks]]
name = "libc.so.6"
time_per_instruction_local_ns = 1000
time_per_instruction_remote_ns = 1000
[[sites]]
lock = "libc.so.6"
phase = "exec"
name = "map"
acquires = 1
held_instructions = 1
"""


@pytest.fixture
def model(tmp_path):
    (tmp_path / "good.toml").write_text(TOML, encoding="utf-8")
    return "good.toml"


def test_text(command, model, tmp_path):
    ran = command("simulate", model, "-n", "1,5", "--precision", "0.005", "--explain")
    assert ran.fine
    lines = ran.stdout.splitlines()
    assert lines[:2] == [
        "good: for people",
        "simulated: 16 replications, seed 1, 95 % intervals",
    ]
    heads = [i for i, line in enumerate(lines) if line.split()[:1] == ["n"]]
    assert lines[heads[0]].split() == [
        *("n", "throughput", "iteration", "fairness", "iterations", "events")
    ]
    assert lines[heads[1]].split()[:3] == ["n", "lock", "waits"]
    assert [line.split()[0] for line in lines[heads[0] + 1 : heads[0] + 3]] == ["1", "5"]
    # think 4 us, hold 1 us: alone 200 k/s
    printed = re.match(r" *1 +([\d.]+) k/s +\+- ([\d.]+) %", lines[heads[0] + 1])
    assert float(printed[1]) == pytest.approx(200, rel=0.01)
    assert 0 < float(printed[2]) <= 0.5
    assert "assumed:" in lines
    assert "weak here:" not in lines
    assert max(map(len, lines)) <= 80


def test_json(command, model):
    ran = command("simulate", model, "-n", "1,5", "--precision", "0.005", "--json", "--seed", "4")
    assert ran.fine
    data = json.loads(ran.stdout)
    assert set(data) == {"schema", "points"}
    assert data["schema"] == "lockmodel.simulations/1"
    assert [p["n"] for p in data["points"]] == [1, 5]
    scenario = loads(TOML)
    for point, exact in zip(data["points"], points(scenario, [1, 5]), strict=True):
        assert set(point) == {
            *("schema", "scenario", "n", "throughput_per_s", "locks", "fairness", "precision"),
            *("least_share",),
            *("reached", "seed", "replications", "warm_up", "discarded", "iterations", "events"),
            *("confidence", "assumptions", "warnings"),
        }
        assert point["schema"] == "lockmodel.simulation/1"
        assert (point["scenario"], point["seed"], point["reached"]) == ("good", 4, True)
        assert set(point["throughput_per_s"]) == {"value", "half_width"}
        rate = point["throughput_per_s"]
        assert rate["value"] == pytest.approx(exact.throughput_per_s, abs=2 * rate["half_width"])
        assert set(point["locks"]) == {"libc.so.6"}
        assert set(point["locks"]["libc.so.6"]) == {
            *("wait_s", "slept_s", "utilisation", "queue", "contended", "wait_quantiles_s"),
            *("longest_wait_s", "same_cpu", "same_node", "other_node", "walk_s"),
            "gave_up",
        }
    # the same as the function says
    value = simulate(scenario, 5, 0.005, 4).throughput_per_s.value
    assert data["points"][1]["throughput_per_s"]["value"] == value


def test_defaults_are_those_of_the_help(command, model):
    help_text = command("simulate", "--help").stdout
    point = json.loads(command("simulate", model, "-n", "2", "--json").stdout)["points"][0]
    assert (point["precision"], point["seed"]) == (0.005, 1)
    assert re.search(r"--precision SHARE[^[]*\[default:\s*0\.005\]", help_text)
    assert re.search(r"--seed N[^[]*\[default:\s*1\]", help_text)
    assert re.search(r"--time-limit S[^[]*\[default:\s*300\.0\]", help_text)


def test_workers_do_not_change_the_output(command, model):
    runs = [
        command("simulate", model, "-n", "3", "--precision", "0.01", "--json", *more).stdout
        for more in ([], ["--workers", "1"], ["--workers", "2"], ["--workers", "5"])
    ]
    assert len(set(runs)) == 1
    assert command("simulate", model, "-n", "3", "--seed", "2", "--json").stdout != runs[0]


def test_columns_are_explained_in_the_help(command):
    ran = command(
        "simulate", MODEL, "-n", "64", "--precision", "0.05", "--walks", "libc.so.6=10,read_us=5",
        "--explain",
    )  # fmt: skip
    assert ran.returncode == 0
    assert "background walks:" in ran.stdout
    explained = command("simulate", "--help").stdout.partition("Options:")[0]
    columns = ["throughput", "waits", "contended", "50 %", "99 %", "longest", "far", "fairness"]
    for column in columns:
        assert column in ran.stdout
        assert column in explained


def test_weakness_is_said(command, model):
    ran = command("simulate", model, "-n", "9", "--precision", "0.05")
    assert ran.fine
    assert "! 9 processes" in ran.stdout
    assert "9 processes exceed the 8 CPUs" in ran.stdout


def test_output_file(command, model, tmp_path):
    ran = command("simulate", model, "-n", "2", "--precision", "0.05", "-o", "out.json")
    assert ran.fine
    assert ran.stdout == ""
    assert json.loads((tmp_path / "out.json").read_text())["points"][0]["n"] == 2


# Trace --------------------------------------------------------------------------------------------


def test_trace(command, model, tmp_path):
    args = ["simulate", model, "-n", "5", "--precision", "0.05", "--trace", "convoy.json"]
    ran = command(*args)
    assert ran.fine
    assert "window written to convoy.json; open it at ui.perfetto.dev" in ran.stdout
    data = json.loads((tmp_path / "convoy.json").read_text())
    assert {e["tid"] for e in data["traceEvents"] if e["ph"] == "X"} == set(range(5))
    # kept, and refused before the work
    (tmp_path / "convoy.json").write_text("mine")
    again = command(*args)
    assert (again.returncode, again.stdout) == (4, "")
    assert "convoy.json: exists and is kept; use --force" in again.stderr
    assert (tmp_path / "convoy.json").read_text() == "mine"
    assert command(*args, "--force").returncode == 0
    assert json.loads((tmp_path / "convoy.json").read_text()) == data


def test_trace_of_several_populations_is_refused(command, model, tmp_path):
    ran = command("simulate", model, "-n", "1,5", "--trace", "convoy.json")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "--trace convoy.json: a trace shows one population, -n 1,5 is 2" in ran.stderr
    assert not (tmp_path / "convoy.json").exists()


def test_trace_and_output_in_one_file_are_refused(command, model, tmp_path):
    files = ["-o", "x.json", "--trace", "x.json"]
    for more in ([], ["--force"]):
        ran = command("simulate", model, "-n", "2", "--precision", "0.05", *files, *more)
        assert ran.returncode == 3
        assert "x.json" in ran.stderr
        assert not (tmp_path / "x.json").exists()


# Bad input ----------------------------------------------------------------------------------------

REFUSED = {
    "-n 0": (3, ["-n: ", "between 1 and"]),
    "-n -1": (3, ["-n: ", "between 1 and"]),
    "-n 1.5": (3, ["'1.5' is not a whole number"]),
    "-n nan": (3, ["'nan' is not a whole number"]),
    "-n 2 --precision nan": (3, ["precision = nan", "between 1e-05 and 0.5"]),
    "-n 2 --precision 0": (3, ["precision = 0.0", "between 1e-05 and 0.5"]),
    "-n 2 --precision -1": (3, ["precision = -1.0"]),
    "-n 2 --precision 0.9": (3, ["precision = 0.9"]),
    "-n 2 --precision x": (3, ["--precision", "'x'"]),
    "-n 2 --seed -1": (3, ["seed = -1", "whole number"]),
    "-n 2 --seed 1.5": (3, ["--seed", "'1.5'"]),
    "-n 2 --workers 0": (3, ["workers = 0", "1 to 1024"]),
    "-n 2 --workers -1": (3, ["workers = -1"]),
    "-n 2 --time-limit 0": (3, ["--time-limit 0", "above 0"]),
    "-n 2 --time-limit -3": (3, ["--time-limit -3", "above 0"]),
    "-n 2 --time-limit nan": (3, ["--time-limit nan", "above 0"]),
    "-n 2 --walks libc=1,read_us=1": (3, ["--walks", "'libc.so.6'"]),
    "-n 2 --walks libc.so.6=nan,read_us=1": (3, ["--walks", "walks_per_s", "nan"]),
    "-n 2 --walks libc.so.6=1e6,read_us=64": (1, ["libc.so.6", "walkers", "walks_per_s"]),
    "-n 2 --trace missing/x.json": (4, ["missing/x.json: cannot be written"]),
    "-n 100000 --json --precision 1": (3, ["precision = 1.0"]),
}


@pytest.mark.parametrize("line", REFUSED)
def test_bad_input_is_refused_with_its_exit_code(line, command, model, tmp_path):
    code, words = REFUSED[line]
    ran = command("simulate", model, *line.split())
    assert (ran.returncode, ran.stdout) == (code, "")
    for word in words:
        assert word in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == [model]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("think_us = 4", "think_us = nan", ["think_us = NaN"]),
        ("think_us = 4", "think_us = -4", ["think_us = -4"]),
        (
            "[[sites]]",
            '[locks.hold_distribution]\nfamily = "pareto"\nshape = 1\n[[sites]]',
            ["locks[0].hold_distribution", "infinite mean"],
        ),
        (
            "[[sites]]",
            '[locks.hold_distribution]\nfamily = "empirical"\nedges = [0, 1, 2]\n'
            "probabilities = [0.5, 0.4]\n[[sites]]",
            ["locks[0].hold_distribution", "sum to 0.9, not 1"],
        ),
    ],
)
def test_exit_code_2_for_a_bad_scenario(old, new, words, command, tmp_path):
    (tmp_path / "bad.toml").write_text(TOML.replace(old, new), encoding="utf-8")
    ran = command("simulate", "bad.toml", "-n", "2")
    assert (ran.returncode, ran.stdout) == (2, "")
    for word in ("bad.toml", *words):
        assert word in ran.stderr


def test_exit_code_3_for_an_unknown_model(command):
    ran = command("simulate", "execl-xeon8369", "-n", "2")
    assert ran.returncode == 3
    assert "'execl-xeon8369b'" in ran.stderr


# Ending early -----------------------------------------------------------------------------------


def test_a_time_limit_too_short_gives_what_there_is_and_exits_1(command, model):
    begin = time.monotonic()
    ran = command("simulate", model, "-n", "4", "--precision", "1e-5", "--time-limit", "1")
    assert time.monotonic() - begin < 6.0
    assert ran.returncode == 1
    assert re.search(r"^ *4 +[\d.]+ k/s +0\.\d+ %", ran.stdout, re.MULTILINE)
    assert "stopped at a precision of" in ran.stdout
    assert re.search(
        r"lockmodel: stopped at n = 4 with a precision of [\d.e-]+; 1e-05 was asked: raise "
        r"--time-limit or --precision",
        ran.stderr,
    )


def test_a_stopped_run_is_labelled_in_the_file_too(command, model, tmp_path):
    args = ["--precision", "1e-5", "--time-limit", "0.7", "-o", "out.json"]
    ran = command("simulate", model, "-n", "4", *args)
    assert ran.returncode == 1
    (point,) = json.loads((tmp_path / "out.json").read_text())["points"]
    assert point["reached"] is False
    assert point["throughput_per_s"]["half_width"] > 1e-5 * point["throughput_per_s"]["value"]
    assert point["iterations"] > 10_000


def test_populations_that_were_not_reached_are_counted(command, model):
    ran = command("simulate", model, "-n", "2..5", "--precision", "1e-5", "--time-limit", "1")
    assert ran.returncode == 1
    assert "stopped: 3 of 4 populations were not simulated; raise --time-limit" in ran.stderr
    assert re.search(r"^ *2 +[\d.]+ k/s", ran.stdout, re.MULTILINE)


def test_what_is_complete_is_kept_when_a_later_population_has_no_time(command, model):
    # 2 processes take 0.1 s; 50,000 need minutes to warm up
    ran = command("simulate", model, "-n", "2,50000", "--precision", "0.02", "--time-limit", "1.5")
    assert ran.returncode == 1
    assert re.search(r"^ *2 +[\d.]+ k/s", ran.stdout, re.MULTILINE)
    assert "--time-limit" in ran.stderr


def test_a_comparison_keeps_the_populations_that_are_finished(command, model):
    """Used to keep nothing: all before came first, then all after."""
    args = ["--lever", "less_think=0.9", "--method", "simulation", "--time-limit", "2"]
    ran = command("whatif", model, "-n", "2,50000", *args)
    assert ran.returncode == 1
    said = "lockmodel: stopped: 1 of 2 populations were not simulated; raise --time-limit\n"
    assert ran.stderr == said
    (before,) = points(loads(TOML), [2])
    row = re.search(r"^ *2 +([\d.]+) k/s +([\d.]+) k/s +\+", ran.stdout, re.MULTILINE)
    assert float(row[1]) * 1e3 == pytest.approx(before.throughput_per_s, rel=0.01)
    assert "50000" not in ran.stdout


def test_a_comparison_without_a_finished_population_says_so(command, model):
    args = ["--lever", "less_think=0.9", "--method", "simulation", "--time-limit", "1"]
    ran = command("whatif", model, "-n", "50000", *args)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "n = 50000" in ran.stderr


@pytest.mark.parametrize("name", ["predict", "whatif"])
def test_what_takes_too_long_is_refused_with_a_step_that_does_not(command, name):
    """1..100000 used to run without end; 3 us per process and lock: 5e9 x 3 x 3 us = 45,000 s."""
    lever = ["--lever", "less_think=0.9"] if name == "whatif" else []
    begin = time.monotonic()
    ran = command(name, MODEL, "-n", "1..100000", *lever)
    assert time.monotonic() - begin < 10
    takes, step = ("90,000", 400) if lever else ("45,000", 200)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == (
        f"lockmodel: -n: 100000 populations up to 100000 take about {takes} s by product form, "
        f"--time-limit is 300 s: take a step, e.g. 1..100000:{step}, or raise --time-limit\n"
    )


def test_product_form_keeps_what_is_finished_when_time_is_up(command, monkeypatch):
    monkeypatch.setattr("lockmodel.cli.common.check_affordable", lambda *_: None)
    # without a fit: intervals of what is finished are drawn after the time is up
    model = timed_path("execl-xeon8369b")
    ran = command("predict", model, "-n", "1..100000:20", "--time-limit", "0.5")
    assert ran.returncode == 1
    stopped = re.fullmatch(
        r"lockmodel: stopped: (\d+) of 5000 populations were not solved; raise --time-limit\n",
        ran.stderr,
    )
    assert 0 < int(stopped[1]) < 5000
    assert re.search(r"^ *1 +[\d.]+ k/s", ran.stdout, re.MULTILINE)


COMPILED = """
import sys, time
from lockmodel.solvers import numba_cache
from lockmodel.cli.common import patience
with patience(0.2) as stop:
    numba_cache._since = time.monotonic()
    time.sleep(0.5)
    compiling = stop()
    numba_cache._spent, numba_cache._since = numba_cache.compile_s(), None
    compiled = stop()
    time.sleep(0.3)
    print(compiling, compiled, stop())
"""


def test_compiling_does_not_count_against_the_time_limit(cli):
    ran = cli(python=COMPILED)
    assert ran.stdout == "False False True\n"


def test_no_time_at_all_is_said(command, model):
    ran = command("simulate", model, "-n", "4", "--time-limit", "1e-9")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "stopped while it warmed up at n = 4" in ran.stderr


WARMED = """
import sys
from lockmodel.cli import run
from lockmodel.solvers.simulation import replicate
steady = replicate.warm_up
def warm_up(series):
    print("steady", file=sys.stderr, flush=True)
    return steady(series)
replicate.warm_up = warm_up
sys.exit(run(sys.argv[1:]))
"""
"""The command line, which says when its pilot run is over."""


def interrupted(tmp_path, *args: str, presses: int) -> tuple[int, str, str]:
    """Run the command, press ^C a second after its pilot, and again; return (code, out, err)."""
    process = subprocess.Popen(
        [sys.executable, "-c", WARMED, *args],
        cwd=tmp_path,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr.readline() == "steady\n"
        for _ in range(presses):
            time.sleep(1.0 if _ == 0 else 0.02)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, err


def test_an_interrupt_keeps_what_there_is(tmp_path, model):
    args = ["simulate", model, "-n", "4,5", "--precision", "1e-5", "--time-limit", "60"]
    begin = time.monotonic()
    code, out, err = interrupted(tmp_path, *args, presses=1)
    assert time.monotonic() - begin < 30.0
    assert code == 1
    assert "Traceback" not in err
    assert "lockmodel: stopping; ^C again throws away what there is" in err
    assert "stopped: 1 of 2 populations were not simulated" in err
    (exact,) = points(loads(TOML), [4])
    row = re.search(r"^ *4 +([\d.]+) k/s +([\d.]+) %", out, re.MULTILINE)
    assert float(row[1]) == pytest.approx(exact.throughput_per_s / 1e3, rel=0.01)
    assert 0.001 < float(row[2]) < 0.5


def test_a_second_interrupt_throws_it_away(tmp_path, model):
    args = ["simulate", model, "-n", "4", "--precision", "1e-5", "-o", "out.txt"]
    code, out, err = interrupted(tmp_path, *args, presses=2)
    assert "Traceback" not in err
    assert code == 1
    if "interrupted; nothing was written" in err:  # else the first one was quicker
        assert [path.name for path in tmp_path.iterdir()] == [model]
    else:
        assert "stopped at n = 4" in err
    assert out == ""
