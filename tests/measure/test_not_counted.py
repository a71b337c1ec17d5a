"""The station that stands for what nobody counted: its range, and what it does to answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace
from places import timed

from lockmodel.changes.candidates import candidates
from lockmodel.changes.grammar import parse
from lockmodel.changes.lever import ALL
from lockmodel.fitting.draws import drawn
from lockmodel.measure.acquires.from_counts import from_counts, uncounted
from lockmodel.model.scenario import NOT_COUNTED
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.bounds import ceiling_at
from lockmodel.solvers.throughput import throughput

LIBC, LOADER = "libc.so.6", "ld-linux-x86-64.so.2"
MADE = from_counts(find_scenario("execl-emr112"))
CPUS = MADE.machine.cpus


def demand(name: str, scenario=MADE) -> float:  # type: ignore[no-untyped-def]
    lock = scenario.lock(name)
    lines = scenario.lines(name, CPUS, CPUS + lock.other_mappers)
    return (lines + scenario.acquires(name) * lock.handoff_lines) / lock.shards


def test_its_demand_is_the_geometric_middle_of_2_and_100_percent_of_what_binds() -> None:
    assert demand(NOT_COUNTED) == pytest.approx(math.sqrt(0.02) * demand(LIBC), rel=1e-3)


def test_its_draws_stay_between_these_ends() -> None:
    shares = [demand(NOT_COUNTED, one) / demand(LIBC) for one in drawn(MADE, 256).scenarios]
    assert min(shares) == pytest.approx(0.02, rel=0.01)
    assert max(shares) == pytest.approx(1.0, rel=0.01)
    # uniform in the logarithm has quarters at 2 % ^ (3/4) and (1/4); the normal with its ends
    # cut off has them within a sixth of the range
    quarters = np.log(np.quantile(shares, (0.25, 0.5, 0.75)))
    assert quarters == pytest.approx(np.log(0.02) * np.array([0.75, 0.5, 0.25]), abs=0.6)


def test_no_change_is_about_it_and_all_leaves_stations_alone() -> None:
    assert NOT_COUNTED not in {one.lock for one in candidates(MADE)}
    sharded = parse("shard:all=8").apply(MADE)
    changed = {k.name for k in sharded.locks if k.shards != MADE.lock(k.name).shards}
    assert changed == {LIBC, LOADER, "executable"}
    assert parse("exclude:all").apply(MADE).lock("lru_lock") == MADE.lock("lru_lock")
    assert ALL == "all"


def test_without_the_files_a_station_binds() -> None:
    """Counted: lru_lock 61 + 9 x 6.5 lines over two nodes; the middle of the range above it."""
    after = parse("exclude:all").apply(MADE)
    assert ceiling_at(after, CPUS).binding == NOT_COUNTED
    known = replace(
        after,
        locks=tuple(k for k in after.locks if k.name != NOT_COUNTED),
        sites=tuple(s for s in after.sites if s.lock != NOT_COUNTED),
    )
    assert ceiling_at(known, CPUS).binding == "lru_lock"


def test_it_hardly_moves_what_the_binding_lock_decides() -> None:
    bare = replace(
        MADE,
        fit=None,
        locks=tuple(k for k in MADE.locks if k.name != NOT_COUNTED),
        sites=tuple(s for s in MADE.sites if s.lock != NOT_COUNTED),
    )
    (now,), (without,) = throughput(MADE, [CPUS]), throughput(bare, [CPUS])
    assert now == pytest.approx(without, rel=2e-3)
    assert now <= without * (1 + 1e-9)


def test_counting_twice_is_counting_once() -> None:
    again = from_counts(replace(MADE, name="execl-emr112", title=MADE.title.partition(",")[0]))
    assert (again.locks, again.sites, again.fit) == (MADE.locks, MADE.sites, MADE.fit)
    bare = uncounted(MADE)
    assert {k.name for k in bare.locks} == {LIBC, LOADER, "executable"}
    assert not any(site.moves_lines for site in bare.sites)


def test_a_site_in_a_phase_called_iteration_is_reached_by_all() -> None:
    """Only "iteration.all" stands for many places; a phase of that name is anybody's."""
    base = timed("execl-direct")
    called = tuple(replace(site, phase="iteration") for site in base.sites)
    own = replace(base, sites=called)
    assert [k.shards for k in parse("shard:all=4").apply(own).locks] == [4, 4, 4]
    assert own.alike == own.taken
