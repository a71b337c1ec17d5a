"""The ceiling k / (tau I + m c), why each lever on it saturates, and trees that are split."""

from __future__ import annotations

from functools import cache

import sympy as sp

from lockmodel.model.scenario import Scenario
from lockmodel.statements import STATEMENTS
from lockmodel.statements.statement import Formula, Numbers, Statement, Value, derived
from lockmodel.statements.symbols import symbols
from lockmodel.statements.terms import Terms, terms

tau, tau_new, I, I_0, g, M, k, m, c, s, D, X, C_next, phi = symbols(  # noqa: E741
    "tau tau_new I I_0 g M k m c s D X C_next phi"
)

DEMAND = tau * I + m * c
"""D: what an iteration keeps the lock busy for (DESIGN section 3)."""

UTILISATION_LAW = "utilisation law, Denning & Buzen, Computing Surveys 10 (1978) 225"


def ceiling() -> sp.Expr:
    """Return k / (tau I + m c): the throughput at which each of k shards is always busy.

    A shard sees X / k iterations per second, so it is busy for a share X D / k of the time.
    """
    (most,) = sp.solve(sp.Eq(X * D / k, 1), X)
    return derived(most.subs(D, DEMAND), k / DEMAND, "ceiling")


def limits() -> dict[str, sp.Expr]:
    """Return where each lever alone, at best, takes the ceiling; shards take it anywhere."""
    top, held = ceiling(), sp.Symbol("held", positive=True)
    no_hold = sp.limit(top.subs(tau, held / I), held, 0)
    derived(1 / sp.limit(top, k, sp.oo), 0, "shards without end")
    return {
        "hold": derived(no_hold, k / (m * c), "hold to 0"),
        "acquires": derived(sp.limit(top, m, 1), k / (tau * I + c), "acquires to 1"),
        "handoff": derived(sp.limit(top, c, 0), k / (tau * I), "hand-off to 0"),
    }


def _ceiling_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = ceiling_statement()
    names = ("ceiling", "ceiling_without_hold", "ceiling_one_acquire", "ceiling_free_handoff")
    values = [
        Value("tau: time per instruction", t.tau, "s"),
        Value("I: held instructions", t.instructions, "number"),
        Value("m: acquires", t.acquires, "acquires"),
        Value("c: per acquire besides held work", t.c, "s"),
        Value("k: shards", t.shards, "shards"),
        Value("tau I", t.held, "s"),
        *_of_lines(t),
        Value("m c", t.acquires * t.c, "s"),
        Value("D", t.demand, "s"),
    ]
    for name in names:
        values += made.formula(name).value("/s", t.values)
    values.append(Value(f"what binds next: {t.next_name}", t.next_per_s, "/s"))
    return t.numbers(values)


def _of_lines(t: Terms) -> tuple[Value, ...]:
    """Return what of it are lines that come from other CPUs; nothing where none are counted."""
    if t.lines == 0.0:
        return ()
    return (
        Value("  of it l t_l: lines under the lock", t.lines * t.line_s, "s"),
        Value("  l: lines from other CPUs", t.lines, "number"),
        Value("  t_l: waited for one of them", t.line_s, "s"),
        Value("  h: lines of a hand-off, waited for in turn", t.handoff_lines, "number"),
    )


