"""Why shares of waiting are proportional to acquires, and how far off they may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import sympy as sp

from lockmodel.model.scenario import Scenario
from lockmodel.solvers.solve import points
from lockmodel.statements import STATEMENTS
from lockmodel.statements.repairman import weight
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import Terms, terms

N, n, Z, D, W, m, m_j, h_j, h_mean = symbols("N n Z D W m m_j h_j h_mean")

MIXED = 0.5
"""Think time in rounds of the queue from which processes in a fixed order stay mixed: simulated
(tests/test_theory_shares.py). Below 0.2 they fall in step."""


def arrivals_see() -> sp.Expr:
    """Return the ratio of what an arrival finds to the state with one process less.

    Arrivals that find n come at rate (N - n) / Z times the weight of n; the same for every n
    relative to the weight with N - 1 processes, so they see just that distribution.
    """
    seen = weight(lambda i: D, n) * (N - n) / Z
    fewer = weight(lambda i: D, n).subs(N, N - 1)
    ratio = sp.gammasimp(seen / fewer)
    return derived(ratio, N / Z, "arrivals see the state of N - 1")


def shares() -> dict[str, sp.Expr]:
    """Return a site's share of the waiting, of the time at the lock, and the errors of it."""
    arrivals_see()
    other = sp.Symbol("other", positive=True)  # acquires of all other sites
    waiting = sp.simplify(m_j * W / (m_j * W + other * W))
    share = derived(waiting.subs(other, m - m_j), m_j / m, "share of the waiting")
    whole = m_j * (W + h_j) / (m * (W + h_mean))
    off = derived(whole / share - 1, (h_j - h_mean) / (W + h_mean), "error if holds are counted")
    rounds = Z / (n * D / m)  # a round is a pass of everybody at the lock
    return {"share": share, "whole": whole, "off": off, "rounds": rounds}


def light_shares(holds: Sequence[float]) -> np.ndarray:
    """Return each acquire's share of the waiting if meetings are rare and the order is fixed.

    Two processes meet when one comes while the other is at acquire i, which is in proportion to
    h_i. The one that comes waits the rest of it, on average h_i. From then on they take turns: the
    other waits for acquire 0 before its acquire i + 1, the one for i + 1 before its 1, and so on
    to the end of the other's iteration. So acquire j waits

        sum over i of h_i h_{i+j}  +  sum over i < j of h_i h_{j-1-i},

    which is the same for all j if the holds are.

    Parameters
    ----------
    holds : sequence of float
        Mean time of each acquire of an iteration in order, in s; exponential.

    Returns
    -------
    ndarray
        Shares, in order; they add up to 1.
    """
    h = np.asarray(holds, dtype=float)
    later = np.correlate(h, h, "full")[h.size - 1 :]
    earlier = np.append(0.0, np.convolve(h, h)[: h.size - 1])
    parts: np.ndarray = (later + earlier) / (later + earlier).sum()
    return parts


def _holds(scenario: Scenario, t: Terms) -> dict[str, tuple[float, float]]:
    """Return acquires and hold time of a pass, acquire time included, of every site."""
    mappers = max(1.0, float(t.population + t.lock.other_mappers))
    return {
        site.label: (
            site.acquires,
            t.lock.acquire_time
            + t.tau
            * (site.held_instructions + site.growth_per_doubling * math.log2(mappers)),
        )
        for site in scenario.sites_of(t.lock.name)
        if site.acquires > 0
    }  # fmt: skip


