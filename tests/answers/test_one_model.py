"""One model from fit to answer: on small data sets that no fitter made, nothing contradicts itself.

The curves are those of formulas and of a queue simulated here, with noise; the lock that is fitted
to them is the wrong one for most.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lockmodel.answers.ceilings import ceilings
from lockmodel.answers.predict import predict
from lockmodel.answers.ranking import rank
from lockmodel.answers.whatif import compare as what_if
from lockmodel.changes.grammar import parse
from lockmodel.fitting.curves.comparison import compare
from lockmodel.fitting.curves.curve import curves_of
from lockmodel.fitting.datasets import Wanted, load_sets
from lockmodel.fitting.estimate import Settings
from lockmodel.fitting.fitting import Fitted, run
from lockmodel.fitting.generic import generic
from lockmodel.model.prediction import Interval
from lockmodel.observe.readers import read_file

Curve = Callable[[int], float]

LEVERS = ("shard:lock=8", "shard:lock=2,by=hash", "shorten_hold:lock=0.5", "exclude:lock")
ROUNDING = 1e-9


def universal(alpha: float, beta: float, n: int) -> float:
    """Gunther's law, at 1,000 per s for one."""
    return 1e3 * n / (1.0 + alpha * (n - 1) + beta * n * (n - 1))


def amdahl(serial: float, n: int) -> float:
    return 1e3 / (serial + (1.0 - serial) / n)


def asymptotes(think: float, hold: float, handoff: float, n: int) -> float:
    """The smaller of n / (Z + S) and 1 / (S + c), in ms: a corner that no queue has."""
    alone = n / (think + hold)
    return 1e3 * (alone if n == 1 else min(alone, 1.0 / (hold + handoff)))


def queue(think: float, hold: float, handoff: float, seed: int, n: int) -> float:
    """First come, first served: constant holds, a pass costs the hand-off where one waits."""
    random = np.random.default_rng(seed)
    asking = [(float(t), i) for i, t in enumerate(random.exponential(think, n))]
    heapq.heapify(asking)
    free, passes = 0.0, 3000
    for _ in range(passes):
        at, who = heapq.heappop(asking)
        free = free + handoff + hold if at < free else at + hold
        heapq.heappush(asking, (free + float(random.exponential(think)), who))
    return 1e3 * passes / free


def truth(random: np.random.Generator) -> Curve:
    """Return a curve of one of four kinds."""
    kind = int(random.integers(4))
    if kind == 0:
        return partial(universal, float(random.uniform(0, 0.4)), 10 ** float(random.uniform(-4, -1)))
    if kind == 1:
        return partial(amdahl, float(random.uniform(0.005, 0.6)))
    times = 10.0 ** random.uniform([-0.5, -1.5, -1.5], [1.5, 0.5, 0.5])
    if kind == 2:
        return partial(asymptotes, *times.tolist())
    return partial(queue, *times.tolist(), int(random.integers(1000)))


def written(folder: Path, seed: int) -> Path:
    """Return a file of 4 to 8 points (a lock needs 4) with 2 to 5 % of noise."""
    random = np.random.default_rng([18, seed])
    curve, noise = truth(random), float(random.uniform(0.02, 0.05))
    every = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
    top = int(random.integers(5, len(every) + 1))
    count = int(random.integers(4, 9))
    chosen = sorted(random.choice(every[:top], min(count, top), replace=False).tolist())
    rows = [f"{n},{curve(n) * math.exp(noise * random.standard_normal()):.6g}" for n in chosen]
    path = folder / f"{seed}.csv"
    path.write_text("\n".join(["threads,throughput", *rows, ""]))
    return path


def fit_without_a_model(path: Path) -> Fitted:
    """What `lockmodel fit FILE -o lock.toml` does."""
    (curve,) = curves_of(read_file(path))
    made = generic(compare(curve), "generic-lock", path.name)
    loaded = load_sets([Wanted(path, path.name, made.scenario)])
    return run(loaded, made.free, settings=Settings(priors=False))


def outside(value: float, ends: Interval | None) -> bool:
    assert ends is not None
    return not ends[0] * (1 - ROUNDING) <= value <= ends[1] * (1 + ROUNDING)


def contradictions(fitted: Fitted) -> Iterator[str]:
    """Yield where an answer contradicts the fit, a measurement or its own interval."""
    scenario, estimate = fitted.scenarios[0], fitted.estimate
    populations = [row.observation.n or 1 for row in estimate.rows]
    answer = predict(scenario, populations)
    spread = 1.645 * math.hypot(estimate.noise.unstated, estimate.noise.unstated)
    said = " ".join(answer.warnings)
    for point, row, expected in zip(answer.points, estimate.rows, estimate.predicted, strict=True):
        if point.throughput_per_s != pytest.approx(float(expected), rel=1e-6):
            yield f"predict {point.throughput_per_s} at {point.n}, fitted {expected}"
        if outside(point.throughput_per_s, point.interval_per_s):
            yield f"throughput at {point.n} outside {point.interval_per_s}"
        if answer.ceiling.throughput_per_s < point.throughput_per_s * (1 - ROUNDING):
            yield f"peak ceiling {answer.ceiling} below the prediction at {point.n}"
        above = math.log(row.observation.value / answer.ceiling.throughput_per_s) > spread
        if above and "contradict" not in said:
            yield f"{row.observation.value} measured above {answer.ceiling}, and not said"
    if outside(answer.ceiling.throughput_per_s, answer.ceiling.interval_per_s):
        yield f"ceiling {answer.ceiling} outside its interval"
    if ceilings(scenario, max(populations)).peak.throughput_per_s != pytest.approx(
        answer.ceiling.throughput_per_s
    ):
        yield "ceiling and predict differ"
    for text in LEVERS:
        changed = what_if(scenario, [parse(text)], populations)
        for change, point in zip(changed.points, answer.points, strict=True):
            if change.before_per_s != pytest.approx(point.throughput_per_s, rel=1e-9):
                yield f"{text}: before at {change.n} is not what predict says"
            if outside(1 + change.gain, shifted(change.gain_interval)):
                yield f"{text}: gain {change.gain} at {change.n} outside {change.gain_interval}"


def shifted(ends: Interval | None) -> Interval | None:
    return None if ends is None else (1 + ends[0], 1 + ends[1])
