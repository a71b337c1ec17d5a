"""Compare a mutex with two measured curves of a latch that spins, then sleeps.

    tools/mutex_study.py DIR

DIR holds libdb_wal_acquires_batch.csv and hold_inflation_libdb_model.csv (Berkeley DB's log latch
and a model of it on 96 CPUs; they may not be committed). Nothing is set on the rows that are
scored: think time is what the row of one thread leaves, holds were measured (`HOLDS`), the hand-off
is the middle of its record's range, wake-up and spin limit are the defaults of a lock.
What a spin limit of 0, or ten times as long, or in-order service would have given stands beside it.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lockmodel.model.disciplines import discipline
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.simulation.simulate import simulate

FILES = ("libdb_wal_acquires_batch.csv", "hold_inflation_libdb_model.csv")
MACHINE = Machine(name="aws-spr96", cpus=96, cores=48)

HOLDS = {1: 21.6e-9, 8: 223e-9, 32: 370e-9, 96: 366e-9}
"""Threads -> hold of one acquire for constant work, s, the middle of two measured runs."""

WAYS: dict[str, dict[str, Any]] = {
    "as stated": {},
    "spin 0": {"spin_limit": 0.0},
    "spin 100 us": {"spin_limit": 100e-6},
    "in order": {"barge": False},
}
PRECISION = 0.03


def curves(path: Path) -> Iterator[tuple[str, float, dict[int, tuple[float, str]]]]:
    """Yield the variants of a file: name, acquires per task, threads -> (tasks per s, waiting)."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        acquires = float(own[0].get("acquires_per_row") or 1.0)
        if own[0].get("acquires_per_row") == "0":
            continue  # the latch is not taken for rows
        yield (
            variant,
            acquires,
            {
                int(row["threads"]): (float(row["throughput"]), row.get("wait_fraction") or "")
                for row in own
            },
        )


def hold(n: int) -> float:
    """Return the hold with n threads, s: between those measured a power of n."""
    logs = np.log(list(HOLDS)), np.log(list(HOLDS.values()))
    return float(np.exp(np.interp(math.log(n), *logs)))


def latch(acquires: float, alone_per_s: float, n: int, **way: Any) -> Scenario:
    """Return a task that takes the latch, and thinks for what one thread's row leaves."""
    low, high, _ = discipline("mutex").handoff
    passing = ConstantHandOff(time=math.sqrt(low * high))
    lock = Lock(name="log", kind="mutex", handoff=passing, **way)
    return Scenario(
        name="latch",
        machine=MACHINE,
        think=1.0 / alone_per_s - acquires * HOLDS[1],
        locks=(lock,),
        sites=(Site(lock="log", phase="task", name="append", acquires=acquires, hold=hold(n)),),
    )


def main() -> None:
    """Print measured and simulated throughput, and the share of acquires that wait."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in FILES:
        for variant, acquires, measured in curves(folder / name):
            print(f"\n{name}: {variant}, {acquires:g} acquires per task")
            print(f"{'n':>4} {'measured':>12} {'waiting':>8}  simulated / measured (waiting)")
            off: dict[str, list[float]] = {way: [] for way in WAYS}
            for n, (rate, waiting) in measured.items():
                if n == 1:
                    continue
                shown = []
                for way, change in WAYS.items():
                    run = simulate(latch(acquires, measured[1][0], n, **change), n, PRECISION)
                    ratio = run.throughput_per_s.value / rate
                    off[way].append(math.log(ratio))
                    shown.append(f"{way} {ratio:.2f} ({run.locks['log'].contended:.2f})")
                print(f"{n:>4} {rate:>12,.0f} {waiting:>8}  {', '.join(shown)}", flush=True)
            means = (f"{w} {math.exp(sum(map(abs, x)) / len(x)):.2f}" for w, x in off.items())
            print(f"mean factor off: {', '.join(means)}")


if __name__ == "__main__":
    main()
