"""What was published of machines, as it is in the file, and what is known to stand in it."""

from __future__ import annotations

import pytest

from lockmodel.measure.bench.kinds import KINDS
from lockmodel.model.machine import DISTANCES, LineTimes
from lockmodel.model.published import Spread, line_times, published_machines, ranges

BY_NAME = {machine.name: machine for machine in published_machines()}


def test_sixteen_machines_in_the_order_of_the_file():
    assert len(BY_NAME) == 16
    assert [*BY_NAME][:2] == ["epyc9754", "epyc9754-1s"]
    assert [*BY_NAME][-1] == "xeone5-4650v2"


def test_a_row_is_read_to_the_last_digit():
    found = BY_NAME["epyc7302"]
    assert (found.title, found.kind, found.cpus) == ("2 x EPYC 7302 (Zen 2 Rome)", "zen2", 64)
    assert found.counts == (32, 2, 2, 16)
    assert found.times == {
        "smt": Spread(8.4e-9, 8.4e-9, 8.6e-9),
        "cache": Spread(25.4e-9, 25.1e-9, 25.5e-9),
        "socket": Spread(134.7e-9, 107.9e-9, 142.8e-9),
        "remote": Spread(230.3e-9, 215.7e-9, 247e-9),
    }
    assert found.mean == 198.8e-9
    assert found.source == "results/Dual AMD EPYC 7302 16-Core Processor by-herver.csv"


@pytest.mark.parametrize("name", BY_NAME)
def test_numbers_are_in_order(name):
    found = BY_NAME[name]
    assert all(t.low <= t.median <= t.high for t in found.times.values())
    medians = [found.times[d].median for d in DISTANCES if d in found.times]
    assert medians == sorted(medians)
    assert medians[0] <= found.mean <= medians[-1]
    assert found.kind in {kind.key for kind in KINDS}


@pytest.mark.parametrize("name", BY_NAME)
def test_counts_multiply_to_the_cpus_or_are_not_given_and_said_why(name):
    found = BY_NAME[name]
    if found.counts is None:
        assert found.note.startswith("topology not known: ")
        return
    cores, sockets, threads, caches = found.counts
    assert cores * threads == found.cpus
    assert (cores % caches, caches % sockets) == (0, 0)
    assert ("smt" in found.times) == (threads > 1)
    assert ("cache" in found.times) == (caches > sockets)


def test_what_was_not_told_apart_gives_no_line_times_and_no_range():
    merged = BY_NAME["epyc7601"]
    assert not merged.told_apart
    assert merged.line() is None
    assert ranges([merged]) == {"smt": (11.9e-9, 11.9e-9), "cache": (37.9e-9, 37.9e-9)}
    assert BY_NAME["epyc74f3"].told_apart  # one socket
    assert BY_NAME["epyc74f3"].line() == LineTimes(smt=9e-9, cache=19.8e-9, socket=99.6e-9)
    assert BY_NAME["xeon8360y"].line() is None  # topology not known


def test_ranges_are_those_of_the_medians():
    assert ranges([m for m in BY_NAME.values() if m.kind == "zen3"]) == {
        "smt": (9e-9, 10.2e-9),
        "cache": (19.8e-9, 24.9e-9),
        "socket": (99.6e-9, 123e-9),
        "remote": (303.7e-9, 303.7e-9),
    }
    assert ranges([]) == {}
    assert line_times({}) == LineTimes()
