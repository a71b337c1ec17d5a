"""Building: what is run again, and what fails, on a paper of one figure and two numbers."""

from __future__ import annotations

import json

import pytest

from lockmodel.errors import ArgumentError, FileError
from lockmodel.paper import build, inputs, records, typeset
from lockmodel.paper.errors import PaperError
from lockmodel.paper.out import Out, gain_range, micro, si_range, si_with_range

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
DOT = """
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
def make(out):
    out.files["dot.svg"] = SVG
    out.files["dot.pdf"] = b"%PDF"
"""
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
    "figures_src/dot.py": DOT,
    "numbers_src/values.py": VALUES,
}


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """A small paper; its inputs are a constant, so that nobody's edits matter."""
    monkeypatch.setattr(inputs, "present", lambda: {"data": "d", "lockmodel": "m"})
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


def refused(paper, **options):
    with pytest.raises(PaperError) as caught:
        build.build(paper, workers=1, **options)
    return str(caught.value)


def test_a_paper_is_built_with_its_figure_its_table_and_its_record(paper):
    made = build.build(paper, workers=1)
    assert (made.pages, made.values, made.tables) == (1, 1, 1)
    assert made.ran == ("figures_src/dot.py", "numbers_src/values.py")
    assert made.pdf.read_bytes().startswith(b"%PDF-1.")
    assert (paper / "figures" / "dot.pdf").read_bytes() == b"%PDF"
    record = json.loads((paper / "numbers" / "numbers-values.json").read_text())
    assert record["values"]["answer"] == {"text": "42", "kind": "text", "value": 42, "unit": ""}
    assert set(record["stamp"]) == {"data", "lockmodel", "script"}


def test_two_builds_give_the_same_bytes(paper):
    first = build.build(paper, workers=1).pdf.read_bytes()
    files = {p.name: p.read_bytes() for p in (paper / "numbers").iterdir()}
    assert build.build(paper, anew=True, workers=2).pdf.read_bytes() == first
    assert {p.name: p.read_bytes() for p in (paper / "numbers").iterdir()} == files


def test_only_what_has_changed_is_run_again(paper, monkeypatch):
    build.build(paper, workers=1)
    again = build.build(paper, workers=1)
    assert (again.ran, len(again.reused)) == ((), 2)
    edit(paper, "numbers_src/values.py", "42", "43")
    assert build.build(paper, workers=1).ran == ("numbers_src/values.py",)
    (paper / "figures" / "dot.svg").write_text("scribbled")
    assert build.build(paper, workers=1).ran == ("figures_src/dot.py",)
    monkeypatch.setattr(inputs, "present", lambda: {"data": "other", "lockmodel": "m"})
    assert len(build.build(paper, workers=1).ran) == 2


def test_only_draws_one_figure(paper):
    edit(paper, "main.typ", "#n.answer", "42")  # no matter for a figure
    made = build.build(paper, only="dot", workers=1)
    assert (made.pdf, made.ran) == (None, ("figures_src/dot.py",))
    assert sorted(p.name for p in (paper / "figures").iterdir()) == ["dot.pdf", "dot.svg"]
    assert not (paper / build.PDF).exists()
    with pytest.raises(ArgumentError, match=r"--only 'dott' .* did you mean 'dot'\?"):
        build.build(paper, only="dott")


def test_a_typed_number_fails_before_anything_is_run(paper):
    edit(paper, "main.typ", "#n.answer", "42")
    assert "main.typ:3: '42' is typed: The answer is 42" in refused(paper)
    assert not (paper / "numbers").exists()


def test_a_missing_number_fails_with_the_nearest_name(paper):
    edit(paper, "main.typ", "#n.answer", "#n.answers")
    said = refused(paper)
    assert "main.typ:3: no script writes the value 'answers'; did you mean 'answer'?" in said
    assert "value 'answer': a script writes it and the text does not use it" in said
    assert not (paper / build.PDF).exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("main.typ", '#plot("dot", [A dot.]) <f-dot>', "#figure[A] <f-dot>", "figure 'dot': a"),
        ("main.typ", '"squares"', '"cubes"', "no script writes the table 'cubes'"),
        ("main.typ", "@amdahl1967", "@amdahl1976", "@amdahl1976 is no label and not in"),
        ("main.typ", "A dot: ", "A <f-dot> dot: ", "<f-dot>: two places have this label"),
        ("figures_src/dot.py", "def make(out):", "def make(out):\n    out.count('answer', 1)",
         "answer: named by two scripts"),
    ],
)  # fmt: skip
def test_names_that_do_not_match_fail(paper, name, old, new, message):
    edit(paper, name, old, new)
    assert message in refused(paper)


def test_stale_numbers_fail_when_inputs_change_during_the_build(paper, monkeypatch):
    states = iter([{"data": "d", "models": "1"}, {"data": "d", "models": "2"}])
    monkeypatch.setattr(inputs, "present", lambda: next(states))
    said = refused(paper)
    assert "stale numbers" in said
    assert "numbers/numbers-values.json: made from another state of models" in said


def test_numbers_of_a_script_that_is_gone_fail(paper):
    build.build(paper, workers=1)
    (paper / "numbers_src" / "values.py").rename(paper / "numbers_src" / "others.py")
    said = refused(paper)
    assert "numbers/numbers-values.json: its script numbers_src/values.py is gone" in said


def test_a_record_that_was_tampered_with_is_made_again(paper):
    build.build(paper, workers=1)
    path = paper / "numbers" / "numbers-values.json"
    path.write_text(path.read_text().replace("script", "scripted"))
    assert build.build(paper, workers=1).ran == ("numbers_src/values.py",)


def test_what_typst_refuses_or_warns_of_fails(paper):
    edit(paper, "main.typ", "The answer", '#text(font: "None Such")[The] answer')
    assert "Typst warns" in refused(paper)
    edit(paper, "main.typ", "#text(", "#nonsense(")
    assert "Typst refuses the text" in refused(paper)
    assert not (paper / build.PDF).exists()


def test_a_script_that_fails_is_named(paper):
    edit(paper, "numbers_src/values.py", "42", "41.5")
    assert "answer = 41.5 is not whole" in refused(paper)
    (paper / "numbers_src" / "values.py").write_text("")
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


def test_outside_a_checkout_the_command_says_what_to_do(command, monkeypatch, tmp_path):
    monkeypatch.setattr(inputs, "PACKAGE", tmp_path / "site-packages" / "lockmodel")
    ran = command("paper")
    assert ran.returncode == FileError.exit_code
    assert "the text is not in the installed package" in ran.stderr
    assert "make paper" in ran.stderr


def test_without_typst_the_command_says_what_to_install(paper, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "typst", None)
    with pytest.raises(typeset.MissingTypstError, match=r"pip install 'lockmodel\[paper\]'"):
        build.build(paper, workers=1)


def test_the_command_builds_lists_and_reports(paper, command, monkeypatch):
    monkeypatch.setattr(build, "folder", lambda: paper)
    ran = command("paper")
    assert f"{paper / build.PDF}: 1 page, 1 figure, 1 table, 1 named values" in ran.stdout
    found = json.loads(command("paper", "--json").stdout)
    assert (found["schema"], found["pages"], found["ran"]) == ("lockmodel.paper/1", 1, [])
    assert 0 < found["seconds"] < 60
    listed = json.loads(command("paper", "--list", "--json").stdout)
    assert listed["scripts"][0] == {
        "kind": "figure", "name": "dot", "script": "paper/figures_src/dot.py"
    }  # fmt: skip
    assert command("paper", "--list", "--anew").returncode == ArgumentError.exit_code
