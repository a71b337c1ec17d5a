"""`lockmodel machines`: the answer, one list for --machine too, what a scenario takes from it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from places import timed_path

from lockmodel.cli import lines_text
from lockmodel.model.machines import known, parse
from lockmodel.model.published import Spread
from lockmodel.model.toml import loads


def test_the_answer_is_what_a_socket_and_the_way_between_sockets_take(command):
    """Medians: 47.8 (6336Y) to 134.7 ns (7302), 106.0 (6336Y) to 303.7 ns (7763)."""
    ran = command("machines")
    assert ran.fine
    assert " ".join(ran.stdout.split()).startswith(
        "A cache line takes 47.8 to 135 ns within a socket and 106 to 304 ns between sockets: "
        "medians of 16 machines. "
    )


def test_a_name_in_the_list_is_one_for_machine_or_said_not_to_be(command):
    said = " ".join(command("machines").stdout.split())
    data = json.loads(command("machines", "--json").stdout)
    assert [one["name"] for one in data["machines"]] == list(known())
    for one in data["machines"]:
        assert one["name"] in said
        ran = command("show", "execl-direct", "--machine", one["name"])
        if one["cores"] is None:
            assert (ran.returncode, "topology not known" in ran.stderr) == (3, True)
            assert f"--machine takes all but {one['name']}" in said or f", {one['name']}," in said
        else:
            assert ran.returncode == 0
            assert parse(one["name"]).cpus == one["cpus"]


def test_json_has_times_in_seconds(command):
    (one,) = json.loads(command("machines", "xeon6242", "--json").stdout)["machines"]
    assert one["times"]["remote"] == {"median_s": 141.4e-9, "low_s": 137.5e-9, "high_s": 145.4e-9}
    assert (one["cpus"], one["cores"], one["sockets"], one["caches"]) == (64, 32, 2, 2)
    assert (one["mean_s"], one["kind"], one["scenario"]) == (94.8e-9, "cascadelake", None)
    assert "cache" not in one["times"]
    (own,) = json.loads(command("machines", "spr224", "--json").stdout)["machines"]
    assert (own["scenario"], own["times"], own["mean_s"]) == ("sysexec-spr224-v6.12", {}, None)


def test_csv_has_a_row_per_machine(command, tmp_path):
    assert command("machines", "-o", "m.csv").fine
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == list(known())
    found = next(row for row in rows if row["name"] == "epyc7763")
    assert (found["cache_median_s"], found["cache_low_s"]) == ("2.49e-08", "2.12e-08")


def test_the_keys_of_a_machine_in_full_are_those_of_a_scenario(command):
    text = command("machines", "epyc7763").stdout
    keys = text.partition("in a scenario, [machine]:\n")[2]
    machine = loads(
        'schema = "lockmodel.scenario/1"\nname = "s"\ntitle = "t"\niteration = "i"\nthink_us = 1\n'
        f'[machine]\nname = "m"\ncpus = 256\ncores = 128\nsockets = 2\n{keys}'
    ).machine
    assert (machine.caches, machine.line) == (16, parse("epyc7763").line)


@pytest.mark.parametrize("name", ["xeon8360y", "epyc7601", "spr224"])
def test_what_is_not_known_gives_no_keys_and_says_why(name, command):
    text = " ".join(command("machines", name).stdout.split())
    assert "line_ns" not in text
    why = {
        "xeon8360y": "! topology not known: the 8360Y has 36 cores, two of them 144 CPUs",
        "epyc7601": "! socket holds the pairs of both sockets",
        "spr224": "no times of cache lines were published for it",
    }
    assert why[name] in text


def test_an_unknown_name_gets_the_nearest(command):
    ran = command("machines", "epyc7762")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == (
        "lockmodel: NAME 'epyc7762': no such machine; did you mean 'epyc7763'? `lockmodel "
        "machines` lists them\n"
    )


def test_a_scenario_there_shows_what_a_line_takes(command):
    ran = command("show", "execl-direct", "--machine", "xeon6242", "-n", "64")
    said = "a line takes 94.8 ns on average at 64 processes (same core 7.4, same cache 48.0, other "
    assert said in " ".join(ran.stdout.split())
    data = json.loads(command("show", "execl-direct", "--machine", "xeon6242", "--json").stdout)
    assert data["line_time_s"] == pytest.approx(94.797e-9, rel=1e-4)
    old = timed_path("doexec-20")
    bare = command("show", old)
    assert "a line takes" not in bare.stdout
    assert json.loads(command("show", old, "--json").stdout)["line_time_s"] is None


def test_its_own_cpus_and_caches_count_for_what_a_line_takes(command):
    Path("s.toml").write_text(
        'schema = "lockmodel.scenario/1"\nname = "s"\ntitle = "t"\niteration = "i"\nthink_us = 1\n'
        '[machine]\nname = "m"\ncpus = 4\ncores = 4\ncaches = 2\n'
        "line_ns = { cache = 20, socket = 110 }\n"
    )
    text = " ".join(command("show", "./s.toml").stdout.split())
    # of the 3 others, one shares the cache: (20 + 2 x 110) / 3
    assert (
        "a line takes 80.0 ns on average at 4 processes (same cache 20.0, same socket 110;" in text
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(9.97e-9, "10.0"), (99.94e-9, "99.9"), (99.96e-9, "100"), (3.1e-7, "310")]
)
def test_times_have_three_digits(seconds, text):
    assert lines_text.ns(seconds) == text


def test_a_cell_is_the_median_and_the_ends():
    times = {"cache": Spread(32.5e-9, 30.1e-9, 36.6e-9)}
    assert lines_text.cells(times) == ["", "32 (30-37)", "", ""]
    assert lines_text.span((48e-9, 134.7e-9)) == "48.0 to 135 ns"
    assert lines_text.span((48e-9, 48e-9)) == "48.0 ns"
