"""What is not well with a fit: the result overrules the optimiser, in capitals."""

from __future__ import annotations

import math

import numpy as np

from lockmodel.errors import ScenarioError
from lockmodel.fitting import quantiles
from lockmodel.fitting.estimate import Estimate
from lockmodel.fitting.misfit import Misfit
from lockmodel.fitting.noise import used_up
from lockmodel.fitting.priors import OTHERS
from lockmodel.fitting.sentences import number
from lockmodel.model.placement import transfer
from lockmodel.model.plausible import far_outside, implausible, likely, rate

NOT_CONVERGED = "NOT CONVERGED"

WRONG_UNIT = "WRONG UNIT?"

UNIT = 100.0
"""Factor between the data and the model's own values that is put down to a unit."""

NEAR = 4.0
"""Cost above the best up to which another minimum is a rival: two standard deviations."""

UNLIKELY = 0.01
"""Tail probability from which a test of the residuals counts against the fit."""

FEWEST_LEFT = 0.5
"""Degrees of freedom from which chi squared is looked at."""


def flags(estimate: Estimate) -> tuple[str, ...]:
    """Return what is not well, most serious first; the first words are in capitals."""
    searched = _search(estimate)
    first = [flag for flag in searched if flag.startswith(NOT_CONVERGED)]
    rest = [flag for flag in searched if flag not in first]
    data = (*_data(estimate), *_others(estimate), *_lines(estimate))
    return (*_units(estimate), *first, *data, *rest)


def refuse_units(estimate: Estimate) -> None:
    """Raise where the estimates, or the data, are so far off that only a wrong unit explains them.

    Raises
    ------
    ScenarioError
        With the likely unit.
    """
    for where, data in enumerate(estimate.study.sets):
        scenario = estimate.scenario(where)
        _rate(estimate, where)
        if far_outside(scenario) and not far_outside(data.scenario):
            said = implausible(scenario)[0].partition("; a wrong unit")[0]
            raise ScenarioError(f"{data.label}: the fit gives {said}; {_unit(estimate)}")


def _units(estimate: Estimate) -> list[str]:
    """Return the estimates that nobody has measured, the data being in another unit."""
    made = []
    for where, data in enumerate(estimate.study.sets):
        stated = implausible(data.scenario)
        said = [s for s in implausible(estimate.scenario(where)) if s not in stated]
        if said:
            short = said[0].partition("; a wrong unit")[0]
            made.append(f"{WRONG_UNIT} {data.label}: {short}; {_unit(estimate)}")
        elif text := _rate(estimate, where):
            made.append(f"{WRONG_UNIT} {text}")
    return made


def _rate(estimate: Estimate, where: int) -> str:
    """Return what `plausible.rate` says of the least contended throughput of a data set."""
    own = [row.observation for row in estimate.rows if row.where == where]
    rates = [o.value / (o.n or 1) for o in own if o.kind == "throughput" and o.unit == "1/s"]
    return rate(estimate.study.sets[where].label, max(rates)) if rates else ""


def _unit(estimate: Estimate) -> str:
    """Return in which unit the throughput probably is."""
    if not estimate.objective.noisy.any():
        return "check the units of the times measured"
    times = estimate.slower
    if 1.0 / UNIT < times < UNIT:
        return "check the units of the data and of the model's times"
    return f"throughput: {likely(times)}"


def _lines(estimate: Estimate) -> list[str]:
    """Return where a line has to cost what it does on no other machine."""
    known, made = OTHERS["line_overlap"], []
    for theta, unknown in zip(estimate.theta, estimate.study.unknowns, strict=True):
        factor = math.exp(theta)
        if unknown.key == "line_overlap" and not known.low <= factor <= known.high:
            machine = estimate.study.sets[unknown.members[0][0]].scenario.machine
            line = transfer(machine, machine.cpus) * 1e9
            made.append(
                f"LINE COST: {factor * line:.0f} ns waited per line with all CPUs in use; other "
                f"machines' rates say {known.low * line:.0f} to {known.high * line:.0f}: the "
                f"lines were counted on another kernel, or line_ns is not of this machine"
            )
    return made


def unusable(estimate: Estimate) -> str:
    """Return the flag for which no number of the fit may be used; empty when none is."""
    grossly = estimate.misfit is not None and estimate.misfit.gross
    fatal = (NOT_CONVERGED, "POOR FIT: throughput") if grossly else (NOT_CONVERGED,)
    return next((flag for flag in flags(estimate) if flag.startswith(fatal)), "")


