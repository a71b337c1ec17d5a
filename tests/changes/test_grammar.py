"""Tests of changes.grammar: every text form, its errors, target `all`, and the candidates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace
from strategies import REPEATABLE, scenarios

from lockmodel.changes import levers
from lockmodel.changes.candidates import candidates, shard_steps
from lockmodel.changes.grammar import parse
from lockmodel.changes.kinds import KINDS, Sharding, lever
from lockmodel.changes.lever import ALL
from lockmodel.errors import ArgumentError
from lockmodel.model.handoff import (
    ConstantHandOff,
    HandOff,
    LinearHandOff,
    NoHandOff,
    SaturatingHandOff,
    TopologyHandOff,
)
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site

LIBC, EXE = "libc.so.6", "executable"
LINEAR = LinearHandOff(time=300e-9, per_waiter=10e-9)


def lock(name: str, handoff: HandOff) -> Lock:
    times = {"time_per_instruction_local": 1e-9, "time_per_instruction_remote": 3e-9}
    return Lock(name=name, handoff=handoff, **times)


def site(lock: str, name: str, acquires: float, held: float) -> Site:
    return Site(lock=lock, phase="exec", name=name, acquires=acquires, held_instructions=held)


BASE = Scenario(
    name="base",
    title="t",
    iteration="i",
    machine=Machine(name="m", cpus=16, cores=8, nodes=2),
    think=100e-6,
    locks=(lock(LIBC, LINEAR), lock(EXE, NoHandOff())),
    sites=(
        site(LIBC, "map_split", 5.0, 1000.0),
        site(LIBC, "map_link", 1.0, 100.0),
        site(EXE, "map_split", 2.0, 900.0),
    ),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shorten_hold:libc.so.6=0.5", levers.shorten_hold(BASE, LIBC, 0.5)),
        ("batch:libc.so.6=2", levers.batch(BASE, LIBC, 2.0)),
        ("batch:libc.so.6/exec.map_split=1", levers.batch(BASE, LIBC, 1.0, "exec.map_split")),
        ("skip:libc.so.6/exec.map_split", levers.skip(BASE, LIBC, "exec.map_split")),
        ("shard:libc.so.6=8", levers.shard(BASE, LIBC, 8)),
        ("shard:libc.so.6=2,by=node", levers.shard(BASE, LIBC, 2, "node")),
        ("shard:libc.so.6=8,by=hash,skew=1,values=6", levers.shard(BASE, LIBC, 6, "hash", 1.0)),
        ("exclude:libc.so.6", levers.exclude(BASE, LIBC)),
        ("cheaper_handoff:libc.so.6=none", levers.cheaper_handoff(BASE, LIBC, NoHandOff())),
        (
            "cheaper_handoff:libc.so.6=constant,time_ns=200",
            levers.cheaper_handoff(BASE, LIBC, ConstantHandOff(time=200e-9)),
        ),
        (
            "cheaper_handoff:libc.so.6=linear,time_us=0.2,per_waiter_ns=5",
            levers.cheaper_handoff(BASE, LIBC, LinearHandOff(time=200e-9, per_waiter=5e-9)),
        ),
        ("less_think=0.5", levers.less_think(BASE, 0.5)),
        ("less_think:0.5", levers.less_think(BASE, 0.5)),
        ("acquires:libc.so.6=12", levers.set_acquires(BASE, LIBC, 12.0)),
        (
            "acquires:all/exec.map_link=5",
            levers.set_acquires(BASE, LIBC, 5.0, "exec.map_link"),
        ),
    ],
)
def test_a_text_means_its_lever(text: str, expected: Scenario) -> None:
    lever = parse(text)
    assert lever.apply(BASE) == expected
    assert lever.text == text


@pytest.mark.parametrize(
    ("handoff", "cost"),
    [
        (ConstantHandOff(time=250e-9), 250e-9),
        (LINEAR, 300e-9),
        (SaturatingHandOff(time=300e-9, limit=900e-9, half_waiters=8.0), 300e-9),
        (TopologyHandOff(local=100e-9, remote=400e-9), 100e-9),
    ],
)
def test_constant_without_a_time_is_the_best_of_today(handoff: HandOff, cost: float) -> None:
    before = replace(BASE, locks=(lock(LIBC, handoff), BASE.locks[1]))
    after = parse("cheaper_handoff:libc.so.6=constant").apply(before)
    new = after.lock(LIBC).handoff
    assert isinstance(new, ConstantHandOff)
    assert new.time == pytest.approx(cost, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "--lever '': unknown lever; known: shorten_hold, batch, skip, shard, exclude"),
        ("bach:libc.so.6=1", "'bach:libc.so.6=1': unknown lever; did you mean 'batch'"),
        ("batch", r"--lever 'batch': write it as batch:LOCK\[/SITE\]=M"),
        ("batch:libc.so.6", r"write it as batch:LOCK\[/SITE\]=M"),
        ("batch:libc.so.6=", r"write it as batch:LOCK\[/SITE\]=M"),
        ("batch:libc.so.6/=1", r"write it as batch:LOCK\[/SITE\]=M"),
        ("batch:=1", r"write it as batch:LOCK\[/SITE\]=M"),
        ("batch:libc.so.6=x", r"batch: 'x' is not a number; write batch:LOCK\[/SITE\]=M"),
        ("batch:libc.so.6=1,by=cpu", r"batch takes one value; write batch:LOCK\[/SITE\]=M"),
        ("shorten_hold:libc.so.6/exec.map_split=0", "write it as shorten_hold:LOCK=FACTOR"),
        ("skip:libc.so.6", "write it as skip:LOCK/SITE"),
        ("skip:libc.so.6/exec.map_split=1", "write it as skip:LOCK/SITE"),
        ("exclude", "write it as exclude:LOCK"),
        ("exclude:libc.so.6/exec.map_split", "write it as exclude:LOCK"),
        ("exclude:libc.so.6=1", "write it as exclude:LOCK"),
        ("less_think", "write it as less_think=FACTOR"),
        ("less_think:libc.so.6=0.5", "write it as less_think=FACTOR"),
        ("less_think=half", "less_think: 'half' is not a number; write less_think=FACTOR"),
        ("shard:libc.so.6=2.5", "'2.5' is not a whole number; write shard:LOCK=K"),
        ("shard:libc.so.6=inf", "'inf' is not a whole number"),
        ("shard:libc.so.6=nan", "'nan' is not a whole number"),
        ("shard:libc.so.6=4,bye=node", "unknown option 'bye'; did you mean 'by'"),
        ("shard:libc.so.6=4,by=hash,values=2.5", "'2.5' is not a whole number"),
        ("shard:libc.so.6=4,by=hash,skew=x", "'x' is not a number"),
        ("cheaper_handoff:libc.so.6=konstant", "not a hand-off family; did you mean 'constant'"),
        ("cheaper_handoff:libc.so.6=constant,time=3", "time = 3: a time needs its unit"),
        ("cheaper_handoff:libc.so.6=constant,tiem_ns=3", "did you mean 'time_ns'"),
        ("cheaper_handoff:libc.so.6=constant,time_ns=-1", "time_ns = -1 must be >= 0"),
        ("cheaper_handoff:libc.so.6=linear,time_ns=1", "per_waiter_ns"),
        ("cheaper_handoff:libc.so.6=topology,local_ns=2,remote_ns=1", "remote .* below local"),
    ],
)
def test_a_text_that_is_no_lever_shows_the_right_form(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batch:libc=1", "no lock 'libc'; did you mean 'libc.so.6'"),
        ("batch:libc.so.6=7", "7 acquires at libc.so.6 must be .* at most the 6 there are"),
        ("batch:libc.so.6/exec.split=1", "did you mean 'exec.map_split'"),
        ("shorten_hold:libc.so.6=1.5", "factor 1.5 must lie between 0 and 1"),
        ("shorten_hold:all=nan", "factor nan must lie between 0 and 1"),
        ("shard:libc.so.6=0", "0 shards of libc.so.6 must be at least 1"),
        ("shard:libc.so.6=2,by=nodes", "by='nodes'; did you mean 'node'"),
        ("shard:libc.so.6=2,skew=1", "skew"),
        ("cheaper_handoff:executable=constant,time_ns=9", "9 ns, more than the 0 ns of today"),
        ("cheaper_handoff:libc=constant", "cheaper_handoff: .* no lock 'libc'"),
        ("skip:all/exec.map_slit", "all: no lock has a site 'exec.map_slit'; did you mean"),
        ("less_think=2", "factor 2.0 must lie between 0 and 1"),
    ],
)
def test_a_lever_that_makes_no_sense_here_is_refused(text: str, words: str) -> None:
    lever = parse(text)
    with pytest.raises(ArgumentError, match=words):
        lever.apply(BASE)


def applied(text: str, scenario: Scenario = BASE) -> Scenario:
    return parse(text).apply(scenario)


def test_all_means_every_lock() -> None:
    for head, tail in [("shorten_hold", "=0.5"), ("shard", "=4"), ("batch", "=1")]:
        one = applied(f"{head}:{LIBC}{tail}")
        assert applied(f"{head}:all{tail}") == applied(f"{head}:{EXE}{tail}", one)
    assert applied("exclude:all").locks == ()
    assert applied("cheaper_handoff:all=none").lock(LIBC).handoff == NoHandOff()


def test_all_with_a_site_means_every_lock_that_has_it() -> None:
    left = [(s.lock, s.label) for s in applied("skip:all/exec.map_split").sites]
    assert left == [(LIBC, "exec.map_link")]
    only = [s.acquires for s in applied("batch:all/exec.map_link=0.5").sites]
    assert only == [5.0, 0.5, 2.0]


def test_all_leaves_a_lock_alone_that_has_no_more_than_asked() -> None:
    # libc has 6 acquires, the executable 2
    after = applied("batch:all=4")
    assert [after.acquires(LIBC), after.acquires(EXE)] == pytest.approx([4.0, 2.0], rel=1e-14)
    eight = applied(f"shard:{LIBC}=8")
    assert [x.shards for x in applied("shard:all=4", eight).locks] == [8, 4]
    assert [x.shards for x in applied("shard:all=16,by=node", eight).locks] == [8, 2]  # 2 nodes


def test_all_without_any_site_says_so() -> None:
    with pytest.raises(ArgumentError, match=r"^all: no lock ") as caught:
        applied("shorten_hold:all=0.5", replace(BASE, sites=()))
    assert "site ''" not in str(caught.value)  # nobody gave a site


@pytest.mark.parametrize(
    ("options", "words"),  # 16 CPUs, 2 nodes
    [
        ("16", "a shard is chosen by cpu"),
        ("17", "cpu can tell only 16 shards apart, so 16 are used, not 17"),
        ("8,by=node", "node can tell only 2 shards apart, so 2 are used, not 8"),
        ("8,by=hash,values=3", "hash can tell only 3 shards apart, so 3 are used, not 8"),
        ("512,by=hash", "a shard is chosen by hash"),
    ],
)
def test_capped_shards_are_said(options: str, words: str) -> None:
    text = f"shard:{LIBC}={options}"
    assert parse(text).note(BASE) == (f"{text}: {words}" if words else "")
    assert parse("less_think=0.5").note(BASE) == ""


def test_the_candidates_of_a_scenario_by_hand() -> None:
    # libc: linear hand-off, 5 + 1 acquires; executable: no hand-off, one site with 2 acquires
    libc = f"""shorten_hold:{LIBC}=0.5 shorten_hold:{LIBC}=0 batch:{LIBC}=1
        batch:{LIBC}/exec.map_split=1 skip:{LIBC}/exec.map_split skip:{LIBC}/exec.map_link
        exclude:{LIBC} cheaper_handoff:{LIBC}=none cheaper_handoff:{LIBC}=constant""".split()
    # the executable's one site: one acquire there is one in all, and listed once
    exe = f"""shorten_hold:{EXE}=0.5 shorten_hold:{EXE}=0
        batch:{EXE}/exec.map_split=1 exclude:{EXE}""".split()
    both = [text.replace(LIBC, "all") for text in libc]
    assert [lever.text for lever in candidates(BASE)] == [*libc, *exe, *both, "less_think=0.9"]


def test_a_candidate_that_empties_the_iteration_is_left_out() -> None:
    bare = replace(BASE, think=0.0)
    texts = [lever.text for lever in candidates(bare)]
    assert "exclude:all" not in texts
    assert "less_think=0.9" not in texts
    assert f"exclude:{LIBC}" in texts


@REPEATABLE
@given(scenarios())
def test_every_candidate_changes_something_and_reads_as_it_is_written(s: Scenario) -> None:
    """Text and object are two forms of one thing, limits included."""
    made = candidates(s)
    for one in made:
        after = one.apply(s)
        assert after != s, one.text
        again = parse(one.text)
        assert (again.kind, again.lock, again.site) == (one.kind, one.lock, one.site)
        assert again.apply(s) == after
        assert again.is_limit == one.is_limit
    assert len({one.text for one in made}) == len(made)


@pytest.mark.parametrize(
    ("cpus", "shards", "steps"), [(16, 1, (2, 4, 8, 16)), (24, 4, (8, 16)), (1, 1, ())]
)
def test_shard_steps_double_up_to_the_cpus(cpus: int, shards: int, steps: tuple[int, ...]) -> None:
    s = replace(BASE, machine=Machine(name="m", cpus=cpus, cores=cpus))
    assert shard_steps(s, (replace(s.locks[0], shards=shards),)) == steps


def test_every_lever_has_a_form_that_starts_with_its_name() -> None:
    assert [name for name, kind in KINDS.items() if not kind.form.startswith(name)] == []
    assert len(KINDS) == 10  # seven levers of issue 2, two of lines, and acquires, for variants


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(ArgumentError, match="an option is given twice"):
        parse("shard:libc.so.6=4,by=node,by=cpu")


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (lever("shard", LIBC, Sharding(8)), "shard:libc.so.6=8"),
        (
            lever("shard", ALL, Sharding(8, "hash", 0.5, 6)),
            "shard:all=8,by=hash,skew=0.5,values=6",
        ),
        (lever("batch", ALL, 1.0, "exec.map_split"), "batch:all/exec.map_split=1"),
        (
            lever("cheaper_handoff", LIBC, LinearHandOff(time=2e-7, per_waiter=5e-9)),
            "cheaper_handoff:libc.so.6=linear,time_ns=200,per_waiter_ns=5",
        ),
        (lever("less_think", value=0.25), "less_think=0.25"),
        (lever("nearer_lines", LIBC), "nearer_lines:libc.so.6"),
        (lever("exclude", LIBC), "exclude:libc.so.6"),
    ],
)
def test_a_lever_is_spelt_as_it_is_typed(one: Any, text: str) -> None:
    assert one.text == text
    assert parse(text).apply(BASE) == one.apply(BASE)


def test_limits_are_what_no_patch_reaches() -> None:
    texts = {one.text for one in candidates(BASE) if one.is_limit}
    limits = {f"shorten_hold:{x}=0" for x in (LIBC, EXE, ALL)}
    limits |= {f"batch:{x}=1" for x in (LIBC, ALL)}
    limits |= {f"exclude:{x}" for x in (LIBC, EXE, ALL)}
    assert texts == limits | {f"cheaper_handoff:{x}=none" for x in (LIBC, ALL)}
