"""A hand-off that grows with the waiters: X(N), the crowd, where the peak lies, and what is left.

With n at the lock a pass takes s(n) = h + c_1 (n - 1): every waiter reads the lock word again. Here
c_1 stands for a whole iteration, that is acquires times the hand-off per waiter.
"""

from __future__ import annotations

import math
from functools import cache

import sympy as sp

from lockmodel.model.handoff import LinearHandOff
from lockmodel.model.scenario import Scenario
from lockmodel.statements import STATEMENTS
from lockmodel.statements.repairman import others_as_think, throughput_by_sums, weight
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import Terms, terms

N, n, Z, h, c_1, X, F_N, F_before = symbols("N n Z h c_1 X F_N F_before")

TICKET = (
    "Boyd-Wickizer, Kaashoek, Morris & Zeldovich, Non-scalable locks are dangerous (2012), solve "
    "the same chain by computer"
)
PRECISION = 1e-9
"""Relative precision to which the population of equal weights is found."""


def by_sums() -> tuple[sp.Expr, sp.Expr]:
    """Return F(N) of the ticket lock, and X(N) as a ratio of such finite sums."""
    term = weight(lambda i: h + c_1 * (i - 1), n)
    shown = (
        sp.factorial(N) / sp.factorial(N - n) * (c_1 / Z) ** n
        * sp.gamma(h / c_1 + n) / sp.gamma(h / c_1)
    )  # fmt: skip
    derived(sp.gammasimp(term / shown), 1, "weight with growing passes")
    return throughput_by_sums(shown, n)


def crowd() -> dict[str, sp.Basic]:
    """Return the crowd that keeps itself up, from where it exists, and what X tends to.

    The probability of n grows to n + 1 by the ratio r(n) = (N - n) (h + c_1 n) / Z. It has a mode
    away from 0 where r = 1 on the falling side of that parabola.
    """
    real = sp.Symbol("N", positive=True)
    at = sp.Symbol("n", real=True)
    ratio = (real - at) * (h + c_1 * at) / Z
    (top,) = sp.solve(sp.diff(ratio, at), at)
    derived(top, (real - h / c_1) / 2, "where the ratio is largest")
    edges = sp.solve(sp.Eq(ratio.subs(at, top), 1), real)
    first = 2 * sp.sqrt(Z / c_1) - h / c_1
    if not any(sp.simplify(edge - first) == 0 for edge in edges):
        derived(edges[0], first, "first population with a crowd")
    # the crowd is there while few at the lock are still stable, r(0) < 1, if its first n is > 0
    born = sp.simplify(top.subs(real, first))
    derived(born, sp.sqrt(Z / c_1) - h / c_1, "size of the first crowd")
    upper = (real - h / c_1) / 2 + sp.sqrt((real + h / c_1) ** 2 / 4 - Z / c_1)
    derived(sp.expand(ratio.subs(at, upper) - 1), 0, "the crowd is a root of r = 1")
    # X = 1 / s(n), n = N - Z X: for N to infinity, in powers of 1 / N
    small = sp.Symbol("u", positive=True)
    a_1, a_2 = sp.symbols("a_1 a_2")
    trial = a_1 * small + a_2 * small**2
    left = sp.series(sp.expand(trial * (h + c_1 * (1 / small - 1 - Z * trial)) - 1), small, 0, 2)
    left = sp.expand(left.removeO())
    coefficients = sp.solve([left.coeff(small, 0), left.coeff(small, 1)], [a_1, a_2], dict=True)[0]
    late = trial.subs(coefficients).subs(small, 1 / N)
    return {
        "size": upper.subs(real, N),
        "from": first,
        "until": derived(sp.solve(sp.Eq(ratio.subs(at, 0), 1), real)[0], Z / h, "calm until"),
        "sudden": sp.Gt(Z * c_1, h**2),
        "late": derived(late, (1 + (c_1 - h) / (c_1 * N)) / (c_1 * N), "throughput for large N"),
    }