def _numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = wait_shares()
    (point,) = points(scenario, [population])
    state = point.locks[t.lock.name]
    sites = _holds(scenario, t)
    wait = state.wait_s / t.acquires
    mean = sum(a * hold for a, hold in sites.values()) / t.acquires
    rounds = made.formula("rounds").at(Z=t.think + t.rest, m=t.acquires, n=state.queue, D=t.demand)
    values = [
        Value("W: wait of an acquire", wait, "s"),
        Value("hold of a pass, mean", mean, "s"),
        Value("n: processes at the lock", state.queue, "processes"),
        Value("think time in rounds of the queue", rounds, "times"),
    ]
    share, whole = made.formula("share"), made.formula("share_of_whole")
    light = _light(sites)
    for label, (acquires, hold) in sites.items():
        at = {"m": t.acquires, "m_j": acquires, "W": wait, "h_j": hold, "h_mean": mean}
        values.append(Value(f"{label}: share of the waiting", share.at(**at), "share"))
        values.append(Value(f"{label}: with holds counted", whole.at(**at), "share"))
        if light is not None:
            values.append(Value(f"{label}: at light load", light[label], "share"))
    notes = list(t.notes)
    if light is not None:
        notes.append(
            "at light load: the limit of few meetings, sites in the order of the file, one right "
            "after the other"
        )
    if t.lock.shards > 1:
        notes.append("the mean instructions of a pass are those of one tree; shards have less")
    if rounds < MIXED:
        notes.append(
            "the think time is short against a round of the queue: processes may fall in step, "
            "and the shares of sites with unlike holds deviate"
        )
    if state.queue < 2:
        notes.append("most passes find the lock free: shares lie nearer to those at light load")
    return t.numbers(values, notes)


def _light(sites: dict[str, tuple[float, float]]) -> dict[str, float] | None:
    """Return shares of sites at light load; None where acquires are not whole."""
    if any(acquires % 1 for acquires, _ in sites.values()):
        return None
    owners = [label for label, (acquires, _) in sites.items() for _ in range(int(acquires))]
    each = light_shares([sites[label][1] for label in owners])
    return {
        label: float(sum(s for owner, s in zip(owners, each, strict=True) if owner == label))
        for label in sites
    }


@cache
def wait_shares() -> Statement:
    """Return why shares of waiting are proportional to acquires."""
    forms = shares()
    return Statement(
        name="wait-shares",
        title=STATEMENTS["wait-shares"].title,
        says=(
            "A first-come-first-served lock lets an acquire wait for those ahead of it, whatever "
            "site it comes from. If the queue that it finds does not depend on the site, every "
            "acquire waits W on average, and a site with m_j acquires has m_j / m of the waiting. "
            "Relative to one site all shares are ratios of whole numbers.",
            "The queue found does not depend on the site (1) exactly, at any load, if all passes "
            "take exponential times with one mean, as an arrival then finds the state of N - 1 "
            "processes; (2) exactly, at any load and for any holds, if the next site does not "
            "depend on those before; (3) nearly, with sites in a fixed order and unlike holds, at "
            "saturation, if the think time is half a round of the queue or longer: the others are "
            "then spread over all sites. Measured for holds of 6 : 2 : 1, the error is 2 to 3 % "
            "with 40 at the lock and 1 % with 130.",
            "It fails where (1) to (3) do. At light load the order decides, and the site after a "
            "think time meets those in mid-iteration: with holds 1 : 2 : 6 it has 62 % of the "
            "waiting, not 33 %. At saturation with a think time of less than a fifth of a round "
            "processes fall in step: 12 % off at a fifth, 38 % at a fiftieth, for 6 : 2 : 1.",
            "A profile that counts the holds as well is off by (h_j - h_mean) / (W + h_mean).",
        ),
        formulae=(
            Formula("share", "share of the waiting", "", "=", forms["share"]),
            Formula("share_of_whole", "share of the time at the lock", "", "=", forms["whole"]),
            Formula("relative_error", "relative error if holds are counted", "", "=", forms["off"]),
            Formula("rounds", "think time in rounds of the queue", "", "=", forms["rounds"]),
        ),
        conditions=(
            "the lock is first come, first served, and all waiters spin: a sleeping waiter does "
            "not show in a CPU profile, and a barging lock lets short waits win",
            "hand-offs are as dear at every site; the profile catches all sites alike",
            "(1) is the arrival theorem; (3) and the failures are measured by exact chains of 2 "
            "to 6 processes and by simulation of up to 200",
        ),
        derivation="m_j W over the sum of m_i W; (N - n) times the weight of n is N times the "
        "weight for N - 1",
        source="arrival theorem: Sevcik & Mitrani, JACM 28 (1981) 358; used by "
        "lockmodel.measure.shares",
        numbers=_numbers,
        models=("sysexec-spr224-v6.1",),
    )
