"""Constant hold and think times behind one lock, and transfer between known times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockmodel.errors import ArgumentError
from lockmodel.evaluate.transfer import (
    Setting,
    cost,
    fit_handoff,
    known,
    throughput,
    transfer,
)
from lockmodel.fitting.curves.curve import Curve
from lockmodel.model.handoff import ConstantHandOff, HandOff, LinearHandOff, SaturatingHandOff

Command = Callable[..., Any]
US = 1e-6
LAWS = [
    ConstantHandOff(time=80e-9),
    LinearHandOff(time=70e-9, per_waiter=4e-9),
    SaturatingHandOff(time=50e-9, limit=450e-9, half_waiters=9.0),
]
FREE, TICKET = ConstantHandOff(time=0.0), LAWS[1]
N = np.arange(1, 41)


def curve(times: Setting, law: HandOff, noise: float = 0.0) -> Curve:
    random = np.random.default_rng(2).standard_normal(len(N))
    return Curve(N, throughput(N, times, law) * np.exp(noise * random))


def test_without_hand_off_the_asymptotic_bounds_are_reached() -> None:
    made = throughput(np.array([1, 3, 5, 6, 7, 40]), Setting(5 * US, 1 * US), FREE)
    assert made * US == pytest.approx([1 / 6, 3 / 6, 5 / 6, 1, 1, 1], rel=1e-6)


def test_a_saturated_lock_pays_the_hand_off_of_all_waiters() -> None:
    made = throughput(np.array([2, 3, 12]), Setting(0.0, 1 * US), TICKET)
    paid = 1 * US + 70e-9 + 4e-9 * np.array([0, 1, 10])
    assert 1 / made == pytest.approx(paid, rel=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_the_cycle_is_that_of_a_step_by_step_queue(law: HandOff) -> None:
    """Served in the order of arrival with constant times, one acquire after the other."""
    hold, think, n = 0.2 * US, 1 * US, 24
    ready, now, begun = [0.0] * n, 0.0, []
    for _ in range(4000):
        arrived = sorted(ready)
        now = max(now, arrived[0])
        waiters = np.array([sum(time <= now for time in arrived) - 1.0])
        ready.remove(arrived[0])
        begun.append(now)
        ready.append(now + hold + think)
        now += hold + float(cost(law, waiters)[0])
    cycle = (begun[-1] - begun[2000]) / (len(begun) - 1 - 2000)
    made = throughput(np.array([n]), Setting(think, hold), law)[0]
    assert 1 / made == pytest.approx(cycle, rel=0.03)


@pytest.mark.parametrize("think", [0.0, 5 * US])
@pytest.mark.parametrize("law", LAWS)
def test_fitted_hand_off_is_the_one_that_made_the_data(law: HandOff, think: float) -> None:
    times = Setting(think, 1 * US)
    fitted = fit_handoff(curve(times, law, noise=1e-3), times)
    assert fitted.family == law.family
    for waiters in (1, 5, 30):
        assert cost(fitted, np.array(waiters)) == pytest.approx(
            cost(law, np.array(waiters)), rel=0.05
        )


def test_a_hand_off_that_does_not_show_is_not_fitted() -> None:
    few = Curve(np.array([1, 2, 3, 4]), np.array([1e6, 1e6, 9e5, 9e5]))
    with pytest.raises(ArgumentError, match="3 points with a waiter at hold/think 1000/0 ns"):
        fit_handoff(few, Setting(0.0, 1 * US))
    with pytest.raises(ArgumentError, match="its cycles are shorter than the hold"):
        fit_handoff(Curve(N, N / US), Setting(0.0, 1 * US))


def test_times_are_read_from_the_header_or_the_name() -> None:
    assert known("a_c200ns_p1000ns", {}) == Setting(pytest.approx(1 * US), pytest.approx(0.2 * US))
    said = {"hold_ns": "1.5e3", "think_ns": "0"}
    assert known("a_c200ns_p1000ns", said) == Setting(0.0, pytest.approx(1.5 * US))
    for name, header in [
        ("a", {}),
        ("a_c0ns_p0ns", {}),
        ("a", {"hold_ns": "200"}),
        ("a", {"hold_ns": "long", "think_ns": "0"}),
        ("a", {"hold_ns": "-200", "think_ns": "300"}),
        ("a", {"hold_ns": "nan", "think_ns": "300"}),
        ("a", {"hold_ns": "inf", "think_ns": "300"}),
    ]:
        with pytest.raises(ArgumentError, match="states no hold or think time above 0"):
            known(name, header)


def write(folder: Path, hold: int, think: int, laws: dict[str, HandOff], **names: str) -> None:
    times = Setting(think * 1e-9, hold * 1e-9)
    rows = [names.get("header", "# unit: ops/s"), "threads,throughput,variant"]
    rows += [
        f"{n},{throughput(np.array([n]), times, law)[0]:.6f},{name}"
        for name, law in laws.items()
        for n in range(1, 33)
    ]
    path = folder / f"{names.get('name', f'bench_c{hold}ns_p{think}ns')}.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_settings_made_by_the_law_are_predicted(tmp_path: Path, command: Command) -> None:
    laws = {law.family: law for law in LAWS}
    write(tmp_path, 1000, 0, laws)
    write(tmp_path, 200, 1000, laws)
    stated = "# unit: ops/s\n# hold_ns: 1000\n# think_ns: 5000"
    write(tmp_path, 1000, 5000, laws, name="other", header=stated)
    made = transfer(tmp_path)
    assert {(p.variant, str(p.source), str(p.target), p.family) for p in made.pairs} == {
        (name, "1000/0", to, name) for name in laws for to in ("200/1000", "1000/5000")
    }
    assert max(p.error for p in made.pairs) < 2e-3
    data = json.loads(command("accuracy", str(tmp_path), "--lever", "--json").stdout)
    assert list(data) == ["schema", "pairs", "variants", "overall", "skipped"]
    assert data["schema"] == "lockmodel.transfer/2"
    assert data["pairs"][0]["source"] == {"think_s": 0.0, "hold_s": pytest.approx(1 * US)}
    assert set(data["variants"]) == set(laws)
    text = command("accuracy", str(tmp_path), "--lever", "--all").stdout
    assert text.startswith("3 variants predicted at other hold and think times")
    assert "constant    1000/0  200/1000   constant    0.000" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_errors_are_reported_per_variant_and_overall(tmp_path: Path) -> None:
    write(tmp_path, 1000, 0, {"a": TICKET, "b": TICKET, "c": FREE})
    write(tmp_path, 1000, 1000, {"a": TICKET, "b": FREE, "c": FREE})
    made = transfer(tmp_path)
    # b has no hand-off there, but is predicted with that of N - 1 - Z / T waiters
    n = np.arange(1, 33)
    bare = np.minimum(n / (2 * US), 1 / US)
    expected = float(np.abs(np.log(throughput(n, Setting(US, US), TICKET) / bare)).mean())
    assert made.variants == pytest.approx({"a": 0.0, "b": expected, "c": 0.0}, abs=1e-5)
    assert expected > 0.1
    assert made.overall == pytest.approx({"median": 0.0, "mean": expected / 3}, abs=1e-5)


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    write(tmp_path, 1000, 0, {"a": TICKET})
    write(tmp_path, 200, 1000, {"a": TICKET})
    write(tmp_path, 200, 1000, {"a": TICKET}, name="again_c200ns_p1000ns")
    write(tmp_path, 300, 1000, {"a": TICKET}, header="# unit: relative to one process")
    write(tmp_path, 100, 1000, {"a": TICKET}, name="nameless")
    assert dict(transfer(tmp_path).skipped) == {
        "a in bench_c200ns_p1000ns.csv": "another file has these times",
        "bench_c300ns_p1000ns.csv": "its unit is no rate, so times in ns tell nothing",
        "nameless.csv": "states no hold or think time above 0",
    }


def test_folders_without_known_times_are_refused(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("threads,throughput\n1,1\n2,2\n3,3\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"two files .* curve.csv: states no hold or think"):
        transfer(tmp_path)
    (tmp_path / "curve.csv").unlink()
    write(tmp_path, 1000, 0, {"a": TICKET})
    with pytest.raises(ArgumentError, match=r"'# think_ns: 1000'$"):
        transfer(tmp_path)