def balance() -> sp.Expr:
    """Return the logarithm of the weight of a crowd of n over that of nobody.

    The sum of ln r(i), i = 0 .. n, as an integral: exact in the limit of large N.
    """
    i = sp.Symbol("i", positive=True)
    size, real = sp.Symbol("n", positive=True), sp.Symbol("N", positive=True)
    primitive = (
        -(real - i) * sp.log(real - i) + (h / c_1 + i) * sp.log(h + c_1 * i) - 2 * i - i * sp.log(Z)
    )
    integrand = sp.log(real - i) + sp.log(h + c_1 * i) - sp.log(Z)
    derived(sp.diff(primitive, i), integrand, "integral of ln r")
    exponent = primitive.subs(i, size) - sp.limit(primitive, i, 0)
    shown = (
        real * sp.log(real) - (real - size) * sp.log(real - size)
        + (size + h / c_1) * sp.log(h + c_1 * size) - h / c_1 * sp.log(h) - size * (2 + sp.log(Z))
    )  # fmt: skip
    return derived(exponent, shown, "weight of a crowd").subs({real: N, size: n})


def equal_weights(think: float, hold: float, per_waiter: float) -> float | None:
    """Return the population, as a real number, at which a crowd weighs as much as nobody.

    Parameters
    ----------
    think, hold, per_waiter : float
        Z, h, c_1 in seconds per iteration.

    Returns
    -------
    float or None
        None where the collapse is gradual, Z c_1 <= h^2.
    """
    if think * per_waiter <= hold**2:
        return None
    made = collapse_statement()
    low = made.formula("crowd_from").at(Z=think, h=hold, c_1=per_waiter)
    high = made.formula("calm_until").at(Z=think, h=hold)
    weigh, size = made.formula("crowd_weight"), made.formula("crowd_size")

    def excess(population: float) -> float:
        at = {"Z": think, "h": hold, "c_1": per_waiter, "N": population}
        return weigh.at(**at, n=size.at(**at))

    low *= 1 + PRECISION  # the root of the crowd's size must not fall below 0 by rounding
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return (low + high) / 2


