"""Make reference throughputs by plain convolution in 80-digit arithmetic.

Usage: python tests/reference/product_form.py > tests/reference/product_form.json

Shares no code with lockmodel: G is the table of normalising constants, stations are given by
their service times s(1), s(2), ... (the last holds beyond), and X(n) = G(n-1) / G(n).
"""

from __future__ import annotations

import json
import sys

from mpmath import mp, mpf

mp.dps = 80

A = [["delay", "10"], ["single", "1"], ["single", "0.5"], ["single", "0.25"]]
B = [["delay", "10"], ["linear", "1", "0.05"], ["single", "0.5"], ["single", "0.25"]]
CASES = {
    "case A": (A, [1, 8, 16, 32, 128, 512]),
    "case B": (B, [1, 8, 13, 32, 64, 256]),
    "demands from 1e-6 to 1": (
        [["delay", "1e-6"], ["single", "1"], ["single", "1e-3"], ["single", "1e-6"]],
        [1, 2, 7, 64, 300],
    ),
    "a lock a million times the think time": (
        [["delay", "1e-3"], ["single", "1e3"], ["linear", "1e-3", "1e-4"]],
        [1, 3, 50, 200],
    ),
    "cores and SMT": (
        [["cpu", "1.7", "8", "16", "1.25"], ["handoff", "0.1", "0.06"], ["single", "0.02"]],
        [1, 8, 12, 16, 40, 200],
    ),
    "hand-off ten times the hold": (
        [["delay", "30"], ["handoff", "0.1", "1"], ["handoff", "0.2", "0.3"]],
        [1, 5, 20, 40, 100, 250],
    ),
    "saturating": (
        [["delay", "20"], ["saturating", "0.3", "0.1", "2", "16"], ["single", "0.4"]],
        [1, 10, 30, 60, 200],
    ),
    "two modes: nobody at a collapsing lock, or nearly everybody": (
        [["single", "1"], ["linear", "1e-6", "0.0009"]],
        [1000, 2632, 3059, 4096],
    ),
    "nothing but locks": ([["single", "1"], ["linear", "0.2", "0.01"]], [1, 2, 30, 150]),
}


def service(station: list[str], n: int) -> mpf:
    """Return the service time with n processes present."""
    kind, values = station[0], [mpf(v) for v in station[1:]]
    if kind == "delay":
        return values[0] / n
    if kind == "single":
        return values[0]
    if kind == "linear":
        return values[0] + values[1] * (n - 1)
    if kind == "handoff":
        return values[0] + (values[1] if n > 1 else 0)
    if kind == "saturating":
        hold, first, limit, half = values
        further = mpf(n - 2)
        grown = (limit - first) * further / (further + half) if n > 2 else mpf(0)
        return hold + (first + grown if n > 1 else 0)
    think, cores, cpus, speedup = values
    siblings = max(mpf(0), min(mpf(n), cpus) - cores)
    return think / (min(mpf(n), cores) + cores * (speedup - 1) * siblings / (cpus - cores))


def constants(stations: list[list[str]], population: int) -> list[mpf]:
    """Return G(0..population)."""
    total = [mpf(1)] + [mpf(0)] * population
    for station in stations:
        factor = [mpf(1)]
        for n in range(1, population + 1):
            factor.append(factor[-1] * service(station, n))
        total = [
            sum((factor[j] * total[n - j] for j in range(n + 1)), mpf(0))
            for n in range(population + 1)
        ]
    return total


def main() -> None:
    """Print all cases as JSON."""
    cases = []
    for name, (stations, populations) in CASES.items():
        g = constants(stations, max(populations))
        rest = constants(stations[1:], max(populations))
        first = [mpf(1)]
        for n in range(1, max(populations) + 1):
            first.append(first[-1] * service(stations[0], n))
        points = []
        for n in populations:
            queue = sum((j * first[j] * rest[n - j] for j in range(n + 1)), mpf(0)) / g[n]
            points.append([n, mp.nstr(g[n - 1] / g[n], 25), mp.nstr(queue, 25)])
        cases.append({"name": name, "stations": stations, "n_throughput_queue_first": points})
    json.dump({"digits": mp.dps, "cases": cases}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