@cache
def ceiling_statement() -> Statement:
    """Return the ceiling and its limits."""
    ends = limits()
    return Statement(
        name="ceiling",
        title=STATEMENTS["ceiling"].title,
        says=(
            "An iteration keeps the lock busy for tau I of held work and for m acquires of c "
            "each. A lock that never falls idle completes k / (tau I + m c) iterations per "
            "second, whatever the number of CPUs.",
            "Shortening the hold leaves the m c, batching leaves tau I and one c, a free "
            "hand-off leaves tau I. Shards multiply the ceiling by their number until the next "
            "station binds.",
        ),
        formulae=(
            Formula("ceiling", "ceiling", "C", "=", ceiling(), "/s"),
            Formula("ceiling_without_hold", "no held work", "C", "=", ends["hold"], "/s"),
            Formula("ceiling_one_acquire", "one acquire", "C", "=", ends["acquires"], "/s"),
            Formula("ceiling_free_handoff", "acquires for free", "C", "=", ends["handoff"], "/s"),
            Formula(
                "ceiling_with_next",
                "with the station that binds next",
                "X",
                "<=",
                sp.Min(ceiling(), C_next),
                "/s",
            ),
        ),
        conditions=(
            "the lock is held by one at a time and every pass with a waiter about costs the "
            "hand-off; a hand-off that grows with the waiters lowers throughput further "
            "(statement ticket-lock)",
            "shards are equally popular; tau, I and c are those of one population",
            "few processes that seldom meet can beat it where the hand-off outweighs their think "
            "time: they do not pay the hand-off",
        ),
        derivation="utilisation X D / k = 1 solved for X; limits of the result",
        source=UTILISATION_LAW,
        numbers=_ceiling_numbers,
    )


def gains() -> dict[str, sp.Expr]:
    """Return ceiling after over before for each lever, and where it ends."""
    top = ceiling()
    shorter = derived(
        top.subs(I, s * I) / top, DEMAND / (s * tau * I + m * c), "gain of a shorter hold"
    )
    ends = limits()
    derived(top / ends["hold"] + top / ends["handoff"], 1, "inverse gains add up to 1")
    return {
        "shorter": shorter,
        "hold": derived(ends["hold"] / top, 1 + tau * I / (m * c), "largest gain, hold"),
        "acquires": derived(
            ends["acquires"] / top, DEMAND / (tau * I + c), "largest gain, acquires"
        ),
        "handoff": derived(ends["handoff"] / top, 1 + m * c / (tau * I), "largest gain, hand-off"),
        "by_share": derived(
            shorter.subs(m, tau * I * (1 - phi) / (phi * c)),
            1 / (1 - phi * (1 - s)),
            "gain by the held share",
        ),
    }


def _saturation_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = saturation_statement()
    values = [Value("phi: held share of the demand", t.held / t.demand, "share")]
    half = made.formula("gain_of_shorter_hold")
    for factor in (0.75, 0.5, 0.25):
        value = half.at(**t.values | {"s": factor}) - 1
        values.append(Value(f"gain of the hold times {factor:g}", value, "gain"))
    for name in ("most_by_hold", "most_by_acquires", "most_by_handoff"):
        values += made.formula(name).value("gain", t.values, less=1.0)
    return t.numbers(values)


@cache
def saturation_statement() -> Statement:
    """Return why shortening and batching saturate."""
    g_ = gains()
    return Statement(
        name="saturation",
        title=STATEMENTS["saturation"].title,
        says=(
            "The demand has two parts, tau I and m c. Making one part free leaves the other, so "
            "the gain of each lever is bounded, and by nothing but the ratio of the parts.",
            "Ceiling before over ceiling after, for a free hold and for free acquires, add up to "
            "1. So only one of the two can ever buy more than 2 times: which one, the held share "
            "phi says. With phi = 1/2 halving the hold buys +33 %, and no hold at all +100 %.",
        ),
        formulae=(
            Formula("gain_of_shorter_hold", "held work times s", "G", "=", g_["shorter"]),
            Formula(
                "gain_by_held_share", "the same by the held share phi", "G", "=", g_["by_share"]
            ),
            Formula("most_by_hold", "most by shortening the hold", "G", "<=", g_["hold"]),
            Formula("most_by_acquires", "most by batching", "G", "<=", g_["acquires"]),
            Formula("most_by_handoff", "most by cheaper acquires", "G", "<=", g_["handoff"]),
        ),
        conditions=(
            "the lock binds before and after; gains are those of the ceiling, which a saturated "
            "workload follows, any other one less (statement light-load)",
            "batching leaves the held work as it is; skipping a site cuts both parts",
        ),
        derivation="ratios of the ceiling and of its limits; the inverse gains are added",
        source=UTILISATION_LAW,
        numbers=_saturation_numbers,
    )


