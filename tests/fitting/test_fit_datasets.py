"""Files -> data sets: which runs are which scenario, and what must be said before a fit."""

from __future__ import annotations

import hashlib
import re

import pytest
from msgspec.structs import replace
from places import TESTS, timed
from studies import STOCK, model

from lockmodel.changes.grammar import parse, parse_all
from lockmodel.changes.lever import apply_all
from lockmodel.errors import ArgumentError, FileError, ScenarioError
from lockmodel.fitting.datasets import Wanted, load_sets
from lockmodel.model.scenario import Site
from lockmodel.model.shipped import find_data
from lockmodel.observe.collector import Options

PLAIN = "tasks,throughput\n1,10000\n64,90000\n"
TWO = """tasks,throughput,variant
1,10000,old
64,90000,old
1,10100,new
64,120000,new
"""
REPEATS = "tasks,throughput,repeat\n8,100,1\n8,104,2\n8,96,3\n16,200,1\n"
KERNELS = TWO.replace("variant", "kernel").replace("old", "6.1").replace("new", "6.12")
BOTH = "tasks,throughput,variant,kernel\n8,1,old,6.1\n8,2,old,6.12\n8,3,new,6.12\n"


@pytest.fixture
def wanted(tmp_path):
    def make(text, name="x.csv", scenario=STOCK):
        path = tmp_path / name
        path.write_text(text)
        return Wanted(path, name, scenario)

    return make


def runs(loaded):
    return [(d.variant, d.kernel, [(o.n, o.value) for o in d.observations]) for d in loaded.sets]


def test_one_file_is_one_data_set(wanted):
    loaded = load_sets([wanted(PLAIN)])
    assert runs(loaded) == [("", "", [(1, 10000.0), (64, 90000.0)])]
    one = loaded.sets[0]
    assert one.scenario is STOCK
    assert one.stock is STOCK
    assert one.file == "x.csv"
    assert loaded.digests == {"x.csv": hashlib.sha256(PLAIN.encode()).hexdigest()}


def test_repeats_are_averaged_and_counted(wanted):
    one = load_sets([wanted(REPEATS)]).sets[0]
    assert one.repeats == (3, 1)
    assert [o.value for o in one.observations] == [100.0, 200.0]
    assert one.observations[0].sd == pytest.approx(4.0)  # of 100, 104 and 96
    assert one.observations[1].sd is None


def test_a_variant_is_the_model_after_its_levers(wanted):
    loaded = load_sets([wanted(TWO)], {"new": parse_all("batch:all=1")})
    assert [d.variant for d in loaded.sets] == ["old", "new"]
    old, new = loaded.sets
    assert old.scenario == old.stock == new.stock == STOCK
    assert new.scenario == parse("batch:all=1").apply(STOCK)
    assert new.scenario.acquires("a") == 1.0
    assert [o.value for o in new.observations] == [10100.0, 120000.0]


def test_a_kernel_may_be_described_like_a_variant(wanted):
    loaded = load_sets([wanted(KERNELS)], {"6.1": parse_all("acquires:a=8")})
    assert [d.scenario.acquires("a") for d in loaded.sets] == [8.0, 5.0]


def test_an_empty_description_is_the_model_as_it_is(wanted):
    loaded = load_sets([wanted(TWO)], {"new": parse_all("batch:all=1"), "old": ()})
    assert [d.scenario.acquires("a") for d in loaded.sets] == [5.0, 1.0]


def test_variants_that_nobody_described_are_refused_with_both_remedies(wanted):
    with pytest.raises(ArgumentError) as error:
        load_sets([wanted(TWO)])
    for words in (
        "x.csv: old, new are different runs, and nothing says what distinguishes them",
        "--variant NAME=LEVER[;LEVER...], one may stay the model as it is",
        "--only 'old'",
    ):
        assert words in str(error.value)
    with pytest.raises(ArgumentError, match=r"old 6.1, old 6.12 are different runs"):
        load_sets([wanted(BOTH)], {"new": parse_all("batch:all=1")})


def test_only_takes_a_variant_or_a_kernel(wanted):
    assert [d.variant for d in load_sets([wanted(TWO)], only=["new"]).sets] == ["new"]
    assert [d.kernel for d in load_sets([wanted(KERNELS)], only=["6.1"]).sets] == ["6.1"]
    by_kernel = load_sets([wanted(BOTH)], only=["6.1"])
    assert runs(by_kernel) == [("old", "6.1", [(8, 1.0)])]


