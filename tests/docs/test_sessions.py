"""The sessions of README and docs/ are what the commands print."""

from __future__ import annotations

import difflib

import pytest
from goldens import GOLDEN

from tools import sessions

PAGES = sessions.pages()


def same(page, folder):
    """Fail with the difference unless a page is as it is made anew."""
    old = page.read_text()
    new = sessions.renewed(old, folder)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="")
    assert old == new, "make sessions:\n" + "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=sessions.name_of)
def test_what_a_golden_report_has_is_that_report(page):
    """That these are what the commands print is for tests/cli/test_golden.py."""
    same(page, None)


@pytest.mark.long
@pytest.mark.parametrize(
    "page", [page for page in PAGES if sessions.has_to_run(page)], ids=sessions.name_of
)
def test_what_has_to_run_is_what_it_prints(page, tmp_path):
    same(page, str(tmp_path))


def test_a_session_that_is_not_its_report_is_made_anew():
    report = (GOLDEN / "ceiling.txt").read_text()
    page = "a\n```console\n$ lockmodel ceiling \\\n    execl-xeon8369b\n{}\n$ lockmodel none\n```\n"
    assert sessions.renewed(page.format("old\n"), None) == page.format(report)


def test_a_cut_keeps_as_many_lines_as_stand_around_it():
    first, *_, last = (GOLDEN / "ceiling.txt").read_text().splitlines()
    cut = "```console\n$ lockmodel ceiling execl-xeon8369b\none\n...\ntwo\n```"
    assert sessions.renewed(cut, None) == cut.replace("one", first).replace("two", last)


def test_only_numbers_may_differ_where_they_are_drawn_and_only_there():
    page = "```console\n$ lockmodel simulate execl-xeon8369b -n 1,8\n{}```"
    report = (GOLDEN / "simulate.txt").read_text()
    other = page.format(report.replace("36.5", "36.6"))
    assert sessions.renewed(other, None) == other
    assert sessions.renewed(page.format(report + "more\n"), None) == page.format(report)
    exact = (GOLDEN / "ceiling.txt").read_text()
    page = "```console\n$ lockmodel ceiling execl-xeon8369b\n{}```"
    assert sessions.renewed(page.format(exact.replace("34.7", "34.8")), None) == page.format(exact)


def test_a_line_that_is_no_command_and_a_command_that_fails_are_refused(tmp_path):
    with pytest.raises(SystemExit, match="not a lockmodel command"):
        sessions.renewed("```console\n$ rm file\n```", None)
    with pytest.raises(SystemExit, match="exits with 3"):
        sessions.renewed("```console\n$ lockmodel nonsense\n```", str(tmp_path))
