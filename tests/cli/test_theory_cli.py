"""`lockmodel theory`: the list, statements on shipped scenarios, exports, refusals."""

from __future__ import annotations

import json

import pytest
from places import timed_path

from lockmodel.statements import STATEMENTS


def test_the_list_names_every_statement(command):
    ran = command("theory")
    assert ran.fine
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[2:] if line[0] != " "] == list(STATEMENTS)
    listed = json.loads(command("theory", "--json").stdout)
    assert listed["schema"] == "lockmodel.theory-list/1"
    assert [one["name"] for one in listed["statements"]] == list(STATEMENTS)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_prints_in_80_columns(name, command):
    ran = command("theory", name, "--model", "execl-xeon8369b", "--model", "doexec-20", "-n", "12")
    assert ran.fine
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"{name}: ")
    for head in ("where", "holds if:"):
        assert head in lines
    assert "execl-xeon8369b at 12 processes" in ran.stdout
    assert "doexec-20 at 12 processes" in ran.stdout
    assert "nan" not in ran.stdout


def test_numbers_carry_their_units(command):
    text = command("theory", "ceiling", "--model", timed_path("sysexec-spr224-v6.12")).stdout
    for line in ("ceiling                                   20.6 k/s", "34.4 us", "21 acquires"):
        assert line in text
    assert "k: shards                                  1 shard\n" in text
    assert "libc.so.6" in text


def test_json_has_formulae_and_numbers_in_base_units(command):
    statement = json.loads(
        command("theory", "knee", "--model", timed_path("doexec-20"), "--json").stdout
    )
    assert statement["schema"] == "lockmodel.theory/1"
    assert [one["name"] for one in statement["formulae"]] == ["knee", "missing"]
    assert statement["formulae"][0]["typst"] == 'N = frac(k (Z + h + D_"rest"), D)'
    (numbers,) = statement["numbers"]
    assert (numbers["scenario"], numbers["population"]) == ("doexec-20", 20)
    knee = next(one for one in numbers["values"] if one["name"] == "knee")
    assert knee["value"] == pytest.approx(17.3, abs=0.3)
    assert knee["unit"] == "processes"


def test_exports_are_formulae_alone(command, tmp_path):
    latex = command("theory", "saturation", "--format", "latex").stdout
    assert latex.startswith("% saturation, gain_of_shorter_hold: ")
    assert "G \\leq 1 + \\frac{\\tau I}{m c}" in latex
    typst = command("theory", "saturation", "--format", "typst").stdout
    assert "\nG <= 1 + frac(tau I, m c)\n" in typst
    python = command("theory", "one-lock", "--format", "python").stdout
    scope: dict[str, object] = {}
    exec(python, scope)
    assert scope["throughput_constant"](N=1, Z=9.0, D=1.0) == pytest.approx(0.1)
    assert command("theory", "knee", "--format", "python", "-o", "knee.py").fine
    assert (tmp_path / "knee.py").read_text().startswith("def knee(")


def test_walkers_can_be_added(command):
    model = "--model", timed_path("sysexec-spr224-v6.12")
    ran = command("theory", "best-shards", "--walks", "libc.so.6=5000,read_us=64", *model)
    assert "a_w: wait for a shard that is always held" in ran.stdout
    assert "--walks" in command("theory", "best-shards").stdout


def test_what_is_wrong_is_said(command):
    for line, word in {
        "theory cieling": "did you mean 'ceiling'",
        "theory ceiling --model nothing": "not shipped",
        "theory ceiling -n 1,2": "one population",
        "theory --model doexec-20": "NAME is missing",
        "theory ceiling --format word": "word",
    }.items():
        ran = command(*line.split())
        assert (ran.returncode, ran.stdout) == (3, ""), line
        assert word in ran.stderr, line


def test_listing_needs_no_sympy(cli):
    program = (
        "import sys; from lockmodel.cli import run; run(sys.argv[1:]); "
        "print('sympy' in sys.modules)"
    )
    assert cli("theory", python=program).stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("word", ["zz=1", "thinkk=1", "shards=4"])
def test_a_word_that_is_no_symbol_is_answered_with_the_statements_symbols(word, command):
    ran = command("theory", "comparison", "--set", word)
    assert ran.returncode == 3
    key = word.partition("=")[0]
    assert ran.stderr == (
        f"lockmodel: --set {key}: is no symbol of comparison, and no key of the model; its "
        f"symbols: s, tau, I, m, m', c\n"
    )
    assert "unknown key 'zz'" in command("theory", "comparison", "--set", "libc.so.6.zz=1").stderr
    assert command("theory", "comparison", "--set", "think=9us").fine
