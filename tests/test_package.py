"""The package itself: what stands at its top, and the example in its docstring."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import lockmodel

TOP = Path(lockmodel.__file__).parent
PUBLIC = lockmodel.__all__
"""What the package itself offers; a room of that name would hide one."""


def test_the_example_of_the_package_is_true():
    assert doctest.testmod(lockmodel) == (0, 4)


def test_the_top_of_the_package_stays_small():
    modules = {path.stem for path in TOP.glob("*.py")}
    rooms = {path.parent.name for path in TOP.glob("*/__init__.py")}
    assert modules == {
        "__init__",
        "__main__",
        "errors",
        "progress",
        "regular",
        "units",
        "workers",
    }
    assert len(rooms) <= 12
    assert rooms.isdisjoint(PUBLIC)


def test_importing_the_package_imports_nothing_else():
    code = "import sys; a = set(sys.modules); import lockmodel; print(*(set(sys.modules) - a))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"lockmodel", "__future__"}
