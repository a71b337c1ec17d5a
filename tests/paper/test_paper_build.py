"""The tools: what a script gives, and what fails, on a paper of one figure and two numbers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from places import ROOT

from paper.tools import records, scripts, typeset
from paper.tools.errors import PaperError
from paper.tools.out import Out, gain_range, micro, si_range, si_with_range

STYLE = """
#let all = json("numbers/all.json")
#let n = { let made = (:); for (k, v) in all.values { made.insert(k, v.text) }; made }
#let plot(name, caption) = figure(image("figures/" + name + ".svg"), caption: caption)
#let data-table(name, caption) = figure(
  table(columns: 2, ..all.tables.at(name).rows.flatten()), caption: caption)
"""
MAIN = """#import "style.typ": *
#set document(title: "small", date: none)
The answer is #n.answer. A dot: @f-dot, says @amdahl1967.
#plot("dot", [A dot.]) <f-dot>
#data-table("squares", [Squares.])
#context [#metadata(counter(page).final().first()) <pages>]
#bibliography("numbers/references.bib")
"""
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
VALUES = """
def make(out):
    out.count("answer", 42)
    out.table("squares", ["x", "y"], [["3", "9"]])
"""
BIB = "@inproceedings{amdahl1967, author={Amdahl, G}, title={T}, booktitle={A}, year={1967}}\n"
FILES = {
    "style.typ": STYLE,
    "main.typ": MAIN,
    "references.bib": BIB,
    "figures/dot.svg": DOT,
    "figures/dot.pdf": "%PDF",
    "scripts/values.py": VALUES,
}


@pytest.fixture
def paper(tmp_path):
    """A small paper, drawn already."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def edit(paper, name, old, new):
    path = paper / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def build(paper):
    """Run all scripts, then typeset, as make does."""
    for script in scripts.find(paper):
        records.write(paper / "numbers" / f"{script.stem}.json", scripts.run(script))
    return typeset.build(paper, ["dot"])


def refused(paper):
    with pytest.raises(PaperError) as caught:
        build(paper)
    return str(caught.value)


def test_a_paper_is_built_with_its_figure_its_table_and_its_record(paper):
    made = build(paper)
    assert (made.pages, made.figures, made.values, made.tables) == (1, 1, 1, 1)
    assert made.pdf.read_bytes().startswith(b"%PDF-1.")
    assert typeset.summary(made).endswith(
        "lockmodel.pdf: 1 pages, 1 figures, 1 tables, 1 named values"
    )
    record = json.loads((paper / "numbers" / "values.json").read_text())
    assert record == {
        "values": {"answer": {"text": "42", "kind": "text", "value": 42, "unit": ""}},
        "tables": {"squares": {"heads": ["x", "y"], "rows": [["3", "9"]], "words": 1}},
    }
    assert records.read(paper / "numbers" / "values.json").values["answer"].value == 42


def test_two_builds_give_the_same_bytes(paper):
    first = build(paper).pdf.read_bytes()
    files = {p.name: p.read_bytes() for p in (paper / "numbers").iterdir()}
    assert set(files) == {"all.json", "references.bib", "values.json"}
    assert build(paper).pdf.read_bytes() == first
    assert {p.name: p.read_bytes() for p in (paper / "numbers").iterdir()} == files


def test_a_typed_number_fails_before_anything_is_typeset(paper):
    edit(paper, "main.typ", "#n.answer", "42")
    assert "main.typ:3: '42' is typed: The answer is 42" in refused(paper)
    assert not (paper / "numbers" / records.MERGED).exists()
    assert not (paper / typeset.PDF).exists()


def test_a_missing_number_fails_with_the_nearest_name(paper):
    edit(paper, "main.typ", "#n.answer", "#n.answers")
    said = refused(paper)
    assert "main.typ:3: no script writes the value 'answers'; did you mean 'answer'?" in said
    assert "value 'answer': a script writes it and the text does not use it" in said
    assert not (paper / typeset.PDF).exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("main.typ", '#plot("dot", [A dot.]) <f-dot>', "#figure[A] <f-dot>", "figure 'dot': a"),
        ("main.typ", '"dot"', '"dots"', "main.typ:4: no script writes the figure 'dots'; did you"),
        ("main.typ", '"squares"', '"cubes"', "no script writes the table 'cubes'"),
        ("main.typ", "@amdahl1967", "@amdahl1976", "@amdahl1976 is no label and not in"),
        ("main.typ", "A dot: ", "A <f-dot> dot: ", "<f-dot>: two places have this label"),
    ],
)
def test_names_that_do_not_match_fail(paper, name, old, new, message):
    edit(paper, name, old, new)
    assert message in refused(paper)


