"""An edit in any module of a package makes numba compile its callers anew."""

import subprocess
import sys

import pytest

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
from lockmodel.solvers.numba_cache import current
sys.path.insert(0, str(Path(__file__).parent))
from inner import answer
def outer():
    return answer()
outer = numba.njit(cache=True)(outer)
if sys.argv[1] == "checked":
    outer = current(outer, Path(__file__).parent)
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
