"""What a per cent of each part buys: of the ceiling, and exactly of throughput at any population.

With generating coefficients a(n) of a station and constants g(n) of all others, the normalising
constant of a closed product-form network is G(N) = sum over n of a(n) D^n g(N - n), and
X(N) = G(N-1) / G(N). Differentiating the sum gives d ln G / d ln D = Q(N), which is all.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from lockmodel.model.network import Network
from lockmodel.model.scenario import Scenario
from lockmodel.statements import STATEMENTS
from lockmodel.statements.ceiling import DEMAND, ceiling
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import Terms, terms

tau, I, k, m, c, h, D, N = symbols("tau I k m c h D N")  # noqa: E741
Q_N, Q_before, P_N, P_before, U_N, U_before = symbols("Q_N Q_before P_N P_before U_N U_before")

SENSITIVITY = "de Souza e Silva & Muntz, IEEE Trans. Computers 37 (1988) 1125"

PINNED = (
    "more processes than shards keep to them here, which is a network of several classes; the "
    "statement is of one, so numbers of it are left out"
)


def elasticity(expression: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    """Return d ln expression / d ln variable."""
    return sp.simplify(variable * sp.diff(expression, variable) / expression)


def of_ceiling() -> dict[str, sp.Expr]:
    """Return the elasticities of the ceiling in each of its parts."""
    top = ceiling()
    by_name = {v.name: elasticity(top, v) for v in (tau, I, m, c, k)}
    derived(by_name["I"] - by_name["tau"], 0, "instructions count as time per instruction")
    derived(by_name["c"] - by_name["m"], 0, "hand-off counts as acquires")
    derived(by_name["tau"] + by_name["m"], -1, "held work and acquires share -1")
    derived(by_name["k"], 1, "shards")
    # skipping sites: instructions per acquire stay, so I grows with m
    per_acquire = sp.Symbol("i", positive=True)
    skipping = elasticity(top.subs(I, per_acquire * m), m)
    return {
        "held": derived(by_name["tau"], -tau * I / DEMAND, "elasticity in the held work"),
        "acquires": derived(by_name["m"], -m * c / DEMAND, "elasticity in the acquires"),
        "skipping": derived(skipping, -1, "elasticity in acquires that take their work along"),
    }


def _ceiling_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = ceiling_elasticities()
    values = [
        Value(f"d ln C / d ln ({name})", made.formula(key).at(**t.values), "number")
        for name, key in (("tau I", "of_held_work"), ("m c", "of_acquires"))
    ]
    for cut in (0.1, 0.5):
        for label, share in (
            ("held work", t.held / t.demand),
            ("acquires, work kept", 1 - t.held / t.demand),
        ):
            after = 1 / (1 - cut * share) - 1
            values.append(Value(f"gain of {100 * cut:.0f} % less {label}", after, "gain"))
    return t.numbers(values)


@cache
def ceiling_elasticities() -> Statement:
    """Return the elasticities of the ceiling."""
    forms = of_ceiling()
    return Statement(
        name="elasticity-ceiling",
        title=STATEMENTS["elasticity-ceiling"].title,
        says=(
            "A per cent less held work raises the ceiling by phi per cent, phi = tau I / D; a "
            "per cent fewer acquires for the same work by 1 - phi. The two always add up to one "
            "per cent: whoever says that the hold matters much says that batching matters little.",
            "A per cent fewer sites, work and all, is a full per cent, and so is a per cent more "
            "shards.",
        ),
        formulae=(
            Formula("of_held_work", "d ln C / d ln (tau I)", "", "=", forms["held"]),
            Formula("of_acquires", "d ln C / d ln (m c)", "", "=", forms["acquires"]),
        ),
        conditions=(
            "the lock binds; what an exponent says holds for small changes, larger cuts buy "
            "more than in proportion (1 / (1 - phi x) against 1 + phi x)",
        ),
        derivation="logarithmic derivatives of the ceiling; their sums checked to be -1 and +1",
        source="this derivation",
        numbers=_ceiling_numbers,
    )


def queue_identity() -> sp.Expr:
    """Return d ln X / d ln D from the normalising constant, in the queues Q(N) and Q(N - 1).

    Everything is differentiated for arbitrary coefficients and any whole N.
    """
    size = sp.Symbol("N", integer=True, positive=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)
    own, others = sp.IndexedBase("a"), sp.IndexedBase("g")

    def constant(total: sp.Expr) -> sp.Expr:
        return sp.Sum(own[n] * D**n * others[total - n], (n, 0, total))

    def queue_weight(total: sp.Expr) -> sp.Expr:
        return sp.Sum(n * own[n] * D**n * others[total - n], (n, 0, total))

    for total in (size, size - 1):
        moved = D * sp.diff(constant(total), D)
        derived(moved, queue_weight(total), "D dG / dD is G times the mean queue")
    # ln X = ln G(N-1) - ln G(N), and D d ln G / dD = Q as just shown
    before, now = sp.Function("ln_G_before")(D), sp.Function("ln_G")(D)
    slope = sp.expand(D * sp.diff(before - now, D))
    slope = slope.subs({D * sp.diff(before, D): Q_before, D * sp.diff(now, D): Q_N})
    return derived(slope, Q_before - Q_N, "d ln X / d ln D")


def sum_rule() -> sp.Expr:
    """Return the sum of the elasticities over all stations, delay included.

    First by queues that hold everybody: N - 1 before, N now. Then by dimension: G(N) is a sum of
    products of N times, so X(l D_1, l D_2, ...) = X / l, and Euler's theorem gives the same.
    """
    total = sp.Symbol("N", positive=True)
    by_queues = derived((total - 1) - total, -1, "sum over stations of Q(N-1) - Q(N)")
    scale = sp.Symbol("l", positive=True)
    scaled = scale ** (total - 1) / scale**total
    by_dimension = elasticity(scaled, scale)
    return derived(by_dimension, by_queues, "Euler's theorem")


def level_identity() -> sp.Expr:
    """Return d ln X / d ln of the rate with j present, from the constant's terms with n >= j.

    The weight of n at the station is a product of n times s(1) .. s(n), so it has s(j) = 1 / rate
    as a factor exactly if n >= j: d ln G / d ln rate = -P(n >= j).
    """
    rate, low, high = sp.symbols("rate low high", positive=True)  # terms without and with s(j)

    def share(constant: sp.Expr) -> sp.Expr:
        return sp.simplify(rate * sp.diff(sp.log(constant), rate))

    constant = low + high / rate
    with_j = (high / rate) / constant
    derived(share(constant), -with_j, "d ln G / d ln rate is -P(n >= j)")
    return (-P_before) - (-P_N)


def hold_elasticity() -> sp.Expr:
    """Return -d ln X / d ln (held work) of a lock with hand-off, exactly.

    With one at the lock a pass takes h, with more D; the held share of each is a different one.
    Levels from 2 on together: sum over j >= 2 of P(n >= j) is Q - U.
    """
    p = sp.IndexedBase("p")
    for count in (3, 5):  # sum over j of P(n >= j) is the mean, in small cases term by term
        tails = sum(sum(p[n] for n in range(i, count + 1)) for i in range(1, count + 1))
        derived(tails, sum(n * p[n] for n in range(count + 1)), "tails add up to the mean")
    alone = (tau * I / h) * (U_N - U_before)
    crowded = (tau * I / D) * ((Q_N - U_N) - (Q_before - U_before))
    return alone + crowded


def station_elasticities(network: Network) -> list[tuple[str, float, float]] | None:
    """Return name, Q(N) and d ln X / d ln D of every station with all its copies.

    None for processes that keep to their shards.
    """
    from lockmodel.solvers.product_form import demand_elasticity, solve

    if any(station.users for station in network.stations):
        return None
    (solution,) = solve(network)
    rows: dict[str, tuple[float, float]] = {}
    slopes = demand_elasticity(solution)
    for station, state, slope in zip(network.stations, solution.states, slopes, strict=True):
        queue, total = rows.get(station.name, (0.0, 0.0))
        rows[station.name] = (
            queue + station.copies * state.queue,
            total + station.copies * float(slope),
        )
    return [(name, *row) for name, row in rows.items()]


def _numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    rows = station_elasticities(t.network)
    if rows is None:
        return t.numbers((), (*t.notes, PINNED))
    values = [Value(f"d ln X / d ln D of {name}", slope, "number") for name, _, slope in rows]
    values.append(Value("their sum", sum(slope for _, _, slope in rows), "number"))
    return Numbers(scenario.name, t.population, "", tuple(values), (*t.notes, *_rates_note(t)))


def _rates_note(t: Terms) -> tuple[str, ...]:
    return (
        f"by product form, with distances and trees as they are at {t.population} processes, in "
        f"the Q(N - 1) as well",
    )


@cache
def throughput_elasticities() -> Statement:
    """Return the exact elasticities of X(N) and their sum rule."""
    sum_rule()
    return Statement(
        name="elasticity",
        title=STATEMENTS["elasticity"].title,
        says=(
            "A per cent less demand at a station raises throughput by Q(N) - Q(N-1) per cent: "
            "the part of the N-th process that is found there. No derivative has to be "
            "measured, and it is exact at any N, not only at saturation.",
            "Over all stations, think time included, these parts add up to 1: at every "
            "population there is one per cent to share. Where one lock has 0.6 of it, a per "
            "cent off everything else together buys 0.4 per cent.",
        ),
        formulae=(
            Formula("elasticity", "d ln X / d ln D of a station", "", "=", queue_identity()),
        ),
        conditions=(
            "product form: exponential passes whose rate depends on the number at the station "
            "alone, one class of processes",
            "the demand is scaled as a whole, all levels of the station alike",
        ),
        derivation="derivative of G(N) = sum of a(n) D^n g(N-n) for any coefficients; "
        "X = G(N-1) / G(N); the sum rule by Euler's theorem as well",
        source=SENSITIVITY,
        numbers=_numbers,
        models=("sysexec-spr224-v6.12", "doexec-20"),
    )


def _level_numbers(scenario: Scenario, population: int) -> Numbers:
    from lockmodel.solvers.product_form import solve

    t = terms(scenario, population)
    own = t.network.of(t.lock.name)
    if len(own) != 1 or own[0].copies != 1 or own[0].users or own[0].service.size > 2:
        note = (
            "numbers are given for one shard whose hand-off does not grow with the waiters, which "
            "this lock is not"
        )
        return t.numbers((), (*t.notes, note))
    (solution,) = solve(t.network)
    index = t.network.stations.index(own[0])
    state = solution.states[index]
    now, before = state.at_least()
    at = t.values | {
        "Q_N": state.queue,
        "Q_before": state.queue_before,
        "U_N": float(now[0]),
        "U_before": float(before[0]),
    }
    made = level_elasticities()
    held = made.formula("of_held_work_at_n").at(**at)
    whole = state.queue - state.queue_before
    values = (
        Value("a per cent less time at the lock, all of it", whole, "number"),
        Value("of this by held work", held, "number"),
        Value("of this by acquires and hand-off", whole - held, "number"),
        Value("passes that find nobody, at N", 1 - float(before[0]), "share"),
    )
    return t.numbers(values, (*t.notes, *_rates_note(t)))


@cache
def level_elasticities() -> Statement:
    """Return the elasticity of X(N) in the rate at one level, and in the held work."""
    return Statement(
        name="elasticity-level",
        title=STATEMENTS["elasticity-level"].title,
        says=(
            "A per cent more rate with j present buys P_N(n >= j) - P_(N-1)(n >= j) per cent, "
            "exactly. Added over j this is the elasticity of the whole station.",
            "A lock pays the hand-off only when somebody waits, so held work has two shares: of "
            "h with one present, of D with more. Together they give what a per cent less held "
            "work buys at any population.",
        ),
        formulae=(
            Formula("of_rate", "d ln X / d ln rate with j present", "", "=", level_identity()),
            Formula(
                "of_held_work_at_n",
                "-d ln X / d ln (tau I), with U the probability of anybody",
                "e",
                "=",
                hold_elasticity(),
            ),
        ),
        conditions=(
            "product form; for the second formula a hand-off that is the same for any number of "
            "waiters (h with one present, D with two or more)",
        ),
        derivation="s(j) is a factor of a term of G(N) if n >= j and only then; sum over levels",
        source=SENSITIVITY,
        numbers=_level_numbers,
        models=("sysexec-spr224-v6.12", "doexec-20"),
    )