def _search(estimate: Estimate) -> list[str]:
    made = []
    names = [u.name for u in estimate.study.unknowns]
    limits = estimate.minimum.at_limit
    if not estimate.minimum.converged:
        made.append(
            f"{NOT_CONVERGED} after {estimate.minimum.steps} steps: do not use the estimates"
        )
    held = [n for n, limit in zip(names, limits, strict=True) if limit]
    if held:
        made.append(f"AT A LIMIT: {', '.join(held)}: the model wants a value it must not have")
    loose = [
        n
        for n, basis, limit in zip(names, estimate.bases, limits, strict=True)
        if basis == "priors" and not limit
    ]
    if loose:
        made.append(f"NOT DETERMINED: {', '.join(loose)}: these data do not say")
    for one in estimate.given:
        made.append(
            f"GIVEN {one.fixed} = {one.value * 1e9:.3g} ns, as the model has it: "
            f"{names[one.index]} is what it is only if that is right; fit both"
        )
    near = [cost for cost in estimate.others if cost < estimate.minimum.cost + NEAR]
    if near:
        made.append(
            f"SECOND MINIMUM: another set of values fits almost as well (cost higher by "
            f"{min(near) - estimate.minimum.cost:.1f})"
        )
    return made


def _data(estimate: Estimate) -> list[str]:
    made = []
    objective = estimate.objective
    noisy = objective.noisy
    count = len(estimate.rows)
    spread = objective.spread(estimate.noise)
    difference = estimate.minimum.residuals[:count] * spread
    poor = estimate.misfit
    if poor is not None and poor.whole:
        made.append(_poor(estimate, poor))
    elif noisy.any():
        typical = math.sqrt(float(np.mean(difference[noisy] ** 2)))
        if objective.stated.any():
            chosen = objective.stated
            squares = float(np.sum((difference[chosen] / objective.sd[chosen]) ** 2))
            left = float(chosen.sum()) - used_up(objective, estimate.minimum, chosen)
            tail = quantiles.chi_squared_tail(squares, left)
            if left > FEWEST_LEFT and tail < UNLIKELY:
                made.append(
                    f"POOR FIT: chi squared {squares:.0f} for {left:.0f} degrees of freedom "
                    f"(p = {tail:.1g}): the stated spread does not explain the misfit of "
                    f"{typical:.1%}; intervals allow for it"
                )
        if poor is not None:
            made.append(_poor(estimate, poor))
    for where, found in estimate.patterns.items():
        made.append(found.sentence(estimate.study.sets[where].label))
    return made


def _poor(estimate: Estimate, poor: Misfit) -> str:
    """Return what makes the fit poor, and the estimates without that point."""
    row = estimate.rows[poor.point]
    gain = "the gain of " if row.observation.kind == "gain" else ""
    where = f"{gain}{estimate.study.sets[row.where].label} at n = {row.observation.n}"
    if poor.rest is None:
        return poor.sentence(where)
    pairs = zip(estimate.study.unknowns, estimate.without(poor.point), strict=True)
    values = ", ".join(f"{u.name} {number(math.exp(theta), u.unit)}" for u, theta in pairs)
    return poor.sentence(where, values)


def _others(estimate: Estimate) -> list[str]:
    """Return the kinds of observation beside throughput that the model does not meet."""
    made = []
    count = len(estimate.rows)
    squares = estimate.minimum.residuals[:count] ** 2
    kinds = dict.fromkeys(r.observation.kind for r in estimate.rows if not r.noisy)
    for kind in kinds:
        chosen = np.array([r.observation.kind == kind for r in estimate.rows])
        left = float(chosen.sum()) - used_up(estimate.objective, estimate.minimum, chosen)
        total = float(squares[chosen].sum())
        tail = quantiles.chi_squared_tail(total, left)
        if left > FEWEST_LEFT and tail < UNLIKELY:
            worst = max(np.flatnonzero(chosen), key=lambda k: squares[k])
            o = estimate.rows[worst].observation
            off = float(estimate.predicted[worst]) / math.exp(estimate.rows[worst].log_value) - 1.0
            name = " ".join(filter(None, (kind.replace("_", " "), o.lock, o.site)))
            made.append(
                f"POOR FIT: chi squared {total:.0f} for {left:.0f} degrees of freedom "
                f"(p = {tail:.1g}) of {kind.replace('_', ' ')}; farthest off: {name}, {off:+.0%}. "
                f"The intervals do not allow for it"
            )
    return made
