"""Formulae as readable text, LaTeX and Typst mathematics, by one walk over the expression.

The walk knows what the theory uses: sums, products, powers, fractions, logarithms, exponentials,
gamma functions, factorials, rounding up, minima, finite sums and inequalities. Factors and terms
come in the order of the glossary. Anything else is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import sympy as sp

from lockmodel.statements.statement import DerivationError, Formula
from lockmodel.statements.symbols import GLOSSARY

Style = Literal["text", "latex", "typst"]

_ADD, _MUL, _POWER, _ATOM = range(4)
Piece = tuple[str, int]
"""Printed text and how tightly it binds."""

_RANK = {name: i for i, name in enumerate(GLOSSARY)}

_SIGNS: dict[str, dict[Style, str]] = {
    "=": {"text": "=", "latex": "=", "typst": "="},
    "<=": {"text": "<=", "latex": r"\leq", "typst": "<="},
    ">=": {"text": ">=", "latex": r"\geq", "typst": ">="},
    "<": {"text": "<", "latex": "<", "typst": "<"},
    ">": {"text": ">", "latex": ">", "typst": ">"},
    "~": {"text": "~", "latex": r"\approx", "typst": "approx"},
}


def _order(term: sp.Expr) -> tuple[int, list[int]]:
    """Return the key of a term of a sum or a factor of a product."""
    ranks = sorted(_RANK.get(s.name, len(_RANK)) for s in term.free_symbols)
    return (0 if ranks else -1), ranks


def _wrap(inner: str, style: Style) -> str:
    return rf"\left({inner}\right)" if style == "latex" else f"({inner})"


def _at_least(piece: Piece, level: int, style: Style) -> str:
    text, own = piece
    return text if own >= level else _wrap(text, style)


def _call(name: str, arguments: list[str], style: Style) -> str:
    if style == "latex":
        return rf"{name}\left({', '.join(arguments)}\right)"
    return f"{name}({', '.join(arguments)})"


def _fraction(above: Piece, below: Piece, style: Style) -> Piece:
    if style == "latex":
        return rf"\frac{{{above[0]}}}{{{below[0]}}}", _MUL
    if style == "typst":
        return f"frac({above[0]}, {below[0]})", _MUL
    return f"{_at_least(above, _MUL, style)} / {_at_least(below, _POWER, style)}", _MUL


def _sum(expression: sp.Add, style: Style) -> Piece:
    terms = sorted(expression.args, key=_order)
    plain = all(t.is_Symbol or t.is_Number for t in terms)
    negative = [t for t in terms if t.could_extract_minus_sign()]
    positive = [t for t in terms if t not in negative]
    if plain:  # N + 1, but 1 + tau I / (m c)
        positive.sort(key=lambda t: t.is_Number)
    text = " + ".join(_at_least(_walk(t, style), _MUL, style) for t in positive)
    for term in negative:
        text += f" - {_at_least(_walk(-term, style), _MUL, style)}"
    return text.removeprefix(" "), _ADD


def _product(expression: sp.Mul, style: Style) -> Piece:
    if expression.could_extract_minus_sign():
        return f"-{_at_least(_walk(-expression, style), _MUL, style)}", _ADD
    binary = [f for f in expression.args if f == 1 / sp.log(2)]
    logs = [f for f in expression.args if isinstance(f, sp.log)]
    if binary and logs:
        rest = expression * sp.log(2) / logs[0]
        shown = _power_of_two_log(logs[0].args[0], style)
        return _joined([*_factors(rest), shown], style)
    half = sp.Rational(1, 2)
    roots = [f for f in expression.args if f.is_Pow and abs(f.exp) == half]
    if len(roots) > 1:  # sqrt(2) sqrt(D) / sqrt(Z) is sqrt(2 D / Z)
        inside = _walk(sp.Mul(*(f**2 for f in roots)), style)[0]
        root = (rf"\sqrt{{{inside}}}" if style == "latex" else f"sqrt({inside})"), _ATOM
        rest = expression / sp.Mul(*roots)
        return root if rest == 1 else _joined([*_factors(rest), root], style)
    above, below = sp.fraction(expression)
    if below == 1:
        return _joined(_factors(expression), style)
    return _fraction(_walk(above, style), _walk(below, style), style)


def _factors(expression: sp.Expr) -> list[sp.Expr]:
    factors = []
    for factor in sp.Mul.make_args(expression):
        content, inner = factor.primitive() if factor.is_Add else (sp.S.One, factor)
        factors += [f for f in (content, inner) if f != 1]  # 2 (N - 1), not 2 N - 2
    big = (sp.Sum, sp.Function)
    return sorted(factors, key=lambda f: (isinstance(f, big), isinstance(f, sp.Add), _order(f)))


def _joined(factors: list[sp.Expr | Piece], style: Style) -> Piece:
    shown = [f if isinstance(f, tuple) else _walk(f, style) for f in factors]
    return " ".join(_at_least(piece, _MUL, style) for piece in shown), _MUL


def _power_of_two_log(argument: sp.Expr, style: Style) -> Piece:
    inner = _at_least(_walk(argument, style), _ATOM, style)
    name = {"text": "log2", "latex": r"\log_2", "typst": "log_2"}[style]
    return f"{name} {inner}", _MUL


def _power(expression: sp.Pow, style: Style) -> Piece:
    base, exponent = expression.args
    if exponent == sp.Rational(1, 2):
        inner = _walk(base, style)[0]
        return (rf"\sqrt{{{inner}}}" if style == "latex" else f"sqrt({inner})"), _ATOM
    if exponent.could_extract_minus_sign():
        return _fraction(_walk(sp.S.One, style), _walk(base**-exponent, style), style)
    under = _at_least(_walk(base, style), _ATOM, style)
    above = _walk(exponent, style)
    if style == "latex":
        return f"{under}^{{{above[0]}}}", _POWER
    raised = above[0] if above[1] == _ATOM and style == "text" else f"({above[0]})"
    return f"{under}^{raised}", _POWER


def _series(expression: sp.Sum, style: Style) -> Piece:
    ((index, low, high),) = expression.limits
    ends = [_walk(part, style)[0] for part in (index, low, high)]
    term = _at_least(_walk(expression.function, style), _MUL, style)
    if style == "latex":
        return rf"\sum_{{{ends[0]}={ends[1]}}}^{{{ends[2]}}} {term}", _MUL
    if style == "typst":
        return f"sum_({ends[0]} = {ends[1]})^({ends[2]}) {term}", _MUL
    return f"sum[{ends[0]}={ends[1]}..{ends[2]}] {term}", _MUL


def _function(expression: sp.Function, style: Style) -> Piece:
    arguments = [_walk(a, style)[0] for a in expression.args]
    if isinstance(expression, sp.exp):
        exponent = arguments[0]
        if style == "text":
            return f"exp({exponent})", _ATOM
        return (f"e^{{{exponent}}}" if style == "latex" else f"e^({exponent})"), _POWER
    if isinstance(expression, sp.factorial):
        return f"{_at_least(_walk(expression.args[0], style), _ATOM, style)}!", _POWER
    if isinstance(expression, sp.ceiling):
        if style == "latex":
            return rf"\left\lceil {arguments[0]} \right\rceil", _ATOM
        return f"{'ceil' if style == 'typst' else 'round up '}({arguments[0]})", _ATOM
    names: dict[type, tuple[str, str, str]] = {
        sp.log: ("ln", r"\ln", "ln"),
        sp.gamma: ("Gamma", r"\Gamma", "Gamma"),
        sp.uppergamma: ("Gamma", r"\Gamma", "Gamma"),
        sp.Min: ("min", r"\min", "min"),
        sp.Max: ("max", r"\max", "max"),
    }
    for kind, (text, latex, typst) in names.items():
        if isinstance(expression, kind):
            name = {"text": text, "latex": latex, "typst": typst}[style]
            return _call(
                name, sorted(arguments) if kind in (sp.Min, sp.Max) else arguments, style
            ), _ATOM
    raise DerivationError(f"no notation for {expression.func.__name__} in {expression}")


def _number(expression: sp.Number, style: Style) -> Piece:
    if expression.is_Integer:
        return str(expression), (_ATOM if expression >= 0 else _ADD)
    if expression.is_Rational:
        return _fraction((str(expression.p), _ATOM), (str(expression.q), _ATOM), style)
    raise DerivationError(f"{expression} is not a whole number or a fraction; write it as one")


def _symbol(expression: sp.Symbol, style: Style) -> Piece:
    entry = GLOSSARY[expression.name]
    return {"text": entry.text, "latex": entry.latex, "typst": entry.typst}[style], _ATOM


def _relational(expression: sp.Rel, style: Style) -> Piece:
    left, right = (_walk(side, style)[0] for side in (expression.lhs, expression.rhs))
    return f"{left} {_SIGNS[expression.rel_op][style]} {right}", _ADD


_WALKS: tuple[tuple[type, Callable[..., Piece]], ...] = (
    (sp.Symbol, _symbol),
    (sp.Number, _number),
    (sp.Add, _sum),
    (sp.Mul, _product),
    (sp.exp, _function),
    (sp.Pow, _power),
    (sp.Sum, _series),
    (sp.Rel, _relational),
    (sp.Function, _function),
    (sp.Min, _function),
    (sp.Max, _function),
)


def _walk(expression: sp.Basic, style: Style) -> Piece:
    if expression is sp.pi:
        return {"text": "pi", "latex": r"\pi", "typst": "pi"}[style], _ATOM
    for kind, walk in _WALKS:
        if isinstance(expression, kind):
            return walk(expression, style)
    raise DerivationError(f"no notation for {type(expression).__name__} in {expression}")


def rendered(expression: sp.Basic, style: Style) -> str:
    """Return an expression in a style; raises DerivationError for what has no notation here."""
    return _walk(expression, style)[0]


def formula(made: Formula, style: Style) -> str:
    """Return a formula with its left side.

    Parameters
    ----------
    made : Formula
    style : {'text', 'latex', 'typst'}
        Readable text, or the inside of mathematics in LaTeX or Typst (without dollar signs).
    """
    right = rendered(made.expression, style)
    if not made.left:
        return right
    entry = GLOSSARY[made.left]
    left = {"text": entry.text, "latex": entry.latex, "typst": entry.typst}[style]
    return f"{left} {_SIGNS[made.relation][style]} {right}"
