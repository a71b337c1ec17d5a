"""Constant hold and think times behind a fair lock, and transfer between settings."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lockmodel.cli.accuracy import accuracy as command
from lockmodel.errors import ArgumentError
from lockmodel.evaluate.transfer import (
    HandOffLaw,
    Setting,
    Times,
    fit_handoff,
    loop_times,
    off_core,
    throughput,
    transfer,
)
from lockmodel.fitting.curves.curve import Curve

US = 1e-6
QUEUED = HandOffLaw("constant", 80e-9)
TICKET = HandOffLaw("linear", 70e-9, 4e-9)


def test_without_hand_off_the_asymptotic_bounds_are_reached() -> None:
    made = throughput([1, 3, 5, 6, 7, 40], Times(1 * US, 5 * US), HandOffLaw("constant", 0.0))
    assert made * US == pytest.approx([1 / 6, 3 / 6, 5 / 6, 1, 1, 1], rel=1e-6)


def test_a_saturated_lock_pays_the_hand_off_of_all_waiters() -> None:
    made = throughput([2, 3, 12], Times(1 * US, 0.0), TICKET, collision=2.0)
    # without think time no collision; two processes are siblings on one core
    three = 1 * US + (1 - 1 / 3) * (70e-9 + 4e-9)
    twelve = 1 * US + (1 - 1 / 11) * (70e-9 + 4e-9 * 10)
    assert 1 / made == pytest.approx([1 * US, three, twelve], rel=1e-6)


def test_cycle_solves_its_own_equation() -> None:
    times = Times(0.2 * US, 1 * US)
    n = 24
    cycle = 1 / throughput([n], times, TICKET, collision=2.0)[0]
    cost = off_core(n) * TICKET.cost(n - 1 - times.think / cycle)
    assert cycle == pytest.approx(0.2 * US + cost + 2 * cost * 2 * cost / cycle, rel=1e-9)


def test_collisions_cost_more_when_holds_are_short() -> None:
    def loss(hold: float) -> float:
        times = Times(hold, 5 * hold)
        with_, without = (throughput([40], times, QUEUED, k)[0] for k in (1.0, 0.0))
        return math.log(without / with_)

    assert loss(0.2 * US) > 3 * loss(1 * US) > 0


def test_share_of_hand_offs_that_leave_the_core_agrees_with_counting() -> None:
    for n in range(2, 9):
        cores = [k // 2 for k in range(n)]
        pairs = list(itertools.permutations(cores, 2))
        assert off_core(n) == pytest.approx(sum(a != b for a, b in pairs) / len(pairs))
    assert off_core(1) == 0.0


@pytest.mark.parametrize("law", [QUEUED, TICKET, HandOffLaw("saturating", 5e-8, 4e-7, 9.0)])
def test_fitted_hand_off_is_the_one_that_made_the_data(law: HandOffLaw) -> None:
    n = np.arange(1, 41)
    rng = np.random.default_rng(2)
    x = throughput(n.tolist(), Times(1 * US, 0.0), law) * np.exp(1e-3 * rng.normal(size=len(n)))
    found = fit_handoff(Curve(n, x), Times(1 * US, 0.0))
    assert found.family == law.family
    for waiters in (1, 5, 30):
        assert found.cost(waiters) == pytest.approx(law.cost(waiters), rel=0.05)


def test_hand_off_needs_points_off_the_core() -> None:
    few = Curve(np.array([1, 2, 3, 4]), np.array([1e6, 1e6, 9e5, 9e5]))
    with pytest.raises(ArgumentError, match="2 points with 3 processes or more are too few"):
        fit_handoff(few, Times(1 * US, 0.0))


def test_loops_are_calibrated_on_the_runs_without_a_lock() -> None:
    n = np.array([1, 2, 3])
    source, target = Setting(1000, 0), Setting(200, 1000)
    at_source = Curve(n, n / 1.025e-6)
    at_target = Curve(n, n / 1.223e-6)
    assert loop_times(source, at_source, (source, at_source)) == Times(pytest.approx(1.025e-6), 0.0)
    made = loop_times(target, at_target, (source, at_source))
    assert made.hold == pytest.approx(0.205e-6)
    assert made.hold + made.think == pytest.approx(1.223e-6)


def write(folder: Path, hold: int, think: int, lock: str, law: HandOffLaw, k: float) -> None:
    times = Times(hold * 1e-9, think * 1e-9)
    rows = ["# unit: ops/s", "threads,throughput,variant"]
    for n in range(1, 33):
        rows.append(f"{n},{n / (times.hold + times.think):.6f},h1/empty")
        rows.append(f"{n},{throughput([n], times, law, k)[0]:.6f},h1/{lock}")
    path = folder / f"lockhammer_c{hold}ns_p{think}ns.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_settings_made_by_the_law_are_predicted(tmp_path: Path) -> None:
    write(tmp_path, 1000, 0, "ticket_spinlock", TICKET, 2.0)
    write(tmp_path, 200, 1000, "ticket_spinlock", TICKET, 2.0)
    write(tmp_path, 1000, 5000, "ticket_spinlock", TICKET, 2.0)
    made = transfer(tmp_path)
    assert str(made.source) == "c1000ns_p0ns"
    assert {(p.host, p.lock, str(p.target)) for p in made.pairs} == {
        ("h1", "ticket_spinlock", "c200ns_p1000ns"),
        ("h1", "ticket_spinlock", "c1000ns_p5000ns"),
    }
    assert max(p.error for p in made.pairs) < 1e-3
    data = json.loads(CliRunner().invoke(command, [str(tmp_path), "--lever", "--json"]).output)
    assert list(data) == ["schema", "from", "pairs", "summary", "skipped"]
    assert data["schema"] == "lockmodel.transfer/1"
    assert set(data["pairs"][0]) >= {"from", "to", "host", "lock", "error"}
    assert data["summary"][0]["fair_queue_locks"] < 1e-3
    text = CliRunner().invoke(command, [str(tmp_path), "--lever"]).output
    assert "fitted at c1000ns_p0ns" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_another_law_is_not_predicted(tmp_path: Path) -> None:
    write(tmp_path, 1000, 0, "ticket_spinlock", TICKET, 2.0)
    write(tmp_path, 200, 1000, "ticket_spinlock", TICKET, 0.0)
    assert transfer(tmp_path).pairs[0].error > 0.1


def test_folders_without_known_times_are_refused(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("threads,throughput\n1,1\n2,2\n3,3\n", encoding="utf-8")
    with pytest.raises(ArgumentError, match="0 files with known hold and think times"):
        transfer(tmp_path)
    write(tmp_path, 1000, 5000, "osq_lock", QUEUED, 0.0)
    write(tmp_path, 200, 1000, "osq_lock", QUEUED, 0.0)
    with pytest.raises(ArgumentError, match="no setting has think time 0"):
        transfer(tmp_path)
