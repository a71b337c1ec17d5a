"""Tests of `lockmodel bench` for real: short windows on the CPUs at hand, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benches import process

from lockmodel.errors import ArgumentError, FileError, NotTrustworthyError
from lockmodel.measure.bench import program, runner
from lockmodel.measure.bench.program import HERE, LOOPS, LoopProgram
from lockmodel.observe.readers import read_file

CPUS = tuple(sorted(os.sched_getaffinity(0)))
MARK = "lockmodel-bench-"
"""Part of the path of every loop program, so that its processes can be told."""

PATIENCE_S = 30.0
"""How long a slow machine may take to collect killed processes."""


def ours(parts: tuple[str, ...]) -> list[int]:
    """Return the living processes whose command line holds one of the parts."""
    pids = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().decode("utf-8", "replace")
            state = (path / "stat").read_text().rpartition(") ")[2][:1]
        except OSError:
            continue
        if any(part in line for part in parts) and state not in "ZX":
            pids.append(int(path.name))
    return pids


def gone(*parts: str) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if not ours(parts):
            return True
        time.sleep(0.05)
    return False


def python_program(binary: str) -> LoopProgram:
    command = (sys.executable, "-I", "-S", str(HERE / "python_loop.py"))
    return LoopProgram(command, "posix_spawn", binary, "Python")


@pytest.mark.parametrize("loop", LOOPS)
def test_every_loop_counts_iterations_of_every_process(loop, tmp_path):
    made = program.build(loop, None, tmp_path)
    measured = runner.measure(made, CPUS, 2, 1, 0.4)
    assert len(measured.counts) == 2
    assert measured.iterations > 0
    assert measured.seconds >= 0.4
    assert measured.throughput_per_s == pytest.approx(measured.iterations / measured.seconds)
    assert 0 <= measured.fairness <= 1
    assert gone(str(tmp_path))


def test_the_python_loop_counts_as_well(tmp_path):
    measured = runner.measure(python_program("/bin/true"), CPUS, 2, 1, 0.4)
    assert len(measured.counts) == 2
    assert measured.iterations > 0
    assert gone("python_loop.py")


def test_a_longer_window_counts_more(tmp_path):
    made = program.build("vfork", None, tmp_path)
    short = runner.measure(made, CPUS, 1, 1, 0.1)
    long = runner.measure(made, CPUS, 1, 1, 1.0)
    assert long.iterations > short.iterations


def test_two_loops_differ_in_what_they_run(tmp_path):
    assert program.build("execl", None, tmp_path).binary == str(tmp_path / "loop")
    assert program.build("fork", "/bin/true", tmp_path).binary == "/bin/true"
    assert program.build(None, None, tmp_path).loop == "fork"


def test_a_binary_that_never_ends_is_killed(tmp_path):
    script = tmp_path / "endless"
    script.write_text("#!/bin/sh\nexec sleep 4321.5\n")
    script.chmod(0o755)
    made = program.build("fork", str(script), tmp_path)
    measured = runner.measure(made, CPUS, 2, 1, 0.1)
    assert measured.iterations == 0
    assert gone("4321.5", str(tmp_path))


def test_a_binary_that_cannot_be_executed_is_refused_in_the_trial(tmp_path, monkeypatch):
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELF rubbish")
    bad.chmod(0o755)
    with pytest.raises(ArgumentError, match="cannot be executed"):
        program.trial(str(bad))
    script = tmp_path / "endless"
    script.write_text("#!/bin/sh\nexec sleep 4322.5\n")
    script.chmod(0o755)
    monkeypatch.setattr(program, "TRIAL_TIMEOUT_S", 0.3)
    with pytest.raises(ArgumentError, match=r"does not end within 0\.3 s"):
        program.trial(str(script))
    assert gone("4322.5")
    assert program.trial("/bin/true") is None
    assert "exit code 1" in (program.trial("/bin/false") or "")


def test_a_loop_whose_binary_vanished_says_so(tmp_path):
    made = program.build("fork", None, tmp_path)
    vanished = LoopProgram(made.command, "fork", str(tmp_path / "none"), "")
    with pytest.raises(NotTrustworthyError, match="the binary cannot be run"):
        runner.measure(vanished, CPUS, 1, 1, 0.3)
    assert gone(str(tmp_path))


def test_without_a_compiler_python_runs_and_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "COMPILERS", ("no-such-compiler",))
    monkeypatch.delenv("CC", raising=False)
    made = program.build(None, "/bin/true", tmp_path)
    assert (made.loop, made.binary) == ("posix_spawn", "/bin/true")
    assert made.described.startswith("Python's os.posix_spawn (no cc")
    with pytest.raises(ArgumentError, match="--loop fork needs a C compiler"):
        program.build("fork", None, tmp_path)


def test_a_compiler_that_fails_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "false")
    assert "false failed" in program.build(None, None, tmp_path).described


def test_a_bench_is_written_and_read_back(command, tmp_path):
    ran = command(*["bench", "-n", "1,2", "--seconds", "0.2", "--repeats", "2", "-o", "curve.csv"])
    assert ran.returncode == 0, ran.stderr
    assert "per process" in ran.stdout
    assert max(len(line) for line in ran.stdout.splitlines()) <= 80
    reading = read_file(tmp_path / "curve.csv")
    rows = [(o.n, o.repeat) for o in reading.observations]
    assert set(rows) <= {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert {n for n, _ in rows} == {1, 2}
    assert all(o.value > 0 and o.unit == "1/s" for o in reading.observations)
    assert reading.metadata["program"].startswith("loop.c")
    assert reading.metadata["loop"] == "fork"
    assert gone(MARK)


def test_runs_that_fail_do_not_cost_the_others(command, monkeypatch):
    measure = runner.measure

    def fails_at_2(made, cpus, n, *rest):
        if n == 2:
            raise NotTrustworthyError("the loop did not run with 2 processes: fork")
        return measure(made, cpus, n, *rest)

    monkeypatch.setattr(runner, "measure", fails_at_2)
    ran = command("bench", "-n", "1,2", "--seconds", "0.3", "--repeats", "2", "--json")
    assert ran.returncode == 1
    assert "2 of 4 runs were made and kept" in ran.stderr
    data = json.loads(ran.stdout)
    assert [run["n"] for run in data["runs"]] == [1, 1]
    assert any("2 of 4 runs failed: the loop did not run" in note for note in data["notes"])


def test_a_bench_as_json(command):
    ran = command(
        *["bench", "-n", "1", "--seconds", "0.2", "--repeats", "1", "--loop", "execl", "--json"]
    )
    assert ran.returncode == 0, ran.stderr
    data = json.loads(ran.stdout)
    assert (data["schema"], data["loop"]) == ("lockmodel.bench/1", "execl")
    assert [run["n"] for run in data["runs"]] == [1]
    assert data["machine"]["allowed_cpus"] == list(CPUS)


def test_check_numbers_its_reasons(command):
    ran = command("bench", "--check")
    assert ran.returncode == 0, ran.stderr
    assert "mislead" in ran.stdout
    if len(CPUS) < 16:
        assert "\n  1. " in ran.stdout or "\n   1. " in ran.stdout
        assert f"{len(CPUS)} CPUs" in ran.stdout
    data = json.loads(command("bench", "--check", "--json").stdout)
    assert data["schema"] == "lockmodel.bench-check/1"
    assert all(set(r) == {"key", "text", "remedy", "root"} for r in data["reasons"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("--seconds 0", 3, "--seconds 0 must be from 0.05"),
        ("--seconds nan", 3, "--seconds nan must be"),
        ("--repeats 0", 3, "--repeats 0 must be"),
        ("-n 0", 3, "-n"),
        ("-n 4000000 --seconds 1", 3, "-n"),
        ("-n 20000", 3, "at most 16384 processes"),
        ("--check -n 2", 3, "--check measures nothing"),
        ("--check -o x.csv", 3, "--check has no CSV"),
        ("--loop execl --binary /bin/true", 3, "leave --binary out"),
        ("--binary /no/such/file", 4, "there is no such file"),
        ("--binary /etc/passwd", 4, "is not executable"),
        ("-o .", 4, "is a folder"),
    ],
)
def test_bad_arguments(arguments, code, message, command):
    ran = command("bench", *arguments.split())
    assert (ran.returncode, ran.stdout) == (code, "")
    assert message in ran.stderr


def test_a_missing_binary_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        program.build(None, str(tmp_path / "x"), tmp_path)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def started(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Return a bench as a process of its own, once its loop runs."""
    bench = process(tmp_path, *arguments)
    end = time.monotonic() + PATIENCE_S
    path = f"{tmp_path}/{MARK}"
    while time.monotonic() < end:
        lines = (Path(f"/proc/{pid}/cmdline") for pid in ours((path,)))
        if any("/loop\0" in _text(line) for line in lines):
            break
        time.sleep(0.02)
    return bench


def test_an_interrupt_keeps_the_finished_runs_and_leaves_no_process(tmp_path):
    process = started(
        tmp_path,
        *["-n", "1,2", "--seconds", "0.1", "--repeats", "300", "-o", "curve.csv", "--seed", "2"],
    )
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, err
    assert "runs were made and kept" in err
    assert "Traceback" not in err
    assert "interrupted:" in out
    rows = read_file(tmp_path / "curve.csv").observations
    assert 0 < len(rows) < 600
    assert gone(str(tmp_path))
    assert not list(tmp_path.glob(f"{MARK}*"))


@pytest.mark.parametrize("loop", ["fork", "execl"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_bench_that_is_killed_leaves_no_process(tmp_path, number, loop):
    process = started(
        tmp_path, *["-n", "2", "--seconds", "60", "--repeats", "1", "-o", "curve.csv"]
    )
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (143, -9)
    assert gone(f"{tmp_path}/{MARK}")
    assert not (tmp_path / "curve.csv").exists()
