"""What the reference says is made from the code, and is of today."""

from __future__ import annotations

import re

import pytest
from places import ROOT

from lockmodel.cli.app import COMMANDS
from lockmodel.model import scenario as sc
from lockmodel.model.toml import loads
from lockmodel.observe.readers import FORMATS, read_text
from lockmodel.observe.text import from_text
from tools import reference

FORMATS_PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text()


@pytest.mark.parametrize(
    "page",
    [page for page in reference.pages() if reference.MADE.search(page.read_text())],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_is_what_the_code_says(page):
    old = page.read_text()
    assert reference.made_anew(old) == old, "run make reference"


def test_every_part_stands_on_a_page():
    stand = [m["name"] for p in reference.pages() for m in reference.MADE.finditer(p.read_text())]
    assert sorted(stand) == sorted(reference.PARTS)


def test_a_part_that_is_not_of_today_is_made_anew():
    page = "a\n<!-- made: levers -->\nstale\n<!-- end -->\nb\n"
    made = reference.made_anew(page)
    assert "stale" not in made
    assert "| `exclude:LOCK` | the lock is not taken at all | the next lock |" in made
    assert reference.made_anew(made) == made


def test_every_command_has_its_help():
    heads = re.findall(r"^### (\w+)$", (ROOT / "docs/reference/commands.md").read_text(), re.M)
    assert heads == list(COMMANDS)


def test_subcommands_have_theirs():
    assert "#### trace lab\n" in reference.commands()


def rows(head):
    """Return the first cells of the table of a part on the page of formats."""
    part = next(m for m in reference.MADE.finditer(FORMATS_PAGE) if m["name"] == head)
    return re.findall(r"^\| (`.*?) \|", part[0], re.M)


def test_every_column_that_the_reader_understands_is_on_the_page():
    """Names as people wrote them in files, and as the reader takes them: nothing from a record."""
    names = "hold_ns wait_us lock site shards idle_percent acquires sd repeat variant kernel what"
    values = "250 3 a b 2 4 15 10 1 stock 6.12 execl"
    text = f"tasks,throughput,{names.replace(' ', ',')}\n4,1000,{values.replace(' ', ',')}\n"
    reading = read_text(from_text(text, "f"))
    assert reading.facts == ()
    assert not any("not known" in warning for warning in reading.warnings)
    for name in ("tasks", "throughput", *names.split()):
        assert f"`{name}`" in FORMATS_PAGE, name


def test_every_comment_that_is_used_is_on_the_page():
    for key in ("unit", "machine", "caveat", "hold_ns", "think_ns", "CPU(s)", "governor", "when"):
        assert f"`# {key}:`" in FORMATS_PAGE, key


def test_every_format_has_a_row():
    first = [cell for cell in rows("formats") if cell != "`--format`"]
    assert first == [f"`{name}`" for name in FORMATS]


def test_a_border_inside_a_cell_is_none():
    made = reference.table(("a",), [("`x|y<z` or b|c",)])
    assert made.splitlines()[2] == "| <code>x&#124;y&lt;z</code> or b&#124;c |"


def test_keys_of_a_scenario_carry_the_unit_and_the_default_of_a_file():
    lock = reference.keys(sc.Lock)
    assert "| `handoff_timeout_ms` | 4 |" in lock
    assert "| `acquire_time_ns` | 0 |" in lock
    assert "One of `hash`, `cpu`, `node`." in lock
    assert "econds" not in lock
    written = 'name = "a"\nthink_us = 1\nmachine = { name = "m", cpus = 1, cores = 1 }\n'
    lock_of = '[[locks]]\nname = "l"\nhandoff_timeout_ms = 4\nacquire_time_ns = 0\n'
    assert loads(written + lock_of).locks[0] == sc.Lock(name="l")


def test_a_key_without_a_word_in_its_docstring_is_an_error():
    class Undescribed(sc.Lock, frozen=True):
        """A lock.

        Parameters
        ----------
        name : str
            The name.
        """

    with pytest.raises(KeyError, match="time_per_instruction_local"):
        reference.keys(Undescribed)


def test_exit_codes_are_those_of_the_errors():
    assert re.findall(r"^\| (\d) ", reference.exit_codes(), re.M) == list("012345")
