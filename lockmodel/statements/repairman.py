"""One lock, N processes, exactly: the machine repairman, and the knee.

N processes think for Z on average, then pass the lock, which takes s(n) on average with n there.
The number at the lock is a birth-death chain: into n + 1 at rate (N - n) / Z, back at 1 / s(n + 1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import sympy as sp

from lockmodel.model.scenario import Scenario
from lockmodel.statements import STATEMENTS
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import Terms, terms

k, N, n, Z, h, D, D_rest, x, p_0 = symbols("k N n Z h D D_rest x p_0")

REPAIRMAN = "machine repairman, e.g. Lazowska et al., Quantitative System Performance (1984)"


def weight(service: Callable[[sp.Expr], sp.Expr], n_there: sp.Symbol) -> sp.Expr:
    """Return p(n) / p(0): the product of the ratios of rates up and down.

    Parameters
    ----------
    service : callable
        s(n) as an expression of n.
    n_there : sympy symbol
        n, whole.
    """
    up, down, p_low, p_high = sp.symbols("up down p_low p_high", positive=True)
    (balance,) = sp.solve(sp.Eq(p_low * up, p_high * down), p_high)  # flows across a cut are equal
    i = sp.Symbol("i", integer=True, nonnegative=True)
    ratio = (balance / p_low).subs({up: (N - i) / Z, down: 1 / service(i + 1)})
    return sp.gammasimp(sp.product(ratio, (i, 0, n_there - 1)))


def throughput_by_sums(term: sp.Expr, n_there: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    """Return F(N), the sum of the weights, and X(N) = (N / Z) F(N-1) / F(N) by such sums.

    Thinkers finish at rate (N - n) / Z, and (N - n) times the weight for N is N times that for
    N - 1 processes.
    """
    fewer = term.subs(N, N - 1)
    derived(sp.gammasimp((N - n_there) * term / fewer), N, "thinkers of N are weights of N - 1")
    total = sp.Sum(term, (n_there, 0, N))
    return total, N / Z * sp.Sum(fewer, (n_there, 0, N - 1)) / total


def inverse_idle() -> tuple[sp.Expr, sp.Expr]:
    """Return 1 / p_0 for s(n) = D: as a finite sum, and by the incomplete gamma function of x."""
    term = weight(lambda i: D, n)
    shown = sp.factorial(N) / sp.factorial(N - n) * (D / Z) ** n
    derived(sp.gammasimp(term / shown), 1, "weight with constant passes")
    # counted from the other end, i = N - n, the sum is N! / x^N times that of x^i / i!
    i = sp.Symbol("i", integer=True, nonnegative=True)
    turned = shown.subs(n, N - i) / (sp.factorial(N) / (Z / D) ** N)
    derived(sp.gammasimp(turned / ((Z / D) ** i / sp.factorial(i))), 1, "terms counted from N")
    exponential = sp.Sum(x**i / sp.factorial(i), (i, 0, N)).doit().rewrite(sp.uppergamma)
    closed = derived(
        sp.gammasimp(sp.simplify(exponential * sp.factorial(N) / x**N)),
        sp.exp(x) * x**-N * sp.uppergamma(N + 1, x),
        "1 / p_0 by the incomplete gamma function",
    )
    return sp.Sum(shown, (n, 0, N)), closed


def constant_handoff() -> dict[str, sp.Expr]:
    """Return p_0 and X(N) with s(1) = h and s(n) = D for n >= 2: hand-off if somebody waits.

    All weights but that of n = 0 are h / D times those of s(n) = D.
    """
    total, closed = inverse_idle()
    alone = weight(lambda i: D, n) * h / D
    derived(sp.gammasimp(alone.subs(n, 1)), N * h / Z, "weight of one at the lock")
    idle_sum = 1 / (1 + h / D * (total - 1))
    idle = 1 / (1 + h / D * (closed - 1))
    # passes per second: 1 / h with one there, 1 / D with more
    p_1 = p_0 * N * h / Z
    x_n = p_1 / h + (1 - p_0 - p_1) / D
    throughput = derived(x_n, (1 - p_0 * (1 - N * (D - h) / Z)) / D, "X(N) by p_0")
    return {
        "idle": idle,
        "idle_sum": idle_sum,
        "throughput": throughput,
        "throughput_sum": throughput.subs(p_0, idle_sum),
        "constant": derived(throughput.subs(h, D), (1 - p_0) / D, "X(N) with h = D"),
        "constant_sum": ((1 - p_0) / D).subs(p_0, 1 / total),
    }


def others_as_think(t: Terms) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the symbols with all other locks counted as think time, and the note that says so."""
    notes = [*t.notes]
    if t.rest > 0:
        notes.append(
            "Z includes the demands of all other locks, as if nobody ever waited there: the "
            "statement is of one lock"
        )
    if t.shards != 1.0:
        notes.append("the statement is of one lock, this one has shards: take it for one of them")
    return t.values | {"Z": t.think + t.rest}, tuple(notes)


