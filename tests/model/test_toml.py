"""Tests of lockmodel.model.toml: exact round trips, units, and every way a file can be bad."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import REPEATABLE, machines, scenarios

from lockmodel.errors import FileError, ScenarioError
from lockmodel.model import handoff as ho
from lockmodel.model.distribution import Constant, Empirical, Erlang, Exponential
from lockmodel.model.machine import LineTimes, Machine
from lockmodel.model.scenario import Lock, Scenario, Site, Walkers
from lockmodel.model.toml import MAX_BYTES, dumps, handoff_from_text, load, loads

GOOD = """\
schema = "lockmodel.scenario/1"
name = "s"
title = "t"
iteration = "i"
think_us = 100
think_remote_us = 20

[machine]
name = "m"
cpus = 8
cores = 4

[[locks]]
name = "libc.so.6"
time_per_instruction_local_ns = 0.5
time_per_instruction_remote_ns = 1.5

acquire_time_ns = 20

[locks.handoff]
family = "constant"
time_ns = 300

[locks.walkers]
walks_per_s = 5
read_us = 40

[[sites]]
lock = "libc.so.6"
phase = "exec"
name = "map_split"
acquires = 2
held_instructions = 100
"""
COUNTS: dict[str, Any] = {"name": "m", "cpus": 8, "cores": 4}
MACHINE = Machine(**COUNTS)
LIBC = Lock(
    name="libc.so.6",
    time_per_instruction_local=0.5e-9,
    time_per_instruction_remote=1.5e-9,
    acquire_time=20e-9,
    handoff=ho.ConstantHandOff(time=300e-9),
    walkers=Walkers(walks_per_s=5, read=40e-6),
)
SPLIT = Site(lock=LIBC.name, phase="exec", name="map_split", acquires=2, held_instructions=100)
WORDS = {"name": "s", "title": "t", "iteration": "i"}
THINK = {"think": 100e-6, "think_remote": 20e-6}
PARSED = Scenario(**WORDS, machine=MACHINE, **THINK, locks=(LIBC,), sites=(SPLIT,))
LOCK = '[[locks]]\nname = "libc.so.6"\n'
SITE = '[[sites]]\nlock = "libc.so.6"\nphase = "exec"\nname = "map_split"\n'
TIMES = "time_per_instruction_local_ns = 1\ntime_per_instruction_remote_ns = 1\n"
HANDOFF_TABLE = '[locks.handoff]\nfamily = "constant"\ntime_ns = 300'
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_every_key_is_read_as_written() -> None:
    assert loads(GOOD) == PARSED


def test_defaults_are_left_out_and_times_have_their_unit() -> None:
    assert dumps(PARSED).split() == GOOD.split()


@REPEATABLE
@given(scenarios(text=TEXT))
def test_load_save_load_is_the_identity(scenario: Scenario) -> None:
    text = dumps(scenario)
    assert loads(text) == scenario  # float == float: every bit
    assert dumps(loads(text)) == text


@REPEATABLE
@given(st.floats(1e-30, 0.4), st.floats(1e-30, 4e-4))
def test_the_round_trip_is_exact_far_from_realistic_times(think: float, time: float) -> None:
    lock = Lock(
        name="a",
        time_per_instruction_local=time,
        time_per_instruction_remote=time,
        handoff=ho.LinearHandOff(time=think, per_waiter=time),
    )
    s = Scenario(**WORDS, machine=MACHINE, think=think, locks=(lock,))
    assert loads(dumps(s)) == s


@REPEATABLE
@given(st.floats(1e-12, 1e3), st.sampled_from(["s", "ms", "us", "ns"]))
def test_the_unit_of_a_time_does_not_matter(think: float, unit: str) -> None:
    scale = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    value = Decimal(repr(think)).scaleb(scale)
    assert loads(GOOD.replace("think_us = 100", f"think_{unit} = {value}")).think == think


CORES = "cores = 4\n"


def lines(times: str) -> str:
    """Return the key of cores with that of line times behind it."""
    return f"{CORES}line_ns = {{ {times} }}\n"


def test_caches_and_line_times_are_read_in_any_unit_and_written() -> None:
    made = Machine(**COUNTS, caches=2, line=LineTimes(smt=8e-9, cache=25e-9, socket=0.12e-6))
    times = "line_ns = { smt = 8, cache = 25, socket = 120 }"
    text = GOOD.replace(CORES, f"{CORES}caches = 2\n{times}\n")
    assert loads(text).machine == made
    other = "line_us = { smt = 0.008, cache = 0.025, socket = 0.12 }"
    assert loads(text.replace(times, other)).machine == made
    written = dumps(loads(text))
    assert "caches = 2\n\n[machine.line_ns]\nsmt = 8\ncache = 25\nsocket = 120\n" in written
    assert loads(written).machine == made


def test_a_file_without_them_means_what_it_meant() -> None:
    machine = loads(GOOD).machine
    assert (machine.caches, machine.line, machine.last_level) == (None, None, 1)
    assert "caches" not in dumps(loads(GOOD))


@REPEATABLE
@given(machines(timed=True))
def test_every_machine_is_written_and_read_back_to_the_last_bit(machine: Machine) -> None:
    scenario = Scenario(**WORDS, machine=machine, think=1e-6)
    assert loads(dumps(scenario)).machine == machine


BAD: list[tuple[str, str, list[str]]] = [
    # old text, new text, what the message must contain beside the file: key path, value, remedy
    ("think_us", "thnik_us", ["thnik_us = 100", "unknown key", "did you mean 'think_us'?"]),
    ("cores =", "coers =", ["machine.coers = 4", "did you mean 'cores'?"]),
    (LOCK, f'{LOCK}kidn = "fifo"\n', ["locks[0].kidn = 'fifo'", "did you mean 'kind'?"]),
    ("acquires =", "aquires =", ["sites[0].aquires = 2", "did you mean 'acquires'?"]),
    ("\ntime_ns", "\ntiem_ns", ["locks[0].handoff.tiem_ns = 300", "did you mean 'time_ns'?"]),
    ("acquires = ", "acquires_ns = ", ["sites[0].acquires_ns = 2", "did you mean 'acquires'?"]),
    ("think_us = 100", "think_us = -1", ["think_us = -1 ", "must be >= 0", "in us"]),
    ("think_us = 100", "think_us = nan", ["think_us = NaN", "must be a finite number"]),
    ("think_us = 100", "think_us = inf", ["think_us = Infinity", "must be a finite number"]),
    ("think_us = 100", "think_us = 1e400", ["think_us = 1E+400", "must be a finite number"]),
    ("think_us = 100", "think_us = 1e999999999", ["think_us = 1E+999999999", "must be a fin"]),
    ("local_ns = 0.5", "local_ns = -0.5", ["locks[0].time_per_instruction_local_ns = -0.5"]),
    ("acquires = 2", "acquires = -1", ["sites[0]", "acquires = -1", ">= 0; give 0 if"]),
    ("acquires = 2", "acquires = nan", ["sites[0].acquires = NaN", "must be a finite number"]),
    ('lock = "libc.so.6"', 'lock = "libc.so"', ["sites[0]", "lock = 'libc.so'", "'libc.so.6'?"]),
    ("cores = 4", "cores = 16", ["toml: machine: cores = 16 exceeds cpus = 8", "give at least 16"]),
    ("think_us = 100", "think = 100", ["think = 100: a time needs its unit; write think_us"]),
    ("time_ns = 3", "time = 3", ["locks[0].handoff.time = 300: a time", "write time_ns (or _s"]),
    ("think_us = 100", "think_us = 9\nthink_ns = 9", ["think_ns = 9: think is given twice"]),
    ("think_us = 100", "think_us = '100'", ["think_us = '100'", "must be a number of us"]),
    ("think_us = 100", "think_us = true", ["think_us = True", "must be a number of us"]),
    ('"constant"', '"konstant"', ["locks[0].handoff: family = 'konstant'", "choose one of none, "]),
    ('family = "constant"', "", ["locks[0].handoff: family = None", "choose one of none"]),
    ("[[sites]]", f"{LOCK}{TIMES}[[sites]]", ["lock 'libc.so.6' is given 2 times; give it once"]),
    ("[[sites]]", f"{SITE}acquires = 1\nheld_instructions = 0\n[[sites]]", ["sites[1]: ", "twice"]),
    ('"lockmodel.scenario/1"', '"other/2"', ["schema = 'other/2'", 'write schema = "lockmodel.']),
    ('name = "libc.so.6"', 'name = "a/b"', ["locks[0]", "'a/b'", "e.g. 'libc.so.6'"]),
    ("acquires = 2", "acquires = 'x'", ["sites[0].acquires = 'x'", "must be"]),
    ("cpus = 8", "cpus = 8.5", ["machine.cpus = 8.5", "must be"]),
    ('title = "t"', "title = 3", ["title = 3", "must be"]),
    (LOCK, f'{LOCK}kind = "spin"\n', ["locks[0].kind", "'spin'", "fifo, ticket, barging, rwsem"]),
    (HANDOFF_TABLE, "handoff = 3", ["locks[0].handoff = 3", "must be"]),
    ("[[sites]]", "[sites]", ["sites", "[[sites]]"]),
    ("time_ns = 300", "", ["locks[0].handoff", "time_ns", "missing"]),
    ("cpus = 8\n", "", ["machine", "cpus", "missing"]),
    ("title", "= =", ["not valid TOML", "line 3"]),
    (CORES, f"{CORES}caches = 3\n", ["machine: caches = 3 must divide cores = 4", "sockets = 1"]),
    (CORES, f"{CORES}caches = 0\n", ["machine: caches = 0 must be a whole number from 1"]),
    (CORES, f"{CORES}caches = 2.5\n", ["machine.caches = 2.5 must be a whole number"]),
    (CORES, f"{CORES}line_ns = 48\n", ["line_ns = 48 must be a table: line_ns = { smt = .., cach"]),
    (
        CORES,
        f"{CORES}line = {{ smt = 8 }}\n",
        ["machine.line = {", "needs its unit; write line_ns"],
    ),
    (CORES, f"{CORES}line_ns = {{}}\n", ["machine: line times lack smt, cache: ", "add them"]),
    (CORES, lines("smt = 8"), ["machine: line times lack cache: 8 CPUs on 4 cores of 1", "add it"]),
    (CORES, lines("smt = 8, cahce = 25"), ["line_ns.cahce = 25: unknown key", "mean 'cache'?"]),
    (CORES, lines("smt = 8, socket_ns = 9"), ["line_ns.socket_ns = 9: unknown", "mean 'socket'?"]),
    (
        CORES,
        lines("smt = 0, cache = 25"),
        ["machine.line_ns: line times: smt = 0.0 must be a fini"],
    ),
    (CORES, lines("smt = -8, cache = 25"), ["machine.line_ns.smt = -8 must be >= 0", "in ns"]),
    (CORES, lines("smt = nan, cache = 1"), ["machine.line_ns.smt = NaN must be a finite number"]),
    (CORES, lines("smt = 'x', cache = 1"), ["machine.line_ns.smt = 'x' must be a number of ns"]),
    (CORES, lines("smt = true, cache = 1"), ["machine.line_ns.smt = True must be a number of ns"]),
    (CORES, lines("smt = 8, cache = 1e9"), ["machine: line.cache = 1.00 s is 5e+05 times above"]),
    (
        CORES,
        lines("smt = 8, cache = 9") + "line_us = { smt = 1 }\n",
        ["line_us = {", "line is given twice, in two units; keep one"],
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), BAD, ids=[words[0] for _, _, words in BAD])
def test_bad_file_is_named_with_key_path_value_and_remedy(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    assert old in GOOD
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert [word for word in words if word not in text] == [], text


def test_an_empty_iteration_is_refused() -> None:
    text = re.sub(r"(think\w*|acquires) = \d+", r"\1 = 0", GOOD)
    with pytest.raises(ScenarioError, match=r"^f.toml: the iteration is empty: .*give think_us or"):
        loads(text, "f.toml")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x7fELF\x02\x01\x01\x00", "not valid TOML"),
        (bytes(range(256)), "not UTF-8 text .*save it as UTF-8"),
        (b"", "top level: name, machine, think_us missing; add it"),
        (b"#" * (MAX_BYTES + 1), "larger than 1000000 bytes; this is not a scenario file"),
        (b"a = " + b"[" * 50_000, "not valid TOML"),
        (b"a = " + b"{a = " * 50_000, "not valid TOML"),
        (GOOD.encode().replace(b"= 100", b"= " + b"9" * 5000, 1), "think_us|not valid TOML"),
        (GOOD.encode().replace(b"= 100", b"= 1e" + b"9" * 30, 1), "think_us|not valid TOML"),
        (GOOD.encode() + b"x." * 5000 + b"x = 1\n", "x"),
    ],
    ids=["elf", "bytes", "empty", "huge", "lists", "tables", "digits", "exponent", "dots"],
)
def test_what_is_no_scenario_at_all(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    with pytest.raises(ScenarioError, match=f"(?s)bad.toml: .*({words})"):
        load(path)


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(GOOD + "#" * (MAX_BYTES - len(GOOD)), encoding="utf-8")
    assert load(path) == PARSED


@pytest.mark.parametrize("value", [f"[{'1, ' * 9000}]", f"'{'x' * 9000}'"])
def test_a_message_about_a_long_value_stays_short(value: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(f"{GOOD}junk = {value}\n", "f.toml")
    assert len(str(caught.value)) < 500


def test_a_file_that_cannot_be_read_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(FileError, match=r"cannot be read: it is a directory"):
        load(tmp_path)


@settings(REPEATABLE, max_examples=300)
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text('0-9e.=[]{}"\n_x\0', max_size=6))
def test_a_damaged_file_is_read_or_refused(start: int, length: int, new: str) -> None:
    try:
        outcome = dumps(loads(GOOD[:start] + new + GOOD[start + length :], "f.toml"))
    except ScenarioError as error:
        outcome = str(error)
    assert outcome.startswith(('schema = "lockmodel.scenario/1"', "f.toml: "))


def test_handoff_from_options() -> None:
    grown = {"time_ns": "300", "limit_us": "0.5", "half_waiters": "8"}
    assert handoff_from_text("saturating", grown) == ho.SaturatingHandOff(
        time=300e-9, limit=500e-9, half_waiters=8
    )
    straight = {"time_ns": "300", "per_waiter_us": "0.01"}
    assert handoff_from_text("linear", straight) == ho.LinearHandOff(time=300e-9, per_waiter=10e-9)
    placed = {"local_ns": "100", "remote_ns": "400"}
    assert handoff_from_text("topology", placed) == ho.TopologyHandOff(local=100e-9, remote=400e-9)


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        ("constant", {"time_ns": "x"}, "time_ns = 'x' is not a number"),
        ("constant", {"time_ns": "nan"}, "time_ns = NaN must be a finite number"),
        ("constant", {"time_ns": "1e999999999"}, "time_ns = 1E.* must be a finite number"),
        ("constant", {"time_ns": "-3"}, "time_ns = -3 must be >= 0"),
        ("constant", {"time": "3"}, "time = 3: a time needs its unit; write time_ns"),
        ("constant", {"tiem_ns": "3"}, "tiem_ns = .*did you mean 'time_ns'"),
        ("linear", {"time_ns": "3"}, "per_waiter_ns"),
        ("saturating", {"half_waiters": "sNaN"}, "half_waiters = .* finite number"),
    ],
)
def test_handoff_options_are_refused(family: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        handoff_from_text(family, options)


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ScenarioError, match="larger than 1000000 bytes"):
        load(tmp_path / "large.toml")


def test_a_number_beyond_all_decimals_names_its_key() -> None:
    words = "^f: 2 errors\n  think_us = Infinity must be a finite number\n"
    with pytest.raises(ScenarioError, match=words):
        loads('schema = "lockmodel.scenario/1"\nthink_us = 1e9999999999999999999999', "f")


VARIED = (
    GOOD.replace(
        LOCK,
        f"""{LOCK}kind = "rwsem"
