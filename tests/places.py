"""Where things are."""

from __future__ import annotations

from pathlib import Path

from lockmodel.model.scenario import Scenario
from lockmodel.model.shipped import find_scenario

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
CASES = TESTS / "cases"
"""Small inputs that once gave a wrong answer."""


def timed_path(name: str) -> str:
    """Return the path of a scenario in times: hand-offs of all families, no lines."""
    return str(ROOT / "tests" / "scenarios" / f"{name}.toml")


def timed(name: str) -> Scenario:
    """Return that scenario."""
    return find_scenario(timed_path(name))
