"""Measurements from Python: read, and fitted with and without a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from places import CASES

import lockmodel as lm
from lockmodel.api.given import levers_of
from lockmodel.errors import ArgumentError, NotTrustworthyError

TRUTH = str(CASES / "truth.toml")
CURVE = CASES / "c.csv"
TASKS = np.array([1, 2, 4, 8, 16, 32])
RATES = np.array([8000.0, 16000.0, 30000.0, 55000.0, 80000.0, 79000.0])
"""Those of `CURVE`."""


@pytest.fixture(scope="module")
def fitted():
    return lm.fit({"tasks": TASKS, "throughput": RATES}, TRUTH, free=["think", "hold"])


def test_columns_in_memory_are_fitted_as_their_file_is(fitted, command):
    Path("data").write_text(CURVE.read_text())
    ran = command("fit", "data", "--model", TRUTH, "--free", "think,hold", "--json")
    own, said = json.loads(json.dumps(fitted.to_dict())), json.loads(ran.stdout)
    assert own.pop("files") != said.pop("files")  # 8000.0 is written otherwise than 8000
    assert own == said
    columns = fitted.columns()
    assert columns["name"].tolist() == ["think", "all.time_per_instruction_remote"]
    # alone 1 / 8,000 s, of which 4 acquires hold 900 instructions each for 0.35 ns
    assert columns["value"][0] == pytest.approx(1 / 8000 - 4 * 900 * 0.35e-9, rel=0.03)
    assert (columns["low"] < columns["value"]).all()


def test_the_fitted_scenario_predicts_with_intervals(fitted):
    point = lm.predict(fitted.scenario, 32).points[0]
    low, high = point.interval_per_s
    assert low < 79000 < high


def test_the_picture_has_what_was_measured(fitted):
    (axes,) = fitted.plot().axes
    measured = next(line for line in axes.lines if line.get_marker() == "o")
    assert measured.get_xydata()[:, 1].tolist() == (RATES / 1e3).tolist()


def test_what_was_read_is_fitted_as_its_file_is():
    read = lm.fit(lm.read(CURVE), TRUTH, free="think,hold")
    assert read.fitted.digests.keys() == {"data"}
    assert read.columns()["value"].tolist() == pytest.approx(
        lm.fit([CURVE], TRUTH, free="think,hold").columns()["value"].tolist()
    )


def test_without_a_model_families_compete():
    compared = lm.fit({"tasks": TASKS[::2], "throughput": RATES[::2]}, cpus=64)
    columns = compared.columns()
    assert columns["n"].tolist() == [1, 4, 16, 32, 64]
    assert (columns["low"] < columns["high"]).all()
    assert compared.to_dict()["curves"][0]["cpus"] == 64


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: lm.fit({"tasks": [1, 2], "throughput": [3.0]}), "lengths of its columns"),
        (lambda: lm.fit({}), "lengths of its columns"),
        (lambda: lm.fit([]), "no file is given"),
        (lambda: lm.fit(CURVE, free="think"), "belong to a model"),
        (lambda: lm.fit(CURVE, TRUTH, cpus=4, machine="1x4x1"), "says them too"),
        (lambda: lm.read(), "no file is given"),
        (lambda: lm.read(CURVE, tasks=0), "must be above 0"),
        (lambda: lm.predict(TRUTH, [8.5]), r"8.5 must be a whole number"),
        (lambda: lm.predict(TRUTH, []), "no population is given"),
        (lambda: lm.ceiling(TRUTH, [1, 2]), "takes one population"),
        (lambda: lm.whatif(TRUTH, []), "levers: none is given"),
        (lambda: lm.theory("any-change", p=0.4), "p: is no symbol of any-change"),
        (lambda: lm.theory("any-change", TRUTH, q=0.4), "leave scenario and n out"),
        (lambda: lm.figure("chain", data="x.csv"), "takes no 'measured'"),
        (lambda: lm.figure("chian"), "did you mean 'chain'"),
    ],
)
def test_what_makes_no_sense_is_refused(call, said):
    with pytest.raises(ArgumentError, match=said):
        call()


def test_a_scenario_is_changed_as_the_options_change_it():
    made = lm.load(TRUTH, machine="1x8x2", set={"think": "4us"}, walks="table=10,read_us=5")
    assert (made.machine.cpus, made.think) == (16, 4e-6)
    assert made.lock("table").walkers.walks_per_s == 10
    assert lm.load(made, set=["table.shards=3"]).lock("table").shards == 3


def test_a_figure_is_the_one_of_the_command(command):
    command(*f"figure chain --model {TRUTH} -n 16 --width column -o chain.png".split())
    lm.figure("chain", TRUTH, 16, width="column").savefig("own.png", dpi=160)
    assert Path("own.png").read_bytes() == Path("chain.png").read_bytes()


def test_a_picture_is_the_one_of_the_command(command):
    command("predict", TRUTH, "-n", "1,8,64", "--plot-file", "curve.png")
    lm.predict(TRUTH, [1, 8, 64]).plot().savefig("own.png", dpi=160)
    assert Path("own.png").read_bytes() == Path("curve.png").read_bytes()


def test_levers_are_texts_or_levers_and_a_variant_may_have_none():
    both = levers_of("less_think=0.5; shard:table=2")
    assert [one.text for one in both] == ["less_think=0.5", "shard:table=2"]
    assert levers_of(both[0]) == both[:1]
    assert levers_of([both[0], "shard:table=2"]) == both
    assert levers_of("") == []


def test_the_options_of_a_fit_reach_it(monkeypatch):
    given = {}

    def outcome(loaded, free, said, settings, bootstrap, progress):
        given.update(free=free, said=said, settings=settings, bootstrap=bootstrap, sets=loaded.sets)
        raise NotTrustworthyError("seen")

    monkeypatch.setattr("lockmodel.cli.fit.outcome", outcome)
    with pytest.raises(NotTrustworthyError, match="seen"):
        lm.fit(
            CURVE,
            TRUTH,
            free=["think", "handoff"],
            share={"think": "file"},
            priors=False,
            robust=True,
            bootstrap="case",
            set={"think": "90us"},
            cpus=32,
        )
    (data,) = given.pop("sets")
    assert (data.scenario.think, data.scenario.machine.cpus) == (90e-6, 32)
    assert given == {
        "free": ("think", "handoff"),
        "said": {"share": {"think": "file"}, "variants": {}},
        "settings": {"priors": False, "loss": "soft_l1"},
        "bootstrap": "case",
    }
