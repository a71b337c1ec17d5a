"""How many shards are enough: against formulae by hand, and row by row against `whatif`."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from msgspec.structs import replace
from one_lock import ONE_LOCK, US
from places import timed

from lockmodel.answers.axis import parse_axis
from lockmodel.answers.quick import Taken, quick
from lockmodel.answers.shard_question import Question
from lockmodel.answers.shards import UNDRAWN, shards
from lockmodel.answers.sweep import ENDS, sweep
from lockmodel.answers.whatif import compare
from lockmodel.changes.grammar import parse
from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model.handoff import NoHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.machines import parse as parse_machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.solve import points

EXECL = timed("execl-xeon8369b")


def held(think: float, hold: float, cpus: int = 64, **lock: object) -> Scenario:
    """Return a scenario of one lock without hand-off, held once for an exponential time."""
    return Scenario(
        name="held",
        machine=Machine(name="flat", cpus=cpus, cores=cpus),
        think=think,
        locks=(Lock(name="file", handoff=NoHandOff(), **lock),),  # type: ignore[arg-type]
        sites=(Site(lock="file", phase="exec", name="map", acquires=1, hold=hold),),
    )


def repairman(n: int, think: float, hold: float) -> float:
    """Return the throughput of n machines and one repairman."""
    weights = [math.perm(n, i) * (hold / think) ** i for i in range(n + 1)]
    return (1.0 - 1.0 / sum(weights)) / hold


def walked(scenario: Scenario, rate: float, read: float, name: str = "file") -> Scenario:
    walkers = Walkers(walks_per_s=rate, read=read)
    locks = tuple(
        replace(lock, walkers=walkers) if lock.name == name else lock for lock in scenario.locks
    )
    return replace(scenario, locks=locks)


def test_shards_at_random_by_hand():
    # without think time k even stations of demand D / k: X = N k / (D (N + k - 1))
    made = shards(held(0.0, 4 * US), 64, Question(by="hash"))
    for row in made.rows:
        k = row.shards
        assert row.after_per_s == pytest.approx(64 * k / (4 * US * (63 + k)), rel=1e-9)
        assert row.gain == pytest.approx(64 * k / (63 + k) - 1, rel=1e-9)
    # 57 / 120 < 0.95 x 64 / 127 < 58 / 121
    assert [row.shards for row in made.rows] == [1, 2, 4, 8, 16, 32, 58, 64]
    assert (made.enough, made.best, made.binding) == (58, 64, "file")


def test_shards_by_cpu_are_repairmen_with_fewer_machines():
    made = shards(held(100 * US, 5 * US), 64)
    assert (made.by, made.lock) == ("cpu", "file")

    def by_hand(k: int) -> float:  # CPU c has shard c k // 64
        users = Counter(cpu * k // 64 for cpu in range(64))
        return sum(repairman(n, 100 * US, 5 * US) for n in users.values())

    for row in made.rows:
        assert row.after_per_s == pytest.approx(by_hand(row.shards), rel=1e-9)
    # with 4 shards 0.929 of what 64 reach, with 5 0.954
    enough = next(k for k in range(1, 65) if by_hand(k) >= 0.95 * by_hand(64))
    assert made.enough == enough == 5
    assert [row.shards for row in made.rows] == [1, 2, 4, 5, 8, 16, 32, 64]


def test_saturated_it_is_k_over_w_plus_m_c():
    # D = 4 us by hand (one_lock); 64 processes that hardly think keep 2 shards of it busy
    busy = replace(ONE_LOCK, think=1e-9)
    made = shards(busy, 64, Question(counts=(2,)))
    assert made.rows[0].after_per_s == pytest.approx(1 / (4 * US), rel=1e-6)
    assert made.rows[1].after_per_s == pytest.approx(2 / (4 * US), rel=1e-6)
    assert made.rows[1].binding == "file"
    # a + c = 500 ns for every shard that one who takes all of them takes
    assert [row.taking_s for row in made.rows] == pytest.approx([500e-9, 1e-6])


@pytest.mark.usefixtures("hardly_drawn")
@pytest.mark.parametrize(
    ("asked", "levers"),
    [
        (Question(counts=(2, 8)), ["libc.so.6=2,by=cpu", "libc.so.6=8,by=cpu"]),
        (Question(lock="all", by="node"), ["all=2,by=node"]),
        (
            Question(skew=1.5, values=6, counts=(3, 6)),
            ["libc.so.6=3,by=hash,skew=1.5,values=6", "libc.so.6=6,by=hash,skew=1.5,values=6"],
        ),
    ],
)
def test_a_row_is_what_whatif_says(asked, levers):
    fitted = find_scenario("execl-xeon8369b")
    made = shards(fitted, 64, asked)
    assert [row.lever.text for row in made.rows[1:]] == [f"shard:{text}" for text in levers]
    for one in (*made.rows[1:], *made.keys):
        said = compare(fitted, [parse(one.lever.text)], [64])
        (change,) = said.points
        assert (one.gain, one.gain_interval) == (change.gain, change.gain_interval)
        assert change.gain_interval is not None
        if one in made.rows:
            assert (one.after_per_s, one.binding) == (change.after_per_s, said.binding_after)
            assert set(said.warnings) <= set(made.warnings)
    assert made.fit == said.fit


@pytest.mark.usefixtures("hardly_drawn")
def test_the_interval_of_throughput_is_that_of_a_sweep():
    fitted = find_scenario("execl-xeon8369b")
    made = shards(fitted, 64, Question(counts=(4,)))
    swept = sweep(fitted, [parse_axis("libc.so.6:shards=1,4", "cpu")], [64])
    ends = [tuple(row[key] for key in ENDS) for row in swept.rows]
    assert [row.interval_per_s for row in made.rows] == ends


def test_even_keys_are_no_skew_and_skew_never_helps():
    even = shards(EXECL, 64, Question(by="hash", counts=(2, 4, 16)))
    same = shards(EXECL, 64, Question(skew=0.0, counts=(2, 4, 16)))
    assert [row.after_per_s for row in even.rows] == [row.after_per_s for row in same.rows]
    rates = [row.after_per_s for row in even.rows]
    assert rates == sorted(rates)
    before = rates
    for skew in (0.5, 1.0, 3.0):
        skewed = shards(EXECL, 64, Question(skew=skew, counts=(2, 4, 16)))
        after = [row.after_per_s for row in skewed.rows]
        assert all(x <= y * (1 + 1e-12) for x, y in zip(after, before, strict=True))
        assert after[1] < before[1]
        before = after
    # the i-th of k shards gets 1 / i of what the first gets: 12 / 25 of the acquires at 4
    usual = shards(EXECL, 64, Question(skew=1.0, counts=(4,)))
    assert [one.skew for one in usual.keys] == [0.0, 1.0]
    assert [one.most for one in usual.keys] == pytest.approx([0.25, 12 / 25])
    assert usual.keys[1].gain == usual.rows[1].gain


def test_one_key_is_one_shard():
    made = shards(EXECL, 64, Question(values=1))
    assert [row.shards for row in made.rows] == [1]
    assert (made.enough, made.keys) == (1, ())
    constant = compare(EXECL, [parse("shard:libc.so.6=8,by=hash,values=1")], [64])
    assert constant.points[0].gain == 0.0
    two = shards(EXECL, 64, Question(values=2))  # the only count that two keys allow
    assert [row.shards for row in two.rows] == [1, 2]


def test_the_order_of_locks_does_not_matter():
    mirrored = replace(EXECL, locks=EXECL.locks[::-1], sites=EXECL.sites[::-1])
    one, other = (shards(each, 64, Question(counts=(2, 8))) for each in (EXECL, mirrored))
    assert (one.lock, one.enough, one.others) == (other.lock, other.enough, other.others)
    assert [row.binding for row in one.rows] == [row.binding for row in other.rows]
    assert [row.after_per_s for row in one.rows] == pytest.approx(
        [row.after_per_s for row in other.rows], rel=1e-9
    )


@pytest.mark.usefixtures("hardly_simulated")
def test_walkers_are_simulated_and_a_row_is_what_whatif_says_by_simulation():
    busy = walked(replace(ONE_LOCK, think=2 * US), 2e4, 10 * US)
    made = shards(busy, 16, Question(counts=(2, 8)))
    assert made.simulated
    for row in made.rows[1:]:
        said = compare(busy, [parse(row.lever.text)], [16], "simulation")
        assert (row.after_per_s, row.gain) == (
            said.points[0].after_per_s,
            said.points[0].gain,
        )
    walks = [row.walk.time_s for row in made.rows]
    # the read and at least the acquire time of every shard
    assert all(walk > 10 * US + k * 0.1 * US for walk, k in zip(walks, (1, 2, 8), strict=True))
    free = replace(busy, locks=(replace(busy.locks[0], walkers=None),))
    (alone,) = points(free, [16], "simulation")
    lost = 1.0 - made.rows[0].after_per_s / alone.throughput_per_s
    assert made.rows[0].walk.lost == pytest.approx(lost, rel=1e-12)
    # the read alone keeps the lock for a fifth of the time
    assert lost == pytest.approx(0.2, abs=0.1)


def test_walkers_of_a_semaphore_are_in_closed_form_and_its_error_is_stated():
    semaphore = replace(ONE_LOCK, locks=(replace(ONE_LOCK.locks[0], kind="rwsem"),))
    busy = walked(replace(semaphore, think=2 * US), 2e3, 10 * US)
    made = shards(busy, 16, Question(counts=(2, 8, 16)))
    assert not made.simulated
    free = shards(replace(semaphore, think=2 * US), 16, Question(counts=(2, 8, 16)))
    for row, alone in zip(made.rows, free.rows, strict=True):
        lost = 1.0 - row.after_per_s / alone.after_per_s
        assert row.walk.lost == pytest.approx(lost, rel=1e-9)
        assert 0.0 < row.walk.error < 0.1
        assert row.walk.time_s is None
    for row in made.rows[1:]:
        said = compare(busy, [parse(row.lever.text)], [16])
        assert (row.after_per_s, row.gain) == (said.points[0].after_per_s, said.points[0].gain)
    # far more walks than were measured
    often = shards(walked(semaphore, 2e4, 10 * US), 16, Question(counts=(2,)))
    assert [row.walk.error for row in often.rows] == [None, None]


@pytest.mark.usefixtures("hardly_simulated", "hardly_drawn")
def test_walkers_leave_a_fit_without_intervals_and_that_is_said():
    fitted = quick(2 * US, [Taken("file", 1 * US)], parse_machine("1x8x1"))
    assert shards(fitted, 8, Question(counts=(2,))).rows[1].gain_interval is not None
    made = shards(walked(fitted, 1e3, US), 8, Question(counts=(2,)))
    assert made.simulated
    assert (made.fit, made.rows[1].gain_interval, made.rows[1].interval_per_s) == (None, None, None)
    assert made.notes[0] == UNDRAWN


def test_where_walkers_keep_all_shards_busy_more_are_not_tried():
    # 64 shards of 0.5 us, 5e4 times per s: 1.6 times all the time there is
    busy = walked(ONE_LOCK, 5e4, 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lockmodel.solvers.solve.PRECISION", 0.1)
        made = shards(busy, 8, Question(lock="file", counts=(2, 60, 62, 64)))
    assert [(row.shards, row.binding) for row in made.rows[2:]] == [(60, "walkers")]
    assert (made.rows[2].after_per_s, made.rows[2].gain, made.overrun) == (0.0, -1.0, 2)
    assert made.enough < 60


def test_what_is_finished_is_kept_when_it_is_stopped():
    asked = iter([False] * 3 + [True] * 1000)
    made = shards(EXECL, 64, Question(counts=(2, 4, 8, 16)), stop=lambda: next(asked))
    assert made.untried > 0
    whole = shards(EXECL, 64, Question(counts=(2, 4, 8, 16)))
    assert made.rows == whole.rows[: len(made.rows)]
    assert len(made.rows) < len(whole.rows)
    assert whole.untried == 0
    with pytest.raises(NotTrustworthyError, match="stopped"):
        shards(walked(ONE_LOCK, 10.0, US), 8, Question(lock="file"), stop=lambda: True)


def test_a_lock_in_shards_is_asked_for_more():
    made = shards(replace(EXECL, locks=_sharded(4)), 64, Question(lock="libc.so.6"))
    assert [row.shards for row in made.rows][:3] == [4, 8, 16]
    assert made.rows[0].gain == 0.0
    assert made.rows[0].taking_s == pytest.approx(4 * made.acquire_s)
    with pytest.raises(ArgumentError, match="there are 4 shards already, and 2 keys tell"):
        shards(replace(EXECL, locks=_sharded(4)), 64, Question(lock="libc.so.6", values=2))


def _sharded(k: int) -> tuple[Lock, ...]:
    return tuple(
        replace(lock, shards=k) if lock.name == "libc.so.6" else lock for lock in EXECL.locks
    )


def test_a_model_without_locks_and_cpus_that_bind_are_named():
    free = replace(ONE_LOCK, locks=(), sites=())
    with pytest.raises(ArgumentError, match="MODEL one: an iteration takes no lock"):
        shards(free, 8)
    slow = replace(ONE_LOCK, machine=Machine(name="slow", cpus=16, cores=16))
    with pytest.raises(ArgumentError, match=r"the CPUs bind at n = 16; name the lock"):
        shards(slow, 16)
    untaken = replace(ONE_LOCK, locks=(*ONE_LOCK.locks, Lock(name="idle")))
    with pytest.raises(ArgumentError, match="--lock idle: an iteration never takes it"):
        shards(untaken, 8, Question(lock="idle"))
    named = shards(slow, 16, Question(lock="file", counts=(2,)))
    assert named.enough == 1