wake_time_us = 2.5
handoff_timeout_ms = 3
local_handoffs = 8
hold_distribution = {{ family = "constant" }}
handoff_distribution = {{ family = "empirical", edges = [0, 1.5, 4], probabilities = [0.25, 0.75] }}
""",
    )
    .replace("[machine]", '[think_distribution]\nfamily = "erlang"\nstages = 4\n[machine]')
    .replace("acquires = 2", 'acquires = 2\nmode = "read"')
)


def test_what_only_a_simulation_needs_is_read_as_written() -> None:
    scenario = loads(VARIED)
    assert scenario.think_distribution == Erlang(stages=4)
    (lock,), (site,) = scenario.locks, scenario.sites
    assert (lock.kind, lock.wake_time, lock.handoff_timeout) == ("rwsem", 2.5e-6, 3e-3)
    assert lock.local_handoffs == 8
    assert lock.hold_distribution == Constant()
    assert lock.handoff_distribution == Empirical(edges=(0, 1.5, 4), probabilities=(0.25, 0.75))
    assert site.mode == "read"
    assert loads(dumps(scenario)) == scenario
    assert "wake_time_us = 2.5" in dumps(scenario)


def test_the_keys_of_a_mutex_are_read_as_written() -> None:
    """They have defaults that the record of another kind makes no use of."""
    keys = 'kind = "mutex"\nspin_limit_us = 25\nbarge = false\n'
    (lock,) = loads(GOOD.replace(LOCK, LOCK + keys)).locks
    assert (lock.kind, lock.spin_limit, lock.barge) == ("mutex", 25e-6, False)
    (plain,) = PARSED.locks
    assert (plain.spin_limit, plain.barge) == (10e-6, True)
    scenario = loads(GOOD.replace(LOCK, LOCK + keys))
    assert loads(dumps(scenario)) == scenario
    with pytest.raises(ScenarioError, match=r"locks\[0\]\.barge"):
        loads(GOOD.replace(LOCK, LOCK + keys.replace("false", "2")))


def test_what_only_a_simulation_needs_has_defaults() -> None:
    (lock,), (site,) = PARSED.locks, PARSED.sites
    assert (lock.wake_time, lock.handoff_timeout, lock.local_handoffs) == (7e-6, 4e-3, 64)
    shapes = (PARSED.think_distribution, lock.hold_distribution, lock.handoff_distribution)
    assert shapes == (Exponential(),) * 3
    assert site.mode == "write"


BAD_VARIED: list[tuple[str, str, list[str]]] = [
    ("wake_time_us = 2.5", "wake_time = 2.5", ["locks[0].wake_time", "write wake_time_us"]),
    ("wake_time_us = 2.5", "wake_time_us = nan", ["locks[0].wake_time_us = NaN", "finite"]),
    ("wake_time_us = 2.5", "wake_time_us = -1", ["locks[0].wake_time_us = -1", ">= 0"]),
    ("timeout_ms = 3", "timeout_ms = -3", ["locks[0].handoff_timeout_ms = -3", ">= 0"]),
    ("timeout_ms = 3", "timeout_ms = inf", ["locks[0].handoff_timeout_ms = Inf", "finite"]),
    ("local_handoffs = 8", "local_handoffs = 0", ["locks[0]", "local_handoffs = 0", "from 1 to"]),
    ("local_handoffs = 8", "local_handoffs = 1.5", ["locks[0].local_handoffs = 1.5", "whole"]),
    ('mode = "read"', 'mode = "red"', ["sites[0].mode = 'red'", "one of write, read"]),
    ('kind = "rwsem"', 'kind = "fifo"', ["mode = 'read' at libc.so.6", "'fifo'", "'rwsem' has"]),
    ('"constant" }', '"konstant" }', ["locks[0].hold_distribution: family = 'konstant'", "expon"]),
    ('"constant" }', '"constant", scv = 1 }', ["locks[0].hold_distribution.scv = 1", "unknown"]),
    ('= { family = "constant" }', "= 3", ["locks[0].hold_distribution = 3", "must be a table"]),
    ("stages = 4", "stages = 2.5", ["think_distribution.stages = 2.5", "whole number"]),
    ("stages = 4", "stages = 0", ["think_distribution", "stages = 0", "from 1 to"]),
    ("stages = 4", "", ["think_distribution", "stages missing"]),
    ("[0, 1.5, 4]", "[0, 4, 1.5]", ["locks[0].handoff_distribution", "edges 4.0 and 1.5"]),
    ("[0, 1.5, 4]", "[0, 1.5]", ["locks[0].handoff_distribution", "2 edges for 2 prob"]),
    ("[0, 1.5, 4]", "[0, 1.5, inf]", ["locks[0].handoff_distribution.edges[2] = Inf", "finite"]),
    ("[0, 1.5, 4]", "[0, 'x', 4]", ["handoff_distribution.edges[1] = 'x'", "a number"]),
    ("[0, 1.5, 4]", "4", ["locks[0].handoff_distribution.edges = 4", "list of numbers"]),
    ("[0.25, 0.75]", "[0.25, 0.7]", ["locks[0].handoff_distribution", "sum to 0.95, not 1"]),
    ("[0.25, 0.75]", "[nan, 0.75]", ["handoff_distribution.probabilities[0] = NaN", "finite"]),
]


@pytest.mark.parametrize(("old", "new", "words"), BAD_VARIED, ids=[new for _, new, _ in BAD_VARIED])
def test_bad_keys_of_a_simulation_are_named(old: str, new: str, words: list[str]) -> None:
    assert VARIED.count(old) == 1
    with pytest.raises(ScenarioError) as caught:
        loads(VARIED.replace(old, new), "f.toml")
    text = str(caught.value)
    assert text.startswith("f.toml: ")
    assert [word for word in words if word not in text] == [], text
