"""Verdicts, the report and the command of the back-test."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from few import few_draws

from lockmodel.changes.grammar import parse_all
from lockmodel.errors import NotTrustworthyError
from lockmodel.evaluate.backtest import engine, ratio
from lockmodel.evaluate.backtest.case import Backtest, Case, Predicted
from lockmodel.evaluate.backtest.draws import Hypercube
from lockmodel.evaluate.backtest.evidence import Evidence, Published, load
from lockmodel.model.shipped import shipped_dir

PUBLISHED = shipped_dir("data") / "published"
PUBLISHED_GAIN = 20564 / 18501 - 1


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return load(PUBLISHED)


# ---- verdicts and report


@pytest.mark.parametrize(
    ("low", "high", "interval", "expected"),
    [
        (0.11, 0.11, (0.10, 0.12), "inside"),
        (0.11, 0.11, (0.111, 0.12), "outside"),
        (0.105, 0.115, (0.111, 0.12), "inside"),
        (0.11, 0.11, (0.05, 0.109), "outside"),
        (4.0, None, (1.0, 3.9), "outside"),
        (4.0, None, (1.0, 4.1), "inside"),
        (4.0, None, (9.0, 12.0), "inside"),
    ],
)
def test_verdicts(
    low: float, high: float | None, interval: tuple[float, float], expected: str
) -> None:
    assert engine.verdict_of(interval, Published(low, high, 0.0)) == expected


def _case(gains: np.ndarray, published: float, undecidable: str = "") -> Case:
    return Case(
        id="made_up",
        group="change",
        scenario="",
        lever="batch:all=1",
        kind="batch",
        population=1,
        parameters="",
        reasoning="because",
        undecidable=undecidable,
        if_outside="so",
        predict=lambda context: Predicted(gains, np.ones(gains.size)),
        published=lambda context: Published(published, published, 0.01),
    )


def test_a_wide_interval_decides_nothing_but_a_miss(evidence: Evidence) -> None:
    wide = np.linspace(0.0, 4.0, 500)
    inside = engine.judge(_case(wide, 2.0), evidence, Hypercube())
    assert inside.verdict == "undecidable"
    assert "too wide an interval" in inside.why
    assert engine.judge(_case(wide, 9.0), evidence, Hypercube()).verdict == "outside"
    narrow = engine.judge(_case(np.linspace(0.0, 1.0, 500), 0.5), evidence, Hypercube())
    assert (narrow.verdict, narrow.why) == ("inside", "because")
    assert narrow.predicted == pytest.approx(0.5)
    assert narrow.model_interval == pytest.approx((0.05, 0.95), abs=1e-3)


def test_a_miss_and_an_unknown_strength_say_why(evidence: Evidence) -> None:
    gains = np.linspace(0.1, 0.2, 500)
    missed = engine.judge(_case(gains, 0.5), evidence, Hypercube())
    assert (missed.verdict, missed.why) == ("outside", "because; missed: so")
    unknown = engine.judge(_case(gains, 0.15, "not measured"), evidence, Hypercube())
    assert (unknown.verdict, unknown.why) == ("undecidable", "because; not measured")
    alone = _case(np.array([0.1]), 0.1)
    with pytest.raises(NotTrustworthyError, match="only 1 draws agree"):
        engine.judge(alone, evidence, Hypercube())


def test_every_record_has_a_case_and_every_lever_can_be_typed() -> None:
    records = json.loads((PUBLISHED / "interventions.json").read_text())
    cases = engine.all_cases()
    assert {r["id"] for r in records} == {c.id for c in cases if c.group == "change"}
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        if case.lever != "none" and not case.undecidable:
            parse_all(case.lever)  # raises if no command would take it


def test_the_answer_does_not_depend_on_the_processes() -> None:
    names = [*ratio.ROBOTS, *(f"rqspin_x86_{w}" for w in ("locktorture", "lock1_threads"))]
    names += ["lipeng_false_sharing", "jonas_false_sharing", "guzik_pidmap_once"]
    names += ["yibin_rmap_exclude", "guzik_tasklist_exit", "guzik_batch_unlink"]
    names += ["rqspin_x86_lock2_threads", "rqspin_x86_open1_threads", "pcp_batch_hold_vs_acquires"]
    names += ["vfs_inode_cache_xfs"]
    with few_draws():
        alone, shared = (engine.run(ids=names, workers=count) for count in (1, 2))
    assert alone == shared


# ---- command


@pytest.fixture(scope="module")
def report() -> Backtest:
    ids = ["lkp_spr_224", "huang_v2_tree_and_lock_split", "guzik_pidmap_once", "yibin_rmap_exclude"]
    return engine.run(ids=ids, workers=1)


@pytest.fixture
def known(
    report: Backtest, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """The command, with a report that need not be made each time."""
    monkeypatch.setattr(engine, "run", lambda **options: report)
    return command


def test_json_has_the_agreed_keys(known: Callable[..., Any]) -> None:
    made = json.loads(known("backtest", "--json").stdout)
    assert made["schema"] == "lockmodel.backtest/1"
    assert len(made["entries"]) == 6
    keys = {"id", "lever", "published", "predicted", "interval", "verdict", "why"}
    for entry in made["entries"]:
        assert keys <= set(entry)
        assert entry["verdict"] in ("inside", "outside", "undecidable")
    by_id = {entry["id"]: entry for entry in made["entries"]}
    assert by_id["huang_v2_tree_and_lock_split"]["published"] == [4.0, None]
    assert by_id["lkp_spr_224"]["published"] == pytest.approx([PUBLISHED_GAIN] * 2)
    assert by_id["guzik_pidmap_once"]["predicted"] is None
    assert by_id["guzik_pidmap_once"]["interval"] is None
    assert by_id["guzik_pidmap_once"]["limits"] == [0.0, 1.0]
    low, high = by_id["lkp_spr_224"]["interval"]
    inner = by_id["lkp_spr_224"]["model_interval"]
    assert low < inner[0] < by_id["lkp_spr_224"]["predicted"] < inner[1] < high


def test_the_table_fits_and_counts(known: Callable[..., Any]) -> None:
    ran = known("backtest", "--explain")
    assert ran.fine
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("huang_v2"))
    assert "> +400" in row
    assert row.endswith("inside")
    assert sum(line.endswith("OUTSIDE") for line in lines) == 2
    assert "gains of throughput in %: 3 inside, 2 outside, 1 undecidable" in ran.stdout
    assert "never separates held work from hand-off" in " ".join(ran.stdout.split())
    pidmap = next(line for line in lines if line.startswith("guzik_pidmap_once"))
    assert pidmap.split() == ["guzik_pidmap_once", "+10", "to", "16", "to", "+100", "undecidable"]


def test_plots(known: Callable[..., Any], tmp_path: Path) -> None:
    assert known("backtest", "--plot", "gains.svg").fine
    assert known("backtest", "--plot", "again.svg").fine
    drawn = (tmp_path / "gains.svg").read_bytes()
    assert drawn == (tmp_path / "again.svg").read_bytes()
    assert b"<svg" in drawn
    lines = known("backtest", "--plot").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    yibin = [line[34:] for line in lines if line.startswith("yibin") and "X" in line[34:]]
    for row in yibin:  # published +80 %, predicted more: from left to right
        assert row.index(".") < row.index("|") < row.index("X")
    assert len(yibin) == 2


def test_an_unknown_record_is_an_argument_error(command: Callable[..., Any]) -> None:
    ran = command("backtest", "--only", "lkp_spr")
    assert ran.returncode == 3
    assert "did you mean 'lkp_spr_224'" in ran.stderr


def test_places_on_the_axis(report: Backtest) -> None:
    from lockmodel.figures.backtest import _scaled, measured

    assert _scaled(0.05) == pytest.approx(0.3)
    assert _scaled(10.0) - _scaled(1.0) == pytest.approx(1.0)
    assert _scaled(-1.0) == -_scaled(1.0)
    split = next(e for e in report.entries if e.published[1] is None)
    assert measured(split) == (4.0, 4.0, math.inf)
    robot = next(e for e in report.entries if e.id == "lkp_spr_224")
    factor = math.exp(1.645 * 0.02 * math.sqrt(2))
    assert measured(robot) == pytest.approx(
        (1.11151 / factor - 1, 0.11151, 1.11151 * factor - 1), abs=1e-4
    )
