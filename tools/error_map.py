"""Measure the error of product form against simulation over a grid; write the error map.

Usage: python tools/error_map.py [--precision 0.003] [--output data/computed/...csv]

One lock, one acquire per iteration, exponential think time. The grid: how much holds vary, how
long the hand-off is beside the hold, how loaded the lock is, how many acquires read, how many
processes there are. `predict` looks up its error estimates here. About ten minutes.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

from lockmodel.model.distribution import (
    Constant,
    Distribution,
    Erlang,
    Exponential,
    Hyperexponential,
)
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.error_map import COLUMNS, DATA
from lockmodel.solvers.simulation.replicate import replicate
from lockmodel.solvers.solve import points

HOLDS: dict[float, Distribution] = {
    0.0: Constant(),
    0.25: Erlang(stages=4),
    1.0: Exponential(),
    4.0: Hyperexponential(scv=4.0),
    16.0: Hyperexponential(scv=16.0),
}
"""Hold distributions by their squared coefficient of variation."""

HANDOFFS = (0.0, 0.25, 1.0, 4.0)
"""Hand-off over hold."""

LOADS = (0.1, 0.3, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5, 5.0)
"""N hold / (think + hold): 1 is where light load meets the ceiling without hand-off."""

READERS = (0.0, 1.0)
"""All write, or all read: what writers and readers do to each other is a matter of their times."""
POPULATIONS = (2, 4, 8, 16, 64)
HOLD_S = 1e-6

HEADER = """\
# what: relative error of throughput, product form over simulation minus 1, for one lock taken once
# where: computed; the numbers do not depend on the machine
# who: the lockmodel project
# when: 2026
# unit: ratios; n counts processes
# source: python tools/error_map.py --precision {precision:g} (make error-map)
# caveat: half_width is that of the simulation's 95 % interval
# caveat: hold_scv: squared coefficient of variation of the hold (0 constant, 1 exponential)
# caveat: handoff: hand-off over hold, exponential; load: n hold / (think + hold), think exponential
# caveat: readers: share of acquires that read (rwsem); where both are, times matter: not mapped
"""


def scenario(hold_scv: float, handoff: float, load: float, readers: float, n: int) -> Scenario:
    """Return one lock with these properties; think time follows from the load."""
    lock = Lock(
        name="lock",
        kind="rwsem" if readers else "fifo",
        time_per_instruction_local=1e-9,
        time_per_instruction_remote=1e-9,
        handoff=ConstantHandOff(time=handoff * HOLD_S),
        hold_distribution=HOLDS[hold_scv],
    )
    shares = {"write": 1.0 - readers, "read": readers}
    sites = tuple(
        Site(
            lock="lock",
            phase="once",
            name=mode,
            acquires=share,
            held_instructions=HOLD_S / 1e-9,
            mode=mode,  # type: ignore[arg-type]
        )
        for mode, share in shares.items()
        if share > 0
    )
    return Scenario(
        name="error-map",
        title="one lock",
        iteration="one acquire",
        machine=Machine(name="any", cpus=n, cores=n),
        think=HOLD_S * (n / load - 1.0),
        locks=(lock,),
        sites=sites,
    )


def main() -> int:
    """Write the error map; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", type=float, default=0.003)
    parser.add_argument("--output", type=Path, default=Path(DATA))
    options = parser.parse_args()
    grid = [
        cell
        for cell in itertools.product(HOLDS, HANDOFFS, LOADS, READERS, POPULATIONS)
        if cell[2] < cell[4]  # a load of n needs no think time at all
    ]
    lines = [HEADER.format(precision=options.precision) + ",".join(COLUMNS)]
    begun = time.monotonic()
    for i, cell in enumerate(grid, 1):
        given = scenario(*cell)
        exact = points(given, [cell[4]], "product-form")[0].throughput_per_s
        rate = replicate(given, cell[4], options.precision).throughput()
        error = exact / rate.value - 1.0
        lines.append(",".join([*(f"{v:g}" for v in cell), f"{error:.5f}", f"{rate.relative:.5f}"]))
        if i % 100 == 0:
            print(f"{i} of {len(grid)}, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