def test_only_keeps_what_belongs_to_no_variant(wanted):
    text = "kind,value,unit,n,variant\nthroughput,9,1/s,8,old\nthroughput,8,1/s,8,new\n"
    text += "hold_time,1e-6,s,8,\n"
    loaded = load_sets([wanted(text)], only=["old"])
    assert [(d.variant, [o.kind for o in d.observations]) for d in loaded.sets] == [
        ("old", ["throughput"]),
        ("", ["hold_time"]),
    ]


LOCKS = """threads,throughput,lock,shards
1,10,mutex,1
64,19,mutex,1
1,33,spin,1
64,20,spin,1
1,9,mutex,8
64,90,mutex,8
"""


@pytest.mark.parametrize(
    ("only", "taken"),
    [
        (["mutex,shards:8"], {"mutex,shards:8"}),
        (["mutex"], {"mutex,shards:1", "mutex,shards:8"}),
        (["shards:1"], {"mutex,shards:1", "spin,shards:1"}),
    ],
)
def test_only_takes_a_curve_or_all_that_share_a_setting(wanted, only, taken):
    loaded = load_sets([wanted(LOCKS)], only=only, apart=True)
    assert {d.variant for d in loaded.sets} == taken


def test_locks_of_one_file_are_not_averaged_but_refused_with_the_remedy(wanted):
    with pytest.raises(ArgumentError, match=r"mutex,shards:1, spin,shards:1.*--only"):
        load_sets([wanted(LOCKS)])
    chosen = load_sets(
        [wanted(LOCKS)], {"mutex,shards:8": parse_all("shard:all=8")}, only=["mutex"]
    )
    assert [d.scenario.locks[0].shards for d in chosen.sets] == [1, 8]


def test_only_of_variant_and_kernel_takes_what_is_both(wanted):
    assert runs(load_sets([wanted(BOTH)], only=["old", "6.12"])) == [("old", "6.12", [(8, 2.0)])]


def test_files_of_one_scenario_that_differ_are_said(wanted):
    files = [wanted(PLAIN), wanted(PLAIN.replace("90000", "60000"), "y.csv")]
    (said,) = [w for w in load_sets(files).warnings if "REPEATS DIFFER" in w]
    assert "by up to 50 % at n = 64" in said
    assert "y.csv:3 and " in said
    files = [wanted(PLAIN), wanted(PLAIN.replace("90000", "80000"), "y.csv")]
    assert load_sets(files).warnings == ()


@pytest.mark.parametrize(
    ("variants", "only", "message"),
    [
        ({"newer": "batch:all=1"}, [], "--variant 'newer': no file has it; did you mean 'new'?"),
        ({}, ["older"], "'older': no file has it; did you mean 'old'?"),
        ({"new": "batc:all=1"}, [], "--variant 'batc:all=1': unknown lever"),
        ({"new": "batch:a=9"}, [], "batch: 9 acquires at a must be more than 0 and at most the 5"),
        ({"new": "skip:a/exec.nothing"}, [], "exec.nothing"),
    ],
)
def test_names_and_levers_that_do_not_exist(wanted, variants, only, message):
    def load():
        changes = {name: parse_all(text, "--variant") for name, text in variants.items()}
        load_sets([wanted(TWO)], {"old": (), **changes} if not only else changes, only=only)

    with pytest.raises(ArgumentError, match=re.escape(message)):
        load()


def test_a_file_counts_once(wanted):
    """Given twice, its points would be taken for twice as many measurements."""
    one = wanted(PLAIN)
    with pytest.raises(ArgumentError, match=r"DATA: x.csv is given twice; name every file once"):
        load_sets([one, Wanted(one.path, "./x.csv", STOCK)][::-1])


def test_files_that_cannot_be_read_name_themselves(wanted, tmp_path):
    with pytest.raises(FileError, match=r"missing.csv"):
        load_sets([Wanted(tmp_path / "missing.csv", "missing.csv", STOCK)])
    with pytest.raises(ScenarioError, match=r"x.csv"):
        load_sets([wanted("a novel\nin two lines\n")])
    with pytest.raises(ScenarioError, match=r"x.csv:3"):
        load_sets([wanted(PLAIN.replace("90000", "ninety"))])


def test_several_tests_in_one_file(wanted):
    text = "kind,value,unit,n,what\nthroughput,9,1/s,8,open1_processes\n"
    text += "throughput,8,1/s,8,lock2_processes\nhold_time,1e-6,s,8,\n"
    with pytest.raises(ArgumentError) as error:
        load_sets([wanted(text)])
    assert "holds several tests ('lock2_processes', 'open1_processes')" in str(error.value)
    assert "--what 'lock2_processes'" in str(error.value)
    for what in ("open1_processes", "open1"):
        loaded = load_sets([wanted(text)], what=what)
        assert [(o.kind, o.value) for o in loaded.sets[0].observations] == [
            ("throughput", 9.0),
            ("hold_time", 1e-6),
        ]
    for what in ("open2", "processes"):
        with pytest.raises(ArgumentError, match=f"--what '{what}': x.csv has 'lock2_proc"):
            load_sets([wanted(text)], what=what)


