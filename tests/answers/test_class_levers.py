"""What levers buy each of several classes, and where their throughput ends."""

from __future__ import annotations

import numpy as np
import pytest

from lockmodel.answers.class_levers import class_ceilings, rank_classes
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.errors import ArgumentError
from lockmodel.model.class_network import ClassStation
from lockmodel.model.classes import IterationClass
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.model.site import Site
from lockmodel.solvers.multiclass import throughput_of_classes

US = 1e-6


def site(lock: str, acquires: float, hold: float, name: str = "s") -> Site:
    return Site(lock=lock, name=name, acquires=acquires, hold=hold * US)


def two(*extra: Site) -> Scenario:
    """Case F at 32 + 32: both take a and b, x mostly a, y mostly b; only x takes c."""
    return Scenario(
        name="two",
        machine=Machine(name="64 CPUs", cpus=64, cores=64),
        think=0.0,
        locks=(Lock("a"), Lock("b"), Lock("c")),
        classes=(
            IterationClass(
                name="x",
                population=32,
                think=10 * US,
                sites=(site("a", 1, 1), site("b", 1, 0.5), site("c", 2, 0.1, "own"), *extra),
            ),
            IterationClass(
                name="y",
                population=32,
                think=10 * US,
                sites=(site("a", 0.2, 1), site("b", 1.6, 0.5)),
            ),
        ),
    )


def exact(a: tuple[float, float], b: tuple[float, float], c: float = 0.2) -> np.ndarray:
    """Return throughputs per us of two classes of 32 with these demands in us."""
    one = np.ones(1)
    stations = [ClassStation("cpu", np.array([10.0, 10.0]), 1.0 / np.arange(1.0, 65.0))]
    stations += [ClassStation("l", np.array(d), one) for d in (a, b, (c, 0.0)) if any(d)]
    return throughput_of_classes(stations, (32, 32))


def gains(lever: str) -> tuple[list[float], float]:
    (point,) = compare(two(), [parse(lever)], [64]).points
    assert point.classes is not None
    return [change.gain for change in point.classes.values()], point.gain


@pytest.mark.parametrize(
    ("lever", "demands"),
    [
        ("shorten_hold:b=0.5", ((1, 0.2), (0.25, 0.4), 0.2)),
        ("shorten_hold:all=0.5", ((0.5, 0.1), (0.25, 0.4), 0.1)),
        ("exclude:a", ((0, 0), (0.5, 0.8), 0.2)),
        ("skip:c/run.own", ((1, 0.2), (0.5, 0.8), 0)),
    ],
)
def test_a_lever_helps_one_class_and_may_cost_another(lever, demands):
    before, after = exact((1, 0.2), (0.5, 0.8)), exact(*demands)
    each, total = gains(lever)
    assert each == pytest.approx(after / before - 1, rel=1e-9)
    assert total == pytest.approx(after.sum() / before.sum() - 1, rel=1e-9)


def test_relief_at_one_lock_crowds_the_next():
    each, total = gains("shorten_hold:b=0.5")
    assert total > 0.4
    assert each[0] < -0.1 < 1.0 < each[1]


def test_a_batch_leaves_a_class_with_fewer_acquires_as_it_is():
    after = parse("batch:b=1").apply(two())
    assert [one.sites[1].acquires for one in after.classes] == [1.0, 1.0]
    assert after.classes[0] == two().classes[0]
    # held work stays: 1.6 acquires of .5 us are one of .8 us
    assert after.classes[1].sites[1].hold == pytest.approx(0.8 * US)


def test_a_lever_on_a_lock_is_one_for_all_classes():
    sharded = parse("shard:a=2").apply(two())
    assert sharded.lock("a").shards == 2
    assert sharded.classes == two().classes
    without = parse("exclude:b").apply(two())
    assert [lock.name for lock in without.locks] == ["a", "c"]
    assert all(s.lock != "b" for one in without.classes for s in one.sites)
    assert parse("less_think=0.5").apply(two()).classes[1].think == pytest.approx(5 * US)


def test_a_refusal_names_the_class():
    with pytest.raises(ArgumentError, match=r"^shard: .* has no lock 'q'; known: a, b, c"):
        parse("shard:q=2").apply(two())
    with pytest.raises(ArgumentError, match=r"c has no site 'run.none'"):
        parse("skip:c/run.none").apply(two())
    idle = two().classes[1].__class__(name="y", population=32, sites=(site("a", 1, 1),))
    from msgspec.structs import replace

    lone = replace(two(), classes=(two().classes[0], idle))
    with pytest.raises(ArgumentError, match=r"class 'y': exclude: without a, the iteration is em"):
        parse("exclude:a").apply(lone)


def test_levers_are_ranked_by_the_total_with_every_class_beside_it(monkeypatch):
    monkeypatch.setattr("lockmodel.answers.class_levers.PRECISION", 0.05)  # of what is simulated
    ranking = rank_classes(two(), 64)
    assert [row.gain for row in ranking.levers] == sorted(
        (row.gain for row in ranking.levers), reverse=True
    )
    rows = {row.lever.text: row for row in ranking.levers}
    before, after = exact((1, 0.2), (0.5, 0.8)), exact((1, 0.2), (0.25, 0.4))
    row = rows["shorten_hold:b=0.5"]
    assert row.gain == pytest.approx(after.sum() / before.sum() - 1, rel=1e-9)
    assert row.costs == pytest.approx(after[0] / before[0] - 1, rel=1e-9)
    assert rows["exclude:b"].limit
    assert "skip:c/run.own" not in rows  # its only site there
    assert sum(text.startswith("shard:a=") for text in rows) == 1


def test_ceilings_say_who_keeps_each_station_busy():
    answer = class_ceilings(two(), 64)
    x = exact((1, 0.2), (0.5, 0.8))
    loads = {"a": x @ [1, 0.2], "b": x @ [0.5, 0.8], "c": 0.2 * x[0], "cpu": 10 * x.sum() / 64}
    assert {s.name: s.load for s in answer.stations} == pytest.approx(loads, rel=1e-9)
    worst = max(loads, key=lambda name: loads[name])
    assert answer.binding == answer.stations[0].name == worst
    assert answer.ceiling_per_s * US == pytest.approx(x.sum() / loads[worst], rel=1e-9)
    b = next(s for s in answer.stations if s.name == "b")
    assert b.shares["x"] == pytest.approx(0.5 * x[0] / loads["b"], rel=1e-9)
    # alone: 1 / (1 us) of a, 1 / (.8 us) of b
    assert answer.classes["x"].alone_ceiling_per_s == pytest.approx(1e6)
    assert answer.classes["y"].alone_ceiling_per_s == pytest.approx(1.25e6)