def test_a_name_that_two_scripts_give_fails(paper):
    (paper / "scripts" / "more.py").write_text("def make(out):\n    out.count('answer', 1)\n")
    assert "answer: named by two scripts" in refused(paper)


def test_a_figure_that_is_not_drawn_fails(paper):
    (paper / "figures" / "dot.pdf").unlink()
    said = refused(paper)
    assert "figures/dot.pdf: is missing" in said
    assert "remove figures/ and build again: make paper" in said


def test_numbers_of_a_script_that_is_gone_do_not_count(paper):
    first = build(paper).pdf.read_bytes()
    left = (paper / "numbers" / "values.json").read_text().replace("answer", "question")
    (paper / "numbers" / "gone.json").write_text(left)
    assert build(paper).pdf.read_bytes() == first
    (paper / "scripts" / "values.py").unlink()
    assert "no script writes the value 'answer'" in refused(paper)


@pytest.mark.parametrize("text", ["", "{}", '{"values": {"answer": 42}, "tables": {}}'])
def test_a_record_that_was_tampered_with_is_named(paper, text):
    build(paper)
    path = paper / "numbers" / "values.json"
    path.write_text(text)
    with pytest.raises(PaperError, match=r"values\.json is not what a script wrote .* remove it"):
        typeset.build(paper, ["dot"])
    path.unlink()
    with pytest.raises(PaperError, match=r"values\.json is not .* build again: make paper"):
        typeset.build(paper, ["dot"])


def test_what_typst_refuses_or_warns_of_fails(paper):
    edit(paper, "main.typ", "The answer", '#text(font: "None Such")[The] answer')
    assert "Typst warns" in refused(paper)
    edit(paper, "main.typ", "#text(", "#nonsense(")
    assert "Typst refuses the text" in refused(paper)
    assert not (paper / typeset.PDF).exists()


def test_a_script_that_fails_is_named(paper):
    edit(paper, "scripts/values.py", "42", "41.5")
    assert "answer = 41.5 is not whole" in refused(paper)
    (paper / "scripts" / "values.py").write_text("")
    assert "values.py has no function make(out)" in refused(paper)


def test_a_write_that_is_interrupted_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    records.write_atomically(path, b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(records.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        records.write_atomically(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert path.read_bytes() == b"old"


def test_values_refuse_what_the_text_could_not_print():
    out = Out()
    out.share("part", 0.8969, 1)
    assert out.values["part"].text == "89.7 %"
    for call, message in (
        (lambda: out.share("part", 0.1), "given twice"),
        (lambda: out.share("Part", 0.1), "is no name"),
        (lambda: out.si("t", float("inf"), "s"), "not finite"),
        (lambda: out.words("w", "x", "bold"), "none of text, code, math"),
        (lambda: out.table("t", ["a"], [["1", "2"]]), "do not fit its heads"),
    ):
        with pytest.raises(PaperError, match=message):
            call()


def test_numbers_are_printed_with_units():
    assert micro("28.7 us and bus") == "28.7 µs and bus"
    assert si_range(9.24e-8, 2.96e-6, "s") == "92.4 ns to 2.96 µs"
    assert si_range(28.3e-6, 30.9e-6, "s") == "28.3 to 30.9 µs"
    assert si_with_range(13.4e-6, 9.53e-6, 18.9e-6, "s") == "13.4 µs (9.53 to 18.9)"
    assert si_with_range(33841.0, 32366.0, 135382.0, "/s") == "33.8 k/s (32.4 to 135)"
    assert gain_range(0.49, 0.706) == "49 to 71"
    assert gain_range(-0.0001, 0.0456) == "0 to +4.6"
    assert gain_range(-0.029, 0.086) == "-2.9 to +8.6"


def test_without_typst_the_tool_says_what_to_install(paper, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "typst", None)
    with pytest.raises(typeset.MissingTypstError, match=r"pip install 'lockmodel\[paper\]'"):
        build(paper)


def run(*words):
    """Run a tool as make does."""
    line = [sys.executable, "-m", "paper.tools.scripts", *map(str, words)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_tool_writes_its_file_or_says_why_not(paper):
    script, made = paper / "scripts" / "values.py", paper / "numbers" / "values.json"
    ran = run(script, made)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert records.read(made).tables["squares"].rows == (("3", "9"),)
    before = made.read_bytes()
    edit(paper, "scripts/values.py", "42", "41.5")
    ran = run(script, made)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"paper: {script}: answer = 41.5 is not whole")
    assert made.read_bytes() == before
