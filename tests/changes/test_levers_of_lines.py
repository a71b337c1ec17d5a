"""Fewer and nearer lines: by hand, with `all`, what they refuse, and in which order they apply."""

from __future__ import annotations

import math
from functools import reduce
from itertools import permutations

import pytest
from lined import MACHINE, scenario
from msgspec.structs import replace

from lockmodel.answers.whatif import compare
from lockmodel.changes import levers
from lockmodel.changes.candidates import candidates
from lockmodel.changes.grammar import parse
from lockmodel.errors import ArgumentError
from lockmodel.model.network import build
from lockmodel.model.scenario import LINES, Scenario
from lockmodel.solvers.solve import points

BASE = scenario()
BARE = replace(BASE, sites=tuple(replace(s, **dict.fromkeys(LINES, 0.0)) for s in BASE.sites))
"""No lines, no growth, one time per instruction: nothing comes from elsewhere."""

MIXED = replace(
    BASE,
    locks=(*BASE.locks, replace(BASE.locks[0], name="b")),
    sites=(*BASE.sites, replace(BARE.sites[0], lock="b")),
)


def test_fewer_lines_by_hand() -> None:
    half = levers.fewer_lines(BASE, "a", 0.5)
    assert [s.lines for s in half.sites] == [2.5, -1.0]
    assert [s.lines_per_doubling for s in half.sites] == [0.0, 2.0]
    assert [s.lines_per_idle_doubling for s in half.sites] == [0.0, 0.75]
    back = replace(half, sites=BASE.sites)
    assert back == BASE  # acquires, instructions, hand-off and all else stay
    assert [(s.acquires, s.held_instructions) for s in half.sites] == [(3, 100), (1, 100)]
    at_one = levers.fewer_lines(BASE, "a", 0.0, "p.t")
    assert [s.lines for s in at_one.sites] == [5.0, 0.0]
    assert at_one.lines("a", 8, 16) == 15


@pytest.mark.parametrize("n", [1, 8, 16])
def test_no_change_and_no_lines_are_the_ends(n: int) -> None:
    assert levers.fewer_lines(BASE, "a", 1.0) == BASE
    none = points(levers.fewer_lines(BASE, "a", 0.0), [n], "product-form")
    assert none == points(BARE, [n], "product-form")


def test_the_gain_of_nearer_lines_by_hand() -> None:
    """8 cores: 4 users and 8 mappings of a node, 50 ns; before (24 x 50 + 32 x 100) / 56 ns."""
    change = compare(BASE, [parse("nearer_lines:a")], [8], "product-form")
    t = (24 * 50e-9 + 32 * 100e-9) / 56
    passing = 4 * (7e-9 + 6 * t)
    before = 1 / (400e-9 + (15 + 10 + 1.5) * t + passing)
    after = 1 / (400e-9 + (15 + 6 + 1.5) * 50e-9 + passing)
    assert change.ceiling_before_per_s == pytest.approx(before, rel=1e-12)
    assert change.ceiling_after_per_s == pytest.approx(after, rel=1e-12)
    assert change.notes == ()


def test_one_node_changes_nothing_and_says_so() -> None:
    one = scenario(machine=replace(MACHINE, nodes=1))
    assert levers.nearer_lines(one, "a") == one
    change = compare(one, [parse("nearer_lines:all")], [8])
    assert change.points[0].gain == 0.0
    assert change.notes == ("nearer_lines:all: the machine has one NUMA node, so nothing changes",)


def test_all_leaves_locks_without_lines_as_they_are() -> None:
    fewer = parse("fewer_lines:all=0.5").apply(MIXED)
    assert fewer == levers.fewer_lines(MIXED, "a", 0.5)
    at = parse("fewer_lines:all/p.s=0").apply(MIXED)
    assert at == levers.fewer_lines(MIXED, "a", 0.0, "p.s")
    nearer = parse("nearer_lines:all").apply(MIXED)
    assert [k.lines_by for k in nearer.locks] == ["node", "lock"]


