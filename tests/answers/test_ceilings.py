"""Ceilings worked out by hand: k / (W + m c), its limits, what binds next, and what is capped."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from one_lock import NS, ONE_LOCK, US
from places import CASES

from lockmodel.answers.axis import parse_axis
from lockmodel.answers.ceilings import Step, ceilings, fewer, over
from lockmodel.errors import ArgumentError
from lockmodel.model.machine import LineTimes
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.model.toml import dumps

# file: W = 2 us, m = 4, c = 0.5 us (100 ns of it to take it): 1 / (2 + 4 x 0.5) us = 250 k/s.
# then: 1,250 instructions of 1 ns, no hand-off: 800 k/s. CPUs: 64 / 20 us = 3.2 M/s.
TWO = replace(
    ONE_LOCK,
    think=20 * US,
    locks=(
        *ONE_LOCK.locks,
        Lock(name="then", time_per_instruction_local=NS, time_per_instruction_remote=NS),
    ),
    sites=(
        *ONE_LOCK.sites,
        Site(lock="then", phase="exec", name="look", acquires=1, held_instructions=1250),
    ),
)
NODES = replace(
    TWO,
    machine=replace(TWO.machine, nodes=2),
    locks=(replace(TWO.locks[0], shard_by="node"), TWO.locks[1]),
)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12)


def test_the_demand_has_its_parts() -> None:
    parts = ceilings(TWO, 64).demand
    assert parts is not None
    assert (parts.lock, parts.n, parts.shards, parts.acquires) == ("file", 64, 1, 4)
    assert (parts.work_s, parts.handoff_s) == (close(2 * US), close(0.5 * US))


def test_the_limits_are_those_of_the_formula() -> None:
    answer = ceilings(TWO, 64)
    assert answer.at_n.throughput_per_s == close(1 / (2 * US + 4 * 0.5 * US))
    assert answer.shortest_hold_per_s == close(1 / (4 * 0.5 * US))  # k / (m c)
    assert answer.fewest_acquires_per_s == close(1 / (2 * US + 0.5 * US))  # k / (W + c)


def test_shards_multiply_the_limits() -> None:
    two = replace(TWO, locks=(replace(TWO.locks[0], shards=2, shard_by="hash"), TWO.locks[1]))
    answer = ceilings(two, 64)
    assert answer.at_n.throughput_per_s == close(2 / (4 * US))
    assert answer.shortest_hold_per_s == close(2 / (2 * US))
    assert answer.fewest_acquires_per_s == close(2 / (2.5 * US))


def test_lines_leave_instructions_and_hand_offs() -> None:
    """10 lines per acquire of 50 ns, half of it waited for: 1 us more of 4 acquires' demand."""
    moving = replace(
        ONE_LOCK,
        machine=replace(ONE_LOCK.machine, line=LineTimes(socket=50 * NS), line_overlap=0.5),
        sites=tuple(replace(site, lines=10.0) for site in ONE_LOCK.sites),
    )
    (steps,) = over(moving, parse_axis("file:lines=0,0.5,1"), 64).axes.values()
    demands = (4 * US, 4.5 * US, 5 * US)
    assert [step.value for step in steps] == [0.0, 0.5, 1.0]
    assert [step.ceiling_per_s for step in steps] == [close(1 / demand) for demand in demands]


def test_what_binds_next_is_the_chain() -> None:
    answer = ceilings(TWO, 64)
    assert [(link.removed, link.at_n.binding) for link in answer.chain] == [
        ("none", "file"),
        ("file", "then"),
        ("then", "cpu"),
    ]
    rates = [link.at_n.throughput_per_s for link in answer.chain]
    assert rates == [close(250e3), close(800e3), close(3.2e6)]
    assert answer.peak.throughput_per_s == close(250e3)
    assert answer.peak.knee == close((20 + 2 + 4 * 0.1 + 1.25) / 4)  # without a waiter: m a


def test_each_axis_approaches_its_limit() -> None:
    axes = ceilings(TWO, 64).axes
    assert list(axes) == ["hold", "acquires", "shards"]

    def rates(name: str) -> dict[float, float]:
        return {step.value: step.ceiling_per_s * US for step in axes[name]}

    hold = {1.0: 1 / 4, 0.75: 1 / 3.5, 0.5: 1 / 3, 0.25: 1 / 2.5, 0.0: 1 / 2}
    assert rates("hold") == pytest.approx(hold, rel=1e-12)
    assert rates("acquires") == pytest.approx({4.0: 1 / 4, 2.0: 1 / 3, 1.0: 1 / 2.5}, rel=1e-12)
    shards = {1.0: 1 / 4, 2.0: 2 / 4, 4.0: 0.8, 8.0: 0.8, 16.0: 0.8}
    assert rates("shards") == pytest.approx(shards, rel=1e-12)
    assert [step.binding for step in axes["shards"]] == ["file", "file", "then", "then", "then"]


