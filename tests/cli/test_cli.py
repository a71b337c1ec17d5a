"""The commands as people type them: every one of issue 2, every exit code, every refusal."""

from __future__ import annotations

import re
import shlex

import pytest
from few import few_draws

from lockmodel import __version__
from lockmodel.cli.app import COMMANDS
from lockmodel.model.shipped import model_names

MODEL, TITLE = "execl-xeon8369b", "UnixBench execl, 2 x Xeon Platinum 8369B"
HEAVY = ("numpy", "numba", "scipy", "matplotlib", "rich", "sympy", "plotext")
"""Packages that only a command that needs them may import."""


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("models", "name"),
        (f"predict {MODEL} -n 1..128", f"{TITLE}: "),
        (f"predict {MODEL} -n 1..128 --plot", f"{TITLE}: "),
        (f"predict {MODEL} -n 1..128 --json", "{"),
        (f"predict {MODEL} -n 1,8 --method product-form", f"{TITLE}: "),
        (f"predict {MODEL} -n 1,8 --method bounds", f"{TITLE}: between "),
        (
            f"whatif {MODEL} -n 64,128 --lever batch:libc.so.6/exec.map_split=1 "
            "--lever shard:libc.so.6=8",
            "batch:libc.so.6/exec.map_split=1; shard:libc.so.6=8: +101 % (",
        ),
        (f"levers {MODEL} -n 128", f"{TITLE}. At 128 processes"),
        (f"ceiling {MODEL}", "k / (W + m c) of libc.so.6 at 128 processes: "),
        (
            f"sweep {MODEL} --over acquires=1..30 --over shards=1,2,4,8,16 "
            "--over hold=0.0..1.0:11 -n 128",
            "acquires,shards,hold,n,throughput_per_s,ceiling_per_s,binding",
        ),
        (f"show {MODEL}", f"{TITLE}: libc.so.6 has the largest demand"),
    ],
)
@pytest.mark.usefixtures("hardly_drawn")
def test_every_command_of_the_issue_answers(line, first, command):
    ran = command(*line.split())
    assert ran.fine
    assert ran.stdout.startswith(first)


def test_exit_code_0_as_a_process(cli):
    ran = cli("predict", MODEL, "-n", "128")
    assert ran.fine
    assert "ceiling" in ran.stdout


def test_exit_code_1_when_walkers_alone_saturate_a_lock(cli):
    walks = "--set", "libc.so.6.kind=fifo", "--walks", "libc.so.6=1e6,read_us=64"
    ran = cli("predict", MODEL, "-n", "128", *walks)  # readers of a semaphore share
    assert (ran.returncode, ran.stdout) == (1, "")
    for word in ("libc.so.6", "walkers", "walks_per_s"):
        assert word in ran.stderr


GOOD = """schema = "lockmodel.scenario/1"
name = "good"
title = "for people"
iteration = "one"
think_us = 10
[machine]
name = "any"
cpus = 8
cores = 4
[[locks]]
name = "libc.so.6"
time_per_instruction_local_ns = 0
time_per_instruction_remote_ns = 0
acquire_time_ns = 20
[locks.handoff]
family = "constant"
time_ns = 300
[[sites]]
lock = "libc.so.6"
phase = "exec"
name = "map"
acquires = 1
held_instructions = 1
"""


def test_exit_code_1_when_an_iteration_takes_no_time(cli, tmp_path):
    free = GOOD.replace("think_us = 10", "think_us = 0").replace("time_ns = 20", "time_ns = 0")
    (tmp_path / "free.toml").write_text(free.replace("300", "0"), encoding="utf-8")
    ran = cli("predict", "./free.toml", "-n", "1")
    assert (ran.returncode, ran.stdout) == (1, "")
    for word in ("takes no time", "think time", "acquire time"):
        assert word in ran.stderr


