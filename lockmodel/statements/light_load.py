"""At small N: what waiting costs, and the most that any change of a lock can buy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import sympy as sp

from lockmodel.model.network import Network
from lockmodel.model.scenario import Scenario
from lockmodel.statements import STATEMENTS
from lockmodel.statements.elasticities import PINNED
from lockmodel.statements.repairman import one_lock, others_as_think, weight
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import terms

N, n, Z, h, D, R, q, X, G = symbols("N n Z h D R q X G")

LIGHT = 0.01
"""Relative error of the expansion from which a load is not called light."""

LIGHT_POPULATION = 4
"""Population of the numbers when none is asked for."""

ORDER = 3
"""Order in D / Z that the expansions leave out."""


def expansions() -> dict[str, sp.Expr]:
    """Return X(N), and the exponent e(N), for small h / Z and D / Z.

    F(N) = 1 + N h/Z + N (N-1) h D / Z^2 + ..; what is left out is of order 3 in the ratios.
    """
    real, small = sp.Symbol("N", positive=True), sp.Symbol("u", positive=True)

    def total(size: sp.Expr) -> sp.Expr:
        one = size * small * h / Z
        return 1 + one + one * (size - 1) * small * D / Z

    second = (sp.gammasimp(weight(lambda i: D, n)) * h / D).subs(n, 2)
    derived(sp.expand_func(second), N * (N - 1) * h * D / Z**2, "weight of two at the lock")
    exact = real / Z * total(real - 1) / total(real)
    low = sp.series(exact, small, 0, ORDER).removeO()
    shown = real / (Z + h) * (1 - (real - 1) * h * (2 * D - h) / (Z + h) ** 2)
    scaled = sp.series(shown.subs({h: small * h, D: small * D}), small, 0, ORDER).removeO()
    derived(low, scaled, "throughput at light load")
    # the exponent: Q(N) - Q(N-1) with Q = N - Z X and h = D
    alike = low.subs(h, D)
    exponent = 1 - Z * (alike - alike.subs(real, real - 1))
    e_shown = D / (Z + D) * (1 + 2 * (real - 1) * D / (Z + D))
    e_scaled = sp.series(e_shown.subs(D, small * D), small, 0, ORDER).removeO()
    derived(exponent, e_scaled, "exponent at light load")
    return {"throughput": shown.subs(real, N), "exponent": e_shown.subs(real, N)}


def _numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = light_load()
    at, notes = others_as_think(t)
    exact = one_lock().formula("throughput").at(**at)
    light = made.formula("throughput_light").at(**at)
    if abs(light / exact - 1) > LIGHT:
        notes = (
            *notes,
            f"{t.population} processes are no light load here: the expansion is off by more than "
            f"{LIGHT:.0%}; ask for fewer with -n",
        )
    values = (
        Value("Z: think time", at["Z"], "s"),
        Value("h: at the lock, nobody waiting", t.alone, "s"),
        Value("D: with a waiter about", t.demand, "s"),
        Value("X(N) if nobody ever waited", t.population / (at["Z"] + t.alone), "/s"),
        Value("X(N) to this order", light, "/s"),
        Value("X(N), exact for one lock", exact, "/s"),
        Value("e(1)", made.formula("exponent_light").at(**at | {"N": 1.0}), "number"),
        Value("e(N) to this order", made.formula("exponent_light").at(**at), "number"),
    )
    return t.numbers(values, notes)


@cache
def light_load() -> Statement:
    """Return the expansions for few processes."""
    forms = expansions()
    return Statement(
        name="light-load",
        title=STATEMENTS["light-load"].title,
        says=(
            "To first order throughput is N / (Z + h), as if nobody ever waited: a per cent off "
            "the lock buys D / (Z + D) per cent. Meetings come in second order, in proportion to "
            "N - 1, and each costs the hand-off twice over: 2 D - h.",
            "So the exponent e grows with N from D / (Z + D) to 1, and with it what one and the "
            "same patch buys.",
        ),
        formulae=(
            Formula("throughput_light", "throughput", "X", "~", forms["throughput"], "/s"),
            Formula("exponent_light", "exponent, with h = D", "e", "~", forms["exponent"]),
        ),
        conditions=(
            "one lock; exponential think times and passes; (N - 1) D well below Z: what is left "
            "out is of third order in D / Z",
        ),
        derivation="series of X = (N / Z) F(N-1) / F(N) in 1 / Z",
        source="this derivation",
        numbers=_numbers,
        models=("doexec-20",),
        population=LIGHT_POPULATION,
    )


def bounds() -> dict[str, sp.Expr]:
    """Return the most that any change of a lock can buy: by what is measured, and beforehand.

    By what is measured: let Y(j) be the throughput of everything else with j processes in it.
    N - n of them are there, so X = E Y(N - n), and Y(j) >= (j / N) Y(N) where Y(j) / j does not
    grow. So X >= (1 - q) Y(N), and no lock lets more than Y(N) through.

    Beforehand, for one lock and think time: R = D (1 + Q(N-1)) (arrival theorem). X / N = 1 / (Z
    + R) does not grow with N, so Q / N = 1 - Z X / N does not fall: Q(N-1) <= (N-1) R / (Z + R).
    """
    real = sp.Symbol("N", positive=True)
    everything = sp.Symbol("Y", positive=True)
    least = (1 - q) * everything
    by_share = derived(everything / least, 1 / (1 - q), "largest gain by the share at the lock")
    # the share at the lock in terms of R, and the gain of taking the lock away
    at_lock = R / (Z + R)
    derived(by_share.subs(q, at_lock), 1 + R / Z, "largest gain by the time at the lock")
    inequality = sp.Eq(R, D * (1 + (real - 1) * at_lock))
    roots = sp.solve(inequality, R)
    upper = (real * D - Z + sp.sqrt((real * D - Z) ** 2 + 4 * D * Z)) / 2
    if not any(sp.simplify(root - upper) == 0 for root in roots):
        derived(roots[0], upper, "longest time at the lock")
    alone = sp.factor(sp.expand(((real * D - Z) ** 2 + 4 * D * Z).subs(real, 1)))
    derived((D - Z + sp.sqrt(alone)) / 2, D, "alone at the lock")
    return {"by_share": by_share, "time": upper.subs(real, N), "by_time": 1 + R / Z}


@dataclass(frozen=True)
class Rest:
    """Everything but a lock, with 1 .. N processes in it.

    Attributes
    ----------
    throughput : ndarray, shape (N,)
        Y(j) in iterations per second.
    """

    throughput: np.ndarray

    @property
    def crowds(self) -> bool:
        """Whether Y(j) / j never grows: another process never helps the others."""
        each = self.throughput / np.arange(1.0, self.throughput.size + 1.0)
        return bool(np.all(np.diff(each) <= 1e-9 * each[:-1]))

    @property
    def rises(self) -> bool:
        """Whether Y(j) never falls."""
        return bool(np.all(np.diff(self.throughput) >= -1e-9 * self.throughput[:-1]))


def rest_of(network: Network, lock: str) -> Rest | None:
    """Return everything but a lock, solved by product form; None if nothing is left."""
    from lockmodel.solvers.product_form import throughputs

    others = tuple(s for s in network.stations if s.name != lock)
    return Rest(throughputs(others, network.population)) if others else None


def _change_numbers(scenario: Scenario, population: int) -> Numbers:
    from lockmodel.solvers.product_form import solve

    t = terms(scenario, population)
    made = any_change()
    at, notes = others_as_think(t)
    rest = rest_of(t.network, t.lock.name)
    if any(station.users for station in t.network.stations) or rest is None:
        said = PINNED if rest is not None else "there is nothing but this lock"
        return Numbers(scenario.name, t.population, t.lock.name, (), (*t.notes, said))
    (solution,) = solve(t.network)
    pairs = zip(t.network.stations, solution.states, strict=True)
    queue = sum(s.copies * state.queue for s, state in pairs if s.name == t.lock.name)
    share = queue / t.population
    if not (rest.crowds and rest.rises):
        notes = (
            *notes,
            "the rest of the iteration does not behave as the proof asks (its throughput falls "
            "with more processes, or grows faster than they do), so the first bound is no bound",
        )
    time = made.formula("longest").at(**at)
    values = (
        Value("X(N), product form", solution.throughput, "/s"),
        Value("q: share of an iteration at the lock", share, "share"),
        Value("no change of it gains more than", made.formula("by_share").at(q=share) - 1, "gain"),
        Value(
            "taking it away gains",
            float(rest.throughput[-1]) / solution.throughput - 1,
            "gain",
        ),
        Value("R at most, one lock", time, "s"),
        Value(
            "gain at most by that",
            made.formula("by_time").at(Z=at["Z"], R=time) - 1,
            "gain",
        ),
    )
    return t.numbers(values, notes)


@cache
def any_change() -> Statement:
    """Return the bounds on the gain of any change of a lock."""
    forms = bounds()
    return Statement(
        name="any-change",
        title=STATEMENTS["any-change"].title,
        says=(
            "Measure q, the share of an iteration that is spent at the lock, waiting or holding. "
            "Whatever is done to this lock, shards, batching, no lock at all, throughput grows "
            "to at most 1 / (1 - q) times. At q = 1/4 that is +33 %, however the lock looks.",
            "Before any measurement: with one lock, demand D and think time Z, the time at it is "
            "at most the R below, which is exact for one process and for very many.",
        ),
        formulae=(
            Formula("by_share", "most that any change gains", "G", "<=", forms["by_share"]),
            Formula("longest", "time at the lock", "R", "<=", forms["time"], "s"),
            Formula("by_time", "most that any change gains", "G", "<=", forms["by_time"]),
        ),
        conditions=(
            "the first: product form; in the rest of the iteration another process never speeds "
            "up the others, nor lowers the throughput of all (checked with the numbers)",
            "the second and third: one lock, everything else think time; D counts the hand-off "
            "in every pass",
            "the change leaves the rest of the iteration as it is",
        ),
        derivation="X = E Y(N - n) >= (1 - q) Y(N); R = D (1 + (N-1) R / (Z + R)) solved for R",
        source="arrival theorem: Sevcik & Mitrani, JACM 28 (1981) 358; Reiser & Lavenberg, JACM 27 "
        "(1980) 313",
        numbers=_change_numbers,
        models=("doexec-20", "sysexec-spr224-v6.1"),
    )
