"""What other tools need for the same work: case A, B and E of the design, side by side.

Usage: python tools/peers.py [--only NAME]... [--limit 60] [--json]

Each runs in a process of its own, on one thread, without the time of start, imports and compiling.
A peer (extra `bench`) that is missing, fails or is over the limit gives a row that says so. Exit 0.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

THINK, HOLDS, PROCESSES, CASES = 10.0, (1.0, 0.5, 0.25), 64, "A512 A4096 B64 E16"
EXACT = {"A": 1.0, "B": 0.2491795732336299, "E8": 0.6450833576, "E16": 0.99031146}
"""Throughputs: A for N >= 64 (1 in double precision), B for N = 64, E for N = 8 and 16."""
MARK = "peers-outcome "


@dataclass(frozen=True)
class Row:
    """One line of the table; without seconds, `status` says why."""

    name: str
    version: str | None
    work: str
    status: str
    seconds: float | None = None
    error: float | None = None
    done: str = ""
    events: int | None = None
    peak_mib: float | None = None


def outcome(seconds: float, x: float, exact: float, done: str, **more: int) -> dict[str, Any]:
    """Return what a peer gives to its row: `error` is relative to the exact throughput."""
    return {"seconds": seconds, "error": x / exact - 1.0, "done": done, **more}


def simulated(seconds: float, x: float, duration: float, events: int) -> dict[str, Any]:
    """Return the outcome of a simulation of case A; the noise is three standard errors."""
    told = f"{events / seconds / 1e6:.3g} M events/s, noise {3.0 / duration**0.5:.0e}"
    return outcome(seconds, x, EXACT["A"], told, events=events)


def median(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the median seconds of some runs and what the last one returned."""
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        runs.append((work(), time.perf_counter() - start))
    return statistics.median(seconds for _, seconds in runs), runs[-1][0]


def simpy_a() -> dict[str, Any]:
    """Simulate case A in SimPy: a generator for each process, three resources."""
    import simpy

    duration = 30_000.0
    env, draw = simpy.Environment(), random.Random(1).expovariate
    servers = [(simpy.Resource(env), 1.0 / hold) for hold in HOLDS]
    done = [0, 0]  # events, iterations

    def process() -> Iterator[Any]:
        while True:
            yield env.timeout(draw(1.0 / THINK))
            done[0] += 1
            for server, rate in servers:
                with server.request() as granted:
                    yield granted
                    yield env.timeout(draw(rate))
                done[0] += 1
            done[1] += 1

    for _ in range(PROCESSES):
        env.process(process())
    seconds, _ = median(lambda: env.run(duration), 1)
    return simulated(seconds, done[1] / duration, duration, done[0])


def ciw_a() -> dict[str, Any]:
    """Simulate case A in Ciw: one batch of N customers who never leave."""
    import ciw

    duration = 20_000.0
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([0.0, float("inf")]), None, None, None],
        batching_distributions=[ciw.dists.Deterministic(PROCESSES)] * 4,
        service_distributions=[ciw.dists.Exponential(1.0 / d) for d in (THINK, *HOLDS)],
        number_of_servers=[float("inf"), 1, 1, 1],
        routing=[[float(j == (i + 1) % 4) for j in range(4)] for i in range(4)],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    seconds, _ = median(partial(simulation.simulate_until_max_time, duration), 1)
    nodes = [record.node for record in simulation.get_all_records()]
    return simulated(seconds, nodes.count(4) / duration, duration, len(nodes))