BAD_FILES = {
    "unknown_key": ("acquires = 1", "acqires = 1", ["sites[0].acqires", "'acquires'"]),
    "negative_time": ("think_us = 10", "think_us = -1", ["think_us", "-1"]),
    "nan_time": ("acquire_time_ns = 20", "acquire_time_ns = nan", ["locks[0].acquire_time_ns"]),
    "infinite_time": ("time_ns = 300", "time_ns = inf", ["locks[0].handoff.time_ns", "finite"]),
    "negative_acquires": ("acquires = 1", "acquires = -1", ["sites[0]", "acquires = -1"]),
    "missing_lock": ('lock = "libc.so.6"', 'lock = "libc"', ["sites[0]", "'libc'", "'libc.so.6'"]),
    "cores_above_cpus": ("cores = 4", "cores = 9", ["machine", "cores = 9", "cpus = 8"]),
    "empty_iteration": (GOOD[GOOD.index("[[locks]]") :], "", ["is empty", "think_us", "acquires"]),
    "no_unit": ("think_us = 10", "think = 10", ["think = 10", "think_us"]),
    "two_units": ("think_us = 10", "think_us = 1\nthink_ms = 1", ["think_ms", "twice"]),
    "text_for_number": ("cpus = 8", 'cpus = "many"', ["machine.cpus", "'many'", "whole number"]),
    "no_toml": ("[machine]", "[machine", ["not valid TOML"]),
    "other_schema": ("scenario/1", "scenario/9", ["lockmodel.scenario/9", "lockmodel.scenario/1"]),
    "unknown_family": ('"constant"', '"constnat"', ["locks[0].handoff", "constant"]),
    "missing_key": ("cores = 4\n", "", ["machine", "cores"]),
}
"""Name -> text of a good scenario, its replacement, and what the message must say."""


