"""The call graph under one entry of `perf report --stdio`, as paths with percentages.

A line is a branch (`|--24.82%--function`), the only chain (`---function`), or the next function of
the branch it stands under; what it stands under follows from its column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

BRANCH = re.compile(r"[|\s]*?[|\s]?(--\s?(\d{1,3}(?:\.\d+)?)%\s?--\s?|---)(\S.*)")
CHAIN = re.compile(r"[|\s]*(\S.*)")
SLACK = 1
"""Columns by which functions of one branch may be shifted (percentages of 4 and 5 characters)."""

FRACTAL_EXCESS = 1.02
"""Children that add up to more than this many times their parent are percentages of the parent."""

ROUNDING = 0.005
"""Most that a printed percentage is off; it may add up over many small branches."""

DEEPEST = 512
"""Branches in one another; the kernel's own limit of a stack is 127 frames."""


@dataclass
class Node:
    """A branch: its share in %, or None for all of its parent, functions and branches."""

    percent: float | None
    column: int
    text_column: int
    functions: list[str]
    children: list[Node] = field(default_factory=list)


def parse(lines: Sequence[str]) -> Node:
    """Return the tree of the lines under an entry; the root has no functions of its own."""
    root = Node(None, -1, -1, [])
    path = [root]
    for line in lines:
        branch = BRANCH.fullmatch(line)
        if branch is not None:
            column = branch.start(1)
            while path[-1].column >= column:
                path.pop()
            if len(path) >= DEEPEST:
                continue
            percent = float(branch[2]) if branch[2] else None
            node = Node(percent, column, branch.start(3), [_function(branch[3])])
            path[-1].children.append(node)
            path.append(node)
            continue
        chain = CHAIN.fullmatch(line)
        if chain is None or chain[1].strip("|- ") == "":
            continue
        while len(path) > 1 and chain.start(1) < path[-1].text_column - SLACK:
            path.pop()
        path[-1].functions.append(_function(chain[1]))
    return root


def _function(text: str) -> str:
    return text.replace("(inlined)", "").strip()


def paths(root: Node, percent: float) -> list[tuple[tuple[str, ...], float]]:
    """Return every path from the top of the tree down, with the percentage that ends there.

    Parameters
    ----------
    root : Node
        From `parse`.
    percent : float
        Of the entry itself.

    Returns
    -------
    list of (functions in the order printed, percent of all samples)
        Percentages of parents (`-g fractal`) are turned into percentages of all.
    """
    relative = _is_fractal(root, percent)
    weighted: list[tuple[tuple[str, ...], float]] = []
    todo: list[tuple[Node, tuple[str, ...], float]] = [(root, (), percent)]
    while todo:
        node, above, value = todo.pop()
        here = (*above, *node.functions)
        rest = value
        for child in node.children:
            share = value if child.percent is None else child.percent
            if child.percent is not None and relative:
                share = value * child.percent / 100
            rest -= share
            todo.append((child, here, share))
        if rest > 0 and (not node.children or rest > 1e-9 * value):
            weighted.append((here, rest))
    return weighted


def _is_fractal(root: Node, percent: float) -> bool:
    """Return whether the branches are percentages of their parents."""
    todo: list[tuple[Node, float]] = [(root, percent)]
    while todo:
        node, value = todo.pop()
        given = [child.percent for child in node.children if child.percent is not None]
        if sum(given) > FRACTAL_EXCESS * value + ROUNDING * (len(given) + 1):
            return True
        todo += [(c, value if c.percent is None else c.percent) for c in node.children]
    return False