def _numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    at, notes = others_as_think(t)
    made = one_lock()
    values = (
        Value("Z: think time", at["Z"], "s"),
        Value("h: at the lock, nobody waiting", t.alone, "s"),
        Value("D: with a waiter about", t.demand, "s"),
        Value("p_0: nobody at the lock", made.formula("idle_share").at(**at), "share"),
        Value("X(N)", made.formula("throughput").at(**at), "/s"),
        Value("X(N) if every pass cost D", made.formula("throughput_constant").at(**at), "/s"),
        Value("ceiling 1 / D", 1 / t.demand, "/s"),
    )
    return t.numbers(values, notes)


@cache
def one_lock() -> Statement:
    """Return X(N) of one lock with constant hand-off, in closed form."""
    forms = constant_handoff()
    return Statement(
        name="one-lock",
        title=STATEMENTS["one-lock"].title,
        says=(
            "With every pass as long as D, X = (1 - p_0) / D, p_0 the probability that the lock is "
            "free: Erlang's loss formula with N and x = Z / D. A hand-off that is paid only when "
            "somebody waits makes the passes of a lone process h long instead, and p_0 larger.",
        ),
        formulae=(
            Formula(
                "idle_share", "nobody at the lock", "p_0", "=", forms["idle"],
                computable=forms["idle_sum"],
            ),
            Formula(
                "throughput", "throughput", "X", "=", forms["throughput"], "/s",
                computable=forms["throughput_sum"],
            ),
            Formula(
                "throughput_constant", "throughput with h = D", "X", "=", forms["constant"], "/s",
                computable=forms["constant_sum"],
            ),
        ),
        conditions=(
            "one lock; every process has a CPU of its own; exponential think times and passes "
            "(constant ones: more throughput near the knee, the same ceiling)",
            "the hand-off is the same for any number of waiters",
            "x = Z / D; the exported functions take Z and D",
        ),
        derivation="flows across each cut are equal, so weights are products; the sum of x^i / i! "
        "is an incomplete gamma function",
        source=REPAIRMAN,
        numbers=_numbers,
        models=("sysexec-spr224-v6.12", "doexec-20"),
    )  # fmt: skip


def knee() -> dict[str, sp.Expr]:
    """Return the knee, and by how much throughput misses the ceiling there.

    At N = x = Z / D: p_0 = x^x e^-x / Gamma(x + 1, x), and the incomplete gamma function tends to
    half of the complete one (DLMF 8.11.12).
    """
    (crossing,) = sp.solve(sp.Eq(N / (Z + h + D_rest), k / D), N, check=False)
    half = sp.Rational(1, 2)
    peak = sp.limit(sp.sqrt(x) * x**x * sp.exp(-x) / sp.gamma(x + 1), x, sp.oo)
    missing = derived(peak / half / sp.sqrt(x), sp.sqrt(2 / (sp.pi * x)), "p_0 at the knee")
    return {
        "knee": derived(crossing, k * (Z + h + D_rest) / D, "knee"),
        "missing": missing.subs(x, Z / D),
    }


def missing_at_knee(values: dict[str, float]) -> float:
    """Return by what share throughput misses 1 / D at the knee of one lock: `one_lock`, exactly.

    Parameters
    ----------
    values : dict of str to float
        Z, h and D. The knee (Z + h) / D need not be whole: Gamma carries the closed form on.
    """
    forms = constant_handoff()
    throughput = forms["throughput"].subs(p_0, forms["idle"])
    at_knee = throughput.subs(x, Z / D).subs(N, (Z + h) / D)
    own = {symbol: sp.Float(values[symbol.name]) for symbol in (Z, h, D)}
    return 1.0 - values["D"] * float(at_knee.subs(own).evalf())


def _knee_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = knee_statement()
    at, notes = others_as_think(t)
    values = (
        Value("time of an iteration, nobody waiting", t.think + t.alone + t.rest, "s"),
        Value("knee", made.formula("knee").at(**t.values), "processes"),
        Value("missing to the ceiling there", missing_at_knee(at), "share"),
        Value("the same by the expansion", made.formula("missing").at(**at), "share"),
    )
    return t.numbers(values, notes)


@cache
def knee_statement() -> Statement:
    """Return the knee."""
    forms = knee()
    return Statement(
        name="knee",
        title=STATEMENTS["knee"].title,
        says=(
            "N processes that never wait complete N / (Z + h + D_rest) iterations per second, "
            "the lock at most k / D. The lines cross at the knee. Left of it the lock is a cost, "
            "right of it the limit.",
            "At the knee itself throughput misses both lines by some sqrt(2 D / (pi Z)), an "
            "expansion that is too large for small Z: 10 % if Z is 64 D, where exactly 8 % are "
            "missing. A measured curve bends long before, and a fit that takes the bend for the "
            "knee finds it too early.",
        ),
        formulae=(
            Formula("knee", "knee", "N", "=", forms["knee"]),
            Formula("missing", "share missing to the ceiling at the knee", "p_0", "~",
                    forms["missing"]),
        ),
        conditions=(
            "the second: one lock with constant passes, Z much larger than D",
            "where demands depend on the population, the knee of the population asked",
        ),
        derivation="the two lines set equal; Stirling's limit of x^x e^-x / Gamma(x + 1), and "
        "Gamma(x + 1, x) / Gamma(x + 1) -> 1/2",
        source="Denning & Buzen 1978; DLMF 8.11.12",
        numbers=_knee_numbers,
    )  # fmt: skip