REMEDY = "give its sites lines, or take --from-counts.*; shorten_hold changes"


@pytest.mark.parametrize(
    ("text", "made", "words"),
    [
        ("fewer_lines:a=0.5", BARE, f"fewer_lines: a has no lines; {REMEDY}"),
        ("fewer_lines:all=0.5", BARE, f"fewer_lines: a has no lines; {REMEDY}"),
        ("fewer_lines:b/p.s=0.5", MIXED, f"fewer_lines: b/p.s has no lines; {REMEDY}"),
        ("nearer_lines:a", BARE, f"nearer_lines: a has no lines; {REMEDY}"),
        ("nearer_lines:all", BARE, f"nearer_lines: a has no lines; {REMEDY}"),
        ("nearer_lines:b", MIXED, f"nearer_lines: b has no lines; {REMEDY}"),
        ("fewer_lines:a=1.5", BASE, r"fewer_lines: factor 1\.5 must lie between 0 and 1"),
        ("fewer_lines:a=-0.1", BASE, r"fewer_lines: factor -0\.1 must lie between 0 and 1"),
        ("fewer_lines:c=0.5", BASE, "fewer_lines: .*no lock 'c'"),
        ("nearer_lines:c", BASE, "nearer_lines: .*no lock 'c'"),
        ("fewer_lines:a/p.x=0.5", BASE, "fewer_lines: a has no site 'p.x'"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, made: Scenario, words: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{words}"):
        parse(text).apply(made)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fewer_lines:a", r"write it as fewer_lines:LOCK\[/SITE\]=FACTOR"),
        ("nearer_lines:a=0.5", "write it as nearer_lines:LOCK"),
        ("nearer_lines:a/p.s", "write it as nearer_lines:LOCK"),
    ],
)
def test_a_wrong_form_shows_the_right_one(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        parse(text)


def of_lines(made: Scenario) -> set[str]:
    return {one.text for one in candidates(made) if "_lines" in one.text}


def test_candidates_where_there_are_lines() -> None:
    fewer = {"fewer_lines:a=0.5", "fewer_lines:a=0"}
    assert of_lines(BASE) == {*fewer, "nearer_lines:a"}
    assert of_lines(BARE) == set()
    assert of_lines(scenario(machine=replace(MACHINE, nodes=1))) == fewer
    assert of_lines(levers.nearer_lines(BASE, "a")) == fewer
    # a shard of a node has its lines from there already; three shards do not divide two nodes
    assert of_lines(levers.shard(BASE, "a", 2, "node")) == fewer
    assert of_lines(levers.shard(BASE, "a", 3)) == {*fewer, "nearer_lines:a"}
    every = {text.replace(":a", ":all") for text in (*fewer, "nearer_lines:a")}
    assert of_lines(MIXED) == {*fewer, "nearer_lines:a", *every}
    limits = {one.text for one in candidates(BASE) if one.is_limit and "_lines" in one.text}
    assert limits == {"fewer_lines:a=0"}


def test_levers_of_one_lock_commute() -> None:
    changes = (
        lambda s: levers.fewer_lines(s, "a", 0.25),
        lambda s: levers.nearer_lines(s, "a"),
        lambda s: levers.shorten_hold(s, "a", 0.5),
        lambda s: levers.batch(s, "a", 2.0),
        lambda s: levers.shard(s, "a", 3, "hash"),
    )
    made = [reduce(lambda now, f: f(now), p, BASE) for p in permutations(changes)]
    first = build(made[0], 8)
    for other in made[1:]:
        assert other.locks == made[0].locks
        assert build(other, 8).hold["a"] == pytest.approx(first.hold["a"], rel=1e-12)
    # a quarter of half of them, each of three shards by 8 / 6 users and 16 / 6 mappings of a node
    lines = 0.25 * 0.5 * (15 + (-2 + 4 * math.log2(8 / 6) + 1.5))
    assert first.lines["a"] == pytest.approx(lines, rel=1e-12)
