"""The door: what it names, that it costs nothing, and that its names are those of type checkers."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import statistics
import subprocess
import sys
import time

import pytest
from places import ROOT

import lockmodel as lm
from lockmodel import cli
from lockmodel.api import answer, ask, given, measured, shown

MOST_S = 0.020
"""What importing the package may take longer than Python alone."""

COMMANDS = ("predict", "whatif", "levers", "sweep", "ceiling")


def test_all_names_are_there_and_no_others():
    for name in lm.__all__:
        thing = getattr(lm, name)
        assert thing.__name__ == name
        assert thing.__doc__
    assert dir(lm) == sorted([*lm.__all__, "__version__"])
    with pytest.raises(AttributeError, match="module 'lockmodel' has no attribute 'pedict'"):
        _ = lm.pedict


def test_type_checkers_see_the_same_names_from_the_same_places():
    tree = ast.parse((ROOT / "lockmodel" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {name.name: one.module for one in block.body for name in one.names}
    assert seen == {name: f"lockmodel.{home}" for name, home in lm._HOMES.items()}
    assert sorted(seen) == sorted(lm.__all__)
    assert (ROOT / "lockmodel" / "py.typed").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_are_those_of_the_command(name):
    own = inspect.signature(getattr(lm, name)).parameters
    __import__(f"lockmodel.cli.{name}")
    said = inspect.signature(getattr(getattr(cli, name), name)).parameters
    shared = own.keys() & said.keys() - {"over"}
    assert {"method", "time_limit"} & own.keys() <= shared
    assert {key: own[key].default for key in shared} == {key: said[key].default for key in shared}


def test_every_question_says_what_it_raises_and_has_an_example():
    for name in lm.__all__:
        if not inspect.isfunction(getattr(lm, name)):
            continue
        text = getattr(lm, name).__doc__
        for heading in ("Parameters", "Raises", "Examples"):
            assert re.search(rf"^ *{heading}\n *-+$", text, re.MULTILINE), (name, heading)
        for parameter in inspect.signature(getattr(lm, name)).parameters:
            assert re.search(rf"\b{parameter}\b.*[:,]|^ *machine, set$", text, re.MULTILINE), name


@pytest.mark.usefixtures("hardly_drawn")
@pytest.mark.parametrize("module", [answer, ask, given, measured, shown])
def test_the_examples_are_true(module):
    done = doctest.testmod(module)
    assert done.attempted >= 2
    assert done.failed == 0


@pytest.mark.usefixtures("hardly_drawn")
def test_the_examples_of_the_readme_are_true():
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, 1):
        made = doctest.DocTestParser().get_doctest(block, names, f"README {number}", None, 0)
        assert made.examples
        runner = doctest.DocTestRunner()
        assert runner.run(made, clear_globs=False) == (0, len(made.examples))
        names = made.globs


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


@pytest.mark.alone
def test_importing_the_package_takes_no_time():
    more = [_seconds("import lockmodel") - _seconds("pass") for _ in range(21)]
    assert statistics.median(more) <= MOST_S