def cimba_a() -> dict[str, Any]:
    """Simulate case A in Cimba: tokens in containers, its fastest form (`cb.Resource`: 0.7)."""
    import cimba as cb
    from cimba.random import exponential

    class Server(cb.Model):
        mean: cb.Param[float]
        inbox: cb.Ref[cb.Container]
        outbox: cb.Ref[cb.Container]

        @cb.process
        def serve(self):
            while True:
                self.inbox.get(1)
                cb.hold(exponential(self.mean))
                self.outbox.put(1)

    class CaseA(cb.Model):
        first: cb.Container
        second: cb.Container
        third: cb.Container
        last: cb.Container
        servers: list[Server]
        done: cb.Output[int]

        @cb.process(copies=PROCESSES)
        def process(self):
            while True:
                cb.hold(exponential(10.0))
                self.first.put(1)
                self.last.get(1)
                self.done += 1

    model, chain = CaseA(), [cb.Container() for _ in range(4)]
    model.first, model.second, model.third, model.last = chain
    model.servers = [Server() for _ in HOLDS]
    for i, server in enumerate(model.servers):
        server.mean, server.inbox, server.outbox = HOLDS[i], chain[i], chain[i + 1]
    experiment = cb.Experiment(model, replications=100, window=cb.Window(duration=1e4), seed=1)
    seconds, trials = median(partial(experiment.run, workers=1))  # the first run compiles
    iterations = float(sum(trials[model].done.__array__().ravel()))
    return simulated(seconds, iterations / 1e6, 1e6, round(4 * iterations))


def storm_a(sound: bool) -> dict[str, Any]:
    """Build and solve the chain of case A in Storm: X as a long-run average reward."""
    import stormpy

    path = Path(f"/proc/self/fd/{os.memfd_create('case-a.prism')}")
    path.write_text(f"""ctmc const int N = {PROCESSES}; module caseA
        a : [0..N] init 0; b : [0..N] init 0; c : [0..N] init 0;
        <> a+b+c < N -> (N-a-b-c)/10 : (a'=a+1);  <> a > 0 & b < N -> 1 : (a'=a-1) & (b'=b+1);
        <> b > 0 & c < N -> 2 : (b'=b-1) & (c'=c+1);  <> c > 0 -> 4 : (c'=c-1);
        endmodule rewards "x" c > 0 : 4; endrewards""")

    def run() -> tuple[int, float]:
        program = stormpy.parse_prism_program(str(path))
        wanted = stormpy.parse_properties('R{"x"}=? [ LRA ]', context=program)
        model = stormpy.build_model(program, wanted)
        env = stormpy.environments.sound() if sound else stormpy.Environment()
        checked = stormpy.model_checking(model, wanted[0], environment=env)
        return model.nr_states, float(checked.get_value(model.initial_states[0]))

    seconds, (states, x) = median(run)
    return outcome(seconds, x, EXACT["A"], f"{states} states, build and solve")


def line_network(case: str, processes: int) -> Any:
    """Return case A, B or E as a model of LINE."""
    import line_solver as line

    model = line.Network(case)
    think = line.Delay(model, "think")
    servers = [line.Queue(model, f"server {i}", line.SchedStrategy.FCFS) for i in range(3)]
    kind = line.ClosedClass(model, "process", processes, think, 0)
    think.setService(kind, line.Exp(1.0 / THINK))
    for server, hold in zip(servers, HOLDS, strict=True):
        server.setService(kind, line.Exp(1.0 / hold))
    if case == "E":
        servers[0].setService(kind, line.Det(HOLDS[0]))
    if case == "B":
        servers[0].setLoadDependence([1.0 / (1.0 + 0.05 * k) for k in range(processes)])
    model.link(line.Network.serialRouting(think, *servers))
    return model


def line_solve(name: str, case: str, processes: int) -> dict[str, Any]:
    """Solve or simulate (LDES, the C++ program that comes with it) a case with LINE."""
    solver = getattr(importlib.import_module("line_solver"), f"Solver{name}")
    method = "default" if name in ("CTMC", "LDES") or name + case == "MVAE" else "exact"
    more = {"samples": 4_000_000, "seed": 1} if name == "LDES" else {}

    def run() -> float:
        return float(solver(line_network(case, processes), method=method, **more).avg_tput()[0, 0])

    seconds, x = median(run, 1 if name == "CTMC" else 3)
    if name == "LDES":
        return simulated(seconds, x, more["samples"] / 4, more["samples"])
    exact = f"E{processes}" if case == "E" else case
    return outcome(seconds, x, EXACT[exact], f"method {method}, X = {x:.10g}")


