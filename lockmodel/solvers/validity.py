"""Where a model or a method is weak for a question: said with every answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lockmodel.model.disciplines import discipline
from lockmodel.model.distribution import Exponential
from lockmodel.model.handoff import TopologyHandOff
from lockmodel.model.machine import UNSTATED
from lockmodel.model.plausible import implausible
from lockmodel.model.prediction import Point
from lockmodel.model.scenario import LINES, Lock, Scenario, Site
from lockmodel.units import si

NOTICEABLE = 1e-3
"""Relative excess over k/D of a point, or of a whole interval, that is worth a note."""

Z95 = 1.645
"""Standard deviations that one measurement of 20 lies above its mean."""

BEYOND = 1.5
"""Rates above this multiple of the largest one measured are called extrapolated."""


def caveats(scenario: Scenario, points: Sequence[Point], bounded: bool = False) -> tuple[str, ...]:
    """Return what a reader of some points must know that is not the method's fault.

    Parameters
    ----------
    scenario : Scenario
    points : sequence of Point
    bounded : bool
        Whether the points are upper bounds, which k/D need not bound.

    Returns
    -------
    tuple of str
    """
    notes = []
    over = [p.n for p in points if p.lower_per_s > p.ceiling_per_s * (1 + NOTICEABLE)]
    if over and not bounded:
        notes.append(
            f"throughput exceeds k/D at n = {_span(over)}: k/D counts a hand-off in every pass and "
            f"mean distances; passes without a waiter, or between neighbours, are shorter"
        )
    known = scenario.calibrated
    best = max(p.throughput_per_s for p in points)
    notes += outside(scenario, [p.n for p in points])
    if known is not None and known.throughput_per_s and best > BEYOND * known.throughput_per_s:
        notes.append(
            f"rates far above the {known.throughput_per_s:,.0f} per s measured on this machine are "
            f"extrapolated: only the scenario's locks are modelled, others may bind first"
        )
    return tuple(notes)


def moved(scenario: Scenario) -> list[str]:
    """Return the sentence on times that belong to another machine than the one asked about."""
    machine = scenario.machine
    if not machine.times_of:
        return []
    return [
        f"times and hand-off costs stay those of {machine.times_of}; {machine.name} only "
        f"sets the CPUs and where they are"
    ]


def _unstated(scenario: Scenario) -> list[str]:
    """Return the sentence on a machine whose CPUs nobody stated."""
    machine = scenario.machine
    if not machine.name.startswith(UNSTATED):
        return []
    return [
        f"cpus = {machine.cpus} is the largest population measured, the machine was not stated: "
        f"processes beyond its CPUs wait for one, not for a lock; fit again with --cpus N"
    ]


def outside(scenario: Scenario, populations: Sequence[int]) -> list[str]:
    """Return what changes an answer: numbers that nobody has, a machine or populations beyond.

    Beyond are those that the times were not set on.
    """
    notes = [*implausible(scenario), *moved(scenario), *_unstated(scenario)]
    known = scenario.calibrated
    beyond = [n for n in populations if known and not known.low <= n <= known.high]
    if known is None or not beyond:
        return notes
    return [
        *notes,
        f"calibrated for n = {_span([known.low, known.high])} only; n = {_span(beyond)} is "
        f"extrapolated",
    ]


def contradiction(scenario: Scenario, peak_per_s: float) -> list[str]:
    """Return the sentence on a measured rate above the peak ceiling, where there is one.

    Above by more than the noise of a fit. With walkers, which may have been added, nothing was
    measured.
    """
    known, fit = scenario.calibrated, scenario.fit
    walked = any(lock.walkers is not None for lock in scenario.locks)
    noise = 0.0 if fit is None else Z95 * math.hypot(fit.noise, fit.model_error)
    most = peak_per_s * (1 + NOTICEABLE) * math.exp(noise)
    if known is None or walked or known.throughput_per_s <= most:
        return []
    return [
        f"{known.throughput_per_s:,.0f} per s were measured here, above the peak ceiling "
        f"of {peak_per_s:,.0f} per s: the data contradict the model"
    ]


def _span(populations: Sequence[int]) -> str:
    low, high = min(populations), max(populations)
    return str(low) if low == high else f"{low} to {high}"


def approximations(scenario: Scenario, population: int) -> tuple[str, ...]:
    """Return where product form is not the exact solution of the scenario as stated.

    Parameters
    ----------
    scenario : Scenario
    population : int
        Largest population asked.

    Returns
    -------
    tuple of str
        One sentence each; empty when product form is exact, as it is for one process, which
        never waits, whatever its times.
    """
    if population == 1 and all(lock.walkers is None for lock in scenario.locks):
        return ()
    gaps = []
    if population > scenario.machine.cpus:
        gaps.append(
            f"{population} processes exceed the {scenario.machine.cpus} CPUs: spinning waiters "
            f"would take CPUs from the others and holders would be preempted; not modelled"
        )
    differing, stated, passing, ordered, varying, shared = [], [], [], [], [], []
    for lock in scenario.locks:
        taken = [s for s in scenario.sites_of(lock.name) if s.acquires > 0]
        holds = [s.held_instructions for s in taken]
        if not holds:
            continue
        growths = {(s.growth_per_doubling, *(getattr(s, key) for key in LINES)) for s in taken}
        if max(holds) > min(holds) or len(growths) > 1:
            differing.append(f"{lock.name} ({min(holds):,.0f} to {max(holds):,.0f})")
        stated.append(_stated(lock, taken))
        if lock.passes:
            passing.append(lock.name)
        if not isinstance(lock.hold_distribution, Exponential):
            varying.append(f"{lock.name} (SCV {lock.hold_distribution.scv:.2g})")
        if any(s.mode == "read" and s.acquires > 0 for s in scenario.sites_of(lock.name)):
            shared.append(lock.name)
        if not discipline(lock.kind).in_order:
            ordered.append(f"{lock.name} ({lock.kind})")
    if differing:
        gaps.append(
            "holds differ by site, product form gives every acquire of a lock their mean; "
            "instructions: " + ", ".join(differing)
        )
    if any(stated):
        gaps.append(
            "holds differ by site, product form gives every acquire of a lock their mean: "
            + ", ".join(filter(None, stated))
        )
    if varying:
        gaps.append(
            "holds vary less or more than exponential ones (squared coefficient of variation 1): "
            + ", ".join(varying)
        )
    if shared:
        gaps.append(
            "readers share, product form serves them one at a time, so it is far too low where "
            "many read: " + ", ".join(shared)
        )
    if passing:
        gaps.append(
            "hand-off is a lower rate while somebody waits, not a phase of each pass: "
            + ", ".join(passing)
        )
    gaps += averaged(scenario, population) + _returning(scenario)
    if ordered:
        gaps.append("the order of waiters is not modelled, only its mean: " + ", ".join(ordered))
    for lock in scenario.locks:
        if lock.walkers is None:
            continue
        gaps.append(
            f"{lock.name}: walkers ({lock.walkers.walks_per_s:g} per s) "
            + (
                "keep each shard while they wait for those after it: vacations of mean length"
                if discipline(lock.kind).readers
                else "slow the lock by the share of time they read and take shards; their waiting "
                "for holders while they keep the shards already taken is left out, so shards "
                "cost more than shown"
            )
        )
    return tuple(gaps)


def _returning(scenario: Scenario) -> list[str]:
    """Return the sentence on locks that a process may have had last itself."""
    names = [lock.name for lock in scenario.taken if lock.lines_when == "changed"]
    if not names:
        return []
    return [
        "whether another process had an idle lock since is taken as at light load, with gaps that "
        "vary exponentially: " + ", ".join(names)
    ]


def _stated(lock: Lock, taken: Sequence[Site]) -> str:
    """Return the holds that the sites of a lock state, where these differ."""
    if len({(site.hold, site.hold_remote) for site in taken}) == 1:
        return ""
    holds = [site.hold for site in taken if site.hold is not None]
    rest = "" if len(holds) == len(taken) else ", others by instructions"
    return f"{lock.name} ({si(min(holds), 's')} to {si(max(holds), 's')}{rest})"


def averaged(scenario: Scenario, population: int) -> list[str]:
    """Return the sentence on times that are means over distances; empty when there are none."""
    if population == 1 or scenario.machine.cpus == 1:
        return []
    names = [
        lock.name
        for lock in scenario.taken
        if lock.lines_when == "always"
        if lock.time_per_instruction_remote > lock.time_per_instruction_local
        or any(site.differs for site in scenario.sites_of(lock.name))
        or isinstance(lock.handoff, TopologyHandOff)
    ]
    names += ["think time"] if scenario.think_remote > 0 else []
    if not names:
        return []
    return [
        "times are means over local and remote, as if who held the lock last were independent "
        "of who comes next: " + ", ".join(names)
    ]
