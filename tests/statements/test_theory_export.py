"""Exports: Python against arbitrary precision, LaTeX through a parser, Typst by its grammar."""

from __future__ import annotations

import math
import re

import pytest
import sympy as sp
from matplotlib.mathtext import MathTextParser

from lockmodel.statements import STATEMENTS, find_statement
from lockmodel.statements.export import formula, rendered
from lockmodel.statements.statement import DerivationError, Formula
from lockmodel.statements.symbols import GLOSSARY, symbol

ALL = [
    pytest.param(one, id=f"{name}/{one.name}")
    for name in STATEMENTS
    for one in find_statement(name).formulae
]

VALUES = {
    "s": 0.4, "tau": 0.25, "tau_new": 0.2, "I": 30.0, "I_0": 20.0, "g": 1.5, "M": 40.0, "w": 0.01,
    "N": 12.0, "n": 5.0, "k": 3.0, "m": 7.0, "m_new": 2.0, "m_j": 3.0, "Z": 11.0, "h": 0.7,
    "h_j": 0.3, "h_mean": 0.2, "c": 0.5, "c_1": 0.9, "r": 2.0, "c_w": 0.6,
    "a_w": 0.004, "D": 1.1,
    "D_rest": 2.0, "W": 4.0, "R": 3.0, "X": 0.5, "C": 0.6, "C_next": 0.9, "phi": 0.6, "e": 0.8,
    "delta": 0.2, "q": 0.3, "Q_N": 4.0, "Q_before": 3.4, "P_N": 0.5, "P_before": 0.4, "U_N": 0.9,
    "p_0": 0.15, "U_before": 0.87, "G": 2.0, "x": 10.0, "F_N": 9.0, "F_before": 8.0,
}  # fmt: skip
"""A number for every symbol of the formulae."""


def exported(made: Formula, values: dict[str, float]) -> float:
    """Return what the exported text computes, on its own, without any module of the project."""
    scope: dict[str, object] = {"__builtins__": __builtins__}
    assert "sympy" not in made.python
    exec(compile(made.python, "<export>", "exec"), scope)
    return scope[made.name](**{entry.name: values[entry.name] for entry in made.arguments})


@pytest.mark.parametrize("made", ALL)
def test_python_computes_the_printed_formula(made):
    values = VALUES | {"x": VALUES["Z"] / VALUES["D"]}
    if made.name == "throughput":
        values["p_0"] = exported(find_statement("one-lock").formula("idle_share"), values)
    if made.name == "throughput_constant":
        idle = find_statement("one-lock").formula("idle_share")
        values["p_0"] = exported(idle, values | {"h": values["D"]})
    if made.name == "throughput_ticket":
        weights = find_statement("ticket-lock").formula("weights")
        values["F_N"] = exported(weights, values)
        values["F_before"] = exported(weights, values | {"N": values["N"] - 1})
    rational = {symbol(name): sp.Float(number, 30) for name, number in values.items()}
    rational |= {symbol(name): sp.Integer(int(values[name])) for name in ("N", "n")}
    printed = made.expression.subs(rational)
    printed = printed.doit() if printed.has(sp.Sum) else printed
    if isinstance(made.expression, sp.Rel):
        assert bool(exported(made, values)) == bool(printed)
        return
    assert exported(made, values) == pytest.approx(float(sp.N(printed, 30)), rel=1e-11)


def test_python_of_sums_neither_overflows_nor_loses_the_limit():
    # weights up to 1e1000 at N = 1000: the ratio is 1 / (h + c_1 (n - 1)) with nearly all there
    ticket = find_statement("ticket-lock").formula("throughput_ticket")
    throughput = exported(ticket, {"N": 1000.0, "Z": 1.0, "h": 1.0, "c_1": 1.0})
    assert throughput == pytest.approx(1 / 1000, rel=1e-5)
    lock = find_statement("one-lock").formula("throughput")
    assert exported(lock, {"N": 5000.0, "Z": 1.0, "h": 0.5, "D": 2.0}) == pytest.approx(0.5)


def test_the_exported_function_says_what_it_takes():
    source = find_statement("ceiling").formula("ceiling").python
    assert source.startswith("def ceiling(tau, I, k, m, c):\n")
    assert "tau: time per held instruction, lines included, in s" in source
    assert "Returns a number in /s." in source


@pytest.mark.parametrize("made", ALL)
def test_latex_is_mathematics_that_a_parser_takes(made):
    shown = (
        formula(made, "latex")
        .replace(r"\left\lceil", r"\lceil")
        .replace(r"\right\rceil", r"\rceil")
    )
    MathTextParser("path").parse(f"${shown}$")
    assert shown.count("{") == shown.count("}")


