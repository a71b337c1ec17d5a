"""Shares of waiting against exact chains of a FIFO lock with sites in order, and simulation."""

from __future__ import annotations

import heapq
import math
from collections import deque

import numpy as np
import pytest
from places import timed

from lockmodel.statements import find_statement
from lockmodel.statements.shares import light_shares


def chain_shares(holds: tuple[float, ...], n: int, think: float, order: bool = True) -> np.ndarray:
    """Return the share of the waiting at each acquire, exactly, exponential times.

    A state is the queue: the acquires that those at the lock are at. With `order` an iteration
    takes them in turn, else each is drawn alike, and the iteration ends with the same mean length.
    """
    m = len(holds)
    index: dict[tuple[int, ...], int] = {(): 0}
    todo, edges = [()], []

    def at(state: tuple[int, ...]) -> int:
        if state not in index:
            index[state] = len(index)
            todo.append(state)
        return index[state]

    while todo:
        state = todo.pop()
        here, thinkers = index[state], n - len(state)
        first = [(0, 1.0)] if order else [(j, 1 / m) for j in range(m)]
        edges += [(here, at((*state, j)), p * thinkers / think) for j, p in first if thinkers]
        if not state:
            continue
        rate, left = 1 / holds[state[0]], state[1:]
        if order:
            last = state[0] + 1 == m
            edges.append((here, at(left if last else (*left, state[0] + 1)), rate))
        else:
            edges.append((here, at(left), rate / m))
            edges += [(here, at((*left, j)), rate * (1 - 1 / m) / m) for j in range(m)]
    generator = np.zeros((len(index), len(index)))
    for start, end, rate in edges:
        generator[start, end] += rate
        generator[start, start] -= rate
    system = generator.T.copy()
    system[-1] = 1.0
    p = np.linalg.solve(system, np.eye(len(index))[-1])
    waiting = np.zeros(m)
    for state, i in index.items():
        for j in state[1:]:
            waiting[j] += p[i]
    return waiting / waiting.sum()


def simulated_shares(holds: tuple[float, ...], n: int, think: float, passes: int) -> np.ndarray:
    """Return the same by event simulation, for many processes; fixed seed."""
    random = np.random.default_rng(5)
    times = iter(random.exponential(size=2 * passes + 2 * n))
    thinking = [think * next(times) for _ in range(n)]
    heapq.heapify(thinking)
    queue: deque[tuple[int, float]] = deque()
    wait, m = np.zeros(len(holds)), len(holds)
    now, ends, site = 0.0, math.inf, 0
    for done in range(passes):
        while thinking and thinking[0] < ends:
            now = heapq.heappop(thinking)
            if ends == math.inf:
                site, ends = 0, now + holds[0] * next(times)
            else:
                queue.append((0, now))
        now = ends
        if site + 1 < m:
            queue.append((site + 1, now))
        else:
            heapq.heappush(thinking, now + think * next(times))
        if not queue:
            ends = math.inf
            continue
        site, since = queue.popleft()
        ends = now + holds[site] * next(times)
        if done > passes // 5:
            wait[site] += now - since
    return wait / wait.sum()


def off(shares: np.ndarray) -> float:
    """Return the largest relative deviation from equal shares."""
    return float(np.abs(shares * shares.size - 1).max())


@pytest.mark.parametrize("think", [0.5, 10.0, 200.0])
@pytest.mark.parametrize("n", [2, 4])
def test_shares_are_exact_at_any_load_with_equal_holds(n, think):
    assert off(chain_shares((1.0, 1.0, 1.0), n, think)) < 1e-9


@pytest.mark.parametrize("think", [0.5, 10.0, 200.0])
def test_shares_are_exact_for_any_holds_if_sites_are_independent(think):
    assert off(chain_shares((1.0, 2.0, 6.0), 4, think, order=False)) < 1e-9


def test_at_light_load_the_order_decides():
    for holds in ((1.0, 2.0, 6.0), (6.0, 2.0, 1.0), (2.0, 6.0, 1.0), (1.0, 3.0)):
        exact = chain_shares(holds, 2, 1e5)
        assert light_shares(holds) == pytest.approx(exact, abs=1e-3)
    assert light_shares((1.0, 2.0, 6.0)) == pytest.approx([41 / 66, 15 / 66, 10 / 66])
    assert light_shares((2.0, 2.0, 2.0, 2.0)) == pytest.approx([0.25] * 4)


def test_the_simulation_here_agrees_with_the_chain():
    exact = chain_shares((1.0, 2.0, 6.0), 5, 10.0)
    assert simulated_shares((1.0, 2.0, 6.0), 5, 10.0, 200_000) == pytest.approx(exact, abs=0.006)


def test_errors_of_mixed_processes_are_as_small_as_said():
    holds = (6.0, 2.0, 1.0)  # three units a pass
    assert 0.01 < off(simulated_shares(holds, 60, 60.0, 250_000)) < 0.035  # 40 there, half a round
    assert off(simulated_shares(holds, 200, 200.0, 250_000)) < 0.015  # 133 there, half a round


def test_processes_fall_in_step_when_think_time_is_short():
    holds = (6.0, 2.0, 1.0)
    fifth = off(simulated_shares(holds, 200, 100.0, 250_000))  # 33 passes against 167
    assert fifth == pytest.approx(0.12, abs=0.03)
    fiftieth = off(simulated_shares(holds, 200, 10.0, 250_000))  # 3.3 against 197
    assert fiftieth == pytest.approx(0.38, abs=0.05)


def test_formulae_of_shares():
    made = find_statement("wait-shares")
    at = {"m": 29.0, "m_j": 5.0, "W": 380.0, "h_j": 2.0, "h_mean": 1.2, "Z": 900.0}
    assert made.formula("share").at(**at) == pytest.approx(5 / 29)
    whole = made.formula("share_of_whole").at(**at)
    assert whole == pytest.approx(5 * 382 / (29 * 381.2))
    error = made.formula("relative_error").at(**at)
    assert whole / (5 / 29) - 1 == pytest.approx(error, rel=1e-9)
    assert made.formula("rounds").at(**at, n=200.0, D=58.0) == pytest.approx(900 / 400)


def test_published_shares_are_those_of_the_acquires():
    # data/published/interventions.json, lkp_spr_224 before, in the order of the sites below
    published = {"exit.teardown": 15.5, "exec.teardown": 14.69, "exec.map_unlink": 12.48}
    published |= {"fork.dup": 15.19, "exec.map_split": 15.54, "exec.mprotect_split": 3.14}
    published |= {"exec.map_expand": 3.12, "exec.map_link": 9.24}
    numbers = find_statement("wait-shares").numbers(timed("sysexec-spr224-v6.1"), 224)
    by_name = {one.name: one.value for one in numbers.values}
    for site, per_cent in published.items():
        share = by_name[f"{site}: share of the waiting"]
        assert per_cent / sum(published.values()) == pytest.approx(share, rel=0.05)
        counted = by_name[f"{site}: with holds counted"]
        assert counted == pytest.approx(share, rel=0.01)  # holds are 1 us, waits 380
    assert by_name["think time in rounds of the queue"] > 0.5
    assert sum(v for k, v in by_name.items() if k.endswith("at light load")) == pytest.approx(1.0)
