"""The text may name numbers and type none."""

from __future__ import annotations

import pytest

from paper.tools import bibliography, prose


def source(tmp_path, text, name="text.typ"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return prose.read(path, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "The gain is 42 %.",
        "It took 3.5 times.",
        "Linux 6.12 does it.",
        '#plot("curve", [Only 8 points.])',
        "`lockmodel levers model -n 128`",
        "$X = 12$",
        "$X = 7$",
        "$x / 1.5$",
        "$10^2$",
        "We saw fifteen acquires.",
        "A Quarter of the demand.",
        "#v(2em)",
        '#cell("7")',
        "It is #n.gain; so we say.",
    ],
)
def test_typed_numbers_are_found(tmp_path, text):
    (one,) = source(tmp_path, f"Words.\n\n{text}\n").typed
    assert one.startswith("text.typ:3: ")


@pytest.mark.parametrize(
    "text",
    [
        "// 42 in a comment",
        "/* 1\n2\n3 */ words",
        "As @huang2026b and @t-table2 say.",
        "= Heading <part2>",
        "#n.gain_2 and $#n.f_9$ and (#n.rate_128).",
        "$x^2 + 1 - X_0$ and $1 \\/ (1 - phi)$",
        "Three ways, one answer, twice.",
        "Someone often listens; weightless.",
    ],
)
def test_what_is_no_typed_number(tmp_path, text):
    assert source(tmp_path, text).typed == ()


def test_each_typed_number_is_told_with_its_line_and_words(tmp_path):
    typed = source(tmp_path, "One\n/* two\nlines */ then 7 and\nten more").typed
    assert typed == (
        "text.typ:3: '7' is typed: lines */ then 7 and".replace("lines */ ", ""),
        "text.typ:4: 'ten' is typed: ten more",
    )


def test_sizes_belong_into_the_style_file(tmp_path):
    assert source(tmp_path, "#set text(size: 9.6pt)", prose.STYLE).typed == ()
    assert len(source(tmp_path, "#set text(size: 9.6pt)").typed) == 1


def test_names_are_found_with_their_places(tmp_path):
    text = '#n.peak at #n.peak_n.\n#plot("hold", [A #n.libc @guzik2024]) <f-hold>\n'
    text += '#data-table(\n  "levers", [b])\n// #n.not_this @nor_this'
    made = source(tmp_path, text)
    assert [(p.name, p.where) for p in made.values] == [
        ("peak", "text.typ:1"),
        ("peak_n", "text.typ:1"),
        ("libc", "text.typ:2"),
    ]
    assert [(p.name, p.where) for p in made.figures] == [("hold", "text.typ:2")]
    assert [(p.name, p.where) for p in made.tables] == [("levers", "text.typ:3")]
    assert [(p.name, p.where) for p in made.references] == [("guzik2024", "text.typ:2")]
    assert made.labels == ("f-hold",)


def test_notes_are_put_behind_titles():
    text = (
        "% comment\n"
        "@misc{a1, author={B, C}, title={mm: x\\_y {Z}}, note={Commit 12; id {q}@r}, year={2024}}\n"
        "@article{b2, title={T}, year={1999}}\n"
    )
    assert bibliography.keys(text) == ["a1", "b2"]
    assert bibliography.with_notes(text) == (
        "% comment\n"
        "@misc{a1, author={B, C}, title={mm: x\\_y {Z}. Commit 12; id {q}@r}, year={2024}}\n"
        "@article{b2, title={T}, year={1999}}\n"
    )
