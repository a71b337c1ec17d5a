"""What counts leave open stays open in a fit, and a line that costs too little is said."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from msgspec.structs import replace
from places import ROOT

from lockmodel.fitting.counted import with_counted
from lockmodel.fitting.datasets import Wanted, load_sets
from lockmodel.fitting.estimate import Settings, fit
from lockmodel.fitting.health import flags
from lockmodel.fitting.study import plan
from lockmodel.measure.acquires.from_counts import from_counts
from lockmodel.model.fit_table import BY_COUNTS, FittedParameter
from lockmodel.model.shipped import find_scenario

MODEL = from_counts(find_scenario("execl-xeon8369b"))


def estimate(name: str) -> FittedParameter:
    return FittedParameter(
        name=name, unit="1", value=1.0, low=0.5, high=2.0, determined=True, covariance=(0.04,)
    )


def test_counted_parameters_join_a_fit_with_their_own_variance() -> None:
    joined = with_counted([estimate("line_overlap")], MODEL, MODEL)
    assert joined[0].name == "line_overlap"
    assert joined[0].covariance == (0.04, *(0.0,) * (len(joined) - 1))
    assert MODEL.fit is not None
    known = {p.name: (p, p.covariance[k]) for k, p in enumerate(MODEL.fit.parameters)}
    for place, one in enumerate(joined[1:], 1):
        before, variance = known[one.name]
        assert one.covariance[place] == variance
        assert sum(map(abs, one.covariance)) == variance
        assert (one.low, one.high) == (before.low, before.high)
    names = {one.name for one in joined}
    assert "not_counted.lines" in names
    assert "libc.so.6.lines" in names
    assert names == set(known)
    measured = {"think": replace(known["think"][0], given="", determined=True)}
    fits = tuple(measured.get(p.name, p) for p in MODEL.fit.parameters)
    other = replace(MODEL, fit=replace(MODEL.fit, parameters=fits))
    left = {one.name for one in with_counted([estimate("line_overlap")], other, MODEL)}
    assert left == names - {"think"}  # measured there: not for another data set


def test_what_the_scenario_has_no_longer_is_left_out() -> None:
    less = replace(
        MODEL,
        locks=tuple(k for k in MODEL.locks if k.name != "lru_lock"),
        sites=tuple(s for s in MODEL.sites if s.lock != "lru_lock"),
    )
    names = {one.name for one in with_counted([estimate("line_overlap")], MODEL, less)}
    assert "lru_lock.lines" not in names
    assert "pcpu_lock.lines" in names
    assert with_counted([estimate("think")], replace(MODEL, fit=None), MODEL) == (
        estimate("think"),
    )
    assert BY_COUNTS == "counts"


@pytest.mark.parametrize(("factor", "said"), [(1.0, False), (4.0, True)])
def test_a_line_that_costs_what_it_does_nowhere_else_is_said(
    factor: float, said: bool, tmp_path: Path
) -> None:
    """Four published rates, and the same times four: lines at a quarter of their time."""
    text = (ROOT / "data/published/unixbench_execl_xeon8369b.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    scaled = [f"{r['threads']},{factor * float(r['throughput'])}" for r in rows[4:]]
    file = tmp_path / "curve.csv"
    file.write_text("\n".join(["threads,throughput", *scaled]) + "\n")
    loaded = load_sets([Wanted(file, file.name, MODEL)], {})
    estimate = fit(plan(loaded.sets, ("line_overlap",)), Settings(starts=1, priors=False))
    assert any(flag.startswith("LINE COST") for flag in flags(estimate)) is said
