"""What Python makes a scenario of: NumPy's numbers and lists are taken, wrong types named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lockmodel.errors import ScenarioError
from lockmodel.model.distribution import Erlang
from lockmodel.model.handoff import ConstantHandOff
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.scenario import Lock, Scenario, Walkers
from lockmodel.model.site import Site

MACHINE = Machine(name="m", cpus=8, cores=4)
LOCK = Lock(name="a")
SITE = Site(lock="a", name="s", acquires=2)


def scenario(**more: Any) -> Scenario:
    """Return the least scenario, but for what is given."""
    given = {"name": "t", "machine": MACHINE, "think": 1e-6, "locks": (LOCK,), "sites": (SITE,)}
    return Scenario(**{**given, **more})  # type: ignore[arg-type]


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: Machine(name="m", cpus="8", cores=4), "machine: cpus = '8' must be a whole number, "),
    (
        lambda: Machine(name="m", cpus=8.0, cores=4),
        "machine: cpus = 8.0 must be a whole number from",
    ),
    (lambda: Machine(name="m", cpus=True, cores=1), "machine: cpus = True must be a whole number"),
    (lambda: Machine(name=5, cpus=8, cores=4), "machine: name = 5 must be a text, it is a int"),
    (
        lambda: Machine(name="m", cpus=8, cores=4, line=5e-9),
        "machine: line = 5e-09 must be a LineT",
    ),
    (lambda: LineTimes(smt="x"), "line times: smt = 'x' must be a number, it is a str"),
    (lambda: Lock(name=5), "lock 5: name = 5 must be a text, it is a int"),
    (lambda: Lock(name="a", acquire_time="2ns"), "lock 'a': acquire_time = '2ns' must be a number"),
    (lambda: Lock(name="a", acquire_time=None), "lock 'a': acquire_time = None must be a number"),
    (lambda: Lock(name="a", shards=2.5), "lock 'a': shards = 2.5 must be a whole number fr"),
    (
        lambda: Lock(name="a", other_mappers=2.5),
        "lock 'a': other_mappers = 2.5 must be a whole num",
    ),
    (lambda: Lock(name="a", handoff=3e-7), "lock 'a': handoff = 3e-07 must be a NoHandOff or a "),
    (lambda: Lock(name="a", walkers=(1, 2)), "lock 'a': walkers = (1, 2) must be a Walkers, it "),
    (lambda: Walkers(walks_per_s="1", read=1.0), "walkers: walks_per_s = '1' must be a number"),
    (lambda: Site(lock="a", name="s", acquires="3"), "site a/run.s: acquires = '3' must be a num"),
    (lambda: Site(lock="a", name="s", acquires=1, mode=1), "site a/run.s: mode = 1 must be a text"),
    (
        lambda: ConstantHandOff(time="x"),
        "handoff constant: time = 'x' must be a finite number >= 0",
    ),
    (lambda: scenario(think="4us"), "scenario: think = '4us' must be a number, it is a str"),
    (lambda: scenario(machine="2x32x1"), "scenario: machine = '2x32x1' must be a Machine"),
    (lambda: scenario(locks=LOCK), "scenario: locks = Lock("),
    (lambda: scenario(sites=("a",)), "scenario: sites = 'a' must be made of a Site, it is a str"),
]


@pytest.mark.parametrize(("made", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_type_is_named(made: Callable[[], object], said: str) -> None:
    with pytest.raises(ScenarioError) as told:
        made()
    assert str(told.value).startswith(said)


def test_numbers_of_numpy_become_those_of_python() -> None:
    machine = Machine(name="m", cpus=np.int64(8), cores=np.int32(4), smt_speedup=np.float32(1.5))
    assert machine == Machine(name="m", cpus=8, cores=4, smt_speedup=1.5)
    assert type(machine.cpus) is int
    assert type(machine.smt_speedup) is float
    assert type(Site(lock="a", name="s", acquires=np.int64(3)).acquires) is float


def test_lists_become_tuples() -> None:
    made = scenario(locks=[LOCK], sites=[SITE])
    assert made == scenario()
    assert type(made.locks) is tuple
    assert hash(made) == hash(scenario())


def test_what_is_right_stays_as_it_is() -> None:
    lock = Lock(name="a", hold_distribution=Erlang(stages=2), handoff=ConstantHandOff(time=1e-7))
    assert lock.hold_distribution == Erlang(stages=2)
    assert Site(lock="a", name="s", acquires=3).acquires == 3