def as_ticket(t: Terms) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return Z, h and c_1 of the lock if its hand-off grew with every waiter, and what was assumed.

    A linear hand-off keeps its own; else each waiter is given the hand-off to the first one.
    """
    at, notes = others_as_think(t)
    handoff = t.lock.handoff
    if isinstance(handoff, LinearHandOff):
        # time + per_waiter (n - 2) with n there is h' + c_1 (n - 1) for n >= 2
        first = t.acquires * (handoff.time - handoff.per_waiter)
        per_waiter = t.acquires * handoff.per_waiter
        if first and t.alone + first > 0:
            said = "h is that of two and more at the lock, extended to one"
            return at | {"h": t.alone + first, "c_1": per_waiter}, (*notes, said)
        return at | {"c_1": per_waiter}, notes
    per_waiter = t.demand - t.alone
    assumed = (
        f"{t.lock.name} is no ticket lock here: the numbers are of one whose every waiter costs "
        f"what the first one does now"
    )
    return at | {"c_1": per_waiter}, (*notes, assumed)


def _ticket_numbers(scenario: Scenario, population: int) -> Numbers:
    from lockmodel.solvers.markov.repairman import Repairman, peak

    t = terms(scenario, population)
    at, notes = as_ticket(t)
    if at["c_1"] <= 0:
        none = (*notes, "its hand-off does not grow with the waiters")
        return t.numbers((), none)
    made = ticket_lock()
    best, rate = peak(Repairman(at["Z"], at["h"], at["c_1"]), max(2, t.population))
    values = (
        Value("Z: think time", at["Z"], "s"),
        Value("h: at the lock, nobody waiting", at["h"], "s"),
        Value("c_1: per waiter", at["c_1"], "s"),
        Value("X(N)", made.formula("throughput_ticket").at(**at), "/s"),
        Value("X(N) for large N", made.formula("throughput_late").at(**at), "/s"),
        Value(f"peak, up to {t.population}, at", float(best), "processes"),
        Value("X there", rate, "/s"),
    )
    return t.numbers(values, notes)


@cache
def ticket_lock() -> Statement:
    """Return X(N) of a ticket lock."""
    weights, throughput = by_sums()
    return Statement(
        name="ticket-lock",
        title=STATEMENTS["ticket-lock"].title,
        says=(
            "With n at the lock a pass takes h + c_1 (n - 1). Throughput is a ratio of two finite "
            "sums at any N. For large N nearly everybody waits, and X falls as 1 / (c_1 N): twice "
            "the processes, half the throughput, and neither h nor Z matters any more.",
        ),
        formulae=(
            Formula("weights", "sum of the weights", "F_N", "=", weights),
            Formula(
                "throughput_ticket", "throughput", "X", "=", N * F_before / (Z * F_N), "/s",
                computable=throughput,
            ),
            Formula("throughput_late", "for large N, to 1/N^2", "X", "~", crowd()["late"], "/s"),
        ),
        conditions=(
            "one lock; exponential think times and passes; c_1 counts a whole iteration: acquires "
            "times the hand-off per waiter",
        ),
        derivation="weights as in one-lock; for large N the root of X s(N - Z X) = 1 in powers of "
        "1 / N",
        source=TICKET,
        numbers=_ticket_numbers,
    )  # fmt: skip


def _collapse_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    at, notes = as_ticket(t)
    made = collapse_statement()
    if at["c_1"] <= 0:
        none = (*notes, "its hand-off does not grow with the waiters")
        return t.numbers((), none)
    values = [
        Value("Z c_1 / h^2", at["Z"] * at["c_1"] / at["h"] ** 2, "times"),
        Value("calm until", made.formula("calm_until").at(**at), "processes"),
    ]
    middle = equal_weights(at["Z"], at["h"], at["c_1"])
    if middle is None:
        notes = (*notes, "Z c_1 is at most h^2: the crowd grows gradually, from the knee on")
    else:
        values.append(Value("crowd from", made.formula("crowd_from").at(**at), "processes"))
        values.append(Value("collapse, and peak just before", middle, "processes"))
    size = (at["N"] + at["h"] / at["c_1"]) ** 2 / 4 - at["Z"] / at["c_1"]
    if size >= 0 and at["N"] >= math.ceil(values[-1].value):
        values.append(Value("crowd at N", made.formula("crowd_size").at(**at), "processes"))
    return t.numbers(values, notes)


@cache
def collapse_statement() -> Statement:
    """Return where a ticket lock peaks and collapses."""
    forms = crowd()
    return Statement(
        name="collapse",
        title=STATEMENTS["collapse"].title,
        says=(
            "From N = 2 sqrt(Z/c_1) - h/c_1 on a crowd at the lock keeps itself up: it makes "
            "passes so slow that thinkers come back as fast as they leave. Few at the lock stay a "
            "possible state until N = Z / h. Between the two the system is in one state or the "
            "other for long times, and throughput differs by a factor.",
            "It tips where both weigh the same: the logarithm of the crowd's weight, below, is 0 "
            "at its size n. Throughput peaks just before. If Z c_1 is at most h^2 there is no such "
            "range, and the crowd grows gradually from N = Z / h on.",
        ),
        formulae=(
            Formula("is_sudden", "sudden collapse", "", "=", forms["sudden"]),
            Formula("crowd_from", "a crowd keeps itself up from", "N", ">=", forms["from"]),
            Formula("calm_until", "few at the lock are stable until", "N", "<=", forms["until"]),
            Formula("crowd_size", "size of the crowd", "n", "=", forms["size"]),
            Formula("crowd_weight", "logarithm of the crowd's weight, 0 where it tips",
                    "", "=", balance()),
        ),
        conditions=(
            "as for ticket-lock; in the limit of large N: the exact solution peaks 3 % below the "
            "population where it tips if that is 160, 10 % below at 60, 20 % below at 15",
        ),
        derivation="roots and maximum of r(n) = (N - n) (h + c_1 n) / Z; integral of ln r",
        source="lockmodel.solvers.markov.repairman; " + TICKET,
        numbers=_collapse_numbers,
    )  # fmt: skip
