"""`--set` at every command that takes a model, and the symbols of `theory`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoked import invoke

from lockmodel.cli.app import COMMANDS, LazyGroup, command
from lockmodel.model.edit import edited
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.throughput import throughput

MODEL = "doexec-20"

ARGUMENTS = {
    "whatif": ["--lever", "shard:libc.so.6=2"],
    "sweep": ["--over", "shards=1,2"],
    "fit": ["unixbench_execl_xeon8369b.csv"],
    "design": ["--data", "unixbench_execl_xeon8369b.csv"],
    "figure": ["hold", "--json"],
    "theory": ["ceiling"],
}
"""What a command needs beside a model."""


def of_models() -> dict[str, str]:
    """Return the commands that take a model, and how: as an argument, or the option's name."""
    group = command()
    assert isinstance(group, LazyGroup)
    found = {}
    for name in COMMANDS:
        made = group.get_command(None, name)  # type: ignore[arg-type]
        assert made is not None
        for one in made.params:
            if "MODEL" in (one.metavar or "") and "DATA" not in (one.metavar or ""):
                found[name] = one.opts[0] if one.opts[0].startswith("-") else ""
    return found


TAKERS = of_models()


def test_the_commands_that_take_a_model() -> None:
    assert set(TAKERS) >= {
        *("predict", "ceiling", "whatif", "levers", "sweep", "simulate", "fit", "design"),
        *("verify", "show", "theory", "figure"),
    }


@pytest.mark.parametrize("name", TAKERS)
def test_every_one_edits_it(name: str) -> None:
    option = TAKERS[name]
    given = [*ARGUMENTS.get(name, []), *([option] if option else []), MODEL]
    bad = invoke(name, *given, "--set", "libc.so.6.shards=0")
    assert bad.exit_code == 3, bad.output
    assert "--set libc.so.6.shards=0: locks[0]: lock 'libc.so.6': shards = 0 must" in bad.stderr
    unknown = invoke(name, *given, "--set", "libc.so.6.shard=2")
    assert unknown.exit_code == 3
    assert "unknown key 'shard'; did you mean 'shards'?" in unknown.stderr


def test_the_answer_is_that_of_the_edited_scenario() -> None:
    pairs = ["think=1ms", "libc.so.6/exec.map_split.acquires=1"]
    asked = [word for pair in pairs for word in ("--set", pair)]
    answer = invoke("predict", MODEL, "-n", "1", "--json", *asked)
    found = json.loads(answer.stdout)["points"][0]["throughput_per_s"]
    assert found == pytest.approx(throughput(edited(find_scenario(MODEL), pairs), [1])[0], rel=1e-9)
    assert found == pytest.approx(1 / 1.03e-3, rel=0.03)  # 1 ms and some 30 us under locks


def test_an_edit_comes_after_the_machine() -> None:
    given = ["--machine", "2x4x1", "--set", "machine.name=mine", "--set", "machine.caches=4"]
    shown = json.loads(invoke("show", "sysexec-spr224-v6.12", *given[:2], "--json").stdout)
    edits = invoke("show", "sysexec-spr224-v6.12", *given[:4], "--json")
    now = json.loads(edits.stdout)
    assert (shown["scenario"]["machine"]["cpus"], now["scenario"]["machine"]["cpus"]) == (8, 8)
    assert now["scenario"]["machine"]["name"] == "mine"


def test_what_has_no_model_has_nothing_to_edit(tmp_path: Path) -> None:
    assert "goes with a MODEL" in invoke("verify", "--set", "think=4us").stderr
    curve = invoke("fit", "unixbench_execl_xeon8369b.csv", "--set", "think=4us")
    assert "--bootstrap and --set belong to a model" in curve.stderr
    assert "NAME is missing" in invoke("figure", "--set", "think=4us").stderr
    assert (
        "--set think=4us: all draws"
        in invoke("figure", "all", "-o", str(tmp_path / "f"), "--set", "think=4us").stderr
    )


def test_symbols_of_a_statement() -> None:
    # at most 1 / (1 - q): q = 0.4 gains 2/3
    answer = invoke("theory", "any-change", "--set", "q=0.4")
    assert "with q = 0.4:" in answer.stdout
    assert "+67 %" in answer.stdout
    data = json.loads(invoke("theory", "any-change", "--set", "q=0.4", "--json").stdout)
    (one,) = data["numbers"]
    assert one["given"] == {"q": 0.4}
    assert one["values"][0]["value"] == pytest.approx(2 / 3)


def test_symbols_with_units() -> None:
    # k / (tau I + m c) = 2 / (1 us + 3 x 0.3 us)
    pairs = ["tau=1ns", "I=1000", "m=3", "c=300ns", "k=2"]
    asked = [word for pair in pairs for word in ("--set", pair)]
    data = json.loads(invoke("theory", "ceiling", *asked, "--json").stdout)
    (one,) = data["numbers"]
    values = {value["name"]: value["value"] for value in one["values"]}
    assert values["ceiling"] == pytest.approx(2 / 1.9e-6)
    assert values["no held work"] == pytest.approx(2 / 0.9e-6)
    assert "with the station that binds next: needs C_next as well" in one["notes"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--set", "Z=5", "--set", "q=0.4"], "Z = 5 must be a number and its unit"),
        (["--set", "q=x"], "--set q=x: q = 'x' must be a finite number >= 0"),
        (["--set", "q=1"], "no formula has a value"),
        (["--set", "q=0.4", "--set", "think=4us"], "think: is no symbol of any-change, q is"),
        (["--set", "q=0.4", "--model", MODEL], "leave --model, -n, --walks and --format out"),
        (["--set", "thin=4us"], "is no symbol of any-change, and no key of the model"),
    ],
)
def test_symbols_that_are_refused(given: list[str], words: str) -> None:
    answer = invoke("theory", "any-change", *given)
    assert (answer.exit_code, words in answer.stderr) == (3, True), answer.stderr


def test_a_whole_symbol() -> None:
    answer = invoke("theory", "one-lock", "--set", "N=2.5", "--set", "Z=5us")
    assert "N = '2.5' must be a whole number >= 0: population" in answer.stderr
