"""The picture of a window: valid Chrome trace JSON that never shows the impossible."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from places import timed

from lockmodel.errors import ArgumentError
from lockmodel.model.distribution import Constant
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import Machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.solvers.simulation.trace import NOTES, chrome, record
from lockmodel.solvers.solve import points

TICK = 1e-3
"""Tolerance in us: times are rounded to 0.0001 us, a duration is a difference of two."""


def scenario(kind: str = "fifo", cpus: int = 8, **more: object) -> Scenario:
    """Return a scenario of two locks, microseconds each."""
    held = {"time_per_instruction_local": 1e-6, "time_per_instruction_remote": 1e-6}
    locks = (
        Lock(name="a", **held, kind=kind, handoff=ConstantHandOff(time=0.5e-6), **more),
        Lock(name="b", **held),
    )
    sites = [("a", "write"), ("b", "write"), ("a", "read" if kind == "rwsem" else "write")]
    return Scenario(
        name="traced",
        title="for people",
        iteration="i",
        machine=Machine(name="m", cpus=cpus, cores=cpus),
        think=4e-6,
        locks=locks,
        sites=tuple(
            Site(
                lock=lock,
                phase="p",
                name=f"s{i}",
                acquires=[1, 0.5, 2.5][i],
                held_instructions=1,
                mode=mode,
            )
            for i, (lock, mode) in enumerate(sites)
        ),
    )


SCENARIOS = {
    "fifo": (scenario(), 6),
    "barging": (scenario("barging"), 6),
    "numa": (scenario("numa"), 6),
    "rwsem": (scenario("rwsem"), 6),
    "rwsem, sleeping": (scenario("rwsem", 3, wake_time=2e-6), 9),
    "rwsem, strict": (scenario("rwsem", 3, wake_time=2e-6, handoff_timeout=0.0), 9),
    "mutex": (scenario("mutex", 9, spin_limit=1e-6, wake_time=2e-6), 9),
    "constant": (scenario(hold_distribution=Constant(), handoff_distribution=Constant()), 6),
    "walkers": (scenario(walkers=Walkers(walks_per_s=20_000.0, read=3e-6)), 6),
    "shipped": (timed("execl-xeon8369b"), 64),
}


@cache
def traced(name: str) -> dict:
    given, n = SCENARIOS[name]
    return json.loads(json.dumps(chrome(given, record(given, n, seed=3)), allow_nan=False))


def rows(data: dict) -> dict[int, list[dict]]:
    """Return the events of each process in the order given."""
    by_process: dict[int, list[dict]] = {}
    for event in data["traceEvents"]:
        if event["ph"] == "X":
            by_process.setdefault(event["tid"], []).append(event)
    return by_process


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_format_is_that_of_chrome(name):
    data = traced(name)
    given, n = SCENARIOS[name]
    assert set(data) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert data["displayTimeUnit"] == "ns"
    assert data["otherData"] == {"scenario": given.name, "title": given.title}
    names = [e for e in data["traceEvents"] if e["ph"] == "M"]
    assert names[0] == {
        "ph": "M",
        "pid": 1,
        "name": "process_name",
        "args": {"name": given.name},
    }
    assert [e["tid"] for e in names[1:]] == list(range(n))
    assert {e["name"] for e in names[1:]} == {"thread_name"}
    assert [e["args"]["name"] for e in names[1:]] == [f"process {i}" for i in range(n)]
    sites = {(site.lock, site.label) for site in given.sites}
    for event in data["traceEvents"]:
        if event["ph"] == "M":
            continue
        assert event["ph"] == "X"
        assert set(event) - {"args"} == {"ph", "pid", "tid", "ts", "dur", "name", "cname"}
        assert event["ts"] >= 0.0
        assert event["dur"] >= 0.0
        state, _, lock = event["name"].partition(" ")
        assert state in ("think", "wait", "sleep", "hand-off", "hold")
        if state == "think":
            assert "args" not in event
        else:
            assert lock == event["args"]["lock"]
            assert (lock, event["args"]["site"]) in sites


@pytest.mark.parametrize("name", SCENARIOS)
def test_states_of_a_process_follow_each_other(name):
    _, n = SCENARIOS[name]
    by_process = rows(traced(name))
    assert sorted(by_process) == list(range(n))
    ends = []
    for events in by_process.values():
        for event, after in pairwise(events):
            assert after["ts"] == pytest.approx(event["ts"] + event["dur"], abs=TICK)
        ends.append(events[-1]["ts"] + events[-1]["dur"])
    assert max(ends) - min(ends) < TICK
    # 20,000 changes of state, but for those of walkers
    assert NOTES * 0.8 < sum(map(len, by_process.values())) <= NOTES


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_lock_has_one_holder(name):
    given, _ = SCENARIOS[name]
    held: dict[str, list[tuple[float, float, bool]]] = {}
    readers = {(s.lock, s.label) for s in given.sites if s.mode == "read"}
    for events in rows(traced(name)).values():
        for event in events:
            if event["name"].startswith("hold"):
                where = (event["args"]["lock"], event["args"]["site"])
                end = event["ts"] + event["dur"]
                held.setdefault(where[0], []).append((event["ts"], end, where in readers))
    assert set(held) == {s.lock for s in given.sites}
    for intervals in held.values():
        intervals.sort()
        assert len(intervals) > 100
        last_write = last_any = -1.0
        for begin, end, reading in intervals:
            assert begin >= last_write - TICK
            if not reading:
                assert begin >= last_any - TICK
                last_write = max(last_write, end)
            last_any = max(last_any, end)


def test_what_follows_what():
    after: dict[str, set[str]] = {}
    for name in SCENARIOS:
        for events in rows(traced(name)).values():
            for event, later in pairwise(events):
                state = event["name"].partition(" ")[0]
                after.setdefault(state, set()).add(later["name"].partition(" ")[0])
    assert after["think"] == {"wait", "sleep", "hold"}
    assert after["wait"] == {"hand-off", "hold", "sleep"}  # spun for too long on readers
    assert after["sleep"] == {"hand-off", "hold"}
    assert after["hand-off"] == {"hold"}
    assert after["hold"] == {"think", "wait", "sleep", "hold"}


def test_only_an_rwsem_and_a_mutex_let_processes_sleep():
    for name, sleeps in (("fifo", 0), ("barging", 0), ("rwsem, sleeping", 100), ("mutex", 100)):
        count = sum(
            e["name"] == "sleep a" for events in rows(traced(name)).values() for e in events
        )
        assert count >= sleeps
        assert (count > 0) == (sleeps > 0)


def test_shares_of_the_window_are_those_of_the_model():
    # product form without hand-off: think, hold and wait of one lock add up
    lock = Lock(name="a", time_per_instruction_local=1e-6, time_per_instruction_remote=1e-6)
    plain = Scenario(
        name="n",
        title="t",
        iteration="i",
        machine=Machine(name="m", cpus=8, cores=8),
        think=4e-6,
        locks=(lock,),
        sites=(Site(lock="a", phase="p", name="s", acquires=1, held_instructions=1),),
    )
    (exact,) = points(plain, [5])
    total: dict[str, float] = {}
    for events in rows(chrome(plain, record(plain, 5))).values():
        for event in events:
            state = event["name"].partition(" ")[0]
            total[state] = total.get(state, 0.0) + event["dur"]
    whole = sum(total.values())
    assert total["think"] / whole == pytest.approx(exact.throughput_per_s * 4e-6 / 5, rel=0.05)
    assert total["hold"] / whole == pytest.approx(exact.throughput_per_s * 1e-6 / 5, rel=0.05)
    assert total["wait"] / whole == pytest.approx(exact.locks["a"].wait_share, rel=0.1)
    assert "hand-off" not in total


def test_a_constant_hold_is_drawn_with_its_length():
    holds = [
        e["dur"]
        for events in rows(traced("constant")).values()
        for e in events[:-1]
        if e["name"] == "hold a"
    ]
    assert np.allclose(holds, 1.0, atol=TICK)
    passes = [
        e["dur"]
        for events in rows(traced("constant")).values()
        for e in events[:-1]
        if e["name"] == "hand-off a"
    ]
    assert len(passes) > 100
    assert np.allclose(passes, 0.5, atol=TICK)


def test_the_seed_chooses_the_window():
    given, n = SCENARIOS["fifo"]
    one, again, other = (record(given, n, seed) for seed in (1, 1, 2))
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()
    assert np.all(np.diff(one["time"]) >= 0)
    for seed in (-1, 1.5, True, None):
        with pytest.raises(ArgumentError, match=f"seed = {seed!r} must be a whole number >= 0"):
            record(given, n, seed)


def test_nothing_but_thinking():
    idle = Scenario(
        name="n", title="t", iteration="i", machine=Machine(name="m", cpus=2, cores=2), think=1e-6
    )
    by_process = rows(chrome(idle, record(idle, 2)))
    assert {e["name"] for events in by_process.values() for e in events} == {"think"}
    # two processes, 20,000 changes: 10,000 us
    assert by_process[0][-1]["ts"] + by_process[0][-1]["dur"] == pytest.approx(10_000, rel=0.05)
