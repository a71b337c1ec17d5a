"""When one lever beats another: batching, shortening the hold, shards; and how many are enough."""

from __future__ import annotations

import math
from functools import cache

import sympy as sp

from lockmodel.changes import levers
from lockmodel.model.network import CPU, build
from lockmodel.model.scenario import Scenario, ShardBy
from lockmodel.solvers.bounds import network_ceiling
from lockmodel.statements import STATEMENTS
from lockmodel.statements.ceiling import DEMAND, UTILISATION_LAW
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import Terms, terms

tau, I, k, m, m_new, c, s, D, C_next = symbols(  # noqa: E741
    "tau I k m m_new c s D C_next"
)

BATCHED = DEMAND.subs(m, m_new)
SHORTENED = s * tau * I + m * c


def boundaries() -> dict[str, sp.Basic]:
    """Return where batching to m', shortening by s and k shards are worth the same.

    The lever that leaves the smaller demand per shard has the higher ceiling.
    """
    better = sp.expand(SHORTENED - BATCHED)
    saved, cut = (m - m_new) * c, (1 - s) * tau * I
    derived(better, saved - cut, "demand of shortening less that of batching")
    same = sp.Eq(SHORTENED, BATCHED)
    (factor,) = sp.solve(same, s)
    (fewer,) = sp.solve(same, m_new)
    (by_batch,) = sp.solve(sp.Eq(DEMAND / k, BATCHED), k)
    (by_hold,) = sp.solve(sp.Eq(DEMAND / k, SHORTENED), k)
    return {
        "batch_wins": sp.Gt(saved, cut),
        "factor": derived(factor, 1 - (m - m_new) * c / (tau * I), "hold factor"),
        "acquires": derived(fewer, m - (1 - s) * tau * I / c, "acquires"),
        "shards_for_batch": derived(by_batch, DEMAND / BATCHED, "shards for batching"),
        "shards_for_hold": derived(by_hold, DEMAND / SHORTENED, "shards for shortening"),
        "shards_for_no_hold": derived(
            by_hold.subs(s, 0), 1 + tau * I / (m * c), "shards for no hold"
        ),
        "unmatched": sp.Ge((m - m_new) * c, tau * I),
    }


def _comparison_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = comparison_statement()
    at = t.values
    values: list[Value] = []
    notes = list(t.notes)
    if t.held == 0.0 or t.c == 0.0:  # the notes say which: there is nothing to compare
        return t.numbers(())
    for fewer in sorted({t.acquires / 2, 1.0}, reverse=True):
        if fewer >= t.acquires:
            continue
        factor = made.formula("equal_factor").at(**at, m_new=fewer)
        label = f"hold factor worth {fewer:g} acquires for {t.acquires:g}"
        if factor > 0:
            values.append(Value(label, factor, "times"))
        else:
            notes.append(f"no shorter hold is worth {fewer:g} acquires for {t.acquires:g}")
    for factor in (0.9, 0.5):
        equal = made.formula("equal_acquires").at(**at, s=factor)
        if equal >= 1:
            values.append(Value(f"acquires worth the hold times {factor:g}", equal, "acquires"))
        else:
            notes.append(
                f"no batching, not to 1 acquire, is worth the hold times {factor:g}: the "
                f"{t.acquires - 1:.3g} hand-offs it saves are less than that"
            )
    values.append(
        Value("shards worth 1 acquire", made.formula("equal_shards").at(**at, m_new=1.0), "shards")
    )
    values.append(
        Value("shards worth no hold at all", made.formula("shards_for_no_hold").at(**at), "shards")
    )
    return t.numbers(values, notes)


