"""`lockmodel quick`: against formulae by hand, and against the file it writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from invoked import invoke

from lockmodel.answers.quick import Taken, quick
from lockmodel.errors import ArgumentError
from lockmodel.model.machines import parse
from lockmodel.model.toml import dumps, load, loads
from lockmodel.solvers.throughput import throughput

ISSUE = ["--think", "5us", "--hold", "1us", "--acquires", "3", "--machine", "2x32x1"]


def asked(*args: str) -> dict[str, Any]:
    answer = invoke("quick", *args, "--json")
    assert answer.exit_code == 0, answer.stderr
    made: dict[str, Any] = json.loads(answer.stdout)
    return made


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    return asked(*ISSUE, "--handoff", "300ns")


def test_one_process_and_the_ceiling_by_hand(known: dict[str, Any]) -> None:
    points = {p["n"]: p for p in known["prediction"]["points"]}
    assert sorted(points) == [1, 2, 4, 8, 16, 32, 64]
    # 5 us + 3 x 1 us; 1 / (3 x (1 us + 0.3 us))
    assert points[1]["throughput_per_s"] == pytest.approx(1 / 8e-6, rel=1e-12)
    assert points[64]["ceiling_per_s"] == pytest.approx(1 / 3.9e-6, rel=1e-12)
    assert points[64]["throughput_per_s"] == pytest.approx(1 / 3.9e-6, rel=1e-3)
    assert "interval_per_s" not in points[64] or points[64]["interval_per_s"] is None


def test_two_processes_by_hand(known: dict[str, Any]) -> None:
    # birth and death of the lock's queue: rates 2 / Z and 1 / Z up, 1 / h and 1 / D down
    z, h, d = 5.0, 3.0, 3.9
    one = 2 * h / z
    two = one * d / z
    rate = (one / h + two / d) / (1 + one + two) * 1e6
    points = {p["n"]: p["throughput_per_s"] for p in known["prediction"]["points"]}
    assert points[2] == pytest.approx(rate, rel=1e-9)


def test_the_file_predicts_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    args = [*ISSUE, "--lock", "list:hold=2us,acquires=0.5,handoff=100ns,shards=4"]
    own = asked(*args, "-o", str(path))["prediction"]["points"]
    again = json.loads(invoke("predict", str(path), "--json").stdout)["points"]
    assert [p["throughput_per_s"] for p in own] == [p["throughput_per_s"] for p in again]
    assert [p["interval_per_s"] for p in own] == [p["interval_per_s"] for p in again]
    made = load(path)
    assert loads(dumps(made)) == made
    assert made.lock("list").shards == 4
    assert (made.sites[1].acquires, made.sites[1].hold) == (0.5, 2e-6)
    again = invoke("quick", *args, "-o", str(path))
    assert (again.exit_code, "exists and is kept; use --force" in again.stderr) == (4, True)


def test_the_prior_of_a_handoff_is_the_interval() -> None:
    locks = [Taken("a", 1e-6), Taken("b", 1e-6, handoff=1e-7), Taken("c", 1e-6)]
    made = quick(5e-6, locks, parse("2x32x1"))
    assert made.fit is not None
    assert [p.name for p in made.fit.parameters] == ["a.handoff", "c.handoff"]
    one = made.fit.parameters[0]
    # 25 to 450 ns are the central 90 % of a log-normal distribution, 80 % are printed
    middle, sd = math.sqrt(25 * 450), math.log(450 / 25) / (2 * 1.6448536)
    assert one.value == pytest.approx(middle * 1e-9, rel=1e-6)
    assert one.low == pytest.approx(middle * math.exp(-1.2816 * sd) * 1e-9, rel=1e-4)
    assert one.high == pytest.approx(middle * math.exp(1.2816 * sd) * 1e-9, rel=1e-4)
    assert one.covariance == pytest.approx((sd**2, sd**2), rel=1e-6)  # as long or as short
    assert made.lock("b").handoff.time == 1e-7  # type: ignore[union-attr]
    assert "25.0 ns to 450 ns with 90 %" in made.provenance[-1].note
    stated = quick(5e-6, [Taken("a", 1e-6, handoff=0.0)], parse("2x32x1"))
    assert stated.fit is None


def test_the_interval_covers_what_the_range_gives() -> None:
    point = asked(*ISSUE)["prediction"]["points"][-1]
    low, high = point["interval_per_s"]
    # 80 % of hand-offs lie between 34 and 327 ns, noise and model error come on top
    assert low < 1 / (3 * 1.327e-6) < point["throughput_per_s"] < 1 / (3 * 1.034e-6) < high


def test_the_report_of_the_issue_has_twenty_lines() -> None:
    answer = invoke("quick", *ISSUE)
    lines = answer.stdout.splitlines()
    assert answer.exit_code == 0
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert lines[0] == "lock 3 x 1.00 us, thinking 5.00 us: 301 k/s at 64 processes."
    assert "Hand-off not given: 25 to 450 ns is published" in answer.stdout
    assert "shard:lock=64" in answer.stdout
    assert lines[-1].startswith("* no patch gets there; ")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"--think": "5"}, "--think 5 must be a number and its unit: s, ms, us or ns, e.g. 5us"),
        ({"--hold": "x"}, "--hold x must be a number and its unit"),
        ({"--hold": "-1us"}, "--hold -1us must be a finite time >= 0"),
        ({"--handoff": "300"}, "--handoff 300 must be a number and its unit"),
        ({"--think": "0us", "--hold": "0us"}, "would take no time; give one of the two more than"),
        ({"--acquires": "0"}, "lock 'lock': acquires = 0 must be more than 0; leave out a lock"),
        ({"--acquires": "nan"}, "acquires = nan must be more than 0"),
        ({"--acquires": "inf"}, "acquires = inf must be a finite number >= 0"),
        ({"--shards": "0"}, "lock 'lock': shards = 0 must be a whole number from 1 to 65536"),
        ({"--hold": "1e6s"}, "hold = 1e+06 s is 1e+08 times above what is plausible"),
        ({"--machine": "2x32"}, "--machine '2x32': write SOCKETSxCORESxTHREADS"),
        ({"--lock": "list"}, "--lock list: write NAME:hold=T[,acquires=M][,handoff=T][,shards=K]"),
        ({"--lock": "list:hold"}, "--lock list:hold: write NAME:hold=T"),
        ({"--lock": "list:hld=2us"}, "unknown key 'hld'; did you mean 'hold'?"),
        ({"--lock": "list:acquires=2"}, "--lock list:acquires=2: hold is missing"),
        ({"--lock": "list:hold=2"}, "--lock list:hold=2: hold = 2 must be a number and its unit"),
        ({"--lock": "list:hold=2us,shards=x"}, "shards = 'x' must be a whole number"),
        ({"--lock": "lock:hold=2us"}, "lock 'lock' is given 2 times; give it once"),
        ({"--lock": "all:hold=2us"}, "lock name 'all' must be non-empty"),
        ({"-o": "mine.json"}, "-o mine.json: the scenario is written as .toml; name it so"),
    ],
)
def test_nonsense_is_named(changed: dict[str, str], words: str) -> None:
    given = dict(zip(ISSUE[::2], ISSUE[1::2], strict=True)) | changed
    answer = invoke("quick", *(word for pair in given.items() for word in pair))
    assert (answer.exit_code, words in answer.stderr) == (3, True), answer.output


def test_nothing_that_can_be_solved_has_no_numbers() -> None:
    with pytest.raises(ArgumentError, match="an iteration would take no time"):
        quick(0.0, [Taken("a", 0.0, handoff=1e-6)], parse("1x4x1"))


def test_what_it_writes_can_be_fitted(tmp_path: Path) -> None:
    model, fitted = tmp_path / "mine.toml", tmp_path / "fitted.toml"
    given = dict(zip(ISSUE[::2], ISSUE[1::2], strict=True)) | {"--handoff": "300ns"}
    invoke("quick", *(word for pair in given.items() for word in pair), "-o", str(model))
    truth = quick(5e-6, [Taken("lock", 1.5e-6, 3, 3e-7)], parse("2x32x1"))
    counts = [1, 2, 4, 8, 16, 32, 64]
    rates = throughput(truth, counts)
    rows = [f"{n},{rate:.6f}" for n, rate in zip(counts, rates, strict=True)]
    (tmp_path / "curve.csv").write_text("\n".join(["tasks,throughput", *rows, ""]))
    args = ["--model", str(model), "--free", "think,hold", "--no-priors", "-o", str(fitted)]
    answer = invoke("fit", str(tmp_path / "curve.csv"), *args)
    assert answer.exit_code == 0, answer.output
    made = load(fitted)
    assert made.think == pytest.approx(5e-6, rel=1e-3)
    (site,) = made.sites
    assert (site.hold, site.held_instructions) == (None, 1.0)  # the hold as one instruction
    assert made.locks[0].time_per_instruction_local == pytest.approx(1.5e-6, rel=1e-3)


def test_the_title_follows_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert invoke("quick", *ISSUE, "--handoff", "300ns", "-o", str(path)).exit_code == 0

    def headline(*edits: str) -> str:
        said = invoke("predict", str(path), *(word for one in edits for word in ("--set", one)))
        assert said.exit_code == 0, said.stderr
        return said.stdout.split(":")[0]

    assert headline() == "lock 3 x 1.00 us, thinking 5.00 us"
    edits = ("think=9us", "lock/run.hold.acquires=2", "lock.shards=4")
    assert headline(*edits) == "lock 2 x 1.00 us in 4 shards, thinking 9.00 us"
    assert headline("think=9us", "title=mine") == "mine"
    path.write_text(path.read_text().replace("lock 3 x 1.00 us", "a list"))
    assert headline("think=9us") == "a list, thinking 5.00 us"


def test_levers_of_one_effect_are_one(known: dict[str, Any]) -> None:
    texts = [row["lever"] for row in known["levers"]["levers"]]
    assert [text for text in texts if text.startswith("batch")] == ["batch:lock/run.hold=1"]
    assert len(texts) == len(set(texts))
