"""Intervals as the commands print them: columns, units, flags, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from fits import DEVIATIONS, fitted, usual
from msgspec.structs import replace
from places import timed, timed_path

from lockmodel.cli.intervals import Column, fitting, gain, gain_ends, span
from lockmodel.model.toml import dumps

MODEL = timed_path("execl-xeon8369b")
SHIPPED = timed("execl-xeon8369b")

FITTED = usual(SHIPPED)


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((31000.0, 35200.0), "31.0 to 35.2 k/s"),
        ((950.0, 1020.0), "0.95 to 1.02 k/s"),
        ((0.0, 5.0), "0.00 to 5.00 /s"),
        ((0.0, 0.0), "0 /s to 0 /s"),
        ((99940.0, 99960.0), "100 to 100 k/s"),
    ],
)
def test_an_interval_has_one_unit(ends, text):
    assert span(ends, "/s") == text


def test_gains_with_their_interval():
    assert gain(0.62, (0.48, 0.79)) == "+62 % (48 to 79)"
    assert gain(0.043, (0.039, 0.047)) == "+4.3 % (3.9 to 4.7)"
    assert gain(10.03, (8.8, 11.4)) == "+1,003 % (880 to 1,140)"
    assert gain(0.62, None) == "+62 %"
    assert gain_ends((-0.00001, 0.0001)) == "(0 to 0)"
    assert gain_ends((-0.3, 0.02)) == "(-30 to 2)"


def test_columns_give_way_by_rank():
    columns = [Column("n", ("1",)), Column("a" * 50, ("",), 1), Column("b" * 40, ("",), 2)]
    assert [c.head[0] for c in fitting(columns, 80)] == ["n", "a"]
    assert [c.head[0] for c in fitting(columns, 95)] == ["n", "a", "b"]
    assert [c.head[0] for c in fitting(columns, 20)] == ["n"]


@pytest.fixture
def report(command, tmp_path, monkeypatch):
    """Write a fitted scenario and run a command line on it; FILE stands for it.

    With the fewest draws: how an interval is printed does not hang on them.
    """
    monkeypatch.setattr("lockmodel.answers.intervals.COUNT", 32)

    def call(line, scenario=FITTED):
        (tmp_path / "fitted.toml").write_text(dumps(scenario), encoding="utf-8")
        ran = command(*line.replace("FILE", "./fitted.toml").split())
        assert ran.fine, ran.stderr
        return ran

    return call


LINES = [
    "predict FILE -n 1,16,64,128",
    "predict FILE -n 1..32 --all",
    "predict FILE -n 1,256 --method bounds",
    "levers FILE -n 128 --top 0",
    "whatif FILE -n 1,128 --lever less_think=0.5 --lever shard:all=8 "
    "--lever skip:all/exec.map_unlink --lever cheaper_handoff:all=none --lever batch:all=2",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("model", ["execl-xeon8369b", "sysexec-spr224-v6.1"])
@pytest.mark.usefixtures("hardly_drawn", "hardly_simulated")
def test_reports_fit_80_columns(line, model, report):
    scenario = timed(model)
    known = {name: sd for name, sd in DEVIATIONS.items() if name != "think_remote"}
    made = fitted(scenario, known, degrees=4.0, noise=0.02, flags=("AT LIMIT: all.handoff",) * 3)
    out = report(line, made).stdout
    assert [text for text in out.splitlines() if len(text) > 80] == []
    assert "WARNING, THE FIT IS FLAGGED:\n! AT LIMIT: all.handoff" in out


def test_predict_prints_intervals_and_what_they_rest_on(report):
    out = report("predict FILE -n 1,128 --explain").stdout
    flat = " ".join(out.split())
    assert "intervals: 90 %, from the fit of 4 parameters to 8 observations; flags: none" in flat
    assert "- not determined by the data: all.handoff (prior only)" in flat
    assert re.search(r"^128 +33\.9 k/s  \d\d\.\d to \d\d\.\d k/s ", out, re.MULTILINE)
    top = r"^peak ceiling 53\.6 k/s \(\d\d\.\d to \d\d\.\d k/s\) set by libc"
    assert re.search(top, out, re.MULTILINE)
    assert "--json has them: iteration" in out
    assert "WARNING" not in out
    assert (
        "intervals: none by --method bounds"
        in report("predict FILE -n 4 --method bounds --explain").stdout
    )


def test_levers_and_whatif_print_gains_with_intervals(report):
    cell = r"\+\d+ % \(\d+ to \d+\)"
    out = report("levers FILE -n 128 --all").stdout
    assert re.search(rf"^shorten_hold:libc\.so\.6=0\.5 +{cell} +!? +libc", out, re.MULTILINE)
    out = report("whatif FILE -n 128 --lever shorten_hold:libc.so.6=0.5").stdout
    assert re.search(rf"^128  33\.9 k/s +\S+ k/s +{cell}$", out, re.MULTILINE)
    assert "gain (90 % interval)" in out


def test_flags_are_printed_first_as_they_are(report):
    made = replace(
        FITTED, fit=replace(FITTED.fit, flags=("POOR FIT: chi2", "AT A LIMIT: all.handoff"))
    )
    for line in ("predict FILE -n 4", "levers FILE -n 4", "whatif FILE -n 4 --lever less_think=0"):
        lines = report(line, made).stdout.splitlines()
        first = lines.index("WARNING, THE FIT IS FLAGGED:")
        assert lines[first + 1 : first + 3] == ["! POOR FIT: chi2", "! AT A LIMIT: all.handoff"]
        assert first < lines.index("")  # after the sentences that answer, before the table
    ran = report("sweep FILE -n 4 --over shards=1", made)
    assert "note: WARNING, THE FIT IS FLAGGED" in ran.stderr


def test_json_has_the_intervals_in_base_units(report):
    data = json.loads(report("predict FILE -n 1,64 --json").stdout)
    assert data["schema"] == "lockmodel.prediction/1"
    assert data["fit"]["undetermined"] == ["all.handoff"]
    assert data["ceiling"]["interval_per_s"][0] > 1e4
    for point in data["points"]:
        low, high = point["interval_per_s"]
        assert low < point["throughput_per_s"] < high
    data = json.loads(report("levers FILE -n 64 --json").stdout)
    assert all(len(row["gain_interval"]) == 2 for row in data["levers"])
    lever = "--lever less_think=0.5 --lever exclude:all"
    data = json.loads(report(f"whatif FILE -n 1,64 {lever} --json").stdout)
    assert [len(p["gain_interval"]) for p in data["points"]] == [2, 2]
    assert [len(own["gain_intervals"]) for own in data["alone"]] == [2, 2]


def test_csv_of_a_sweep_has_the_columns(report):
    out = report("sweep FILE -n 64 --over shards=1,2").stdout
    for row in csv.DictReader(io.StringIO(out)):
        low, x, high = (float(row[f"throughput_{key}per_s"]) for key in ("low_", "", "high_"))
        assert low < x < high


def test_without_a_fit_nothing_of_it_is_printed_or_imported(cli):
    program = (
        "import sys; from lockmodel.cli import run; "
        f"run(['predict', '{MODEL}', '-n', '4', '-o', 'out.txt']); "
        "print([m for m in ('lockmodel.answers.intervals', 'lockmodel.fitting.draws', 'scipy') "
        "if m in sys.modules])"
    )
    assert cli(python=program).stdout == "[]\n"
