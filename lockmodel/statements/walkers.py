"""The best number of shards when background walkers take all of them.

While the lock is free now and then a walk keeps all k shards for the time r it reads and for
k c_w, the acquires of the shards: a shard serves iterations in the rest of the time,
1 - w (r + k c_w). Of k shards that are always held a walk waits a_w at each, and keeps those it has
(`solvers.walked` has all that is between the two).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from lockmodel.model.disciplines import discipline
from lockmodel.model.placement import shard_groups
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.walked import RESIDUAL_HOLDS
from lockmodel.statements import STATEMENTS
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import Terms, terms

k, w, r, c_w, a_w, D, C_next = symbols("k w r c_w a_w D C_next")


def with_walkers() -> dict[str, sp.Expr]:
    """Return the ceiling with walkers, its best number of shards, and where it ends."""
    left = 1 - w * (r + k * c_w)
    top = k * left / D
    (best,) = sp.solve(sp.diff(top, k), k)
    best = derived(best, (1 - w * r) / (2 * w * c_w), "best number of shards")
    derived(sp.diff(top, k, 2), -2 * w * c_w / D, "a maximum")
    (none,) = [root for root in sp.solve(top, k) if root != 0]
    # the fewest shards with which the next station binds: the lower root of top = C_next
    roots = sp.solve(sp.Eq(top, C_next), k)
    free = 1 - w * r
    lower = (free - sp.sqrt(free**2 - 4 * w * c_w * C_next * D)) / (2 * w * c_w)
    if not any(sp.simplify(root - lower) == 0 for root in roots):
        derived(roots[0], lower, "fewest shards")
    # shard j of k stands still while a walk waits for the k - j after it, and while it reads
    j = sp.Symbol("j", positive=True)
    still = sp.summation((k - j) * a_w + r, (j, 1, k)) / k
    cycle = (k - 1) * a_w + r + a_w + 1 / w
    held = derived(
        k / D * (1 - still / cycle),
        k / D * (1 - ((k - 1) * a_w / 2 + r) / (k * a_w + r + 1 / w)),
        "ceiling of shards that are always held",
    )
    # walks that overlap: the next has queued meanwhile, and its time-out is over
    often = k / D * (1 - (still / ((k - 1) * a_w + r)).subs(r, 0))
    return {
        "held": held,
        "often": derived(often, k / (2 * D), "the same with walks that overlap"),
        "freed": C_next * D / (1 - w * r),
        "ceiling": top,
        "best": best,
        "most": derived(top.subs(k, best), free**2 / (4 * w * c_w * D), "largest ceiling"),
        "none": derived(none, 2 * best, "shards that leave nothing"),
        "fewest": lower,
        "reached": sp.Lt(C_next, free**2 / (4 * w * c_w * D)),
    }


def walk_acquire(scenario: Scenario, t: Terms) -> float:
    """Return c_w in seconds: acquire time and hand-off with all others waiting (`network`).

    A reader of a semaphore that is free now and then waits for no hand-off.
    """
    if discipline(t.lock.kind).readers:
        return t.lock.acquire_time
    group = shard_groups(scenario.machine, t.lock, t.population)[0]
    waiters = np.array([float(max(1, t.population - 1))])
    return t.lock.acquire_time + float(t.lock.handoff.cost(waiters, group.handoff)[0])


def _numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = walkers_statement()
    cost = walk_acquire(scenario, t)
    values = [Value("D", t.demand, "s"), Value("c_w: a walk's acquire of a shard", cost, "s")]
    shares = discipline(t.lock.kind).readers
    notes = [note for note in t.notes if "best-shards" not in note]
    walkers = t.lock.walkers
    if cost == 0.0:
        notes.append("acquires and hand-offs cost nothing here, so shards cost walkers nothing")
        return t.numbers(values, notes)
    if walkers is None or walkers.walks_per_s == 0:
        values.append(Value("best shards times walks, at most", 1 / (2 * cost), "/s"))
        notes.append(
            f"no walkers of {t.lock.name} are stated; add them, for example with --walks "
            f"{t.lock.name}=5000,read_us=64"
        )
        return t.numbers(values, notes)
    at = t.values | {"w": walkers.walks_per_s, "r": walkers.read, "c_w": cost}
    values += [
        Value("w: walks", walkers.walks_per_s, "/s"),
        Value("r: a walk's reading", walkers.read, "s"),
        Value("time taken by reading alone", walkers.walks_per_s * walkers.read, "share"),
    ]
    if walkers.walks_per_s * walkers.read >= 1.0:
        notes.append("reading alone takes all the time there is: no number of shards helps")
        return t.numbers(values, notes)
    best = made.formula("best_shards").at(**at)
    most = made.formula("best_ceiling").at(**at)
    values += [
        Value("best shards while the lock binds", best, "shards"),
        Value("ceiling then", most, "/s"),
        Value("shards that leave nothing", made.formula("shards_too_many").at(**at), "shards"),
        Value(f"ceiling of {t.next_name}", t.next_per_s, "/s"),
    ]
    if shares:
        held = t.demand / t.acquires
        wait = t.lock.handoff_timeout + RESIDUAL_HOLDS * held + t.lock.wake_time
        at |= {"a_w": wait, "C_next": t.next_per_s}
        values += [
            Value("a_w: wait for a shard that is always held", wait, "s"),
            Value(
                "ceiling of 2 shards always held", made.formula("held").at(**at | {"k": 2.0}), "/s"
            ),
            Value("the same without walkers", 2 / t.demand, "/s"),
            Value("shards that are not always held", made.formula("freed").at(**at), "shards"),
        ]
        notes.append("fewer shards than that are the worst for both: a walk waits at each")
    elif t.next_per_s < most:
        fewest = made.formula("fewest_shards").at(**at)
        values.append(Value(f"shards from which {t.next_name} binds", fewest, "shards"))
        notes.append(f"{t.next_name} binds before the best number is reached: take the fewest")
    return t.numbers(values, notes)


@cache
def walkers_statement() -> Statement:
    """Return the best number of shards with walkers."""
    forms = with_walkers()
    return Statement(
        name="best-shards",
        title=STATEMENTS["best-shards"].title,
        says=(
            "k shards serve k times as many iterations, but every walk takes k acquires while "
            "all shards stand still. The ceiling k (1 - w (r + k c_w)) / D is a parabola in k: "
            "best at (1 - w r) / (2 w c_w), zero at twice that.",
            "That is for shards that are free now and then. Of a read-write semaphore that "
            "writers always hold a reader waits a_w, the hand-off time-out. A walk then keeps the "
            "first shard while it waits for k - 1 others, and walks that overlap leave half of "
            "what shards buy, k / (2 D): make so many that the next station binds.",
            "At the best number walkers keep the lock for half of the time that reading leaves. "
            "If the next station binds before, the fewest shards that reach it are the best.",
        ),
        formulae=(
            Formula("ceiling_with_walkers", "ceiling", "C", "=", forms["ceiling"], "/s"),
            Formula("best_shards", "best number of shards", "k", "=", forms["best"]),
            Formula("best_ceiling", "ceiling with that many", "C", "=", forms["most"], "/s"),
            Formula("shards_too_many", "shards that leave nothing", "k", "=", forms["none"]),
            Formula("next_is_reached", "the next station binds first", "", "=", forms["reached"]),
            Formula("fewest_shards", "and from then on", "k", "=", forms["fewest"]),
            Formula("held", "ceiling, shards always held", "C", "=", forms["held"], "/s"),
            Formula("often", "the same, walks that overlap", "C", "=", forms["often"], "/s"),
            Formula("freed", "shards that are not always held", "k", "=", forms["freed"]),
        ),
        conditions=(
            "the parabola: a walk does not wait for busy shards while it keeps others; the ceiling "
            "of shards always held: it waits for all, and one walk follows another no closer than "
            "1 / w after it has the first. `predict` and `levers` solve for what is between",
            "D does not change with k (shards drawn at random, trees that do not grow)",
            "k is a whole number: of the two beside the best, the one with the higher ceiling",
        ),
        derivation="derivative of the ceiling in k set to zero; its roots",
        source="the model of lockmodel.model.network; this derivation",
        numbers=_numbers,
    )
