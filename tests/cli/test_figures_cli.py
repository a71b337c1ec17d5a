"""`lockmodel figure`: the list, the files, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from lockmodel.figures import registry
from lockmodel.figures.registry import ENTRIES, NAMES
from lockmodel.solvers.simulation import simulate as simulation

pytestmark = pytest.mark.usefixtures("hardly_drawn")

MAGIC = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n"}
WIDTH = 80


def test_the_list(command):
    ran = command("figure")
    assert ran.fine
    rows = ran.stdout.splitlines()
    assert rows[0].split() == ["figure", "shows", "--model"]
    assert [row.split()[0] for row in rows[1 : 1 + len(NAMES)]] == list(NAMES)
    assert max(map(len, rows)) <= WIDTH
    listed = json.loads(command("figure", "--json").stdout)
    assert [one["name"] for one in listed["figures"] if one["model"]] == [
        entry.name for entry in ENTRIES if entry.takes_model
    ]


@pytest.mark.parametrize("kind", MAGIC)
def test_a_picture(kind, command, tmp_path):
    ran = command("figure", "chain", "-o", f"c.{kind}", "--model", "execl-direct")
    assert ran.fine
    assert ran.stdout == ""
    assert ran.stderr == f"written: c.{kind}\n"
    assert (tmp_path / f"c.{kind}").read_bytes().startswith(MAGIC[kind])


def test_numbers_in_json(command, tmp_path):
    line = ["figure", "chain", "--model", "execl-xeon8369b", "-n", "64"]
    made = json.loads(command(*line, "--json").stdout)
    assert (made["schema"], made["figure"]) == ("lockmodel.figure/1", "chain")
    assert (made["data"]["n"], made["data"]["scenario"]) == (64, "execl-xeon8369b")
    assert made["data"]["steps"][-1]["binding"] == "cpu"
    assert command(*line, "-o", "c.json").fine
    assert json.loads((tmp_path / "c.json").read_text()) == made


@pytest.mark.parametrize("name", ["ceiling", "acquires", "held", "errors"])
def test_numbers_of_cheap_figures_are_finite_json(name, command):
    made = json.loads(command("figure", name, "--json").stdout, parse_constant=pytest.fail)
    assert made["figure"] == name


def test_the_flags_of_a_fit_are_said(command):
    ran = command("figure", "curve", "-o", "c.svg")
    assert ran.fine
    assert "note: fit: NOT DETERMINED" in ran.stderr


def test_own_walkers_and_populations(command, monkeypatch):
    # what is asked is which ones are simulated
    coarsely = partial(simulation.simulate, precision=0.1)
    monkeypatch.setattr(simulation, "simulate", lambda scenario, n, _: coarsely(scenario, n))
    line = "figure shards --model doexec-20 --walks libc.so.6=20,read_us=500 -n 1 --json"
    made = json.loads(command(*line.split()).stdout)["data"]
    assert (made["n"], made["read_s"]) == (1, 500e-6)
    assert [one["walks_per_s"] for one in made["lines"]] == [0, 20]
    made = json.loads(
        command("figure", "solvers", "--model", "doexec-20", "-n", "1", "--json").stdout
    )
    assert [row["n"] for row in made["data"]["panels"][0]["rows"]] == [1]


REFUSED = {
    "figure chian -o c.svg": ["'chian'", "did you mean 'chain'?"],
    "figure zzz -o c.svg": ["'zzz'", *NAMES],
    "figure chain": ["'chain'", "-o chain.svg", ".pdf", "--json"],
    "figure chain -o c.txt": ["-o c.txt", ".svg, .pdf, .png", ".json"],
    "figure chain -o c.svg --json": ["c.svg", "--json"],
    "figure --model execl-direct": ["NAME", "--model"],
    "figure held --model execl-direct -o c.svg": ["--model", "held", "no scenario", "curve, hold"],
    "figure chain --walks libc.so.6=1,read_us=1 -o c.svg": ["--walks", "these take it: shards"],
    "figure hold --data x.csv -o c.svg": ["--data x.csv", "these take it: curve"],
    "figure errors -n 4 -o c.svg": ["-n 4", "hold, ceiling, shards, solvers, chain"],
    "figure curve --data x.csv -o c.svg": ["--data x.csv", "--model MODEL"],
    "figure chain --model execl-drect -o c.svg": ["'execl-drect'", "'execl-direct'"],
    "figure chain -n 1..4 -o c.svg": ["-n 1..4", "one"],
    "figure chain --width wide -o c.svg": ["--width", "column"],
    "figure all": ["all: say where to: -o DIR"],
    "figure all --json": ["--json", "figure NAME --json"],
    "figure all -o all.svg": ["-o all.svg", "folder", "-o figures"],
    "figure all -o all.json": ["-o all.json", "folder"],
    "figure all -o d --model execl-direct": ["--model execl-direct", "one at a time: curve, hold"],
    "figure all -o d --data x.csv": ["--data x.csv", "one at a time: curve"],
    "figure all -o d -n 4": ["-n 4", "hold, ceiling, shards, solvers, chain"],
    "figure al -o d": ["'al'", *NAMES],
}
"""Command line -> what the message must say."""


@pytest.mark.parametrize("line", REFUSED)
def test_refused_with_a_remedy(line, command, tmp_path):
    ran = command(*line.split())
    assert (ran.returncode, ran.stdout) == (3, "")
    for word in REFUSED[line]:
        assert word in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_kept(command, tmp_path):
    (tmp_path / "c.svg").write_text("mine")
    ran = command("figure", "chain", "-o", "c.svg")
    assert ran.returncode == 4
    assert "--force" in ran.stderr
    assert (tmp_path / "c.svg").read_text() == "mine"
    assert command("figure", "chain", "-o", "c.svg", "--force").fine
    assert (tmp_path / "c.svg").read_bytes().startswith(MAGIC["svg"])


def test_a_failure_leaves_no_file(command, tmp_path):
    ran = command("figure", "curve", "--model", "execl-direct", "--data", "no.csv", "-o", "c.svg")
    assert ran.returncode == 4
    assert list(tmp_path.iterdir()) == []


# all ------------------------------------------------------------------------------------------

QUICK = ("chain", "errors", "held")


@pytest.fixture
def few(monkeypatch):
    """A paper of figures that take a second; tests/paper draws them all."""
    monkeypatch.setattr(registry, "ENTRIES", tuple(e for e in ENTRIES if e.name in QUICK))
    monkeypatch.setattr(registry, "NAMES", QUICK)
    return sorted(f"{name}.{kind}" for name in QUICK for kind in ("svg", "pdf"))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_figures_into_a_folder(few, command, tmp_path):
    ran = command("figure", "all", "-o", "made/figures")
    assert ran.fine
    assert ran.stdout == ""
    said = sorted(line.removeprefix("written: made/figures/") for line in ran.stderr.splitlines())
    assert said == few
    made = contents(tmp_path / "made" / "figures")
    assert sorted(made) == few
    assert all(data.startswith(MAGIC[name[-3:]]) for name, data in made.items())
    assert command("figure", "chain", "-o", "c.svg", "--width", "column").fine
    assert made["chain.svg"] == (tmp_path / "c.svg").read_bytes()
    assert command("figure", "all", "-o", "again").fine
    assert contents(tmp_path / "again") == made


def test_all_figures_at_another_width(few, command, tmp_path):
    assert command("figure", "all", "-o", "wide", "--width", "page").fine
    assert command("figure", "chain", "-o", "c.svg").fine
    assert contents(tmp_path / "wide")["chain.svg"] == (tmp_path / "c.svg").read_bytes()


def test_all_keeps_files_that_exist(few, command, tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "held.pdf").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    ran = command("figure", "all", "-o", "figures")
    assert (ran.returncode, ran.stdout) == (4, "")
    assert "figures/held.pdf: exists and is kept; use --force" in ran.stderr
    assert contents(folder) == {"held.pdf": b"mine", "notes.txt": b"mine"}
    assert command("figure", "all", "-o", "figures", "--force").fine
    assert sorted(contents(folder)) == sorted([*few, "notes.txt"])
    assert (folder / "held.pdf").read_bytes().startswith(MAGIC["pdf"])


def test_all_needs_a_folder_that_can_be_made(few, command, tmp_path):
    (tmp_path / "taken").write_text("mine")
    for where in ("taken", "taken/figures"):
        ran = command("figure", "all", "-o", where)
        assert (ran.returncode, ran.stdout) == (4, "")
        assert f"{where}: cannot be made: " in ran.stderr
    assert contents(tmp_path) == {"taken": b"mine"}


def test_a_figure_that_fails_leaves_the_others(few, command, monkeypatch, tmp_path):
    monkeypatch.setattr("lockmodel.figures.held.data", lambda: registry.find("nothing"))
    ran = command("figure", "all", "-o", "figures")
    assert ran.returncode == 3
    assert "'nothing' is no figure" in ran.stderr
    assert set(contents(tmp_path / "figures")) <= set(few) - {"held.svg", "held.pdf"}


ONE_IS_SLOW = """
import signal
import sys
import time
from lockmodel.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's '&' has it ignored
from lockmodel.figures import held, registry
registry.ENTRIES = tuple(e for e in registry.ENTRIES if e.name in ("errors", "held"))
registry.NAMES = ("errors", "held")
held.data = lambda: time.sleep(600)
main(["figure", "all", "-o", "figures"])
"""
PATIENCE_S = 120


def test_interrupted_all_leaves_what_is_finished_and_no_process(tmp_path):
    running = subprocess.Popen(
        [sys.executable, "-c", ONE_IS_SLOW],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + PATIENCE_S
        while not (tmp_path / "figures" / "errors.pdf").exists() and time.monotonic() < end:
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all processes
        _, said = running.communicate(timeout=PATIENCE_S)
    except BaseException:  # none of them outlives the test
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        raise
    assert running.returncode == 1
    assert said.splitlines()[-1] == "lockmodel: interrupted: only 1 of 2 figures are drawn"
    assert "Traceback" not in said
    assert sorted(contents(tmp_path / "figures")) == ["errors.pdf", "errors.svg"]
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
