"""Printed reports against the files in tests/golden; --regenerate rewrites them."""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import benches
import elf_files
import matrices
import pytest
import traces
from goldens import GOLDEN, MODEL, REPORTS

from lockmodel.answers.quick import Taken, quick
from lockmodel.cli import bench_text, files, lines_text
from lockmodel.model.machines import parse
from lockmodel.model.shipped import model_names, shipped_dir
from lockmodel.model.toml import dumps

WIDTH = 80

RECORDED = benches.curve(
    *(
        benches.run(n, repeat, [round(rate * 0.5 / n)] * n)
        for n, rates in {
            1: (1480, 1492, 1471),
            2: (2801, 2766, 2822),
            4: (4870, 4951, 4902),
            6: (5310, 5122, 5249),
            8: (5020, 5171, 5083),
        }.items()
        for repeat, rate in enumerate(rates, 1)
    )
)
"""A curve as `lockmodel bench` measures one; the rates are invented."""


LINES = matrices.matrix(
    {
        (0, 4): (10.1, 10.2, 10.4),
        (1, 5): (9.9, 10.1, 10.1),
        (0, 1): (24.6, 25.3, 110.2, 25.1, 24.8),
        (4, 5): (25.2, 25.2, 26.0),
        (0, 2): (301.5, 304.9, 303.1),
        (5, 7): (296.2, 298.8, 297.7),
        (1, 6): (309.3, 310.5, 309.0),
    }
)
"""Times as `lockmodel bench --lines` measures them; invented."""


def _traced(command, *options):
    Path("trace.txt").write_text(traces.sample("trace_script_6.12"))
    return command("trace", "read", "trace.txt", *options).stdout


def _counted(command):
    if not Path("root").exists():
        elf_files.system(Path("root"))
    line = "acquires /usr/bin/git --kernel 6.12 --launcher /usr/bin/true --sysroot root"
    return command(*line.split()).stdout


def _sharded(command):
    """Of two locks whose hand-off is a published range: shipped models take seconds to draw."""
    known = [Taken("list", 1e-6, 3.0), Taken("tree", 5e-7)]
    Path("mine.toml").write_text(dumps(quick(5e-6, known, parse("2x8x1"))))
    return command("shards", "./mine.toml").stdout


MEASURED = {
    "acquires": _counted,
    "bench": lambda command: bench_text.text(RECORDED, False, False),
    "bench_lines": lambda command: lines_text.report(LINES, False, False),
    "bench_lines_explain": lambda command: lines_text.report(LINES, True, False),
    "shards": _sharded,
    "trace_read": _traced,
    "trace_read_explain": lambda command: _traced(command, "--explain"),
}
"""Golden file -> what prints the report of something that was recorded or made."""


def _printed(name, command):
    if name in MEASURED:
        return MEASURED[name](command)
    ran = command(*REPORTS[name].split())
    assert ran.fine
    return ran.stdout


SHORT = [
    name for name in (*REPORTS, *MEASURED) if not name.endswith(("_explain", "_plot", "_over"))
]


@pytest.fixture
def reports(monkeypatch):
    """The reports that commands print: their text can be made again, at another width."""
    kept, output = [], files.output

    @contextmanager
    def keeping(*args):
        with output(*args) as write:
            yield lambda report: (kept.append(report), write(report))

    monkeypatch.setattr(files, "output", keeping)
    return kept


@pytest.mark.parametrize("name", [*REPORTS, *MEASURED])
def test_report_is_the_golden_one_and_folds(name, command, reports, regenerate, monkeypatch):
    printed = _printed(name, command)
    path = GOLDEN / f"{name}.txt"
    if regenerate:
        path.write_text(printed, encoding="utf-8")
    want = path.read_text(encoding="utf-8")
    if printed != want:
        diff = difflib.unified_diff(
            want.splitlines(), printed.splitlines(), str(path), "now", lineterm=""
        )
        pytest.fail(
            f"{name} ({REPORTS.get(name, 'recorded')}): not the golden report; if it is meant to "
            "change, run pytest tests/cli/test_golden.py --regenerate\n" + "\n".join(diff),
            pytrace=False,
        )
    if name not in SHORT or name == "sweep":  # CSV
        return
    assert "".join(report.text(False) for report in reports) in (printed, "")
    monkeypatch.setenv("COLUMNS", "40")
    folded = "".join(report.text(False) for report in reports) or _printed(name, command)
    assert max(map(len, folded.splitlines())) <= 40


