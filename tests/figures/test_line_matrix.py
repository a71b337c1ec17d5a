"""The heat map of cache lines between CPUs: its numbers, its order, the same bytes every time."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from matrices import matrix as measured

from lockmodel.figures.line_matrix import draw, matrix

VISITS = {(0, 4): [10, 11, 12], (0, 1): [25], (5, 2): [300]}


def drawn(visits, kind="svg"):
    stream = io.BytesIO()
    draw(measured(visits), stream, kind)
    return stream.getvalue()


def test_near_cpus_stand_together_and_times_on_both_sides():
    cpus, times = matrix(measured(VISITS))
    assert cpus == [0, 4, 1, 5, 2, 6, 3, 7]
    want = np.full((8, 8), np.nan)
    want[0, 1] = want[1, 0] = 11.0  # the median
    want[0, 2] = want[2, 0] = 25.0
    want[3, 4] = want[4, 3] = 300.0
    assert times == pytest.approx(want, rel=1e-12, nan_ok=True)


def texts(svg):
    return {text.strip() for text in re.findall(r"<!-- (.*?) -->", svg.decode())}


def test_labels_have_units_and_say_what_was_not_measured():
    found = texts(drawn(VISITS))
    assert found >= {"CPU", "ns of a line, one way", "CPU X", "11", "25", "300"}
    assert "CPU, by socket, last-level cache and core; grey: not measured" in found
    every = {pair: [25] for d in measured({}).all_pairs.values() for pair in d}
    assert "CPU, by socket, last-level cache and core" in texts(drawn(every))


@pytest.mark.parametrize(
    ("kind", "magic"), [("svg", b"<?xml"), ("pdf", b"%PDF-"), ("png", b"\x89PNG")]
)
def test_files_are_what_they_say_and_the_same_every_time(kind, magic):
    first = drawn(VISITS, kind)
    assert first.startswith(magic)
    assert first == drawn(VISITS, kind)
    assert b"nan" not in first or kind == "png"
