"""One judgement of what is determined: every place that tells it tells the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from places import CASES
from studies import PATCHED, STOCK, curve, data, model, seen

from lockmodel.cli import fit_text
from lockmodel.fitting.datasets import Loaded, Wanted, load_sets
from lockmodel.fitting.estimate import Settings
from lockmodel.fitting.fitting import Fitted, run
from lockmodel.fitting.health import flags
from lockmodel.fitting.identify import identify
from lockmodel.fitting.quantiles import student
from lockmodel.fitting.report import markdown
from lockmodel.model.handoff import LinearHandOff, NoHandOff
from lockmodel.model.toml import dumps, load, loads
from lockmodel.observe.collector import Options

MINE = load(CASES / "truth.toml")
NONE = model(NoHandOff())
LINEAR = model(LinearHandOff(time=100e-9, per_waiter=10e-9))
TIMED = (*curve(STOCK), seen("hold_time", 1.6e-6 * 0.82, 64))
FEW = (1, 8, 64)
ALL = ("think", "hold", "handoff")


def from_file(name: str) -> Loaded:
    path = CASES / name
    return load_sets([Wanted(path, name, MINE)], {}, None, (), Options())


def sets(*made) -> Loaded:
    return Loaded(tuple(made), {"x.csv": "0" * 64}, ())


FITS = {
    "c.csv": (from_file("c.csv"), ()),
    "outlier.csv": (from_file("outlier.csv"), ()),
    "curve": (sets(data(STOCK, curve(STOCK, noise=0.02))), ALL),
    "curve, hold alone": (sets(data(STOCK, curve(STOCK, noise=0.02))), ALL[:2]),
    "curve, hand-off alone": (sets(data(STOCK, curve(STOCK, noise=0.02))), ("think", "handoff")),
    "curve, demand": (sets(data(STOCK, curve(STOCK, noise=0.02))), ("think", "demand")),
    "curve, acquires": (sets(data(STOCK, curve(STOCK, noise=0.02))), ("think", "acquires")),
    "hold time": (sets(data(STOCK, TIMED)), ALL),
    "pair": (
        sets(data(STOCK, curve(STOCK)), data(PATCHED, curve(PATCHED), "new", stock=STOCK)),
        ALL,
    ),
    "no hand-off": (sets(data(NONE, curve(NONE, noise=0.02))), ALL[:2]),
    "linear": (sets(data(LINEAR, curve(LINEAR, noise=0.02))), ALL),
    "few points": (sets(data(STOCK, curve(STOCK, FEW, noise=0.05))), ALL),
    "at a limit": (sets(data(STOCK, curve(model(held=50.0)))), ALL[:2]),
    "hand-off nearly 0": (
        sets(data(STOCK, curve(model(NoHandOff(), acquires=0.2, held=20000.0), noise=0.01))),
        ALL,
    ),
}


@pytest.mark.parametrize("case", FITS)
def test_every_place_tells_the_same(case):
    loaded, free = FITS[case]
    fitted = run(loaded, free, settings=Settings(starts=1))
    said = told(fitted)
    names = [unknown.name for unknown in fitted.estimate.study.unknowns]
    assert {name: said["estimate"][name] for name in names} == said["estimate"]
    for place, verdicts in said.items():
        expected = {name: fine for name, fine in said["estimate"].items() if name in verdicts}
        assert verdicts == expected, place


def told(fitted: Fitted) -> dict[str, dict[str, bool]]:
    """Return which unknowns each place calls determined."""
    estimate = fitted.estimate
    judged = identify(estimate)
    plain, named = fitted.to_json(), judged.to_json()
    names = [unknown.name for unknown in estimate.study.unknowns]
    flagged = " ".join(flags(estimate)).replace(",", " ").replace(":", " ").split()
    table = saved(fitted)
    outcome = fit_text.Outcome(fitted, judged)
    shown = fit_text.report(outcome, {}, explain=True).text(False)
    rows = dict(zip(names, shown.partition("parameter ")[2].splitlines()[1:], strict=False))
    report = {
        cells[1]: cells[4]
        for line in markdown(fitted, judged).splitlines()
        if len(cells := [cell.strip() for cell in line.split("|")]) == 6
    }
    works = {
        q.lock: q.verdict.determined
        for q in judged.quantities
        if q.what == "held work" and q.data == estimate.study.sets[0].label
    }
    return {
        "estimate": dict(zip(names, estimate.determined, strict=True)),
        "json": {p["name"]: p["determined"] for p in plain["parameters"]},
        "identified": {v["name"]: v["determined"] for v in named["unknowns"]},
        "flags": {name: name not in flagged for name in names},
        "toml": {name: table[name] for name in names if name in table},
        "text": {name: row.split()[-1] == "yes" for name, row in rows.items()},
        "report": {name: report[name] == "yes" for name in names},
        "listed": {
            name: not any(t.startswith(f"{name}:") for t in listed(shown)) for name in names
        },
        "held work": {f"all.{HOLD}": fine for fine in works.values() if f"all.{HOLD}" in names},
    }


HOLD = "time_per_instruction_remote"


def saved(fitted: Fitted) -> dict[str, bool]:
    again = loads(dumps(fitted.scenarios[0]))
    assert again.fit is not None
    return {p.name: p.determined for p in again.fit.parameters}


def listed(shown: str) -> list[str]:
    """Return the lines under NOT determined."""
    part = shown.partition("NOT determined by these data:")[2]
    return [line.removeprefix("  - ") for line in part.splitlines() if line.startswith("  - ")]


def test_what_a_curve_leaves_open_is_open_everywhere():
    """Held work 6.18 to 23.7 us was called determined, its time per instruction was not."""
    loaded, free = FITS["c.csv"]
    judged = identify(run(loaded, free).estimate)
    verdicts = {q.what: (q.verdict.determined, q.verdict.basis) for q in judged.quantities}
    assert verdicts == {
        "demand": (True, "data"),
        "held work": (False, "priors"),
        "hand-off": (False, "priors"),
        "hand-off share": (False, "priors"),
        "ceiling": (True, "data"),
    }


def test_a_given_hand_off_is_named_in_the_saved_fit():
    loaded, free = FITS["curve, hold alone"]
    table = run(loaded, free).scenarios[0].fit
    assert table is not None
    assert [(p.name, p.determined, p.given) for p in table.parameters] == [
        ("think", True, ""),
        ("all.time_per_instruction_remote", False, "all.handoff"),
    ]


def test_an_interval_wider_than_a_factor_of_three_determines_nothing():
    """The interval that is printed, with Student's t: not a normal one that is narrower."""
    estimate = run(*FITS["curve, demand"]).estimate
    gradient = np.array([1.0, 0.0])
    sd = math.sqrt(estimate.data_covariance[0, 0])
    half = student(0.9, estimate.degrees) * sd
    assert estimate.basis(0.99 * math.log(3.0) / half * gradient) == "data"
    assert estimate.basis(1.01 * math.log(3.0) / half * gradient) == "priors"