@pytest.mark.parametrize("name", SHORT)
def test_a_report_is_25_lines_of_80_columns(name):
    lines = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 25
    if name != "sweep":  # CSV: a row is as long as its numbers
        assert max(map(len, lines)) <= WIDTH


def test_every_golden_file_has_its_report():
    assert {path.stem for path in GOLDEN.glob("*")} == {*REPORTS, *MEASURED}


@pytest.mark.parametrize("model", [MODEL, "sysexec-spr224-v6.1"])
@pytest.mark.parametrize(
    "line",
    [
        "show MODEL",
        "predict MODEL -n 1..20",
        "predict MODEL -n 1..20 --explain",
        "predict MODEL -n 1..20 --plot",
        "predict MODEL -n 1,20,500 --method bounds",
        "ceiling MODEL",
        "levers MODEL -n 64 --top 0",
        "levers MODEL --explain",
        "levers MODEL -n 64 --top 0 --walks libc.so.6=900,read_us=64",
        "whatif MODEL -n 1,20,64 --lever less_think=0.5 --lever shard:all=300,by=hash,values=16 "
        "--lever cheaper_handoff:all=none --lever batch:all=2",
        "sweep MODEL --over libc.so.6:shards=1,2 -n 64 --plot",
        "sweep MODEL --over libc.so.6:shards=1,2,128 --over libc.so.6:hold=0..1:16 -n 64 --plot",
        "sweep MODEL --over libc.so.6:hold=0..1:7 --over libc.so.6:acquires=1..16 -n 64 --plot",
        "sweep MODEL --over libc.so.6:acquires=1..16 --over libc.so.6:hold=0..1:3 -n 64 --plot",
    ],
)
@pytest.mark.usefixtures("hardly_drawn", "hardly_simulated")
def test_reports_fit_80_columns(model, line, command):
    ran = command(*line.replace("MODEL", model).split())
    assert ran.fine
    wide = [text for text in ran.stdout.splitlines() if len(text) > WIDTH]
    assert wide == []


def test_the_list_of_models_fits_80_columns_with_one_row_per_model(command):
    lines = command("models").stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line.split()[0] for line in lines[1:] if line[0] != " "] == list(model_names())


@pytest.mark.parametrize(
    "line",
    [
        "show",
        "predict -n 1,8 --explain",
        "ceiling --explain",
        "levers -n 8 --top 0 --explain",
        "whatif -n 8 --lever shard:all=2",
    ],
)
@pytest.mark.parametrize(
    "name", ["libQt6WebEngineCore.so.6.7.2", "libboost_unit_test_framework-gcc13-mt-x64-1_83.so"]
)
@pytest.mark.usefixtures("hardly_drawn")
def test_a_long_lock_name_does_not_squeeze_the_numbers_out(line, name, command, tmp_path):
    shipped = shipped_dir("models") / f"{MODEL}.toml"
    text = shipped.read_text(encoding="utf-8").replace("ld-linux-x86-64.so.2", name)
    (tmp_path / "long.toml").write_text(text, encoding="utf-8")
    head, *rest = line.split()
    long = command(head, "./long.toml", *rest).stdout
    assert max(map(len, long.splitlines())) <= WIDTH
    assert _figures(long) == _figures(command(head, MODEL, *rest).stdout)


def _figures(report: str) -> list[str]:
    """Return the numbers with a unit or a per cent sign (1.23 k/s, +4.5 %), sorted."""
    words = [word.strip("(),;:") for word in report.split()]
    units = {"k/s", "/s", "us", "ms", "ns", "%"}
    return sorted(
        f"{value} {unit}"
        for value, unit in pairwise(words)
        if unit in units and value[-1:].isdigit()
    )