@cache
def comparison_statement() -> Statement:
    """Return when batching, shortening and shards beat each other."""
    forms = boundaries()
    return Statement(
        name="comparison",
        title=STATEMENTS["comparison"].title,
        says=(
            "From m to m' acquires saves (m - m') c, the hold times s saves (1 - s) tau I; the "
            "larger saving wins, at any number of shards. Once (m - m') c is tau I or more, no "
            "shorter hold, not even none, keeps up.",
            "k shards beat both as soon as k exceeds demand before over demand after: "
            "1 + tau I / (m c) shards are worth a hold of zero.",
        ),
        formulae=(
            Formula("batch_wins", "batching beats shortening", "", "=", forms["batch_wins"]),
            Formula("equal_factor", "hold factor worth as much", "s", "=", forms["factor"]),
            Formula("equal_acquires", "acquires worth as much", "m_new", "=", forms["acquires"]),
            Formula(
                "equal_shards", "shards worth batching to m'", "k", "=", forms["shards_for_batch"]
            ),
            Formula(
                "equal_shards_hold", "shards worth the hold times s", "k", "=",
                forms["shards_for_hold"],
            ),
            Formula(
                "shards_for_no_hold", "shards worth no hold", "k", "=", forms["shards_for_no_hold"]
            ),
            Formula(
                "batch_unmatched", "batching that no shorter hold matches", "", "=",
                forms["unmatched"],
            ),
        ),
        conditions=(
            "the same lock binds before and after all of them; compared by ceilings",
            "batching keeps the held work, shards keep tau, I and c (by CPU or node they lower "
            "all three, so fewer do)",
        ),
        derivation="demands after each lever set equal and solved for s, m' and k",
        source=UTILISATION_LAW,
        numbers=_comparison_numbers,
    )  # fmt: skip


def enough() -> sp.Expr:
    """Return the smallest whole number of shards with which this lock binds no longer."""
    (equal,) = sp.solve(sp.Eq(k / D, C_next), k)
    return sp.ceiling(derived(equal, D * C_next, "shards at which the next binds"))


def fewest_shards(scenario: Scenario, t: Terms, by: ShardBy) -> int | None:
    """Return the fewest shards with which another station binds, trees and distances included.

    Parameters
    ----------
    scenario : Scenario
    t : Terms
        Of the lock to shard.
    by : {'cpu', 'node', 'hash'}

    Returns
    -------
    int or None
        None if no number up to the CPUs is enough.
    """
    for shards in range(t.lock.shards, scenario.machine.cpus + 1):
        changed = levers.shard(scenario, t.lock.name, shards, by) if shards > 1 else scenario
        if network_ceiling(build(changed, t.population))[1] != t.lock.name:
            return shards
    return None


def _enough_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    values = [
        Value("D", t.demand, "s"),
        Value(f"ceiling of {t.next_name}", t.next_per_s, "/s"),
        Value("shards enough", enough_statement().formula("enough").at(**t.values), "shards"),
    ]
    notes = list(t.notes)
    if t.lock.shards > 1 or t.lock.walkers is not None:
        notes.append(
            "the lock has shards or walkers already, so counts with trees and distances are left "
            "out"
        )
        return t.numbers(values, notes)
    kinds: tuple[ShardBy, ...] = ("hash", "cpu")
    for by in kinds:
        label = {"hash": "drawn at random, smaller trees", "cpu": "by CPU, near lines as well"}[by]
        counted = fewest_shards(scenario, t, by)
        if counted is None:
            notes.append(f"{label}: not even a shard per CPU is enough")
        else:
            values.append(Value(f"enough {label}", float(counted), "shards"))
    if t.next_name != CPU and math.isfinite(t.next_per_s):
        notes.append(
            f"{t.next_name} is of the same kind: the patch that shards one file's lock shards all"
        )
    return t.numbers(values, notes)


@cache
def enough_statement() -> Statement:
    """Return how many shards are enough."""
    return Statement(
        name="enough-shards",
        title=STATEMENTS["enough-shards"].title,
        says=(
            "k shards lift the lock to k / D. From k = D C_next on, C_next the ceiling of "
            "everything else, another station binds and further shards only cost memory, and "
            "whoever must take all of them.",
        ),
        formulae=(Formula("enough", "shards that are enough", "k", "=", enough()),),
        conditions=(
            "shards equally popular; D as it is with one (smaller trees and nearer lines make "
            "fewer enough: the counts with them are given)",
            "a bound of ceilings: near it both stations queue, and more shards still gain a little",
        ),
        derivation="k / D = C_next solved for k, rounded up",
        source=UTILISATION_LAW,
        numbers=_enough_numbers,
    )
