"""Speed and accuracy in one run on one machine: a table against the reach that was set.

Usage: python tools/bench.py [--repeats 9] [--json] [--peers PYTHON]

Times are medians. In-process rows are warm (kernels compiled and cached); process rows start
`lockmodel` anew each time, after one run that is not counted. Exit 1 if a reach is missed.
--peers PYTHON runs tools/peers.py in the same run with an interpreter that has the extra `bench`
(`make peers` installs one): what other tools need for the same work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from bench_fit import accuracy_rows, fit_rows
from bench_stochastic import (
    Measured,
    chain_rows,
    constant_rows,
    peer_rows,
    simulation_rows,
)

from lockmodel.model.handoff import TopologyHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.network import Station
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.product_form import batch_throughput, throughputs
from lockmodel.solvers.solve import points

EXACT_A = {8: 0.61829933268927907, 16: 0.9538958427556234, 32: 0.9999961968904226, 4096: 1.0}
EXACT_B = {
    8: 0.60616446218847648,
    13: 0.77869684330971532,
    32: 0.4334339882218973,
    64: 0.2491795732336299,
    256: 0.0729364501323987,
}
"""80-digit values: tests/reference/product_form.py makes them anew."""


@dataclass(frozen=True)
class Row:
    """One measured line."""

    work: str
    median_s: float
    low_s: float
    high_s: float
    reach_s: float
    error: float | None = None
    error_reach: float | None = None

    @property
    def met(self) -> bool:
        """Whether both the time and the error are within reach."""
        accurate = self.error is None or self.error <= (self.error_reach or 0.0)
        return self.median_s <= self.reach_s and accurate


def timed(work: Callable[[], object], repeats: int, inner: int = 1) -> list[float]:
    """Return the seconds of `repeats` runs of `inner` calls each, per call, after a warm-up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(inner):
            work()
        seconds.append((time.perf_counter() - start) / inner)
    return seconds


def row(
    work: str,
    seconds: list[float],
    reach_s: float,
    error: float | None = None,
    error_reach: float | None = None,
) -> Row:
    """Return a row from timings."""
    return Row(
        work,
        statistics.median(seconds),
        min(seconds),
        max(seconds),
        reach_s,
        error,
        error_reach,
    )


def worst(rates: np.ndarray, exact: dict[int, float]) -> float:
    """Return the largest relative error against the reference values."""
    return max(abs(rates[n - 1] / x - 1.0) for n, x in exact.items())


def case_a(population: int) -> tuple[Station, ...]:
    """Return case A of the design: delay 10, single servers 1, 0.5, 0.25."""
    think = Station("think", 10.0 / np.arange(1.0, population + 1.0))
    servers = [Station(f"server {d}", np.array([d])) for d in (1.0, 0.5, 0.25)]
    return (think, *servers)


def case_b(population: int) -> tuple[Station, ...]:
    """Return case B: as A, the first station slows down by 5 % per waiter."""
    think, _, *rest = case_a(population)
    slowing = Station("server 1", 1.0 + 0.05 * np.arange(float(population)))
    return (think, slowing, *rest)


def topology_scenario() -> Scenario:
    """Return a CPU station and four locks with topology-aware hand-off and growing trees."""
    machine = Machine(
        name="bench", cpus=512, cores=256, sockets=4, nodes=4, smt_speedup=1.2, same_node_cost=0.4
    )
    locks = tuple(
        Lock(
            name=f"lock{i}",
            time_per_instruction_local=0.35e-9,
            time_per_instruction_remote=2.4e-9,
            acquire_time=20e-9,
            handoff=TopologyHandOff(local=300e-9, remote=700e-9),
        )
        for i in range(4)
    )
    sites = tuple(
        Site(
            lock=f"lock{i}",
            phase="exec",
            name="site",
            acquires=15.0 / (i + 1),
            held_instructions=500.0,
            growth_per_doubling=40.0,
        )
        for i in range(4)
    )
    return Scenario(
        name="bench",
        title="bench",
        iteration="bench",
        machine=machine,
        think=200e-6,
        locks=locks,
        sites=sites,
    )


