"""Scenarios of the exec path from counts alone, and draws of what counts leave open.

Acquires, lines, instructions and the stations after the files' locks are counted; times of lines
are the machine's or its kind's (`measure.acquires.from_counts`). The fit of such a scenario is its
prior: overlap of misses from the *other* machines' rates, time per instruction, lines of a hand-off
and of each lock, what nobody counted. Where no lines of a machine were published, those of its kind
are drawn on top of it, one published machine at a time.

Shares of waiting before a change are not used: they fix think time, on which the gain of a
saturated lock hardly depends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from msgspec.structs import replace

from lockmodel.changes.lever import Lever, apply_all
from lockmodel.errors import ScenarioError
from lockmodel.evaluate.backtest.evidence import Context
from lockmodel.fitting.draws import drawn
from lockmodel.measure.acquires.from_counts import from_counts, uncounted
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.network import CPU, build
from lockmodel.model.published import published_machines
from lockmodel.model.scenario import Scenario
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.throughput import throughput

LIBC, LOADER, EXECUTABLE = "libc.so.6", "ld-linux-x86-64.so.2", "executable"
FILES = (LIBC, LOADER, EXECUTABLE, "ld.so.cache")
"""Locks of mapped files: what a patch to the reverse map changes."""

MODEL_ERROR = 0.05
"""Standard deviation of ln throughput between product form and the truth near saturation."""

NEGLIGIBLE = 1e-3
"""Weight, as a share of the largest, below which a draw is not solved after the change."""

PARAMETERS = (
    "counts; 5.8 lines per hand-off, one after the other, give or take a factor 1.8; overlap of "
    "misses from "
)
"""What every case rests on, in words; which machines, follows."""

Change = Callable[[Scenario], Scenario]


def as_it_is(scenario: Scenario) -> Scenario:
    """Return the scenario."""
    return scenario


def by(levers: Sequence[Lever]) -> Change:
    """Return the change that some levers make."""
    return partial(apply_all, chosen=levers)


@dataclass(frozen=True)
class Setting:
    """A scenario before a change, the change, and how many run.

    Attributes
    ----------
    counted : Scenario
        From counts, with its prior as fit.
    population : int
    change : callable
    before : callable
        From what was counted to the state before the change.
    kinds : tuple of Machine
        Machines that it may be, alike in name and CPUs; empty for the scenario's own.
    every : int
        One draw of so many is solved.
    """

    counted: Scenario
    population: int
    change: Change
    before: Change = as_it_is
    kinds: tuple[Machine, ...] = ()
    every: int = 1

    def levered(self, scenario: Scenario) -> tuple[Scenario, Scenario]:
        """Return (before, after) of a draw, or of the scenario itself."""
        was = self.before(scenario)
        return was, self.change(was)

    @property
    def plain(self) -> tuple[Scenario, Scenario]:
        """Before and after with every number as it was counted."""
        return self.levered(replace(self.counted, fit=None))


@lru_cache(maxsize=32)
def counted(name: str, machine: Machine | None = None, before: Sequence[Lever] = ()) -> Scenario:
    """Return a shipped model from counts, on another machine if one is given.

    Parameters
    ----------
    name : str
        Its acquires, sites and locks are taken, and no time.
    machine : Machine, optional
    before : tuple of Lever
        To the state whose lines were counted; teardowns taken one by one choose the older kernel.
    """
    scenario = replace(uncounted(find_scenario(name)), calibrated=None)
    if machine is not None:
        scenario = replace(scenario, machine=machine)
    return from_counts(apply_all(scenario, before))


def drawn_from(context: Context, setting: Setting) -> tuple[Scenario, ...]:
    """Return scenarios as counted, before any lever, one for each draw that is solved."""
    draws = context.draws
    made = drawn(setting.counted, draws.count).scenarios
    if setting.kinds:
        which = (draws.shares("kind of machine") * len(setting.kinds)).astype(int)
        made = tuple(
            replace(each, machine=replace(setting.kinds[k], line_overlap=each.machine.line_overlap))
            for each, k in zip(made, which, strict=True)
        )
    return made[:: setting.every]


def rate(scenario: Scenario, n: int) -> float:
    """Return iterations per second."""
    return float(throughput(scenario, [n])[0])


def likely(rates: np.ndarray, facts: dict[str, object], noise: float) -> np.ndarray:
    """Return how well throughputs of draws meet the one that was published before the change.

    Normal in the logarithm, with the noise of one run and the error of the model; 1 for every draw
    where no throughput is in the record.
    """
    published = facts.get("before")
    if not published:
        return np.ones(rates.size)
    off = np.log(rates / float(published)) / math.hypot(noise, MODEL_ERROR)  # type: ignore[arg-type]
    weights: np.ndarray = np.exp(-0.5 * (off**2 - np.min(off**2)))
    return weights


def solved(
    context: Context, setting: Setting, name: str, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain of a change for every draw, and the draws' weights.

    Parameters
    ----------
    context : Context
    setting : Setting
    name : str
        Record whose facts before the change weight the draws.
    noise : float
        Relative standard deviation of one throughput.

    Returns
    -------
    (ndarray, ndarray), shapes (draws,)
        Draws of negligible weight have gain 0 and weight 0.
    """
    n = setting.population
    pairs = [setting.levered(each) for each in drawn_from(context, setting)]
    before = np.array([rate(was, n) for was, _ in pairs])
    weights = likely(before, context.evidence.facts(name), noise)
    weights = np.where(weights < NEGLIGIBLE * weights.max(), 0.0, weights)
    gains = np.zeros(before.size)
    for i in np.nonzero(weights)[0]:
        gains[i] = rate(pairs[i][1], n) / before[i] - 1.0
    return gains, weights


def kinds_of(machine: Machine, kind: str, caches: Sequence[int]) -> tuple[Machine, ...]:
    """Return what a machine may be: line times of each published machine of a kind.

    Parameters
    ----------
    machine : Machine
    kind : str
        Beginning of the kinds that are like it, e.g. "zen"; machines that tell all distances apart.
    caches : sequence of int
        Last-level caches it may have.
    """
    every = [
        replace(machine, caches=count, line=LineTimes(**{d: found.times[d].median for d in needed}))
        for count in caches
        for needed in [replace(machine, caches=count).told_apart]
        for found in published_machines()
        if found.kind.startswith(kind) and found.told_apart and set(needed) <= set(found.times)
    ]
    if not every:
        raise ScenarioError(f"core_to_core_ns.csv has no machine of kind {kind!r} with all lines")
    return tuple(every)


def demand(scenario: Scenario, n: int) -> float:
    """Return the largest time per iteration that one copy of a lock is busy, s."""
    stations = build(scenario, n).stations
    return max((s.contended for s in stations if s.name != CPU), default=0.0)
