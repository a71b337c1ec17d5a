"""The symbols of the theory: how each is written, what it means, its unit.

One entry per symbol; the order of the entries is the order of factors and terms in print, so
that a demand reads tau I + m c and not alphabetically.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Notation:
    """How a symbol is written and what it stands for.

    Attributes
    ----------
    name : str
        Python identifier, and the name of the SymPy symbol.
    text, latex, typst : str
        The symbol in readable text, LaTeX and Typst mathematics.
    meaning : str
        In the words of the design.
    unit : str
        Base unit: "s", "/s", "" for a count or a share.
    whole : bool
        Whether it only takes whole values.
    """

    name: str
    text: str
    latex: str
    typst: str
    meaning: str
    unit: str = ""
    whole: bool = False


def _plain(name: str, meaning: str, unit: str = "", whole: bool = False) -> Notation:
    return Notation(name, name, name, name, meaning, unit, whole)


def _sub(base: str, index: str, meaning: str, unit: str = "") -> Notation:
    """Return a symbol with a subscript that is a word."""
    latex, typst = rf"{base}_{{\mathrm{{{index}}}}}", f'{base}_"{index}"'
    return Notation(f"{base}_{index}", f"{base}_{index}", latex, typst, meaning, unit)


_ENTRIES = (
    _plain("s", "factor on the held work, 0 to 1"),
    Notation("tau", "tau", r"\tau", "tau", "time per held instruction, lines included", "s"),
    Notation("tau_new", "tau'", r"\tau'", "tau'", "time per instruction after the change", "s"),
    _plain("I", "held instructions per iteration"),
    Notation("I_0", "I_0", "I_0", "I_0", "held instructions with one mapping"),
    _plain("g", "held instructions that each doubling of the mappings adds"),
    _plain("M", "processes that map the file"),
    _plain("w", "background walks, each taking all shards", "/s"),
    _plain("N", "population: processes that circulate", whole=True),
    _plain("n", "processes at the lock, holder and waiters", whole=True),
    _plain("j", "running index", whole=True),
    _plain("k", "shards of the lock and its data"),
    _plain("m", "acquires per iteration"),
    Notation("m_new", "m'", "m'", "m'", "acquires per iteration after batching"),
    Notation("m_j", "m_j", "m_j", "m_j", "acquires per iteration at site j"),
    _plain("Z", "think time: an iteration's time outside the lock when nobody waits", "s"),
    _plain("h", "time of an iteration at the lock when nobody waits", "s"),
    Notation("h_j", "h_j", "h_j", "h_j", "time a pass at site j holds the lock", "s"),
    _sub("h", "mean", "time a pass holds the lock, mean over all acquires", "s"),
    _plain("c", "time per acquire besides held work: acquire time and hand-off", "s"),
    Notation("c_1", "c_1", "c_1", "c_1", "what each waiter adds to an iteration's passes", "s"),
    _plain("r", "time a walk reads, holding all shards", "s"),
    Notation("c_w", "c_w", "c_w", "c_w", "time a walk needs per shard to acquire it", "s"),
    Notation("a_w", "a_w", "a_w", "a_w", "time a walk waits for a shard that is always held", "s"),
    _plain("D", "demand: an iteration's time at the lock with a waiter about", "s"),
    _sub("D", "rest", "demands of all other locks, when nobody waits", "s"),
    _plain("W", "wait of an acquire", "s"),
    _plain("R", "time of an iteration at the lock, waiting included", "s"),
    _plain("X", "throughput", "/s"),
    _plain("C", "ceiling: throughput that no population exceeds", "/s"),
    _sub("C", "next", "ceiling of what binds next", "/s"),
    _plain("G", "gain: throughput after over before"),
    Notation("phi", "phi", r"\phi", "phi", "held share of the demand: tau I / D"),
    Notation("delta", "delta", r"\delta", "delta", "share of its demand a lock is relieved of"),
    _plain("e", "exponent of throughput in 1/D: d ln X / d ln (1/D)"),
    _plain("q", "share of an iteration's time at the lock, holding or waiting"),
    Notation("Q_N", "Q(N)", "Q(N)", "Q(N)", "mean processes at the station, population N"),
    Notation(
        "Q_before", "Q(N-1)", "Q(N-1)", "Q(N - 1)", "mean processes there, population N - 1"
    ),
    Notation(
        "P_N", "P_N(n>=j)", r"P_N(n \geq j)", "P_N (n >= j)",
        "probability of j or more at the station, population N",
    ),
    Notation(
        "P_before", "P_N-1(n>=j)", r"P_{N-1}(n \geq j)", "P_(N - 1) (n >= j)",
        "probability of j or more there, population N - 1",
    ),
    Notation(
        "U_N", "U(N)", "U(N)", "U(N)", "probability that somebody is at the station, population N"
    ),
    Notation(
        "U_before", "U(N-1)", "U(N-1)", "U(N - 1)", "probability of that, population N - 1"
    ),
    _plain("x", "ratio Z / D"),
    Notation("F_N", "F(N)", "F(N)", "F(N)", "sum of the weights of 0 .. N at the lock"),
    Notation("F_before", "F(N-1)", "F(N-1)", "F(N - 1)", "the same of a population of N - 1"),
    Notation("p_0", "p_0", "p_0", "p_0", "probability that nobody is at the lock"),
)  # fmt: skip

GLOSSARY = {entry.name: entry for entry in _ENTRIES}
"""Name -> quantity; the order is that of print."""


def symbol(name: str) -> sp.Symbol:
    """Return the SymPy symbol of a quantity: positive, and whole where it counts.

    Parameters
    ----------
    name : str
        A key of `GLOSSARY`.
    """
    if GLOSSARY[name].whole:
        return sp.Symbol(name, integer=True, nonnegative=True)
    return sp.Symbol(name, positive=True)


def symbols(names: str) -> tuple[sp.Symbol, ...]:
    """Return the symbols of several names, separated by blanks."""
    return tuple(symbol(name) for name in names.split())


def quantities(expression: sp.Basic) -> tuple[Notation, ...]:
    """Return the quantities that an expression depends on, in the order of the glossary."""
    free = {s.name for s in expression.free_symbols}
    return tuple(entry for name, entry in GLOSSARY.items() if name in free)
