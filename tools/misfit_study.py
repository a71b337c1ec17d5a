"""Count how often a lack of fit is seen, and how often where there is none.

    make misfit-study              50 data sets of each kind, 150 of a lock
    tools/misfit_study.py --sets 20 --kind step

Throughputs of a law that collapses, of a lock whose throughput falls by a step of 20 to 50 % from a
population on (a second socket), and of a lock alone; all read with noise of 2 to 5 %, stated for
every second set. Each is fitted by the model of the lock (the hand-off of its family, times off by
a factor of two) and without a model (the families compete). Printed per kind and way: how many
exceed their noise (the same points without noise are fitted no better than by that), and of these
how many are flagged for the size of what is left, for its pattern (`lockmodel.fitting.pattern`),
for either. A lock has nothing to be seen: all its flags are false alarms.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from msgspec.structs import replace

from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.families import candidates
from lockmodel.fitting.curves.fitting import FamilyFit
from lockmodel.fitting.curves.fitting import fit as family_fit
from lockmodel.fitting.curves.lack import unlike
from lockmodel.fitting.estimate import Estimate, fit
from lockmodel.fitting.health import flags
from lockmodel.fitting.misfit import judge
from lockmodel.fitting.study import DataSet, default_free, plan
from lockmodel.model.handoff import ConstantHandOff, HandOff, LinearHandOff, SaturatingHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.observe.observations import Observation, Source
from lockmodel.solvers.solve import points

MACHINE = Machine(name="study", cpus=128, cores=128)
DESIGNS = (
    (1, 2, 4, 8, 16, 32, 64, 128),
    (1, 2, 4, 8, 16, 32, 48, 64),
    (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128),
    (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 96, 112, 128),
)
NOISE = (0.02, 0.05)
STEP = (0.2, 0.5)
GUESSED = 0.7
"""Standard deviation of the logarithm of a time in the fitted model around the truth's."""

KINDS = ("collapse", "step", "lock")
WAYS = ("model", "curve")
LOCKS = 3
"""As many times more sets of a lock: a share of a few per cent is to be told from none."""

Generator = np.random.Generator


def _handoff(number: int, time: float, random: Generator) -> HandOff:
    """Return a hand-off of each family in turn."""
    if number % 3 == 0:
        return ConstantHandOff(time=time)
    if number % 3 == 1:
        return LinearHandOff(time=time, per_waiter=time * random.uniform(0.02, 0.15))
    limit, half = random.uniform(1.5, 4.0), random.uniform(2.0, 10.0)
    return SaturatingHandOff(time=time, limit=time * limit, half_waiters=half)


def truth(number: int, random: Generator) -> Scenario:
    """Return a lock that 6 to 40 processes saturate."""
    acquires = float(random.integers(2, 11))
    think = 100e-6 * math.exp(random.normal(0.0, 0.5))
    held = think / random.uniform(6.0, 40.0)
    handed = random.uniform(0.1, 0.6)
    time = (1.0 - handed) * held / (acquires * 500.0)
    lock = Lock(
        name="L",
        time_per_instruction_local=time / 10.0,
        time_per_instruction_remote=time,
        acquire_time=20e-9,
        handoff=_handoff(number, handed * held / acquires, random),
    )
    return Scenario(
        name="truth",
        title="a truth of the misfit study",
        iteration="one",
        machine=MACHINE,
        think=think,
        locks=(lock,),
        sites=(Site(lock="L", phase="p", name="a", acquires=acquires, held_instructions=500.0),),
    )


def guessed(true: Scenario, random: Generator) -> Scenario:
    """Return the truth with think time, hold and hand-off off by a factor each."""
    (lock,) = true.locks
    off = np.exp(random.normal(0.0, GUESSED, 3)).clip(0.2, 5.0)
    think, hold, passing = off.tolist()
    times = [key for key in ("time", "per_waiter", "limit") if hasattr(lock.handoff, key)]
    handoff = replace(lock.handoff, **{k: getattr(lock.handoff, k) * passing for k in times})
    held = lock.time_per_instruction_remote * hold
    other = replace(lock, time_per_instruction_remote=held, handoff=handoff)
    return replace(true, name="guess", think=true.think * think, locks=(other,))


