"""Rows of the benchmark for simulation and Markov chains, beside what peers reach.

A chain is solved in a process of its own, warm, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CASE_E = {8: 0.6450833576, 12: 0.8880681916, 16: 0.99031146}
"""DESIGN section 5; the last to 4e-8."""

EVENTS = 4_000_000
MIB = 2.0**20


@dataclass(frozen=True)
class Measured:
    """One line: what was done, what it took, what was to be reached."""

    work: str
    value: str
    reach: str
    met: bool


def _rss_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def simulation_rows(repeats: int) -> list[Measured]:
    """Return events per second of one core, and what memory grew by meanwhile."""
    from lockmodel.evaluate.verify.cases import three
    from lockmodel.model.scenario import Scenario
    from lockmodel.model.shipped import find_scenario
    from lockmodel.solvers.simulation.engine import run
    from lockmodel.solvers.simulation.world import make

    def rate(scenario: Scenario, population: int) -> tuple[float, float]:
        w = make(scenario, population, 1, 0)
        run(w, EVENTS, EVENTS // 4)
        before, rates = _rss_mib(), []
        for _ in range(repeats):
            done, start = int(w.clock[0]["completions"]), time.perf_counter()
            run(w, EVENTS, EVENTS)
            seconds = time.perf_counter() - start
            rates.append((int(w.clock[0]["completions"]) - done) / seconds / 1e6)
        return statistics.median(rates), _rss_mib() - before

    rows = []
    for work, scenario, n, reach in (
        ("simulate case A, N = 64, exponential", three(), 64, 12.0),
        (
            "simulate execl (3 locks, 31 acquires), N = 128",
            find_scenario("execl-xeon8369b"),
            128,
            4.0,
        ),
    ):
        speed, grown = rate(scenario, n)
        rows.append(
            Measured(
                work,
                f"{speed:.1f} M events/s, +{grown:.0f} MiB",
                f">= {reach:g} M, flat",
                speed >= reach and grown < 1.0,
            )
        )
    return rows


def chain(population: int) -> dict[str, float]:
    """Solve case A as a Markov chain, twice; return seconds of the second, memory and residual."""
    import numpy as np

    from lockmodel.model.network import Station
    from lockmodel.solvers.markov.queue_solution import solve_queues
    from lockmodel.solvers.markov.queues import QueueLock, QueueNetwork, Stage
    from lockmodel.solvers.product_form import throughputs

    demands = {"one": 1.0, "half": 0.5, "quarter": 0.25}
    network = QueueNetwork(
        10.0,
        tuple(QueueLock(name) for name in demands),
        tuple(Stage(name, hold) for name, hold in demands.items()),
    )
    solve_queues(network, 4)  # compiled or loaded from the cache
    start = time.perf_counter()
    solution = solve_queues(network, population)
    seconds = time.perf_counter() - start
    delay = Station("think", 10.0 / np.arange(1.0, population + 1.0))
    stations = (delay, *(Station(name, np.array([d])) for name, d in demands.items()))
    exact = float(throughputs(stations, population)[-1])
    return {
        "seconds": seconds,
        "mib": _rss_mib(),
        "states": solution.states,
        "residual": solution.residual,
        "error": abs(solution.throughput / exact - 1.0),
    }


def chain_rows(repeats: int) -> list[Measured]:
    """Return seconds and memory of two chains."""
    rows = []
    for population, seconds, mib, times in ((64, 0.5, 200.0, repeats), (255, 45.0, 1024.0, 1)):
        call = [sys.executable, str(HERE / "bench_stochastic.py"), str(population)]
        runs = [
            json.loads(subprocess.run(call, check=True, capture_output=True).stdout)
            for _ in range(times)
        ]
        took = statistics.median(run["seconds"] for run in runs)
        worst = max(runs, key=lambda run: float(run["residual"]))
        most = max(run["mib"] for run in runs)
        rows.append(
            Measured(
                f"Markov case A, N = {population} ({worst['states']:,} states)",
                f"{took:.2f} s, {most:.0f} MiB, residual {worst['residual']:.0e}, error "
                f"{worst['error']:.0e}",
                f"<= {seconds:g} s, {mib:g} MiB, 1e-12",
                took <= seconds and most <= mib and worst["residual"] <= 1e-12,
            )
        )
    return rows


def constant_rows(repeats: int) -> list[Measured]:
    """Return seconds and errors of case E."""
    from lockmodel.answers.predict import predict
    from lockmodel.evaluate.verify.cases import three
    from lockmodel.model.distribution import Constant

    scenario = three(hold_distribution=Constant())
    rows = []
    for n, exact in CASE_E.items():
        seconds = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            throughput = predict(scenario, [n], "markov").points[0].throughput_per_s
            seconds.append(time.perf_counter() - start)
        error, took = abs(throughput / exact - 1.0), statistics.median(seconds[1:])
        rows.append(
            Measured(
                f"case E (constant holds), N = {n}",
                f"{took:.2f} s, error {error:.0e}",
                "<= 2 s, 1e-6",
                took <= 2.0 and error <= 1e-6,
            )
        )
    return rows


def peer_rows(python: str, limit: float) -> list[str]:
    """Return the lines of tools/peers.py run by another interpreter (the extra `bench`)."""
    call = [python, str(HERE / "peers.py"), "--limit", str(limit)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    return (done.stdout if done.returncode == 0 else done.stderr).rstrip().split("\n")


if __name__ == "__main__":
    print(json.dumps(chain(int(sys.argv[1]))))
