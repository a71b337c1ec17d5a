"""What is not well with a fit: the result overrules the optimiser, in capitals."""

from __future__ import annotations

import math

import numpy as np

from lockmodel.fitting import quantiles
from lockmodel.fitting.estimate import Estimate
from lockmodel.fitting.noise import used_up

NEAR = 4.0
"""Cost above the best up to which another minimum is a rival: two standard deviations."""

POOR = 0.10
"""Relative misfit of throughput from which a fit is called poor whatever its statistics say."""

UNLIKELY = 0.01
"""Tail probability from which a test of the residuals counts against the fit."""

FEWEST_LEFT = 0.5
"""Degrees of freedom from which chi squared is looked at."""

FEWEST_RUNS = 8
"""Points of a series from which the runs test is worth making."""


def flags(estimate: Estimate) -> tuple[str, ...]:
    """Return what is not well, most serious first; the first words are in capitals."""
    return (*_search(estimate), *_data(estimate), *_others(estimate))


def _search(estimate: Estimate) -> list[str]:
    made = []
    names = [u.name for u in estimate.study.unknowns]
    limits = estimate.minimum.at_limit
    if not estimate.minimum.converged:
        made.append(f"NOT CONVERGED after {estimate.minimum.steps} steps: do not use the estimates")
    held = [n for n, limit in zip(names, limits, strict=True) if limit]
    if held:
        made.append(f"AT A LIMIT: {', '.join(held)}: the model wants a value it must not have")
    loose = [
        n
        for n, fine, limit in zip(names, estimate.determined, limits, strict=True)
        if not fine and not limit
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
    if noisy.any():
        typical = math.sqrt(float(np.mean(difference[noisy] ** 2)))
        if typical > POOR:
            made.append(f"POOR FIT: throughput is off by {typical:.0%} (root mean square)")
        elif objective.stated.any():
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
    for where, data in enumerate(estimate.study.sets):
        own = [
            k
            for k, row in enumerate(estimate.rows)
            if row.where == where and row.observation.kind == "throughput"
        ]
        own.sort(key=lambda k: estimate.rows[k].observation.n or 0)
        signs = [bool(difference[k] > 0) for k in own]
        if len(own) >= FEWEST_RUNS:
            tail = quantiles.runs_tail(signs)
            if tail < UNLIKELY:
                made.append(
                    f"POOR FIT: the misfit of {data.label} has a pattern (runs test p = "
                    f"{tail:.1g}): the model has not its shape"
                )
    return made


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
