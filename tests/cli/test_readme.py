"""The README is true: its sessions are what the commands print, its scenario loads and predicts."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from places import ROOT

from lockmodel.answers.predict import predict
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.changes.kinds import KINDS
from lockmodel.measure.acquires.from_counts import from_counts
from lockmodel.model.shipped import find_scenario
from lockmodel.model.toml import loads

README = (ROOT / "README.md").read_text()


@pytest.mark.long
def test_sessions_are_what_the_commands_print():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "readme.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scenario_to_start_from_is_valid_and_exact_enough_to_say_why_not():
    text = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    scenario = loads(text, "README")
    prediction = predict(scenario, [1, 64])
    # alone: 120 us of think, 2 x (900 x 0.35 ns + 20 ns)
    alone = 120e-6 + 2 * (900 * 0.35e-9 + 20e-9)
    assert prediction.points[0].throughput_per_s == pytest.approx(1 / alone, rel=1e-9)
    assert prediction.warnings


def test_every_lever_is_in_the_table():
    for form in (kind.form for kind in KINDS.values()):
        assert form.split(":")[0].split("=")[0] in README


def test_the_gain_of_excluding_files_is_quoted_as_it_is():
    levers = [parse(f"exclude:{name}") for name in ("libc.so.6", "ld-linux-x86-64.so.2")]
    scenario = find_scenario("execl-emr112")
    for made, said in ((scenario, "Emerald Rapids says "), (from_counts(scenario), "its lines, ")):
        (point,) = compare(made, levers, [220], "product-form").points
        low, high = point.gain_interval
        words = f"{said}{100 * point.gain:+.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        assert words in " ".join(README.split()), words
