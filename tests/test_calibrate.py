"""`make models` gives the shipped scenarios again, to the last byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.long
def test_the_shipped_scenarios_are_made_again(tmp_path):
    kept = ROOT / "data" / "computed" / "line_overlap.csv"
    before = kept.read_bytes()
    ran = subprocess.run(
        [sys.executable, "tools/calibrate", "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    assert kept.read_bytes() == before
    shipped = {path.name: path.read_bytes() for path in (ROOT / "models").glob("*.toml")}
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.toml")} == shipped
