"""What numba compiles is current, in a folder that is ours alone, and compiled by one process."""

import fcntl
import importlib.util
import os
import stat
import subprocess
import sys
import time

import pytest

from lockmodel.solvers import numba_cache

INNER = """
from numba import njit
@njit
def answer():
    return {value}
"""
OUTER = """
import sys
from pathlib import Path
import numba
from lockmodel.solvers.numba_cache import compiled
sys.path.insert(0, str(Path(__file__).parent))
from inner import answer
def outer():
    return answer()
checked = sys.argv[1] == "checked"
outer = compiled(outer, Path(__file__).parent) if checked else numba.njit(cache=True)(outer)
print(outer(), sum(outer.stats.cache_hits.values()))
"""


@pytest.mark.parametrize(("how", "second"), [("checked", "2"), ("as numba does it", "1")])
def test_an_edited_callee_is_compiled_in(tmp_path, how, second):
    (tmp_path / "outer.py").write_text(OUTER)

    def told():
        call = [sys.executable, "-B", str(tmp_path / "outer.py"), how]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()

    (tmp_path / "inner.py").write_text(INNER.format(value=1))
    assert told() == ["1", "0"]
    assert told() == ["1", "1"]  # from the cache
    (tmp_path / "inner.py").write_text(INNER.format(value=2) + "# longer\n")
    assert told()[0] == second


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Compile a function of a module in tmp_path/source; return the folder of its cache."""
    for name in ("source", "home", "temporary", "other"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "source" / "one.py").write_text("def one():\n    return 1\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(numba_cache, "TEMPORARY", ())
    monkeypatch.setattr(numba_cache, "_uncached", False)

    def compiled():
        spec = importlib.util.spec_from_file_location("one", tmp_path / "source" / "one.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made = numba_cache.compiled(module.one)
        assert made() == 1
        path = made._cache.cache_path
        return None if path is None else os.path.relpath(path, tmp_path)

    return compiled


OWN = f"temporary/lockmodel-{os.getuid()}"


def test_the_cache_is_beside_the_source(place):
    assert place() == "source/__pycache__"
    assert not numba_cache.uncached()


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
def test_a_folder_that_others_can_write_to_is_not_used(place, tmp_path, mode):
    (tmp_path / "source" / "__pycache__").mkdir()
    (tmp_path / "source" / "__pycache__").chmod(mode)
    (tmp_path / "home" / ".cache").mkdir()
    assert place().startswith("home/.cache/lockmodel/source_")
    assert stat.S_IMODE((tmp_path / "home" / ".cache" / "lockmodel").stat().st_mode) == 0o700


@pytest.fixture
def closed(place, tmp_path):
    """Neither the folder beside the source nor a home can be used."""
    (tmp_path / "source" / "__pycache__").write_text("no folder")
    (tmp_path / "home").rmdir()


@pytest.mark.usefixtures("closed")
def test_without_a_home_it_is_in_a_folder_of_our_own(place, tmp_path):
    assert place().startswith(f"{OWN}/source_")
    assert stat.S_IMODE((tmp_path / OWN).stat().st_mode) == 0o700


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("what", ["readable", "link", "file", "parent"])
def test_a_folder_of_doubt_is_not_used_and_that_is_said(place, tmp_path, what):
    if what == "readable":
        (tmp_path / OWN).mkdir()
        (tmp_path / OWN).chmod(0o755)
    if what == "link":
        (tmp_path / "other").chmod(0o700)
        (tmp_path / OWN).symlink_to(tmp_path / "other")
    if what == "file":
        (tmp_path / OWN).write_text("no folder")
    if what == "parent":  # not sticky: others could put their folder in its place
        (tmp_path / "temporary").chmod(0o777)
    assert place() is None
    assert numba_cache.uncached()
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.usefixtures("closed")
def test_a_sticky_parent_may_be_everybodys(place, tmp_path):
    (tmp_path / "temporary").chmod(0o1777)
    assert place().startswith(f"{OWN}/source_")


def test_a_process_that_compiles_is_waited_for_and_that_counts_as_compiling(place, tmp_path):
    assert place() == "source/__pycache__"
    waited = 1.0
    locked = (
        "import fcntl, os, sys, time; handle = os.open(sys.argv[1], os.O_RDONLY); "
        "fcntl.flock(handle, fcntl.LOCK_EX); print(flush=True); time.sleep(float(sys.argv[2]))"
    )
    call = [sys.executable, "-c", locked, str(tmp_path / "source" / "__pycache__"), str(waited)]
    with subprocess.Popen(call, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        before, start = numba_cache.compile_s(), time.monotonic()
        assert place() == "source/__pycache__"
        took = time.monotonic() - start
    assert took > 0.9 * waited
    assert 0.9 * waited < numba_cache.compile_s() - before <= took
    handle = os.open(tmp_path / "source" / "__pycache__", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is free again
    os.close(handle)


def test_a_process_that_hangs_is_not_waited_for_for_ever(place, tmp_path, monkeypatch):
    monkeypatch.setattr(numba_cache, "LONGEST_WAIT_S", 0.2)
    (tmp_path / "source" / "__pycache__").mkdir()
    handle = os.open(tmp_path / "source" / "__pycache__", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        assert place() == "source/__pycache__"
    finally:
        os.close(handle)