SIMULATE, MARKOV = "simulate case A, N = 64", "Markov case A, N = 64"
PEERS: dict[str, tuple[str, str, Callable[[], dict[str, Any]]]] = {  # package, work, run
    "cimba": ("cimba", SIMULATE, cimba_a),
    "line-ldes": ("line-solver", SIMULATE, partial(line_solve, "LDES", "A", PROCESSES)),
    "simpy": ("simpy", SIMULATE, simpy_a),
    "ciw": ("ciw", SIMULATE, ciw_a),
    "storm": ("stormpy", MARKOV, partial(storm_a, False)),
    "storm-sound": ("stormpy", MARKOV, partial(storm_a, True)),
}
for solver, cases in (("MVA", CASES), ("NC", CASES), ("CTMC", "A64 E8 E16")):
    for case in cases.split():
        work = f"{'Markov' if solver == 'CTMC' else 'analytic'} case {case[0]}, N = {case[1:]}"
        run = partial(line_solve, solver, case[0], int(case[1:]))
        PEERS[f"line-{solver}-{case}".lower()] = ("line-solver", work, run)


def peak_mib(pid: int | str = "self") -> float:
    """Return a process's peak memory; its `getrusage` would include its parent's before exec."""
    peak = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    return float(peak[1]) / 1024.0 if peak else 0.0


def measure_one(name: str, limit: float = 60.0) -> Row:
    """Run one measurement in a process of its own and return its row."""
    package, work, _ = PEERS[name]
    if importlib.util.find_spec(package.replace("-", "_")) is None:
        return Row(name, None, work, f"not installed (pip install {package})")
    version = importlib.metadata.version(package)
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, "--child", name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {f"{x}_NUM_THREADS": "1" for x in ("OMP", "OPENBLAS", "NUMBA")},
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        peak = peak_mib(child.pid)
        return Row(name, version, work, f"stopped after {limit:g} s", peak_mib=peak)
    finally:
        if child.poll() is None:  # over the limit or interrupted: end its whole session
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    lines = output.strip().splitlines() or ["no output"]
    marked = next((line for line in lines if line.startswith(MARK)), None)
    if child.returncode or marked is None:
        return Row(name, version, work, f"failed ({child.returncode}): {lines[-1]}")
    return Row(name, version, work, "ok", **json.loads(marked.removeprefix(MARK)))


def measure(only: list[str] | None = None, limit: float = 60.0) -> list[Row]:
    """Return the rows of all measurements, or of those whose name starts with one of `only`."""
    return [measure_one(name, limit) for name in PEERS if name.startswith(tuple(only or [""]))]


def main() -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="names that start so")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each (60)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(f"\n{MARK}{json.dumps(PEERS[options.child][2]() | {'peak_mib': peak_mib()})}")
        return 0
    rows = measure(options.only, options.limit)
    if not rows:
        parser.error(f"no such name; there are {', '.join(PEERS)}")
    if options.json:
        print(json.dumps({"schema": "lockmodel.peers/1", "rows": [*map(asdict, rows)]}, indent=1))
        return 0
    print(f"{'name':14} {'work':26} {'seconds':>7} {'error':>6} {'MiB':>5}  what was done")
    for row in rows:
        numbers = (row.seconds, ".3g", 7), (row.error, "+.0e", 6), (row.peak_mib, ".0f", 5)
        shown = " ".join(f"{'' if v is None else format(v, f):>{w}}" for v, f, w in numbers)
        print(f"{row.name:14} {row.work:26} {shown}  {row.done or row.status}"[:100])
    versions = {f"{PEERS[row.name][0]} {row.version}" for row in rows if row.version}
    print(f"\nrelative errors, peak memory; {', '.join(sorted(versions))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
