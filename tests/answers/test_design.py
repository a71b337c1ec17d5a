"""Which measurement to make next: against the fit that really has it, by order, and by refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from experiments import CONSTANT, Experiment, measure, scenario
from msgspec.structs import replace as replace_
from places import timed_path

from lockmodel.answers.design import Design, RankedMeasurement, design, measured, prediction
from lockmodel.answers.measurements import Candidate, candidates
from lockmodel.changes.grammar import parse
from lockmodel.changes.levers import batch
from lockmodel.cli import run
from lockmodel.cli.design import _text
from lockmodel.errors import ArgumentError
from lockmodel.fitting.estimate import Estimate, Settings, fit
from lockmodel.fitting.study import plan
from lockmodel.model.scenario import EVERYWHERE, Site

FREE = ("think", "hold", "handoff")
CURVE = Experiment(CONSTANT, FREE, (), seed=31)
BATCH = "batch:L=3"
EXAMPLE = ("design", timed_path("execl-xeon8369b"), "--data", "unixbench_execl_xeon8369b.csv")


@cache
def curve() -> Estimate:
    return CURVE.fit(0)


@cache
def ranked(lever: str = BATCH) -> Design:
    return design(curve(), parse(lever) if lever else None, 32)


def named(name: str) -> Candidate:
    (one,) = [c for c in candidates(curve(), 0, 32) if c.name == name]
    return one


def factor(designed: Design, name: str) -> float:
    (row,) = [r for r in designed.candidates if r.name == name]
    return row.factor


def test_nobody_is_sent_to_a_lock_that_is_no_place_in_the_kernel() -> None:
    """A station counted over a whole iteration has no hold time that a tool would print."""
    base = scenario(CONSTANT)
    phase, _, name = EVERYWHERE.partition(".")
    station = Site(lock="lru", phase=phase, name=name, acquires=1.0, held_instructions=100.0)
    truth = replace_(
        base,
        locks=(*base.locks, replace_(base.locks[0], name="lru")),
        sites=(*base.sites, station),
    )
    data = measure(truth, 0.03, False, np.random.default_rng(3))
    names = {c.name for c in candidates(fit(plan([data], FREE), Settings(starts=1)), 0, 32)}
    assert "hold times of L at 32" in names
    assert "acquires of L per iteration" in names
    assert {"hold times of lru at 32", "acquires of lru per iteration"} & names == set()


def test_what_separates_held_work_from_hand_off_comes_first_for_a_gain_that_needs_it() -> None:
    designed = ranked()
    best = [r for r in designed.candidates if r.factor < 0.6]
    assert {"hold times of L at 32", "kernel with batch:L/p.a=1"} <= {r.name for r in best}
    assert all(r.separates for r in best)
    assert factor(designed, "throughput at 64") > 0.9
    assert factor(designed, "twice the repeats of all throughputs") > 0.9
    assert factor(designed, "acquires of L per iteration") == pytest.approx(1.0, abs=1e-3)


def test_what_a_curve_determines_needs_no_separation() -> None:
    """Throughput itself: repeats and further points help, hold times hardly."""
    designed = ranked("")
    assert designed.predicted == "throughput"
    assert factor(designed, "twice the repeats of all throughputs") < 0.9
    assert factor(designed, "hold times of L at 32") > 0.9


def test_no_measurement_widens_an_interval() -> None:
    for lever in (BATCH, "shorten_hold:L=0.5", ""):
        designed = ranked(lever)
        assert len(designed.candidates) >= 10
        assert all(r.factor <= 1.0 + 1e-9 for r in designed.candidates)
        factors = [r.factor for r in designed.candidates]
        assert factors == pytest.approx(sorted(factors), abs=2e-3)


def test_a_candidate_is_judged_as_the_fit_that_has_it() -> None:
    """The covariance with a patched kernel added is that of a fit to both kernels."""
    base = curve()
    there = base.scenario(0)
    other = batch(scenario(CONSTANT), "L", 1)
    data = measure(batch(there, "L", 1), 0.0, False, np.random.default_rng(1), "new", (32,))
    both = fit(plan([base.study.sets[0], replace(data, scenario=other)], FREE), Settings(starts=1))
    foreseen = measured(base, 0, named("kernel with batch:L/p.a=1"))
    assert both.theta == pytest.approx(base.theta, abs=0.1)
    assert (foreseen.splits, both.splits) == ((), ())
    ratio = np.diag(foreseen.covariance) / np.diag(both.covariance)
    noise = (base.noise.unstated / both.noise.unstated) ** 2
    assert ratio / noise == pytest.approx(1.0, rel=0.25)


def test_kernels_that_are_the_same_are_listed_once() -> None:
    names = [c.name for c in candidates(curve(), 0, 32)]
    assert len(set(names)) == len(names)
    assert [n for n in names if n.startswith("kernel")] == [
        "kernel with batch:L/p.a=1",
        "kernel with exclude:L",
    ]


def test_a_hold_time_removes_the_split() -> None:
    estimate = curve()
    assert len(estimate.splits) == 1
    then = measured(estimate, 0, named("hold times of L at 32"))
    assert then.splits == ()
    assert then.covariance[2, 2] < 0.2 * estimate.covariance[2, 2]
    still = measured(estimate, 0, named("throughput at 64"))
    assert len(still.splits) == 1
    assert still.covariance[2, 2] > 0.9 * estimate.covariance[2, 2]


def test_the_candidate_reads_what_the_model_says() -> None:
    estimate = curve()
    for name in ("throughput at 64", "hold times of L at 32", "kernel with exclude:L"):
        then = measured(estimate, 0, named(name))
        assert then.minimum.residuals[len(estimate.rows)] == pytest.approx(0.0, abs=1e-6)
        assert then.theta is estimate.theta


def test_another_run_at_a_measured_population_is_worth_less_than_its_noise_says() -> None:
    """The misfit there stays: two runs halve the noise between runs, not all of the variance."""
    row = named("throughput at 32 again").rows[0]
    estimate = curve()
    whole = estimate.noise.unstated**2
    together = 1.0 / (1.0 / whole + 1.0 / (row.sd**2 + whole))
    assert together == pytest.approx(
        estimate.model_error() ** 2 + estimate.run_noise() ** 2 / 2, rel=1e-9
    )
    assert together > 0.7 * whole


def test_the_interval_now_is_first_order_in_the_covariance() -> None:
    designed = ranked()
    low, high = (np.log1p(x) for x in (designed.low, designed.high))
    assert np.log1p(designed.value) == pytest.approx(0.5 * (low + high))
    assert designed.low < designed.value < designed.high
    assert designed.candidates[0].low > designed.low
    assert designed.candidates[0].high < designed.high


def test_the_default_prediction_is_the_best_practical_lever() -> None:
    assert prediction(scenario(CONSTANT), 32).text == "shard:L=32"


def test_a_lever_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ArgumentError, match="nosuch"):
        design(curve(), parse("exclude:nosuch"), 32)


def test_data_up_to_a_factor_are_extended_by_data_up_to_that_factor() -> None:
    data = CURVE.sets(0)[0]
    relative = replace(
        data, observations=tuple(replace(o, unit="relative") for o in data.observations)
    )
    estimate = fit(plan([relative], ("hold",)), Settings(starts=1))
    made = design(estimate, parse("shorten_hold:L=0.5"), 32)
    assert all(r.factor <= 1.0 + 1e-9 for r in made.candidates)
    one = next(c for c in candidates(estimate, 0, 32) if c.name == "throughput at 64")
    assert one.rows[0].observation.unit == "relative"


def test_json_of_the_command(cli: Callable[..., Any]) -> None:
    ran = cli(*EXAMPLE, "--predict", "batch:all/exec.map_unlink=1", "-n", "64", "--json")
    assert ran.returncode == 0, ran.stderr
    data = json.loads(ran.stdout)
    assert data["schema"] == "lockmodel.design/1"
    assert (data["predicted"], data["n"]) == ("batch:all/exec.map_unlink=1", 64)
    assert 0.0 < data["value"] < 0.2
    assert data["candidates"][0]["separates"] is True
    assert data["candidates"][0]["factor"] < 0.3


def test_text_of_the_command_fits_80_columns_and_says_what_to_run(
    command: Callable[..., Any],
) -> None:
    ran = command(*EXAMPLE, "--predict", "throughput", "--top", "5")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("Measure next: ")
    assert "It narrows the throughput at 128 processes, 34." in " ".join(lines[:2])
    assert sum(line.rstrip(" s*").endswith("%") for line in lines) == 5
    explained = command(*EXAMPLE, "--predict", "throughput", "--top", "5", "--explain").stdout
    assert "throughput at 128 with and without it" in explained
    assert any("NOT DETERMINED" in line for line in lines)


def one(name: str, low: float, high: float, at: int | None = None) -> RankedMeasurement:
    return RankedMeasurement(name, "how", low, high, 0.5, False, False, at)


FIRST = "the throughput at 256 processes, 100 k/s, from (90 to 110 k/s) to "


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [one("throughput at 160", 95e3, 105e3, 160), one("hold times", 94e3, 106e3)],
            f"One measurement at 160 would cut the interval of {FIRST}(95 to 105 k/s).",
        ),
        (
            [one("throughput at 128 again", 95e3, 105e3, 128)],
            f"One more measurement at 128 would cut the interval of {FIRST}(95 to 105 k/s).",
        ),
        (
            [one("hold times", 95e3, 105e3), one("throughput at 160", 92e3, 108e3, 160)],
            f"Measure next: hold times. It narrows {FIRST}(95 to 105 k/s); one measurement at 160 "
            f"to (92 to 108 k/s).",
        ),
        (
            [one("hold times", 95e3, 105e3)],
            f"Measure next: hold times. It narrows {FIRST}(95 to 105 k/s).",
        ),
        ([], "No measurement narrows the throughput at 256 processes, 100 k/s (90 to 110 k/s)."),
    ],
)
def test_the_first_sentence_says_what_one_measurement_would_do(rows, said):
    made = Design("s", "throughput", 256, 0.9, 100e3, 90e3, 110e3, tuple(rows), (), ())
    printed = " ".join(_text(made, 12, False, False).split())
    assert printed.startswith(f"{said} ")


def test_a_throughput_of_the_same_kernel_says_its_population() -> None:
    at = {row.name: row.at for row in design(curve(), None, 32).candidates}
    assert at["throughput at 1 again"] == 1
    assert at["twice the repeats of all throughputs"] is None
    assert all(v is None for k, v in at.items() if not k.startswith("throughput at "))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--top", "-1"), "--top -1 must be 0 (all) or more"),
        (("--predict", "batch:nosuch=1"), "nosuch"),
        (("-n", "0"), "0"),
        (("--variant", "new"), "write --variant NAME=LEVER"),
        (("--free", "thinking"), "--free 'thinking'"),
    ],
)
def test_arguments_that_make_no_sense_exit_with_3(
    cli: Callable[..., Any], arguments: tuple[str, ...], said: str
) -> None:
    ran = cli(*EXAMPLE, *arguments)
    assert ran.returncode == 3
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--variant", "a=batch:all=1", "--variant", "a=exclude:all"), "a is given twice"),
        (("--variant", "batch:all"), "write --variant NAME=LEVERS"),
        (("--free", " ,"), "names no parameter"),
    ],
)
def test_options_that_say_two_things_or_none_are_refused(arguments, said, capsys):
    line = [
        "design",
        timed_path("execl-xeon8369b"),
        "--data",
        "unixbench_execl_xeon8369b.csv",
        *arguments,
    ]
    assert run(line) == 3
    assert said in capsys.readouterr().err