def test_where_the_cpus_bind_there_is_no_demand() -> None:
    answer = ceilings(replace(TWO, think=1.0), 64)
    assert (answer.demand, answer.axes, answer.at_n.binding) == (None, {}, "cpu")
    with pytest.raises(ArgumentError, match="--over hold: the CPU binds, not a lock; name one"):
        over(replace(TWO, think=1.0), parse_axis("hold=1"), 64)
    think = over(replace(TWO, think=1.0), parse_axis("think=0.5"), 64).axes["think"]
    assert think == (Step(0.5, 128.0, "cpu"),)


def test_one_axis_of_a_lock_that_is_named() -> None:
    answer = over(TWO, parse_axis("then:hold=0.0,0.5"), 64)
    assert list(answer.axes) == ["hold"]
    assert [step.ceiling_per_s for step in answer.axes["hold"]] == [close(250e3)] * 2
    with pytest.raises(ArgumentError, match="--over them:hold: no lock 'them'; did you mean"):
        over(TWO, parse_axis("them:hold=1"), 64)


def test_shards_that_the_key_cannot_tell_apart_are_said() -> None:
    """By node on 2 nodes, 4 and 8 shards used to repeat the row of 2 without a word."""
    answer = over(NODES, parse_axis("shards=1,2,4,8"), 64)
    one, *more = (step.ceiling_per_s for step in answer.axes["shards"])
    assert (one, more) == (close(250e3), [close(500e3)] * 3)
    said = (
        "--over shards: 2 nodes can tell only 2 shards apart, so rows with more repeat those of 2"
    )
    assert answer.notes == (said,)
    assert answer.to_json()["notes"] == [said]
    assert over(NODES, parse_axis("shards=1,2"), 64).notes == ()
    assert [step.value for step in ceilings(NODES, 64).axes["shards"]] == [1.0, 2.0]


def test_json_has_the_chain_and_the_axes() -> None:
    data = over(TWO, parse_axis("acquires=1,4"), 64).to_json()
    assert (data["schema"], data["scenario"], data["n"]) == ("lockmodel.ceiling/1", "one", 64)
    assert data["ceiling"] == data["chain"][0]["ceiling"]
    assert data["chain"][1]["ceiling_at_n"]["throughput_per_s"] == close(800e3)
    assert data["over"]["acquires"][0] == {
        "value": 1.0,
        "ceiling_per_s": close(400e3),
        "binding": "file",
    }


@pytest.mark.parametrize(
    ("acquires", "counts"),
    [(15, (15, 8, 4, 2, 1)), (60, (60, 30, 15, 8, 1)), (1, (1,)), (0.5, (0.5,)), (3, (3, 2, 1))],
)
def test_fewer_acquires_halve_down_to_one(acquires: float, counts: tuple[float, ...]) -> None:
    assert fewer(acquires) == counts


def test_the_report_says_what_was_capped(command) -> None:
    out = command("ceiling", "execl-xeon8369b", "--over", "shards=64,128,256").stdout
    assert "note: --over shards: 128 CPUs can tell only 128 shards apart" in out


def with_lock(**changed) -> Scenario:
    return replace(TWO, locks=(replace(TWO.locks[0], **changed), TWO.locks[1]))


@pytest.mark.parametrize(
    ("changed", "k"),
    [
        ({"shards": 2, "shard_by": "hash"}, 2.0),
        # Zipf with exponent 1 over two shards: two thirds of the acquires go to one
        ({"shards": 2, "shard_by": "hash", "shard_skew": 1.0}, 1.5),
        # 250 walks a second of 1 ms and two acquires of 0.5 us each leave 0.74975 of the time
        ({"walkers": Walkers(walks_per_s=250, read=1e-3)}, 1 - 250 * (1e-3 + 0.5e-6)),
    ],
)
def test_the_equality_holds_however_shards_are_used(changed: dict, k: float) -> None:
    """It used to print 8 / (19.5 us + 15 x 437 ns) = 85.2 k/s, which is 307 k/s."""
    answer = ceilings(with_lock(**changed), 64)
    parts = answer.demand
    assert (parts.lock, parts.work_s, parts.handoff_s) == ("file", close(2 * US), close(0.5 * US))
    assert parts.shards == pytest.approx(k, rel=1e-9)
    assert answer.at_n.throughput_per_s == close(parts.shards / parts.whole_s)
    for steps in answer.axes.values():  # the first row of each column is the present
        assert steps[0].ceiling_per_s == close(answer.at_n.throughput_per_s)


def test_shards_that_count_as_fewer_are_said(command, tmp_path) -> None:
    skewed = with_lock(shards=2, shard_by="hash", shard_skew=1.0)
    (tmp_path / "skewed.toml").write_text(dumps(skewed), encoding="utf-8")
    out = " ".join(command("ceiling", "skewed.toml", "-n", "64").stdout.split())
    assert "1.5 / (2.00 us + 4 x 500 ns) = 375 k/s." in out
    assert "Its 2 shards count as 1.5." in out
    assert ceilings(TWO, 64).shards is None


def test_a_lever_named_b_is_no_emoji(command) -> None:
    """Rich writes ":b:" as a sign of its own, and "exclude:b: +8.8 %" lost its lock."""
    line = ["whatif", str(CASES / "order_ab.toml"), "-n", "1", "--lever", "exclude:b"]
    assert command(*line).stdout.startswith("exclude:b: ")
