"""Python says what the commands say: the same numbers, the same table, the same report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from places import CASES

import lockmodel as lm

MODEL = "execl-xeon8369b"
CURVE = "unixbench_execl_xeon8369b.csv"
TRUTH = str(CASES / "truth.toml")

ASKED = {
    f"predict {MODEL} -n 1,16": lambda: lm.predict(MODEL, [16, 1]),
    f"predict {MODEL} -n 1,16 --method bounds": lambda: lm.bounds(MODEL, range(1, 17, 15)),
    f"predict {TRUTH}": lambda: lm.predict(Path(TRUTH)),
    f"whatif {MODEL} -n 64 --lever shard:libc.so.6=8 --lever less_think=0.5": lambda: lm.whatif(
        MODEL, ["shard:libc.so.6=8", "less_think=0.5"], 64
    ),
    f"sweep {TRUTH} --over table:shards=1,2,4 -n 8,64": lambda: lm.sweep(
        TRUTH, {"table:shards": [1, 2, 4]}, [8, 64]
    ),
    f"levers {TRUTH}": lambda: lm.levers(TRUTH),
    f"ceiling {MODEL} -n 64": lambda: lm.ceiling(MODEL, 64),
    f"ceiling {TRUTH} --over acquires=1..4": lambda: lm.ceiling(TRUTH, over="acquires=1..4"),
    f"theory any-change --model {TRUTH}": lambda: lm.theory("any-change", TRUTH),
    "theory collapse --set Z=5us --set h=300ns --set c_1=100ns": lambda: lm.theory(
        "collapse", Z="5us", h=3e-7, c_1=1e-7
    ),
    f"import {CURVE}": lambda: lm.read(CURVE),
}
"""Command line -> the same asked from Python."""


@pytest.mark.usefixtures("hardly_drawn")
@pytest.mark.parametrize("line", ASKED)
def test_numbers_and_report_are_those_of_the_command(command, line):
    answer = ASKED[line]()
    assert json.loads(json.dumps(answer.to_dict())) == json.loads(
        command(*line.split(), "--json").stdout
    )
    if line.startswith(("predict", "import", "ceiling")):
        assert f"{answer!r}\n" == command(*line.split()).stdout
        command(*line.split(), "-o", "made.csv")
        assert answer.to_csv() == Path("made.csv").read_text()