def throughputs(kind: str, true: Scenario, n: np.ndarray, random: Generator) -> np.ndarray:
    """Return throughputs of a kind without noise; a law has the truth's at one process."""
    x = np.array([point.throughput_per_s for point in points(true, n.tolist())])
    if kind == "collapse":
        contention = 10.0 ** random.uniform(-2.0, -0.8)
        peak = n[-1] / random.choice([2, 4, 8])
        coherence = (1.0 - contention) / peak**2
        collapsing: np.ndarray = x[0] * n / (1.0 + contention * (n - 1) + coherence * n * (n - 1.0))
        return collapsing
    if kind == "step":
        edge, size = n[-1] / random.choice([2, 4]), random.uniform(*STEP)
        x = x * np.where(n > edge, 1.0 - size, 1.0)
    return x


def _fitted(model: Scenario, n: np.ndarray, x: np.ndarray, sd: float) -> Estimate:
    stated = {"uncertainty": "given"} if sd else {}
    observations = tuple(
        Observation(
            kind="throughput",
            value=value,
            unit="1/s",
            source=Source("study", 1),
            n=k,
            sd=sd * value if sd else None,
            **stated,
        )
        for k, value in zip(n.tolist(), x.tolist(), strict=True)
    )
    data = DataSet("study", "", "", model, observations, (1,) * len(observations), model)
    return fit(plan((data,), default_free(model)))


def judged(task: tuple[str, str, int]) -> tuple[bool, bool, bool]:
    """Return whether a data set exceeds its noise, is flagged for its size, for its pattern."""
    kind, way, number = task
    random = np.random.default_rng([sum(kind.encode()), number])
    n = np.array(DESIGNS[int(random.integers(len(DESIGNS)))])
    noise = random.uniform(*NOISE)
    true = truth(number, random)
    x = throughputs(kind, true, n, random)
    read = x * np.exp(noise * random.standard_normal(len(n)))
    model = guessed(true, random)
    sd = noise if number // 3 % 2 else 0.0
    if way == "model":
        estimate = _fitted(model, n, read, sd)
        said = [flag for flag in flags(estimate) if flag.startswith("POOR FIT")]
        shaped = any(flag.endswith("its shape") for flag in said)
        sized = len(said) > shaped
        if kind == "lock":
            return True, sized, shaped
        clean = _fitted(model, n, x, 0.0)
        left = clean.objective.off(clean.theta, clean.noise)
        return bool(np.sqrt(np.mean(left**2)) > noise), sized, shaped
    curve = Curve(n, read, sd * read if sd else None)
    best = _best(curve)
    off = best.log_predict(n, curve) - np.log(read)

    def refit(k: int) -> np.ndarray:
        rest = family_fit(best.family, curve.part(np.arange(len(n)) != k))
        again: np.ndarray = rest.log_predict(n, curve) - np.log(read)
        return again

    poor = judge(off, curve.spread, len(n) - len(best.theta), refit)
    found = poor is not None, unlike(best, curve) is not None
    return kind == "lock" or _best(Curve(n, x)).rms > noise, *found


def _best(curve: Curve) -> FamilyFit:
    """Return the averaged family that follows a curve best, the one that is judged."""
    averaged = [one for one in candidates(None) if one.prior > 0]
    made = [family_fit(one, curve) for one in averaged if len(curve.n) > len(one.parameters)]
    return min(made, key=lambda one: one.rms)


def main() -> None:
    """Run the study and print its table."""
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--sets", type=int, default=50)
    given.add_argument("--kind", choices=KINDS, action="append")
    given.add_argument("--way", choices=WAYS, action="append")
    given.add_argument("--jobs", type=int, default=2)
    asked = given.parse_args()
    print(f"{'data':10} {'fitted':7} {'sets':>5} {'exceed':>7} {'size':>5} {'pattern':>8} either")
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        for way in asked.way or WAYS:
            for kind in asked.kind or KINDS:
                count = asked.sets * (LOCKS if kind == "lock" else 1)
                tasks = [(kind, way, number) for number in range(count)]
                rows = np.array(list(pool.map(judged, tasks)))
                exceeding = rows[rows[:, 0]]
                sized, shaped = exceeding[:, 1].sum(), exceeding[:, 2].sum()
                either = exceeding[:, 1:].any(axis=1).sum()
                print(
                    f"{kind:10} {way:7} {count:5} {len(exceeding):7} {sized:5} {shaped:8} "
                    f"{either:6}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
