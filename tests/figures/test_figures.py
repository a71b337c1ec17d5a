"""Figures: well-formed files with labelled axes, the same bytes every time; terminal drawings."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import click
import pytest
from places import timed

from lockmodel.answers.axis import parse_axis
from lockmodel.answers.predict import predict
from lockmodel.answers.sweep import sweep
from lockmodel.errors import ArgumentError
from lockmodel.figures import sweep as sweep_figure
from lockmodel.figures import sweep_terminal, throughput

WIDTH = 80
MAGIC = {"svg": b"<?xml", "pdf": b"%PDF-", "png": b"\x89PNG\r\n\x1a\n"}
SCENARIO = timed("execl-xeon8369b")


def swept(*texts, n=(128,)):
    return sweep(SCENARIO, [parse_axis(text) for text in texts], n)


FIGURES = {
    "throughput": (throughput.draw, lambda: predict(SCENARIO, [1, 4, 16, 64, 128])),
    "one population": (throughput.draw, lambda: predict(SCENARIO, [64])),
    "lines": (sweep_figure.draw, lambda: swept("shards=1,2,4", n=(16, 64, 128))),
    "one point": (sweep_figure.draw, lambda: swept("shards=2")),
    "heat map": (sweep_figure.draw, lambda: swept("acquires=1..15:7", "hold=0..1:5")),
    "one row": (sweep_figure.draw, lambda: swept("acquires=1..15:7", "shards=2")),
    "one column": (sweep_figure.draw, lambda: swept("think=1", "shards=1..4")),
    "one cell": (sweep_figure.draw, lambda: swept("think=1", "shards=4")),
    "flat": (sweep_figure.draw, lambda: swept("executable:shards=1", "think=1", n=(1,))),
    "nearly flat": (
        sweep_figure.draw,
        lambda: swept("executable:shards=1,2", "libc.so.6:shards=1,2", n=(1,)),
    ),
}
"""Figure -> who draws it, and from what."""

LABELS = {
    "throughput": {"processes", "thousand iterations per second", "throughput", "knee"},
    "lines": {"shards of libc.so.6", "thousand iterations per second", "n = 16"},
    "heat map": {
        "acquires per iteration of libc.so.6",
        "factor on held work of libc.so.6",
        "thousand iterations per second",
        "execl-xeon8369b, n = 128",
    },
}


def drawn(name, kind):
    draw, data = FIGURES[name]
    stream = io.BytesIO()
    draw(data(), stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("name", FIGURES)
def test_svg_is_xml_and_the_same_every_time(name):
    first = drawn(name, "svg")
    assert ElementTree.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"
    assert first == drawn(name, "svg")
    assert not re.search(rb"<dc:date>|NaN|nan,", first)


@pytest.mark.parametrize("name", LABELS)
def test_svg_has_labels_with_units(name):
    texts = {text.strip() for text in re.findall(r"<!-- (.*?) -->", drawn(name, "svg").decode())}
    assert texts >= LABELS[name]


def test_svg_names_the_lock_that_sets_the_ceiling():
    assert b"ceiling at n (libc.so.6)" in drawn("throughput", "svg")


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_other_formats_have_their_magic_and_are_the_same_every_time(kind):
    first = drawn("heat map", kind)
    assert first.startswith(MAGIC[kind])
    assert first == drawn("heat map", kind)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("svg", "predict execl-xeon8369b -n 1,16"),
        ("png", "predict execl-xeon8369b -n 1,16"),
        ("pdf", "sweep execl-xeon8369b -n 8 --over shards=1,2"),
    ],
)
def test_plot_files_of_the_command_line(line, kind, command, tmp_path):
    ran = command(*line.split(), "--plot", f"out.{kind}")
    assert ran.fine
    assert f"written: out.{kind}\n" in ran.stderr
    assert (tmp_path / f"out.{kind}").read_bytes().startswith(MAGIC[kind])
    assert ran.stdout == command(*line.split()).stdout


def test_matrix_has_the_second_axis_in_rows():
    grid = swept("acquires=1,15,30", "shards=1,2", n=(8, 128))
    by_place = {(r["acquires"], r["shards"], r["n"]): r["throughput_per_s"] for r in grid.rows}
    rates = sweep_figure.matrix(grid)
    assert rates.shape == (2, 3)
    assert rates[1, 2] * 1e3 == pytest.approx(by_place[30, 2, 128], rel=1e-14)


def test_three_axes_are_refused():
    grid = swept("acquires=1", "shards=1", "hold=1")
    with pytest.raises(ArgumentError, match="one or two --over axes"):
        sweep_figure.draw(grid, io.BytesIO(), "svg")
    with pytest.raises(ArgumentError, match="one or two --over axes"):
        sweep_terminal.draw(grid)


def test_terminal_heat_map():
    grid = swept("acquires=1,15,30", "shards=1,2,4")
    text = sweep_terminal.draw(grid)
    rates = sweep_figure.matrix(grid)
    assert f"shade from {rates.min():.1f} (.) to {rates.max():.1f} (@)" in text
    assert "across: acquires per iteration of libc.so.6\ndown:   shards of libc.so.6" in text
    rows = [line.split() for line in text.splitlines()[-3:]]
    assert [row[0] for row in rows] == ["1", "2", "4"]
    assert rows[0][3] == "..."
    assert rows[2][1] == "@@@"
    assert rows[0][-3:] == [f"{rates[0, 0]:.1f}", "..", f"{rates[0, -1]:.1f}"]


@pytest.mark.parametrize(
    "texts",
    [
        ("acquires=1..16", "shards=1,2"),
        ("acquires=1..30", "shards=1..128*2"),
        ("hold=0..1:16", "shards=1,2"),
        ("shards=1,2", "hold=0..1:7"),
        ("shards=1..1024*2", "acquires=1,1000,100000"),
        ("ld-linux-x86-64.so.2:acquires=1..8", "ld-linux-x86-64.so.2:hold=0..1:4"),
    ],
)
def test_terminal_heat_map_fits_80_columns_with_its_values_apart(texts):
    lines = sweep_terminal.draw(swept(*texts)).splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
    second = parse_axis(texts[1])
    body = lines[-len(second.values) :]
    header = lines[-len(second.values) - 1].split()
    cells = [line[: line.rindex("..")].split()[1:-1] for line in body]
    assert {len(row) for row in cells} == {len(header)}
    assert [float(value) for value in header] == sorted(set(map(float, header)))


@pytest.mark.parametrize("populations", [(128,), (1, 16, 64, 128)])
def test_terminal_lines(populations):
    text = click.unstyle(sweep_terminal.draw(swept("shards=1..8", n=populations)))
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].strip() == "execl-xeon8369b: thousand iterations per second"
    assert lines[-1].strip() == "shards of libc.so.6"
    for n in populations:
        assert f" n = {n}" in text
    assert "1 processes" not in text


def test_terminal_plot_of_predict(command):
    text = command("predict", "execl-xeon8369b", "-n", "1..64", "--plot").stdout
    plot = text[text.index("execl-xeon8369b: thousand iterations per second") :]
    assert "throughput" in plot
    assert "ceiling" in plot
    assert plot.strip().splitlines()[-1].strip() == "processes"
    assert max(map(len, text.splitlines())) <= WIDTH
