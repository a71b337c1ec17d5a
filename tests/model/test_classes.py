"""Several classes in a scenario: the file, what is refused, who is which class."""

from __future__ import annotations

import numpy as np
import pytest

from lockmodel.errors import ArgumentError, ScenarioError, ScenarioErrors
from lockmodel.model.class_network import build_classes, users_of
from lockmodel.model.classes import IterationClass, class_of_each, counts_of
from lockmodel.model.network import build
from lockmodel.model.scenario import merged, one_class, plain
from lockmodel.model.toml import dumps, loads

HEAD = """
schema = "lockmodel.scenario/1"
name = "two"
[machine]
name = "m"
cpus = 64
cores = 64
[[locks]]
name = "a"
[[locks]]
name = "b"
"""

EXEC = """
[[classes]]
name = "exec"
{many}
think_us = 10
[[classes.sites]]
lock = "a"
name = "s"
acquires = 3
hold_us = 1
"""

MAPPER = """
[[classes]]
name = "mapper"
{many}
think_us = 4
think_distribution = {{ family = "constant" }}
[[classes.sites]]
lock = "b"
phase = "map"
name = "s"
acquires = 0.5
hold_us = 2
"""


def two(first: str = "share = 0.75", second: str = "share = 0.25") -> str:
    return HEAD + EXEC.format(many=first) + MAPPER.format(many=second)


def test_a_file_of_two_classes_is_read_and_written():
    scenario = loads(two())
    assert [one.name for one in scenario.classes] == ["exec", "mapper"]
    assert scenario.classes[0].think == 1e-5
    assert scenario.classes[1].think_distribution.scv == 0.0
    assert scenario.classes[1].sites[0].label == "map.s"
    assert loads(dumps(scenario)) == scenario
    assert "think" not in dumps(scenario).partition("[[classes]]")[0]


def test_times_per_instruction_are_asked_for_where_a_class_counts_instructions():
    counting = two().replace("hold_us = 2", "held_instructions = 2000")
    with pytest.raises(ScenarioError, match=r"locks\[1\]: time_per_instruction_local_ns"):
        loads(counting)
    timed = counting.replace(
        'name = "b"',
        'name = "b"\ntime_per_instruction_local_ns = 1\ntime_per_instruction_remote_ns = 1',
    )
    assert loads(dumps(loads(timed))) == loads(timed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (two("population = 3\nshare = 0.75"), "population = 3 and share = 0.75 are both given"),
        (two("share = 0.75", "population = 3"), "'mapper' has a population, class 'exec' a share"),
        (two(""), "neither population nor share is given; write population = 32, or share"),
        (two("share = 0.7"), "(exec 0.7, mapper 0.25) sum to 0.95, not to 1; make them sum to 1"),
        (two("share = 1.5"), "share = 1.5 must be more than 0 and at most 1"),
        (two("population = 0", "population = 4"), "population = 0 must be a whole number from 1"),
        (two().replace('name = "mapper"', 'name = "exec"'), "class 'exec' is given 2 times; give"),
        (two().replace('name = "mapper"', 'name = "total"'), "class name 'total' must be"),
        (two().replace('lock = "b"', 'lock = "c"'), "classes[1].sites[0] (map.s): lock = 'c' does"),
        (two().replace('name = "two"', 'name = "two"\nthink_us = 1'), "stand beside [[classes]]"),
        (
            HEAD
            + EXEC.format(many="share = 1")
            .replace("acquires = 3", "acquires = 0")
            .replace("think_us = 10", "think_us = 0"),
            "class 'exec': the iteration is empty: think time is 0 and no site has acquires",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(text: str, said: str):
    with pytest.raises(ScenarioError) as error:
        loads(text)
    assert said in str(error.value)


def test_all_errors_of_a_file_are_said_at_once():
    text = two("share = 0.7").replace('name = "mapper"', 'name = "exec"')
    with pytest.raises(ScenarioError, match=r"3 errors"):
        loads(text.replace('lock = "b"', 'lock = "c"'))
    both = IterationClass(name="x", share=0.7, think=1.0)
    with pytest.raises(ScenarioErrors):
        loads(two()).__replace__(classes=(both, both)) if hasattr(
            loads(two()), "__replace__"
        ) else _replaced(both)


def _replaced(one: IterationClass) -> None:
    from msgspec.structs import replace

    replace(loads(two()), classes=(one, one))


def test_shares_are_rounded_by_the_largest_remainder():
    classes = loads(two()).classes
    assert counts_of(classes, 64) == (48, 16)
    assert counts_of(classes, 1) == (1, 0)
    assert counts_of(classes, 3) == (2, 1)  # 2.25, .75
    thirds = tuple(IterationClass(name=n, share=1 / 3, think=1.0) for n in "abc")
    assert counts_of(thirds, 3) == (1, 1, 1)
    assert counts_of(thirds, 4) == (2, 1, 1)
    stated = loads(two("population = 5", "population = 3")).classes
    assert counts_of(stated, 8) == (5, 3)
    with pytest.raises(ArgumentError, match=r"have 8 processes together \(exec 5, mapper 3\)"):
        counts_of(stated, 9)


def test_the_processes_of_a_class_are_spread_over_the_places():
    each = class_of_each(loads(two()).classes, 16)
    assert np.bincount(each).tolist() == [12, 4]
    for start in range(0, 16, 4):  # each four of neighbours have one mapper
        assert sorted(each[start : start + 4].tolist()) == [0, 0, 0, 1]


def test_one_class_is_the_scenario_without_classes():
    one = loads(HEAD + EXEC.format(many="share = 1"))
    alone = plain(one)
    assert not alone.classes
    assert alone.think == 1e-5
    assert [s.service.tolist() for s in build(one, 8).stations] == [
        s.service.tolist() for s in build(alone, 8).stations
    ]


def test_what_is_about_one_iteration_refuses_several():
    with pytest.raises(ScenarioError, match=r"several classes \(exec, mapper\).*predict, simulate"):
        one_class(loads(two()))
    with pytest.raises(ScenarioError, match="several classes"):
        build(loads(two()), 4)


def test_stations_have_the_demands_of_each_class():
    network = build_classes(loads(two()), 16)
    assert network.counts == (12, 4)
    assert network.alone == pytest.approx([13e-6, 5e-6])
    cpu, a, b = network.at_mean(np.ones(2))
    assert cpu.demands == pytest.approx([10e-6, 4e-6])
    assert cpu.slower[:3] == pytest.approx([1.0, 1 / 2, 1 / 3])
    assert (a.demands.tolist(), b.demands.tolist()) == ([3e-6, 0.0], [0.0, 1e-6])


def test_a_lock_is_mapped_by_the_classes_that_take_it():
    scenario = loads(two())
    assert users_of(scenario, "a", 16) == 12
    assert users_of(scenario, "b", 16) == 4
    assert [site.label for site in merged(scenario).sites] == ["exec-run.s", "mapper-map.s"]


def test_unlike_holds_become_their_mean_and_the_rest_is_spent_outside():
    text = two().replace('lock = "b"', 'lock = "a"')
    network = build_classes(loads(text), 16)
    # 3 acquires of 1 us at rate 2, half an acquire of 2 us at rate 4: (6 + 4) / (6 + 2) us
    cpu, a = network.at_mean(np.array([2.0, 4.0]))
    assert a.demands == pytest.approx([3 * 1.25e-6, 0.5 * 1.25e-6])
    assert cpu.demands == pytest.approx([10e-6 - 3 * 0.25e-6, 4e-6 + 0.5 * 0.75e-6])
