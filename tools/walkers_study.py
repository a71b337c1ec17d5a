"""Measure what the closed form of walkers is off by: the table that estimates are read from.

Usage: python tools/walkers_study.py [--precision 0.01] [--seconds 35] [--output FILE]

Shipped scenarios on all their CPUs, the locks of all files sharded by CPU or by hash, and walkers
that take all shards of libc.so.6's, waiting for them or not. Some fifteen minutes. What does not
get precise in time is kept with its interval.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import msgspec

from lockmodel.changes import levers
from lockmodel.errors import NotTrustworthyError
from lockmodel.model.scenario import Scenario, ShardBy, Walkers
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.error_map import WALKED_DATA
from lockmodel.solvers.simulation.simulate import simulate
from lockmodel.solvers.throughput import throughput

SCENARIOS = ("execl-xeon8369b", "sysexec-spr224-v6.12")
LOCK = "libc.so.6"
SHARDS = (1, 2, 4, 8, 16, 64)
WALKS = (100.0, 1000.0, 5000.0)
READ = 64e-6
KINDS: tuple[tuple[ShardBy, bool], ...] = (("cpu", False), ("hash", False), ("cpu", True))
"""By what shards are chosen, and whether walkers give up where they would have to wait."""

HEADER = """\
# what: throughput with walkers, in closed form (solvers/walked.py) and simulated
# where: computed
# who: the lockmodel project
# when: 2026
# unit: iterations per s of the whole machine; walks per s; walk_s in s
# source: python tools/walkers_study.py (make walkers-study)
# caveat: give_up is 1 where a walker that would have to wait does not walk
# caveat: a walk takes all shards of libc.so.6's lock and reads for {read:g} us
# caveat: half_width is that of the simulation's 95 % interval
# caveat: error is closed form over simulation minus 1
# caveat: 4 shards, 100 walks per s: walks now overlap and now do not, for long; interval too narrow
"""
COLUMNS = (
    "scenario",
    "n",
    "by",
    "give_up",
    "shards",
    "walks_per_s",
    "simulated_per_s",
    "half_width_per_s",
    "closed_form_per_s",
    "error",
    "walk_s",
)


def walked(
    name: str, shards: int, walks: float, by: ShardBy = "cpu", give_up: bool = False
) -> Scenario:
    """Return a shipped scenario with so many shards of every file's lock, and walkers."""
    scenario = find_scenario(name)
    for lock in scenario.alike:
        if lock.kind == "rwsem" and shards > lock.shards:
            scenario = levers.shard(scenario, lock.name, shards, by)
    walkers = Walkers(walks, READ, give_up)
    locks = tuple(
        msgspec.structs.replace(lock, walkers=walkers) if lock.name == LOCK else lock
        for lock in scenario.locks
    )
    return msgspec.structs.replace(scenario, locks=locks, fit=None)


def main() -> int:
    """Write the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", type=float, default=0.01)
    parser.add_argument("--seconds", type=float, default=35.0, help="per simulation")
    parser.add_argument("--output", type=Path, default=Path(WALKED_DATA))
    options = parser.parse_args()
    lines = [HEADER.format(read=READ * 1e6) + ",".join(COLUMNS)]
    worst = dict.fromkeys(KINDS, 0.0)
    for kind, name, walks, shards in itertools.product(KINDS, SCENARIOS, WALKS, SHARDS):
        by, give_up = kind
        if by == "hash" and shards == 1:
            continue
        scenario = walked(name, shards, walks, by, give_up)
        n, end = scenario.machine.cpus, time.monotonic() + options.seconds
        try:
            run = simulate(
                scenario, n, options.precision, stop=lambda end=end: time.monotonic() > end
            )
        except NotTrustworthyError as refused:
            print(f"{name} {shards} {walks:g}: {refused}", file=sys.stderr)
            continue
        x, found = run.throughput_per_s, float(throughput(scenario, [n])[0])
        error = found / x.value - 1.0
        worst[kind] = max(worst[kind], abs(error))
        walk = run.locks[LOCK].walk_s
        lines.append(
            f"{name},{n},{by},{give_up:d},{shards},{walks:g},{x.value:.0f},{x.half_width:.0f},{found:.0f},"
            f"{error:.4f},{'' if walk is None else f'{walk:.3g}'}"
        )
        print(lines[-1], file=sys.stderr)
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for (by, give_up), error in worst.items():
        how = f"shards by {by}, walkers that {'give up' if give_up else 'wait'}"
        print(f"{how}: off by {100 * error:.1f} % at the most", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
