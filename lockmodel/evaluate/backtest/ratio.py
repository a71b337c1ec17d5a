"""The one unknown that decides between the levers: hand-off against held work.

Two kernels on one machine that differ in acquires tell it; a curve never does. The prior is flat in
the logarithm over what published hand-offs and times per instruction allow. Each robot pair weights
the draws by how well it is met; machines differ from each other by a log-normal factor with the
spread that published line transfer times have from machine to machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lockmodel.changes.kinds import lever
from lockmodel.changes.lever import ALL, Lever, apply_all
from lockmodel.evaluate.backtest.evidence import Context, Evidence
from lockmodel.evaluate.backtest.templates import REMOTE, template, timed, waiting
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.throughput import throughput

PRIOR = (25.0, 2000.0)
"""Held instructions per hand-off: 100 to 1,500 ns (osq_lock and semaphore, latency.csv) over 0.75
to 4 ns per instruction (0.35 local to a remote line every 30 instructions; assumed)."""

EXIT, EXEC = "exit.teardown", "exec.teardown"
BATCHED = (lever("batch", ALL, 1.0, EXIT), lever("batch", ALL, 1.0, EXEC))
UNBATCHED = (lever("acquires", ALL, 5.0, EXIT), lever("acquires", ALL, 5.0, EXEC))
"""Kernel before 3577dbb19241: five acquires in a row for a file's five mappings (traced on 6.1,
and the author's histogram of May 2024)."""

ACQUIRES_BEFORE, UNLINKS_BEFORE = 29, 14
"""Acquires of libc.so.6 per iteration, and how many are unlinks (data/traced, 6.1, fork loop)."""

COARSE = np.geomspace(10.0, 6000.0, 14), np.geomspace(3e-5, 3e-2, 30)
"""Grid on which surfaces are solved: held instructions, and s with REMOTE as unit of time."""

FINER = 6
"""Points between those, by monotone cubics along either axis. Gains are then within 0.003 of the
solver's where waits are a tenth and more (tests)."""

RATIOS, THINKS = (
    np.exp(
        np.interp(
            np.arange((axis.size - 1) * FINER + 1) / FINER, np.arange(axis.size), np.log(axis)
        )
    )
    for axis in COARSE
)

TINY = 1e-300
POSSIBLE = 1.0 + 1e-9
"""Factor on the shortest think time from which a rate counts as one that can be reached."""

CLOCKS = {"lkp_icl_64": 3.10e9, "lkp_cpl_224": 2.90e9}
"""Hz, from the machines' names: instructions x CPI / clock is CPU time."""


