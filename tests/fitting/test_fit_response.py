"""Throughput as a function of parameters: the solver's own numbers, and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from places import timed
from strategies import REPEATABLE, scenarios
from studies import STOCK, lock, model

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.fitting import parameters as ps
from lockmodel.fitting.response import Response, slope
from lockmodel.model.handoff import (
    ConstantHandOff,
    LinearHandOff,
    NoHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import Machine
from lockmodel.model.network import build
from lockmodel.model.scenario import Walkers
from lockmodel.solvers.product_form import solve
from lockmodel.solvers.solve import points

STEP = 1e-4
SHIPPED = ("doexec-20", "execl-direct", "execl-emr112", "execl-xeon8369b", "sysexec-spr224-v6.1")
SMT = Machine(name="smt", cpus=16, cores=8, nodes=2, smt_speedup=1.3, same_node_cost=0.4)
SATURATING = SaturatingHandOff(time=200e-9, limit=600e-9, half_waiters=16.0)


def texts(scenario):
    """Parameters that may move both ways by a few per cent."""
    made = ["think", "think_remote", "smt_speedup", "same_node_cost"]
    for owner in ("all", *(one.name for one in scenario.locks)):
        keys = [*ps.TIME_KEYS, *ps.FACTOR_KEYS, *ps.WHOLE_KEYS]
        keys += [f"handoff.{k}" for one in scenario.locks[:1] for k in ps.handoff_keys(one)]
        made += [f"{owner}.{key}" for key in keys]
    return [text for text in made if room(scenario, text)]


def room(scenario, text, factor=1.05):
    try:
        parameter = ps.parse(text, scenario)
    except ArgumentError:
        return False
    value, (low, high) = ps.read(scenario, parameter), ps.limits(scenario, parameter)
    return value > 0 and low * factor < value < high / factor


def log_x(scenario, populations):
    return np.log([p.throughput_per_s for p in points(scenario, populations)])


def checked(scenario, free, populations, rel=2e-5, low=1e-6):
    """Assert that ln X is the solver's and that its slopes are central differences of it."""
    parameters = [ps.parse(text, scenario) for text in free]
    response = Response(scenario, parameters, populations)
    values = {p.name: ps.read(scenario, p) for p in parameters}
    logs, slopes = response(values)
    at = ps.apply(scenario, parameters, values)
    assert logs == pytest.approx(log_x(at, populations), rel=1e-12, abs=1e-9)
    for j, parameter in enumerate(response.parameters):
        sides = [
            log_x(
                ps.apply(
                    scenario,
                    parameters,
                    {**values, parameter.name: values[parameter.name] * float(np.exp(step))},
                ),
                populations,
            )
            for step in (STEP, -STEP)
        ]
        central = (sides[0] - sides[1]) / (2 * STEP)
        assert slopes[:, j] == pytest.approx(central, rel=rel, abs=low), parameter.name
    return response


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("seed", [0, 1])
def test_shipped_models(name, seed):
    scenario = timed(name)
    populations = [1, 2, scenario.machine.cpus // 4, scenario.machine.cpus]
    chosen = np.random.default_rng(seed).permutation(texts(scenario))
    for free in chosen[:4]:
        checked(scenario, [str(free)], populations)


@pytest.mark.parametrize(
    "handoff",
    [
        NoHandOff(),
        ConstantHandOff(time=300e-9),
        LinearHandOff(time=100e-9, per_waiter=5e-9),
        SATURATING,
        TopologyHandOff(local=100e-9, remote=400e-9),
    ],
)
@pytest.mark.parametrize("machine", [STOCK.machine, SMT])
def test_every_parameter_of_every_family(handoff, machine):
    scenario = model(handoff, machine=machine, think_remote=20e-6)
    for text in texts(scenario):
        checked(scenario, [text], [1, 3, 16, 40])


@given(st.data(), scenarios(walkers=False, shard_by=("hash",), min_locks=1, max_locks=2))
@REPEATABLE
def test_any_subset_of_parameters_of_any_scenario(data, scenario):
    """Those that go together: each key once, whole hand-offs without their parts."""
    n = data.draw(st.integers(1, 24))
    assume(min(s.alone for s in build(scenario, n).stations) > 1e-15)
    every = [t for t in texts(scenario) if not t.startswith("all.") and ".handoff." not in t]
    free = data.draw(st.lists(st.sampled_from(every), max_size=4, unique=True)) if every else []
    keys = [text.rpartition(".")[2] for text in free]
    alone = {"handoff", "handoff_instructions"} <= set(keys) or (
        "demand" in keys and "time_per_instruction_remote" in keys
    )
    assume(not alone)
    response = checked(scenario, free, [n], rel=2e-4, low=1e-5)
    assert len(response.parameters) == len(free)


@pytest.mark.parametrize(
    ("scenario", "free", "linear"),
    [
        (STOCK, ["think", "hold", "handoff"], True),
        (STOCK, ["handoff_instructions", "hold", "acquires"], True),
        (model(locks=("a", "b")), ["think", "all.hold", "b.acquires"], True),
        (model(SATURATING), ["hold", "handoff", "handoff.half_waiters"], False),
        (model(SATURATING, machine=SMT, think_remote=1e-5), ["same_node_cost", "think"], False),
        (model(machine=SMT), ["smt_speedup", "think"], False),
        (model(handoff=NoHandOff()), ["hold"], True),
    ],
)
def test_sums_are_used_where_they_are_the_truth(scenario, free, linear):
    response = checked(scenario, free, [1, 5, 16, 64])
    assert (response._linear is not None) == linear


@pytest.mark.parametrize("shard_by", ["cpu", "node"])
def test_pinned_shards(shard_by):
    pinned = replace(STOCK, locks=(lock("a", shards=4, shard_by=shard_by),))
    response = checked(pinned, ["think", "hold", "handoff"], [2, 64])
    assert response._pinned


def test_walkers():
    walked = replace(STOCK, locks=(lock("a", walkers=Walkers(walks_per_s=200.0, read=1e-3)),))
    response = checked(walked, ["think", "hold", "handoff", "acquire_time"], [1, 64])
    assert response._linear is None


def test_far_from_where_it_was_built():
    """Sums made at the model's values hold at any others, also where another station binds."""
    free = [ps.parse(text, STOCK) for text in ("think", "hold", "handoff")]
    response = Response(STOCK, free, [1, 8, 64])
    for factor in (0.2, 1.0, 30.0):
        values = {"think": 1e-4 / factor, "all.handoff": 3e-7 * factor**2}
        values["all.time_per_instruction_remote"] = 2e-9 * max(factor, 0.2)
        at = ps.apply(STOCK, free, values)
        assert response(values)[0] == pytest.approx(log_x(at, [1, 8, 64]), rel=1e-12)


@pytest.mark.parametrize(
    "text", ["handoff", "handoff_instructions", "acquire_time", "think_remote"]
)
def test_what_the_model_has_at_nothing_moves(text):
    none = model(ConstantHandOff(time=0.0))
    none = replace(none, locks=(replace(none.locks[0], acquire_time=0.0),))
    parameter = ps.parse(text, none)
    response = Response(none, [parameter], [2, 64])
    value = {"s": 1e-6, "1": 300.0}[parameter.unit]
    at = ps.apply(none, [parameter], {parameter.name: value})
    logs, slopes = response({parameter.name: value})
    assert logs == pytest.approx(log_x(at, [2, 64]), rel=1e-10)
    assert logs[0] < log_x(none, [2])[0]
    assert slopes[0, 0] < -1e-4


def test_the_slope_of_think_time_alone_is_minus_one():
    alone = replace(STOCK, locks=(), sites=())
    _, slopes = Response(alone, [ps.parse("think", alone)], [1, 7, 64])({"think": 1e-4})
    assert slopes == pytest.approx(-np.ones((3, 1)), abs=1e-9)


def test_the_slopes_of_all_times_add_up_to_minus_one():
    """X is homogeneous in the times (Euler): all twice as long is half the throughput."""
    scenario = model(LinearHandOff(time=100e-9, per_waiter=5e-9), think_remote=30e-6)
    free = ["think", "think_remote", *ps.TIME_KEYS, "handoff"]
    parameters = [ps.parse(text, scenario) for text in free]
    values = {p.name: ps.read(scenario, p) for p in parameters}
    _, slopes = Response(scenario, parameters, [1, 2, 16, 64])(values)
    assert slopes.sum(axis=1) == pytest.approx(-np.ones(4), abs=1e-9)


def test_slope_by_hand_for_one_process():
    """ln X(1) = -ln of the sum of the services with nobody else: slopes are minus their shares."""
    network = build(STOCK, 1)
    solution = solve(network)[0]
    moves = [np.eye(2)[i][:, None] * s.service[None, :] for i, s in enumerate(network.stations)]
    alone = np.array([s.service[0] for s in network.stations])
    assert slope(network, solution, moves) == pytest.approx(-alone / alone.sum(), rel=1e-9)


def test_parameters_come_in_the_order_of_application():
    free = [ps.parse(t, STOCK) for t in ("demand", "handoff_instructions", "think")]
    response = Response(STOCK, free, [4])
    assert [p.key for p in response.parameters] == ["think", "handoff_instructions", "demand"]


def test_no_parameter_is_free():
    log, slopes = Response(STOCK, [], [4, 8])({})
    assert log == pytest.approx(log_x(STOCK, [4, 8]))
    assert slopes.shape == (2, 0)


def test_walkers_that_take_all_the_time_are_an_error_not_a_number():
    walked = replace(STOCK, locks=(lock("a", walkers=Walkers(walks_per_s=500.0, read=1e-3)),))
    response = Response(walked, [ps.parse("acquire_time", walked)], [8])
    with pytest.raises(NotTrustworthyError, match="walkers alone"):
        response({"all.acquire_time": 2e-3})
