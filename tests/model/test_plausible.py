"""Numbers that no lock has: a warning outside what is published, refused far outside."""

from __future__ import annotations

import re

import pytest
from places import CASES

from lockmodel.errors import ScenarioError
from lockmodel.model.plausible import FAR, RANGES, implausible
from lockmodel.model.shipped import find_scenario, model_names
from lockmodel.model.toml import loads

TEXT = (CASES / "lin0.toml").read_text(encoding="utf-8")


def changed(key: str, value: str) -> str:
    text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", TEXT)
    assert count == 1
    return text


@pytest.mark.parametrize("name", model_names())
def test_shipped_scenarios_are_plausible(name):
    assert implausible(find_scenario(name)) == ()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("acquires", "1e30", "acquires = 1e+30 is 1e+26 times above what is plausible (1e+04"),
        ("time_per_instruction_remote_ns", "2e15", "no unit makes 2e+06 s plausible"),
        # 20 us typed as s: 2e7 us of think time
        ("think_us", "2e15", "think = 2e+09 s is 2e+07 times above"),
        ("acquire_time_ns", "1e12", "acquire_time = 1e+03 s is 1e+08 times above"),
    ],
)
def test_far_outside_is_refused_with_what_to_look_at(key, value, text):
    source = changed(key, value) if key != "acquire_time_ns" else TEXT.replace(
        "[[sites]]", f"acquire_time_ns = {value}\n[[sites]]"
    )  # fmt: skip
    with pytest.raises(ScenarioError, match=re.escape(text)):
        loads(source)


def test_the_likely_unit_is_named():
    # 20 ns under a key that ends in _s: read as 20 s
    text = TEXT.replace("[[sites]]", "acquire_time_s = 20\n[[sites]]")
    with pytest.raises(ScenarioError, match=re.escape("give acquire_time_ns = 20")):
        loads(text)


def test_outside_is_said_once_per_number_the_farthest_first():
    text = changed("think_us", "2e10").replace("held_instructions = 500", "held_instructions = 2e9")
    said = implausible(loads(text))
    assert [one.partition(" = ")[0] for one in said] == ["site a/p.s: held_instructions", "think"]
    assert "think = 2e+04 s is 200 times above what is plausible (100 s" in said[1]


def test_zero_is_always_fine_and_the_limit_is_far():
    assert implausible(loads(changed("held_instructions", "0"))) == ()
    edge = RANGES["held_instructions"].high * FAR
    loads(changed("held_instructions", f"{edge:.0f}"))
    with pytest.raises(ScenarioError, match="held_instructions"):
        loads(changed("held_instructions", f"{2 * edge:.0f}"))


def timed(smt: float, cache: float, remote: float) -> str:
    times = f"{{ smt = {smt}, cache = {cache}, remote = {remote} }}"
    counts = "cpus = 64\ncores = 64\n"
    assert counts in TEXT
    return TEXT.replace(counts, f"cpus = 64\ncores = 32\nsockets = 2\nline_ns = {times}\n")


def test_line_times_are_plausible_as_published_and_not_in_another_unit():
    assert implausible(loads(timed(7.4, 48, 141.4))) == ()
    (said,) = implausible(loads(timed(7.4, 48, 14140)))
    assert said == (
        "machine: line.remote = 14.1 us is 7.07 times above what is plausible (2.00 us; "
        "published: 7 to 520 ns); a wrong unit?"
    )
    (said,) = implausible(loads(timed(0.5, 48, 141.4)))
    assert said.startswith(
        "machine: line.smt = 0.50 ns is 2 times below what is plausible (1.00 ns"
    )


def test_a_line_that_comes_sooner_from_farther_away_is_said():
    assert implausible(loads(timed(48, 48, 48))) == ()
    assert implausible(loads(timed(48, 7.4, 141.4))) == (
        "machine: line.cache = 7.40 ns is less than line.smt = 48.0 ns, which is nearer; swapped?",
    )


def test_it_stands_on_top_of_the_answer(command, tmp_path):
    (tmp_path / "slow.toml").write_text(changed("held_instructions", "5e7"), encoding="utf-8")
    lines = command("predict", "slow.toml", "-n", "8").stdout.splitlines()
    assert any(line.startswith("! site a/p.s: held_instructions = 5e+07") for line in lines[:4])
