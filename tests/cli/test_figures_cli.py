"""`lockmodel figure`: the list, the files, and what it refuses."""

from __future__ import annotations

import json

import pytest

from lockmodel.figures.registry import ENTRIES, NAMES

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


def test_own_walkers_and_populations(command):
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
