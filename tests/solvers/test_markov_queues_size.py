"""FIFO locks: states foretold before they are made, and networks that are refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from queue_networks import NETWORKS, case_a

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.solvers.markov.chain import explore
from lockmodel.solvers.markov.phase_type import PhaseType
from lockmodel.solvers.markov.queue_solution import (
    solve_queues,
)
from lockmodel.solvers.markov.queues import (
    CONSTANT,
    QueueLock,
    QueueNetwork,
    Stage,
    fewest_states,
    queue_model,
)


def test_too_large_networks_say_so():
    network = QueueNetwork(1.0, (QueueLock("a"),), tuple(Stage("a", 0.1 + i) for i in range(8)))
    text = r"queues N = 12'?: too large; at least 10\^10.9 states.*--method simul"
    constant = replace(network, locks=(QueueLock("a", CONSTANT),))
    for asked in (network, constant):
        with pytest.raises(NotTrustworthyError, match=text):
            solve_queues(asked, 12, memory=20 << 20)
    # what is not seen in advance is seen while exploring
    apart = replace(network, stages=network.stages[:3])
    with pytest.raises(NotTrustworthyError, match=r"queues N = 12'?: too large.*found so far"):
        solve_queues(apart, 12, memory=80 << 20)
    constant = replace(constant, stages=network.stages[:2])
    with pytest.raises(NotTrustworthyError, match=r"not extrapolated.*too large"):
        solve_queues(constant, 12, memory=6 << 20)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_chain_has_at_least_the_states_foretold(name):
    network, _ = NETWORKS[name]
    for n in (1, 2, 3, 4):
        assert fewest_states(network, n) <= explore(queue_model(network, n)).size


def test_every_order_of_stages_is_counted():
    # one lock, nothing else: k processes there in m^k ways, the others think
    network = QueueNetwork(1.0, (QueueLock("a"),), (Stage("a", 0.7), Stage("a", 0.4, 0.5)))
    for n in (1, 3, 6):
        assert fewest_states(network, n) == 2 ** (n + 1) - 1
        assert explore(queue_model(network, n)).size == 2 ** (n + 1) - 1


def lock(**changes: object) -> QueueNetwork:
    return replace(case_a(), locks=(QueueLock("a", **changes), *case_a().locks[1:]))


BAD = [
    (replace(case_a(), think=math.nan), "think = nan"),
    (replace(case_a(), think=-1.0), "think = -1.0"),
    (replace(case_a(), cpu=(1.0, 0.0)), "cpu = 0.0 must be a finite number > 0"),
    (replace(case_a(), stages=()), "not 0 stages"),
    (replace(case_a(), locks=case_a().locks[:1] * 3), r"different names.*\['a', 'a', 'a'\]"),
    (replace(case_a(), stages=(Stage("x", 1.0),)), r"stage 0 \(x\): no such lock"),
    (replace(case_a(), stages=(Stage("a", 0.0),)), "hold = 0.0 must be a finite number > 0"),
    (replace(case_a(), stages=(Stage("a", math.inf),)), "hold = inf"),
    (replace(case_a(), stages=(Stage("a", 1.0, 1.5),)), "probability = 1.5 must be at most 1"),
    (replace(case_a(), stages=(Stage("a", 1.0, math.nan),)), "probability = nan"),
    (replace(case_a(), stages=(Stage("a", 1.0, 0.0),)), "no stage is ever performed"),
    (replace(case_a(), stages=(Stage("a", 1.0),)), "lock 'b': no stage takes it"),
    (lock(handoff=(0.1, -0.1)), "lock 'a': handoff = -0.1"),
    (lock(handoff=()), "need at least one number"),
    (lock(popularity=(0.5, 0.4)), "adds up to 0.9 and must add up to 1"),
    (lock(popularity=(1.0, 0.0)), "popularity = 0.0"),
    (lock(hold="sometimes"), "'sometimes' must be a PhaseType or 'constant'"),
    (lock(hold=PhaseType(np.array([2.0]), np.zeros(1))), "a shape has mean 0.5; it must be 1"),
]


@pytest.mark.parametrize(("network", "text"), BAD)
def test_bad_numbers_name_key_and_value(network, text):
    with pytest.raises(ArgumentError, match=text):
        solve_queues(network, 2)


def test_more_bad_input():
    for n in (0, -1, 2.5, math.nan, True, 40_000):
        with pytest.raises(ArgumentError, match=r"population = .* must be an integer, 1 to 32767"):
            solve_queues(case_a(), n)
    split = replace(lock(popularity=(0.5, 0.5)), stages=(*case_a().stages, Stage("a", 1.0)))
    with pytest.raises(ArgumentError, match=r"stages \[0, 3\] take it; use --method simulation"):
        solve_queues(split, 2)
    timeless = QueueNetwork(0.0, (QueueLock("a"),), (Stage("a", 1.0, 0.5),))
    with pytest.raises(ArgumentError, match="may take no time at all"):
        solve_queues(timeless, 2)
