"""Both sides of a comparison count: the weak one may be the one before."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from one_lock import ONE_LOCK

from lockmodel.answers.axis import parse_axis
from lockmodel.answers.ranking import rank
from lockmodel.answers.sides import Worst, larger, sided
from lockmodel.answers.sweep import sweep
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.model.handoff import NoHandOff
from lockmodel.model.scenario import Scenario
from lockmodel.model.toml import dumps
from lockmodel.solvers.solve import solve

EXACT = replace(ONE_LOCK, locks=(replace(ONE_LOCK.locks[0], handoff=NoHandOff()),))
PASSING = "hand-off is a lower rate while somebody waits, not a phase of each pass: file"
DIFFERING = (
    "holds differ by site, product form gives every acquire of a lock their mean; instructions: "
    "file (500 to 1,500)"
)


def error(scenario: Scenario, n: int) -> float:
    made = solve(scenario, [n], "product-form").error
    assert made is not None
    return made


def test_the_two_scenarios_are_what_they_are_meant_to_be() -> None:
    assert error(ONE_LOCK, 64) > 1e-3
    assert solve(EXACT, [64], "product-form").exact


@pytest.mark.parametrize("lever", ["exclude:file", "cheaper_handoff:file=none"])
def test_whatif_says_that_before_was_weak(lever: str) -> None:
    """It used to say nothing: the scenario after the lever is exact."""
    answer = compare(ONE_LOCK, [parse(lever)], [64])
    assert answer.warnings == (f"before: {PASSING}",)
    assert answer.worst_error == Worst(error(ONE_LOCK, 64), "before", 64)


def test_whatif_says_that_after_is_weak() -> None:
    answer = compare(EXACT, [parse("batch:file/exec.map=1")], [64])
    assert answer.warnings == (f"after: {DIFFERING}",)
    after = parse("batch:file/exec.map=1").apply(EXACT)
    assert answer.worst_error == Worst(error(after, 64), "after", 64)


def test_what_is_weak_on_both_sides_is_said_once() -> None:
    answer = compare(ONE_LOCK, [parse("less_think=0.5")], [1, 64])
    assert answer.warnings == (PASSING,)
    both = error(ONE_LOCK, 64), error(parse("less_think=0.5").apply(ONE_LOCK), 64)
    assert answer.worst_error.error == max(both)
    assert answer.worst_error.n == 64


def test_levers_say_which_side_is_weak() -> None:
    """Of all levers on an exact scenario only a batched site leaves one that is not."""
    batch = parse("batch:file/exec.map=1")
    after = rank(EXACT, 64)
    assert after.warnings == (f"after {batch}: {DIFFERING}",)
    assert after.worst_error == Worst(error(batch.apply(EXACT), 64), f"after {batch}", 64)
    before = rank(ONE_LOCK, 64)
    assert before.warnings == (PASSING, f"after {batch}: {DIFFERING}")
    assert before.worst_error == Worst(None, "after shard:file=16", 64)


def test_a_sweep_counts_its_grid_and_what_it_starts_from() -> None:
    swept = sweep(ONE_LOCK, [parse_axis("hold=0.5,1")], [8, 64])
    rates = [solve(ONE_LOCK, [8, 64], "product-form").error]
    rates.append(
        solve(parse("shorten_hold:file=0.5").apply(ONE_LOCK), [8, 64], "product-form").error
    )
    assert None not in rates
    assert swept.worst_error.error == max(rate for rate in rates if rate is not None)
    assert swept.to_json()["worst_error"]["where"] == swept.worst_error.where


def test_a_sweep_names_the_values_that_are_weak() -> None:
    swept = sweep(EXACT, [parse_axis("acquires=1,4,8"), parse_axis("think=1,0.5")], [64])
    assert swept.warnings == ()
    assert swept.worst_error == Worst(0.0, "before", 64)


@pytest.mark.parametrize(
    ("one", "other", "larger_one"),
    [
        (Worst(0.1, "before", 1), Worst(0.2, "after", 2), Worst(0.2, "after", 2)),
        (Worst(0.2, "before", 1), Worst(0.1, "after", 2), Worst(0.2, "before", 1)),
        (Worst(0.1, "before", 1), Worst(0.1, "after", 2), Worst(0.1, "before", 1)),
        (Worst(None, "before", 1), Worst(0.9, "after", 2), Worst(None, "before", 1)),
        (Worst(0.9, "before", 1), Worst(None, "after", 2), Worst(None, "after", 2)),
    ],
)
def test_the_larger_error_counts_and_the_unknown_one_most(
    one: Worst, other: Worst, larger_one: Worst
) -> None:
    assert larger(one, other) == larger_one


def test_sentences_are_said_once_with_their_side() -> None:
    before = ["holds vary: a (SCV 0), b (SCV 0)", "readers share: a"]
    after = {
        "after x": ["holds vary: b (SCV 0)", "hand-off: c"],
        "after y": ["hand-off: c"],
        "after z": ["hand-off: c", "hand-off: d"],
    }
    assert sided(before, after) == (
        "holds vary: a (SCV 0), b (SCV 0)",
        "before: readers share: a",
        "after x and 2 more: hand-off: c",
        "after z: hand-off: d",
    )


@pytest.mark.parametrize("explain", [(), ("--explain",)])
def test_the_reports_say_it(command: Callable[..., Any], explain: tuple[str, ...]) -> None:
    Path("one.toml").write_text(dumps(ONE_LOCK))
    size = f"worth at most {100 * error(ONE_LOCK, 64):.2g} % (before, n = 64)"
    out = command("whatif", "./one.toml", "-n", "64", "--lever", "exclude:file", *explain).stdout
    assert size in re.sub(r"\s+", " ", out)
    err = command("sweep", "./one.toml", "-n", "64", "--over", "hold=1").stderr
    assert f"note: approximate, {size}; --json says where" in err
