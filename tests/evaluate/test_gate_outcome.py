"""Whether a gate passes, fails or cannot decide, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gated import EQUAL, HOLD, N, measured, side

from lockmodel.errors import ArgumentError, NotTrustworthyError, ScenarioError
from lockmodel.evaluate.gate.side import side_of
from lockmodel.evaluate.gate.verdict import gate
from lockmodel.observe.readers import read_file


def test_swapping_the_sides_inverts_the_ratio():
    rng = np.random.default_rng(3)
    one, other = measured("a", EQUAL, 0.01, 3, rng), measured("b", HOLD, 0.02, 4, rng)
    there, back = gate(one, other), gate(other, one)
    for a, b in zip(there.changes, back.changes, strict=True):
        assert (1.0 + a.change) * (1.0 + b.change) == pytest.approx(1.0, abs=1e-12)
        assert (1.0 + a.low) * (1.0 + b.high) == pytest.approx(1.0, abs=1e-12)
        assert (a.floor, a.real) == (pytest.approx(b.floor), b.real)
    for a, b in zip(there.moved.shifts, back.moved.shifts, strict=True):
        assert (1.0 + a.change) * (1.0 + b.change) == pytest.approx(1.0, abs=1e-6)


def pair(drop, noise=0.002, populations=(1, 2)):
    """Two sides with three repeats `noise` apart, the second lower by `drop` of the logarithm."""
    steps = (-noise, 0.0, noise)
    return (
        side("base", dict.fromkeys(populations, steps)),
        side("new", {n: tuple(s - drop for s in steps) for n in populations}),
    )


@pytest.mark.parametrize(
    ("drop", "noise", "limit", "outcome"),
    [
        (0.001, 0.002, 0.0, "passed"),
        (-0.10, 0.002, 0.0, "passed"),
        (0.03, 0.002, 0.0, "failed"),
        (0.03, 0.002, -0.05, "passed"),  # REAL, and less than what fails
        (0.08, 0.002, -0.05, "failed"),
        (0.001, 0.05, 0.0, "cannot decide"),  # the floor is above 5 %
        (0.001, 0.05, -0.20, "passed"),
        (0.015, 0.010, -0.01, "cannot decide"),  # within noise, and as large as what fails
        (0.001, 0.004, -0.001, "cannot decide"),
    ],
)
def test_outcomes(drop, noise, limit, outcome):
    assert gate(*pair(drop, noise), limit=limit).outcome == outcome


@pytest.mark.parametrize("limit", [0.0, -0.05])
def test_a_large_drop_within_noise_cannot_be_decided(limit):
    """The noise would show 5 % at one population (floor 4.1 %), not 6 % at one of eight."""
    answer = gate(*pair(0.06, 0.025, N), limit=limit)
    assert answer.changes[0].floor == pytest.approx(0.0407, abs=5e-4)
    assert not any(c.real for c in answer.changes)
    assert answer.outcome == "cannot decide"
    assert gate(*pair(0.04, 0.025, N), limit=limit).outcome == "passed"


def test_only_the_populations_asked_for_decide():
    base = side("base", dict.fromkeys((1, 2, 4), (-0.002, 0.0, 0.002)))
    new = side("new", {n: (s - 0.002, s, s + 0.002) for n, s in ((1, 0.0), (2, 0.0), (4, -0.3))})
    assert gate(base, new).outcome == "failed"
    both = gate(base, replace(new, values={**new.values, 1: (1.001, 0.999, 1.0)}), at=[2, 1])
    assert both.outcome == "passed"
    assert [c.n for c in both.changes] == [1, 2]


def test_repeats_that_would_let_it_decide():
    """The floor shrinks with the root of the repeats: 3 x (floor / 5 %)^2."""
    answer = gate(*pair(0.0001, 0.05))
    need = math.ceil(3 * (answer.changes[0].floor / 0.05) ** 2)
    assert answer.remedy == f"measure both with {need} repeats"
    worse = gate(*pair(0.0001, 0.05), limit=-0.02).remedy
    assert worse.startswith("measure both on a quieter machine, or with ")
    quiet, noisy = pair(0.0, 0.001, N[:-1]), pair(0.0001, 0.1, (64,))
    sides = [replace(a, values=a.values | b.values) for a, b in zip(quiet, noisy, strict=True)]
    sides[1] = replace(sides[1], name="new", values={**sides[1].values, 1: (1.0, 1.001, 1.002)})
    assert gate(*sides).remedy.endswith(" repeats, or --at other populations")


def test_no_common_population_cannot_decide():
    with pytest.raises(NotTrustworthyError, match="no common population: base has n = 1; new has"):
        gate(side("base", {1: (0.0,)}), side("new", {2: (0.0,)}))


def test_a_population_that_one_file_lacks_cannot_decide_and_one_in_neither_is_no_argument():
    base, new = side("base", {1: (0.0,), 2: (0.0,)}), side("new", {1: (0.1,)})
    with pytest.raises(NotTrustworthyError, match="n = 2 was not measured in new"):
        gate(base, new, at=[2])
    with pytest.raises(ArgumentError, match="--at 64: was measured in neither file"):
        gate(base, new, at=[64])


def test_two_units_are_refused():
    base = side("base", {1: (0.0,)})
    with pytest.raises(ScenarioError, match="throughput in two units"):
        gate(base, replace(base, unit="relative", metadata={"unit": "points"}))
    thousand = side("new", {n: (math.log(1000.0),) for n in (1, 2)})
    with pytest.raises(ScenarioError, match="the second is 1,000 times larger throughout"):
        gate(side("base", {1: (0.0,), 2: (0.0,)}), thousand)
    points = [replace(s, unit="relative", metadata={"unit": "points"}) for s in pair(0.1)]
    assert gate(*points).outcome == "failed"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"what": "execl"}, ScenarioError, "two tests"),
        ({"traced": True}, ScenarioError, "only new was measured while tracing"),
        ({"values": {1: (1.0,)}}, ArgumentError, "the same numbers, digit for digit"),
    ],
)
def test_sides_that_cannot_be_compared(changes, error, words):
    base = replace(side("base", {1: (0.0,)}), what="spawn")
    new = replace(side("new", {1: (0.1,)}), what="spawn")
    with pytest.raises(error, match=words):
        gate(base, replace(new, **changes))


@pytest.mark.parametrize("more", [{"limit": 0.05}, {"limit": -1.0}, {"level": 1.0}, {"level": 0.2}])
def test_a_limit_or_level_out_of_range(more):
    name = "level" if "level" in more else "fail_below"
    with pytest.raises(ArgumentError, match=f"^{name} = "):
        gate(*pair(0.1), **more)


def test_headers_that_differ_are_said():
    base, new = pair(0.1)
    base = replace(base, metadata={"machine": "box 1", "loop": "fork", "when": "monday"})
    new = replace(new, metadata={"machine": "box 2", "loop": "fork", "when": "friday"})
    assert gate(base, new).doubts == (
        "MACHINE DIFFERS: 'box 1', 'box 2': the change is of that, too",
    )


CURVES = """# unit: ops/s
tasks,throughput,sd,repeat,variant
1,100,,1,mutex
1,102,,2,mutex
2,150,,1,mutex
1,200,5,1,spin
"""


def test_a_curve_is_named_and_its_repeats_stay_apart(tmp_path):
    (tmp_path / "curves.csv").write_text(CURVES)
    reading = read_file(tmp_path / "curves.csv")
    mutex = side_of(reading, "curves.csv", ["mutex"])
    assert mutex.name == "curves.csv:mutex"
    assert mutex.values == {1: (100.0, 102.0), 2: (150.0,)}
    assert side_of(reading, "curves.csv", ["spin"]).stated == {1: pytest.approx(0.025)}
    with pytest.raises(ArgumentError, match=r"holds 2 curves \(mutex, spin\); name one: curves"):
        side_of(reading, "curves.csv")
    with pytest.raises(ArgumentError, match="has no curve 'mutx'; did you mean 'mutex'"):
        side_of(reading, "curves.csv", ["mutx"])
