"""Curves and sides of a gate, for its tests."""

from __future__ import annotations

import math

import numpy as np
from studies import model

from lockmodel.evaluate.gate.side import Side
from lockmodel.solvers.throughput import throughput

N = (1, 2, 4, 8, 16, 32, 48, 64)
EQUAL = throughput(model(), N)
HOLD = throughput(model(held=880.0), N)
THINK = throughput(model(think=110e-6), N)


def side(name, logs, stated=None, **more):
    """A side from the logarithms of its throughputs."""
    values = {n: tuple(math.exp(log) for log in own) for n, own in logs.items()}
    return Side(name, "1/s", values, stated or {}, "", {}, **more)


def measured(name, curve, noise, repeats, rng):
    """A side of a curve with log-normal noise, one for all populations or each its own."""
    noises = np.broadcast_to(noise, len(N))
    logs = {
        n: math.log(x) + sd * rng.standard_normal(repeats)
        for n, x, sd in zip(N, curve, noises, strict=True)
    }
    return side(name, logs)


def ends(change):
    return math.log1p(change.low), math.log1p(change.high)