def test_every_file_has_its_model_and_its_digest(wanted):
    other = replace(STOCK, name="other")
    loaded = load_sets([wanted(PLAIN), wanted(PLAIN + "# end\n", "y.csv", other)])
    assert [(d.file, d.scenario.name) for d in loaded.sets] == [("x.csv", "s"), ("y.csv", "other")]
    assert loaded.digests["x.csv"] != loaded.digests["y.csv"]


def test_what_the_reader_warns_of_comes_with_the_file(wanted):
    text = "tasks,throughput,acquires,hold_ns\n8,9,29,900\n"
    own = load_sets([wanted("# unit: throughput: ops/ms\n" + text)])
    assert {o.kind: o.value for o in own.sets[0].observations}["hold_time"] == 900e-9
    assert any("x 1000" in text for text in own.warnings)
    assert all(text.startswith("x.csv: ") for text in own.warnings)


def test_what_the_user_knows_reaches_the_reader():
    sample = TESTS / "samples" / "own_perf_lock_contention_lock.txt"
    for tasks in (None, 8):
        loaded = load_sets([Wanted(sample, "p", STOCK)], options=Options(tasks=tasks))
        assert {o.n for o in loaded.sets[0].observations} == {tasks}


SITES = tuple(
    Site(lock=name, phase="exec", name=site, acquires=m, held_instructions=h)
    for name in ("a", "b")
    for site, m, h in (("map_split", 4.0, 100.0), ("map_link", 2.0, 50.0))
)
MANY = model(locks=("a", "b"), sites=SITES)


@pytest.mark.parametrize(
    ("text", "acquires"),
    [
        ("acquires:a=12", {"a": 12.0, "b": 6.0}),
        ("acquires:all=3", {"a": 3.0, "b": 3.0}),
        ("acquires:b/exec.map_split=1", {"a": 6.0, "b": 3.0}),
        ("acquires:all/exec.map_link=5", {"a": 9.0, "b": 9.0}),
        ("acquires:a=12; skip:b/exec.map_link", {"a": 12.0, "b": 4.0}),
        ("", {"a": 6.0, "b": 6.0}),
        (" ; ", {"a": 6.0, "b": 6.0}),
    ],
)
def test_acquires_change_and_held_work_stays(text, acquires):
    after = apply_all(MANY, parse_all(text))
    assert {name: after.acquires(name) for name in ("a", "b")} == pytest.approx(acquires)
    for name in ("a", "b"):
        if "skip" not in text or name == "a":
            assert after.held_instructions(name, 1) == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acquires:a", "write it as acquires:LOCK[/SITE]=M"),
        ("acquires:=4", "write it as acquires:LOCK[/SITE]=M"),
        ("acquires:a=0", "M = 0 must be more than 0 and at most 1e+06"),
        ("acquires:a=-1", "M = -1 must be more than 0"),
        ("acquires:a=nan", "M = nan must be more than 0"),
        ("acquires:a=inf", "M = inf must be more than 0"),
    ],
)
def test_acquires_of_another_form(text, message):
    with pytest.raises(ArgumentError, match=re.escape(f"--variant {text!r}: {message}")):
        parse_all(text, "--variant")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("acquires:a/exec.map_splt=2", "acquires: a has no site 'exec.map_splt'; did you mean"),
        ("acquires:c=2", "acquires: scenario 's' has no lock 'c'"),
        ("acquires:a=x", "acquires: 'x' is not a number; write acquires:LOCK[/SITE]=M"),
    ],
)
def test_acquires_of_a_site_that_is_not_taken(text, hint):
    with pytest.raises(ArgumentError, match=re.escape(hint)):
        apply_all(MANY, parse_all(text))


def test_the_published_pair_is_29_and_21_acquires():
    """robot_sysexec_spr224: the tree of libc.so.6 loses 8 acquires to batched unlinking."""
    scenario = timed("sysexec-spr224-v6.12")
    before = "acquires:all/exit.teardown=5;acquires:all/exec.teardown=5"
    file = "robot_sysexec_spr224.csv"
    loaded = load_sets([Wanted(find_data(file), file, scenario)], {"before": parse_all(before)})
    assert [d.variant for d in loaded.sets] == ["before", "after"]
    assert [round(d.scenario.acquires("libc.so.6")) for d in loaded.sets] == [29, 21]
    held = [d.scenario.held_instructions("libc.so.6", 224) for d in loaded.sets]
    assert held[0] == pytest.approx(held[1], rel=1e-12)
