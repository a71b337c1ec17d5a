"""Caches of a machine, and what a line takes between its CPUs: what is accepted, what refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lockmodel.errors import ScenarioError
from lockmodel.model.machine import LineTimes, Machine

ALL = {"smt": 8e-9, "cache": 25e-9, "socket": 120e-9, "remote": 300e-9}


def machine(**changes: Any) -> Machine:
    """Two sockets of two caches of two cores of two threads."""
    counts = {"cpus": 16, "cores": 8, "sockets": 2, "nodes": 2, "caches": 4}
    return Machine(**{"name": "m", **counts, **changes})


@pytest.mark.parametrize(
    ("counts", "distances"),
    [
        ({}, ("smt", "cache", "socket", "remote")),
        ({"cpus": 8}, ("cache", "socket", "remote")),
        ({"caches": 2}, ("smt", "cache", "remote")),
        ({"caches": None}, ("smt", "cache", "remote")),  # one per socket
        ({"caches": 8}, ("smt", "socket", "remote")),  # one per core
        ({"sockets": 1}, ("smt", "cache", "socket")),
        ({"cpus": 2, "cores": 1, "sockets": 1, "nodes": 1, "caches": 1}, ("smt",)),
        ({"cpus": 1, "cores": 1, "sockets": 1, "nodes": 1, "caches": None}, ()),
    ],
)
def test_a_machine_has_the_distances_of_its_counts(counts, distances):
    made = machine(**counts)
    assert made.distances == distances
    given = machine(**counts, line=LineTimes(**{d: ALL[d] for d in distances}))
    assert [given.line_time(d) for d in distances] == [ALL[d] for d in distances]
    assert [made.line_time(d) for d in distances] == [None] * len(distances)


@pytest.mark.parametrize("distance", ["smt", "cache", "socket", "remote"])
def test_a_distance_without_its_time_is_named(distance):
    rest = {d: time for d, time in ALL.items() if d != distance}
    with pytest.raises(ScenarioError) as raised:
        machine(line=LineTimes(**rest))
    assert str(raised.value) == (
        f"machine: line times lack {distance}: 16 CPUs on 8 cores of 4 last-level caches in 2 "
        f"sockets are at smt, cache, socket, remote; add it, or leave line_ns out"
    )


def test_with_one_cache_per_socket_either_word_will_do():
    two = {"smt": 8e-9, "remote": 141e-9}
    socket = machine(caches=None, line=LineTimes(**two, socket=48e-9))
    cache = machine(caches=2, line=LineTimes(**two, cache=47e-9))
    both = machine(caches=2, line=LineTimes(**two, cache=47e-9, socket=48e-9))
    assert [m.line_time("cache") for m in (socket, cache, both)] == [48e-9, 47e-9, 47e-9]
    with pytest.raises(ScenarioError, match="line times lack cache: "):
        machine(caches=2, line=LineTimes(**two))
    with pytest.raises(ScenarioError, match="line times lack cache: "):  # two of each socket
        machine(line=LineTimes(**two, socket=48e-9))


@pytest.mark.parametrize("caches", [1, 3, 5, 6, 16, 0, -2, 2.0, True])
def test_caches_must_divide_cores_and_sockets(caches):
    with pytest.raises(ScenarioError, match=re.escape(f"machine: caches = {caches}")):
        machine(caches=caches)


@pytest.mark.parametrize("value", [0.0, -1e-9, float("nan"), float("inf")])
@pytest.mark.parametrize("key", list(ALL))
def test_line_times_are_finite_and_above_0(key, value):
    with pytest.raises(ScenarioError, match=f"line times: {key} = {value} must be a finite number"):
        LineTimes(**{key: value})
