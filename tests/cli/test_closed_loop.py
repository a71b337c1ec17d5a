"""The four commands of the README that close the loop, run for real on the CPUs at hand."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import ROOT

SHORT = ("--seconds", "0.5", "--repeats", "3")
"""Shorter than the default, which takes a minute; everything else is as the README has it."""
TIMEOUT_S = 240

pytestmark = pytest.mark.alone


def commands() -> list[list[str]]:
    """Return the words of the commands in the README's section, in order."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## On your own machine, in four commands") :]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return [shlex.split(line) for line in block[1].splitlines()]


def run(words: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lockmodel", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def loop(tmp_path_factory) -> Path:
    """Return a folder in which the first three commands have run."""
    folder = tmp_path_factory.mktemp("loop")
    bench, acquires, fit, _ = commands()
    run([*bench, *SHORT], folder)
    run(acquires, folder)
    run(fit, folder)
    return folder


def test_there_are_four_commands_and_each_reads_what_the_one_before_wrote():
    named = [" ".join(words[:2]) for words in commands()]
    assert named == ["lockmodel bench", "lockmodel acquires", "lockmodel fit", "lockmodel levers"]


def rows(folder: Path) -> list[dict[str, str]]:
    lines = (folder / "curve.csv").read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_the_curve_has_every_population_of_a_small_machine(loop):
    cpus = len(os.sched_getaffinity(0))
    populations = sorted({int(row["tasks"]) for row in rows(loop)})
    assert populations[0] == 1
    assert populations[-1] == cpus
    assert all(float(row["throughput"]) > 10 for row in rows(loop))


def test_the_scenario_has_the_acquires_of_the_same_binary(loop):
    scenario = tomllib.loads((loop / "here.toml").read_text())
    acquires = sum(site["acquires"] for site in scenario["sites"] if site["lock"] == "libc.so.6")
    counts = json.loads(run(["lockmodel", "acquires", "/bin/true", "--json"], loop))
    assert acquires == counts["files"]["libc.so.6"]["acquires"] > 10


def test_the_fitted_scenario_predicts_what_was_measured(loop):
    said = run(["lockmodel", "predict", "fitted.toml", "-n", "1", "--json"], loop)
    predicted = json.loads(said)["points"][0]["throughput_per_s"]
    alone = [float(row["throughput"]) for row in rows(loop) if row["tasks"] == "1"]
    measured = sum(alone) / len(alone)
    spread = (max(alone) - min(alone)) / measured
    assert predicted == pytest.approx(measured, rel=0.1 + spread)


def test_the_levers_come_with_intervals_and_say_what_the_data_leave_open(loop):
    words = commands()[3]
    ranking = json.loads(run([*words, "--json"], loop))
    gains = {row["lever"]: row for row in ranking["levers"]}
    assert {"exclude:libc.so.6", "shorten_hold:libc.so.6=0", "batch:libc.so.6=1"} <= set(gains)
    for row in gains.values():
        low, high = row["gain_interval"]
        assert low - 1e-9 <= row["gain"] <= high + 1e-9, row["lever"]
    assert gains["exclude:libc.so.6"]["gain"] >= gains["batch:libc.so.6=1"]["gain"] - 1e-9
    if len(os.sched_getaffinity(0)) <= 4:  # no lock saturates here
        assert "NOT DETERMINED" in run(words, loop)
