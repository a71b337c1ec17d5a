"""What a model says of its lock: by hand, against `whatif`, and how sure it says it is."""

from __future__ import annotations

import msgspec
import pytest
from one_lock import ONE_LOCK, US
from places import timed

from lockmodel.answers.explain import explain
from lockmodel.answers.predict import predict
from lockmodel.answers.whatif import compare
from lockmodel.changes.lever import text_of
from lockmodel.model.fit_table import Fit, FittedData, FittedParameter
from lockmodel.model.shipped import find_scenario


def fitted(determined: bool, split: float = 0.0) -> Fit:
    """Return a fit of the hand-off to 2 %, known or not."""
    return Fit(
        version="0",
        parameters=(
            FittedParameter(
                name="file.handoff",
                unit="s",
                value=0.4 * US,
                low=0.3 * US,
                high=0.5 * US,
                determined=determined,
                covariance=(0.02**2,),
                split=split,
            ),
        ),
        data=(FittedData(file="f.csv", sha256="0" * 64, observations=8),),
    )


def with_fit(determined: bool, split: float = 0.0):
    return msgspec.structs.replace(ONE_LOCK, fit=fitted(determined, split))


def test_the_demand_by_hand():
    made = explain(ONE_LOCK, 64)
    assert made.demand is not None
    assert made.demand.whole_s == pytest.approx(4 * US)  # 2 us held and 4 x 0.5 us passed on
    assert made.held == pytest.approx(0.5)
    assert made.held_interval is None
    assert made.told == "stated"
    assert made.end is not None
    # one hand-off is left, 0.5 us; 64 CPUs of 100 us end before 2 M/s
    assert (made.end.throughput_per_s, made.end.binding) == (pytest.approx(640e3), "cpu")


@pytest.mark.parametrize("scenario", [ONE_LOCK, timed("execl-xeon8369b")], ids=["one", "shipped"])
def test_what_is_bought_is_what_whatif_says(scenario):
    n = 64
    made = explain(scenario, n)
    assert len(made.bought) == 4
    for each in made.bought:
        (then,) = compare(scenario, each.levers, [n]).points
        assert each.gain == pytest.approx(then.gain, rel=1e-12), text_of(each.levers)
    assert made.point.throughput_per_s == predict(scenario, [n]).points[0].throughput_per_s


def test_where_the_cpus_bind_there_is_no_lock_to_explain():
    made = explain(msgspec.structs.replace(ONE_LOCK, think=400 * US), 64)
    assert made.point.binding == "cpu"
    assert made.demand is None
    assert made.bought == ()


def test_by_what_it_is_told():
    assert explain(with_fit(True), 64).told == "data"
    assert explain(with_fit(False), 64).told == "counts"
    assert explain(with_fit(True, split=0.7), 64).told == "nothing"
    assert explain(find_scenario("execl-emr112"), 112).told == "counts"


def test_what_nothing_tells_apart_is_wide_and_the_demand_is_not():
    sure, open_ = explain(with_fit(True), 64), explain(with_fit(True, split=0.7), 64)
    widths = []
    for made in (sure, open_):
        assert made.held_interval is not None
        assert made.whole is not None
        assert made.held_interval[0] <= made.held <= made.held_interval[1]
        assert made.whole[0] <= 4 * US <= made.whole[1]
        widths.append(made.held_interval[1] - made.held_interval[0])
        for each in made.bought:
            assert each.interval is not None
            assert each.interval[0] <= each.gain <= each.interval[1]
    # of c, 0.8 is the hand-off and moves by 2 %; c is half of the demand: d share = d ln c / 4
    assert widths[0] == pytest.approx(2 * 1.645 * 0.8 * 0.02 / 4, rel=0.1)
    assert widths[1] > 5 * widths[0]