def in_process(repeats: int) -> list[Row]:
    """Return the rows measured inside this process."""
    a, b = case_a(4096), case_b(256)
    rng = np.random.default_rng(1)
    delays, demands = rng.uniform(1, 20, 1000), rng.uniform(0.1, 1, (1000, 3))
    scenario = topology_scenario()
    populations = [round(512 * (i + 1) / 40) for i in range(40)]
    return [
        row(
            "case A exact, N = 1..4096",
            timed(lambda: throughputs(a, 4096), repeats, 20),
            0.2e-3,
            worst(throughputs(a, 4096), EXACT_A),
            1e-12,
        ),
        row(
            "case B load-dependent, N = 1..256",
            timed(lambda: throughputs(b, 256), repeats, 50),
            0.1e-3,
            worst(throughputs(b, 256), EXACT_B),
            1e-12,
        ),
        row(
            "1000 random sets like case A, N = 256",
            timed(lambda: batch_throughput(delays, demands, 256), repeats, 5),
            3e-3,
        ),
        row(
            "40 populations to 512, topology hand-off",
            timed(lambda: points(scenario, populations), repeats),
            25e-3,
        ),
    ]


def whole_process(repeats: int) -> list[Row]:
    """Return the rows that start the command line."""
    command = Path(sys.executable).with_name("lockmodel")
    rows = []
    for arguments, reach in (
        (["--help"], 0.35),
        (["predict", "execl-xeon8369b", "-n", "128"], 0.9),
    ):
        call = [str(command), *arguments]
        seconds = timed(
            lambda call=call: subprocess.run(call, check=True, stdout=subprocess.DEVNULL),
            repeats,
        )
        rows.append(row(f"process: lockmodel {' '.join(arguments)}", seconds, reach))
    return rows


def main() -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="at least 5")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter with the extra `bench`")
    parser.add_argument("--peer-limit", type=float, default=20.0, help="seconds per peer")
    options = parser.parse_args()
    repeats = max(5, options.repeats)
    rows = in_process(repeats) + whole_process(repeats)
    more: list[Measured] = [
        *simulation_rows(repeats),
        *chain_rows(repeats),
        *constant_rows(repeats),
        *fit_rows(repeats),
        *accuracy_rows(),
    ]
    peers = peer_rows(options.peers, options.peer_limit) if options.peers else []
    if options.json:
        listed = [{**asdict(r), "met": r.met} for r in rows] + [asdict(m) for m in more]
        report = {"schema": "lockmodel.bench/1", "rows": listed, "peers": peers}
        print(json.dumps(report, indent=1))
    else:
        print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, ")
        print(f"median of {repeats} (lowest .. highest) in ms\n")
        print(f"{'work':52} {'median':>8} {'range':>17} {'reach':>7}  met  error")
        for r in rows:
            spread = f"{r.low_s * 1e3:.3g} .. {r.high_s * 1e3:.3g}"
            error = "" if r.error is None else f"{r.error:.0e} (reach {r.error_reach:.0e})"
            print(
                f"{r.work:52} {r.median_s * 1e3:8.3g} {spread:>17} {r.reach_s * 1e3:7.3g}  "
                f"{'yes' if r.met else 'NO':3}  {error}"
            )
        print(f"\n{'work':47} {'found':>43} {'reach':>28}  met")
        for m in more:
            print(f"{m.work:47} {m.value:>43} {m.reach:>28}  {'yes' if m.met else 'NO'}")
        print("\n" + "\n".join(peers or ["peers: `make peers`, then `make bench` runs them too"]))
    return 0 if all(r.met for r in [*rows, *more]) else 1


if __name__ == "__main__":
    sys.exit(main())
