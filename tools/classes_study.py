"""How far product form with several classes is off: against simulation, and against itself.

`make classes-study` prints a row per case: two classes at one or two locks, holds alike or not,
hand-offs that are none, constant, or grow with the waiters, from light load into collapse. Columns
are the largest error of a class's throughput: the exact solution with mean holds against simulation
(known to 1 %), and the approximation for large populations against that exact solution.
"""

from __future__ import annotations

import argparse
import itertools
import sys

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.classes import IterationClass
from lockmodel.model.handoff import ConstantHandOff, LinearHandOff, NoHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.model.site import Site
from lockmodel.progress import quietly
from lockmodel.solvers.class_points import class_points
from lockmodel.solvers.simulation.simulate import simulated

US = 1e-6
HANDOFFS = {
    "none": NoHandOff(),
    "constant": ConstantHandOff(time=0.3 * US),
    "steep": LinearHandOff(time=0.1 * US, per_waiter=0.15 * US),
    "linear": LinearHandOff(time=0.1 * US, per_waiter=0.02 * US),
}
HOLDS = {"alike": (1.0, 1.0), "1 to 3": (1.0, 3.0), "1 to 10": (0.5, 5.0)}
"""Hold per acquire of both classes, us."""
MIXES = ((0.5, 0.5), (0.9, 0.1))
POPULATIONS = (4, 16, 64)
PRECISION = 0.01


def scenario(handoff: str, holds: str, mix: tuple[float, float]) -> Scenario:
    """Return one case: a class of execs and one that maps seldom, or holds longer."""
    first, second = HOLDS[holds]
    return Scenario(
        name=f"{handoff}, {holds}, {mix[0]:g}",
        machine=Machine(name="64 CPUs", cpus=64, cores=64),
        think=0.0,
        locks=(Lock("a", handoff=HANDOFFS[handoff]), Lock("b", handoff=HANDOFFS[handoff])),
        classes=(
            IterationClass(
                name="many",
                share=mix[0],
                think=30 * US,
                sites=(
                    Site(lock="a", name="s", acquires=3, hold=first * US),
                    Site(lock="b", name="s", acquires=1, hold=first * US),
                ),
            ),
            IterationClass(
                name="few",
                share=mix[1],
                think=60 * US,
                sites=(Site(lock="a", name="s", acquires=2, hold=second * US),),
            ),
        ),
    )


def row(one: Scenario, n: int) -> tuple[float, float | None]:
    """Return the largest error against simulation, and of the approximation."""
    exact = class_points(one, (n,), quietly)[0][0].classes or {}
    run = simulated(one, n, PRECISION).classes or {}
    off = max(abs(exact[k].throughput_per_s / run[k].throughput_per_s.value - 1.0) for k in exact)
    try:
        means = class_points(one, (n,), quietly, exactly=False)[0][0].classes or {}
    except NotTrustworthyError:
        return off, None
    return off, max(abs(means[k].throughput_per_s / exact[k].throughput_per_s - 1.0) for k in exact)


def main() -> int:
    """Print the rows and what is worst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--populations", default=",".join(map(str, POPULATIONS)))
    asked = [int(n) for n in parser.parse_args().populations.split(",")]
    found = []
    print("hand-off, holds, share of the first; n; against simulation; approximation")
    for handoff, holds, mix, n in itertools.product(HANDOFFS, HOLDS, MIXES, asked):
        if min(round(n * share) for share in mix) == 0:
            continue
        one = scenario(handoff, holds, mix)
        off, means = row(one, n)
        found.append((off, means))
        said = "does not settle" if means is None else f"{100 * means:.2g} %"
        print(f"{one.name}; {n}; {100 * off:.2g} %; {said}", flush=True)
    settled = [means for _, means in found if means is not None]
    print(
        f"{len(found)} cases, worst: {100 * max(off for off, _ in found):.2g} % against "
        f"simulation, {100 * max(settled):.2g} % the approximation"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
