"""Intervals of fits hold what they say: a small run of tools/coverage_study.py.

The long run is `make coverage-study`; its last figures are in docs/measured.md.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from places import ROOT

TOOL = ROOT / "tools" / "coverage_study.py"
FIRST = 20_000
"""Number of the first truth: none that a constant was chosen on, nor those of the long run."""

TRUTHS = 10
LEAST = {"constant": 6}
"""Truths inside at the least, of 10: intervals that hold .85 have fewer once in 100 cases, those
that hold half of that in 79 of 100."""


@cache
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_study", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_slower_truth_is_the_same_one_in_slow_motion(tmp_path: Path) -> None:
    """All times ten times as long: all rates a tenth, gains as they are."""
    made = study()
    made.simulated(tmp_path, ("saturating", FIRST))
    fast, slow = (
        made.known(tmp_path, made.Cell("saturating", "constant", slower), FIRST)
        for slower in (1.0, 10.0)
    )
    (point,) = (made.throughput(one.scenario, [16])[0] for one in [slow])
    assert point == pytest.approx(made.throughput(fast.scenario, [16])[0] / 10, rel=1e-9)
    assert slow.rates == pytest.approx({n: rate / 10 for n, rate in fast.rates.items()})
    assert slow.gains == fast.gains


def test_the_report_counts_who_is_below_and_above() -> None:
    rows = np.tile(
        np.array([[[0.0, -1.0, 1.0]], [[2.0, -1.0, 1.0]], [[-2.0, -1.0, 1.5]]]), (1, 6, 1)
    )
    (line, *_) = study().report("one", rows)
    assert line.split()[-5:] == ["33.3", "%", "33.3", "33.3", "2.000"]


@pytest.mark.long
@pytest.mark.parametrize("name", list(LEAST))
def test_intervals_hold_what_they_say(tmp_path: Path, name: str) -> None:
    made = study()
    rows = []
    for number in range(FIRST, FIRST + TRUTHS):
        made.simulated(tmp_path, (made.CELLS[name].truth, number))
        rows.append(made.judged(tmp_path, (name, number)))
    value, low, high = np.moveaxis(np.array(rows), 2, 0)
    inside = ((low <= value) & (value <= high)).sum(axis=0)
    assert inside.min() >= LEAST[name], dict(zip(("throughput", *made.LEVERS), inside, strict=True))
    widths = np.median(high - low, axis=0)
    assert widths[1] < 0.25  # shorten_hold: an interval that holds anything holds too much
    assert widths.max() < 1.6