@dataclass(frozen=True)
class Surface:
    """A scenario over ratio and think time, before and after a change.

    Attributes
    ----------
    rates, waits, gains : ndarray, shape (ratios, thinks)
        Throughput before (1/s), share of time spent waiting before, gain.
    """

    rates: np.ndarray
    waits: np.ndarray
    gains: np.ndarray

    def at_rate(self, ratio: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (gain, think time) where throughput before is so high; NaN if it never is.

        Above the ceiling there is no think time that gives the rate.
        """
        gain = self._one(self.rates, self.gains, ratio, rate)
        logs = np.broadcast_to(np.log(THINKS), self.rates.shape)
        think = np.exp(self._one(self.rates, logs, ratio, rate))
        possible = think > THINKS[0] * POSSIBLE
        return np.where(possible, gain, np.nan), np.where(possible, think, np.nan)

    def at_wait(self, ratio: np.ndarray, wait: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (gain, throughput before) where so much time is spent waiting."""
        rates = np.exp(self._one(self.waits, np.log(self.rates), ratio, wait))
        return self._one(self.waits, self.gains, ratio, wait), rates

    def _one(
        self, given: np.ndarray, wanted: np.ndarray, ratio: np.ndarray, value: np.ndarray
    ) -> np.ndarray:
        """Return `wanted` where `given` has a value; `given` falls along a row.

        Linear along either row beside the ratio, then between the two in its logarithm: at one
        value both rows have about the same load, at one think time they do not.
        """
        lower = np.clip(np.searchsorted(RATIOS, ratio) - 1, 0, RATIOS.size - 2)
        low, high = np.log(RATIOS[lower]), np.log(RATIOS[lower + 1])
        part = (np.log(ratio) - low) / (high - low)
        rows = [_along(given[i], wanted[i], value) for i in (lower, lower + 1)]
        made: np.ndarray = (1.0 - part) * rows[0] + part * rows[1]
        return made


def _along(xs: np.ndarray, ys: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return ys where falling xs have a value, row by row; the ends beyond, NaN never."""
    right = np.clip((xs > value[:, None]).sum(axis=1), 1, xs.shape[1] - 1)
    every = np.arange(value.size)
    x0, x1 = xs[every, right - 1], xs[every, right]
    fall = np.maximum(x0 - x1, TINY)  # saturated: a plateau has no fall, its first value counts
    share = np.clip((x0 - value) / fall, 0.0, 1.0)
    made: np.ndarray = (1.0 - share) * ys[every, right - 1] + share * ys[every, right]
    return made


@lru_cache(maxsize=16)
def surface(scenario: Scenario, n: int, levers: tuple[Lever, ...]) -> Surface:
    """Return the surface of a blanked scenario at one population."""
    shape = (COARSE[0].size, COARSE[1].size)
    rates, waits, gains = np.empty(shape), np.empty(shape), np.empty(shape)
    for i, ratio in enumerate(COARSE[0]):
        for j, think in enumerate(COARSE[1]):
            now = timed(scenario, float(ratio), float(think))
            rates[i, j] = throughput(now, [n])[0]
            waits[i, j] = waiting(now, n, rates[i, j])
            gains[i, j] = throughput(apply_all(now, levers), [n])[0] / rates[i, j] - 1.0
    return Surface(np.exp(_refined(np.log(rates))), _refined(waits), _refined(gains))


def _refined(values: np.ndarray) -> np.ndarray:
    """Return values of the coarse grid on the fine one."""
    from scipy.interpolate import PchipInterpolator

    for axis, (coarse, fine) in enumerate(zip(COARSE, (RATIOS, THINKS), strict=True)):
        values = PchipInterpolator(np.log(coarse), values, axis=axis)(np.log(fine))
    return values


def machine_spread(evidence: Evidence) -> float:
    """Return the sd of the logarithm of line transfer times between sockets over machines.

    From the core-to-core matrices of two-socket machines in latency.csv.
    """
    times = [
        float(row["value_ns"])
        for row in evidence.rows("latency.csv")
        if row["machine"].startswith("2x")
        and row["operation"].startswith("cas_pingpong")
        and row["distance"] == "other_node"
    ]
    return float(np.std(np.log(times), ddof=1))


def near_costs(evidence: Evidence) -> tuple[float, float]:
    """Return the smallest and largest cost of a line from the same node against another node.

    Over the two-socket EPYCs of latency.csv: inside and across the groups of cores of a socket.
    """
    own: dict[str, dict[str, list[float]]] = {}
    for row in evidence.rows("latency.csv"):
        fits = row["machine"].startswith("2x") and "EPYC" in row["machine"] and row["value_ns"]
        if fits and row["operation"].startswith("cas_pingpong"):
            distances = own.setdefault(row["machine"], {})
            distances.setdefault(row["distance"], []).append(float(row["value_ns"]))
    costs = [
        near / min(costs_by_distance["other_node"])
        for costs_by_distance in own.values()
        if "other_node" in costs_by_distance
        for near in costs_by_distance.get("same_node", [])
    ]
    return min(costs), max(costs)


def carried(context: Context, machine: str) -> np.ndarray:
    """Return the ratio on one machine: the common one times that machine's own factor."""
    common = context.draws.log_uniform("handoff in held instructions", *PRIOR)
    spread = machine_spread(context.evidence)
    ratio: np.ndarray = common * context.draws.factor(f"machine: {machine}", spread)
    return ratio


FOUR_SOCKETS = Machine(
    name="4 x Xeon Platinum 8380H", cpus=224, cores=112, sockets=4, nodes=4, same_node_cost=0.4
)
"""As the two-socket models; same_node_cost only sets how distances mix, at one population."""


def robot(name: str) -> tuple[Scenario, int]:
    """Return the blanked scenario of a robot's machine before batching, and its population."""
    model, machine, n = {
        "lkp_spr_224": ("sysexec-spr224-v6.12", None, 224),
        "lkp_icl_64": ("sysexec-icl64-v6.12", None, 64),
        "lkp_cpl_224": ("sysexec-spr224-v6.12", FOUR_SOCKETS, 224),
    }[name]
    return template(model, machine, UNBATCHED), n


ROBOTS = ("lkp_spr_224", "lkp_icl_64", "lkp_cpl_224")


def wait_readings(evidence: Evidence, name: str) -> tuple[float, float]:
    """Return the share of time spent waiting before the change, by two readings of a profile.

    The first takes the share of CPU cycles as it is (nobody ever sleeps), the second counts all
    time off the CPU as waiting for the lock.
    """
    facts = evidence.facts(name)
    shares, extra = facts["contention"], facts["extra"]
    if "osq_lock_self_pct" in shares:
        cycles = shares["osq_lock_self_pct"] / 100.0
    elif "call_site_share_pct_of_cycles_before" in shares:
        cycles = sum(shares["call_site_share_pct_of_cycles_before"].values()) / 100.0
    else:  # every acquire waits equally long: the unlinks tell the others
        unlinks = sum(shares["unlink_file_vma_before"].values()) / 100.0
        cycles = unlinks * ACQUIRES_BEFORE / UNLINKS_BEFORE
    if name in CLOCKS:
        cpu = extra["path_length_instr_per_iter"] * extra["cpi"] / CLOCKS[name]
    else:
        cpu = (extra["system_time_s"] + extra["user_time_s"]) / extra["workload_iters"]
    iteration = facts["N"] / facts["before"]
    return cycles, max(cycles, 1.0 - cpu * (1.0 - cycles) / iteration)


def robot_gains(context: Context, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain of batching on a robot's machine for every draw, and its time per
    remote instruction in s, from throughput and profile before the change.
    """
    scenario, n = robot(name)
    low, high = wait_readings(context.evidence, name)
    wait = context.draws.uniform(f"reading of the profile: {name}", low, high)
    gains, rates = surface(scenario, n, BATCHED).at_wait(carried(context, name), wait)
    return gains, REMOTE * rates / context.evidence.facts(name)["before"]


def weights(context: Context, names: Sequence[str]) -> np.ndarray:
    """Return how likely every draw is after the results of some robot pairs, shape (draws,).

    Normal on the logarithm of after over before, with the noise of the two runs.
    """
    made = np.ones(context.draws.count)
    for name in names:
        result = context.evidence.result(name)
        gains, _ = robot_gains(context, name)
        off = (np.log1p(gains) - math.log1p(result.low)) / result.noise
        made = made * np.exp(-0.5 * off**2)
    return made


def remote_time(context: Context, machine: str) -> np.ndarray:
    """Return the time per remote instruction of a machine in s: that of the robots, spread."""
    every = [np.log(robot_gains(context, name)[1]) for name in ROBOTS]
    spread = machine_spread(context.evidence)
    made: np.ndarray = np.exp(np.mean(every, axis=0)) * context.draws.factor(
        f"time per instruction: {machine}", spread
    )
    return made
