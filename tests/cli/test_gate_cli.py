"""`lockmodel gate`: exit codes, which curve of a file, what is written, the example in docs/."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import ROOT
from studies import CURVE, model

from lockmodel.model.handoff import ConstantHandOff
from lockmodel.solvers.throughput import throughput

CNA = "cna_v3_locktorture.csv"
STEPS = (-0.01, 0.0, 0.01)
"""Of the logarithms of three repeats: noise of 1 %."""


def curve(name, drops, steps=STEPS, head="", variant=""):
    """Write a curve of 1,000 per s and process, lower by a drop of the logarithm at each n."""
    lines = [*head.splitlines(), "tasks,throughput,variant"]
    lines += [
        f"{n},{1000.0 * n * math.exp(step - drop):.6g},{variant}"
        for n, drop in drops.items()
        for step in steps
    ]
    Path(name).write_text("\n".join(lines) + "\n")
    return name


@pytest.fixture
def main(command):
    """The folder of the command, with main.csv in it."""
    return curve("main.csv", dict.fromkeys((1, 4, 16), 0.0))


def branch(drop, steps=(-0.011, 0.0, 0.011), **more):
    return curve("branch.csv", {1: 0.0, 4: 0.001, 16: drop}, steps, **more)


def flat(ran):
    return " ".join(ran.stdout.split())


def test_a_drop_fails_with_exit_5_and_says_where(main, command):
    ran = command("gate", main, branch(0.08))
    assert ran.returncode == 5
    assert ran.stderr.startswith("lockmodel: the gate failed: -7.7 % (")
    assert ran.stderr.endswith(") at n = 16\n")
    assert flat(ran).startswith("branch.csv is slower than main.csv at n = 16: -7.7 % (")
    assert "REAL. The gate fails." in flat(ran)
    verdicts = re.findall(r"^ *(\d+) .*  (REAL|within noise)$", ran.stdout, re.MULTILINE)
    assert verdicts == [("1", "within noise"), ("4", "within noise"), ("16", "REAL")]
    assert "Noise: 1.0 % in a run of main.csv by its repeats; 1.1 % in a run of" in flat(ran)


LONGER = {
    "held": (model(held=960.0), 1.2, "(held work: hold times +20 % ("),
    "handed": (model(handoff=ConstantHandOff(time=600e-9)), 1.0, "(hand-off: hold times 0 % ("),
    "untold": (model(held=960.0), None, "(held work or hand-off: these data cannot say)"),
}
"""What is 20 % longer or twice as long, the factor on the hold times of the file, what is said."""


@pytest.mark.parametrize("name", LONGER)
def test_hold_times_tell_held_work_from_hand_off(name, command):
    scenario, factor, words = LONGER[name]
    for file, one, hold, spread in (
        ("a.csv", model(), 1.0, 0.01),
        ("b.csv", scenario, factor or 1.0, 0.011),
    ):
        lines = ["tasks,throughput,hold_ns" if factor else "tasks,throughput"]
        for n, rate in zip(CURVE, throughput(one, CURVE), strict=True):
            for step in (-spread, 0.0, spread):
                cells = [n, rate * math.exp(step), 1600.0 * hold * math.exp(step)]
                lines.append(",".join(f"{cell:.7g}" for cell in cells[: 3 if factor else 2]))
        Path(file).write_text("\n".join(lines) + "\n")
    ran = command("gate", "a.csv", "b.csv")
    assert ran.returncode == 5
    assert "What moved: demand of the lock +" in flat(ran)
    assert words in flat(ran)
    assert "think time within noise." in flat(ran)


def test_equal_curves_pass(main, command):
    ran = command("gate", main, branch(0.002))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert flat(ran).startswith("branch.csv passes: within noise of main.csv at all 3 populations")


def test_a_real_drop_that_is_allowed_passes(main, command):
    ran = command("gate", main, branch(0.08), "--fail-below", "-10%")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Slower by less than --fail-below -10 % allows at n = 16: -7.7 % (" in flat(ran)
    assert command("gate", main, "branch.csv", "--fail-below=-0.1").stdout == ran.stdout
    assert command("gate", main, "branch.csv", "--fail-below", "-5 %").returncode == 5


def test_a_population_is_decided_by_itself(main, command):
    assert command("gate", main, branch(0.08), "--at", "1,4").returncode == 0
    assert command("gate", main, "branch.csv", "--at", "16").returncode == 5
    ran = command("gate", main, curve("few.csv", {1: 0.001}), "--at", "16")
    assert ran.returncode == 1
    assert "cannot decide: n = 16 was not measured in few.csv" in ran.stderr
    assert command("gate", main, "few.csv", "--at", "5").returncode == 3


def test_data_without_repeats_cannot_decide(command):
    for name, drop in (("a.csv", 0.0), ("b.csv", 0.02)):
        curve(name, {1: 0.0, 4: drop}, steps=(0.0,))
    ran = command("gate", "a.csv", "b.csv")
    assert ran.returncode == 1
    assert "measure both with 3 repeats or more" in ran.stderr
    assert "5 % assumed, there are neither repeats nor sd (2 to 5 % is usual)" in flat(ran)
    assert command("gate", "a.csv", "b.csv", "--fail-below", "-20%").returncode == 0


def test_no_common_population_cannot_decide(main, command):
    ran = command("gate", main, curve("odd.csv", {3: 0.0}))
    assert ran.returncode == 1
    assert "no common population: main.csv has n = 1, 4, 16; odd.csv has n = 3" in ran.stderr


def test_a_machine_that_differs_is_said(command):
    one = curve("a.csv", {1: 0.0}, head="# machine: box 1")
    other = curve("b.csv", {1: 0.001}, head="# machine: box 2")
    assert "! MACHINE DIFFERS: 'box 1', 'box 2': the change" in flat(command("gate", one, other))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# unit: index points\ntasks,throughput\n1,1000\n", "throughput in two units"),
        ("tasks,throughput\n1,1\n4,4\n16,16\n", "the second is 1,000 times smaller throughout"),
        ("tasks,foo\n1,2\n", "no column throughput"),
    ],
)
def test_files_that_are_no_such_curve_are_exit_2(text, words, main, command):
    Path("odd.csv").write_text(text)
    ran = command("gate", main, "odd.csv")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("main.csv main.csv", "the same numbers, digit for digit"),
        ("main.csv branch.csv --fail-below 5%", "between -100% and 0; write -5%"),
        ("main.csv branch.csv --fail-below -5", "is not a share; write -5%"),
        ("main.csv branch.csv --fail-below much", "is not a share; write -5%"),
        ("main.csv branch.csv --level 95", "is not a share; write 95%"),
        ("main.csv branch.csv --level 5%", "must lie between 50% and 100%"),
        ("main.csv branch.csv --at 0", "--at: value 0 must lie between 1 and"),
        ("main.csv:new branch.csv", "main.csv has no curve 'new'"),
        (
            f"{CNA} {CNA}",
            f"(stock, patch_cfg_off, patch_CNA); name one: {CNA}:stock",
        ),
        (f"{CNA}:stok {CNA}:patch_CNA", "has no curve 'stok'; did you mean 'stock'?"),
    ],
)
def test_arguments_that_mean_nothing_are_exit_3(line, words, main, command):
    branch(0.0)
    ran = command("gate", *line.split())
    assert (ran.returncode, ran.stdout) == (3, "")
    assert words in ran.stderr


def test_a_curve_is_taken_from_a_file_with_several(command):
    ran = command("gate", f"{CNA}:stock", f"{CNA}:patch_cfg_off", "--fail-below", "-15%")
    assert (ran.returncode, ran.stderr) == (0, "")  # patched, and switched off
    assert "within noise of cna_v3_locktorture.csv:stock at all 10 populations" in flat(ran)
    Path("both.csv").write_text(
        curve_text("fast.csv", "mutex", 0.0) + curve_text("x.csv", "spin", 0.3).partition("\n")[2]
    )
    Path("later.csv").write_text(
        curve_text("y.csv", "mutex", 0.001) + curve_text("z.csv", "spin", 0.9).partition("\n")[2]
    )
    assert command("gate", "both.csv", "later.csv", "--only", "mutex").returncode == 0
    assert command("gate", "both.csv", "later.csv", "--only", "spin").returncode == 5


def curve_text(name, variant, drop):
    return Path(curve(name, {1: drop, 4: drop}, variant=variant)).read_text()


def test_json_csv_and_a_comment_for_a_pull_request(main, command):
    ran = command("gate", main, branch(0.08), "--json")
    plain = json.loads(ran.stdout)
    assert (ran.returncode, plain["schema"], plain["outcome"]) == (5, "lockmodel.gate/1", "failed")
    last = plain["points"][-1]
    assert last["change"] == pytest.approx(math.expm1(-0.08), abs=1e-5)
    assert (last["n"], last["verdict"], last["new_repeats"]) == (16, "REAL", 3)
    assert last["noise_from"] == ["repeats"]
    assert command("gate", main, "branch.csv", "-o", "gate.csv").returncode == 5
    rows = list(csv.DictReader(io.StringIO(Path("gate.csv").read_text())))
    assert [row["verdict"] for row in rows] == ["WITHIN NOISE", "WITHIN NOISE", "REAL"]
    assert command("gate", main, "branch.csv", "-o", "gate.md").returncode == 5
    lines = Path("gate.md").read_text().splitlines()
    assert lines[0] == "### branch.csv: FAILED"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5
    assert len({line.count("|") for line in table}) == 1
    assert table[-1].endswith("| REAL |")


def test_a_long_curve_is_short_and_shows_what_is_real(command):
    drops = dict.fromkeys(range(1, 41), 0.0)
    one, other = curve("a.csv", drops), curve("b.csv", drops | {7: 0.3}, (-0.009, 0.0, 0.009))
    ran = command("gate", one, other)
    assert len(ran.stdout.splitlines()) <= 25
    assert re.search(r"^ *7 .* REAL$", ran.stdout, re.MULTILINE)
    assert "28 more populations: --all" in ran.stdout
    assert len(command("gate", one, other, "--all").stdout.splitlines()) > 40


def documented():
    """Return the workflow of docs/guides/gate.md, line by line."""
    text = (ROOT / "docs" / "guides" / "gate.md").read_text()
    return re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1].splitlines()


def test_the_workflow_in_the_docs_is_yaml_of_mappings_and_lists():
    """Its form: two blanks per level, every line a key, an item, or of a block of shell."""
    block = None
    for line in documented():
        depth = len(line) - len(line.lstrip())
        assert "\t" not in line
        assert depth % 2 == 0
        if block is not None and depth > block:
            continue
        block = depth + 2 * line.lstrip().startswith("- ") if line.endswith("|") else None
        assert re.fullmatch(r"(- )?[a-z-]+:( \S.*)?", line.strip()), line
        value = line.partition(": ")[2]
        assert ": " not in value
        assert value.count("[") == value.count("]")
    keys = [line.rstrip(":") for line in documented() if re.fullmatch(r"\S+:", line)]
    assert keys == ["jobs"]


@pytest.mark.parametrize(
    ("drop", "noise", "code", "said"),
    [(0.001, 0.005, 0, ""), (0.2, 0.005, 5, ""), (0.001, 0.2, 0, "::warning::the gate cannot")],
)
def test_the_step_in_the_docs_does_what_it_says(drop, noise, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = np.array([-1.0, 0.0, 1.0]) * noise
    curve("main.csv", {1: 0.0, 4: 0.0}, steps)
    curve("branch.csv", {1: 0.0, 4: drop}, steps * 1.1)
    lines = documented()
    first = max(i for i, line in enumerate(lines) if line.strip() == "run: |")
    script = "\n".join(line.strip() for line in lines[first + 1 :])
    assert "lockmodel gate main.csv branch.csv" in script
    program = f'lockmodel() {{ "{sys.executable}" -m lockmodel "$@"; }}\n{script}'
    ran = subprocess.run(
        ["bash", "-e", "-c", program],
        env={"PATH": "/usr/bin:/bin", "GITHUB_STEP_SUMMARY": "summary.md"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == code, ran.stderr
    assert said in ran.stdout
    assert Path("summary.md").read_text().startswith("### branch.csv: ")
