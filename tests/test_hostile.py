"""Random scenarios: bounds hold, file order changes nothing, 0 is no cliff (tools/hostile.py).

The long run is `python tools/hostile.py`; its last figures are in docs/measured.md.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace

import pytest
from places import ROOT

HOSTILE = ROOT / "tools" / "hostile.py"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the tool."""
    return subprocess.run(
        [sys.executable, str(HOSTILE), *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_thirty_scenarios_hold():
    done = run("--count", "30", "--first", "500000", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(
        "violations: {'bounds': 0, 'order': 0, 'cliff': 0, 'traceback': 0}\n"
    )


def test_a_chain_judges_what_is_small_and_simulation_the_rest():
    for number, judge in (("18", "chain"), ("2671", "simulation")):
        done = run("--first", number, "--count", "1", "--jobs", "1")
        assert done.returncode == 0, done.stdout
        assert f"'by {judge}': 1" in done.stdout
        assert ("by simulation" in done.stdout) == (judge == "simulation")


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("not limits.lower * (1", "not 1.1 * limits.upper * (1", "bounds: "),
        ("locks=scenario.locks[::-1]", "think=1.1 * scenario.think", "order: "),
        ("in (0.0, *TINY)", "in (0.9, *TINY)", "cliff: "),
        ("    turned = replace(", "    turned = 1 / 0 or replace(", "traceback: order: Zero"),
    ],
)
def test_what_does_not_hold_is_told_with_its_number(was, now, told, monkeypatch, capsys):
    """The tool as changed, in this process: a pool would not know the change."""
    text = HOSTILE.read_text(encoding="utf-8")
    assert was in text
    changed = ModuleType("changed_hostile")
    monkeypatch.setitem(sys.modules, changed.__name__, changed)
    exec(compile(text.replace(was, now), str(HOSTILE), "exec"), changed.__dict__)
    pool = nullcontext(SimpleNamespace(map=lambda call, numbers, chunksize: map(call, numbers)))
    monkeypatch.setattr(changed, "ProcessPoolExecutor", lambda jobs: pool)
    monkeypatch.setattr(sys, "argv", ["hostile.py", "--count", "4"])
    assert changed.main() == 1
    assert told in capsys.readouterr().out