def trees() -> dict[str, sp.Expr]:
    """Return what splitting a tree by k buys with one lock, and with k locks.

    Held instructions are I_0 + g log2 M, M processes mapping the file; in a tree of M / k they
    are g log2 k fewer.
    """
    tree = I_0 + g * sp.log(M, 2)
    fewer = sp.expand_log(tree - tree.subs(M, M / k), force=True)
    saved = derived(fewer, g * sp.log(k, 2), "instructions saved")
    before = DEMAND
    after = tau * (I - saved) + m * c
    moved = tau_new * (I - saved) + m * c
    return {
        "instructions": tree,
        "saved": saved,
        "one_lock": before / after,
        "near": before / moved,
        "both": k * before / after,
        "most": derived(
            (before / after).subs(k, M),
            before / (tau * (I - g * sp.log(M, 2)) + m * c),
            "one mapping per tree",
        ),
    }


def _tree_numbers(scenario: Scenario, population: int) -> Numbers:
    t = terms(scenario, population)
    made = tree_statement()
    sites = scenario.sites_of(t.lock.name)
    growth = sum(site.acquires * site.growth_per_doubling for site in sites)
    mappers = float(population + t.lock.other_mappers)
    near = t.lock.time_per_instruction_local
    values = t.values | {"g": growth, "M": mappers, "I_0": t.instructions, "tau_new": near}
    nodes = scenario.machine.nodes
    numbers = [
        Value("g: instructions per doubling", growth, "number"),
        Value("M: mappings of the file", mappers, "processes"),
    ]
    if growth == 0.0:
        still = "held work does not grow here, so smaller trees buy nothing by themselves"
        return t.numbers(numbers, (*t.notes, still))
    for parts in sorted({2, nodes, 8, 16} - {1}):
        if parts > mappers:
            continue
        at = values | {"k": float(parts)}
        for name in ("gain_tree_split", "gain_tree_split_near", "gain_tree_and_lock_split"):
            formula = made.formula(name)
            numbers.append(Value(f"{parts} parts: {formula.title}", formula.at(**at) - 1, "gain"))
    formula = made.formula("gain_tree_split_most")
    numbers.append(Value(formula.title, formula.at(**values) - 1, "gain"))
    notes = (
        f"tau' is taken as {t.lock.name}'s local time per instruction: the farthest that nearer "
        f"trees can go",
    )
    return t.numbers(numbers, (*t.notes, *notes))


@cache
def tree_statement() -> Statement:
    """Return what splitting the tree buys while one lock stays."""
    t = trees()
    return Statement(
        name="tree-split",
        title=STATEMENTS["tree-split"].title,
        says=(
            "Held work grows with the logarithm of the mappings, I = I_0 + g log2 M. Trees of "
            "M / k mappings save g log2 k instructions per iteration and no acquire. With one "
            "lock over all of them that is a shorter hold and nothing else.",
            "With a lock per tree the ceiling is k times that, exactly. What one lock over local "
            "trees can buy beyond the logarithm is time per instruction, tau to tau': nearer "
            "lines. Under one lock both end at 1 / (m c).",
        ),
        formulae=(
            Formula("instructions", "held instructions, M mappings", "I", "=", t["instructions"]),
            Formula("gain_tree_split", "trees split, one lock", "G", "=", t["one_lock"]),
            Formula(
                "gain_tree_split_near", "trees split and their lines near", "G", "=", t["near"]
            ),
            Formula("gain_tree_and_lock_split", "trees and lock split", "G", "=", t["both"]),
            Formula("gain_tree_split_most", "one lock, a tree per mapping", "G", "<=", t["most"]),
        ),
        conditions=(
            "held work grows by g for each doubling of the mappings (traced up to some hundred), "
            "and a part has M / k of them, at least one",
            "k counts the parts of a tree, and of a lock, that were whole before; the lock binds "
            "before and after; shards are drawn evenly; hand-offs stay as dear as they were "
            "(shards by CPU or node make them local too, which is extra)",
            "readers that need the whole tree are not counted: see best-shards",
        ),
        derivation="I(M) - I(M / k) put into the ceiling",
        source="growth: data/traced/held_instructions_traced.csv; " + UTILISATION_LAW,
        numbers=_tree_numbers,
    )