@pytest.mark.parametrize("name", BAD_FILES)
def test_exit_code_2_names_file_key_and_remedy(name, cli, tmp_path):
    old, new, words = BAD_FILES[name]
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    if name == "empty_iteration":
        text = text.replace("think_us = 10", "think_us = 0")
    (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    ran = cli("show", f"{name}.toml")
    assert (ran.returncode, ran.stdout) == (2, "")
    for word in (f"{name}.toml", *words):
        assert word in ran.stderr


def test_a_good_file_is_good(command, tmp_path):
    (tmp_path / "good.toml").write_text(GOOD, encoding="utf-8")
    ran = command("predict", "good.toml", "-n", "1")
    assert ran.fine
    assert ran.stdout.startswith("for people: ")


def test_exit_code_2_for_a_binary_file(command, tmp_path):
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    ran = command("show", "binary.toml")
    assert ran.returncode == 2
    assert "binary.toml" in ran.stderr


POPULATIONS = {
    "0": "between 1 and",
    "-1": "between 1 and",
    "1.5": "'1.5' is not a whole number",
    "nan": "'nan' is not a whole number",
    "": "'' is not a whole number",
    "1,,2": "'' is not a whole number",
    "4..1": "1..4",
    "1..8*1": "at least 2",
    "1..8:0": "between 1 and",
    "1..x": "'x' is not a whole number",
    "1..": "'1..' is not a whole number",
    "1e3": "'1e3' is not a whole number",
    "100001": "100000",
    "many": "1..384:16 (step)",
}
"""Bad value of -n -> what the message must say."""


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("name", ["predict", "whatif", "levers", "sweep", "show", "ceiling"])
def test_exit_code_3_for_a_bad_population(name, population, command):
    extra = {"whatif": ["--lever", "exclude:libc.so.6"], "sweep": ["--over", "shards=1"]}
    ran = command(name, MODEL, *extra.get(name, []), "-n", population)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "-n: " in ran.stderr
    assert POPULATIONS[population] in ran.stderr


REFUSED = {
    "predict execl-xeon8369 -n 1": ["'execl-xeon8369'", "'execl-xeon8369b'"],
    "predict zzz -n 1": ["'zzz'", *model_names()],
    "predcit execl-xeon8369b -n 1": ["predcit", "predict"],
    f"predict {MODEL} -n 1 --jsn": ["--jsn", "--json"],
    "predict -n 1": ["MODEL"],
    f"predict {MODEL} -n 1 --method exact": ["--method", "product-form"],
    f"predict {MODEL} -n 1 --plot-file out.txt": ["--plot-file", "out.txt", ".svg"],
    f"predict {MODEL} -n 1 --plot --json": ["--plot", "--json", "-o"],
    f"predict {MODEL} -n 1 --walks libc.so.6": ["--walks", "read_us"],
    f"predict {MODEL} -n 1 --walks libc=1,read_us=1": ["--walks", "'libc.so.6'"],
    f"predict {MODEL} -n 1 --walks libc.so.6=nan,read_us=1": ["--walks", "walks_per_s", "nan"],
    f"predict {MODEL} -n 1 --walks libc.so.6=1,read_us=-1": ["--walks", "read"],
    f"levers {MODEL} -n 1,2": ["-n 1,2", "one population"],
    f"show {MODEL} -n 1,2": ["-n 1,2", "one"],
    f"ceiling {MODEL} -n 1..4": ["-n 1..4", "one"],
    f"levers {MODEL} -n 1 --top -1": ["--top", "-1"],
    f"sweep {MODEL} -n 1 --over hodl=1": ["--over", "hodl", "'hold'"],
    f"sweep {MODEL} -n 1 --over hold=0..1": ["--over hold", "0.0..1.0:11"],
    f"sweep {MODEL} -n 1 --over hold=0,2": ["--over hold", "2", "between 0 and 1"],
    f"sweep {MODEL} -n 1 --over libc:shards=2": ["--over libc:shards", "'libc.so.6'"],
    f"sweep {MODEL} -n 1 --over shards=1 --over libc.so.6:shards=2": ["libc.so.6", "twice"],
    f"sweep {MODEL} -n 1": ["--over"],
    f"whatif {MODEL} -n 1": ["--lever"],
    f"whatif {MODEL} -n 1 --lever shrad:libc.so.6=2": ["shrad", "'shard'"],
    f"whatif {MODEL} -n 1 --lever shard:libc=2": ["shard", "'libc'", "'libc.so.6'"],
    f"whatif {MODEL} -n 1 --lever shard:libc.so.6=0": ["shard", "0", "at least 1"],
    f"whatif {MODEL} -n 1 --lever shard:libc.so.6=2,by=cup": ["by='cup'", "'cpu'"],
    f"whatif {MODEL} -n 1 --lever batch:libc.so.6=16": ["batch", "16", "15"],
    f"whatif {MODEL} -n 1 --lever skip:libc.so.6/exec.map_spilt": ["'exec.map_split'"],
    f"whatif {MODEL} -n 1 --lever less_think=2": ["less_think", "2.0", "between 0 and 1"],
    f"whatif {MODEL} -n 1 --lever cheaper_handoff:libc.so.6=constant,time_ns=9999": ["9999"],
    f"whatif {MODEL} -n 1 --lever "
    "cheaper_handoff:libc.so.6=saturating,time_ns=1,limit_ns=2,half_waiters=sNaN": ["half_waiters"],
}
"""Command line -> what the message must say."""


@pytest.mark.parametrize("line", REFUSED)
def test_exit_code_3_says_what_to_write_instead(line, command):
    ran = command(*line.split())
    assert (ran.returncode, ran.stdout) == (3, "")
    for word in REFUSED[line]:
        assert word in ran.stderr


@pytest.mark.parametrize(
    "line", [f"predict {MODEL} -n 4..1", "predict", f"predict {MODEL} -n 1 --plot out.txt"]
)
def test_exit_code_3_as_a_process(line, cli):
    ran = cli(*line.split())
    assert (ran.returncode, ran.stdout) == (3, "")


def test_version(command):
    assert command("--version").stdout.split()[-1] == __version__


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_readable(name, command):
    text = command(name, "--help").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "---" not in text  # the underline of a docstring's section once ran into the examples
    assert f"\n    lockmodel {name}" in text


@pytest.mark.parametrize("name", ["", *COMMANDS])
@pytest.mark.usefixtures("hardly_drawn")
def test_examples_in_the_help_can_be_pasted(name, command):
    text = command(*[name] * bool(name), "--help").stdout
    examples = re.findall(r"^ +lockmodel (.+)$", text, re.MULTILINE)
    assert examples != []
    for example in examples:
        with few_draws():
            ran = command(*shlex.split(example))
        assert ran.fine, example
        assert ran.stdout.count("\n") >= 5, example


def test_every_printed_column_is_explained_in_the_help(command):
    for name, columns in {
        "predict": ["throughput", "iteration", "ceiling at n", "waits", "binding", "knee"],
        "levers": ["gain", "ceiling at n", "then binds", "best", "enough", "at least", "by cpu"],
        "whatif": ["before", "after", "gain", "alone", "binding", "ceiling at n"],
        "ceiling": ["removed", "peak ceiling", "knee", "at n", "binding", "gain", "hold"],
        "shards": ["throughput", "gain", "then binds", "take all", "a walk", "lost", "Zipf"],
        "show": ["acquires", "held", "growth", "tau I", "m c", "D ", "shards"],
        "sweep": ["throughput_per_s", "ceiling_per_s", "binding"],
    }.items():
        explained = command(name, "--help").stdout.partition("Options:")[0]
        assert [column for column in columns if column not in explained] == [], name


@pytest.mark.parametrize("line", ["--help", "--version", "predict --help", "nonsense"])
def test_help_imports_nothing_heavy(line, cli):
    program = (
        "import sys; from lockmodel.cli import run; run(sys.argv[1:]); "
        f"print('heavy:', sorted(set({HEAVY}) & set(sys.modules)))"
    )
    assert cli(*line.split(), python=program).stdout.splitlines()[-1] == "heavy: []"


def test_a_report_without_solving_imports_no_compiler(cli):
    program = (
        "import sys; from lockmodel.cli import run; run(sys.argv[1:]); "
        "print([name for name in ('numba', 'scipy', 'matplotlib', 'sympy') if name in sys.modules])"
    )
    assert cli("show", MODEL, python=program).stdout.splitlines()[-1] == "[]"
    assert cli("models", python=program).stdout.splitlines()[-1] == "[]"


def test_an_interrupt_before_the_answer_exits_1(command, monkeypatch, tmp_path):
    def interrupted(items, total, label):
        raise KeyboardInterrupt

    monkeypatch.setattr("lockmodel.cli.common.progress", interrupted)
    ran = command("predict", MODEL, "-n", "1..8", "-o", "out.json")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "interrupted" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        ("predict", "-n", "1..9"),
        ("whatif", "--lever", "shard:libc.so.6=2"),
        *(("levers",), ("simulate", "-n", "2"), ("shards",), ("sweep", "--over", "shards=1,2")),
    ],
    ids=lambda call: call[0],
)
def test_no_time_at_all_is_refused_alike(command, call):
    name, *rest = call
    ran = command(name, "execl-xeon8369b", *rest, "--time-limit", "0")
    assert ran.returncode == 3
    assert ran.stderr == "lockmodel: --time-limit 0 must be a number of seconds above 0\n"


@pytest.mark.parametrize("full", [(), ("--explain",)])
def test_levers_of_a_model_without_locks_are_a_sentence(full, command, tmp_path):
    path = tmp_path / "plain.toml"
    path.write_text('name = "plain"\nthink_us = 5.0\n[machine]\nname = "m"\ncpus = 8\ncores = 8\n')
    ran = command("levers", str(path), *full)
    assert ran.fine
    assert " ".join(ran.stdout.split()) == (
        "plain. An iteration takes no lock that a change could be about: nothing to rank. At 8 "
        "processes (1.60 M/s) the CPUs bind."
    )
