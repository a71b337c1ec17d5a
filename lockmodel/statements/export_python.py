"""A formula as a plain Python function: needs the standard library only.

Terms of sums are products of large and small numbers, so sums are added up from the logarithms of
their terms, and a ratio of sums is the exponential of a difference: nothing overflows on the way.
`math.lgamma` stands for factorials and gamma functions.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

if TYPE_CHECKING:
    from lockmodel.statements.symbols import Notation

WIDTH = 88
"""Longest line of the docstring made."""


LOG_SUM = '''def _log_sum(logarithms):
    """Return the logarithm of the sum of exponentials."""
    terms = list(logarithms)
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms))
'''
"""Put before a function whose expression has sums."""

EXP = '''def _exp(x):
    """Return the exponential; infinity beyond 1e308."""
    return math.exp(x) if x < 709.0 else math.inf
'''


class _Printer(PythonCodePrinter):  # type: ignore[misc]
    """SymPy's Python, with sums of positive terms by logarithms."""

    def _log_sum(self, expr: sp.Sum) -> str:
        ((index, low, high),) = expr.limits
        logarithm = sp.expand_log(sp.log(sp.gammasimp(expr.function)), force=True)
        span = f"range({self._print(low)}, int({self._print(high)}) + 1)"
        return f"_log_sum({self._print(logarithm)} for {self._print(index)} in {span})"

    def _print_Sum(self, expr: sp.Sum) -> str:
        return f"_exp({self._log_sum(expr)})"

    def _print_Mul(self, expr: sp.Mul) -> str:
        above = [f for f in expr.args if isinstance(f, sp.Sum)]
        below = [f for f in expr.args if isinstance(1 / f, sp.Sum)]
        if not (above and below):
            return str(super()._print_Mul(expr))
        rest = sp.Mul(*(f for f in expr.args if f not in above + below))
        logs = " + ".join(map(self._log_sum, above))
        logs += "".join(f" - {self._log_sum(1 / f)}" for f in below)
        return f"{self.parenthesize(rest, PRECEDENCE['Mul'])}*_exp({logs})"

    def _print_log(self, expr: sp.log) -> str:
        (inside,) = expr.args
        if isinstance(inside, sp.gamma):
            return f"math.lgamma({self._print(inside.args[0])})"
        if isinstance(inside, sp.factorial):
            return f"math.lgamma({self._print(inside.args[0] + 1)})"
        return f"math.log({self._print(inside)})"


def expression_source(expression: sp.Basic) -> str:
    """Return Python source of an expression; names of the module `math` are qualified."""
    printer = _Printer({"fully_qualified_modules": True, "strict": True})
    return str(printer.doprint(expression))


def function(
    name: str, title: str, expression: sp.Basic, arguments: Sequence[Notation], unit: str
) -> str:
    """Return the source of a function that computes an expression.

    Parameters
    ----------
    name, title : str
        Its name, and the first line of its docstring.
    expression : sympy expression
        Without special functions other than gamma and factorial.
    arguments : sequence of Notation
        In order.
    unit : str
        Of the result.

    Returns
    -------
    str
        Source with what it needs of its own and of the standard library.
    """
    body = expression_source(expression)
    lines = [f"def {name}({', '.join(entry.name for entry in arguments)}):"]
    lines.append(f'    """{title[0].upper()}{title[1:]}.')
    lines.append("")
    for entry in arguments:
        text = f"{entry.name}: {entry.meaning}" + (f", in {entry.unit}" if entry.unit else "")
        lines += textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent=" " * 8)
    if unit:
        lines.append(f"    Returns a number in {unit}.")
    lines += ['    """', f"    return {body}"]
    parts = ["import math\n"] if "math." in body or "_exp(" in body else []
    parts += [LOG_SUM, EXP] if "_exp(" in body else []
    return "\n\n".join([*parts, "\n".join(lines) + "\n"])
