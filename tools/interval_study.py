"""Count how often the 95 % interval of a simulation holds the exact throughput.

    make interval-study            1,000 seeds of two cases of `lockmodel verify`, a minute
    tools/interval_study.py --runs 200 --precision 0.005

Printed per case: the share of the intervals that hold it, with its standard error, and how far
their middles are off in half-widths, in the mean.
"""

from __future__ import annotations

import argparse
import math

from lockmodel.evaluate.verify.cases import cases
from lockmodel.solvers.simulation.replicate import replicate
from lockmodel.solvers.solve import points

ASKED = (("case A: three locks", 8), ("readers and writers, queue", 4))
"""Case of the matrix, population: locks in order, and a semaphore with readers and sleepers."""

FIRST_SEED = 1000


def covered(name: str, n: int, runs: int, precision: float) -> tuple[float, float]:
    """Return the share of intervals that hold the truth, and their mean offset in half-widths."""
    case = next(case for case in cases() if case.name == name)
    (exact,) = points(case.scenario, [n], case.solvers[0])
    offsets = []
    for seed in range(FIRST_SEED, FIRST_SEED + runs):
        mean = replicate(case.scenario, n, precision, seed=seed, workers=1).throughput()
        offsets.append((mean.value - exact.throughput_per_s) / mean.half_width)
    return sum(abs(x) <= 1.0 for x in offsets) / runs, sum(offsets) / runs


def main() -> None:
    """Print a line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--precision", type=float, default=0.01)
    options = parser.parse_args()
    for name, n in ASKED:
        share, offset = covered(name, n, options.runs, options.precision)
        error = math.sqrt(share * (1.0 - share) / options.runs)
        print(
            f"{name}, n = {n}: {100 * share:.1f} % of {options.runs} (+-{100 * error:.1f}), "
            f"middles off by {offset:+.3f} half-widths in the mean",
            flush=True,
        )


if __name__ == "__main__":
    main()
