"""What is kept of a draw gives the numbers of a whole solution, to the last bit."""

import numpy as np
import pytest
from msgspec.structs import replace

from lockmodel.answers import after
from lockmodel.answers.after import Before, levered
from lockmodel.changes.candidates import candidates
from lockmodel.changes.grammar import parse
from lockmodel.fitting.draws import drawn
from lockmodel.model.handoff import LinearHandOff
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.throughput import throughput

SHIPPED = find_scenario("execl-xeon8369b")
DRAWS = drawn(SHIPPED, 4).scenarios


def whole(change, populations):
    return np.array([throughput(levered(one, change), populations) for one in DRAWS])


def test_every_lever_reaches_what_the_whole_network_does():
    before = Before(DRAWS, [128])
    assert np.array_equal(before.rates, whole(lambda s: s, [128]))
    more = [parse("shard:all=8"), parse("shard:libc.so.6=4,by=hash"), parse("shard:all=2,by=node")]
    levers = [*candidates(SHIPPED), *more]
    assert len(levers) > 50
    off = [
        one.text
        for one in levers
        if not np.array_equal(before.after(one.apply), whole(one.apply, [128]))
    ]
    assert off == []


@pytest.mark.parametrize("populations", [[1], [2, 3], [1, 16, 200], list(range(1, 10))])
def test_any_populations(populations):
    lever = parse("shorten_hold:libc.so.6=0.5")
    assert np.array_equal(
        Before(DRAWS, populations).after(lever.apply), whole(lever.apply, populations)
    )


def test_locks_whose_service_grows_and_draws_without_think_time_are_solved_as_a_whole():
    first, second, third, *_ = DRAWS
    libc = next(lock for lock in first.locks if lock.name == "libc.so.6")
    grows = replace(libc, handoff=LinearHandOff(time=1e-7, per_waiter=1e-8))
    others = tuple(grows if lock is libc else lock for lock in first.locks)
    some = (replace(first, locks=others), replace(second, think=0.0, think_remote=0.0), third)
    lever = parse("batch:libc.so.6=1")
    made = Before(some, [64]).after(lever.apply)
    assert made.tolist() == [[throughput(lever.apply(one), [64])[0]] for one in some]


def test_only_what_a_lever_changes_is_built(monkeypatch):
    before = Before(DRAWS, [128])
    rates = before.rates
    built = []
    build = after.build
    monkeypatch.setattr(after, "build", lambda s, n: built.append(len(s.locks)) or build(s, n))
    made = before.after(parse("shorten_hold:libc.so.6=0.5").apply)
    assert built == [1] * len(DRAWS)
    assert (made > 1.2 * rates).all()


def test_a_draw_that_a_lever_cannot_change_stays():
    (draw,) = DRAWS[:1]
    fewer = parse("batch:libc.so.6=1").apply(draw)
    before = Before([fewer], [128])
    assert before.after(parse("batch:libc.so.6=9").apply) == before.rates


def test_who_had_a_lock_last_is_a_matter_of_all_the_others():
    """A hold of ld-linux lies between two acquires of libc, and so does all think time."""
    some = []
    for one in DRAWS[:2]:
        locks = tuple(
            replace(lock, lines_when="changed") if lock.name == "libc.so.6" else lock
            for lock in one.locks
        )
        some.append(replace(one, locks=locks))
    for text in ("shorten_hold:ld-linux-x86-64.so.2=0", "batch:libc.so.6=1"):
        lever = parse(text)
        made = Before(some, [4]).after(lever.apply)
        assert made.tolist() == [[throughput(lever.apply(one), [4])[0]] for one in some]
