"""The argument in closed form: statements derived with SymPy, exported, and put in numbers.

A statement's module is imported when it is asked for: SymPy alone takes half a second.

ceiling       the ceiling, why its levers saturate, split trees
elasticities  what a per cent of each part buys, of the ceiling and of X(N) exactly
comparison    batching against shortening against shards
walkers       the best number of shards when readers take all of them
repairman     one lock, N processes, exactly; the knee
collapse      a hand-off that grows with the waiters: peak and collapse
light_load    what any change of a lock can buy at small N
same_patch    one patch on 20 and on 224 CPUs
shares        why shares of waiting are proportional to acquires
export        readable text, LaTeX and Typst; export_python the plain functions
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from lockmodel.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from lockmodel.statements.statement import Statement


class StatementEntry(NamedTuple):
    """Where a statement is made, and what it says in one line."""

    module: str
    function: str
    title: str


STATEMENTS = {
    "ceiling": StatementEntry(
        "ceiling",
        "ceiling_statement",
        "no population gets more than k / (tau I + m c) out of a lock",
    ),
    "saturation": StatementEntry(
        "ceiling",
        "saturation_statement",
        "shorter holds and fewer acquires each cure one part, and leave the other",
    ),
    "tree-split": StatementEntry(
        "ceiling",
        "tree_statement",
        "splitting the tree under one lock buys a logarithm, splitting the lock a factor",
    ),
    "elasticity-ceiling": StatementEntry(
        "elasticities",
        "ceiling_elasticities",
        "held work and acquires share -1 of the ceiling between them, shards have +1",
    ),
    "elasticity": StatementEntry(
        "elasticities",
        "throughput_elasticities",
        "at any population a station counts by the queue that the last process adds there",
    ),
    "elasticity-level": StatementEntry(
        "elasticities",
        "level_elasticities",
        "the rate with j processes at a lock counts by how often the last makes it j",
    ),
    "comparison": StatementEntry(
        "comparison",
        "comparison_statement",
        "batching beats shortening if the hand-offs saved outweigh the hold time saved",
    ),
    "enough-shards": StatementEntry(
        "comparison",
        "enough_statement",
        "shards beyond the demand times the next ceiling buy nothing",
    ),
    "best-shards": StatementEntry(
        "walkers",
        "walkers_statement",
        "walkers that take all shards make more than (1 - w r) / (2 w c_w) of them a loss",
    ),
    "one-lock": StatementEntry(
        "repairman",
        "one_lock",
        "one lock and N processes: throughput in closed form at every population",
    ),
    "knee": StatementEntry(
        "repairman",
        "knee_statement",
        "the knee is where light load meets the ceiling, and nobody is there yet",
    ),
    "ticket-lock": StatementEntry(
        "collapse",
        "ticket_lock",
        "a hand-off that grows with the waiters takes throughput down as 1 / (c_1 N)",
    ),
    "collapse": StatementEntry(
        "collapse",
        "collapse_statement",
        "a ticket lock collapses long before its knee if Z c_1 exceeds h^2",
    ),
    "light-load": StatementEntry(
        "light_load",
        "light_load",
        "few processes seldom meet: a lock then weighs what it weighs in the iteration",
    ),
    "any-change": StatementEntry(
        "light_load",
        "any_change",
        "no change of a lock gains more than the share of time spent at it allows",
    ),
    "same-patch": StatementEntry(
        "same_patch",
        "same_patch",
        "the same patch gains (1 - delta)^-e: more where more of a process waits",
    ),
    "wait-shares": StatementEntry(
        "shares",
        "wait_shares",
        "every acquire waits equally long, so shares of waiting are shares of acquires",
    ),
}
"""The statements by name, in the order of reading."""


@lru_cache(maxsize=64)
def find_statement(name: str) -> Statement:
    """Return a statement; its derivation runs on the first call.

    Parameters
    ----------
    name : str
        A key of `STATEMENTS`.

    Raises
    ------
    ArgumentError
        There is no such statement.
    """
    if name not in STATEMENTS:
        raise ArgumentError(f"NAME {name!r}: {nearest(name, list(STATEMENTS))}")
    entry = STATEMENTS[name]
    module = importlib.import_module(f"lockmodel.statements.{entry.module}")
    made: Statement = getattr(module, entry.function)()
    return made
