"""The mean time of a line: by hand, against all pairs one by one, and against published means."""

from __future__ import annotations

from itertools import permutations, product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import REPEATABLE, machines

from lockmodel.errors import ScenarioError
from lockmodel.model.lines import mean_time, shares
from lockmodel.model.machine import DISTANCES, LineTimes, Machine, Placement
from lockmodel.model.machines import known, parse
from lockmodel.model.placement import cpu_order

LINE = LineTimes(smt=8e-9, cache=25e-9, socket=120e-9, remote=300e-9)


def machine(sockets: int, caches: int, cores: int, threads: int, **more) -> Machine:
    """`caches` per socket, `cores` per cache, `threads` per core."""
    total = sockets * caches * cores
    return Machine(
        name="m",
        cpus=total * threads,
        cores=total,
        sockets=sockets,
        nodes=sockets,
        caches=sockets * caches,
        line=LINE,
        **more,
    )


def slow(m: Machine, population: int) -> dict[str, float]:
    """Return the shares from every ordered pair of different CPUs that run."""
    running = sorted({int(cpu_order(m)[i % m.cpus]) for i in range(population)})
    pairs = list(permutations(running, 2))
    found = dict.fromkeys(DISTANCES, 0)
    for one, other in pairs:
        parts = (m.cores, m.last_level, m.sockets, 1)
        shared = [one // (m.cpus // part) == other // (m.cpus // part) for part in parts]
        found[DISTANCES[shared.index(True)]] += 1
    return {distance: count / max(1, len(pairs)) for distance, count in found.items()}


@pytest.mark.parametrize("placement", get_args(Placement))
@pytest.mark.parametrize("counts", list(product((1, 2), (1, 2, 3), (1, 2), (1, 2))))
def test_shares_are_those_of_all_pairs(counts, placement):
    m = machine(*counts, placement=placement)
    for population in range(1, m.cpus + 3):
        assert shares(m, population) == pytest.approx(slow(m, population), abs=1e-14)


@pytest.mark.parametrize(
    ("placement", "population", "ns"),  # 2 sockets x 2 caches x 2 cores x 2 threads
    [
        ("fill", 1, 0),
        ("fill", 2, 25),  # both cores of a cache
        ("fill", 3, (2 * 25 + 4 * 120) / 6),  # ordered pairs: 2 in the cache, 4 to the third
        ("fill", 4, (25 + 2 * 120) / 3),
        ("fill", 5, (4 * (25 + 2 * 120) + 8 * 300) / 20),
        ("fill", 8, (25 + 2 * 120 + 4 * 300) / 7),
        # The 8 cores, and the second thread of the first: two CPUs there, near each other; the
        # core beside them; two in the other cache of the socket; four in the other socket.
        (
            "fill",
            9,
            (
                2 * (8 + 25 + 2 * 120 + 4 * 300)
                + (2 * 25 + 2 * 120 + 4 * 300)
                + 2 * (25 + 3 * 120 + 4 * 300)
                + 4 * (25 + 2 * 120 + 5 * 300)
            )
            / 72,
        ),
        ("fill", 16, (8 + 2 * 25 + 4 * 120 + 8 * 300) / 15),
        ("fill", 99, (8 + 2 * 25 + 4 * 120 + 8 * 300) / 15),
        ("spread", 2, 300),
        ("spread", 3, (2 * 25 + 4 * 300) / 6),  # CPUs 0 and 1 of socket 0, one of socket 1
        ("spread", 4, (25 + 2 * 300) / 3),
    ],
)
def test_means_by_hand(placement, population, ns):
    assert mean_time(machine(2, 2, 2, 2, placement=placement), population) == pytest.approx(
        ns * 1e-9, rel=1e-12
    )


def test_the_xeon_6242_by_hand():
    """One sibling, 15 cores of two threads in the socket, 16 in the other."""
    m = parse("xeon6242")
    assert mean_time(m, 64) == pytest.approx((7.4 + 30 * 48.0 + 32 * 141.4) / 63 * 1e-9, rel=1e-12)
    assert mean_time(m, 16) == pytest.approx(48e-9, rel=1e-12)
    assert mean_time(m, 17) == pytest.approx((240 * 48 + 32 * 141.4) / 272 * 1e-9, rel=1e-12)


HALF_FAR = ("epyc9754", "epyc9454", "epyc7742", "epyc7702", "epyc7302")
"""Half of the pairs in a socket are as slow as those between sockets (see their note)."""

COMPARED = [
    name for name, one in known().items() if one.published and (m := one.machine()) and m.line
]


@pytest.mark.parametrize("name", COMPARED)
def test_all_cpus_have_the_published_mean(name):
    m, published = parse(name), known()[name].published
    assert m.line is not None
    mean, beyond = mean_time(m, m.cpus), 0.0
    if name in HALF_FAR:
        assert 0.10 < published.mean / mean - 1 < 0.16
        beyond = shares(m, m.cpus)["socket"] / 2 * (m.line.remote - m.line.socket)
    assert mean + beyond == pytest.approx(published.mean, rel=0.025)


def test_thirteen_machines_are_compared():
    assert len(COMPARED) == 13
    assert set(HALF_FAR) < set(COMPARED)


@REPEATABLE
@given(machines(timed=True), st.integers(1, 130))
def test_shares_sum_to_1_and_means_lie_between(m: Machine, n: int) -> None:
    found = shares(m, n)
    assert sum(found.values()) == pytest.approx(0.0 if min(n, m.cpus) == 1 else 1.0, abs=1e-12)
    assert {d for d, share in found.items() if share > 0} <= set(m.distances)
    if m.line is not None and min(n, m.cpus) > 1:
        times = [time for d in m.distances if (time := m.line_time(d))]
        assert min(times) * (1 - 1e-12) <= mean_time(m, n) <= max(times) * (1 + 1e-12)


def test_without_line_times_there_is_no_mean():
    with pytest.raises(ScenarioError, match="machine '2x2x2': line times are not known; give line"):
        mean_time(parse("2x2x2"), 4)
