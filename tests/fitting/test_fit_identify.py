"""What data determine: verdicts, products, directions, demands, and what is never printed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from experiments import CONSTANT, MACHINE, Experiment, measure, scenario

from lockmodel.fitting.estimate import Estimate, Settings, fit
from lockmodel.fitting.identify import WHATS, Determination, Identified, identify, parts
from lockmodel.fitting.study import DataSet, plan
from lockmodel.model.handoff import NoHandOff
from lockmodel.observe.coverage import ACQUIRES, CURVE_ALONE
from lockmodel.observe.observations import Observation, Source

CURVE = Experiment(CONSTANT, ("think", "hold", "handoff"), (), seed=21)
PAIR = replace(CURVE, patched=4.0)


def estimate(data: DataSet, free: tuple[str, ...]) -> Estimate:
    return fit(plan([data], free), Settings(starts=1))


def with_hold(data: DataSet) -> DataSet:
    held = 400 * 1e-9 * 0.99 + 400 * 0.2e-9 * 0.01
    one = Observation(kind="hold_time", value=held, unit="s", source=Source("g", 1), n=32, lock="L")
    return replace(data, observations=(*data.observations, one), repeats=(*data.repeats, 1))


def of(identified: Identified, what: str) -> Determination:
    (verdict,) = [q.verdict for q in identified.quantities if q.what == what and q.data == "f"]
    return verdict


def test_a_curve_alone_determines_the_demand_and_not_its_parts() -> None:
    identified = identify(CURVE.fit(0))
    assert [v.determined for v in identified.unknowns] == [True, False, False]
    assert {what: of(identified, what).determined for what in WHATS} == {
        "demand": True,
        "held work": False,
        "hand-off": False,
        "hand-off share": False,
        "ceiling": True,
    }
    assert identified.remedies[0] == CURVE_ALONE
    assert ACQUIRES in identified.remedies
    assert identified.directions == 2
    assert identified.worst.startswith("all.handoff times 2 and at once all.time_per_instruction")


def test_what_is_not_determined_has_no_value_and_no_interval_of_the_data() -> None:
    identified = identify(CURVE.fit(0))
    loose = [v for v in (*identified.unknowns, of(identified, "hand-off")) if not v.determined]
    assert len(loose) == 3
    for verdict in loose:
        assert (verdict.value, verdict.low, verdict.high) == (None, None, None)
        assert verdict.prior_high / verdict.prior_low > 2.0
    assert [q.binding for q in identified.quantities] == [True] * 5


def test_intervals_of_the_demand_hold_the_truth() -> None:
    truth = np.exp(parts(scenario(CONSTANT), "L", 32))
    verdict = of(identify(CURVE.fit(0)), "demand")
    assert verdict.low is not None
    assert verdict.high is not None
    assert verdict.low < truth[0] < verdict.high
    assert verdict.high / verdict.low < 1.2


def test_parts_are_the_formula() -> None:
    """D = tau I + m (a + c) by hand, all 32 CPUs busy."""
    from lockmodel.model.placement import distances

    tau = 0.2e-9 + 0.8e-9 * distances(MACHINE, 32)[0]
    held, passing = 4000 * tau, 10 * 300e-9
    demand = held + passing + 10 * 20e-9
    wanted = [demand, held, passing, passing / (demand - passing), 1 / demand]
    assert np.exp(parts(scenario(CONSTANT), "L", 32)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("how", ["hold time", "pair of kernels"])
def test_a_hold_time_or_two_kernels_determine_the_parts(how: str) -> None:
    free = CURVE.free
    fitted = PAIR.fit(0) if "pair" in how else estimate(with_hold(CURVE.sets(0)[0]), free)
    judged = identify(fitted)
    assert all(v.determined for v in judged.unknowns)
    assert judged.directions == 3
    assert judged.worst == ""
    assert CURVE_ALONE not in judged.remedies
    truth = np.exp(parts(scenario(CONSTANT), "L", 32))
    verdicts = [q.verdict for q in judged.quantities if q.lock == "L"][: len(WHATS)]
    shares = [*truth[:3], truth[3] / (1 + truth[3]), truth[4]]
    for verdict, exact in zip(verdicts, shares, strict=True):
        assert verdict.low is not None
        assert verdict.high is not None
        assert verdict.low < exact < verdict.high, verdict


def test_a_product_is_known_where_its_factors_are_not() -> None:
    """Held instructions x time per instruction: no throughput sees more than the product."""
    base = scenario(NoHandOff())
    lock = replace_lock(base, time_per_instruction_local=0.0)
    data = measure(lock, 0.02, False, np.random.default_rng(5))
    identified = identify(estimate(data, ("think", "hold", "held_instructions")))
    assert [v.determined for v in identified.unknowns] == [True, False, False]
    (product,) = identified.combinations
    assert product.name == "all.time_per_instruction_remote x all.held_instructions"
    assert product.unit == "s"
    assert product.low is not None
    assert product.high is not None
    assert product.low < 1e-9 < product.high
    assert product.high / product.low < 1.2
    assert any("held instructions: trace them" in text for text in identified.remedies)


def replace_lock(base, **changes):  # type: ignore[no-untyped-def]
    import msgspec

    lock = msgspec.structs.replace(base.locks[0], **changes)
    return msgspec.structs.replace(base, locks=(lock,))


def test_a_hand_off_that_was_never_fitted_rests_on_the_model() -> None:
    """Its derivative is 0: an interval of no width would be a lie."""
    data = CURVE.sets(0)[0]
    identified = identify(estimate(data, ("think", "hold")))
    for what in ("held work", "hand-off", "hand-off share"):
        verdict = of(identified, what)
        assert not verdict.determined
        assert verdict.basis == "model"
        assert verdict.value is None
    assert of(identified, "demand").determined
    assert identified.remedies[0] == CURVE_ALONE


def test_no_hand_off_at_all_is_not_listed() -> None:
    data = measure(scenario(NoHandOff()), 0.02, False, np.random.default_rng(6))
    identified = identify(estimate(data, ("think", "hold")))
    assert [q.what for q in identified.quantities] == ["demand", "held work", "ceiling"]


def test_a_wider_level_gives_wider_intervals() -> None:
    fitted = CURVE.fit(0)
    narrow, wide = (identify(fitted, level).unknowns[0] for level in (0.5, 0.99))
    assert narrow.low is not None
    assert wide.low is not None
    assert wide.low < narrow.low < math.exp(fitted.theta[0])


def test_json_has_null_for_what_is_not_determined() -> None:
    plain = json.loads(json.dumps(identify(CURVE.fit(0)).to_json(), allow_nan=False))
    assert plain["unknowns"][2]["value"] is None
    assert plain["unknowns"][2]["determined"] is False
    assert plain["quantities"][0]["verdict"]["unit"] == "s"