TYPST_WORDS = {"frac", "sqrt", "sum", "log", "ln", "min", "ceil", "approx", "Gamma"} | {
    "tau", "phi", "delta", "pi",
}  # fmt: skip
"""Names of more than one letter in use that Typst's mathematics knows; others must be quoted."""


@pytest.mark.parametrize("made", ALL)
def test_typst_has_known_words_and_closed_brackets(made):
    shown = formula(made, "typst")
    bare = re.sub(r'"[a-z]+"', "", shown)
    assert set(re.findall(r"[A-Za-z]{2,}", bare)) <= TYPST_WORDS
    depth = 0
    for letter in bare:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    assert "\\" not in shown
    assert "*" not in shown


@pytest.mark.parametrize("made", ALL)
def test_text_is_plain(made):
    shown = formula(made, "text")
    assert shown.isascii()
    assert not re.search(r"\*|\\|_new|_before|sympy", shown)


def evaluated(text: str, values: dict[str, float]) -> float:
    """Return the value of printed text: blanks multiply, / and ^ bind as in Python."""
    for name, entry in sorted(GLOSSARY.items(), key=lambda item: -len(item[1].text)):
        if not entry.text.isidentifier():  # m', Q(N-1)
            text = text.replace(entry.text, name)
    tokens = re.findall(r"[A-Za-z_]\w*|\d+|[<>]=?|[-+/^(),!]", text)
    functions = {"sqrt": math.sqrt, "min": min, "ln": math.log, "exp": math.exp, "pi": math.pi}
    made = ""
    for before, token in zip(["(", *tokens], tokens, strict=False):
        operand = bool(re.match(r"\w|\)", before[-1])) and before not in functions.keys() - {"pi"}
        made += " * " * (operand and bool(re.match(r"\w|\(", token))) + token.replace("^", "**")
    return float(eval(made, functions | values))


@pytest.mark.parametrize("made", ALL)
def test_text_means_what_it_says(made):
    shown = rendered(made.expression, "text")
    if re.search(r"sum\[|Gamma|log2|round up", shown):
        return  # in the next test, by hand
    if isinstance(made.expression, sp.Rel):
        assert evaluated(shown, VALUES) == made.at(**VALUES)
        return
    exact = made.expression.subs({symbol(name): number for name, number in VALUES.items()})
    assert evaluated(shown, VALUES) == pytest.approx(float(exact), rel=1e-9)


def test_forms_by_hand():
    tau, held, m, c, k, n, z = (symbol(name) for name in ("tau", "I", "m", "c", "k", "n", "Z"))
    cases = {
        k / (tau * held + m * c): (
            "k / (tau I + m c)", r"\frac{k}{\tau I + m c}", "frac(k, tau I + m c)",
        ),
        k / (m * c): ("k / (m c)", r"\frac{k}{m c}", "frac(k, m c)"),
        (c / z) ** n: ("(c / Z)^n", r"\left(\frac{c}{Z}\right)^{n}", "(frac(c, Z))^(n)"),
        1 - 2 * (m - 1) * c: ("1 - 2 c (m - 1)", r"1 - 2 c \left(m - 1\right)", "1 - 2 c (m - 1)"),
        sp.log(k, 2): ("log2 k", r"\log_2 k", "log_2 k"),
        sp.sqrt(2 * z / c): ("sqrt(2 Z / c)", r"\sqrt{\frac{2 Z}{c}}", "sqrt(frac(2 Z, c))"),
        -tau: ("-tau", r"-\tau", "-tau"),
        sp.ceiling(k * z): ("round up (k Z)", r"\left\lceil k Z \right\rceil", "ceil(k Z)"),
        sp.Rational(3, 4) * k: ("3 k / 4", r"\frac{3 k}{4}", "frac(3 k, 4)"),
    }  # fmt: skip
    for expression, (text, latex, typst) in cases.items():
        assert rendered(expression, "text") == text
        assert rendered(expression, "latex") == latex
        assert rendered(expression, "typst") == typst


@pytest.mark.parametrize(
    "expression", [sp.sin(symbol("k")), sp.Float(0.5) * symbol("k"), sp.I, sp.Integral(symbol("k"))]
)
def test_what_has_no_notation_is_refused(expression):
    with pytest.raises(DerivationError, match=r"no notation|whole number"):
        rendered(expression, "text")


def test_every_symbol_is_explained_once():
    assert len({entry.text for entry in GLOSSARY.values()}) == len(GLOSSARY)
    for name in STATEMENTS:
        made = find_statement(name)
        known = {entry.name for entry in made.glossary}
        for one in made.formulae:
            free = {s.name for s in one.expression.free_symbols}
            bound = {s.name for s in one.expression.atoms(sp.Sum) for s in s.variables}
            assert free - bound <= known
    assert math.isclose(VALUES["tau"] * VALUES["I"], 7.5)
