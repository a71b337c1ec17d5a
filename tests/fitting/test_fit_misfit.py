"""One judgement of a poor fit, for every kind of fit; the point that makes it so is named."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from places import CASES
from studies import STOCK, curve, data, fitted, seen

from lockmodel.errors import ScenarioError
from lockmodel.fitting.curves.comparison import compare
from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.health import flags
from lockmodel.fitting.misfit import judge
from lockmodel.model.plausible import rate

OUTLIER, UNIT, TRUTH = (str(CASES / name) for name in ("outlier.csv", "unit.csv", "truth.toml"))
AT_4 = r"at n = 4 does it, measured (10\.\d|9\.9) times what the others give"
MANY = tuple(range(1, 65, 4))


def plain(text: str) -> str:
    return " ".join(text.split())


def never(k: int) -> np.ndarray:
    raise AssertionError(k)


def test_what_is_within_three_times_the_noise_is_fine():
    """Alternating 2 % and 3 %: as noisy as a throughput is; no refit is asked for."""
    off = np.array([0.02, -0.03] * 4)
    assert judge(off, np.zeros(8), 5.0, never) is None
    assert judge(off, np.full(8, 0.02), 5.0, never) is None


def test_one_gross_outlier_does_not_hide_in_the_noise_that_it_inflates():
    """Root mean square 4 %: a noise estimated from squares would be as large."""
    off = np.array([0.01, -0.02, 0.02, -0.01] * 16)
    off[7] = 0.3
    poor = judge(off, np.zeros(64), 60.0, lambda k: off)
    assert poor is not None
    assert poor.point == 7
    assert not poor.whole
    assert poor.noise == pytest.approx(0.0306, abs=1e-4)  # 1.48 times 2 %, and four of 3 %
    assert poor.times == pytest.approx(math.exp(-0.3))
    assert poor.rest == pytest.approx(0.0158, abs=1e-4)


def test_what_is_off_everywhere_has_no_culprit():
    off = np.array([0.5, -0.5] * 4)
    poor = judge(off, np.zeros(8), 5.0, lambda k: off)
    assert poor is not None
    assert (poor.whole, poor.gross, poor.rest) == (True, True, None)
    assert poor.sentence("x.csv at n = 1") == (
        "POOR FIT: throughput is off by 50% (root mean square), farthest x.csv at n = 1, "
        "measured 0.607 times what is fitted"
    )


def test_a_stated_spread_is_the_noise():
    """5 % at one of eight points: nothing among 4 %, much among 0.2 %."""
    off = np.array([0.002, -0.002] * 4)
    off[5] = 0.05
    assert judge(off, np.full(8, 0.04), 5.0, lambda k: off) is None
    poor = judge(off, np.full(8, 0.002), 5.0, lambda k: off)
    assert poor is not None
    assert poor.point == 5


@pytest.mark.parametrize("bad", [0, 3, 15])
def test_the_point_is_found_wherever_it_is_and_the_others_estimates_are_said(bad):
    points = list(curve(STOCK, MANY, noise=0.01))
    points[bad] = seen("throughput", points[bad].value * 3.0, points[bad].n)
    estimate = fitted([data(STOCK, tuple(points))], ("think", "hold"))
    assert estimate.misfit is not None
    assert estimate.misfit.point == bad
    assert estimate.misfit.times == pytest.approx(3.0, rel=0.05)
    assert estimate.without(bad) == pytest.approx(np.log([100e-6, 2e-9]), abs=0.02)
    text = next(flag for flag in flags(estimate) if flag.startswith("POOR FIT"))
    assert f"x.csv at n = {points[bad].n} " in text
    assert re.search(r"Without it think \d+(\.\d)? us, all.time_per_instruction_remote", text)


def test_the_file_is_named_where_several_are_fitted_together():
    points = list(curve(STOCK, MANY, noise=0.01, seed=1))
    points[8] = seen("throughput", points[8].value / 4.0, points[8].n)
    sets = [data(STOCK, curve(STOCK, MANY, noise=0.01)), data(STOCK, tuple(points), file="y.csv")]
    (text,) = [f for f in flags(fitted(sets, ("think", "hold"))) if f.startswith("POOR FIT: thr")]
    assert re.search(r"y\.csv.* at n = 33 does it, measured 0\.2[45]\d? times", text)


@pytest.mark.parametrize("noise", [0.02, 0.03])
def test_clean_curves_are_not_called_poor(noise):
    for seed in range(20):
        sets = [data(STOCK, curve(STOCK, noise=noise, seed=seed))]
        assert fitted(sets, ("think", "hold")).misfit is None, seed


def test_an_outlier_leaves_no_peak_and_no_ceiling():
    """It was: peak at 4 processes (4 to 4), ceiling 304 k/s (291 to 311)."""
    n = np.array([1, 2, 4, 8, 16, 32])
    x = np.array([8000.0, 15900.0, 305000.0, 56000.0, 79000.0, 78800.0])
    made = compare(Curve(n, x))
    assert made.misfit is not None
    assert made.misfit.point == 2
    assert (made.peak().determined, made.ceiling().determined) == (False, False)
    assert made.without is not None
    ceiling = made.without.ceiling()
    assert ceiling.determined
    assert ceiling.low < 79.5e3 < ceiling.high < 150e3
    x[2] = 30500.0
    clean = compare(Curve(n, x))
    assert clean.misfit is None
    assert clean.ceiling().determined


@pytest.mark.parametrize("model", [(), ("--model", TRUTH)])
def test_it_stands_on_top_and_the_exit_status_tells(command, model):
    answer = command("fit", OUTLIER, *model)
    assert answer.returncode == 1
    first = plain(answer.stdout)
    assert first.startswith("! POOR FIT: throughput is off by ")
    assert re.search(AT_4, first)
    assert "peak at" not in first
    assert re.search(f"not to be relied on: POOR FIT.*{AT_4}", plain(answer.stderr))


@pytest.mark.parametrize("model", [(), ("--model", TRUTH)])
def test_json_has_the_same_flag(command, model):
    made = json.loads(command("fit", OUTLIER, *model, "--json").stdout)
    (text,) = [f for f in (made if model else made["curves"][0])["flags"] if "POOR" in f]
    assert re.search(AT_4, text)


def test_what_is_predicted_from_the_saved_fit_says_so(command, tmp_path):
    command("fit", OUTLIER, "--model", TRUTH, "-o", str(tmp_path / "f.toml"))
    for words in (("predict", "-n", "8"), ("levers", "-n", "8"), ("ceiling",)):
        said = plain(command(words[0], str(tmp_path / "f.toml"), *words[1:]).stdout)
        assert re.search(AT_4, said), words


def test_a_wrong_unit_is_named_on_top_and_in_what_is_saved(command, tmp_path):
    """8 k/s read as 8 per s: every time is 1,000 times as long."""
    saved = str(tmp_path / "f.toml")
    said = plain(command("fit", UNIT, "--model", TRUTH, "-o", saved).stdout)
    wanted = "is it in thousands per s? It looks 1,000 times too small"
    assert said.startswith(f"! WRONG UNIT? {UNIT}: lock table: time_per_instruction_remote = 9.12")
    assert wanted in said
    assert wanted in plain(command("predict", saved, "-n", "8").stdout)


@pytest.mark.parametrize(
    ("factor", "model", "text"),
    [
        (1e-6, True, "is it in millions per s? It looks 1,000,000 times too small"),
        (1e-13, False, "is 1.25e+07 times below what is plausible (0.01 /s"),
        (1e9, True, "is it a time, or the total of a run, and not a rate per second?"),
        (1e9, False, "throughput of one process = 8e+12 /s is 8e+04 times above"),
    ],
)
def test_far_outside_is_refused_with_the_likely_unit(command, tmp_path, factor, model, text):
    points = ((1, 8000), (2, 15900), (4, 30500), (8, 56000), (16, 79000), (32, 78800))
    lines = ["tasks,throughput", *(f"{n},{x * factor}" for n, x in points)]
    (tmp_path / "d.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    more = ("--model", TRUTH) if model else ()
    answer = command("fit", str(tmp_path / "d.csv"), *more)
    assert answer.returncode == 2
    assert text in plain(answer.stderr)


def test_the_throughput_of_one_process():
    assert rate("x.csv", 8000.0) == ""
    assert "is 10 times below" in rate("x.csv", 1e-3)
    for wild in (1e12, 1e-9):
        with pytest.raises(ScenarioError, match=r"x\.csv: throughput of one process = 1e"):
            rate("x.csv", wild)
